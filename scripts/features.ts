/**
 * Writes the pages of a matched sweep: the table of features, and each chosen one through training.
 *
 * Reads   the sweep file, its models, SAEs and tokenizer, and what activations and match wrote.
 * Writes  <out>/report/data/*.js and <out>/report/index.html; with --export,
 *         <out>/neuronpedia/<layer>-<set>-step<N>/batch-0.json.
 * Example deno task features --sweep fixtures/tiny/sweep.json --out out/demo --features 3,17
 */

import { exportNeuronpedia } from "../src/export_neuronpedia.ts";
import { readSummary } from "../src/read_summary.ts";
import { readSweep } from "../src/sweep.ts";
import { writeReport } from "../src/write_report.ts";
import { writeSite } from "../src/write_site.ts";
import { choice, Command, count, counts, positive, run, say } from "./_cli.ts";
import { inCache } from "./_hub.ts";

const command = new Command("features")
  .description("Writes a page for every feature, and shows some in detail.")
  .requiredOption("--sweep <file>", "the sweep file")
  .requiredOption("--out <folder>", "the folder that it was matched in")
  .option("--features <list>", "these features of the reference: 3,17", counts)
  .option("--appearing-at <step>", "some that appear at this step", count)
  .option("--lifecycle <class>", "some of this class: late")
  .option("--all", "all that fire", false)
  .option("--sample <n>", "how many are drawn", positive, 24)
  .option("--seed <n>", "seed of what is drawn", count, 0)
  .option("--loss-effect", "run the model, for the effect of features on the loss", false)
  .option("--workers <n>", "threads of the model", positive, navigator.hardwareConcurrency)
  .option("--export <name>", "write the details for: neuronpedia", choice(["neuronpedia"]));

await run(command, async ({ sweep: path, out, sample, export: target, ...options }) => {
  const { appearingAt, seed } = options;
  const sweep = await readSweep(path, inCache);
  const { summary, distance, audit } = await readSummary(sweep, out);
  const site = await writeSite(sweep, summary, out, {
    ...options,
    nSampled: sample,
    distance,
    keeps: target !== undefined,
    hasLossEffect: options.lossEffect,
    threads: options.workers,
  });
  say(`${site.detailed.length} of ${summary.nFeatures} features in detail, ${site.nBytes} bytes`);
  if (target !== undefined) {
    for (const file of await exportNeuronpedia(sweep, summary, out, site)) say(file);
  }
  const shown = { appearingAt, nSampled: sample, seed, threshold: distance, hasSite: true, audit };
  say(await writeReport(summary, out, shown));
});
