/**
 * What chosen features do at every checkpoint, from its activations, its SAE and its unembedding.
 *
 * @module
 */

import { openActivations } from "./activation_table.ts";
import { activationsIn } from "./contexts.ts";
import { egoOf } from "./ego.ts";
import {
  alignedNeurons,
  chooseText,
  type FeatureAt,
  featureDetail,
  type ReadableTokens,
  type ShownFeature,
  type SiteLens,
  siteLens,
} from "./feature_details.ts";
import { addStats, addStrongest, labels, noTokens, zeroStats } from "./feature_stats.ts";
import { openFile } from "./files.ts";
import {
  addTogether,
  chosenColumns,
  correlatedWith,
  countByDoubling,
  neverTogether,
} from "./firing.ts";
import { readUnembedding } from "./logit_lens.ts";
import { windowEffects } from "./loss_effect.ts";
import { readModel } from "./model.ts";
import { readSae, type Sae } from "./sae.ts";
import type { SiteFeature } from "./site_data.ts";
import type { CheckpointStats } from "./site_shards.ts";
import { concatenate, type Sparse, transpose } from "./sparse.ts";
import type { Summary } from "./summary.ts";
import type { Checkpoint, Sweep } from "./sweep.ts";
import { activationsPath } from "./sweep_activations.ts";

/** What the details of all features have in common. */
export interface DetailsJob {
  /** The sweep. */
  readonly sweep: Sweep;
  /** It, matched. */
  readonly summary: Summary;
  /** The folder that it was matched in. */
  readonly out: string;
  /** Its tokens, and the seed of the text that is drawn. */
  readonly tokens: ReadableTokens & { readonly ids: Uint32Array; readonly seed: number };
  /** Whether the model is run on what is shown, to measure what is lost without the feature. */
  readonly hasLossEffect: boolean;
  /** Threads of the model. */
  readonly threads: number;
}

/**
 * The details of some features; and, the first time, what the tokens say of every checkpoint.
 *
 * @param job What they are of.
 * @param chosen Features of the reference, ascending.
 * @param stats Statistics by the name of the checkpoint; those that are missing are added.
 * @returns The details; and names of all features, where those of the reference were missing.
 * @throws {DataError} If activations or weights are missing, or broken.
 */
export async function detailsOf(
  job: DetailsJob,
  chosen: readonly number[],
  stats: Map<string, CheckpointStats>,
): Promise<{ readonly features: SiteFeature[]; readonly label?: string[] }> {
  const { sweep, summary, tokens } = job;
  const { checkpoints, links, emergence } = summary;
  const steps = checkpoints.map(({ step }) => step);
  const of = steps.map((step) => sweep.checkpoints.find((checkpoint) => checkpoint.step === step)!);
  const reference = steps.indexOf(summary.reference);
  const { shown, ranked, label, at } = await atReference(job, of[reference], chosen, stats);
  const everywhere: FeatureAt[][] = [];
  for (const [c, checkpoint] of of.entries()) {
    const matches = chosen.map((f) => checkpoints[c].match.best[f]);
    everywhere.push(
      c === reference ? at : await atCheckpoint(job, checkpoint, matches, shown, ranked, stats),
    );
  }
  const features = shown.map((feature, k) => {
    const ego = egoOf(checkpoints.map(({ match }) => match.best[chosen[k]]), links, {
      threshold: emergence.threshold,
    });
    return featureDetail(feature, everywhere.map((of) => of[k]), {
      ...tokens,
      ranked: ranked[k],
      ego,
    });
  });
  return { features, ...(label && { label }) };
}

// Activations of some features of a checkpoint, by feature; its statistics are added where missing.
async function firingAt(
  job: DetailsJob,
  checkpoint: Checkpoint,
  features: readonly number[],
  stats: Map<string, CheckpointStats>,
  see: (rows: Sparse, own: Sparse, first: number) => void = () => {},
) {
  const sae = await readSae(checkpoint.sae.path, checkpoint.sae);
  const isFirst = !stats.has(checkpoint.name);
  const sums = stats.get(checkpoint.name)?.stats ?? zeroStats(sae.dSae);
  const file = await openFile(activationsPath(job.out, checkpoint));
  const parts: Sparse[] = [];
  let first = 0;
  for await (const rows of (await openActivations(file)).rows.parts()) {
    if (isFirst) addStats(rows, sums);
    const own = chosenColumns(rows, features);
    see(rows, own, first);
    parts.push(own);
    first += rows.nRows;
  }
  if (isFirst) stats.set(checkpoint.name, { stats: sums, norms: lengths(sae) });
  return { sae, sums, firing: transpose(concatenate(parts, features.length)) };
}

// What is shown of some features, as their activations at the reference decide.
async function atReference(
  job: DetailsJob,
  checkpoint: Checkpoint,
  chosen: readonly number[],
  stats: Map<string, CheckpointStats>,
) {
  const { summary: { nFeatures }, tokens: { ids, textOf } } = job;
  const isFirst = !stats.has(checkpoint.name);
  const strongest = noTokens(isFirst ? nFeatures : 0);
  const together = neverTogether(chosen.length, nFeatures);
  const { sae, sums, firing } = await firingAt(
    job,
    checkpoint,
    chosen,
    stats,
    (rows, own, first) => {
      if (isFirst) addStrongest(rows, ids.subarray(first, first + rows.nRows), strongest);
      addTogether(own, rows, together);
    },
  );
  const texts = chosen.map((feature, k) => ({
    feature,
    ...chooseText(feature, firingOf(firing, k), job.tokens),
  }));
  const effects = await effectsOf(
    job,
    checkpoint,
    sae,
    texts.map((text, k) => ({
      ...text,
      activations: activationsOf(firingOf(firing, k), text),
    })),
  );
  const shown = texts.map((text, k): ShownFeature => ({
    ...text,
    correlated: correlatedWith(text.feature, k, together, { stats: sums, nTokens: ids.length }),
    neurons: alignedNeurons(directionsOf(sae, [text.feature])),
    ...(effects && { lossEffects: effects[k] }),
  }));
  const lens = await lensOf(job, checkpoint, directionsOf(sae, chosen), chosen.length);
  const at = chosen.map((feature, k) =>
    featureAt(feature, firingOf(firing, k), shown[k], lens.logits[k], lens.ranks[k])
  );
  const label = isFirst ? labels(strongest, textOf) : undefined;
  return { shown, ranked: lens.top, at, label };
}

// What the matches of some features do at another checkpoint.
async function atCheckpoint(
  job: DetailsJob,
  checkpoint: Checkpoint,
  matches: readonly number[],
  shown: readonly ShownFeature[],
  ranked: readonly (readonly number[])[],
  stats: Map<string, CheckpointStats>,
): Promise<FeatureAt[]> {
  const targets = [...new Set(matches.filter((j) => j >= 0))].sort((a, b) => a - b);
  const { sae, firing } = await firingAt(job, checkpoint, targets, stats);
  const matched = [...matches.keys()].filter((k) => matches[k] >= 0);
  const directions = directionsOf(sae, matched.map((k) => matches[k]));
  const wanted = matched.map((k) => ranked[k]);
  const { logits, ranks } = await lensOf(job, checkpoint, directions, matched.length, wanted);
  return matches.map((match, k): FeatureAt => {
    const place = matched.indexOf(k);
    if (place < 0) return noFeature(ranked[k].length);
    const own = firingOf(firing, targets.indexOf(match));
    return featureAt(match, own, shown[k], logits[place], ranks[place]);
  });
}

// What is lost without some features. A head's values are not of the residual stream: they have none.
async function effectsOf(
  { sweep: { center }, summary, tokens, hasLossEffect, threads }: DetailsJob,
  { model }: Checkpoint,
  sae: Sae,
  shown: Parameters<typeof windowEffects>[2],
): Promise<(number | null)[][][] | undefined> {
  if (!hasLossEffect || summary.hook.endsWith("hook_z")) return undefined;
  const isProcessed = center === "auto" ? sae.isProcessed : center;
  const of = await readModel(model.path);
  return await windowEffects(of, { ...sae, isProcessed }, shown, { ...tokens, threads });
}

// The logit lens of some directions. A head's values before the output matrix are no directions of
// the residual stream, and have none.
async function lensOf(
  { summary, tokens }: DetailsJob,
  { model }: Checkpoint,
  directions: Float32Array,
  nDirections: number,
  ranked?: readonly (readonly number[])[],
): Promise<Omit<SiteLens, "logits"> & { readonly logits: readonly FeatureAt["logits"][] }> {
  if (summary.hook.endsWith("hook_z")) {
    const none = Array.from({ length: nDirections }, () => []);
    return { logits: none.map(() => null), top: none, ranks: none };
  }
  const unembedding = await readUnembedding(model.path);
  return siteLens(directions, unembedding, tokens.textOf, ranked ? { ranked } : {});
}

function activationsOf(
  { tokens, values }: Firing,
  { windows }: Pick<ShownFeature, "windows">,
): Float32Array[] {
  return windows.map((window) => activationsIn(tokens, values, window));
}

function featureAt(
  match: number,
  firing: Firing,
  shown: ShownFeature,
  logits: FeatureAt["logits"],
  ranks: readonly number[],
): FeatureAt {
  return {
    match,
    contexts: activationsOf(firing, shown),
    density: countByDoubling(firing.values),
    logits,
    ranks,
  };
}

function noFeature(nRanked: number): FeatureAt {
  return {
    match: -1,
    contexts: null,
    density: countByDoubling(new Float32Array(0)),
    logits: null,
    ranks: Array(nRanked).fill(null),
  };
}

interface Firing {
  readonly tokens: Sparse["columns"];
  readonly values: Float32Array;
}

// When feature k fires, of those that were chosen.
function firingOf({ offsets, columns, values }: Sparse, k: number): Firing {
  const [from, to] = [offsets[k], offsets[k + 1]];
  return { tokens: columns.subarray(from, to), values: values.subarray(from, to) };
}

type Directions = Pick<
  Awaited<ReturnType<typeof readSae>>,
  "decoder" | "dIn" | "encoderScale" | "dSae"
>;

// Rows of a decoder, one after the other.
function directionsOf({ decoder, dIn }: Directions, features: readonly number[]): Float32Array {
  const rows = new Float32Array(features.length * dIn);
  features.forEach((f, k) => rows.set(decoder.subarray(f * dIn, (f + 1) * dIn), k * dIn));
  return rows;
}

// Of the decoder's rows as they were trained: folding divides them by these lengths.
function lengths({ decoder, dIn, dSae, encoderScale }: Directions): Float32Array {
  return Float32Array.from({ length: dSae }, (_, f) => {
    let squares = 0;
    for (let e = f * dIn; e < (f + 1) * dIn; e++) squares += decoder[e] * decoder[e];
    return encoderScale[f] * Math.sqrt(squares);
  });
}
