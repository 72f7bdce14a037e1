/**
 * Runs the whole flow on the training run in fixtures/tiny.
 *
 * Reads   fixtures/tiny.
 * Writes  out/demo: activations, matches, summary and the site in report.
 * Example deno task demo
 */

import { extractSweep } from "../src/extract_sweep.ts";
import { matchSweep } from "../src/match_sweep.ts";
import { countMatched } from "../src/summary.ts";
import { readSweep } from "../src/sweep.ts";
import { writeReport } from "../src/write_report.ts";
import { writeSite } from "../src/write_site.ts";
import { Command, run, say } from "./_cli.ts";

const command = new Command("demo")
  .description("Runs the whole flow on the training run in fixtures/tiny.")
  .option("--force", "make finished files again", false);

await run(command, async ({ force }) => {
  const sweep = await readSweep("fixtures/tiny/sweep.json");
  const out = "out/demo";
  await extractSweep(sweep, out, {
    force,
    on: {
      done: ({ l0, explained_variance }, _, name) =>
        say(
          `activations of ${name}: L0 ${l0.toFixed(1)}, explained variance ${
            explained_variance.toFixed(3)
          }`,
        ),
    },
  });
  const summary = await matchSweep(sweep, out, {
    force,
    nullRotations: 2,
    nullExchanges: 1,
    bootstrap: 50,
    onDone: ({ step, match }) =>
      say(
        `match of step ${step}: ${
          countMatched(match, 0.5)
        } of ${match.best.length} features below distance 0.5`,
      ),
  });
  await writeSite(sweep, summary, out);
  say(await writeReport(summary, out, { hasSite: true }));
});
