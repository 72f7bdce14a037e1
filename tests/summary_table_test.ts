import assert from "node:assert/strict";
import { openRows, openTable } from "../src/arrow.ts";
import { bytesInMemory, type ByteSource } from "../src/files.ts";
import type { Summary } from "../src/summary.ts";
import { writeFeatures, writeSummary } from "../src/summary_table.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";

function written(write: (sink: { write(bytes: Uint8Array): void }) => void): ByteSource {
  const parts: Uint8Array[] = [];
  write({ write: (bytes) => void parts.push(bytes.slice()) });
  return bytesInMemory("table", new Uint8Array(parts.flatMap((part) => [...part])));
}

async function texts(source: ByteSource, column: string): Promise<unknown[]> {
  return await Array.fromAsync((await openRows(source)).rows(column, 1));
}

async function numbers(source: ByteSource, column: string): Promise<number[]> {
  for await (const batch of (await openTable(source)).batches()) {
    return Array.from(batch.column(column));
  }
  return assert.fail("no batch");
}

const byHand = summaryOf([
  checkpointWith(0, [0.9, 0.1, NaN, 0.1, NaN]),
  checkpointWith(7, [0.9, 0.9, 0.1, 0.9, NaN]),
  checkpointWith(63, [0.9, 0.9, 0.1, 0.4, NaN]),
  checkpointWith(127, [1, 1, 1, 1, NaN]),
]);

Deno.test("features.arrow says how each feature came to be, without the reference's own step", async () => {
  const file = written((sink) => writeFeatures(sink, byHand, 0.5));
  const classes = ["from the start", "early", "never", "transient", "dead"];
  assert.deepEqual(await texts(file, "lifecycle"), classes);
  const emergence = await numbers(file, "emergence");
  assert.equal(emergence[0], 0);
  assert(emergence[1] > 0 && emergence[1] < 7, `${emergence[1]}`);
  assert.deepEqual(emergence.slice(2), [NaN, NaN, NaN]);
});

Deno.test("features.arrow of a reference alone knows no lifecycle", async () => {
  const alone = summaryOf([checkpointWith(5, [1, NaN])]);
  const file = written((sink) => writeFeatures(sink, alone));
  assert.deepEqual(await texts(file, "lifecycle"), ["unknown", "dead"]);
});

Deno.test("features.arrow is written at any distance", () => {
  for (const distance of [0, 0.5, 1, 2]) written((sink) => writeFeatures(sink, byHand, distance));
});

Deno.test("summary.arrow has the null beside the curve, and null where none was tried", async () => {
  const plain = syntheticSummary(50);
  const [first, ...others] = plain.checkpoints;
  const nulls = { rotated: [new Float32Array(50).fill(0.6)], sameToken: [] };
  const summary: Summary = { ...plain, checkpoints: [{ ...first, nulls }, ...others] };
  const file = written((sink) => writeSummary(sink, summary));
  const chance = await numbers(file, "chance_matched_0.5");
  assert.deepEqual(chance, [1, ...others.map(() => NaN)]);
  assert((await numbers(file, "token_matched_0.5")).every(Number.isNaN));
  const significant = await numbers(file, "n_significant");
  assert(significant[0] >= 0);
  assert.deepEqual(significant.slice(1), others.map(() => -1));
});
