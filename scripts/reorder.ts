/**
 * Writes every checkpoint's SAE with its features in the order of the reference's.
 *
 * Reads   the sweep file, its SAEs, and <out>/{activations,matches,reverse}/step<N>.arrow.
 * Writes  <out>/reordered/step<N>/{sae_weights.safetensors,cfg.json}, and what else the SAE has:
 *         sparsity.safetensors reordered, the scale of its input copied.
 * Example deno task reorder --sweep fixtures/tiny/sweep.json --out out/tiny
 */

import { checkpointsAt, readSweep } from "../src/sweep.ts";
import { writeReordered } from "../src/write_reordered.ts";
import { run, say, sweepCommand } from "./_cli.ts";
import { inCache } from "./_hub.ts";

const command = sweepCommand("reorder", "Puts the features of SAEs in the order of the reference.");

await run(command, async ({ sweep: path, out, steps, force }) => {
  const sweep = await readSweep(path, inCache);
  for (const checkpoint of checkpointsAt(sweep, steps)) {
    const { info, wasThere } = await writeReordered(checkpoint, sweep, out, { force });
    const { step, n_absent, n_copies, is_exact } = info;
    say(
      `step ${step}: features without a match ${n_absent}, copies ${n_copies}` +
        (wasThere ? ", already there" : ""),
    );
    if (!is_exact) say(`warning: step ${step}: its TopK is now of other features, so others fire`);
  }
});
