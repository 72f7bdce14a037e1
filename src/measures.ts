/**
 * How alike two features are: every measure, from the same few sums.
 *
 * N = tokens, aₙ and bₙ = activations of the two features on token n, none below zero.
 *
 * @module
 */

/** A measure of how alike two features are. All are 1 for equal features. */
export type Metric = "cosine" | "pearson" | "iou" | "weighted_jaccard";

/** What each measure is called in a sentence. */
export const metricNames: { readonly [M in Metric]: string } = {
  cosine: "cosine of activations",
  pearson: "correlation of activations",
  iou: "overlap of firing",
  weighted_jaccard: "weighted Jaccard similarity of activations",
};

/** All measures, the default first. */
export const metrics: readonly Metric[] = ["cosine", "pearson", "iou", "weighted_jaccard"];

/** Sums over the tokens of one feature. */
export interface FeatureSums {
  /** Tokens on which it fires. */
  readonly count: number;
  /** Σₙ aₙ. */
  readonly sum: number;
  /** Σₙ aₙ². */
  readonly squares: number;
}

/** Sums over the tokens on which two features fire together. */
export interface CommonSums {
  /** Number of these tokens. */
  readonly nBoth: number;
  /** Σₙ aₙ bₙ. */
  readonly products: number;
  /** Σₙ min(aₙ, bₙ). */
  readonly smaller: number;
}

/** The sum from which a measure is made. */
export const commonSumOf: { readonly [M in Metric]: keyof CommonSums } = {
  cosine: "products",
  pearson: "products",
  iou: "nBoth",
  weighted_jaccard: "smaller",
};

/**
 * What a token on which both fire adds to the sum of a measure.
 *
 * @param metric The measure.
 * @returns aₙ bₙ, 1, or min(aₙ, bₙ).
 */
export function contributionOf(metric: Metric): (a: number, b: number) => number {
  switch (commonSumOf[metric]) {
    case "products":
      return (a, b) => a * b;
    case "nBoth":
      return () => 1;
    case "smaller":
      return Math.min;
  }
}

/**
 * A measure of two features.
 *
 * cosine = Σab / (√Σa² √Σb²)
 * pearson = (Σab − Σa Σb / N) / √((Σa² − (Σa)² / N) (Σb² − (Σb)² / N))
 * iou = n(a ∧ b) / (n(a) + n(b) − n(a ∧ b))
 * weighted_jaccard = Σmin(a, b) / (Σa + Σb − Σmin(a, b))
 *
 * The cosine and Pearson's correlation do not depend on the size of a feature, the overlap (IoU) not
 * on its values at all; the weighted Jaccard similarity (Ruzicka's) does: of a feature and its double
 * it is ½.
 *
 * @param metric The measure.
 * @param common Its sum over the tokens that both fire on; see {@linkcode commonSumOf}.
 * @param a Sums of one feature.
 * @param b Sums of the other.
 * @param nTokens N.
 * @returns At most 1 but for rounding. Where a side never fires NaN or 0; NaN for Pearson where one
 *   never varies.
 *
 * @example Two of three tokens in common, one feature twice as large
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const a = { count: 2, sum: 2, squares: 2 }; // 1 1 0
 * const b = { count: 3, sum: 6, squares: 12 }; // 2 2 2
 *
 * assert.equal(measure("iou", 2, a, b, 3), 2 / 3);
 * assert.equal(measure("weighted_jaccard", 2, a, b, 3), 1 / 3);
 * assert.equal(measure("cosine", 4, a, b, 3).toFixed(4), "0.8165");
 * assert.equal(measure("pearson", 4, a, b, 3), NaN);
 * ```
 */
export function measure(
  metric: Metric,
  common: number,
  a: FeatureSums,
  b: FeatureSums,
  nTokens: number,
): number {
  switch (metric) {
    case "cosine":
      return common / (Math.sqrt(a.squares) * Math.sqrt(b.squares));
    case "pearson": {
      const [x, y] = [variation(a, nTokens), variation(b, nTokens)];
      return (common - a.sum * b.sum / nTokens) / (Math.sqrt(x) * Math.sqrt(y));
    }
    case "iou":
      return common / (a.count + b.count - common);
    case "weighted_jaccard":
      return common / (a.sum + b.sum - common);
  }
}

// Σ(a − ā)²; NaN where rounding leaves nothing of it.
function variation({ squares, sum }: FeatureSums, nTokens: number): number {
  const of = squares - sum * sum / nTokens;
  return of > 2 ** -40 * squares ? of : NaN;
}
