/**
 * From the matches of a sweep to its curves, histograms and appearing features.
 *
 * F = features of the reference, C = checkpoints in order of step.
 *
 * @module
 */

import type { Match } from "./match.ts";
import type { EmergenceInterval } from "./emergence_replicas.ts";
import type { Matched } from "./match_table.ts";
import type { Metric } from "./measures.ts";
import type { Quality } from "./quality.ts";
import type { Losses } from "./sweep.ts";

/** One checkpoint of a summary. */
export interface CheckpointSummary extends Matched {
  /** Training step of the language model. */
  readonly step: number;
  /** Tokens that the language model had been trained on, where the sweep file says it. */
  readonly tokens?: number | undefined;
  /** Measured on the tokens of the sweep. */
  readonly quality: Quality;
  /** From the sweep file. */
  readonly losses: Losses;
}

/** A whole sweep, matched. */
export interface Summary {
  /** Name of the sweep. */
  readonly name: string;
  /** Where the residual was read: "blocks.3.hook_resid_pre". */
  readonly hook: string;
  /** Whether the mean over d_model was removed before the SAE. */
  readonly centred: boolean;
  /** Step whose features are followed. */
  readonly reference: number;
  /** Features of the reference. */
  readonly nFeatures: number;
  /** How alike two features are: the measure of every match. */
  readonly metric: Metric;
  /** The checkpoints, the reference among them, in order of step. */
  readonly checkpoints: readonly CheckpointSummary[];
  /** The match of every checkpoint but the first with the one before it; empty if not made. */
  readonly links: readonly Match[];
  /** When features emerge, by replicas of the sweep; none where there are no replicas. */
  readonly emergence: {
    /** Similarity from which a feature is there. */
    readonly threshold: number;
    /** An interval for every feature: `[F]`, or empty. */
    readonly intervals: readonly EmergenceInterval[];
  };
  /** Share of the variance of each feature of the reference that the token alone explains: `[F]`. */
  readonly tokenShare: Float64Array;
  /** The reference's features against those of a second SAE of its step: the best to be expected. */
  readonly ceiling?: Matched;
}

/**
 * The distance of every match: 1 − cosine.
 *
 * @param match A match.
 * @returns Distances in [0, 1); NaN where there is no match: `[F]`.
 */
export function distances({ similarity }: Pick<Match, "similarity">): Float32Array {
  return similarity.map((c) => 1 - c);
}

/**
 * Number of features with a match nearer than a threshold. No match is never counted.
 *
 * @param match A match.
 * @param threshold Distance that a counted match is strictly below.
 * @returns The count.
 *
 * @example A dead feature counts at no threshold
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const match = { similarity: new Float32Array([0.75, 0.5, NaN]) };
 *
 * assert.deepEqual([0.3, 0.5, 0.7].map((t) => countMatched(match, t)), [1, 1, 2]);
 * ```
 */
export function countMatched(match: Pick<Match, "similarity">, threshold: number): number {
  let count = 0;
  for (const d of distances(match)) if (d < threshold) count++;
  return count;
}

/**
 * Counts values in equal bins, the last one closed on both sides, as numpy.histogram does.
 *
 * @param values What to count; NaN and values outside the range are left out.
 * @param range First and last edge.
 * @param nBins Number of bins.
 * @returns Counts: `[nBins]`.
 *
 * @example The upper edge belongs to the last bin
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([...histogram([0, 0.5, 1, NaN], [0, 1], 2)], [1, 2]);
 * ```
 */
export function histogram(
  values: Iterable<number>,
  [low, high]: readonly [number, number],
  nBins: number,
): Uint32Array {
  const counts = new Uint32Array(nBins);
  const edge = (b: number) => low + b * ((high - low) / nBins); // as numpy.linspace rounds
  for (const value of values) {
    if (!(value >= low && value <= high)) continue;
    let bin = Math.min(nBins - 1, Math.floor(((value - low) / (high - low)) * nBins));
    // The division may round across an edge; the edges decide.
    if (value < edge(bin)) bin--;
    else if (bin < nBins - 1 && value >= edge(bin + 1)) bin++;
    counts[bin]++;
  }
  return counts;
}

/**
 * The step at which each feature appears: it is present at that step and at every later one, and
 * absent at every one before. Present means a match nearer than the threshold; a dead feature is
 * absent.
 *
 * @param summary A matched sweep.
 * @param threshold Distance that the match of a present feature is strictly below.
 * @returns Steps; -1 where a feature comes and goes, or is not there at the last step: `[F]`.
 */
export function appearances({ checkpoints, nFeatures }: Summary, threshold = 0.5): Int32Array {
  const isPresent = checkpoints.map(({ match }) => distances(match).map((d) => +(d < threshold)));
  return Int32Array.from({ length: nFeatures }, (_, feature) => {
    const first = isPresent.findIndex((present) => present[feature] === 1);
    const stays = first >= 0 && isPresent.slice(first).every((present) => present[feature] === 1);
    return stays ? checkpoints[first].step : -1;
  });
}

/**
 * The features that appear at a step; see {@linkcode appearances}.
 *
 * @param summary A matched sweep.
 * @param step Step of one of its checkpoints.
 * @param threshold Distance that the match of a present feature is strictly below.
 * @returns Features of the reference, ascending.
 * @throws {RangeError} If no checkpoint has this step.
 */
export function appearingFeatures(summary: Summary, step: number, threshold = 0.5): number[] {
  const steps = summary.checkpoints.map((checkpoint) => checkpoint.step);
  if (!steps.includes(step)) {
    throw new RangeError(
      `Cannot find what appears at step ${step}: expected one of ${steps.join(", ")}, got ${step}`,
    );
  }
  const at = appearances(summary, threshold);
  return Array.from(at.keys()).filter((feature) => at[feature] === step);
}

/**
 * Features in the order of the notebook's matrix: by the sum of their distances, no match being 1.
 *
 * @param summary A matched sweep.
 * @returns Features of the reference; the most stable first, ties by index: `[F]`.
 */
export function featuresByStability({ checkpoints, nFeatures }: Summary): Uint32Array {
  const total = new Float64Array(nFeatures);
  for (const { match } of checkpoints) {
    distances(match).forEach((d, feature) => total[feature] += Number.isNaN(d) ? 1 : d);
  }
  return Uint32Array.from(total.keys()).sort((a, b) => total[a] - total[b] || a - b);
}
