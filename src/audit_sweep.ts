/**
 * The audit of a sweep, or of a family on a hub, from its files to ours.
 *
 * @module
 */

import { audit } from "./audit.ts";
import type { AuditedCheckpoint, Finding } from "./audit_findings.ts";
import { writeAudit } from "./audit_table.ts";
import { DataError } from "./errors.ts";
import { listNames, writeFile } from "./files.ts";
import { fingerprintWeights } from "./fingerprints.ts";
import { isHubName, parseHubName, showHubName } from "./hub_name.ts";
import { shortHash } from "./metadata.ts";
import { compareRevisions, parseRevision, type Revision } from "./revisions.ts";
import { checkpointsAt, type Sweep } from "./sweep.ts";
import { readWeights } from "./weights.ts";

/** A file of a repository, as a hub lists it. */
export interface ListedFile {
  /** Where it lies in the repository. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of its bytes, where it is kept outside git. */
  readonly sha256?: string;
  /** What git calls it. */
  readonly oid: string;
}

/** Lists all files of a revision of a repository. */
export type ListFiles = (repo: string, revision: string) => Promise<readonly ListedFile[]>;

/** What can be changed about an audit. */
export interface AuditOptions {
  /** Steps to audit; all if left out. */
  readonly steps?: readonly number[] | undefined;
  /** Seed of the sketches. */
  readonly seed?: number;
  /** Lists files of `hf://` models, which are then not read, even where they are in the cache. */
  readonly files?: ListFiles | undefined;
  /** Told of each checkpoint that has been looked at. */
  readonly onDone?: (checkpoint: AuditedCheckpoint) => void;
}

/**
 * Audits the language models of a sweep.
 *
 * A model on this disk is read once, whole, for its fingerprints; of one on a hub the list of files
 * will do, which finds what is equal or missing, and not what is out of order.
 *
 * Cost: one read of all models; in memory 1 KiB for each tensor of each checkpoint.
 *
 * @param sweep The sweep.
 * @param out Folder to write `audit.arrow` in; it is written anew every time.
 * @param options What can be changed.
 * @returns What was found. Weights that cannot be read are a finding, and no error.
 * @throws {DataError} If the hub does not answer, or the disk refuses.
 */
export async function auditSweep(
  sweep: Sweep,
  out: string,
  { steps, seed = 0, files, onDone }: AuditOptions = {},
): Promise<readonly Finding[]> {
  const audited: AuditedCheckpoint[] = [];
  for (const { step, model } of checkpointsAt(sweep, steps)) {
    const isListed = files !== undefined && isHubName(model.name);
    audited.push(
      isListed
        ? await listed(step, model.name, files)
        : await fingerprinted(step, model.path, seed),
    );
    onDone?.(audited.at(-1)!);
  }
  return await finish(audited, out);
}

/**
 * Audits a family of checkpoints on a hub by its lists of files, without a download.
 *
 * The revisions whose names tell a step are taken; where there are several stages or ingredients, whose
 * steps begin anew, those of the first.
 *
 * @param repo "owner/name".
 * @param revisions Its branches and tags.
 * @param out Folder to write `audit.arrow` in; it is written anew every time.
 * @param options How to list files, and what else can be changed.
 * @returns What was found.
 * @throws {DataError} If no revision tells a step, or the hub does not answer.
 */
export async function auditFamily(
  repo: string,
  revisions: readonly { readonly name: string }[],
  out: string,
  { steps, files, onDone }: AuditOptions & { readonly files: ListFiles },
): Promise<readonly Finding[]> {
  const known = revisions.flatMap(({ name }) => parseRevision(name) ?? []).sort(compareRevisions);
  if (known.length === 0) {
    throw new DataError("audit", {
      where: `hf://${repo}`,
      expected: "revisions named for steps, such as step512",
      got: revisions.map(({ name }) => name).slice(0, 5).join(", ") || "none",
    });
  }
  const place = ({ stage, ingredient }: Revision) => `${stage} ${ingredient}`;
  const audited: AuditedCheckpoint[] = [];
  for (const revision of known.filter((of) => place(of) === place(known[0]))) {
    const { name, step } = revision;
    const isWanted = (steps === undefined || steps.includes(step)) &&
      !audited.some((of) => of.step === step); // a branch before a tag of the same step
    if (!isWanted) continue;
    audited.push(await listed(step, showHubName({ repo, revision: name, path: "" }), files));
    onDone?.(audited.at(-1)!);
  }
  return await finish(audited, out);
}

async function finish(
  audited: readonly AuditedCheckpoint[],
  out: string,
): Promise<readonly Finding[]> {
  const findings = audit(audited);
  const hashes = audited.map((
    { step, parts },
  ) => [step, parts.map(({ name, hash }) => name + hash)]);
  const info = {
    format: 1,
    fingerprint: shortHash(new TextEncoder().encode(JSON.stringify(hashes))),
    looked_at: audited.every(({ parts }) => parts.every(({ shape }) => shape === undefined))
      ? "files"
      : "tensors",
    steps: audited.map(({ step }) => step).sort((a, b) => a - b),
  } as const;
  await writeFile(`${out}/audit.arrow`, (sink) => writeAudit(sink, findings, info));
  return findings;
}

async function fingerprinted(
  step: number,
  folder: string,
  seed: number,
): Promise<AuditedCheckpoint> {
  const files = (await listNames(folder)).filter(isWeights);
  try {
    return { step, files, parts: await fingerprintWeights(await readWeights(folder), { seed }) };
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return { step, files, parts: [], fault: error.message };
  }
}

async function listed(step: number, name: string, list: ListFiles): Promise<AuditedCheckpoint> {
  const { repo, revision, path } = parseHubName(name);
  const prefix = path === "" ? "" : `${path}/`;
  const parts = (await list(repo, revision))
    .filter((file) => file.path.startsWith(prefix) && isWeights(file.path.slice(prefix.length)))
    .map(({ path, size, sha256, oid }) => ({
      name: path.slice(prefix.length),
      nBytes: size,
      hash: sha256 ?? oid,
    }))
    .sort((a, b) => a.name < b.name ? -1 : 1);
  return { step, parts, files: parts.map(({ name }) => name) };
}

// A file of weights, not of a folder within, nor of what a trainer keeps beside them.
function isWeights(name: string): boolean {
  return /^[^/]+\.(?:safetensors|bin)$/.test(name) &&
    !/^(?:training_args|optimizer|scheduler|rng_state)/.test(name);
}
