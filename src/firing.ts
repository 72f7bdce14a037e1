/**
 * On which tokens some chosen features fire, how strongly, and together with which others.
 *
 * F = features, K = chosen features, N = tokens, R = tokens of a part.
 *
 * @module
 */

import type { FeatureStats } from "./feature_stats.ts";
import { sumsOf } from "./match.ts";
import { measure } from "./measures.ts";
import { indexArray, type Sparse } from "./sparse.ts";

/**
 * Some columns of a matrix.
 *
 * @param rows A matrix `[R, F]`.
 * @param chosen Columns, ascending: `[K]`.
 * @returns These alone, numbered anew: `[R, K]`. Its transpose says when each of them fires.
 *
 * @example The last of three
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const { columns, values } = chosenColumns(sparsify(new Float32Array([5, 0, 7]), 3), [2]);
 *
 * assert.deepEqual([[...columns], [...values]], [[0], [7]]);
 * ```
 */
export function chosenColumns(
  { nRows, nCols, offsets, columns, values }: Sparse,
  chosen: ArrayLike<number>,
): Sparse {
  const slotOf = new Int32Array(nCols).fill(-1);
  for (let k = 0; k < chosen.length; k++) slotOf[chosen[k]] = k;
  let nnz = 0;
  for (let e = 0; e < columns.length; e++) if (slotOf[columns[e]] >= 0) nnz++;
  const out = {
    nRows,
    nCols: chosen.length,
    offsets: new Uint32Array(nRows + 1),
    columns: indexArray(chosen.length, nnz),
    values: new Float32Array(nnz),
  };
  let entry = 0;
  for (let r = 0; r < nRows; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; e++) {
      const slot = slotOf[columns[e]];
      if (slot < 0) continue;
      out.columns[entry] = slot;
      out.values[entry++] = values[e];
    }
    out.offsets[r + 1] = entry;
  }
  return out;
}

/** Sums over the tokens on which a chosen feature and another fire together. */
export interface Together {
  /** Σₙ aₙ bₙ: `[K, F]`. */
  readonly products: Float64Array;
  /** Number of these tokens: `[K, F]`. */
  readonly nBoth: Uint32Array;
}

/**
 * Sums over no tokens.
 *
 * @param nChosen Chosen features, K.
 * @param nFeatures All features, F.
 * @returns Zeros, of 12·K·F bytes.
 */
export function neverTogether(nChosen: number, nFeatures: number): Together {
  const length = nChosen * nFeatures;
  return { products: new Float64Array(length), nBoth: new Uint32Array(length) };
}

/**
 * Adds some tokens to the sums of chosen features with all features.
 *
 * Takes Σₙ nnz(chosenₙ) · nnz(rowsₙ) multiply-adds.
 *
 * @param chosen The chosen features on these tokens: `[R, K]`.
 * @param rows All features on these tokens: `[R, F]`.
 * @param of What to add to. It is changed.
 */
export function addTogether(chosen: Sparse, rows: Sparse, of: Together): void {
  const { nCols: F, offsets, columns, values } = rows;
  const { products, nBoth } = of;
  for (let r = 0; r < chosen.nRows; r++) {
    for (let c = chosen.offsets[r]; c < chosen.offsets[r + 1]; c++) {
      const first = chosen.columns[c] * F;
      const value = chosen.values[c];
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        products[first + columns[e]] += value * values[e];
        nBoth[first + columns[e]]++;
      }
    }
  }
}

/** A feature that fires together with another, and how much so. */
export interface Correlated {
  /** The feature. */
  readonly feature: number;
  /** Cosine of the activations. */
  readonly cosine: number;
  /** Pearson's correlation of the activations; NaN where one never varies. */
  readonly pearson: number;
  /** Tokens on which both fire, of those on which one does. */
  readonly iou: number;
}

/**
 * The features that are most like one by the cosine of their activations, and two other measures.
 *
 * @param feature The feature.
 * @param slot Its number k among the chosen ones.
 * @param together The sums with all features.
 * @param of The sums of every feature, and the number of tokens; how many features are wanted.
 * @returns Other features that fire with it on some token, the most alike first; ties by number.
 * @see {@linkcode measure}
 *
 * @example Of two other features one fires with it
 * ```ts
 * import assert from "node:assert/strict";
 * import { addStats, zeroStats } from "./feature_stats.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const rows = sparsify(new Float32Array([1, 1, 0, 0, 0, 1]), 3);
 * const [stats, together] = [zeroStats(3), neverTogether(1, 3)];
 * addStats(rows, stats);
 * addTogether(chosenColumns(rows, [0]), rows, together);
 *
 * const [other, ...more] = correlatedWith(0, 0, together, { stats, nTokens: 2 });
 *
 * assert.deepEqual([other.feature, other.cosine, other.iou, more.length], [1, 1, 1, 0]);
 * ```
 */
export function correlatedWith(
  feature: number,
  slot: number,
  { products, nBoth }: Together,
  { stats, nTokens, nWanted = 10 }: {
    readonly stats: FeatureStats;
    readonly nTokens: number;
    readonly nWanted?: number;
  },
): Correlated[] {
  const F = stats.counts.length;
  const own = sumsOf(stats, feature);
  const found: Correlated[] = [];
  for (let other = 0; other < F; other++) {
    const [product, both] = [products[slot * F + other], nBoth[slot * F + other]];
    if (both === 0 || other === feature) continue;
    const sums = sumsOf(stats, other);
    const cosine = measure("cosine", product, own, sums, nTokens);
    if (found.length === nWanted && !(cosine > found[nWanted - 1].cosine)) continue;
    const at = found.findLastIndex((of) => of.cosine >= cosine) + 1;
    found.splice(at, 0, {
      feature: other,
      cosine,
      pearson: measure("pearson", product, own, sums, nTokens),
      iou: measure("iou", both, own, sums, nTokens),
    });
    if (found.length > nWanted) found.pop();
  }
  return found;
}

/** Bins of a doubling of the activation. */
const perDoubling = 4;
/** Bins from 2⁻⁴⁰ to 2⁴⁰. */
const nBins = 80 * perDoubling;
const edges = Float64Array.from({ length: nBins + 1 }, (_, b) => 2 ** (b / perDoubling - 40));

/**
 * Counts activations in bins of equal width on a logarithmic axis, four to a doubling: the same bins
 * whatever is counted.
 *
 * @param activations Above 0; what is beyond 2⁻⁴⁰ or 2⁴⁰ is in the first or the last bin.
 * @returns How many are in every bin, the lower edge its own: to be cut by {@linkcode densities}.
 */
export function countByDoubling(activations: Float32Array): Uint32Array {
  const counts = new Uint32Array(nBins);
  for (const value of activations) {
    let bin = Math.floor(perDoubling * (Math.log2(value) + 40));
    bin = Math.min(nBins - 1, Math.max(0, bin));
    // The logarithm may round across an edge; the edges decide.
    if (value < edges[bin] && bin > 0) bin--;
    else if (value >= edges[bin + 1] && bin < nBins - 1) bin++;
    counts[bin]++;
  }
  return counts;
}

/**
 * Histograms side by side, without the bins that are empty in all of them at both ends.
 *
 * @param counts Of every checkpoint, from {@linkcode countByDoubling}.
 * @returns Edges, one more than bins, and counts; nothing if all are empty.
 *
 * @example From ½ to 4 are twelve bins
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { edges, counts } = densities([[0.5], [3.9]].map((of) => countByDoubling(Float32Array.from(of))));
 *
 * assert.deepEqual([edges.length, edges[0], edges[12]], [13, 0.5, 4]);
 * assert.deepEqual([counts[0].indexOf(1), counts[1].indexOf(1)], [0, 11]);
 * ```
 */
export function densities(
  counts: readonly Uint32Array[],
): { readonly edges: readonly number[]; readonly counts: readonly (readonly number[])[] } {
  const first = Math.min(...counts.map((of) => indexOrLast(of.findIndex((n) => n > 0))));
  const last = Math.max(-1, ...counts.map((of) => of.findLastIndex((n) => n > 0)));
  return {
    edges: last < 0 ? [] : [...edges.subarray(first, last + 2)],
    counts: counts.map((of) => [...of.subarray(first, last + 1)]),
  };
}

function indexOrLast(index: number): number {
  return index < 0 ? nBins : index;
}
