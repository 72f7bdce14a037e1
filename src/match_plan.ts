/**
 * How to match two checkpoints within some memory.
 *
 * S = source features (the reference's), T = target features, N = tokens.
 *
 * @module
 */

/** What is to be matched, and with what. */
export interface MatchSize {
  /** Source features, S. */
  readonly nSource: number;
  /** Target features, T. */
  readonly nTarget: number;
  /** Tokens, N. */
  readonly nTokens: number;
  /** Activations of the source. */
  readonly nnzSource: number;
  /** Activations of the target. */
  readonly nnzTarget: number;
  /** Threads. */
  readonly workers: number;
  /** Most bytes to use. */
  readonly memory: number;
}

/** How to match. All ways give the same bits. */
export interface MatchPlan {
  /**
   * "blocks": sums of all pairs of features are kept, and tokens come by in blocks. "rows": all
   * tokens are kept, and source features come by one at a time.
   */
  readonly way: "blocks" | "rows";
  /** Tokens of a block, a power of two. */
  readonly blockRows: number;
  /** How often the tokens come by, for as many groups of source features; 1 for "rows". */
  readonly nPasses: number;
  /** Whether there is room to keep the source for the next match. */
  readonly keepsSource: boolean;
}

const MiB = 2 ** 20;

/** What is used beside the arrays counted here: the engine, and for every worker another. */
const runtimeBytes = 192 * MiB;
const workerBytes = 32 * MiB;

/** Target of a block; twice as much falls out of the caches, and half as much is copied too often. */
const cacheBytes = 5.5 * MiB;

/** Blocks that are read, or worked on, at the same time. */
export const blocksAtOnce = 3;

/**
 * Chooses the fastest way that fits.
 *
 * Sums of all pairs take 8 S T bytes. Where they do not fit, the tokens of both sides are kept, 6
 * bytes a source activation and 6 or 8 a target activation; where they do not fit either, as many
 * source features as do are matched at a time, and the tokens come by once for each such group.
 *
 * @param size What is to be matched.
 * @returns The plan.
 * @throws {RangeError} If the memory is too little; says the least that works.
 *
 * @example Sums of 8,192 × 8,192 pairs are 512 MiB
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const size = { nSource: 8192, nTarget: 8192, nTokens: 640000, nnzSource: 3e7, nnzTarget: 3e7 };
 *
 * assert.equal(planMatch({ ...size, workers: 2, memory: 2 ** 30 }).nPasses, 1);
 * assert.equal(planMatch({ ...size, workers: 2, memory: 2 ** 29 }).nPasses, 3);
 * ```
 */
export function planMatch(size: MatchSize): MatchPlan {
  const { nSource, nTarget, nTokens, nnzSource, nnzTarget, workers, memory } = size;
  const sourceBytes = 6; // of an activation
  const targetBytes = nTarget <= 0x10000 ? 6 : 8;
  const perRow = (nnzSource * sourceBytes + nnzTarget * targetBytes) / Math.max(1, nTokens);
  // What every thread has of its own: a row of sums, norms, and matches, which are posted.
  const perWorker = 8 * nTarget + 8 * nTarget + 2 * (16 * nSource + 8 * nTarget);
  const fixed = runtimeBytes + (workers > 1 ? workers * workerBytes : 0) + workers * perWorker;
  // A block on its way is read, joined with its neighbour where it is cut, and turned.
  const inFlight = (rows: number) =>
    blocksAtOnce * (2 * Math.min(rows, nTokens) * perRow + 4 * (nSource + nTarget));
  const keptSource = sourceBytes * nnzSource;

  const blockRows = powerOfTwo(cacheBytes / (targetBytes * nnzTarget / Math.max(1, nTokens)));
  const free = memory - fixed - inFlight(blockRows);
  const rowBytes = 8 * nTarget; // the sums of one source feature
  const perPass = Math.floor(free / rowBytes);
  const nPasses = perPass < 1 ? Infinity : Math.ceil(nSource / perPass);
  const byBlocks = (sums: number): MatchPlan => ({
    way: "blocks",
    blockRows,
    nPasses,
    keepsSource: free - sums >= keptSource,
  });
  if (nPasses <= 2) return byBlocks(rowBytes * Math.ceil(nSource / nPasses));
  const most = 0x10000;
  const byRows = fixed + inFlight(most) + keptSource + targetBytes * nnzTarget +
    4 * Math.ceil(nTokens / most) * (nSource + most);
  if (memory >= byRows) return { way: "rows", blockRows: most, nPasses: 1, keepsSource: true };
  if (nPasses < Infinity) return byBlocks(rowBytes * Math.min(nSource, perPass));
  const least = Math.ceil(Math.min(byRows, memory - free + rowBytes) / MiB);
  throw new RangeError(
    `Cannot match ${nSource} with ${nTarget} features in ${Math.floor(memory / MiB)} MiB: ` +
      `expected at least ${least} MiB; give more --memory, or fewer --workers`,
  );
}

// The largest power of two that is not above a number, from 1,024 to 65,536.
function powerOfTwo(x: number): number {
  return 2 ** Math.min(16, Math.max(10, Math.floor(Math.log2(x))));
}
