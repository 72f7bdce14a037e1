/**
 * A matched sweep as the shards that its pages read: the table of features, and their paths.
 *
 * F = features of the reference, C = checkpoints in order of step.
 *
 * @module
 */

import { alikeTrajectories } from "./alike.ts";
import { linkedSimilarity } from "./ego.ts";
import type { FeatureStats } from "./feature_stats.ts";
import { mutualMatches, thresholds } from "./match.ts";
import { significance } from "./nulls.ts";
import { featurePaths } from "./paths.ts";
import type { Maybe, SitePaths, SiteTable } from "./site_data.ts";
import { appearances, type CheckpointSummary, type Summary } from "./summary.ts";
import { tokenClass } from "./token_share.ts";

/** What the tokens say of the features of a checkpoint, beside the matches. */
export interface CheckpointStats {
  /** Sums over all tokens. */
  readonly stats: FeatureStats;
  /** Lengths of the decoder directions. */
  readonly norms: Float32Array;
}

/** Features of a shard of paths. */
export const perShard = 256;

/**
 * A shard: a script of one call, in which no text can end the script, and numbers have four digits.
 *
 * @param name Its name.
 * @param value What `JSON.stringify` takes.
 * @returns The script.
 *
 * @example Text that wants to end the script
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(shard("a", ["</script>"]), 'sae("a",["\\u003c/script>"])\n');
 * ```
 */
export function shard(name: string, value: unknown): string {
  const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  const shortened = (_: string, of: unknown) => typeof of === "number" ? short(of) : of;
  const json = JSON.stringify(value, shortened).replace(/[<\u2028\u2029]/g, escaped);
  return `sae(${JSON.stringify(name)},${json})\n`;
}

/**
 * A number in four significant digits, or as it is if it is whole.
 *
 * @param value A number.
 * @returns The digits; null of no finite number.
 */
export function short(value: number): Maybe {
  if (Number.isInteger(value)) return value;
  return Number.isFinite(value) ? Number(value.toPrecision(4)) : null;
}

/**
 * The same sweep, in which every feature of the reference that fires is its own match there.
 *
 * Of features that fire on the same tokens, alike up to their size, the match is the first one, which
 * would show another feature's texts and name at the reference.
 *
 * @param summary A matched sweep.
 * @returns The sweep, its matches at the reference exchanged where they are of another feature.
 */
export function ownReference(summary: Summary): Summary {
  const own = (checkpoint: CheckpointSummary): CheckpointSummary => {
    const { match, decoderCosine } = checkpoint;
    const best = match.best.map((_, f) => match.sourceCounts[f] > 0 ? f : -1);
    const isOther = (f: number) => best[f] >= 0 && match.best[f] !== f;
    return {
      ...checkpoint,
      match: { ...match, best },
      decoderCosine: decoderCosine.map((cosine, f) => isOther(f) ? 1 : cosine),
    };
  };
  const { checkpoints, reference } = summary;
  return { ...summary, checkpoints: checkpoints.map((of) => of.step === reference ? own(of) : of) };
}

/**
 * The table of features.
 *
 * @param summary A matched sweep.
 * @param parts Names of features, those that have a shard of their own, the distance below which a
 *   feature is present, and the number of tokens that were compared, on which activations are counted.
 * @returns The table.
 */
export function siteTable(
  summary: Summary,
  { label, detailed, distance, nTokens }: {
    readonly label: readonly string[];
    readonly detailed: readonly number[];
    readonly distance: number;
    readonly nTokens: number;
  },
): SiteTable {
  const { checkpoints, reference, nFeatures, emergence: { intervals } } = summary;
  const at = checkpoints.findIndex(({ step }) => step === reference);
  const compared = checkpoints.filter((_, c) => c !== at);
  const counts = checkpoints[at].match.sourceCounts;
  const paths = featurePaths(summary, distance);
  const appears = appearances(summary, distance);
  const qValues = compared.map(({ match, nulls }) => significance(match, nulls.rotated).q);
  const mutual = compared.map(({ match }) => mutualMatches(match));
  const [K, k] = [thresholds.length, nearestThreshold(distance)];
  const each = <V>(of: (f: number) => V) => Array.from({ length: nFeatures }, (_, f) => of(f));
  const isThere = ({ match }: CheckpointSummary, f: number) =>
    Math.fround(1 - match.similarity[f]) < distance;
  const largest = (of: (checkpoint: CheckpointSummary, f: number) => number) =>
    each((f) => compared.reduce((most, checkpoint) => Math.max(most, of(checkpoint, f)), 0));
  return {
    steps: checkpoints.map(({ step }) => step),
    reference: at,
    metric: summary.metric,
    threshold: short(1 - distance)!,
    nTokens,
    perShard,
    detailed,
    label,
    lifecycle: paths.map(({ lifecycle }) => lifecycle),
    emergence: each((f) => counts[f] > 0 ? short(paths[f].emergence) : null),
    emergenceLow: each((f) => counts[f] > 0 ? short(intervals[f]?.low ?? NaN) : null),
    emergenceHigh: each((f) => counts[f] > 0 ? short(intervals[f]?.high ?? NaN) : null),
    appearsAt: each((f) => appears[f] < 0 ? null : appears[f]),
    similarity: each((f) => short(compared.at(-1)?.match.similarity[f] ?? NaN)),
    q: each((f) => {
      const found = qValues.filter((q, c) => isThere(compared[c], f) && !Number.isNaN(q[f]));
      return short(Math.min(...found.map((q) => q[f])));
    }),
    rate: each((f) => short(counts[f] / nTokens)!),
    mutual: each((f) =>
      counts[f] > 0 ? short(mutual.filter((is) => is[f]).length / compared.length) : null
    ),
    split: largest(({ match }, f) => {
      const j = match.best[f];
      const isNear = Math.fround(1 - match.similarity[f]) < thresholds[k];
      return isNear ? match.nearSources[j * K + k] : 0; // of no match NaN, and not near
    }),
    merged: largest(({ match }, f) => match.nearTargets[f * K + k]),
    tokenShare: each((f) => short(summary.tokenShare[f])),
    tokenClass: each((f) =>
      counts[f] === 0 ? "dead" : tokenClass(summary.tokenShare[f]) ?? "unknown"
    ),
    hundredths: each((f) =>
      checkpoints.map(({ match }) =>
        Number.isNaN(match.similarity[f]) ? null : Math.floor(100 * match.similarity[f])
      )
    ),
  };
}

// Neighbours are counted at the notebook's distances alone: the one that is nearest to the chosen one.
function nearestThreshold(distance: number): number {
  const differences = thresholds.map((threshold) => Math.abs(threshold - distance));
  return differences.indexOf(Math.min(...differences));
}

/**
 * The paths of all features, in shards.
 *
 * @param summary A matched sweep.
 * @param of What the tokens say of every checkpoint: `[C]`.
 * @param nTokens Number of tokens that were compared.
 * @returns Shards of {@linkcode perShard} features, one at a time.
 */
export function* sitePaths(
  summary: Summary,
  of: readonly CheckpointStats[],
  nTokens: number,
): Generator<SitePaths> {
  const { checkpoints, links, nFeatures, reference } = summary;
  const C = checkpoints.length;
  const qValues = checkpoints.map(({ match, nulls }) => significance(match, nulls.rotated).q);
  const compared = checkpoints.filter(({ step }) => step !== reference);
  const series = Float32Array.from(
    { length: nFeatures * compared.length },
    (_, e) => compared[e % compared.length].match.similarity[Math.floor(e / compared.length)] || 0,
  );
  const { sourceCounts } = checkpoints.find(({ step }) => step === reference)!.match;
  const alike = compared.length === 0 ? [] : alikeTrajectories(series, compared.length, {
    takesPart: (f) => sourceCounts[f] > 0,
  });
  const largest = (repetitions: readonly Float32Array[], f: number) =>
    repetitions.reduce((most, similarity) => Math.max(most, similarity[f] || 0), 0);
  for (let from = 0; from < nFeatures; from += perShard) {
    const features = Array.from(
      { length: Math.min(perShard, nFeatures - from) },
      (_, f) => from + f,
    );
    const each = (value: (c: number, f: number, j: number) => number) =>
      features.map((f) =>
        Array.from({ length: C }, (_, c) => short(value(c, f, checkpoints[c].match.best[f])))
      );
    const ofMatch = (value: (c: number, j: number) => number) =>
      each((c, _, j) => j < 0 ? NaN : value(c, j));
    yield {
      from,
      match: features.map((f) =>
        checkpoints.map(({ match }) => match.best[f] < 0 ? null : match.best[f])
      ),
      similarity: each((c, f) => checkpoints[c].match.similarity[f]),
      runnerUp: each((c, f) => checkpoints[c].match.runnerUpSimilarity[f]),
      chance: each((c, f) => {
        const { rotated } = checkpoints[c].nulls;
        return rotated.length === 0 ? NaN : largest(rotated, f);
      }),
      token: each((c, f) => {
        const { sameToken } = checkpoints[c].nulls;
        return sameToken.length === 0 ? NaN : largest(sameToken, f);
      }),
      q: each((c, f) => qValues[c][f]),
      iou: each((c, f) => checkpoints[c].best.iou[f]),
      decoder: each((c, f) => checkpoints[c].decoderCosine[f]),
      previous: each((c, f, j) =>
        c === 0 || links.length === 0
          ? NaN
          : linkedSimilarity(links[c - 1], j, checkpoints[c - 1].match.best[f])
      ),
      rate: ofMatch((c, j) => checkpoints[c].match.targetCounts[j] / nTokens),
      mean: ofMatch((c, j) => of[c].stats.sums[j] / of[c].stats.counts[j]),
      max: ofMatch((c, j) => of[c].stats.max[j]),
      norm: ofMatch((c, j) => of[c].norms[j]),
      alike: features.map((f) => alike[f] ?? []),
    };
  }
}
