/**
 * From tokens to the sparse activations of one checkpoint, in memory that does not grow with them.
 *
 * T = positions of a sequence.
 *
 * @module
 */

import type { EncodedRows, EncodedRun, Run, Runner } from "./encode_run.ts";
import { type Quality, qualityMeter } from "./quality.ts";
import { rowBatches } from "./row_batches.ts";
import type { Sae } from "./sae.ts";
import type { Tokens } from "./tokens.ts";

/** What can be changed about an extraction. */
export interface ExtractOptions {
  /** Most tokens of one run, of which there is a whole sequence at least; values do not depend on it. */
  readonly tokensPerRun?: number;
  /** Most sequences of one run; values do not depend on it. */
  readonly batchSize?: number;
  /** Reconstruction is measured on about as many tokens, spread evenly; counts are of all tokens. */
  readonly qualityTokens?: number;
  /** Called after every run, with the number of tokens done. */
  readonly onProgress?: (nTokens: number) => void;
}

/**
 * Runs every sequence and hands on the sparse rows and the norms, in order.
 *
 * The last sequence runs whole even where the total cuts it: no position sees a later one. No more
 * runs are under way, or done and not yet handed on, than the runner takes at once.
 *
 * @param tokens The tokens.
 * @param runner The model and the SAE, here or in workers.
 * @param shape The SAE's widths.
 * @param write Takes what is kept of consecutive tokens: 16,384, fewer where they hold more than 2²²
 *   activations, and fewer at the end.
 * @param options What can be changed.
 * @returns How good the SAE is on these tokens.
 * @throws {DataError} If a value is not finite.
 */
export async function extract(
  tokens: Tokens,
  runner: Runner,
  shape: Pick<Sae, "dIn" | "dSae">,
  write: (encoded: EncodedRows) => void,
  { onProgress, ...options }: ExtractOptions = {},
): Promise<Quality> {
  const meter = qualityMeter(shape);
  const batches = rowBatches(write);
  let nDone = 0;
  const take = ({ rows, norms, sums }: EncodedRun) => {
    meter.count(rows);
    sums.forEach(meter.add);
    batches.add({ rows, norms });
    onProgress?.(nDone += rows.nRows);
  };
  const underWay: Promise<EncodedRun>[] = [];
  for (const run of runsOf(tokens, options)) {
    if (underWay.length === runner.nAtOnce) take(await underWay.shift()!);
    const result = runner.run(run);
    result.catch(() => {}); // the first to fail is the one that is thrown
    underWay.push(result);
  }
  for (const result of underWay) take(await result);
  batches.finish();
  return meter.quality();
}

/**
 * The runs that tokens are cut into, in order.
 *
 * @param tokens The tokens.
 * @param options How many go into one, and on how many the reconstruction is measured.
 * @returns The runs; ids are shared, not copied.
 */
export function* runsOf(
  { ids, contextSize: T, nSequences, nTokens }: Tokens,
  { tokensPerRun = 512, batchSize = 32, qualityTokens = 65536 }: Omit<
    ExtractOptions,
    "onProgress"
  > = {},
): Generator<Run> {
  const perRun = Math.max(1, Math.min(batchSize, Math.floor(tokensPerRun / T)));
  const isMeasured = spread(Math.ceil(qualityTokens / T), nSequences);
  for (let first = 0; first < nSequences; first += perRun) {
    const last = Math.min(nSequences, first + perRun);
    yield {
      ids: ids.subarray(first * T, last * T),
      start: first * T,
      nRows: Math.min(nTokens, last * T) - first * T,
      isMeasured: Array.from({ length: last - first }, (_, i) => isMeasured(first + i)),
    };
  }
}

/**
 * Which `n` of `of` things to take, so that they lie evenly.
 *
 * @param n How many; all if there are fewer.
 * @param of How many there are.
 * @returns Whether thing `i` is taken.
 *
 * @example Two of six
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([0, 1, 2, 3, 4, 5].filter(spread(2, 6)), [2, 5]);
 * ```
 */
export function spread(n: number, of: number): (i: number) => boolean {
  const taken = Math.min(n, of);
  return (i) => Math.floor(((i + 1) * taken) / of) > Math.floor((i * taken) / of);
}
