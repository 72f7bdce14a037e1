/** A small repository, and a client of a loopback hub that does not wait. */

import { type Hub, type HubOptions, openHub } from "../../src/hub.ts";
import { type CachedFile, keepCommit, keepFile } from "../../src/hub_cache.ts";
import { randomFrom } from "../../src/random.ts";
import { commitOf, type Files, type Loopback, type Repository, startHub } from "./_loopback.ts";

/** So many bytes, of a seed. */
export function someBytes(length: number, seed: number): Uint8Array<ArrayBuffer> {
  const random = randomFrom(seed);
  return Uint8Array.from({ length }, () => Math.floor(256 * random()));
}

const text = (value: string) => new TextEncoder().encode(value);

export const commit = commitOf("first");
export const files: Files = {
  "config.json": text('{"model_type":"gpt_neox"}'),
  "a folder/é#?.txt": text("a name with all that must be escaped"),
  "empty.txt": new Uint8Array(),
  "model.safetensors": someBytes(300_000, 1),
};

/** A hub with one model, "owner/name", whose branch main, and tag v1, is `commit`. */
export function smallHub(more: Readonly<Record<string, Repository>> = {}): Loopback {
  const model = { commits: { [commit]: files }, branches: { main: commit }, tags: { v1: commit } };
  return startHub({ "owner/name": model, ...more });
}

/** A client, and how long it would have waited. */
export function clientOf(hub: Loopback, options: HubOptions = {}): Hub & { waits: number[] } {
  const waits: number[] = [];
  const wait = (ms: number) => {
    waits.push(ms);
    return Promise.resolve();
  };
  return { ...openHub({ endpoint: hub.url, wait, ...options }), waits };
}

/** Where a file of the model lies, as the hub says. */
export async function placeOf(client: Hub, path: string): Promise<CachedFile> {
  const list = await client.files("owner/name", "main");
  return { repo: "owner/name", commit, file: list.find((file) => file.path === path)! };
}

/** Fetches a file into a cache. */
export async function fetchInto(
  cache: string,
  client: Hub,
  place: CachedFile,
  lock?: (path: string) => Promise<() => void>,
): Promise<string> {
  await keepCommit(cache, place.repo, "main", place.commit);
  return await keepFile(cache, place, (start, write) => client.download(place, start, write), lock);
}
