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
import { type Match, thresholds } from "./match.ts";
import { emergence, halfRise, lifecycle } from "./emergence.ts";
import { significance } from "./nulls.ts";
import { appearances, countMatched, type Summary } from "./summary.ts";

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
  add("n_unmatched", "uint32", ({ match }) => {
    const nAlive = match.sourceCounts.filter((n) => n > 0).length;
    return nAlive - countMatched(match, 0.5);
  });
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
      ...(summary.ceiling && { ceiling: fractions(summary.ceiling.match, nFeatures) }),
    }),
  });
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
  const paths = Array.from(
    { length: nFeatures },
    (_, feature) => pathOf(summary, feature, threshold, counts[feature] === 0),
  );
  writeTable(sink, {
    feature: "uint32",
    dead: "bool",
    n_active: "uint32",
    appears_at: "uint32?",
    emergence: "float64?",
    half_rise: "float64?",
    half_rise_width: "float64?",
    lifecycle: "utf8",
    match: `fixed_size_list<uint32>[${C}]?`,
    similarity: `fixed_size_list<float32>[${C}]?`,
    decoder_cosine: `fixed_size_list<float32>[${C}]?`,
  }, {
    feature: { values: Uint32Array.from({ length: nFeatures }, (_, feature) => feature) },
    dead: { values: counts.map((n) => n === 0 ? 1 : 0) },
    n_active: { values: counts },
    appears_at: { values: appearances(summary, threshold) },
    emergence: { values: paths.map((path) => path.emergence) },
    half_rise: { values: paths.map((path) => path.halfRise) },
    half_rise_width: { values: paths.map((path) => path.width) },
    lifecycle: { values: paths.map((path) => path.lifecycle) },
    match: { values: throughTraining((c, feature) => checkpoints[c].match.best[feature]) },
    similarity: {
      values: throughTraining((c, feature) => checkpoints[c].match.similarity[feature]),
    },
    decoder_cosine: {
      values: throughTraining((c, feature) => checkpoints[c].decoderCosine[feature]),
    },
  }, {
    features: JSON.stringify({
      format: 1,
      reference,
      threshold,
      steps: checkpoints.map(({ step }) => step),
    }),
  });
}

// The path of one feature towards the reference, whose own step, where all cosines are 1, is left out.
function pathOf(
  { checkpoints, reference }: Summary,
  feature: number,
  distance: number,
  isDead: boolean,
) {
  const before = checkpoints.filter(({ step }) => step !== reference);
  const steps = before.map(({ step }) => step);
  const similarities = Float32Array.from(before, ({ match }) => match.similarity[feature]);
  const threshold = Math.max(2 ** -23, 1 - distance); // a distance of 1 is no match at all
  const { step, width } = halfRise(steps, similarities);
  return {
    emergence: emergence(steps, similarities, threshold),
    halfRise: step,
    width,
    lifecycle: isDead ? "dead" : lifecycle(steps, similarities, threshold, { isDead }) ?? "unknown", // no other checkpoint
  };
}
