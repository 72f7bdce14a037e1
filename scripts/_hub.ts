// What the environment says of the hub and its cache, as Python's huggingface_hub reads it; locks
// that Python heeds; and a bar for bytes.

import { hubPath } from "../src/hub_path.ts";

/** The hub and the cache, of the environment. */
export interface HubSettings {
  /** Folder of the cache. */
  readonly cache: string;
  /** HF_ENDPOINT. */
  readonly endpoint: string | undefined;
  /** HF_TOKEN, which is never printed. */
  readonly token: string | undefined;
  /** HF_HUB_OFFLINE. */
  readonly isOffline: boolean;
}

/** Reads HF_HUB_CACHE, HF_HOME, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE. */
export function hubSettings(): HubSettings {
  return {
    cache: hubCache(),
    endpoint: variable("HF_ENDPOINT"),
    token: variable("HF_TOKEN")?.trim(),
    isOffline: /^(1|on|yes|true)$/i.test(variable("HF_HUB_OFFLINE") ?? ""),
  };
}

/** Finds in the cache what a sweep names as `hf://…`. */
export async function inCache(name: string): Promise<string> {
  return await hubPath(name, hubCache());
}

/** The folder of the cache: $HF_HUB_CACHE, or hub/ in $HF_HOME, or ~/.cache/huggingface/hub. */
export function hubCache(): string {
  const home = variable("HOME") ?? variable("USERPROFILE") ?? ".";
  const inHome = (path: string) => path.replace(/^~(?=$|[\\/])/, home);
  const cache = variable("HF_HUB_CACHE");
  if (cache !== undefined) return inHome(cache);
  const caches = variable("XDG_CACHE_HOME") ?? `${home}/.cache`;
  return `${inHome(variable("HF_HOME") ?? `${caches}/huggingface`)}/hub`;
}

// An empty variable counts as none.
function variable(name: string): string | undefined {
  return Deno.env.get(name) || undefined;
}

/** Holds a lock file with flock, as Python's filelock does. */
export async function lockFile(path: string): Promise<() => void> {
  const file = await Deno.open(path, { create: true, write: true });
  await file.lock(true);
  return () => file.close();
}

/** Draws how much of a file is there, where there is a terminal to draw on. */
export function drawBytes(path: string, done: number, total: number): void {
  if (!Deno.stderr.isTerminal()) return;
  const bar = "█".repeat(Math.floor((20 * done) / Math.max(total, 1))).padEnd(20, "░");
  const [there, all] = [done, total].map((bytes) => (bytes / 1e6).toFixed(1));
  write(`\r\x1b[K${path} ${bar} ${there} of ${all} MB`);
}

/** Takes the bar away. */
export function clearBytes(): void {
  if (Deno.stderr.isTerminal()) write("\r\x1b[K");
}

function write(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
