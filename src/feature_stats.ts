/**
 * What every feature of a checkpoint does over all tokens, and the tokens that name it.
 *
 * F = features, N = tokens, R = tokens of a part, k = tokens that are kept of a feature.
 *
 * @module
 */

import { type ColumnSums, columnSums, type Sparse, zeroSums } from "./sparse.ts";

/** Sums over the tokens, and the largest activation, of every feature. */
export interface FeatureStats extends ColumnSums {
  /** The largest activation, 0 where there is none: `[F]`. */
  readonly max: Float32Array;
}

/**
 * Statistics of no tokens.
 *
 * @param nFeatures Number of features, F.
 * @returns Zeros.
 */
export function zeroStats(nFeatures: number): FeatureStats {
  return { ...zeroSums(nFeatures), max: new Float32Array(nFeatures) };
}

/**
 * Adds some tokens to the statistics of every feature, in token order and in double precision.
 *
 * @param rows The tokens: `[R, F]`.
 * @param of What to add to. It is changed.
 *
 * @example Two tokens
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const stats = zeroStats(2);
 * addStats(sparsify(new Float32Array([3, 0, 1, 0]), 2), stats);
 *
 * assert.deepEqual([[...stats.counts], [...stats.sums], [...stats.max]], [[2, 0], [4, 0], [3, 0]]);
 * ```
 */
export function addStats(rows: Sparse, of: FeatureStats): void {
  columnSums(rows, of);
  const { columns, values } = rows;
  const { max } = of;
  for (let e = 0; e < columns.length; e++) {
    if (values[e] > max[columns[e]]) max[columns[e]] = values[e];
  }
}

/** The tokens on which each feature fires most strongly. */
export interface StrongestTokens {
  /** How many are kept of each, k. */
  readonly nKept: number;
  /** Token ids, of the strongest activation first: `[F, k]`. */
  readonly ids: Uint32Array;
  /** The activations, 0 where a feature fires on fewer tokens: `[F, k]`. */
  readonly values: Float32Array;
}

/**
 * The strongest of no tokens.
 *
 * @param nFeatures Number of features, F.
 * @param nKept How many are to be kept of each, k.
 * @returns None.
 */
export function noTokens(nFeatures: number, nKept = 20): StrongestTokens {
  const ids = new Uint32Array(nFeatures * nKept);
  return { nKept, ids, values: new Float32Array(nFeatures * nKept) };
}

/**
 * Lets some tokens compete for the strongest of every feature. Of equal activations the first stays.
 *
 * Takes one comparison an activation, and at most k moves where it wins.
 *
 * @param rows The tokens: `[R, F]`.
 * @param ids Their ids: `[R]`.
 * @param of What was found so far. It is changed.
 *
 * @example The stronger of two
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const strongest = noTokens(1, 1);
 * addStrongest(sparsify(new Float32Array([2, 5, 3]), 1), [70, 80, 90], strongest);
 *
 * assert.deepEqual([...strongest.ids], [80]);
 * ```
 */
export function addStrongest(rows: Sparse, ids: ArrayLike<number>, of: StrongestTokens): void {
  const { nRows, offsets, columns, values } = rows;
  const { nKept } = of;
  for (let r = 0; r < nRows; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; e++) {
      const first = columns[e] * nKept;
      let at = first + nKept - 1;
      if (!(values[e] > of.values[at])) continue;
      for (; at > first && values[e] > of.values[at - 1]; at--) {
        of.values[at] = of.values[at - 1];
        of.ids[at] = of.ids[at - 1];
      }
      of.values[at] = values[e];
      of.ids[at] = ids[r];
    }
  }
}

/**
 * A name for every feature: the texts of the tokens on which it fires most strongly.
 *
 * Activations of the same text are added up, spaces around it left out, and the largest sums come
 * first: a token that is often among the strongest tells more than one that is there once. A text
 * that has less than a tenth of the first one's sum is left out.
 *
 * @param strongest The tokens.
 * @param textOf What a token reads as.
 * @param nTexts Most texts of a name.
 * @returns Names, "" where a feature never fires: `[F]`.
 *
 * @example Twice 3 is more than 5
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const values = new Float32Array([5, 3, 3, 0]);
 * const strongest = { nKept: 4, ids: new Uint32Array([0, 1, 1, 0]), values };
 *
 * assert.deepEqual(labels(strongest, (id) => [" cat", "dog"][id]), ["dog · cat"]);
 * ```
 */
export function labels(
  { nKept, ids, values }: StrongestTokens,
  textOf: (id: number) => string,
  nTexts = 3,
): string[] {
  return Array.from({ length: values.length / nKept }, (_, feature) => {
    const sums = new Map<string, number>();
    for (let e = feature * nKept; e < (feature + 1) * nKept && values[e] > 0; e++) {
      const text = shown(textOf(ids[e]));
      sums.set(text, (sums.get(text) ?? 0) + values[e]);
    }
    // The sort keeps the order of equal sums, which is that of the strongest activation.
    const sorted = [...sums].sort(([, a], [, b]) => b - a).slice(0, nTexts);
    return sorted.filter(([, sum]) => sum >= sorted[0][1] / 10).map(([text]) => text).join(" · ");
  });
}

// A text without the spaces around it; one of nothing else by signs for them.
function shown(text: string): string {
  const trimmed = text.trim();
  if (trimmed !== "" || text === "") return trimmed;
  return text.replace(/\s/g, (space) => space === "\n" ? "⏎" : space === "\t" ? "⇥" : "␣");
}
