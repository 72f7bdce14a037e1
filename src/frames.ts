/**
 * A sweep in two frames: every checkpoint against the reference, and neighbours against each other.
 *
 * C = checkpoints, F = features of the reference.
 *
 * @module
 */

import {
  chained,
  type ChainedFrame,
  frameAgreement,
  type LineageEvents,
  lineageEvents,
  type Lineages,
  lineages,
} from "./lineages.ts";
import { type Match, mutualMatches } from "./match.ts";
import type { Summary } from "./summary.ts";

/** What neighbours say of a sweep. */
export interface Frames {
  /** Chains of features, one a checkpoint. */
  readonly lineages: Lineages;
  /** Births, deaths, splits and merges. */
  readonly events: LineageEvents;
  /** The reference's features followed back by neighbours; -1 after the reference: C of `[F]`. */
  readonly chained: ChainedFrame;
  /** At every checkpoint, how many features have a match in both frames, and the same one: `[C]`. */
  readonly agreement: readonly { readonly nBoth: number; readonly nSame: number }[];
  /** Of every checkpoint, whether its activations are those of the one before: `[C]`. */
  readonly isSame: readonly boolean[];
}

/**
 * Both frames of a sweep.
 *
 * @param summary A matched sweep.
 * @param threshold Distance that a link of a lineage is strictly below; 0 asks for equal features.
 * @returns The frames; nothing where neighbours were not matched.
 */
export function framesOf(
  { checkpoints, links, reference }: Summary,
  threshold = 0.5,
): Frames | undefined {
  if (links.length === 0) return undefined;
  const least = Math.max(Number.MIN_VALUE, threshold); // equal features have no distance at all
  const of = lineages(checkpoints.map(({ step }) => step), links, least);
  const at = checkpoints.findIndex(({ step }) => step === reference);
  const { sourceCounts } = checkpoints[at].match;
  const live = Int32Array.from(sourceCounts, (count, f) => count > 0 ? f : -1);
  const before = chained(links.slice(0, at), live);
  const frame = {
    feature: checkpoints.map((_, c) => before.feature[c] ?? live.map(() => -1)),
    similarity: checkpoints.map((_, c) =>
      before.similarity[c] ?? Float32Array.from(live, () => NaN)
    ),
  };
  return {
    lineages: of,
    events: lineageEvents(of, links),
    chained: frame,
    agreement: checkpoints.map(({ match }, c) => frameAgreement(match.best, frame.feature[c])),
    isSame: checkpoints.map((_, c) => c > 0 && isSame(links[c - 1])),
  };
}

/**
 * Whether two checkpoints are so alike that they must be the same weights, which no two SAEs that
 * were trained apart are: of the features that fire in either, 99 in 100 are mutual matches of a
 * similarity above 0.999.
 *
 * @param link The match of a checkpoint with the one before.
 * @returns Whether they are; never if nothing fires.
 */
export function isSame(link: Match): boolean {
  const isMutual = mutualMatches(link);
  const nAlike = link.similarity.filter((of, i) => isMutual[i] && of > 0.999).length;
  const nLive = Math.max(
    ...[link.sourceCounts, link.targetCounts].map((of) => of.filter((n) => n > 0).length),
  );
  return nAlike > 0 && nAlike >= 0.99 * nLive;
}

/**
 * Neighbouring checkpoints that are the same weights; see {@linkcode isSame}.
 *
 * @param summary A matched sweep.
 * @returns The steps of each such pair.
 */
export function sameCheckpoints(
  { checkpoints, links }: Summary,
): { readonly before: number; readonly step: number }[] {
  return links.flatMap((link, c) =>
    isSame(link) ? [{ before: checkpoints[c].step, step: checkpoints[c + 1].step }] : []
  );
}
