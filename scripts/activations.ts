/**
 * Extracts SAE feature activations of every checkpoint of a sweep.
 *
 * Reads   the sweep file, and the models, SAEs and tokens that it names.
 * Writes  <out>/tokens.arrow and <out>/activations/step<N>.arrow.
 * Example deno task activations --sweep fixtures/tiny/sweep.json --out out/tiny
 */

import type { Provider } from "../src/device.ts";
import { extractSweep } from "../src/extract_sweep.ts";
import { readSweep } from "../src/sweep.ts";
import {
  count,
  deviceOption,
  drawProgress,
  positive,
  run,
  say,
  size,
  sweepCommand,
  warn,
} from "./_cli.ts";
import { inCache } from "./_hub.ts";

const command = sweepCommand("activations", "Extracts SAE feature activations of a sweep.")
  .option("--total-tokens <n>", "most tokens to use", positive, 640000)
  .option("--batch-size <n>", "most sequences in one run", positive, 32)
  .option("--context-size <n>", "positions of a sequence (default: the SAE's)", positive)
  .option("--threshold <a>", "drop smaller activations", size, 1e-6)
  .option("--quality-tokens <n>", "tokens on which reconstruction is measured", count, 65536)
  .option("--workers <n>", "workers on a CPU", positive, navigator.hardwareConcurrency)
  .option("--allow-duplicates", "allow the same weights at different steps", false)
  .addOption(deviceOption());

await run(command, async ({ sweep, out, ...options }) => {
  let startMs = performance.now();
  let ran: Provider = "cpu";
  await extractSweep(await readSweep(sweep, inCache), out, {
    ...options,
    on: {
      conventions: (lines, name) => say(`${name}'s SAE\n  ${lines.join("\n  ")}`),
      warning: (warning, name) => warn(`${name}: ${warning}`),
      device: (_, device) => ran = device,
      progress: (step, nTokens, total) => drawProgress(`step ${step}`, nTokens, total, startMs),
      done: ({ n_tokens, l0, explained_variance, n_dead, centred }, wasThere, name) => {
        const rate = Math.round((1000 * n_tokens) / (performance.now() - startMs));
        say(
          `${name}: ${n_tokens} tokens, L0 ${l0.toFixed(1)}, ` +
            `explained variance ${explained_variance.toFixed(3)}, ${n_dead} dead, ` +
            `${centred ? "centred" : "not centred"}, ${
              wasThere ? "already there" : `${rate} tokens/s on ${ran}`
            }`,
        );
        startMs = performance.now();
      },
    },
  });
});
