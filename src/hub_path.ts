/**
 * Where things of a hub lie on this disk, in the layout of Python's huggingface_hub.
 *
 * ```
 * models--owner--name/
 *   blobs/<sha256 or git's id>            the bytes; <id>.incomplete while they are fetched
 *   refs/<revision>                       the commit that it was, when it was last asked for
 *   snapshots/<commit>/<path>             a relative link to its blob
 *   sae-through-training/<commit>/<path>  ours, which Python passes over: parts of files
 * ```
 *
 * @see {@link https://huggingface.co/docs/huggingface_hub/guides/manage-cache | The layout}
 *
 * @module
 */

import { DataError } from "./errors.ts";
import { exists, openFile, readText, resolveFrom } from "./files.ts";
import { isHubName, parseHubName } from "./hub_name.ts";

/** Folder within a repository's for what Python's library does not know, and passes over. */
export const ownFolder = "sae-through-training";

/**
 * The folder of a repository.
 *
 * @param repo "owner/name" or "datasets/owner/name".
 * @returns Its name in the cache.
 *
 * @example A model and a data set
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(repoFolder("EleutherAI/pythia-70m"), "models--EleutherAI--pythia-70m");
 * assert.equal(repoFolder("datasets/owner/name"), "datasets--owner--name");
 * ```
 */
export function repoFolder(repo: string): string {
  const [, kind = "models/", name] = /^(datasets\/)?(.*)$/.exec(repo)!;
  return (kind + name).replaceAll("/", "--");
}

/**
 * Whether a revision is a commit.
 *
 * @param revision A branch, a tag or a commit.
 * @returns Whether it has 40 hexadecimal digits.
 */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}

/**
 * The commit of a revision, when it was last asked for.
 *
 * @param cache Folder of the cache.
 * @param repo The repository.
 * @param revision A branch, a tag or a commit, checked.
 * @returns The commit; undefined where nobody has asked.
 */
export async function cachedCommit(
  cache: string,
  repo: string,
  revision: string,
): Promise<string | undefined> {
  if (isCommit(revision)) return revision;
  const path = `${cache}/${repoFolder(repo)}/refs/${revision}`;
  const commit = (await openFile(path).then(readText).catch(() => "")).trim();
  return isCommit(commit) ? commit : undefined;
}

/**
 * Where parts of files are kept, and what stands for a folder that is not whole.
 *
 * @param cache Folder of the cache.
 * @param repo The repository.
 * @param commit A commit of it.
 * @param path A place within.
 * @returns Its path in our own folder; nothing is made.
 */
export function ownPath(cache: string, repo: string, commit: string, path: string): string {
  const below = path === "" ? "" : `/${path}`;
  return `${cache}/${repoFolder(repo)}/${ownFolder}/${commit}${below}`;
}

/**
 * Where a whole file or folder lies, as Python has it.
 *
 * @param cache Folder of the cache.
 * @param repo The repository.
 * @param commit A commit of it.
 * @param path A place within.
 * @returns Its path; nothing is made.
 */
export function snapshotPath(cache: string, repo: string, commit: string, path: string): string {
  return `${cache}/${repoFolder(repo)}/snapshots/${commit}${path === "" ? "" : `/${path}`}`;
}

/**
 * The place on this disk of something on a hub.
 *
 * A model of which parts are in our own folder is taken from there, so that a result does not change
 * with what else is fetched; a data set only where the whole file is not there.
 *
 * @param name `hf://owner/name@revision/path`, or of a data set.
 * @param cache Folder of the cache.
 * @returns A file or folder; nothing is fetched.
 * @throws {DataError} If it is not there.
 */
export async function hubPath(name: string, cache: string): Promise<string> {
  const { repo, revision, path } = parseHubName(name);
  const commit = await cachedCommit(cache, repo, revision);
  if (commit !== undefined) {
    const whole = snapshotPath(cache, repo, commit, path);
    const own = ownPath(cache, repo, commit, path);
    const isData = repo.startsWith("datasets/");
    if (!isData && await exists(`${own}/config.json`)) return own;
    for (const place of [whole, ...(isData ? [`${own}.safetensors`] : [])]) {
      if (await exists(place)) return place;
    }
  }
  throw new DataError("find", {
    where: `${name} in ${cache}`,
    expected: "what was fetched before",
    got: commit === undefined ? `no revision ${revision}` : `no such path at ${commit.slice(0, 7)}`,
    fix: "run `deno task fetch --sweep …`",
  });
}

/** Finds on this disk what has a name on a hub. */
export type FindOnDisk = (name: string) => Promise<string>;

/**
 * The place on this disk of what a sweep file names.
 *
 * @param folder The folder of the sweep file.
 * @param name A path, or `hf://…`.
 * @param find Finds names on a hub, such as {@linkcode hubPath} in a cache.
 * @returns The path to open.
 * @throws {DataError} If it is a name on a hub, and there is no way to find one.
 *
 * @example A path
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(await resolveName("sweeps", "models/step0"), "sweeps/models/step0");
 * ```
 */
export async function resolveName(
  folder: string,
  name: string,
  find?: FindOnDisk,
): Promise<string> {
  if (!isHubName(name)) return resolveFrom(folder, name);
  if (find !== undefined) return await find(name);
  throw new DataError("find", { where: name, expected: "the folder of a cache", got: "none" });
}
