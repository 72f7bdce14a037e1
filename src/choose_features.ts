/**
 * Which features of a matched sweep are shown in detail.
 *
 * @module
 */

import { featurePaths } from "./paths.ts";
import { randomFrom, sample } from "./random.ts";
import { appearingFeatures, type Summary } from "./summary.ts";

/** Which features are shown in detail; the first that is given decides. */
export interface FeatureChoice {
  /** These. */
  readonly features?: readonly number[] | undefined;
  /** Some of those that appear at this step. */
  readonly appearingAt?: number | undefined;
  /** Some of this class. */
  readonly lifecycle?: string | undefined;
  /** All that fire. */
  readonly all?: boolean;
  /** How many are drawn, of a step, of a class, or of all. */
  readonly nSampled?: number;
  /** Seed of what is drawn: features, and the text of each. */
  readonly seed?: number;
}

/**
 * Chooses the features that are shown in detail.
 *
 * @param summary A matched sweep.
 * @param choice Which; if nothing is asked for, some that fire, from all classes of lifecycle.
 * @param distance Distance below which a feature is present.
 * @returns Features of the reference, ascending.
 * @throws {RangeError} If there is no such feature, step or class.
 */
export function chooseFeatures(
  summary: Summary,
  { features, appearingAt, lifecycle, all, nSampled = 24, seed = 0 }: FeatureChoice,
  distance = 0.5,
): number[] {
  const { checkpoints, reference, nFeatures } = summary;
  const { sourceCounts } = checkpoints.find(({ step }) => step === reference)!.match;
  const some = (of: readonly number[]) =>
    [...sample(of, nSampled, randomFrom(seed))].sort((a, b) => a - b);
  if (features !== undefined) {
    const odd = features.find((f) => !(Number.isInteger(f) && f >= 0 && f < nFeatures));
    if (odd === undefined) return [...new Set(features)].sort((a, b) => a - b);
    throw new RangeError(
      `Cannot show feature ${odd}: expected 0 to ${nFeatures - 1}, got ${odd}`,
    );
  }
  if (appearingAt !== undefined) return some(appearingFeatures(summary, appearingAt, distance));
  const live = [...sourceCounts.keys()].filter((f) => sourceCounts[f] > 0);
  if (all === true) return live;
  const paths = featurePaths(summary, distance);
  if (lifecycle !== undefined) {
    const of = live.filter((f) => paths[f].lifecycle === lifecycle);
    if (of.length > 0) return some(of);
    const classes = [...new Set(live.map((f) => paths[f].lifecycle))].join(", ");
    throw new RangeError(
      `Cannot show features of class "${lifecycle}": expected one of ${classes}, got none of it`,
    );
  }
  // In turn from every class, so that small classes are there.
  const classes = Map.groupBy(live, (f) => paths[f].lifecycle);
  const groups = [...classes].sort(([a], [b]) => a < b ? -1 : 1).map(([, group]) => group);
  const sizes = groups.map(() => 0);
  for (let n = 0, g = 0; n < Math.min(nSampled, live.length); g = (g + 1) % groups.length) {
    if (sizes[g] < groups[g].length) [sizes[g], n] = [sizes[g] + 1, n + 1];
  }
  const random = randomFrom(seed);
  return groups.flatMap((of, g) => [...sample(of, sizes[g], random)]).sort((a, b) => a - b);
}
