/**
 * Names of what lies on a hub: `hf://owner/name@revision/path`.
 *
 * @see {@link https://huggingface.co/docs/huggingface_hub/guides/hf_file_system | HfFileSystem},
 *   whose names these are.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";

/** A repository, a revision of it, and a place within. */
export interface HubName {
  /** "owner/name"; "datasets/owner/name" of a data set. */
  readonly repo: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
  /** A file or folder, without slashes at its ends; "" for all. */
  readonly path: string;
}

/** A file of a repository at a commit. */
export interface HubFile {
  /** Where it lies in the repository, checked by {@linkcode isRepoPath}. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** SHA-256 of its bytes, 64 hexadecimal digits, where it is kept outside git (LFS, Xet). */
  readonly sha256?: string;
  /** What git calls it, 40 hexadecimal digits: of a file kept outside git, of the pointer to it. */
  readonly oid: string;
}

const part = String.raw`[A-Za-z0-9_](?:[\w.-]*[\w])?`;
// Branches with slashes are known by their prefix, as in Python: pull requests and conversions.
const revisionPart = String.raw`refs/(?:convert|pr)/[^/]+|[^/]+`;
const pattern = new RegExp(
  `^hf://(?<kind>datasets/)?(?<repo>${part}/${part}|${part}(?=@|/?$))` +
    `(?:@(?<revision>${revisionPart}))?(?:/(?<path>.*))?$`,
);

/**
 * Whether a name of a sweep file means something on a hub.
 *
 * @param name As written.
 * @returns Whether it begins with `hf://`.
 *
 * @example A folder on this disk is none
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert(isHubName("hf://owner/name"));
 * assert(!isHubName("models/step0"));
 * ```
 */
export function isHubName(name: string): boolean {
  return name.startsWith("hf://");
}

/**
 * Takes the name of something on a hub apart.
 *
 * @param name `hf://` and `owner/name` of a model, or `datasets/owner/name`; then, if not the branch
 *   "main" is meant, `@` and a revision, whose slashes are `%2F` except in `refs/pr/1` and
 *   `refs/convert/parquet`; then, if not all is meant, a path.
 * @returns Its parts.
 * @throws {DataError} If it is another name, or its path leads elsewhere.
 *
 * @example A model at a step, and one shard of a data set
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseHubName("hf://EleutherAI/pythia-70m@step512"), {
 *   repo: "EleutherAI/pythia-70m",
 *   revision: "step512",
 *   path: "",
 * });
 * assert.deepEqual(parseHubName("hf://datasets/owner/name@refs/convert/parquet/a/train/0.parquet"), {
 *   repo: "datasets/owner/name",
 *   revision: "refs/convert/parquet",
 *   path: "a/train/0.parquet",
 * });
 * ```
 */
export function parseHubName(name: string): HubName {
  const { kind = "", repo = "", revision = "main", path = "" } = pattern.exec(name)?.groups ?? {};
  const decoded = revision.replaceAll(/%2f/gi, "/");
  const trimmed = path.replace(/\/+$/, "");
  const isRight = repo !== "" && !repo.includes("--") && !repo.includes("..") &&
    isRepoPath(decoded) && (trimmed === "" || isRepoPath(trimmed));
  if (!isRight) {
    throw new DataError("read", {
      where: show(name),
      expected: "hf://owner/name@revision/path or hf://datasets/owner/name@revision/path",
      got: "another name",
    });
  }
  return { repo: kind + repo, revision: decoded, path: trimmed };
}

/**
 * Whether a path stays in its folder, on every system.
 *
 * @param path Of a file list, an index or a name.
 * @returns False if it is empty, absolute, has an empty part, "." or "..", a backslash, a colon or a
 *   control character.
 *
 * @example Ways out
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert(isRepoPath("layers.3/sae.safetensors"));
 * for (const path of ["", "/etc/passwd", "a/../../b", "a//b", "..\\b", "C:b"]) {
 *   assert(!isRepoPath(path));
 * }
 * ```
 */
export function isRepoPath(path: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/[\\:\x00-\x1f\x7f]/.test(path) &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

/**
 * The name of something on a hub, from its parts.
 *
 * @param name The parts.
 * @returns `hf://owner/name@revision/path`, which {@linkcode parseHubName} takes apart again.
 *
 * @example A branch with a slash
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const name = { repo: "owner/name", revision: "a/b", path: "config.json" };
 *
 * assert.equal(showHubName(name), "hf://owner/name@a%2Fb/config.json");
 * ```
 */
export function showHubName({ repo, revision, path }: HubName): string {
  const isNested = revision.includes("/") && !/^refs\/(convert|pr)\/[^/]+$/.test(revision);
  const at = isNested ? revision.replaceAll("/", "%2F") : revision;
  return `hf://${repo}@${at}${path === "" ? "" : `/${path}`}`;
}
