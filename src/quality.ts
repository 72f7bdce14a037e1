/**
 * How good an SAE is on some tokens: what fires, and how much of its input it gives back.
 *
 * Sums are made a sequence at a time and added in order, so that they do not depend on how many
 * sequences are run at once, or where.
 *
 * D = d_in, F = d_sae, N = tokens.
 *
 * @module
 */

import { denormalisation } from "./encoder.ts";
import type { Sae } from "./sae.ts";
import type { Sparse } from "./sparse.ts";

/** How good an SAE is on the tokens of a sweep. */
export interface Quality {
  /** Tokens on which features were counted, N. */
  readonly nTokens: number;
  /** Features of the SAE, F. */
  readonly dSae: number;
  /** Tokens on which the reconstruction was measured. */
  readonly nMeasured: number;
  /** Mean number of features that fire on a token. */
  readonly l0: number;
  /** Mean sum of activations on a token. */
  readonly l1: number;
  /** Mean squared error of the reconstruction, summed over D. */
  readonly mse: number;
  /** 1 − Σ‖x − x̂‖² / Σ‖x − x̄‖², x̄ being the mean over the tokens. */
  readonly explainedVariance: number;
  /** Features that never fire. */
  readonly nDead: number;
  /** Features that fire on more than a tenth of the tokens. */
  readonly nDense: number;
}

/** Sums over the tokens of one sequence. */
export interface SequenceSums {
  /** Tokens. */
  readonly nTokens: number;
  /** Sum of |activations|. */
  readonly l1: number;
  /** Sums of the reconstruction, where it was measured. */
  readonly reconstruction?: ReconstructionSums;
}

/** Sums over measured tokens. */
export interface ReconstructionSums {
  /** Σ‖x − x̂‖². */
  readonly squaredError: number;
  /** Σ‖x‖². */
  readonly squaredInput: number;
  /** Σx: `[D]`. */
  readonly sumInput: Float64Array;
}

/**
 * Sums over the rows `from <= r < to` of some activations.
 *
 * Decoding takes nnz · D multiply-adds.
 *
 * @param rows Activations of a run: `[N, F]`.
 * @param x What the SAE reconstructs, row-major: `[N, D]`.
 * @param options The SAE, the rows of the sequence, and whether to decode them.
 * @returns The sums.
 */
export function sequenceSums(
  rows: Sparse,
  x: Float32Array,
  { sae, from, to, isMeasured }: {
    readonly sae: Pick<Sae, "dIn" | "normalization" | "decoder" | "decoderBias">;
    readonly from: number;
    readonly to: number;
    readonly isMeasured: boolean;
  },
): SequenceSums {
  let l1 = 0;
  for (let e = rows.offsets[from]; e < rows.offsets[to]; e++) l1 += Math.abs(rows.values[e]);
  const sums = { nTokens: to - from, l1 };
  if (!isMeasured) return sums;

  const { dIn: D, decoder, decoderBias } = sae;
  const decoded = new Float64Array(D);
  const sumInput = new Float64Array(D);
  let [squaredError, squaredInput] = [0, 0];
  for (let r = from; r < to; r++) {
    decoded.set(decoderBias);
    for (let e = rows.offsets[r]; e < rows.offsets[r + 1]; e++) {
      const row = rows.columns[e] * D;
      const value = rows.values[e];
      for (let d = 0; d < D; d++) decoded[d] += value * decoder[row + d];
    }
    const token = x.subarray(r * D, (r + 1) * D);
    const { scale, shift } = denormalisation(sae, token);
    for (let d = 0; d < D; d++) {
      const v = token[d];
      const error = v - (scale * decoded[d] + shift);
      squaredError += error * error;
      squaredInput += v * v;
      sumInput[d] += v;
    }
  }
  return { ...sums, reconstruction: { squaredError, squaredInput, sumInput } };
}

/** Adds up the sums of sequences. */
export interface QualityMeter {
  /** Counts which features fire. */
  count(rows: Sparse): void;
  /** Adds the sums of the next sequence. */
  add(sums: SequenceSums): void;
  /** What they come to. NaN where nothing was measured, or the input does not vary. */
  quality(): Quality;
}

/**
 * Begins adding up.
 *
 * @param shape The SAE's widths.
 * @returns A meter at zero.
 */
export function qualityMeter({ dIn, dSae }: Pick<Sae, "dIn" | "dSae">): QualityMeter {
  const counts = new Float64Array(dSae);
  const sumInput = new Float64Array(dIn);
  let [nTokens, nnz, l1, nMeasured, squaredError, squaredInput] = [0, 0, 0, 0, 0, 0];
  return {
    count({ columns }) {
      for (let e = 0; e < columns.length; e++) counts[columns[e]]++;
      nnz += columns.length;
    },
    add(sums) {
      nTokens += sums.nTokens;
      l1 += sums.l1;
      if (sums.reconstruction === undefined) return;
      nMeasured += sums.nTokens;
      squaredError += sums.reconstruction.squaredError;
      squaredInput += sums.reconstruction.squaredInput;
      sums.reconstruction.sumInput.forEach((sum, d) => sumInput[d] += sum);
    },
    quality() {
      const squaredMean = sumInput.reduce((total, sum) => total + (sum / nMeasured) ** 2, 0);
      return {
        nTokens,
        dSae,
        nMeasured,
        l0: nnz / nTokens,
        l1: l1 / nTokens,
        mse: squaredError / nMeasured,
        explainedVariance: 1 - squaredError / (squaredInput - nMeasured * squaredMean),
        nDead: counts.filter((n) => n === 0).length,
        nDense: counts.filter((n) => n > nTokens / 10).length,
      };
    },
  };
}
