/**
 * How alike matched features are, by every measure, and how sure that is: from sums to numbers.
 *
 * S = source features, G = groups of sequences, B = replicas.
 *
 * @module
 */

import { type Match, sumsOf } from "./match.ts";
import { commonSumOf, measure, type Metric, metrics } from "./measures.ts";
import type { GroupSums, PairSums } from "./pair_sums.ts";
import { randomFrom } from "./random.ts";

/** How alike source features and one partner each are. */
export interface PairScores extends Readonly<Record<Metric, Float32Array>> {
  /** Number of tokens on which both fire, 0 where there is no partner: `[S]`. */
  readonly nBoth: Uint32Array;
}

/**
 * Every measure of every pair.
 *
 * @param sums The sums of a match.
 * @param match The match.
 * @param which Which of the two partners.
 * @returns Each measure, NaN where there is no partner: `[S]`.
 */
export function pairScores(
  sums: PairSums,
  match: Match,
  which: "best" | "runnerUp",
): PairScores {
  const { source, target } = sums;
  const nTokens = sums.groups.reduce((sum, group) => sum + group.nTokens, 0);
  const { nBoth } = sums[which];
  const scoreOf = (metric: Metric) =>
    Float32Array.from(match[which], (j, i) => {
      const common = sums[which][commonSumOf[metric]][i];
      return j < 0 ? NaN : measure(metric, common, sumsOf(source, i), sumsOf(target, j), nTokens);
    });
  return {
    nBoth,
    ...Object.fromEntries(metrics.map((metric) => [metric, scoreOf(metric)])) as Record<
      Metric,
      Float32Array
    >,
  };
}

/**
 * The share of the products of every match that tokens of each mark give.
 *
 * @param sums The sums of a match.
 * @returns Shares in [0, 1], NaN where there is no match: `[S]` for every mark.
 */
export function markedShares({ marked, best }: PairSums): Float32Array[] {
  return marked.map((of) =>
    Float32Array.from(of, (sum, i) => best.nBoth[i] > 0 ? sum / best.products[i] : NaN)
  );
}

/** How {@linkcode replicas} are drawn. */
export interface ReplicaOptions {
  /** How alike two features are. */
  readonly metric?: Metric;
  /** How many, B. */
  readonly nReplicas: number;
  /** Seed of the choice of groups; the same seed draws the same groups for every match. */
  readonly seed: number;
}

/**
 * The similarity of every match on tokens drawn anew: a bootstrap by groups of sequences, since the
 * tokens of a sequence are dependent. The match itself stays: what is asked is how sure its
 * similarity is, and not which feature would win.
 *
 * Replicas of the same seed and number of groups take the same groups, so that those of several
 * checkpoints together are replicas of a trajectory.
 *
 * Takes 3 S G B additions.
 *
 * @param sums The sums of a match, by groups.
 * @param match The match.
 * @param options How many, and of which measure.
 * @returns Similarities, NaN where there is no match, or none of its tokens was drawn: B of `[S]`.
 * @see {@link https://doi.org/10.1214/ss/1177013815 | Efron and Tibshirani 1986}.
 */
export function replicas(
  { groups }: Pick<PairSums, "groups">,
  { best }: Pick<Match, "best">,
  { metric = "cosine", nReplicas, seed }: ReplicaOptions,
): Float32Array[] {
  const random = randomFrom(seed);
  return Array.from({ length: nReplicas }, () => {
    const drawn = groups.map(() => groups[Math.floor(random() * groups.length)]);
    return similarities(timesDrawn(drawn), best, metric);
  });
}

// Each group that was drawn, and how often.
function timesDrawn(drawn: readonly GroupSums[]): Map<GroupSums, number> {
  const times = new Map<GroupSums, number>();
  for (const group of drawn) times.set(group, (times.get(group) ?? 0) + 1);
  return times;
}

/** Which sums of a feature each measure wants. */
const wanted: { readonly [M in Metric]: readonly ("counts" | "sums" | "squares")[] } = {
  cosine: ["squares"],
  pearson: ["sums", "squares"],
  iou: ["counts"],
  weighted_jaccard: ["sums"],
};

function similarities(
  times: ReadonlyMap<GroupSums, number>,
  best: Int32Array,
  metric: Metric,
): Float32Array {
  const total = (of: (group: GroupSums) => ArrayLike<number>) => {
    let sum = new Float64Array(0);
    for (const [group, n] of times) {
      const values = of(group);
      if (sum.length === 0) sum = new Float64Array(values.length);
      for (let i = 0; i < sum.length; i++) sum[i] += n * values[i];
    }
    return sum;
  };
  const zero = new Float64Array(0);
  const columns = (side: "source" | "target") => {
    const of = (name: "counts" | "sums" | "squares") =>
      wanted[metric].includes(name) ? total((group) => group[side][name]) : zero;
    return { counts: of("counts"), sums: of("sums"), squares: of("squares") };
  };
  const [source, target] = [columns("source"), columns("target")];
  const common = total((group) => group.best[commonSumOf[metric]]);
  let nTokens = 0;
  for (const [group, n] of times) nTokens += n * group.nTokens;
  return Float32Array.from(best, (j, i) => {
    if (j < 0) return NaN;
    const [a, b] = [sumsOf(source, i), sumsOf(target, j)];
    return measure(metric, common[i], a, b, nTokens);
  });
}

/**
 * Where groups of sequences end, for {@linkcode replicas}: as equal as whole sequences allow.
 *
 * @param starts First token of every sequence, ascending, then the number of tokens.
 * @param nGroups Most groups.
 * @returns One past the last token of every group.
 *
 * @example Three sequences in two groups
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(groupEnds([0, 4, 8, 10], 2), [8, 10]);
 * ```
 */
export function groupEnds(starts: ArrayLike<number>, nGroups: number): number[] {
  const nSequences = starts.length - 1;
  const n = Math.min(nGroups, nSequences);
  return Array.from({ length: n }, (_, g) => starts[Math.ceil(((g + 1) * nSequences) / n)]);
}

/** Groups of sequences that replicas are drawn from. */
export const nGroups = 32;
