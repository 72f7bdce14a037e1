/**
 * Times our match, from two activations files to the written match; or with --kernel its inner loop
 * alone, in one thread, from activations in memory to sums, as bench/peers/match.c has it.
 *
 * Reads   <folder>/activations/step<N>.arrow; the last step is the reference.
 * Writes  <folder>/matches and reverse; prints one line of JSON.
 * Example deno run -q -P=activations bench/ours_match.ts --folder out/bench/match --reference 1
 */

import { openActivations, readActivations } from "../src/activation_table.ts";
import { activationsOf, rowBlocks, sideBySide, sourceSide } from "../src/blocks.ts";
import { addBlock } from "../src/dots.ts";
import { openFile, writeFile } from "../src/files.ts";
import type { Match } from "../src/match.ts";
import { planMatch } from "../src/match_plan.ts";
import { createMatcher } from "../src/matcher.ts";
import { type MatchInfo, writeLink, writeReverse } from "../src/match_table.ts";
import { zeroSums } from "../src/sparse.ts";
import { bytes, Command, count, positive, run } from "../scripts/_cli.ts";
import { print } from "./_measure.ts";

const command = new Command("ours_match")
  .requiredOption("--folder <folder>", "folder of activations")
  .requiredOption("--reference <step>", "step of the reference", count)
  .option("--workers <n>", "threads", positive, navigator.hardwareConcurrency)
  .option("--memory <bytes>", "most memory to use", bytes, 2 ** 31)
  .option("--pairs <n>", "how often step 0 is matched with the reference", positive, 1)
  .option("--kernel", "time the inner loop alone", false);

await run(command, async ({ folder, reference, workers, memory, pairs, kernel }) => {
  const fileOf = (step: number) => openFile(`${folder}/activations/step${step}.arrow`);
  if (kernel) return print({ seconds: await timeKernel(await fileOf(reference), await fileOf(0)) });

  const start = performance.now();
  const matcher = createMatcher({ workers, memory });
  try {
    const { rows: source, info } = await openActivations(await fileOf(reference));
    for (let pair = 0; pair < pairs; pair++) {
      const target = (await openActivations(await fileOf(0))).rows;
      const match = await matcher.match({ source, target });
      await write(folder, match, info.n_tokens);
    }
    print({ seconds: (performance.now() - start) / 1000, pairs, tokens: info.n_tokens });
  } finally {
    matcher.close();
  }
});

async function write(folder: string, match: Match, nTokens: number): Promise<void> {
  const info: MatchInfo = {
    format: 1,
    fingerprint: "bench",
    step: 0,
    reference: 1,
    n_tokens: nTokens,
    metric: "cosine",
    left_out: [],
  };
  await writeFile(`${folder}/matches/step0.arrow`, (sink) => writeLink(sink, match, info));
  await writeFile(`${folder}/reverse/step0.arrow`, (sink) => writeReverse(sink, match, info));
}

type File = Parameters<typeof readActivations>[0];

async function timeKernel(sourceFile: File, targetFile: File): Promise<number> {
  const source = (await readActivations(sourceFile)).rows;
  const target = (await readActivations(targetFile)).rows;
  const { blockRows } = planMatch({
    ...{ nSource: source.nCols, nTarget: target.nCols, nTokens: source.nRows },
    ...{ nnzSource: source.values.length, nnzTarget: target.values.length },
    ...{ workers: 1, memory: 2 ** 40 },
  });
  const products = new Float64Array(source.nCols * target.nCols).fill(0); // not to be timed
  const dots = { metric: "cosine" as const, nTarget: target.nCols, first: 0, sums: products };
  const sums = zeroSums(source.nCols);
  const [sources, targets] = [source, target].map((rows) => activationsOf(rows, blockRows).parts());

  const start = performance.now();
  for await (
    const [ours, theirs] of sideBySide(rowBlocks(sources, blockRows), rowBlocks(targets, blockRows))
  ) {
    addBlock(dots, { source: sourceSide(ours, sums), target: theirs }, [0, source.nCols]);
  }
  return (performance.now() - start) / 1000;
}
