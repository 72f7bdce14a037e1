/**
 * A matched sweep from its files, without making any of them.
 *
 * @module
 */

import { openTable } from "./arrow.ts";
import { DataError } from "./errors.ts";
import { emergenceFollower } from "./emergence_replicas.ts";
import { type ByteSource, exists, openFile } from "./files.ts";
import type { Match } from "./match.ts";
import { type Matched, readLink, readMatch, readMatchInfo } from "./match_table.ts";
import type { CheckpointSummary, Summary } from "./summary.ts";
import { type Checkpoint, checkpointsAt, type Sweep } from "./sweep.ts";
import { describedBy, qualityOf } from "./sweep_activations.ts";

/**
 * Reads what `deno task match` wrote.
 *
 * @param sweep The sweep.
 * @param out The folder that it was matched in.
 * @returns The matched sweep, and the distance below which a feature was present.
 * @throws {DataError} If files are missing, or broken.
 */
export async function readSummary(
  sweep: Sweep,
  out: string,
): Promise<{ readonly summary: Summary; readonly distance: number }> {
  const features = await present(`${out}/features.arrow`);
  const { threshold: distance, steps } = await featuresInfo(features);
  const wanted = checkpointsAt(sweep, steps);
  const follower = emergenceFollower(Math.max(2 ** -23, 1 - distance));
  const checkpoints: CheckpointSummary[] = [];
  for (const checkpoint of wanted) {
    const { matched, replicas } = await matchedAt(checkpoint, out);
    const { step, losses } = checkpoint;
    if (step !== sweep.reference && replicas.length > 0) follower.add(step, replicas);
    const quality = qualityOf(await describedBy(out, checkpoint));
    checkpoints.push({ step, losses, quality, ...matched });
  }
  const reference = wanted.find(({ step }) => step === sweep.reference)!;
  const { metric } = await readMatchInfo(await openFile(`${out}/matches/${reference.name}.arrow`));
  const info = await describedBy(out, reference);
  const ceiling = sweep.ceiling && await exists(`${out}/matches/${sweep.ceiling.name}.arrow`)
    ? (await matchedAt(sweep.ceiling, out)).matched
    : undefined;
  const summary: Summary = {
    name: sweep.name,
    hook: info.hook,
    centred: info.centred,
    reference: sweep.reference,
    nFeatures: info.d_sae,
    metric,
    checkpoints,
    links: await linksOf(wanted, out),
    emergence: { threshold: 1 - distance, intervals: follower.intervals() },
    tokenShare: Float64Array.from(await columnOf(features, "token_share")),
    ...(ceiling && { ceiling }),
  };
  return { summary, distance };
}

async function matchedAt(
  { name }: Checkpoint,
  out: string,
): Promise<{ readonly matched: Matched; readonly replicas: readonly Float32Array[] }> {
  return await readMatch(
    await present(`${out}/matches/${name}.arrow`),
    await present(`${out}/reverse/${name}.arrow`),
  );
}

// All links between neighbours, or none where one is missing.
async function linksOf(checkpoints: readonly Checkpoint[], out: string): Promise<Match[]> {
  const links: Match[] = [];
  for (let c = 1; c < checkpoints.length; c++) {
    const name = `${checkpoints[c - 1].name}-${checkpoints[c].name}.arrow`;
    if (!await exists(`${out}/chain/${name}`)) return [];
    links.push(
      await readLink(
        await openFile(`${out}/chain/${name}`),
        await present(`${out}/chain/reverse/${name}`),
      ),
    );
  }
  return links;
}

// The distance and the steps that the table of features was made with.
async function featuresInfo(
  file: ByteSource,
): Promise<{ readonly threshold: number; readonly steps: readonly number[] }> {
  const text = (await openTable(file)).metadata.features;
  const { format, threshold, steps } = text === undefined ? {} : JSON.parse(text);
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
