/**
 * What one thread of a match does: the sums and matches of its share of the source features.
 *
 * @module
 */

import type { Block } from "./blocks.ts";
import {
  addBlock,
  type Dots,
  matchOfBlocks,
  matchOfDots,
  type PairSums,
  zeroDots,
} from "./dots.ts";
import type { Match } from "./match.ts";

/** What a thread of a match is told. */
export type ShareTask =
  /** Forget all sums; from now on these source features. */
  | { readonly act: "begin"; readonly features: Uint32Array; readonly nTarget: number }
  /** Add the products on some more tokens. */
  | { readonly act: "add"; readonly block: Block }
  /** Give the matches, now that all tokens came by. */
  | { readonly act: "finish"; readonly sums: PairSums }
  /** Match whatever features nobody else has taken; `taken` counts the ranges of all threads. */
  | {
    readonly act: "take";
    readonly blocks: readonly Block[];
    readonly sums: PairSums;
    readonly taken: Int32Array;
  };

/** Source features that are taken at a time. */
const rangeLength = 64;

/**
 * A thread of a match, in whatever thread it is called.
 *
 * @returns Does one task after another; gives a match where one is asked for.
 */
export function matchShare(): (task: ShareTask) => Match | undefined {
  let dots: Dots | undefined;
  return (task) => {
    switch (task.act) {
      case "begin":
        dots = zeroDots(task.features, task.nTarget, dots);
        return;
      case "add":
        addBlock(dots!, task.block);
        return;
      case "finish":
        return matchOfDots(dots!, task.sums);
      case "take": {
        const nSource = task.sums.source.counts.length;
        return matchOfBlocks(task.blocks, task.sums, () => {
          const from = rangeLength * Atomics.add(task.taken, 0, 1);
          return from < nSource ? [from, Math.min(nSource, from + rangeLength)] : undefined;
        });
      }
    }
  };
}
