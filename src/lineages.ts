/**
 * Features followed from checkpoint to checkpoint: when they are born, die, split and merge.
 *
 * C = checkpoints, ascending; link k, of C − 1, is the match of checkpoint k + 1 (source) with
 * checkpoint k (target), on the same tokens. L = lineages, S = features that are followed back.
 *
 * @module
 */

import type { Match } from "./match.ts";
import { type Survival, survival } from "./statistics.ts";

/** Chains of features, one a checkpoint; ordered by birth, then by first feature. */
export interface Lineages {
  /** Training steps of the checkpoints, to which all indices of checkpoints refer: `[C]`. */
  readonly steps: readonly number[];
  /** Distance that the links of a chain are strictly below. */
  readonly threshold: number;
  /** Checkpoint of the first feature; 0 is censored on the left, it may be older: `[L]`. */
  readonly birth: Int32Array;
  /** First checkpoint without it, -1 if alive at the last (censored on the right): `[L]`. */
  readonly death: Int32Array;
  /** Feature at the checkpoint of birth: `[L]`. */
  readonly first: Int32Array;
  /** Feature at the last checkpoint at which it lives: `[L]`. */
  readonly last: Int32Array;
  /** Lineage of every feature at every checkpoint, -1 if the feature is dead: C of `[features]`. */
  readonly of: readonly Int32Array[];
}

/**
 * The lineages of the features of neighbouring checkpoints: chains in which each feature is the
 * mutual nearest neighbour of the one before, nearer than a threshold.
 *
 * i at k → j at k + 1, if best(j) = i, reverse(i) = j and 1 − similarity(j) < threshold, at float32
 *
 * Every live feature, one that fires, of every checkpoint is in exactly one lineage. No gap is
 * bridged: what is missing at one checkpoint dies there, and is born anew when it comes back. Of
 * features that are exactly alike the one of lower index goes on; the others die, and are born. Of
 * one checkpoint there is no link to tell what lives: no lineage. Takes two passes over them all.
 *
 * @param steps Training steps, increasing: `[C]`.
 * @param links Matches of neighbours: C − 1.
 * @param threshold Above 0.
 * @returns The lineages.
 * @throws {RangeError} If there is not one link fewer than steps, steps do not increase, the
 *   threshold is not above 0, or two links disagree on the checkpoint that they share.
 *
 * @example Two features change places, then one of them goes
 * ```ts
 * import assert from "node:assert/strict";
 * import { matchFeatures } from "./match.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const rows = [[1, 0, 0, 2], [0, 1, 2, 0], [0, 1, 0, 0]]; // two tokens of two features
 * const at = rows.map((row) => sparsify(Float32Array.from(row), 2));
 * const links = [matchFeatures(at[1], at[0]), matchFeatures(at[2], at[1])];
 *
 * const { of } = lineages([0, 8, 64], links, 0.5);
 *
 * assert.deepEqual(of.map((features) => [...features]), [[0, 1], [1, 0], [-1, 0]]);
 * ```
 */
export function lineages(
  steps: readonly number[],
  links: readonly Match[],
  threshold: number,
): Lineages {
  if (!(threshold > 0)) {
    throw new RangeError(`Cannot follow features: expected a threshold above 0, got ${threshold}`);
  }
  check(links, steps);
  const of: Int32Array[] = [];
  let nLineages = 0;
  for (let k = 0; k < steps.length; k++) {
    const link = links[k - 1];
    of.push(Int32Array.from(countsAt(links, k), (count, j) => {
      if (count === 0) return -1;
      const isContinued = link && link.reverse[link.best[j]] === j &&
        isNear(link.similarity[j], threshold);
      return isContinued ? of[k - 1][link.best[j]] : nLineages++;
    }));
  }
  const [birth, death, first, last] = [0, 1, 2, 3].map(() => new Int32Array(nLineages).fill(-1));
  of.forEach((features, k) =>
    features.forEach((lineage, feature) => {
      if (lineage < 0) return;
      if (birth[lineage] < 0) [birth[lineage], first[lineage]] = [k, feature];
      last[lineage] = feature;
      death[lineage] = k + 1 < steps.length ? k + 1 : -1; // the last word is that of the last one
    })
  );
  return { steps, threshold, birth, death, first, last, of };
}

/** What happens from each checkpoint to the next; all but `alive` is 0 at the first. */
export interface LineageEvents {
  /** Lineages alive at each checkpoint, which is features that fire: `[C]`. */
  readonly alive: Uint32Array;
  /** Lineages alive at each checkpoint and at the one before: `[C]`. */
  readonly continued: Uint32Array;
  /** Lineages alive at each checkpoint and not at the one before: `[C]`. */
  readonly births: Uint32Array;
  /** Lineages alive at the one before and not at each checkpoint: `[C]`. */
  readonly deaths: Uint32Array;
  /** Features of the one before that are the near best match of several at each: `[C]`. */
  readonly splits: Uint32Array;
  /** Features of each checkpoint that are the near reverse match of several before it: `[C]`. */
  readonly merges: Uint32Array;
}

/**
 * Births, deaths, splits and merges at every checkpoint.
 *
 * alive(k) = continued(k) + births(k), alive(k − 1) = continued(k) + deaths(k), k > 0
 *
 * All but at most one of the children of a split are born, of the parents of a merge die: there are
 * never more splits than births, or merges than deaths. Both go by nearest neighbours alone: they
 * suggest what became of a feature, and prove nothing. Takes a pass over all features.
 *
 * @param lineages Lineages.
 * @param links The matches of which they were made: C − 1.
 * @returns Counts.
 * @throws {RangeError} As {@linkcode lineages} does.
 *
 * @example One feature of three tokens becomes two
 * ```ts
 * import assert from "node:assert/strict";
 * import { matchFeatures } from "./match.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const [a, b] = [[1, 0, 1, 0, 1, 0], [1, 0, 1, 0, 0, 1]].map((of) => Float32Array.from(of));
 * const links = [matchFeatures(sparsify(b, 2), sparsify(a, 2))];
 * const { births, deaths, splits } = lineageEvents(lineages([0, 8], links, 0.5), links);
 *
 * assert.deepEqual([births[1], deaths[1], splits[1]], [1, 0, 1]);
 * ```
 */
export function lineageEvents(
  { steps, threshold, birth, death, of }: Lineages,
  links: readonly Match[],
): LineageEvents {
  check(links, steps);
  const [births, deaths, splits, merges] = [0, 1, 2, 3].map(() => new Uint32Array(steps.length));
  for (const k of birth) if (k > 0) births[k]++;
  for (const k of death) if (k > 0) deaths[k]++;
  links.forEach(({ best, similarity, reverse, reverseSimilarity }, k) => {
    splits[k + 1] = countShared(best.filter((_, j) => isNear(similarity[j], threshold)));
    merges[k + 1] = countShared(reverse.filter((_, i) => isNear(reverseSimilarity[i], threshold)));
  });
  const alive = Uint32Array.from(of, (features) => features.filter((l) => l >= 0).length);
  const continued = alive.map((n, k) => k === 0 ? 0 : n - births[k]);
  return { alive, continued, births, deaths, splits, merges };
}

// How many features are there twice or more.
function countShared(features: Int32Array): number {
  const [seen, shared] = [new Set<number>(), new Set<number>()];
  for (const feature of features) (seen.has(feature) ? shared : seen).add(feature);
  return shared.size;
}

/**
 * The survival curve of lineages over the training, by Kaplan and Meier.
 *
 * S(sₖ) = Π over j ≤ k of (1 − deaths(j) / alive(j − 1)), sₖ the step of checkpoint k
 *
 * Time is the training step, not the age: a lineage is observed from the step of its birth to that
 * of its death, or to the last, where it is censored. So those alive at the first checkpoint, of an
 * unknown age, count like all others. The curve is the chance that one of these lives past a step
 * if old and young die alike; where the young die sooner it is below the share that do. One that is
 * born at a checkpoint and dead at the next is at risk once, there; one that is born at the last is
 * never at risk, and says nothing. A death is dated at the checkpoint that misses it, the latest it
 * can be. Every link can break by noise, so more checkpoints make a lower curve. Standard errors
 * take lineages as independent.
 *
 * @param lineages Lineages.
 * @returns The curve, as of {@linkcode survival}; its times are steps at which a lineage dies.
 *
 * @example Of two at 0 one dies at 8; of the other and one born there, one at 64
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const [birth, death] = [[0, 0, 1], [-1, 1, 2]].map((of) => Int32Array.from(of));
 * assert.deepEqual([...lineageSurvival({ steps: [0, 8, 64], birth, death }).shares], [0.5, 0.25]);
 * ```
 */
export function lineageSurvival(
  { steps, birth, death }: Pick<Lineages, "steps" | "birth" | "death">,
): Survival {
  const stepAt = (k: number) => steps[k < 0 ? steps.length - 1 : k];
  return survival(
    Float64Array.from(death, stepAt),
    death.map((k) => k < 0 ? 0 : 1),
    Float64Array.from(birth, stepAt),
  );
}

/** Where features of the last checkpoint come from, one neighbour at a time. */
export interface ChainedFrame {
  /** Feature reached at each checkpoint, -1 once there is none: C of `[S]`. */
  readonly feature: readonly Int32Array[];
  /** The smallest similarity on the way there, NaN once there is none: C of `[S]`. */
  readonly similarity: readonly Float32Array[];
}

/**
 * The frame beside the reference's: follows features back by best matches of neighbours.
 *
 * feature(k) = best of link k (feature(k + 1)), similarity(k) = min(similarity(k + 1), that of it)
 *
 * No threshold is asked, and nothing mutual: two features may reach the same one, and go on as one.
 * At the last checkpoint each is at itself, with 1. If the reference is checkpoint r, not the last,
 * pass `links.slice(0, r)`: what comes after is not followed; or follow its features from the last,
 * by their `best` there, whose similarity does not count. Takes C S steps, and 8 C S bytes.
 *
 * @param links Matches of neighbours: C − 1.
 * @param best Features of the last checkpoint to start from, -1 for none; or all that fire: `[S]`.
 * @returns The frame.
 * @throws {RangeError} If two links disagree on the checkpoint that they share.
 *
 * @example Two steps back
 * ```ts
 * import assert from "node:assert/strict";
 * import { matchFeatures } from "./match.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const at = [[1, 0], [0, 2], [3, 0]].map((row) => sparsify(Float32Array.from(row), 2));
 * const { feature } = chained([matchFeatures(at[1], at[0]), matchFeatures(at[2], at[1])]);
 *
 * assert.deepEqual(feature.map((of) => [...of]), [[0, -1], [1, -1], [0, -1]]);
 * ```
 */
export function chained(links: readonly Match[], best?: Int32Array): ChainedFrame {
  check(links, Array.from({ length: links.length + 1 }, (_, k) => k));
  const counts = countsAt(links, links.length);
  const start = best?.slice() ?? Int32Array.from(counts, (count, f) => count > 0 ? f : -1);
  const feature = [start];
  const similarity = [Float32Array.from(start, (f) => f < 0 ? NaN : 1)];
  for (const link of links.toReversed()) {
    const [from, least] = [feature[0], similarity[0]];
    feature.unshift(from.map((f) => link.best[f] ?? -1));
    similarity.unshift(least.map((s, i) => Math.min(s, link.similarity[from[i]])));
  }
  return { feature, similarity };
}

/**
 * How far two frames agree at one checkpoint.
 *
 * @param direct Feature that is matched with the reference's, -1 for none: `[S]`.
 * @param chained Feature that is reached by way of neighbours, -1 for none: `[S]`.
 * @returns How many features have both, and for how many of these they are the same.
 * @throws {RangeError} If the two are not of the same features.
 *
 * @example Two have both
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const [direct, chained] = [Int32Array.of(4, 5, -1, 7), Int32Array.of(4, 6, 2, -1)];
 * assert.deepEqual(frameAgreement(direct, chained), { nBoth: 2, nSame: 1 });
 * ```
 */
export function frameAgreement(
  direct: Int32Array,
  chained: Int32Array,
): { readonly nBoth: number; readonly nSame: number } {
  const [n, got] = [direct.length, chained.length];
  if (got !== n) throw new RangeError(`Cannot compare frames: expected ${n} features, got ${got}`);
  const both = direct.filter((f, i) => f >= 0 && chained[i] >= 0);
  const same = direct.filter((f, i) => f >= 0 && chained[i] === f);
  return { nBoth: both.length, nSame: same.length };
}

// How often every feature of a checkpoint fires; nothing is known of the only checkpoint there is.
function countsAt(links: readonly Match[], k: number): Uint32Array {
  return links[k]?.targetCounts ?? links[k - 1]?.sourceCounts ?? new Uint32Array(0);
}

function isNear(similarity: number, threshold: number): boolean {
  return Math.fround(1 - similarity) < threshold; // false for NaN
}

function check(links: readonly Match[], steps: readonly number[]): void {
  const nLinks = Math.max(0, steps.length - 1);
  if (links.length !== nLinks || steps.some((step, k) => k > 0 && !(step > steps[k - 1]))) {
    throw new RangeError(
      `Cannot follow features: expected ${nLinks} links between ${steps.length} increasing steps` +
        `, got ${links.length} between ${steps.join(", ")}`,
    );
  }
  for (let k = 1; k < links.length; k++) {
    const [before, after] = [links[k - 1].sourceCounts, links[k].targetCounts];
    if (before.length === after.length && before.every((count, f) => count === after[f])) continue;
    throw new RangeError(
      `Cannot follow features through checkpoint ${k}: expected the same activations in both ` +
        "links, got others; match each checkpoint (source) with the one before it",
    );
  }
}
