/**
 * Matches the features of two checkpoints by their activations on the same tokens.
 *
 * S = source features (the reference's), T = target features, N = tokens.
 *
 * @module
 */

import { contributionOf, type FeatureSums, measure, type Metric } from "./measures.ts";
import { type ColumnSums, columnSums, type Sparse, transpose } from "./sparse.ts";

/** Distances, 1 − similarity, at which matches are counted: those of the notebook, ascending. */
export const thresholds: readonly number[] = [0.1, 0.3, 0.5, 0.7, 0.9];

/** The best target feature of every source feature, and the best source feature of every target. */
export interface Match {
  /** Target feature most like each source feature, -1 where there is none: `[S]`. */
  readonly best: Int32Array;
  /** How alike they are, NaN where there is none: `[S]`. A cosine, if no other measure was asked for. */
  readonly similarity: Float32Array;
  /** The second-best target feature, -1 where there is none: `[S]`. */
  readonly runnerUp: Int32Array;
  /** How alike it is, NaN where there is none: `[S]`. */
  readonly runnerUpSimilarity: Float32Array;
  /** Source feature most like each target feature, -1 where there is none: `[T]`. */
  readonly reverse: Int32Array;
  /** How alike it is, NaN where there is none: `[T]`. */
  readonly reverseSimilarity: Float32Array;
  /** Number of tokens on which each source feature fires; 0 is dead: `[S]`. */
  readonly sourceCounts: Uint32Array;
  /** Number of tokens on which each target feature fires; 0 is dead: `[T]`. */
  readonly targetCounts: Uint32Array;
  /** How many target features are nearer to each source feature than each threshold: `[S, 5]`. */
  readonly nearTargets: Uint32Array;
  /** How many source features are nearer to each target feature than each threshold: `[T, 5]`. */
  readonly nearSources: Uint32Array;
}

/**
 * Finds, for every source feature, the target feature whose activations over the same tokens are most
 * like its own, and the other way round.
 *
 * cos(i, j) = Σₙ aₙᵢ bₙⱼ / (‖aᵢ‖ ‖bⱼ‖), or another {@linkcode measure}
 *
 * This is argmax, not an assignment: two source features may share a target. Sums run in token
 * order in double precision; similarities are compared at float32, the precision in which they are
 * returned, and a tie goes to the lower index. A feature that never fires, or fires on no token
 * where a feature of the other side does, has no match: a match has a similarity above 0.
 *
 * Takes Σₙ nnz(aₙ) · nnz(bₙ) multiply-adds, and 8 T bytes of scratch beside one transpose.
 *
 * @param source Activations of the source, a row a token: `[N, S]`.
 * @param target Activations of the target, a row a token: `[N, T]`.
 * @param metric How alike two features are.
 * @returns The matches of both sides.
 * @throws {RangeError} If the two have not the same number of tokens.
 * @see {@link https://arxiv.org/abs/2410.06981 | Lan et al. 2024}, who take the argmax of the
 *   correlation; the cosine here is not centred, "pearson" is.
 *
 * @example Two features a side, three tokens
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const source = sparsify(new Float32Array([1, 0, 0, 0, 2, 0]), 2); // the second is dead
 * const target = sparsify(new Float32Array([0, 2, 3, 0, 0, 4]), 2);
 *
 * const { best, similarity, reverse } = matchFeatures(source, target);
 *
 * assert.deepEqual([...best], [1, -1]);
 * assert.deepEqual([...similarity], [1, NaN]);
 * assert.deepEqual([...reverse], [-1, 0]);
 * ```
 */
export function matchFeatures(source: Sparse, target: Sparse, metric: Metric = "cosine"): Match {
  if (source.nRows !== target.nRows) {
    throw new RangeError(
      `Cannot match features on ${source.nRows} tokens with features on ${target.nRows}: ` +
        "extract both checkpoints with the same --total-tokens",
    );
  }
  const [from, to] = [columnSums(source), columnSums(target)];
  const match = emptyMatch(from.counts, to.counts);
  const byFeature = transpose(source);
  const common = new Float64Array(target.nCols);

  for (let i = 0; i < byFeature.nRows; i++) {
    addCommon(common.fill(0), byFeature, i, target, contributionOf(metric));
    for (let j = 0; j < common.length; j++) {
      if (!(common[j] > 0)) continue;
      const of = measure(metric, common[j], sumsOf(from, i), sumsOf(to, j), source.nRows);
      offer(match, i, j, Math.fround(of));
      countNear(match, i, j, Math.fround(of));
    }
  }
  return match;
}

/**
 * The sums of one column.
 *
 * @param sums Sums of all columns.
 * @param feature The column.
 * @returns Its sums.
 */
export function sumsOf(
  { counts, sums, squares }: { readonly [Name in keyof ColumnSums]: ArrayLike<number> },
  feature: number,
): FeatureSums {
  return { count: counts[feature], sum: sums[feature], squares: squares[feature] };
}

/**
 * A match in which nothing has been found yet.
 *
 * @param sourceCounts Number of tokens on which each source feature fires: `[S]`.
 * @param targetCounts Number of tokens on which each target feature fires: `[T]`.
 * @returns -1 and NaN everywhere.
 */
export function emptyMatch(sourceCounts: Uint32Array, targetCounts: Uint32Array): Match {
  const none = (length: number) => new Int32Array(length).fill(-1);
  const nan = (length: number) => new Float32Array(length).fill(NaN);
  const [nSource, nTarget] = [sourceCounts.length, targetCounts.length];
  return {
    best: none(nSource),
    similarity: nan(nSource),
    runnerUp: none(nSource),
    runnerUpSimilarity: nan(nSource),
    reverse: none(nTarget),
    reverseSimilarity: nan(nTarget),
    sourceCounts,
    targetCounts,
    nearTargets: new Uint32Array(nSource * thresholds.length),
    nearSources: new Uint32Array(nTarget * thresholds.length),
  };
}

// Adds to every common[j] what source feature i has in common with target feature j, touching only
// the tokens on which source feature i fires.
function addCommon(
  common: Float64Array,
  byFeature: Sparse,
  i: number,
  { offsets, columns, values }: Sparse,
  contribution: (a: number, b: number) => number,
): void {
  for (let e = byFeature.offsets[i]; e < byFeature.offsets[i + 1]; e++) {
    const n = byFeature.columns[e];
    const value = byFeature.values[e];
    for (let k = offsets[n]; k < offsets[n + 1]; k++) {
      common[columns[k]] += contribution(value, values[k]);
    }
  }
}

/**
 * Counts a pair of features at every threshold that it is nearer than.
 *
 * @param match What was counted so far. It is changed.
 * @param i The source feature.
 * @param j The target feature; no pair may be counted twice.
 * @param similarity How alike they are, rounded to float32.
 */
export function countNear(
  { nearTargets, nearSources }: Pick<Match, "nearTargets" | "nearSources">,
  i: number,
  j: number,
  similarity: number,
): void {
  const distance = Math.fround(1 - similarity);
  const K = thresholds.length;
  for (let k = K - 1; k >= 0 && distance < thresholds[k]; k--) {
    nearTargets[i * K + k]++;
    nearSources[j * K + k]++;
  }
}

/**
 * Lets a target feature compete for a source feature, and the other way round, in any order.
 *
 * @param match What was found so far. It is changed.
 * @param i The source feature.
 * @param j The target feature; no pair may be offered twice.
 * @param similarity How alike they are, rounded to float32; one that is not above 0 is no match.
 */
export function offer(match: Match, i: number, j: number, similarity: number): void {
  if (!(similarity > 0)) return;
  offerForward(match, i, j, similarity);
  const { reverse, reverseSimilarity } = match;
  if (isBetter(similarity, i, reverseSimilarity[j], reverse[j])) {
    reverse[j] = i;
    reverseSimilarity[j] = similarity;
  }
}

/**
 * Lets a target feature compete for a source feature, and not the other way round.
 *
 * @param match What was found so far. It is changed.
 * @param i The source feature.
 * @param j The target feature; no pair may be offered twice.
 * @param similarity How alike they are, above 0.
 */
export function offerForward(match: Match, i: number, j: number, similarity: number): void {
  const { best, similarity: nearest, runnerUp, runnerUpSimilarity } = match;
  if (isBetter(similarity, j, nearest[i], best[i])) {
    runnerUp[i] = best[i];
    runnerUpSimilarity[i] = nearest[i];
    best[i] = j;
    nearest[i] = similarity;
  } else if (isBetter(similarity, j, runnerUpSimilarity[i], runnerUp[i])) {
    runnerUp[i] = j;
    runnerUpSimilarity[i] = similarity;
  }
}

/**
 * Whether a candidate is better than another; a tie goes to the lower index.
 *
 * @param similarity How alike it is.
 * @param index Its feature.
 * @param than How alike the other is.
 * @param other Feature of the other, -1 if there is none.
 * @returns Whether it is.
 */
export function isBetter(similarity: number, index: number, than: number, other: number): boolean {
  return other < 0 || similarity > than || (similarity === than && index < other);
}

/**
 * Which source features are also the best match of their own best match.
 *
 * @param match A match.
 * @returns 1 where mutual, else 0; 0 where there is no match: `[S]`.
 */
export function mutualMatches({ best, reverse }: Match): Uint8Array {
  return Uint8Array.from(best, (j, i) => j >= 0 && reverse[j] === i ? 1 : 0);
}

/**
 * How many source features have each target feature as their best match.
 *
 * @param match A match.
 * @returns Counts, in the numbering of the target: `[T]`.
 */
export function inDegrees({ best, reverse }: Match): Uint32Array {
  const degrees = new Uint32Array(reverse.length);
  for (const j of best) if (j >= 0) degrees[j]++;
  return degrees;
}

/**
 * Cosine similarity of the decoder directions of matched features.
 *
 * cos(dᵢ, dⱼ) = dᵢ · dⱼ / (‖dᵢ‖ ‖dⱼ‖)
 *
 * @param best Target feature of each source feature, -1 where there is none: `[S]`.
 * @param source Decoder of the source, row-major: `[S, D]`.
 * @param target Decoder of the target, row-major: `[T, D]`.
 * @returns Cosines in [-1, 1]; NaN where there is no match, or a decoder row is zero: `[S]`.
 * @throws {RangeError} If the rows of `source` are not as many as `best`.
 *
 * @example A rotated direction
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const source = new Float32Array([1, 0, 0, 2]);
 * const target = new Float32Array([0, 5, -3, 0]);
 *
 * assert.deepEqual([...decoderCosines(new Int32Array([1, 0]), source, target)], [-1, 1]);
 * ```
 */
export function decoderCosines(
  best: Int32Array,
  source: Float32Array,
  target: Float32Array,
): Float32Array {
  const width = source.length / best.length;
  if (!Number.isInteger(width) || target.length % width !== 0) {
    throw new RangeError(
      `Cannot compare decoders of ${source.length} and ${target.length} weights: ` +
        `expected ${best.length} rows in the first, and rows as wide in the second`,
    );
  }
  return Float32Array.from(best, (j, i) => {
    if (j < 0) return NaN;
    let [dot, a2, b2] = [0, 0, 0];
    for (let d = 0; d < width; d++) {
      const [a, b] = [source[i * width + d], target[j * width + d]];
      dot += a * b;
      a2 += a * a;
      b2 += b * b;
    }
    return dot / Math.sqrt(a2 * b2);
  });
}
