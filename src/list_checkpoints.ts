/**
 * What there is to make a sweep of: folders of models, SAEs and runs, and the hub's revisions.
 *
 * @module
 */

import { basename } from "node:path";
import { DataError, refuseMember, show } from "./errors.ts";
import { exists, listNames, openFile, readJsonObject } from "./files.ts";
import type { HubRevision } from "./hub.ts";
import { parseRevision } from "./revisions.ts";
import type { WandbRun } from "./wandb.ts";
import { readWandbFile } from "./wandb_file.ts";

/** Something that may be a checkpoint of a sweep. */
export interface Listed {
  /** Its folder, or "hf://repo@revision". */
  readonly path: string;
  /** Names that may tell its step, the outermost first. */
  readonly names: readonly string[];
  /** The commit of a revision. */
  readonly commit?: string;
  /** The cfg.json of an SAE, where it has one. */
  readonly cfg?: Readonly<Record<string, unknown>>;
}

const nLevels = 5; // of folders within folders, so that a link to itself ends

/**
 * The SAEs in a folder: every folder within it that has a cfg.json, ae.pt, params.npz or
 * hyperparams.json, of which every collection has one.
 *
 * @param folder Where to look, up to five levels deep.
 * @returns The SAEs, sorted by path, with what their cfg.json says.
 * @throws {DataError} If there are none.
 */
export async function listSaes(folder: string): Promise<readonly Listed[]> {
  const found = await search(
    folder,
    (names) =>
      ["cfg.json", "ae.pt", "params.npz", "hyperparams.json"].some((name) => names.includes(name)),
  );
  if (found.length === 0) {
    refuseEmpty(folder, "an SAE, a folder with cfg.json, ae.pt, params.npz or hyperparams.json");
  }
  return await Promise.all(found.map(async (listed) => {
    const path = `${listed.path}/cfg.json`;
    return await exists(path)
      ? { ...listed, cfg: await readJsonObject(await openFile(path)) }
      : listed;
  }));
}

/**
 * The language models in a folder: every folder within it that has a config.json and no SAE's files.
 *
 * @param folder Where to look, up to five levels deep.
 * @returns The models, sorted by path.
 * @throws {DataError} If there are none.
 */
export async function listModels(folder: string): Promise<readonly Listed[]> {
  const found = await search(
    folder,
    (names) =>
      names.includes("config.json") && !names.includes("ae.pt") && !names.includes("cfg.json"),
  );
  if (found.length === 0) refuseEmpty(folder, "a model, a folder with config.json");
  return found;
}

/**
 * The runs in a folder of `.wandb` files.
 *
 * @param folder Where to look, up to five levels deep: wandb's own folder, or copies of its files.
 * @param tag Only runs with this tag; all if left out.
 * @returns The runs, by path.
 * @throws {DataError} If there is no such file, or one cannot be read.
 */
export async function listRuns(folder: string, tag?: string): Promise<readonly WandbRun[]> {
  const isRun = (name: string) => name.endsWith(".wandb");
  const found = await search(folder, (names) => names.some(isRun));
  if (found.length === 0) refuseEmpty(folder, "a .wandb file");
  const runs: WandbRun[] = [];
  for (const { path } of found) {
    for (const name of (await listNames(path)).filter(isRun)) {
      const run = await readWandbFile(await openFile(`${path}/${name}`));
      if (tag === undefined || run.tags.includes(tag)) runs.push(run);
    }
  }
  return runs;
}

// Folders, the one given included, whose names of files and folders pass a test.
async function search(
  folder: string,
  isFound: (names: readonly string[]) => boolean,
): Promise<Listed[]> {
  const visit = async (path: string, within: readonly string[]): Promise<Listed[]> => {
    const names = await listNames(path);
    const found: Listed[] = [];
    if (isFound(names)) found.push({ path, names: within.length > 0 ? within : [basename(path)] });
    if (within.length === nLevels) return found;
    for (const name of names) found.push(...await visit(`${path}/${name}`, [...within, name]));
    return found;
  };
  return await visit(folder.replace(/(?<=.)\/+$/, ""), []);
}

function refuseEmpty(folder: string, expected: string): never {
  throw new DataError("find", {
    where: `${expected.split(",")[0]} in ${folder}`,
    expected,
    got: "none",
  });
}

/**
 * The models of repositories on the hub: a repository that is itself named for a step, as Google's
 * MultiBERTs are, is one; of any other, every revision is.
 *
 * @param repos "owner/name".
 * @param revisions Lists the revisions of a repository.
 * @returns The models, those of no step among them, in the order of their listing.
 *
 * @example A repository of branches, and one of a step
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const revisions = () => Promise.resolve([{ name: "step512", commit: "c0ffee" }]);
 * const models = await listHubModels(["lab/gpt", "lab/bert-step_20k"], revisions);
 *
 * assert.deepEqual(models.map(({ path }) => path), ["hf://lab/gpt@step512", "hf://lab/bert-step_20k"]);
 * ```
 */
export async function listHubModels(
  repos: readonly string[],
  revisions: (repo: string) => Promise<readonly HubRevision[]>,
): Promise<readonly Listed[]> {
  const models: Listed[] = [];
  for (const repo of repos) {
    if (parseRevision(repo) !== null) {
      models.push({ path: `hf://${repo}`, names: [repo] });
      continue;
    }
    for (const { name, commit } of await revisions(repo)) {
      const revision = /\s/.test(name) ? commit : name; // a title names no revision
      models.push({ path: `hf://${repo}@${revision}`, names: [name], commit });
    }
  }
  return models;
}

/**
 * The models of a family, from a folder or from the hub.
 *
 * @param names A folder that is there, or repositories as "owner/name" or "hf://owner/name".
 * @param revisions Lists the revisions of a repository.
 * @returns The models.
 * @throws {DataError} If a folder has none.
 */
export async function listFamily(
  names: readonly string[],
  revisions: (repo: string) => Promise<readonly HubRevision[]>,
): Promise<readonly Listed[]> {
  if (names.length === 1 && await exists(names[0])) return await listModels(names[0]);
  return await listHubModels(names.map((name) => name.replace(/^hf:\/\//, "")), revisions);
}

/** How to reach the hub. */
export interface HubAccess {
  /** Sends a request, as `fetch` does. */
  readonly send: (url: string, init: RequestInit) => Promise<Response>;
  /** The hub, as in HF_ENDPOINT; that of Hugging Face if left out or empty. */
  readonly endpoint?: string | undefined;
  /** As in HF_TOKEN; left out, only what is public can be read. */
  readonly token?: string | undefined;
}

/**
 * The branches and tags of a model's repository on the hub.
 *
 * @param repo "owner/name".
 * @param access How to reach the hub.
 * @returns Branches, then tags.
 * @throws {RangeError} If `repo` is not of one or two parts. @throws {DataError} If the hub refuses, or
 *   answers otherwise than it should.
 *
 * @example A hub that knows one branch
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const branches = [{ name: "step512", targetCommit: "c0ffee" }];
 * const send = () => Promise.resolve(Response.json({ branches, tags: [] }));
 *
 * assert.deepEqual(await readHubRevisions("lab/gpt", { send }), [
 *   { name: "step512", commit: "c0ffee" },
 * ]);
 * ```
 */
export async function readHubRevisions(
  repo: string,
  { send, endpoint, token }: HubAccess,
): Promise<readonly HubRevision[]> {
  if (!/^[\w.-]+(?:\/[\w.-]+)?$/.test(repo) || /(?:^|\/)\.+(?:\/|$)/.test(repo)) {
    throw new RangeError(
      `Cannot list revisions of ${show(repo)}: expected "owner/name" or a folder, got ${
        show(repo)
      }`,
    );
  }
  const server = (endpoint || "https://huggingface.co").replace(/\/+$/, "");
  const where = `${repo} at ${server}`;
  let answer: Readonly<Record<string, unknown>>;
  try {
    const response = await send(`${server}/api/models/${repo}/refs`, {
      headers: token ? { authorization: `Bearer ${token}` } : {},
    });
    if (response.status !== 200) throw new Error(`status ${response.status}`);
    answer = await response.json();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError("list revisions of", {
      where,
      expected: "an answer",
      got: cause instanceof Error ? cause.message : show(cause),
      fix: "a private repository wants a token in HF_TOKEN",
    }, { cause });
  }
  return ["branches", "tags"].flatMap((kind) => {
    const refs = answer?.[kind] ?? [];
    if (!Array.isArray(refs)) refuseMember(where, kind, "a list", refs);
    return refs.map((ref) => {
      const [name, commit] = [ref?.name, ref?.targetCommit];
      if (typeof name !== "string" || typeof commit !== "string") {
        refuseMember(where, kind, "names and commits", ref);
      }
      return { name, commit };
    });
  });
}
