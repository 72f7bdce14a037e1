/**
 * Times reading the first 640,000 tokens of Parquet files that pyarrow wrote: 2,048 ids a row, in
 * several row groups, or in one of 10,000 rows. Each way runs in a process of its own, whose most
 * memory is told.
 *
 * Reads   nothing; one file, with --read.
 * Writes  out/bench/tokens, where it is not there; prints one line of JSON.
 * Example deno task bench:tokens
 */

import { openFile } from "../src/files.ts";
import { readTokens } from "../src/tokens.ts";
import { Command, positive, run } from "../scripts/_cli.ts";
import { inTurns, measure, type Measured, median, print, rounded } from "./_measure.ts";

const command = new Command("tokens")
  .description("Times reading the tokens of Parquet files.")
  .option("--python <path>", "Python with pyarrow", "out/bench/venv/bin/python")
  .option("--rounds <n>", "rounds in which all take turns", positive, 3)
  .option("--read <path>", "only read this file, and print what it took")
  .option("--hyparquet", "read with hyparquet, which decodes whole row groups");

const wanted = { contextSize: 2048, totalTokens: 640000 };

await run(command, async ({ python, rounds, read, hyparquet }) => {
  if (read !== undefined) {
    const start = performance.now();
    const ids = hyparquet ? await readWhole(read) : await readPages(read);
    const seconds = (performance.now() - start) / 1000;
    print({ seconds, n: ids.length, sum: ids.reduce((sum, id) => sum + id, 0) });
    return;
  }
  const { files } = await measure(python, "bench/peers/tokens.py");
  const results: Record<string, unknown> = {};
  for (const name of files as string[]) {
    const path = `out/bench/tokens/${name}.parquet`;
    const peer = ["bench/peers/peak.py", python, "bench/peers/tokens.py", "--read", path];
    const ours = ["bench/peers/peak.py", "deno", "run", "-q", "-P=activations", "bench/tokens.ts"];
    const measured = await inTurns(rounds, {
      ours: () => measure(python, ...ours, "--read", path),
      hyparquet: () => measure(python, ...ours, "--hyparquet", "--read", path),
      pyarrow: () => measure(python, ...peer),
    }, () => {});
    const sums = Object.values(measured).flat().map(({ sum }) => sum);
    if (new Set(sums).size !== 1) throw new Error(`Cannot compare ${name}: the tokens differ`);
    const of = (way: readonly Measured[], key: string) =>
      rounded(median(way.map((one) => one[key] as number)));
    results[name] = Object.fromEntries(
      Object.entries(measured).map(([way, all]) => [
        way,
        { seconds: of(all, "seconds"), peak_mb: of(all, "peak_mb") },
      ]),
    );
  }
  print({ seconds: 0, ...results });
});

async function readPages(path: string): Promise<Int32Array> {
  const { ids, nTokens } = await readTokens(await openFile(path), wanted);
  return ids.subarray(0, nTokens);
}

async function readWhole(path: string): Promise<Int32Array> {
  const { parquetReadObjects } = await import("npm:hyparquet@1.31.5");
  const { compressors } = await import("npm:hyparquet-compressors@1.1.2");
  const source = await openFile(path);
  const file = {
    byteLength: source.byteLength,
    slice: (start: number, end = source.byteLength) =>
      source.read(start, end).then(({ buffer }) => buffer),
  };
  const rowEnd = Math.ceil(wanted.totalTokens / wanted.contextSize);
  const options = { file, compressors, columns: ["input_ids"], rowEnd, useOffsetIndex: true };
  const rows = await parquetReadObjects(options);
  const ids = rows.flatMap(({ input_ids }) => (input_ids as (number | bigint)[]).map(Number));
  return Int32Array.from(ids.slice(0, wanted.totalTokens));
}
