/**
 * What a direction of the residual stream promotes and suppresses, by the logit lens: its product
 * with the unembedding, past the blocks between.
 *
 * It is the direction alone that is read. The weight of the final norm counts, and so does its
 * removal of the mean over D, which is linear. The norm's bias is left out, since it adds the same
 * to every feature's logits, and so is its denominator, that of a whole residual: logits compare
 * within a direction, and among directions as far as their residuals are equally large.
 *
 * D = width, V = token ids, K = directions.
 *
 * @see {@link https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru | The logit lens}
 *
 * @module
 */

import { readModel } from "./model.ts";
import { checkFinite, readFloats } from "./safetensors.ts";

/** What turns a direction of the last residual into logits. */
export interface Unembedding {
  /** Token ids, V. */
  readonly vocabulary: number;
  /** Width of the residual stream, D. */
  readonly width: number;
  /** One row a token, the final norm folded in: `[V, D]`. */
  readonly weights: Float32Array;
}

/** Some tokens of each direction, and their logits. */
export interface TokenLogits {
  /** Token ids: `[K, n]`. */
  readonly ids: Uint32Array;
  /** The logit of each: `[K, n]`. */
  readonly logits: Float32Array;
}

/** What each direction does to the logits. */
export interface LogitLens {
  /** The tokens with the highest logits, the highest first: `[K, nTop]`. */
  readonly promoted: TokenLogits;
  /** The tokens with the lowest logits, the lowest first: `[K, nTop]`. */
  readonly suppressed: TokenLogits;
  /** The mean of all V logits, before it is removed: `[K]`. */
  readonly means: Float64Array;
  /**
   * How many of the V logits are in each of the bins, equally wide, from the lowest logit to the
   * highest, which belongs to the last: `[K, nBins]`. All are in the first if all are equal.
   */
  readonly counts: Uint32Array;
  /**
   * The ranks of the tokens that were asked for, 0 for the one promoted most; with the same tokens at
   * every checkpoint they are the lines of a bump chart: `[K, M]`.
   */
  readonly ranks: Uint32Array;
}

/**
 * Reads the unembedding of a model, with the weight of the final norm folded in.
 *
 * U_vd = γ_d W_vd − (1/D) Σ_e γ_e W_ve
 *
 * The mean is removed where the norm is a layer norm. Then the logits of a direction are those of
 * the direction less its own mean: a direction read from a centred residual gives the same.
 * A model without an output matrix has its embedding, if config.json says that they are tied.
 *
 * Takes 4·V·D bytes, and as many again where weights are not float32.
 *
 * @param folder The model's, in the Hugging Face layout.
 * @returns The folded matrix.
 * @throws {DataError} If the architecture is unknown, a tensor is missing, or one is not finite.
 * @see {@link https://github.com/TransformerLensOrg/TransformerLens | TransformerLens}, whose
 *   `fold_ln` is meant. Its `center_unembed`, the mean over the vocabulary, is an option of
 *   {@linkcode logitLens}.
 *
 * @example The model in fixtures/tiny
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { vocabulary, width } = await readUnembedding("fixtures/tiny/models/step4000");
 *
 * assert.deepEqual([vocabulary, width], [512, 64]);
 * ```
 */
export async function readUnembedding(folder: string): Promise<Unembedding> {
  const { gain, matrix, isCentring } = (await readModel(folder)).head();
  const gains = await readFloats(gain);
  const weights = await readFloats(matrix);
  checkFinite(gains, folder, gain.name);
  checkFinite(weights, folder, matrix.name);

  const [vocabulary, width] = matrix.shape;
  for (let start = 0; start < weights.length; start += width) {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += gains[d] * weights[start + d];
    const mean = isCentring ? sum / width : 0;
    for (let d = 0; d < width; d++) weights[start + d] = gains[d] * weights[start + d] - mean;
  }
  return { vocabulary, width, weights };
}

/**
 * The tokens that each of some directions promotes and suppresses, and how all its logits lie.
 *
 * logit_kv = Σ_d direction_kd U_vd
 *
 * Sums are taken in double precision, in the order of d, and kept as float32. A tie goes to the
 * lower id, on both sides. What else is asked with a direction does not change its logits. One of
 * zeros, such as that of a feature that was never used, has all logits 0.
 *
 * rank_km = #{v : logit_kv > logit_kt} + #{v < t : logit_kv = logit_kt}, t = ranked_km
 *
 * Cost: K·V·D multiply-adds, K counted up to a multiple of 4, and for each direction V comparisons
 * and at most V·nTop moves; 16·V bytes. For chosen features: all 8,192 of an SAE of Pythia-70m are
 * 2·10¹¹ multiply-adds.
 *
 * @param directions Rows such as those of `W_dec`, finite: `[K, D]`.
 * @param unembedding The model's.
 * @param options `nTop` tokens on each side; `nBins` of the histogram; `isCentred` removes the mean
 *   over the vocabulary from the logits that are returned, which changes no probability; `ranked`
 *   tokens, equally many of each direction, `[K, M]`.
 * @returns Tokens, means and histograms.
 * @throws {RangeError} If the directions are not of the model's width or not finite, or there are
 *   fewer tokens than asked for, or no bins, or ranked tokens are not equally many of each or not in
 *   the vocabulary.
 * @see {@link https://github.com/callummcdougall/sae_vis | sae_vis}, which shows the same tables and
 *   histogram, of logits as TransformerLens' loading gives them.
 *
 * @example Three tokens in two dimensions
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const weights = new Float32Array([1, 0, 0, 1, 2, -1]);
 * const direction = new Float32Array([1, 3]);
 * const lens = logitLens(direction, { vocabulary: 3, width: 2, weights }, { nTop: 1, nBins: 4 });
 *
 * assert.deepEqual([...lens.promoted.ids, ...lens.promoted.logits], [1, 3]);
 * assert.deepEqual([...lens.suppressed.ids, ...lens.suppressed.logits], [2, -1]);
 * assert.deepEqual([...lens.counts], [1, 0, 1, 1]);
 * ```
 */
export function logitLens(
  directions: Float32Array,
  unembedding: Unembedding,
  { nTop = 10, nBins = 50, isCentred = false, ranked = [] }: {
    readonly nTop?: number;
    readonly nBins?: number;
    readonly isCentred?: boolean;
    readonly ranked?: ArrayLike<number>;
  } = {},
): LogitLens {
  const { vocabulary: V } = unembedding;
  if (!(Number.isInteger(nTop) && nTop >= 1 && nTop <= V)) {
    throw new RangeError(`Cannot find the top tokens: expected 1 to ${V} of them, got ${nTop}`);
  }
  if (!(Number.isInteger(nBins) && nBins >= 1)) {
    throw new RangeError(`Cannot count logits: expected at least one bin, got ${nBins}`);
  }
  const K = countDirections(directions, unembedding);
  const side = () => ({ ids: new Uint32Array(K * nTop), logits: new Float32Array(K * nTop) });
  const [promoted, suppressed] = [side(), side()];
  const means = new Float64Array(K);
  const ids = rankedIds(ranked, K, V);
  const ranks = new Uint32Array(ids.length);
  const counts = new Uint32Array(K * nBins);
  forEachLogits(directions, unembedding, (k, logits) => {
    rankAmong(ranks, ids, k, K, logits);
    means[k] = logits.reduce((sum, logit) => sum + logit, 0) / V;
    const shift = isCentred ? means[k] : 0;
    for (const [side, sign] of [[promoted, 1], [suppressed, -1]] as const) {
      const top = side.ids.subarray(k * nTop, (k + 1) * nTop);
      selectTop(top, logits, sign);
      top.forEach((id, n) => side.logits[k * nTop + n] = logits[id] - shift);
    }
    const [low, high] = [logits[suppressed.ids[k * nTop]], logits[promoted.ids[k * nTop]]];
    const perLogit = high > low ? nBins / (high - low) : 0;
    for (let v = 0; v < V; v++) {
      counts[k * nBins + Math.min(nBins - 1, Math.floor((logits[v] - low) * perLogit))]++;
    }
  });
  return { promoted, suppressed, means, counts, ranks };
}

// Ids [K, M] of tokens to be ranked, as they are.
function rankedIds(tokens: ArrayLike<number>, K: number, V: number): Uint32Array {
  if (!Number.isInteger(K === 0 ? 0 : tokens.length / K) || (K === 0 && tokens.length > 0)) {
    const expected = `expected as many of each, got ${tokens.length} tokens`;
    throw new RangeError(`Cannot rank tokens of ${K} directions: ${expected}`);
  }
  const ids = Uint32Array.from(tokens);
  const wrong = ids.findIndex((id, e) => id !== tokens[e] || id >= V);
  if (wrong !== -1) {
    throw new RangeError(`Cannot rank a token: expected an id below ${V}, got ${tokens[wrong]}`);
  }
  return ids;
}

// Writes the ranks of the tokens of direction k, of K, among all logits.
function rankAmong(
  ranks: Uint32Array,
  ids: Uint32Array,
  k: number,
  K: number,
  logits: Float32Array,
): void {
  const M = ids.length / K;
  for (let e = k * M; e < (k + 1) * M; e++) {
    const id = ids[e], logit = logits[id];
    let rank = 0;
    for (let v = 0; v < id; v++) if (logits[v] >= logit) rank++;
    for (let v = id + 1; v < logits.length; v++) if (logits[v] > logit) rank++;
    ranks[e] = rank;
  }
}

function countDirections(directions: Float32Array, { width }: Unembedding): number {
  if (directions.length % width !== 0) {
    const expected = `expected rows of ${width} numbers`;
    throw new RangeError(`Cannot read directions: ${expected}, got ${directions.length} numbers`);
  }
  const wrong = directions.findIndex((x) => !Number.isFinite(x));
  if (wrong !== -1) {
    const where = `direction ${Math.floor(wrong / width)}`;
    throw new RangeError(`Cannot read ${where}: expected finite numbers, got ${directions[wrong]}`);
  }
  return directions.length / width;
}

// Shows the logits of every direction, in order; they are overwritten after.
function forEachLogits(
  directions: Float32Array,
  { vocabulary, width, weights }: Unembedding,
  see: (direction: number, logits: Float32Array) => void,
): void {
  const four = new Float64Array(4 * width);
  const logits = new Float32Array(4 * vocabulary);
  for (let start = 0; start < directions.length; start += four.length) {
    const rows = directions.subarray(start, start + four.length);
    four.set(rows); // what is left of the rows before is not shown
    multiply(logits, four, weights, width);
    for (let r = 0; r * width < rows.length; r++) {
      see(start / width + r, logits.subarray(r * vocabulary, (r + 1) * vocabulary));
    }
  }
}

// The logits [4, V] of four directions [4, D]: a row of weights is read once for all four. Sums are
// double, since the engine is faster with them than with rounding each to float32.
function multiply(
  logits: Float32Array,
  four: Float64Array,
  weights: Float32Array,
  D: number,
): void {
  const V = logits.length / 4;
  for (let v = 0; v < V; v++) {
    let a = 0, b = 0, c = 0, d = 0;
    const row = v * D;
    for (let i = 0; i < D; i++) {
      const weight = weights[row + i];
      a += weight * four[i];
      b += weight * four[D + i];
      c += weight * four[2 * D + i];
      d += weight * four[3 * D + i];
    }
    logits[v] = a;
    logits[V + v] = b;
    logits[2 * V + v] = c;
    logits[3 * V + v] = d;
  }
}

// Fills `top` with the ids of the largest logits, or with sign −1 of the smallest, in order.
function selectTop(top: Uint32Array, logits: Float32Array, sign: 1 | -1): void {
  const values = new Float64Array(top.length).fill(-Infinity);
  for (let v = 0; v < logits.length; v++) {
    const value = sign * logits[v];
    let n = Math.min(v, top.length);
    if (n === top.length && !(value > values[--n])) continue;
    for (; n > 0 && values[n - 1] < value; n--) {
      values[n] = values[n - 1];
      top[n] = top[n - 1];
    }
    values[n] = value;
    top[n] = v;
  }
}
