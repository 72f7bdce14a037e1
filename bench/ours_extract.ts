/**
 * Times our extraction, from the sweep's files to the Arrow files.
 *
 * Reads   the sweep, and all that it names.
 * Writes  <out>, anew; prints one line of JSON.
 * Example deno run -q -P=activations bench/ours_extract.ts --sweep s.json --out o --tokens 65536
 */

import { extractSweep } from "../src/extract_sweep.ts";
import { readSweep } from "../src/sweep.ts";
import { Command, positive, run } from "../scripts/_cli.ts";
import { print } from "./_measure.ts";

const command = new Command("ours_extract")
  .requiredOption("--sweep <file>", "the sweep")
  .requiredOption("--out <folder>", "folder to write in")
  .requiredOption("--tokens <n>", "tokens", positive)
  .option("--workers <n>", "workers", positive, navigator.hardwareConcurrency);

await run(command, async ({ sweep, out, tokens, workers }) => {
  const start = performance.now();
  const [info] = await extractSweep(await readSweep(sweep), out, {
    totalTokens: tokens,
    qualityTokens: tokens / 10, // as by default of 640,000 tokens
    workers,
    force: true,
  });
  const seconds = (performance.now() - start) / 1000;
  print({ seconds, step: info.step, tokens: info.n_tokens, l0: info.l0 });
});
