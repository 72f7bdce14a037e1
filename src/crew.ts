/**
 * The threads of a match, as one.
 *
 * @module
 */

import type { Match } from "./match.ts";
import { blocksAtOnce } from "./match_plan.ts";
import { doShare, type ShareTask } from "./match_share.ts";
import {
  type Allocate,
  type Arena,
  arena,
  hasSharedMemory,
  ownMemory,
  sharedMemory,
} from "./memory.ts";
import { enlist, type Member } from "./workers.ts";

/** Threads, and the memory of the blocks that they work on. */
export interface Crew {
  /** The threads. */
  readonly members: readonly Member<ShareTask>[];
  /** Memory of blocks on their way. */
  readonly slots: readonly Arena[];
  /** Not 0 where no thread should wait for another any more. */
  readonly stopped: Int32Array;
}

/**
 * Gathers the threads of a crew; of one it is this thread.
 *
 * @param nThreads How many.
 * @param start Starts a worker.
 * @returns The crew.
 */
export function startCrew(nThreads: number, start: () => Worker): Crew {
  const isAlone = nThreads === 1;
  return {
    members: isAlone
      ? [thisThread()]
      : Array.from({ length: nThreads }, () => enlist<ShareTask>(start(), "match")),
    slots: Array.from({ length: isAlone ? 1 : blocksAtOnce }, () => arena(hasSharedMemory())),
    stopped: shared().int32(1).fill(0),
  };
}

/**
 * Ends the threads of a crew.
 *
 * @param crew The crew.
 * @param error What those that wait are told.
 */
export function endCrew({ members, stopped }: Crew, error: Error): void {
  Atomics.store(stopped, 0, 1);
  for (const member of members) member.end(error);
}

/**
 * Tells all members of a crew the same, and ends them if one fails: the others may wait for it.
 *
 * @param crew The crew.
 * @param task What to do.
 * @returns What each answers.
 */
export async function askAll(crew: Crew, task: ShareTask): Promise<Match[]> {
  try {
    return await Promise.all(crew.members.map((member) => member.ask(task))) as Match[];
  } catch (error) {
    endCrew(crew, error as Error);
    throw error;
  }
}

function thisThread(): Member<ShareTask> {
  return { nWaiting: 0, ask: (task) => Promise.resolve().then(() => doShare(task)), end: () => {} };
}

/**
 * Memory that all threads see, where there is such memory.
 *
 * @returns Where arrays lie.
 */
export function shared(): Allocate {
  return hasSharedMemory() ? sharedMemory : ownMemory;
}
