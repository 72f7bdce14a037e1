/**
 * The features of a reference through training: when each emerges, how it rises, what becomes of it.
 *
 * F = features of the reference.
 *
 * @module
 */

import { emergence, halfRise, type Lifecycle, lifecycle, similarityWithin } from "./emergence.ts";
import { featuresByStability, type Summary } from "./summary.ts";

/** One feature through training. */
export interface FeaturePath {
  /** Step from which it is there to stay, NaN if it is not; see {@linkcode emergence}. */
  readonly emergence: number;
  /** Step at which half of its rise is done, NaN without one; see {@linkcode halfRise}. */
  readonly halfRise: number;
  /** From a quarter to three quarters of the rise, in doublings of 1 + step. */
  readonly width: number;
  /** Its class; "unknown" where there is no checkpoint beside the reference. */
  readonly lifecycle: Lifecycle | "dead" | "unknown";
}

/**
 * The path of every feature towards the reference, whose own step, where all similarities are 1, is
 * left out.
 *
 * @param summary A matched sweep.
 * @param distance Distance within which a feature is there; one of 1 would be no match at all.
 * @returns A path for every feature of the reference: `[F]`.
 */
export function featurePaths(
  { checkpoints, reference }: Summary,
  distance = 0.5,
): FeaturePath[] {
  const before = checkpoints.filter(({ step }) => step !== reference);
  const steps = before.map(({ step }) => step);
  const threshold = similarityWithin(distance);
  const { sourceCounts } = checkpoints.find(({ step }) => step === reference)!.match;
  return Array.from(sourceCounts, (count, feature) => {
    const similarities = Float32Array.from(before, ({ match }) => match.similarity[feature]);
    const { step, width } = halfRise(steps, similarities);
    const isDead = count === 0;
    return {
      emergence: emergence(steps, similarities, threshold),
      halfRise: step,
      width,
      lifecycle: isDead
        ? "dead"
        : lifecycle(steps, similarities, threshold, { isDead }) ?? "unknown",
    };
  });
}

/**
 * Features in the order in which they emerge.
 *
 * @param summary A matched sweep.
 * @param threshold Distance within which an emerged feature is.
 * @returns Features of the reference: those that emerge, the earliest first; those that never do;
 *   those that are dead in the reference. Ties as in {@linkcode featuresByStability}: `[F]`.
 */
export function featuresByEmergence(summary: Summary, threshold = 0.5): Uint32Array {
  const at = featurePaths(summary, threshold).map(({ emergence, lifecycle }) =>
    lifecycle === "dead" ? Infinity : Number.isNaN(emergence) ? Number.MAX_VALUE : emergence
  );
  // The sort keeps the order of ties; Infinity - Infinity is NaN, and counts as a tie.
  return featuresByStability(summary).sort((a, b) => at[a] - at[b] || 0);
}
