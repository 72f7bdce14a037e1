/**
 * A matched sweep from its files, without making any of them.
 *
 * @module
 */

import { openTable } from "./arrow.ts";
import { type Audit, findAudit } from "./audit_table.ts";
import { DataError } from "./errors.ts";
import { type ByteSource, exists, openFile } from "./files.ts";
import { gatherSummary, type MatchedCheckpoint } from "./gather.ts";
import type { Match } from "./match.ts";
import { readLink, readMatch, readMatchInfo } from "./match_table.ts";
import type { Metric } from "./measures.ts";
import type { Summary } from "./summary.ts";
import { type Checkpoint, checkpointsAt, type Sweep } from "./sweep.ts";
import { decoderOf, describedBy } from "./sweep_activations.ts";

/**
 * Reads what `deno task match` wrote.
 *
 * @param sweep The sweep.
 * @param out The folder that it was matched in.
 * @returns The matched sweep as it was matched last, the distance below which a feature was present,
 *   and what `deno task audit` found, if it was run with the same folder.
 * @throws {DataError} If files are missing, broken, or of other activations, SAEs or another measure.
 */
export async function readSummary(
  sweep: Sweep,
  out: string,
): Promise<
  { readonly summary: Summary; readonly distance: number; readonly audit: Audit | undefined }
> {
  const features = await present(`${out}/features.arrow`);
  const { threshold: distance, steps } = await featuresInfo(features);
  const wanted = checkpointsAt(sweep, steps);
  const reference = checkpointsAt(sweep, [sweep.reference])[0];
  const info = await describedBy(out, reference);
  const { metric } = await readMatchInfo(await present(`${out}/matches/${reference.name}.arrow`));
  const run = { out, metric, source: info.fingerprint };
  const gatherer = gatherSummary(sweep, { info, metric, distance });
  for (const checkpoint of wanted) gatherer.add(checkpoint, await matchedAt(checkpoint, run));
  const isChained = (await openTable(features)).names.includes("chained_match");
  const summary = gatherer.finish({
    links: isChained ? await linksOf(wanted, run) : [],
    tokenShare: Float64Array.from(await columnOf(features, "token_share")),
    ceiling: sweep.ceiling && await hasCeiling(out)
      ? (await matchedAt(sweep.ceiling, run)).matched
      : undefined,
  });
  return { summary, distance, audit: await findAudit(out) };
}

/** What all matches with the reference have in common. */
interface MatchRun {
  readonly out: string;
  readonly metric: Metric;
  /** What the reference's activations were made from. */
  readonly source: string;
}

async function matchedAt(
  checkpoint: Checkpoint,
  { out, metric, source }: MatchRun,
): Promise<MatchedCheckpoint> {
  const info = await describedBy(out, checkpoint);
  await decoderOf(checkpoint, info); // refuses another SAE
  const paths = ["matches", "reverse"].map((side) => `${out}/${side}/${checkpoint.name}.arrow`);
  const made = `${source}+${info.fingerprint}+${metric}`;
  const [forward, reverse] = [await madeFrom(paths[0], made), await madeFrom(paths[1], made)];
  return { info, ...await readMatch(forward, reverse) };
}

// The links between neighbours.
async function linksOf(
  checkpoints: readonly Checkpoint[],
  { out, metric }: MatchRun,
): Promise<Match[]> {
  const links: Match[] = [];
  for (let c = 1; c < checkpoints.length; c++) {
    const [before, checkpoint] = [checkpoints[c - 1], checkpoints[c]];
    const [ours, theirs] = [await describedBy(out, checkpoint), await describedBy(out, before)];
    const name = `${before.name}-${checkpoint.name}.arrow`;
    const made = `${ours.fingerprint}+${theirs.fingerprint}+${metric}`;
    links.push(
      await readLink(
        await madeFrom(`${out}/chain/${name}`, made),
        await madeFrom(`${out}/chain/reverse/${name}`, made),
      ),
    );
  }
  return links;
}

// A match of these two activations by this measure.
async function madeFrom(path: string, made: string): Promise<ByteSource> {
  const file = await present(path);
  const { fingerprint } = await readMatchInfo(file);
  if (fingerprint.startsWith(`${made}+`)) return file;
  throw new DataError("read the match in", {
    where: path,
    expected: `one of activations and measure ${made}`,
    got: fingerprint,
    fix: "run `deno task match --force` with the same --sweep and --out",
  });
}

// Whether the second SAE of the reference's step was matched last time; it is not with --steps.
async function hasCeiling(out: string): Promise<boolean> {
  const { metadata } = await openTable(await present(`${out}/summary.arrow`));
  return parsed(metadata.summary).ceiling !== undefined;
}

// The members of a JSON object; none of another text.
function parsed(text: string | undefined): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(text ?? "{}"));
  } catch {
    return {};
  }
}

// The distance and the steps that the table of features was made with.
async function featuresInfo(
  file: ByteSource,
): Promise<{ readonly threshold: number; readonly steps: readonly number[] }> {
  const text = (await openTable(file)).metadata.features;
  const { format, threshold, steps } = parsed(text);
  if (format === 1 && typeof threshold === "number" && Array.isArray(steps)) {
    return { threshold, steps };
  }
  throw new DataError("read the features of a sweep in", {
    where: file.name,
    expected: "what `deno task match` writes",
    got: text ?? "nothing about features",
    fix: "run `deno task match` again",
  });
}

async function columnOf(file: ByteSource, name: string): Promise<ArrayLike<number>> {
  for await (const batch of (await openTable(file)).batches()) return batch.column(name);
  throw new DataError("read", { where: file.name, expected: "a batch of rows", got: "none" });
}

async function present(path: string) {
  if (await exists(path)) return await openFile(path);
  throw new DataError("read the matches of a sweep in", {
    where: path,
    expected: "a finished match",
    got: "nothing there",
    fix: "run `deno task match` with the same --sweep and --out first",
  });
}
