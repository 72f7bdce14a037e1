/**
 * Fetches what a sweep names on a hub (hf://…), into the cache that Python's huggingface_hub has, too.
 *
 * Reads   the sweep file; HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN and HF_HUB_OFFLINE.
 * Writes  the cache: $HF_HUB_CACHE, or hub/ in $HF_HOME, or ~/.cache/huggingface/hub.
 * Example deno task fetch --sweep sweep.json --total-tokens 640000
 */

import { fetchSweep } from "../src/fetch_sweep.ts";
import { openHub } from "../src/hub.ts";
import { fetchedWeights } from "../src/hub_repo.ts";
import { choice, Command, positive, run, say } from "./_cli.ts";
import { clearBytes, drawBytes, hubSettings, lockFile } from "./_hub.ts";

const command = new Command("fetch")
  .description("Fetches what a sweep names on a hub.")
  .requiredOption("--sweep <file>", "the sweep file")
  .option("--total-tokens <n>", "most tokens of a data set", positive, 640000)
  .option("--context-size <n>", "positions of a sequence (default: the SAEs')", positive)
  .option("--weights <how much>", "ranges, shards or whole", choice(fetchedWeights), "shards");

await run(command, async ({ sweep, ...options }) => {
  const { cache, isOffline, ...asked } = hubSettings();
  const onRetry = (url: string, failure: string, ms: number) => {
    clearBytes();
    say(`${url}: ${failure}, again in ${ms / 1000} s`);
  };
  const done = (name: string, _: string, bytes: number) => {
    clearBytes();
    say(`${name}: ${bytes === 0 ? "already there" : `${(bytes / 1e6).toFixed(1)} MB`}`);
  };
  const hub = isOffline ? undefined : openHub({ ...asked, onRetry });
  try {
    const on = { progress: drawBytes, done };
    const places = await fetchSweep(sweep, hub, cache, { ...options, lock: lockFile, on });
    say(`${places.size} names in ${cache}`);
  } finally {
    clearBytes();
  }
});
