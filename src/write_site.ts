/**
 * The data of a site: shards beside the report, from a matched sweep and its activations.
 *
 * @module
 */

import { openActivations, readTokenIds, readTokensInfo } from "./activation_table.ts";
import { chooseFeatures, type FeatureChoice } from "./choose_features.ts";
import { activationsIn } from "./contexts.ts";
import { egoOf } from "./ego.ts";
import {
  alignedNeurons,
  chooseText,
  type FeatureAt,
  featureDetail,
  type ShownFeature,
  siteLens,
  siteRanks,
} from "./feature_details.ts";
import { addStats, addStrongest, labels, noTokens, zeroStats } from "./feature_stats.ts";
import { openFile, removeFiles, writeFile } from "./files.ts";
import {
  addTogether,
  chosenColumns,
  correlatedWith,
  countByDoubling,
  neverTogether,
} from "./firing.ts";
import { readUnembedding } from "./logit_lens.ts";
import { readMatchInfo } from "./match_table.ts";
import { readSae } from "./sae.ts";
import type { SiteFeature, SitePaths } from "./site_data.ts";
import { type CheckpointStats, shard, sitePaths, siteTable } from "./site_shards.ts";
import { concatenate, type Sparse, transpose } from "./sparse.ts";
import type { Summary } from "./summary.ts";
import type { Checkpoint, Sweep } from "./sweep.ts";
import { activationsPath } from "./sweep_activations.ts";
import { readTokenTexts } from "./token_text.ts";

/** What a site was written with. */
export interface WrittenSite {
  /** Features that are shown in detail, ascending. */
  readonly detailed: readonly number[];
  /** Their details, if they were asked for. */
  readonly features: readonly SiteFeature[];
  /** The paths of all features, if they were asked for. */
  readonly paths: readonly SitePaths[];
  /** Bytes of all shards. */
  readonly nBytes: number;
}

/** Features whose details are made together. */
const atOnce = 256;

/**
 * Writes `report/data/*.js`: the table of all features, their paths, and the details of some.
 *
 * Reads the activations of every checkpoint once for each 256 features in detail, and their SAEs
 * and unembeddings. Details of features that are no longer chosen are removed.
 *
 * @param sweep The sweep.
 * @param summary It, matched.
 * @param out The folder that it was matched in.
 * @param options Which features, the distance below which one is present, and whether what is written
 *   is handed back as well.
 * @returns What was written.
 * @throws {DataError} If activations or weights are missing, or broken.
 * @throws {RangeError} If there is no such feature, step or class.
 */
export async function writeSite(
  sweep: Sweep,
  summary: Summary,
  out: string,
  options: FeatureChoice & { readonly distance?: number; readonly keeps?: boolean } = {},
): Promise<WrittenSite> {
  const { distance = 0.5, seed = 0, keeps = false } = options;
  const detailed = chooseFeatures(summary, options, distance);
  const tokensFile = await openFile(`${out}/tokens.arrow`);
  const tokens = {
    ids: await readTokenIds(tokensFile),
    contextSize: (await readTokensInfo(tokensFile)).context_size,
    textOf: await textsOf(sweep),
    seed,
  };
  const data = `${out}/report/data`;
  let nBytes = 0;
  const write = async (name: string, value: unknown) => {
    const bytes = new TextEncoder().encode(shard(name, value));
    nBytes += bytes.length;
    await writeFile(`${data}/${name}.js`, (sink) => sink.write(bytes));
  };
  const job: Job = { sweep, summary, out, tokens };
  const stats = new Map<Checkpoint["name"], CheckpointStats>();
  const kept: SiteFeature[] = [];
  let label: readonly string[] = [];
  for (let from = 0; from === 0 || from < detailed.length; from += atOnce) {
    const made = await detailsOf(job, detailed.slice(from, from + atOnce), stats);
    label = made.label ?? label;
    for (const feature of made.features) await write(`feature-${feature.feature}`, feature);
    if (keeps) kept.push(...made.features);
  }
  let k = 0;
  const ofSteps = summary.checkpoints.map(({ step }) => stats.get(`step${step}`)!);
  const paths: SitePaths[] = [];
  for (const shard of sitePaths(summary, ofSteps)) {
    await write(`paths-${k++}`, shard);
    if (keeps) paths.push(shard);
  }
  const { n_tokens: nTokens } = await readMatchInfo(
    await openFile(`${out}/matches/step${summary.reference}.arrow`),
  );
  await write("table", siteTable(summary, { label, detailed, distance, nTokens }));
  const names = new Set(detailed.map((f) => `feature-${f}.js`));
  await removeFiles(data, (name) => name.startsWith("feature-") && !names.has(name));
  return { detailed, features: kept, paths, nBytes };
}

async function textsOf({ tokenizer }: Sweep): Promise<(id: number) => string> {
  if (tokenizer === undefined) return (id) => `#${id}`;
  const { texts } = await readTokenTexts(tokenizer.path);
  return (id) => texts[id] || `#${id}`;
}

/** What the details of all features have in common. */
interface Job {
  readonly sweep: Sweep;
  readonly summary: Summary;
  readonly out: string;
  readonly tokens: {
    readonly ids: Uint32Array;
    readonly contextSize: number;
    readonly textOf: (id: number) => string;
    readonly seed: number;
  };
}

// The details of some features; and, the first time, what the tokens say of every checkpoint.
async function detailsOf(
  job: Job,
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

// What is shown of some features, as their activations at the reference decide.
async function atReference(
  job: Job,
  checkpoint: Checkpoint,
  chosen: readonly number[],
  stats: Map<string, CheckpointStats>,
) {
  const { ids, textOf } = job.tokens;
  const sae = await readSae(checkpoint.sae.path);
  const isFirst = !stats.has(checkpoint.name);
  const sums = stats.get(checkpoint.name)?.stats ?? zeroStats(sae.dSae);
  const strongest = noTokens(isFirst ? sae.dSae : 0);
  const together = neverTogether(chosen.length, sae.dSae);
  const parts: Sparse[] = [];
  let first = 0;
  for await (const rows of await partsOf(job, checkpoint)) {
    if (isFirst) {
      addStats(rows, sums);
      addStrongest(rows, ids.subarray(first, first + rows.nRows), strongest);
    }
    const own = chosenColumns(rows, chosen);
    addTogether(own, rows, together);
    parts.push(own);
    first += rows.nRows;
  }
  if (isFirst) stats.set(checkpoint.name, { stats: sums, norms: lengths(sae) });
  const firing = transpose(concatenate(parts, chosen.length));
  const shown = chosen.map((feature, k): ShownFeature => ({
    feature,
    ...chooseText(feature, firingOf(firing, k), job.tokens),
    correlated: correlatedWith(feature, k, together, { stats: sums, nTokens: ids.length }),
    neurons: alignedNeurons(directionsOf(sae, [feature])),
  }));
  const lens = writesToResidual(job)
    ? siteLens(
      directionsOf(sae, chosen),
      await readUnembedding(checkpoint.model.path),
      textOf,
    )
    : { logits: chosen.map(() => null), top: chosen.map(() => []) };
  const at = chosen.map((feature, k) =>
    featureAt(
      feature,
      firingOf(firing, k),
      shown[k],
      lens.logits[k],
      lens.top[k].map((_, r) => r + 1),
    )
  );
  return {
    shown,
    ranked: lens.top,
    at,
    label: isFirst ? labels(strongest, textOf) : undefined,
  };
}

// What the matches of some features do at another checkpoint.
async function atCheckpoint(
  job: Job,
  checkpoint: Checkpoint,
  matches: readonly number[],
  shown: readonly ShownFeature[],
  ranked: readonly (readonly number[])[],
  stats: Map<string, CheckpointStats>,
): Promise<FeatureAt[]> {
  const sae = await readSae(checkpoint.sae.path);
  const isFirst = !stats.has(checkpoint.name);
  const sums = stats.get(checkpoint.name)?.stats ?? zeroStats(sae.dSae);
  const targets = [...new Set(matches.filter((j) => j >= 0))].sort((a, b) => a - b);
  const parts: Sparse[] = [];
  for await (const rows of await partsOf(job, checkpoint)) {
    if (isFirst) addStats(rows, sums);
    parts.push(chosenColumns(rows, targets));
  }
  if (isFirst) stats.set(checkpoint.name, { stats: sums, norms: lengths(sae) });
  const firing = transpose(concatenate(parts, targets.length));
  const matched = [...matches.keys()].filter((k) => matches[k] >= 0);
  const { logits, ranks } = await logitsOf(job, checkpoint, {
    directions: directionsOf(sae, matched.map((k) => matches[k])),
    ranked: matched.map((k) => ranked[k]),
  });
  return matches.map((match, k): FeatureAt => {
    const place = matched.indexOf(k);
    if (place < 0) return noFeature(ranked[k].length);
    const own = firingOf(firing, targets.indexOf(match));
    return featureAt(match, own, shown[k], logits[place], ranks[place]);
  });
}

// A head's values before the output matrix are no directions of the residual stream.
function writesToResidual({ summary }: Job): boolean {
  return !summary.hook.endsWith("hook_z");
}

async function logitsOf(job: Job, { model }: Checkpoint, { directions, ranked }: {
  readonly directions: Float32Array;
  readonly ranked: readonly (readonly number[])[];
}) {
  if (!writesToResidual(job)) {
    return { logits: ranked.map(() => null), ranks: ranked.map(() => []) };
  }
  const unembedding = await readUnembedding(model.path);
  const { logits } = siteLens(directions, unembedding, job.tokens.textOf);
  return { logits, ranks: siteRanks(ranked, directions, unembedding) };
}

function featureAt(
  match: number,
  firing: Firing,
  { windows }: ShownFeature,
  logits: FeatureAt["logits"],
  ranks: readonly number[],
): FeatureAt {
  return {
    match,
    contexts: windows.map((window) => activationsIn(firing.tokens, firing.values, window)),
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
  return Float32Array.from(
    { length: dSae },
    (_, f) => encoderScale[f] * Math.hypot(...decoder.subarray(f * dIn, (f + 1) * dIn)),
  );
}

async function partsOf({ out }: Job, checkpoint: Checkpoint) {
  return (await openActivations(await openFile(activationsPath(out, checkpoint)))).rows.parts();
}
