/**
 * Audits checkpoints: equal, out of order, final ones served early, missing shards, other shapes.
 *
 * Reads   the sweep file and its models.
 * Writes  <out>/audit.arrow.
 * Example deno task audit --sweep fixtures/tiny/sweep.json --out out/tiny
 */

import { auditSweep } from "../src/audit_sweep.ts";
import { readSweep } from "../src/sweep.ts";
import { Command, count, counts, run, say } from "./_cli.ts";

const command = new Command("audit")
  .description("Audits whether checkpoints are what their steps say.")
  .requiredOption("--sweep <file>", "the sweep file")
  .requiredOption("--out <folder>", "folder to write in")
  .option("--steps <list>", "only these training steps: 0,2,8", counts)
  .option("--seed <n>", "seed of the sketches of tensors", count, 0);

await run(command, async ({ sweep, out, ...options }) => {
  const findings = await auditSweep(await readSweep(sweep), out, {
    ...options,
    onDone: ({ step, parts }) => say(`step ${step}: ${parts.length} looked at`),
  });
  for (const { severity, sentence } of findings) say(`${severity}: ${sentence}`);
  say(`${findings.length === 0 ? "nothing" : findings.length} found, in ${out}/audit.arrow`);
});
