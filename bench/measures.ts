/**
 * Times what makes a match believable beside the match itself: every measure with its replicas, and
 * eight rotations; on the pair of the bench, in one process, in turns.
 *
 * Reads   nothing.
 * Writes  out/bench/match, where it is not there; prints one line of JSON.
 * Example deno task bench:measures
 */

import { openActivations } from "../src/activation_table.ts";
import { openFile } from "../src/files.ts";
import { createMatcher } from "../src/matcher.ts";
import { rotated, rotations } from "../src/nulls.ts";
import { groupEnds, nGroups, pairScores, replicas } from "../src/pair_scores.ts";
import { pairSums } from "../src/pair_sums.ts";
import { Command, positive, run } from "../scripts/_cli.ts";
import { makePair, median, print, rounded } from "./_measure.ts";

const command = new Command("measures")
  .description("Times every measure and the null beside the match.")
  .option("--rounds <n>", "rounds in which all take turns", positive, 3);

await run(command, async ({ rounds }) => {
  const folder = "out/bench/match";
  await makePair(folder);
  const rowsOf = async (step: number) =>
    (await openActivations(await openFile(`${folder}/activations/step${step}.arrow`))).rows;
  const [source, target] = [await rowsOf(1), await rowsOf(0)];
  const starts = Array.from({ length: source.nRows / 512 + 1 }, (_, sequence) => 512 * sequence);
  const matcher = createMatcher({ workers: navigator.hardwareConcurrency });
  const seconds = { match: [] as number[], measures: [] as number[], rotations: [] as number[] };
  const timed = async <T>(into: number[], act: () => Promise<T>): Promise<T> => {
    const start = performance.now();
    const result = await act();
    into.push((performance.now() - start) / 1000);
    return result;
  };
  await matcher.match({ source, target }); // threads start, and memory is taken
  for (let round = 0; round < rounds; round++) {
    const match = await timed(seconds.match, () => matcher.match({ source, target }));
    await timed(seconds.measures, async () => {
      const options = { groupEnds: groupEnds(starts, nGroups) };
      const sums = await pairSums({ source, target }, match, options);
      const scores = pairScores(sums, match, "best");
      pairScores(sums, match, "runnerUp");
      replicas(sums, match, { nReplicas: 100, seed: 0 });
      const isSame = scores.cosine.every((of, i) => Object.is(of, match.similarity[i]));
      if (!isSame) {
        throw new Error("Cannot time the second pass: expected the cosines of the first");
      }
    });
    await timed(seconds.rotations, async () => {
      for (const nRows of rotations(starts, 8, round)) {
        await matcher.match({ source, target: rotated(target, nRows) });
      }
    });
  }
  matcher.close();
  const of = (numbers: readonly number[]) => rounded(median(numbers));
  const each = (name: "measures" | "rotations") =>
    rounded(median(seconds[name].map((s, round) => s / seconds.match[round])));
  print({
    seconds: of(seconds.match),
    measures: of(seconds.measures),
    rotations: of(seconds.rotations),
    with_measures: rounded(1 + each("measures")),
    with_rotations: rounded(1 + each("rotations")),
  });
});
