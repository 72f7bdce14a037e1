/**
 * Runs in workers, each with a session of its own.
 *
 * @module
 */

import { decodingPart, type EncodedRun, type Runner, type RunPlan } from "./encode_run.ts";
import type { EncodeTask } from "./encode_worker.ts";
import { DataError } from "./errors.ts";
import { hasSharedMemory, sharedMemory } from "./memory.ts";
import type { SessionPlan } from "./session.ts";
import { enlist, settled, startWorker, type WorkerLike } from "./workers.ts";

/** Runs per worker that may be under way: one that runs, and one that waits for it. */
const nAhead = 2;

/** Some workers. */
export interface EncodePool {
  /**
   * Opens a session in every worker.
   *
   * @param plan What each is made from.
   * @returns Runs sequences in whichever worker has the fewest; release it when done.
   * @throws {DataError} If a session cannot be made.
   */
  open(plan: SessionPlan & RunPlan): Promise<Runner>;
  /** Ends the workers; what is under way fails. */
  close(): void;
}

/**
 * Starts workers, which stay for as many checkpoints as there are.
 *
 * An error of what a worker is told is thrown here, of the same class and message. A worker that
 * dies fails all that it was told, and all that it is told from then on.
 *
 * @param nWorkers How many. Each holds its own copy of the weights that are not float32.
 * @param start Starts one.
 * @returns The pool; close it when done.
 */
export function encodePool(
  nWorkers: number,
  start: () => WorkerLike = () => startWorker(new URL("./encode_worker.ts", import.meta.url)),
): EncodePool {
  const members = Array.from(
    { length: nWorkers },
    () => enlist<EncodeTask>(start(), "extraction"),
  );
  let nSessions = 0;
  return {
    async open(plan) {
      const session = nSessions++;
      const sae = { ...decodingPart(plan.sae), decoder: toShared(plan.sae.decoder) };
      const all = (task: EncodeTask) => settled(members.map((member) => member.ask(task)));
      const release = async () => void await all({ session, act: "release" });
      await all({ session, act: "open", plan: { ...plan, sae } }).catch(async (error) => {
        await release().catch(() => {}); // the first error is the one to tell
        throw error;
      });
      return {
        nAtOnce: nAhead * nWorkers,
        async run(run) {
          const member = members.reduce((a, b) => b.nWaiting < a.nWaiting ? b : a);
          // A view would be posted with all that it is a view of.
          const alone = { ...run, ids: run.ids.slice() };
          return await member.ask({ session, act: "run", run: alone }) as EncodedRun;
        },
        release,
      };
    },
    close() {
      const detail = { where: "a worker", expected: "its answer", got: "the end of the pool" };
      for (const member of members) member.end(new DataError("wait for", detail));
    },
  };
}

// Memory that all threads see, where there is such; else what is posted is copied.
function toShared(values: Float32Array): Float32Array {
  if (!hasSharedMemory()) return values;
  const shared = sharedMemory.float32(values.length);
  shared.set(values);
  return shared;
}
