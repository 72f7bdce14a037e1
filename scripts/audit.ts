/**
 * Audits checkpoints: equal, out of order, final ones served early, missing shards, other shapes.
 *
 * Reads   the sweep file and its models; of models on a hub, and with --hub, lists of files alone.
 * Writes  <out>/audit.arrow.
 * Example deno task audit --sweep fixtures/tiny/sweep.json --out out/tiny
 *         deno task audit --hub EleutherAI/pythia-2.8b --out out/pythia-2.8b
 */

import { auditFamily, auditSweep } from "../src/audit_sweep.ts";
import { openHub } from "../src/hub.ts";
import { readSweep } from "../src/sweep.ts";
import { Command, count, counts, run, say } from "./_cli.ts";
import { hubSettings, inCache } from "./_hub.ts";

const command = new Command("audit")
  .description("Audits whether checkpoints are what their steps say.")
  .option("--sweep <file>", "the sweep file")
  .option("--hub <owner/name>", "or a model on the hub, by the names of its revisions")
  .requiredOption("--out <folder>", "folder to write in")
  .option("--steps <list>", "only these training steps: 0,2,8", counts)
  .option("--seed <n>", "seed of the sketches of tensors", count, 0);

await run(command, async ({ sweep, hub: repo, out, ...options }) => {
  if ((sweep === undefined) === (repo === undefined)) {
    throw new RangeError("Cannot audit: expected one of --sweep and --hub, got both or neither");
  }
  const { endpoint, token, isOffline } = hubSettings();
  if (isOffline && repo !== undefined) {
    throw new RangeError("Cannot audit a model on the hub: HF_HUB_OFFLINE is set");
  }
  const hub = openHub({ endpoint, token });
  const files = (repo: string, revision: string) => hub.files(repo, revision);
  const asked = {
    ...options,
    onDone: ({ step, parts }: { readonly step: number; readonly parts: readonly unknown[] }) =>
      say(`step ${step}: ${parts.length} looked at`),
  };
  // A name that is not in the cache will do where the hub is asked.
  const find = isOffline ? inCache : (name: string) => inCache(name).catch(() => name);
  const findings = sweep === undefined
    ? await auditFamily(repo!, await hub.revisions(repo!), out, { ...asked, files })
    : await auditSweep(await readSweep(sweep, find), out, {
      ...asked,
      files: isOffline ? undefined : files,
    });
  for (const { severity, sentence } of findings) say(`${severity}: ${sentence}`);
  say(`${findings.length === 0 ? "nothing" : findings.length} found, in ${out}/audit.arrow`);
});
