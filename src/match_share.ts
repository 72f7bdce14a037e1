/**
 * What one thread of a match does, beside others that do the same.
 *
 * Source features are taken a range at a time by whoever is free, so that a slow thread holds up
 * nobody; but blocks are added to each range in order, so that every sum runs in token order.
 *
 * @module
 */

import type { Block } from "./blocks.ts";
import {
  addBlock,
  type Comparison,
  type Dots,
  matchOfBlocks,
  matchOfDots,
  type Range,
} from "./dots.ts";
import type { Match } from "./match.ts";
import type { Allocate } from "./memory.ts";

/** What a thread of a match is told. */
export type ShareTask =
  /** Add the products on the tokens of one more block, the `number`th. */
  | {
    readonly act: "add";
    readonly dots: Dots;
    readonly block: Block;
    readonly number: number;
    readonly turns: Turns;
  }
  /** Match by the sums, now that all tokens came by. */
  | {
    readonly act: "finish";
    readonly dots: Dots;
    readonly comparison: Comparison;
    readonly turns: Turns;
  }
  /** Match by all blocks. */
  | {
    readonly act: "match";
    readonly blocks: readonly Block[];
    readonly comparison: Comparison;
    readonly turns: Turns;
  };

/** What all threads count together. */
export interface Turns {
  /** All source features that they share. */
  readonly features: Range;
  /** How many ranges of each block, by its number, and at last of the matching, are taken. */
  readonly taken: Int32Array;
  /** How many blocks have been added to each range. */
  readonly added: Int32Array;
  /** Not 0 where no thread should wait for another any more. */
  readonly stopped: Int32Array;
}

/** How long a thread waits before it looks whether it should stop: one that waits cannot be ended. */
const patienceMs = 50;

/** Source features of a range. */
const rangeLength = 64;

/**
 * Turns of which none is taken.
 *
 * @param features The source features to share.
 * @param nBlocks Number of blocks.
 * @param stopped Where it is said that threads should stop.
 * @param allocate Where all threads see them.
 * @returns The turns.
 */
export function newTurns(
  features: Range,
  nBlocks: number,
  stopped: Int32Array,
  allocate: Allocate,
): Turns {
  const nRanges = Math.ceil((features[1] - features[0]) / rangeLength);
  return {
    features,
    taken: allocate.int32(nBlocks + 1).fill(0),
    added: allocate.int32(nRanges).fill(0),
    stopped,
  };
}

/**
 * Does one task of a match, in whatever thread it is called.
 *
 * @param task The task.
 * @returns The matches of the features that this thread took, where matches are asked for.
 */
export function doShare(task: ShareTask): Match | undefined {
  const { turns } = task;
  switch (task.act) {
    case "add":
      for (let r = take(turns, task.number); r !== undefined; r = take(turns, task.number)) {
        addInTurn(task.dots, task.block, r, task.number, turns);
      }
      return;
    case "finish":
      return matchOfDots(task.dots, task.comparison, () => takeLast(turns));
    case "match":
      return matchOfBlocks(task.blocks, task.comparison, () => takeLast(turns));
  }
}

// The next range that nobody has taken for a purpose, numbered as blocks are.
function take({ features: [first, end], taken }: Turns, purpose: number): Range | undefined {
  const from = first + rangeLength * Atomics.add(taken, purpose, 1);
  return from < end ? [from, Math.min(end, from + rangeLength)] : undefined;
}

function takeLast(turns: Turns): Range | undefined {
  return take(turns, turns.taken.length - 1);
}

// Waits until the blocks before have been added to a range, which others may be about.
function addInTurn(dots: Dots, block: Block, range: Range, number: number, turns: Turns): void {
  const { added, features, stopped } = turns;
  const r = (range[0] - features[0]) / rangeLength;
  for (let n = Atomics.load(added, r); n < number; n = Atomics.load(added, r)) {
    if (Atomics.load(stopped, 0) !== 0) return; // who has the range may be no more
    Atomics.wait(added, r, n, patienceMs);
  }
  addBlock(dots, block, range);
  Atomics.store(added, r, number + 1);
  Atomics.notify(added, r);
}
