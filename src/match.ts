/**
 * Matches the features of two checkpoints by their activations on the same tokens.
 *
 * S = source features (the reference's), T = target features, N = tokens.
 *
 * @module
 */

import { columnSums, type Sparse, transpose } from "./sparse.ts";

/** The best target feature of every source feature, and the best source feature of every target. */
export interface Match {
  /** Target feature most like each source feature, -1 where there is none: `[S]`. */
  readonly best: Int32Array;
  /** Its cosine similarity, NaN where there is none: `[S]`. */
  readonly cosine: Float32Array;
  /** The second-best target feature, -1 where there is none: `[S]`. */
  readonly runnerUp: Int32Array;
  /** Its cosine similarity, NaN where there is none: `[S]`. */
  readonly runnerUpCosine: Float32Array;
  /** Source feature most like each target feature, -1 where there is none: `[T]`. */
  readonly reverse: Int32Array;
  /** Its cosine similarity, NaN where there is none: `[T]`. */
  readonly reverseCosine: Float32Array;
  /** Number of tokens on which each source feature fires; 0 is dead: `[S]`. */
  readonly sourceCounts: Uint32Array;
  /** Number of tokens on which each target feature fires; 0 is dead: `[T]`. */
  readonly targetCounts: Uint32Array;
}

/**
 * Finds, for every source feature, the target feature with the largest cosine similarity of
 * activations over the same tokens, and the other way round.
 *
 * cos(i, j) = Σₙ aₙᵢ bₙⱼ / (‖aᵢ‖ ‖bⱼ‖)
 *
 * This is argmax, not an assignment: two source features may share a target. Sums run in token
 * order in double precision; similarities are compared at float32, the precision in which they are
 * returned, and a tie goes to the lower index. A feature that never fires, or fires on no token
 * where a feature of the other side does, has no match: a match has a cosine above 0.
 *
 * Takes Σₙ nnz(aₙ) · nnz(bₙ) multiply-adds, and 8 T bytes of scratch beside one transpose.
 *
 * @param source Activations of the source, a row a token: `[N, S]`.
 * @param target Activations of the target, a row a token: `[N, T]`.
 * @returns The matches of both sides.
 * @throws {RangeError} If the two have not the same number of tokens.
 * @see {@link https://arxiv.org/abs/2410.06981 | Lan et al. 2024}, who take the argmax of the
 *   correlation; the cosine here is not centred.
 *
 * @example Two features a side, three tokens
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const source = sparsify(new Float32Array([1, 0, 0, 0, 2, 0]), 2); // the second is dead
 * const target = sparsify(new Float32Array([0, 2, 3, 0, 0, 4]), 2);
 *
 * const { best, cosine, reverse } = matchFeatures(source, target);
 *
 * assert.deepEqual([...best], [1, -1]);
 * assert.deepEqual([...cosine], [1, NaN]);
 * assert.deepEqual([...reverse], [-1, 0]);
 * ```
 */
export function matchFeatures(source: Sparse, target: Sparse): Match {
  if (source.nRows !== target.nRows) {
    throw new RangeError(
      `Cannot match features on ${source.nRows} tokens with features on ${target.nRows}: ` +
        "extract both checkpoints with the same --total-tokens",
    );
  }
  const from = columnSums(source);
  const to = columnSums(target);
  const match = emptyMatch(from.counts, to.counts);
  const byFeature = transpose(source);
  const sourceNorms = from.squares.map(Math.sqrt);
  const targetNorms = to.squares.map(Math.sqrt);
  const dots = new Float64Array(target.nCols);

  for (let i = 0; i < byFeature.nRows; i++) {
    addDots(dots.fill(0), byFeature, i, target);
    for (let j = 0; j < dots.length; j++) {
      if (dots[j] > 0) offer(match, i, j, Math.fround(dots[j] / (sourceNorms[i] * targetNorms[j])));
    }
  }
  return match;
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
    cosine: nan(nSource),
    runnerUp: none(nSource),
    runnerUpCosine: nan(nSource),
    reverse: none(nTarget),
    reverseCosine: nan(nTarget),
    sourceCounts,
    targetCounts,
  };
}

// Adds to every dots[j] the dot product of source feature i with target feature j, touching only
// the tokens on which source feature i fires.
function addDots(dots: Float64Array, byFeature: Sparse, i: number, target: Sparse): void {
  const { offsets, columns, values } = target;
  for (let e = byFeature.offsets[i]; e < byFeature.offsets[i + 1]; e++) {
    const n = byFeature.columns[e];
    const value = byFeature.values[e];
    for (let k = offsets[n]; k < offsets[n + 1]; k++) dots[columns[k]] += value * values[k];
  }
}

/**
 * Lets a target feature compete for a source feature, and the other way round, in any order.
 *
 * @param match What was found so far. It is changed.
 * @param i The source feature.
 * @param j The target feature; no pair may be offered twice.
 * @param similarity Their cosine, rounded to float32; one that is not above 0 is no match.
 */
export function offer(match: Match, i: number, j: number, similarity: number): void {
  if (!(similarity > 0)) return;
  offerForward(match, i, j, similarity);
  const { reverse, reverseCosine } = match;
  if (isBetter(similarity, i, reverseCosine[j], reverse[j])) {
    reverse[j] = i;
    reverseCosine[j] = similarity;
  }
}

/**
 * Lets a target feature compete for a source feature, and not the other way round.
 *
 * @param match What was found so far. It is changed.
 * @param i The source feature.
 * @param j The target feature; no pair may be offered twice.
 * @param similarity Their cosine, above 0.
 */
export function offerForward(match: Match, i: number, j: number, similarity: number): void {
  const { best, cosine, runnerUp, runnerUpCosine } = match;
  if (isBetter(similarity, j, cosine[i], best[i])) {
    runnerUp[i] = best[i];
    runnerUpCosine[i] = cosine[i];
    best[i] = j;
    cosine[i] = similarity;
  } else if (isBetter(similarity, j, runnerUpCosine[i], runnerUp[i])) {
    runnerUp[i] = j;
    runnerUpCosine[i] = similarity;
  }
}

/**
 * Whether a candidate is better than another; a tie goes to the lower index.
 *
 * @param similarity Its cosine.
 * @param index Its feature.
 * @param than Cosine of the other.
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
