// Activations on disk: rows and norms, there and back.

import assert from "node:assert/strict";
import {
  activationsWriter,
  activationTypes,
  readActivations,
  readNorms,
} from "../src/activation_table.ts";
import { openTable, writeTable } from "../src/arrow.ts";
import type { EncodedRows } from "../src/encode_run.ts";
import { bytesInMemory } from "../src/files.ts";
import { concatenate, sparsify } from "../src/sparse.ts";
import { randomDense } from "./_naive.ts";

const info = {
  format: 1,
  ...{ fingerprint: "f", step: 8, hook: "h", d_in: 16, d_sae: 24, context_size: 16, tokens: "t" },
  ...{ threshold: 1e-6, centred: false, folded: false, n_measured: 0, l0: 1, l1: 1 },
  ...{ mse: 0, explained_variance: 0, n_dead: 0, n_dense: 0, sources: [] },
} as const;

// A file of some batches that says it has `n_tokens` rows.
function fileOf(batches: readonly EncodedRows[], n_tokens: number) {
  const bytes: number[] = [];
  const sink = { write: (part: Uint8Array) => void bytes.push(...part) };
  const writer = activationsWriter(sink, info.d_sae, info.fingerprint);
  for (const batch of batches) writer.write(batch);
  writer.finish({ ...info, n_tokens });
  return bytesInMemory("file", Uint8Array.from(bytes));
}

// Tokens on most of which some feature fires.
function randomRows(nRows: number, seed: number): EncodedRows {
  const rows = sparsify(randomDense(nRows * info.d_sae, 0.1, seed), info.d_sae);
  return { rows, norms: randomDense(nRows, 1, seed + 1) };
}

Deno.test("a file gives back the norms and the rows, in however many batches", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const batches = Array.from({ length: 1 + seed % 4 }, (_, b) => randomRows(1 + seed, 9 * b));
    const file = fileOf(batches, batches.length * (1 + seed));
    const norms = batches.flatMap(({ norms }) => [...norms]);
    assert.deepEqual(await readNorms(file), Float32Array.from(norms), `seed ${seed}`);
    const { rows } = await readActivations(file);
    assert.deepEqual(rows, concatenate(batches.map(({ rows }) => rows)), `seed ${seed}`);
  }
  assert.deepEqual(await readNorms(fileOf([], 0)), new Float32Array());
});

Deno.test("the columns are those of the types, of 32 bits where features need them", async () => {
  const { names } = await openTable(fileOf([randomRows(3, 1)], 3));
  assert.deepEqual(names, ["features", "values", "norm"]);
  assert.deepEqual(Object.keys(activationTypes(info.d_sae)), names);
  assert.equal(activationTypes(0x10000).features, "list<uint16>");
  assert.equal(activationTypes(0x10001).features, "list<uint32>");
});

Deno.test("rows with fewer norms are not written", () => {
  const { rows, norms } = randomRows(13, 1);
  assert.throws(() => fileOf([{ rows, norms: norms.subarray(1) }], 13), {
    name: "RangeError",
    message: "Cannot write activations of 13 tokens: expected 13 norms, got 12",
  });
});

Deno.test("norms of fewer or more tokens than the file says are refused", async () => {
  for (const said of [12, 14]) {
    await assert.rejects(readNorms(fileOf([randomRows(13, 1)], said)), {
      name: "DataError",
      message: `Cannot read activations file: expected ${said} rows, got 13; ` +
        "delete the file and make it again",
    });
  }
});

Deno.test("norms of a file without the column are refused, and its rows are read", async () => {
  const bytes: number[] = [];
  const { rows: { columns, offsets, values } } = randomRows(3, 1);
  writeTable(
    { write: (part) => void bytes.push(...part) },
    { features: "list<uint16>", values: "list<float32>" },
    { features: { values: columns, offsets }, values: { values, offsets } },
    { sae: JSON.stringify({ ...info, n_tokens: 3 }) },
  );
  const file = bytesInMemory("old", Uint8Array.from(bytes));
  assert.deepEqual((await readActivations(file)).rows, randomRows(3, 1).rows);
  await assert.rejects(readNorms(file), {
    name: "DataError",
    message: 'Cannot read activations old: expected a column "norm", got features, values; ' +
      "delete the file and make it again",
  });
});
