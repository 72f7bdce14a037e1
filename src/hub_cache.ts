/**
 * Into the cache of a hub's files, which Python's huggingface_hub reads as we read its own.
 *
 * @module
 */

import { link, mkdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { dirname, relative } from "node:path";
import { DataError, show } from "./errors.ts";
import { exists } from "./files.ts";
import { type Fill, fillBlob, hashOf } from "./hub_blob.ts";
import { type HubFile, showHubName } from "./hub_name.ts";
import { cachedCommit, ownPath, repoFolder, snapshotPath } from "./hub_path.ts";

/** Waits until no other process holds a lock file, and holds it; returns what gives it back. */
export type Lock = (path: string) => Promise<() => void>;

/** A file of a repository, at a commit. */
export interface CachedFile {
  /** "owner/name" or "datasets/owner/name". */
  readonly repo: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** Which file. */
  readonly file: HubFile;
}

/**
 * Writes down which commit a revision is, and makes the folder of its snapshot, without which Python
 * takes the cache for broken.
 *
 * @param cache Folder of the cache.
 * @param repo The repository.
 * @param revision A branch, a tag or a commit, checked.
 * @param commit The commit.
 */
export async function keepCommit(
  cache: string,
  repo: string,
  revision: string,
  commit: string,
): Promise<void> {
  const folder = `${cache}/${repoFolder(repo)}`;
  await orRefuse(cache, async () => {
    await mkdir(`${folder}/snapshots/${commit}`, { recursive: true });
    if (await cachedCommit(cache, repo, revision) === commit) return;
    const path = `${folder}/refs/${revision}`;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, commit);
  });
}

/**
 * Links a file that is in the cache into our own folder, under its name.
 *
 * @param cache Folder of the cache.
 * @param place The file, which {@linkcode keepFile} has kept.
 */
export async function linkOwn(cache: string, { repo, commit, file }: CachedFile): Promise<void> {
  const path = ownPath(cache, repo, commit, file.path);
  const blob = `${cache}/${repoFolder(repo)}/blobs/${file.sha256 ?? file.oid}`;
  await mkdir(dirname(path), { recursive: true });
  await linkTo(blob, path);
}

// A relative link, so that the cache may be moved; a hard one where the system refuses those.
async function linkTo(blob: string, path: string): Promise<void> {
  await rm(path, { force: true });
  await symlink(relative(dirname(path), blob), path).catch(() => link(blob, path));
}

/**
 * Removes what our own folder holds of a place.
 *
 * @param cache Folder of the cache.
 * @param repo The repository.
 * @param commit A commit of it.
 * @param path A folder within.
 */
export async function removeOwn(
  cache: string,
  repo: string,
  commit: string,
  path: string,
): Promise<void> {
  await rm(ownPath(cache, repo, commit, path), { recursive: true, force: true });
}

/**
 * Makes sure that a file is in the cache, whole.
 *
 * Bytes are hashed as they come. A file cut in the middle stays, as `<id>.incomplete`, and goes on
 * from there the next time; bytes of another hash go, and are fetched once more if an older part
 * was among them.
 *
 * @param cache Folder of the cache.
 * @param place Which file of what.
 * @param fill Gets its bytes, if they are not there.
 * @param lock Keeps two processes from fetching one file at once, ours and Python's; without it the
 *   hash refuses what they spoil.
 * @returns The file, under its name in the snapshot.
 * @throws {DataError} If its hash is another, or a blob of this name has another size.
 */
export async function keepFile(
  cache: string,
  place: CachedFile,
  fill: Fill,
  lock: Lock = () => Promise.resolve(() => {}),
): Promise<string> {
  return await orRefuse(cache, () => keep(cache, place, fill, lock));
}

async function keep(
  cache: string,
  { repo, commit, file }: CachedFile,
  fill: Fill,
  lock: Lock,
): Promise<string> {
  const folder = `${cache}/${repoFolder(repo)}`;
  const blob = `${folder}/blobs/${file.sha256 ?? file.oid}`;
  const path = snapshotPath(cache, repo, commit, file.path);
  const locks = `${cache}/.locks/${repoFolder(repo)}`;
  for (const at of [`${folder}/blobs`, dirname(path), locks]) await mkdir(at, { recursive: true });

  const release = await lock(`${locks}/${file.sha256 ?? file.oid}.lock`);
  try {
    if (!await exists(blob)) {
      const where = showHubName({ repo, revision: commit, path: file.path });
      const beside = `${blob}.incomplete`;
      let { found, wasPart } = await fillBlob(beside, file, fill);
      // An older part may have been spoiled: once more, without it.
      if (wasPart && found !== undefined) ({ found } = await fillBlob(beside, file, fill));
      if (found !== undefined) {
        throw new DataError("fetch", { where, expected: hashOf(file), got: found });
      }
      await rename(beside, blob);
    }
    const { size } = await stat(blob);
    if (size !== file.size) {
      const [expected, got] = [file.size, size].map((size) => `${size} bytes`);
      throw new DataError("use", { where: blob, expected, got, fix: "delete it, and fetch again" });
    }
    if (!await exists(path)) await linkTo(blob, path);
  } finally {
    release();
  }
  return path;
}

// An error of the disk, in one sentence.
async function orRefuse<T>(where: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    const { code, message } = cause as { code?: unknown; message: string };
    if (typeof code !== "string") throw cause;
    const expected = "a folder that can be written";
    throw new DataError("write", { where, expected, got: show(message) }, { cause });
  }
}
