// Where batches end, and that it does not depend on how rows come.

import assert from "node:assert/strict";
import { randomFrom } from "../src/random.ts";
import { rowBatches } from "../src/row_batches.ts";
import { concatenate, sliceRows, type Sparse, sparsify } from "../src/sparse.ts";
import { randomDense } from "./_naive.ts";

const limits = { rows: 7, entries: 20 };

function batchesOf(parts: readonly Sparse[]): Sparse[] {
  const written: Sparse[] = [];
  const batches = rowBatches((rows) => written.push(rows), limits);
  parts.forEach(batches.add);
  batches.finish();
  return written;
}

// Rows cut anywhere.
function cut(rows: Sparse, seed: number): Sparse[] {
  const random = randomFrom(seed);
  const parts: Sparse[] = [];
  for (let from = 0; from < rows.nRows;) {
    const to = Math.min(rows.nRows, from + 1 + Math.floor(9 * random()));
    parts.push(sliceRows(rows, from, to));
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
    const written = batchesOf(cut(rows, seed));
    assert.deepEqual(written.map(({ nRows }) => nRows), naiveSizes(counts), `seed ${seed}`);
    assert.deepEqual(concatenate(written), rows, `seed ${seed}`);
    assert.deepEqual(written, batchesOf([rows]), `seed ${seed}, all at once`);
  }
});

Deno.test("a token of more activations than a batch may hold is a batch, whole", () => {
  const rows = sparsify(new Float32Array(3 * 30).fill(1), 30);
  assert.deepEqual(batchesOf([rows]).map(({ nRows }) => nRows), [1, 1, 1]);
});

Deno.test("no rows are no batch", () => assert.deepEqual(batchesOf([]), []));
