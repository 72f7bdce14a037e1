/**
 * The neighbourhood of one feature through training: what it came from, and what went into it.
 *
 * C = checkpoints, in order of step.
 *
 * @module
 */

import type { Match } from "./match.ts";
import type { SiteFeature } from "./site_data.ts";

/**
 * How alike two features of neighbouring checkpoints are, as far as their match tells.
 *
 * @param link The match of a checkpoint with the one before.
 * @param source Feature of the checkpoint.
 * @param target Feature of the one before.
 * @returns Their similarity, if one is the other's best match or the target the runner-up; else NaN.
 */
export function linkedSimilarity(link: Match, source: number, target: number): number {
  if (source < 0 || target < 0) return NaN;
  if (link.best[source] === target) return link.similarity[source];
  if (link.reverse[target] === source) return link.reverseSimilarity[target];
  return link.runnerUp[source] === target ? link.runnerUpSimilarity[source] : NaN;
}

/**
 * The features near one feature of the reference: its match at every checkpoint, and what is linked
 * with the match at a neighbouring checkpoint: its best match there, and those whose best match it is.
 *
 * @param matches The match of the feature at every checkpoint, -1 where it has none: `[C]`.
 * @param links The match of every checkpoint but the first with the one before; none if not made.
 * @param options `threshold`: similarity from which features are near. `nMost`: features of a
 *   checkpoint, the match first and then the most alike.
 * @returns The features, and all links among them that are near or on the path of the matches.
 *
 * @example A feature with two parents
 * ```ts
 * import assert from "node:assert/strict";
 * import { matchFeatures } from "./match.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const before = sparsify(new Float32Array([1, 0, 0, 1]), 2);
 * const after = sparsify(new Float32Array([1, 1]), 1);
 *
 * const { features, links } = egoOf([0, 0], [matchFeatures(after, before)], { threshold: 0.5 });
 *
 * assert.deepEqual(features, [[0, 1], [0]]);
 * assert.deepEqual(links.map(({ from, to }) => [from, to]), [[0, 0], [1, 0]]);
 * ```
 */
export function egoOf(
  matches: readonly number[],
  links: readonly Match[],
  { threshold, nMost = 6 }: { readonly threshold: number; readonly nMost?: number },
): SiteFeature["ego"] {
  const features = matches.map((own, c) => {
    const near = new Map<number, number>();
    const offer = (feature: number, similarity: number) => {
      if (feature < 0 || feature === own || !(similarity >= threshold)) return;
      near.set(feature, Math.max(similarity, near.get(feature) ?? 0));
    };
    if (c > 0 && links.length > 0) children(links[c - 1], matches[c - 1], offer);
    if (c + 1 < matches.length && links.length > 0) parents(links[c], matches[c + 1], offer);
    const sorted = [...near].sort(([i, a], [j, b]) => b - a || i - j).map(([feature]) => feature);
    return [...(own < 0 ? [] : [own]), ...sorted].slice(0, nMost);
  });
  const found = links.flatMap((link, c) =>
    features[c].flatMap((from) =>
      features[c + 1].map((to) => ({ c, from, to, similarity: linkedSimilarity(link, to, from) }))
    )
  );
  const isPath = ({ c, from, to }: typeof found[number]) =>
    from === matches[c] && to === matches[c + 1];
  return {
    features,
    links: found.filter((of) => of.similarity >= threshold || (of.similarity > 0 && isPath(of))),
  };
}

type Offer = (feature: number, similarity: number) => void;

// Offers the features of a checkpoint that a feature of the one before is linked with.
function children(
  { best, similarity, reverse, reverseSimilarity }: Match,
  of: number,
  offer: Offer,
) {
  if (of < 0) return;
  offer(reverse[of], reverseSimilarity[of]);
  for (let s = 0; s < best.length; s++) if (best[s] === of) offer(s, similarity[s]);
}

// Offers the features of the checkpoint before that a feature is linked with.
function parents(
  { best, similarity, reverse, reverseSimilarity }: Match,
  of: number,
  offer: Offer,
) {
  if (of < 0) return;
  offer(best[of], similarity[of]);
  for (let t = 0; t < reverse.length; t++) if (reverse[t] === of) offer(t, reverseSimilarity[t]);
}
