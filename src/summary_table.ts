/**
 * A matched sweep on disk: one row a checkpoint, and one row a feature of the reference.
 *
 * C = checkpoints.
 *
 * @module
 */

import { writeTable } from "./arrow.ts";
import type { ColumnTypes } from "./columns.ts";
import type { ByteSink } from "./files.ts";
import { framesOf } from "./frames.ts";
import { type Match, mutualMatches, thresholds } from "./match.ts";
import { significance } from "./nulls.ts";
import { featurePaths } from "./paths.ts";
import { appearances, countMatched, type Summary } from "./summary.ts";
import { tokenClass } from "./token_share.ts";
import { tokenMarks } from "./token_set.ts";

const lossNames = ["overall", "l1", "mse"] as const;

/**
 * Writes a summary: one row a checkpoint.
 *
 * @param sink Where the bytes go.
 * @param summary The matched sweep.
 */
export function writeSummary(sink: ByteSink, summary: Summary): void {
  const { checkpoints, nFeatures, reference } = summary;
  const types: Record<string, ColumnTypes[string]> = {};
  const columns: Record<string, { values: number[] }> = {};
  const add = (
    name: string,
    type: ColumnTypes[string],
    value: (checkpoint: Summary["checkpoints"][number]) => number,
  ) => {
    types[name] = type;
    columns[name] = { values: checkpoints.map(value) };
  };
  add("step", "uint32", ({ step }) => step);
  add("is_reference", "bool", ({ step }) => +(step === reference));
  for (const t of thresholds) {
    add(`n_matched_${t}`, "uint32", ({ match }) => countMatched(match, t));
    add(`fraction_matched_${t}`, "float64", ({ match }) => countMatched(match, t) / nFeatures);
  }
  for (const t of thresholds) {
    const mean = (of: readonly Float32Array[]) =>
      of.reduce((sum, similarity) => sum + countMatched({ similarity }, t), 0) / of.length /
      nFeatures;
    add(`chance_matched_${t}`, "float64?", ({ nulls }) => mean(nulls.rotated));
    add(`token_matched_${t}`, "float64?", ({ nulls }) => mean(nulls.sameToken));
  }
  add(
    "n_significant",
    "uint32?",
    ({ match, nulls }) =>
      nulls.rotated.length === 0
        ? -1
        : significance(match, nulls.rotated).q.filter((q) => q < 0.05).length,
  );
  add("n_unmatched", "uint32", ({ match }) => nUnmatched(match.similarity, match.sourceCounts));
  add(
    "n_unmatched_reverse",
    "uint32",
    ({ match }) => nUnmatched(match.reverseSimilarity, match.targetCounts),
  );
  add("n_mutual", "uint32", ({ match }) => mutualMatches(match).filter((is) => is).length);
  add("share_unique", "float64?", ({ match }) => {
    const partners = match.best.filter((j) => j >= 0);
    return new Set(partners).size / partners.length; // NaN of none
  });
  add("n_split", "uint32", ({ match }) => nSeveral(match.nearSources));
  add("n_merged", "uint32", ({ match }) => nSeveral(match.nearTargets));
  for (const mark of tokenMarks) {
    add(`${mark}_share`, "float64?", ({ markShares }) => mean(markShares[mark]));
  }
  const frames = framesOf(summary);
  const at =
    (value: (c: number) => number, first = 1) => (checkpoint: Summary["checkpoints"][number]) => {
      const c = checkpoints.indexOf(checkpoint);
      return frames && c >= first ? value(c) : -1;
    };
  for (const event of ["births", "deaths", "splits", "merges"] as const) {
    add(event, "uint32?", at((c) => frames!.events[event][c]));
  }
  add("chain_both", "uint32?", at((c) => frames!.agreement[c].nBoth, 0));
  add("chain_agrees", "uint32?", at((c) => frames!.agreement[c].nSame, 0));
  add("same_as", "uint32?", at((c) => frames!.isSame[c] ? checkpoints[c - 1].step : -1));
  add("n_dead", "uint32", ({ quality }) => quality.nDead);
  add("n_dense", "uint32", ({ quality }) => quality.nDense);
  add("d_sae", "uint32", ({ quality }) => quality.dSae);
  add("n_tokens", "uint32", ({ quality }) => quality.nTokens);
  add("n_measured", "uint32", ({ quality }) => quality.nMeasured);
  add("l0", "float64", ({ quality }) => quality.l0);
  add("l1", "float64", ({ quality }) => quality.l1);
  add("mse", "float64?", ({ quality }) => quality.mse);
  add("explained_variance", "float64?", ({ quality }) => quality.explainedVariance);
  for (const name of lossNames) {
    add(`loss_${name}`, "float64?", ({ losses }) => losses[name] ?? NaN);
  }
  writeTable(sink, types, columns, {
    summary: JSON.stringify({
      format: 1,
      name: summary.name,
      hook: summary.hook,
      reference,
      metric: summary.metric,
      ...(summary.ceiling && { ceiling: fractions(summary.ceiling.match, nFeatures) }),
    }),
  });
}

// Features that fire and have no match below 0.5.
function nUnmatched(similarity: Float32Array, counts: Uint32Array): number {
  return counts.filter((n) => n > 0).length - countMatched({ similarity }, 0.5);
}

// Features to which several are nearer than 0.5.
function nSeveral(near: Uint32Array): number {
  const [K, k] = [thresholds.length, thresholds.indexOf(0.5)];
  return near.filter((n, e) => e % K === k && n > 1).length;
}

// Of the numbers among the values, NaN of none.
function mean(values: Float32Array): number {
  const numbers = values.filter(Number.isFinite);
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

// The fraction of features matched below each threshold, by threshold.
function fractions(match: Match, nFeatures: number): Readonly<Record<string, number>> {
  return Object.fromEntries(thresholds.map((t) => [t, countMatched(match, t) / nFeatures]));
}

/**
 * Writes the features of the reference through training: one row a feature.
 *
 * @param sink Where the bytes go.
 * @param summary The matched sweep.
 * @param threshold Distance below which a feature is present.
 */
export function writeFeatures(sink: ByteSink, summary: Summary, threshold = 0.5): void {
  const { checkpoints, nFeatures, reference } = summary;
  const C = checkpoints.length;
  const throughTraining = (value: (c: number, feature: number) => number) =>
    Float64Array.from({ length: nFeatures * C }, (_, e) => value(e % C, Math.floor(e / C)));
  const counts = checkpoints.find(({ step }) => step === reference)!.match.sourceCounts;
  const qValues = checkpoints.map(({ match, nulls }) => significance(match, nulls.rotated).q);
  const frame = framesOf(summary, threshold)?.chained;
  const { intervals } = summary.emergence;
  const bounds = (bound: "low" | "high") =>
    Float64Array.from({ length: nFeatures }, (_, f) => {
      const step = intervals[f]?.[bound] ?? NaN;
      return counts[f] > 0 && Number.isFinite(step) ? step : NaN; // open above, or never there
    });
  const paths = featurePaths(summary, threshold);
  writeTable(sink, {
    feature: "uint32",
    dead: "bool",
    n_active: "uint32",
    appears_at: "uint32?",
    emergence: "float64?",
    emergence_low: "float64?",
    emergence_high: "float64?",
    emergence_never: "float64?",
    half_rise: "float64?",
    half_rise_width: "float64?",
    lifecycle: "utf8",
    token_share: "float64?",
    token_class: "utf8",
    match: `fixed_size_list<uint32>[${C}]?`,
    similarity: `fixed_size_list<float32>[${C}]?`,
    decoder_cosine: `fixed_size_list<float32>[${C}]?`,
    q_value: `fixed_size_list<float32>[${C}]?`,
    ...(frame && {
      chained_match: `fixed_size_list<uint32>[${C}]?`,
      chained_similarity: `fixed_size_list<float32>[${C}]?`,
    } as const),
  }, {
    feature: { values: Uint32Array.from({ length: nFeatures }, (_, feature) => feature) },
    dead: { values: counts.map((n) => n === 0 ? 1 : 0) },
    n_active: { values: counts },
    appears_at: { values: appearances(summary, threshold) },
    emergence: { values: paths.map((path) => path.emergence) },
    emergence_low: { values: bounds("low") },
    emergence_high: { values: bounds("high") },
    emergence_never: {
      values: Float64Array.from(counts, (n, f) => n > 0 ? intervals[f]?.neverShare ?? NaN : NaN),
    },
    half_rise: { values: paths.map((path) => path.halfRise) },
    half_rise_width: { values: paths.map((path) => path.width) },
    lifecycle: { values: paths.map((path) => path.lifecycle) },
    token_share: { values: summary.tokenShare },
    token_class: {
      values: Array.from(
        summary.tokenShare,
        (share, f) => counts[f] === 0 ? "dead" : tokenClass(share) ?? "unknown",
      ),
    },
    match: { values: throughTraining((c, feature) => checkpoints[c].match.best[feature]) },
    similarity: {
      values: throughTraining((c, feature) => checkpoints[c].match.similarity[feature]),
    },
    decoder_cosine: {
      values: throughTraining((c, feature) => checkpoints[c].decoderCosine[feature]),
    },
    q_value: { values: throughTraining((c, feature) => qValues[c][feature]) },
    ...(frame && {
      chained_match: { values: throughTraining((c, feature) => frame.feature[c][feature]) },
      chained_similarity: { values: throughTraining((c, feature) => frame.similarity[c][feature]) },
    }),
  }, {
    features: JSON.stringify({
      format: 1,
      reference,
      metric: summary.metric,
      threshold,
      steps: checkpoints.map(({ step }) => step),
    }),
  });
}
