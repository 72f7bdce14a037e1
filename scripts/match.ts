/**
 * Matches every feature of the reference to the features of every checkpoint.
 *
 * Reads   the sweep file, its SAEs' decoders, <out>/tokens.arrow and
 *         <out>/activations/step<N>.arrow.
 * Writes  <out>/{matches,reverse,chain,chain/reverse}/*.arrow, <out>/summary.arrow,
 *         <out>/features.arrow and <out>/report/index.html.
 * Example deno task match --sweep fixtures/tiny/sweep.json --out out/tiny --appearing-at 128
 */

import { findAudit } from "../src/audit_table.ts";
import { sameCheckpoints } from "../src/frames.ts";
import { matchSweep } from "../src/match_sweep.ts";
import { metrics } from "../src/measures.ts";
import { countMatched } from "../src/summary.ts";
import { readSweep } from "../src/sweep.ts";
import { writeReport } from "../src/write_report.ts";
import { tokenMarks } from "../src/token_set.ts";
import { bytes, choice, choices, count, positive, run, say, size, sweepCommand } from "./_cli.ts";
import { inCache } from "./_hub.ts";

const devices = ["cpu", "tfjs-gpu"] as const;

const command = sweepCommand("match", "Matches features through training by argmax of similarity.")
  .option("--metric <name>", `how alike two features are: ${metrics}`, choice(metrics), metrics[0])
  .option("--appearing-at <step>", "show features that appear at this step", count)
  .option("--sample <n>", "how many of them", positive, 10)
  .option("--seed <n>", "seed of their choice, of chance and of the bootstrap", count, 0)
  .option("--distance <d>", "distance below which a feature is present", size, 0.5)
  .option("--null-rotations <n>", "how often chance is tried by rotated tokens", count, 8)
  .option("--null-exchanges <n>", "how often within positions of the same token", count, 2)
  .option("--bootstrap <n>", "how often similarities are taken on sequences drawn anew", count, 100)
  .option("--leave-out <list>", `tokens not to compare: ${tokenMarks}`, choices(tokenMarks), [])
  .option("--outlier-norm <n>", "an outlier's norm is above so many medians", size, 10)
  .option("--padding <id>", "token id of padding", count)
  .option("--bos <id>", "token id that begins texts, wherever it stands", count)
  .option("--no-chain", "do not match neighbouring checkpoints with each other")
  .option("--workers <n>", "threads", positive, navigator.hardwareConcurrency)
  .option("--memory <bytes>", "most memory to use: 2G, 800M", bytes, 2 ** 31)
  .option("--match-device <name>", `what matches: ${devices}`, choice(devices), devices[0]);

await run(command, async ({ sweep, out, appearingAt, sample, matchDevice, ...options }) => {
  const { distance, seed } = options;
  const summary = await matchSweep(await readSweep(sweep, inCache), out, {
    ...options,
    device: matchDevice,
    onDone: ({ step, match }, wasThere) =>
      say(
        `step ${step}: ${countMatched(match, distance)} of ${match.best.length} features ` +
          `below distance ${distance}${wasThere ? ", already there" : ""}`,
      ),
  });
  for (const { before, step } of sameCheckpoints(summary)) {
    say(`warning: step ${before} and step ${step} are so alike that they must be the same weights`);
  }
  const audit = await findAudit(out);
  const shown = { appearingAt, nSampled: sample, seed, threshold: distance, audit };
  say(await writeReport(summary, out, shown));
});
