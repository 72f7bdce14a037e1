/**
 * Repositories of a hub, and what is fetched from them into the cache.
 *
 * @module
 */

import { DataError } from "./errors.ts";
import { exists, openFile, readJsonObject, writeFile } from "./files.ts";
import type { Hub } from "./hub.ts";
import { keepCommit, keepFile, linkOwn, type Lock, removeOwn } from "./hub_cache.ts";
import { type HubFile, type HubName, showHubName } from "./hub_name.ts";
import { ownPath, snapshotPath } from "./hub_path.ts";
import { blocksIn, copyBlocks, isInBlocks, modelFiles, shardsBefore } from "./hub_weights.ts";

/**
 * How much of a model may be fetched. "shards": files as they are, of a model in shards those with
 * blocks before the hook. "ranges": of a single safetensors file, too, only the blocks before the
 * hook, into a file that Python does not see and no hash can prove. "whole": all of it, which
 * `features` needs.
 */
export const fetchedWeights = ["ranges", "shards", "whole"] as const;

/** How much of a model to fetch; see {@linkcode fetchedWeights}. */
export type FetchedWeights = typeof fetchedWeights[number];

/** Is told how fetching goes. */
export interface RepoListener {
  /** Some bytes of a file are there. */
  progress?(path: string, bytes: number, total: number): void;
}

/** A repository at a commit, and how its files are kept. */
export interface Repo {
  /** Where it lies. */
  readonly hub: Hub;
  /** Folder of the cache. */
  readonly cache: string;
  /** "owner/name" or "datasets/owner/name". */
  readonly name: string;
  /** 40 hexadecimal digits. */
  readonly commit: string;
  /** All its files. */
  readonly files: readonly HubFile[];
  /** Is told how fetching goes. */
  readonly on: RepoListener;
  /** Sees that files are in the cache. */
  keep(files: readonly HubFile[]): Promise<void>;
  /** Counts bytes that came otherwise. */
  count(bytes: number): void;
}

/** Repositories, of each of which a revision and its files are asked for once. */
export interface Repos {
  /** Asks for a revision, and writes down which commit it is. */
  open(at: HubName): Promise<Repo>;
  /** How many bytes came since this was asked last. */
  takeBytes(): number;
}

/**
 * Repositories to fetch from.
 *
 * @param hub Where they lie.
 * @param cache Folder of the cache.
 * @param options What keeps two processes from fetching one file at once; who is told.
 * @returns Them; nothing has been asked yet.
 */
export function openRepos(
  hub: Hub,
  cache: string,
  { lock, on = {} }: { readonly lock?: Lock | undefined; readonly on?: RepoListener | undefined } =
    {},
): Repos {
  const opened = new Map<string, Promise<Repo>>();
  let bytes = 0;
  const open = async (repo: string, revision: string): Promise<Repo> => {
    const commit = await hub.commit(repo, revision);
    const files = await hub.files(repo, commit);
    await keepCommit(cache, repo, revision, commit);
    return {
      hub,
      cache,
      on,
      name: repo,
      commit,
      files,
      count: (n) => bytes += n,
      async keep(wanted) {
        for (const file of wanted) {
          const place = { repo, commit, file };
          await keepFile(cache, place, (start, write) => {
            let done = start;
            return hub.download(place, start, (part) => {
              write(part);
              bytes += part.length;
              on.progress?.(file.path, done += part.length, file.size);
            });
          }, lock);
        }
      },
    };
  };
  return {
    open({ repo, revision }: HubName): Promise<Repo> {
      const key = `${repo}@${revision}`;
      if (!opened.has(key)) opened.set(key, open(repo, revision));
      return opened.get(key)!;
    },
    takeBytes(): number {
      const taken = bytes;
      bytes = 0;
      return taken;
    },
  };
}

/**
 * Fetches a model: its settings, its tokenizer, and of its weights the blocks before a hook.
 *
 * @param repo Its repository.
 * @param at Where in it.
 * @param wanted How much of it, and how many blocks are needed: all, if that is not known.
 * @throws {DataError} If it is not there, or its index names what is not there.
 */
export async function fetchModel(
  repo: Repo,
  at: HubName,
  { weights: wanted = "shards", nBlocks }: {
    readonly weights?: FetchedWeights | undefined;
    readonly nBlocks?: number | undefined;
  },
): Promise<void> {
  const { plain, weights } = modelFiles(repo.files, at.path, showHubName(at));
  await repo.keep(plain);
  const isPart = weights.path.endsWith(".index.json")
    ? await keepShards(repo, at, weights, nBlocks)
    : await keepSingle(repo, weights, wanted === "ranges" ? nBlocks : undefined);
  if (isPart) await link(repo, plain);
  else await removeOwn(repo.cache, repo.name, repo.commit, at.path);
}

async function link({ cache, name, commit }: Repo, kept: readonly HubFile[]): Promise<void> {
  for (const file of kept) await linkOwn(cache, { repo: name, commit, file });
}

// Says whether only some blocks are kept.
async function keepSingle(
  repo: Repo,
  weights: HubFile,
  nBlocks: number | undefined,
): Promise<boolean> {
  const { hub, cache, name, commit, on } = repo;
  const isWhole = await exists(snapshotPath(cache, name, commit, weights.path));
  if (nBlocks === undefined || isWhole || !weights.path.endsWith(".safetensors")) {
    await repo.keep([weights]);
    return false;
  }
  const path = ownPath(cache, name, commit, weights.path);
  const found = await exists(path) ? await blocksIn(await openFile(path)) : -1;
  if (found < nBlocks) {
    const source = hub.open({ repo: name, commit, file: weights });
    const told = (done: number, total: number) => on.progress?.(weights.path, done, total);
    repo.count(await copyBlocks(source, path, nBlocks, told));
  }
  return true;
}

// Says whether only some shards are kept.
async function keepShards(
  repo: Repo,
  at: HubName,
  index: HubFile,
  nBlocks: number | undefined,
): Promise<boolean> {
  const { cache, name, commit, files } = repo;
  await repo.keep([index]);
  const source = await openFile(snapshotPath(cache, name, commit, index.path));
  const own = ownPath(cache, name, commit, index.path);
  // What another hook needed stays.
  const before = await openFile(own).then(readJsonObject, () => undefined);
  const held = new Set(Object.keys(Object(before?.weight_map)));
  const { shards, part } = shardsBefore(
    await readJsonObject(source),
    source.name,
    (tensor) => nBlocks === undefined || isInBlocks(tensor, nBlocks) || held.has(tensor),
  );
  const kept = shards.map((shard) => {
    const path = at.path === "" ? shard : `${at.path}/${shard}`;
    const file = files.find((file) => file.path === path);
    if (file !== undefined) return file;
    throw new DataError("fetch", {
      where: showHubName({ ...at, path }),
      expected: `the file that ${index.path} names`,
      got: "none",
    });
  });
  await repo.keep(kept);
  if (part === undefined) return false;
  await link(repo, kept);
  await writeFile(own, (sink) => sink.write(new TextEncoder().encode(part)));
  return true;
}
