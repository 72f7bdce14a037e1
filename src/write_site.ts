/**
 * The data of a site: shards beside the report, from a matched sweep and its activations.
 *
 * @module
 */

import { readTokenIds, readTokensInfo } from "./activation_table.ts";
import { chooseFeatures, type FeatureChoice } from "./choose_features.ts";
import { openFile, removeFiles, writeFile } from "./files.ts";
import { readMatchInfo } from "./match_table.ts";
import type { SiteFeature, SitePaths } from "./site_data.ts";
import { detailsOf } from "./site_details.ts";
import { type CheckpointStats, ownReference, shard, sitePaths, siteTable } from "./site_shards.ts";
import type { Summary } from "./summary.ts";
import type { Sweep } from "./sweep.ts";
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

/** How a site is written; what is left out has a default. */
export interface SiteOptions {
  /** The distance below which a feature is present; 0.5. */
  readonly distance?: number;
  /** Whether what is written is handed back as well; no. */
  readonly keeps?: boolean;
  /** Whether the reference's model is run, for the effect of features on the loss; no. */
  readonly hasLossEffect?: boolean;
  /** Threads of that model; 1. */
  readonly threads?: number;
}

/** Features whose details are made together. */
const atOnce = 256;

/**
 * Writes `report/data/*.js`: the table of all features, their paths, and the details of some.
 *
 * Reads the activations of every checkpoint once for each 256 features in detail, and their SAEs
 * and unembeddings; with `hasLossEffect` it also runs the reference's model on the sequences shown. Shards of an earlier site that this one has not are removed.
 *
 * Rates are of the tokens that were compared; texts, densities, means and largest activations are of
 * all tokens of the sweep.
 *
 * @param sweep The sweep.
 * @param summary It, matched.
 * @param out The folder that it was matched in.
 * @param options Which features, and how.
 * @returns What was written.
 * @throws {DataError} If activations or weights are missing, or broken.
 * @throws {RangeError} If there is no such feature, step or class.
 */
export async function writeSite(
  sweep: Sweep,
  summary: Summary,
  out: string,
  options: FeatureChoice & SiteOptions = {},
): Promise<WrittenSite> {
  const { distance = 0.5, seed = 0, keeps = false, hasLossEffect = false, threads = 1 } = options;
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
  const written = new Set<string>();
  const write = async (name: string, value: unknown) => {
    written.add(`${name}.js`);
    const bytes = new TextEncoder().encode(shard(name, value));
    nBytes += bytes.length;
    await writeFile(`${data}/${name}.js`, (sink) => sink.write(bytes));
  };
  const own = ownReference(summary);
  const job = { sweep, summary: own, out, tokens, hasLossEffect, threads };
  const stats = new Map<string, CheckpointStats>();
  const kept: SiteFeature[] = [];
  let label: readonly string[] = [];
  for (let from = 0; from === 0 || from < detailed.length; from += atOnce) {
    const made = await detailsOf(job, detailed.slice(from, from + atOnce), stats);
    label = made.label ?? label;
    for (const feature of made.features) await write(`feature-${feature.feature}`, feature);
    if (keeps) kept.push(...made.features);
  }
  const { n_tokens: nTokens } = await readMatchInfo(
    await openFile(`${out}/matches/step${summary.reference}.arrow`),
  );
  let k = 0;
  const ofSteps = summary.checkpoints.map(({ step }) => stats.get(`step${step}`)!);
  const paths: SitePaths[] = [];
  for (const shard of sitePaths(own, ofSteps, nTokens)) {
    await write(`paths-${k++}`, shard);
    if (keeps) paths.push(shard);
  }
  await write("table", siteTable(own, { label, detailed, distance, nTokens }));
  await removeFiles(
    data,
    (name) => /^(feature|paths)-\d+\.js$/.test(name) && !written.has(name),
  );
  return { detailed, features: kept, paths, nBytes };
}

async function textsOf({ tokenizer }: Sweep): Promise<(id: number) => string> {
  if (tokenizer === undefined) return (id) => `#${id}`;
  const { texts } = await readTokenTexts(tokenizer.path);
  return (id) => texts[id] || `#${id}`;
}
