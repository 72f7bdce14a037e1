/**
 * From tokens to the sparse activations of one checkpoint, in memory that does not grow with them.
 *
 * N = tokens of a run, T = positions of a sequence, D = d_in, F = d_sae.
 *
 * @module
 */

import { DataError } from "./errors.ts";
import { type Quality, qualityMeter, type SequenceSums, sequenceSums } from "./quality.ts";
import type { Sae } from "./sae.ts";
import type { Encoder } from "./session.ts";
import { concatenate, sliceRows, type Sparse, sparsify } from "./sparse.ts";
import type { Tokens } from "./tokens.ts";

/** Most tokens of one run on a CPU: more fall out of its caches. */
const tokensPerRun = 1024;

/** Tokens of one batch of rows on disk; fixed, so that files do not depend on other options. */
const tokensPerBatch = 16384;

/** What can be changed about an extraction. */
export interface ExtractOptions {
  /** Activations of a smaller size are dropped. */
  readonly threshold?: number;
  /** Most sequences that run at once; values do not depend on it. */
  readonly batchSize?: number;
  /** Reconstruction is measured on about as many tokens, spread evenly; counts are of all tokens. */
  readonly qualityTokens?: number;
  /** Called after every run, with the number of tokens done. */
  readonly onProgress?: (nTokens: number) => void;
}

/**
 * Runs every sequence through an encoder and hands on the sparse rows, in order.
 *
 * The last sequence runs whole even where the total cuts it: no position sees a later one.
 *
 * Takes nnz · D multiply-adds to reconstruct a measured token, beside the graph itself.
 *
 * @param tokens The tokens.
 * @param encoder The model and the SAE.
 * @param sae The SAE, for its decoder.
 * @param write Takes the rows of 16,384 consecutive tokens, of fewer at the end.
 * @param options What can be changed.
 * @returns How good the SAE is on these tokens.
 * @throws {DataError} If a value is not finite.
 */
export async function extract(
  tokens: Tokens,
  encoder: Encoder,
  sae: Sae,
  write: (rows: Sparse) => void,
  { threshold = 1e-6, batchSize = 32, qualityTokens = 65536, onProgress }: ExtractOptions = {},
): Promise<Quality> {
  const { contextSize: T, nSequences, nTokens } = tokens;
  const perRun = Math.max(1, Math.min(batchSize, Math.floor(tokensPerRun / T)));
  const isMeasured = spread(Math.ceil(qualityTokens / T), nSequences);
  const meter = qualityMeter(sae);
  let pending: Sparse[] = [];

  for (let sequence = 0; sequence < nSequences; sequence += perRun) {
    const start = sequence * T;
    const end = Math.min(nTokens, start + perRun * T);
    const ids = tokens.ids.subarray(start, Math.min(tokens.ids.length, start + perRun * T));
    const { rows, sums } = await encodeRun(ids, encoder, sae, {
      threshold,
      start,
      nRows: end - start,
      isMeasured,
    });
    meter.count(rows);
    sums.forEach(meter.add);
    pending = writeFull([...pending, rows], write);
    onProgress?.(end);
  }
  if (pending.length > 0) write(concatenate(pending));
  return meter.quality();
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

// Runs some sequences; of the result the first rows count.
async function encodeRun(
  ids: Int32Array,
  encoder: Encoder,
  sae: Sae,
  { threshold, start, nRows, isMeasured }: {
    readonly threshold: number;
    readonly start: number;
    readonly nRows: number;
    readonly isMeasured: (sequence: number) => boolean;
  },
): Promise<{ readonly rows: Sparse; readonly sums: readonly SequenceSums[] }> {
  const T = encoder.length;
  const encoded = await encoder.encode(ids);
  const x = encoded.x.subarray(0, nRows * sae.dIn);
  const activations = encoded.activations.subarray(0, nRows * sae.dSae);
  const inX = firstNonFinite(x);
  if (inX >= 0) refuse("input", x[inX], start + Math.floor(inX / sae.dIn), sae, T);

  const rows = sparsify(activations, sae.dSae, threshold);
  const inRows = firstNonFinite(rows.values);
  if (inRows >= 0) {
    const row = rows.offsets.findIndex((offset) => offset > inRows) - 1;
    refuse("activations", rows.values[inRows], start + row, sae, T);
  }
  const sums: SequenceSums[] = [];
  for (let from = 0; from < nRows; from += T) {
    const to = Math.min(nRows, from + T);
    sums.push(sequenceSums(rows, x, { sae, from, to, isMeasured: isMeasured((start + from) / T) }));
  }
  return { rows, sums };
}

// Position of the first value that is not a number to count with, -1 if there is none.
function firstNonFinite(values: Float32Array): number {
  let sum = 0;
  for (let e = 0; e < values.length; e++) sum += values[e] * 0; // NaN from NaN and from infinity
  return sum === 0 ? -1 : values.findIndex((value) => !Number.isFinite(value));
}

function refuse(what: string, value: number, token: number, sae: Sae, T: number): never {
  throw new DataError(`compute the ${what} of SAE`, {
    where: `${sae.where} at ${sae.hook.name}`,
    expected: "finite numbers",
    got: `${value} at position ${token % T} of sequence ${Math.floor(token / T)}`,
    fix: "look for NaN or overflow in the weights of the model",
  });
}

// Writes whole batches, and returns what is left.
function writeFull(parts: Sparse[], write: (rows: Sparse) => void): Sparse[] {
  const nRows = parts.reduce((sum, part) => sum + part.nRows, 0);
  if (nRows < tokensPerBatch) return parts;
  const joined = concatenate(parts);
  let from = 0;
  for (; from + tokensPerBatch <= nRows; from += tokensPerBatch) {
    write(sliceRows(joined, from, from + tokensPerBatch));
  }
  return from < nRows ? [sliceRows(joined, from, nRows)] : [];
}
