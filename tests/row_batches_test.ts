// Where batches end, and that it does not depend on how rows come.

import assert from "node:assert/strict";
import type { EncodedRows } from "../src/encode_run.ts";
import { randomFrom } from "../src/random.ts";
import { rowBatches } from "../src/row_batches.ts";
import { concatenate, sliceRows, type Sparse, sparsify } from "../src/sparse.ts";
import { randomDense } from "./_naive.ts";

const limits = { rows: 7, entries: 20 };

function batchesOf(parts: readonly EncodedRows[]): EncodedRows[] {
  const written: EncodedRows[] = [];
  const batches = rowBatches((batch) => written.push(batch), limits);
  parts.forEach(batches.add);
  batches.finish();
  return written;
}

// Rows with the norms 1, 2, 3 and on.
function counted(rows: Sparse): EncodedRows {
  return { rows, norms: Float32Array.from({ length: rows.nRows }, (_, r) => r + 1) };
}

function joined(parts: readonly EncodedRows[]): EncodedRows {
  return {
    rows: concatenate(parts.map(({ rows }) => rows)),
    norms: Float32Array.from(parts.flatMap(({ norms }) => [...norms])),
  };
}

// Rows cut anywhere.
function cut({ rows, norms }: EncodedRows, seed: number): EncodedRows[] {
  const random = randomFrom(seed);
  const parts: EncodedRows[] = [];
  for (let from = 0; from < rows.nRows;) {
    const to = Math.min(rows.nRows, from + 1 + Math.floor(9 * random()));
    parts.push({ rows: sliceRows(rows, from, to), norms: norms.subarray(from, to) });
    from = to;
  }
  return parts;
}

// How many rows each batch has, by the definition, from the number of entries of each row.
function naiveSizes(counts: readonly number[]): number[] {
  const sizes: number[] = [];
  let [nRows, nEntries] = [0, 0];
  for (const n of counts) {
    if (nRows > 0 && (nRows === limits.rows || nEntries + n > limits.entries)) {
      sizes.push(nRows);
      [nRows, nEntries] = [0, 0];
    }
    [nRows, nEntries] = [nRows + 1, nEntries + n];
  }
  return nRows > 0 ? [...sizes, nRows] : sizes;
}

Deno.test("batches end where the definition says, however rows come", () => {
  for (let seed = 0; seed < 60; seed++) {
    const rows = sparsify(randomDense(40 * 12, [0, 0.1, 0.5, 1][seed % 4], seed), 12);
    const counts = Array.from({ length: 40 }, (_, r) => rows.offsets[r + 1] - rows.offsets[r]);
    const encoded = counted(rows);
    const written = batchesOf(cut(encoded, seed));
    assert.deepEqual(written.map(({ rows }) => rows.nRows), naiveSizes(counts), `seed ${seed}`);
    assert.deepEqual(written.map(({ norms }) => norms.length), naiveSizes(counts), `seed ${seed}`);
    assert.deepEqual(joined(written), encoded, `seed ${seed}`);
    assert.deepEqual(written, batchesOf([encoded]), `seed ${seed}, all at once`);
  }
});

Deno.test("a token of more activations than a batch may hold is a batch, whole", () => {
  const rows = sparsify(new Float32Array(3 * 30).fill(1), 30);
  assert.deepEqual(batchesOf([counted(rows)]).map(({ norms }) => [...norms]), [[1], [2], [3]]);
});

Deno.test("no rows are no batch", () => assert.deepEqual(batchesOf([]), []));
