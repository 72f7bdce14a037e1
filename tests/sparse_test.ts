import assert from "node:assert/strict";
import {
  columnSums,
  concatenate,
  indexArray,
  sliceRows,
  sparsify,
  transpose,
} from "../src/sparse.ts";
import { randomDense, toRows, turned } from "./_naive.ts";

const f32 = (...values: number[]) => new Float32Array(values);
const random = (seed: number) => sparsify(randomDense(12 * 7, 0.3, seed), 7);

const thresholds: Record<string, [number[], number, number[]]> = {
  "keeps what equals the threshold": [[0.5, 1], 0.5, [0.5, 1]],
  "drops what is below the threshold": [[0.25, 0.4375, 1], 0.5, [1]],
  "keeps a negative value by its size": [[-0.5, -0.25, -2], 0.5, [-0.5, -2]],
  "keeps NaN for the caller to find": [[NaN, 1], 0.5, [NaN, 1]],
  "keeps NaN at threshold 0": [[0, NaN, 1], 0, [NaN, 1]],
  "drops both zeros at threshold 0": [[0, -0, 1e-45], 0, [1e-45]],
  "keeps infinity": [[Infinity, -Infinity], 1, [Infinity, -Infinity]],
};

for (const [claim, [dense, threshold, kept]] of Object.entries(thresholds)) {
  Deno.test(`sparsify() ${claim}`, () => {
    const { values } = sparsify(f32(...dense), dense.length, threshold);
    assert.deepEqual([...values], [...f32(...kept)]);
  });
}

Deno.test("sparsify() loses nothing at threshold 0", () => {
  for (let seed = 0; seed < 100; seed++) {
    const dense = randomDense(12 * 7, 0.3, seed);
    assert.deepEqual(toRows(sparsify(dense, 7)).flat(), [...dense], `seed ${seed}`);
  }
});

Deno.test("sparsify() equals its definition at any width, density and threshold, in a view", () => {
  for (let seed = 0; seed < 100; seed++) {
    const nCols = 1 + seed % 37;
    const dense = randomDense(1 + 5 * nCols, (seed % 10) / 10, seed).subarray(1);
    const threshold = (seed % 3) / 4;
    const kept = Array.from(dense, (v) => Math.abs(v) >= threshold ? v : 0);
    const rows = Array.from({ length: 5 }, (_, r) => kept.slice(r * nCols, (r + 1) * nCols));
    const matrix = sparsify(dense, nCols, threshold);
    assert.deepEqual(toRows(matrix), rows, `seed ${seed}`);
    assert.equal(matrix.values.length, kept.filter((v) => v !== 0).length, `seed ${seed}`);
    assert.equal(matrix.columns.length, matrix.values.length, `seed ${seed}`);
  }
});

Deno.test("sparsify() takes a matrix without rows", () => {
  assert.deepEqual([...sparsify(f32(), 3).offsets], [0]);
});

Deno.test("sparsify() throws if the values are not whole rows", () => {
  assert.throws(() => sparsify(f32(1, 2, 3), 2), {
    name: "RangeError",
    message: "Cannot read a matrix of 2 columns from 3 values: the length must be a multiple of 2",
  });
});

Deno.test("transpose() turns rows into columns", () => {
  for (let seed = 0; seed < 100; seed++) {
    const matrix = random(seed);
    assert.deepEqual(toRows(transpose(matrix)), turned(toRows(matrix), 7), `seed ${seed}`);
  }
});

Deno.test("transpose() twice changes nothing", () => {
  for (let seed = 0; seed < 100; seed++) {
    const matrix = random(seed);
    assert.deepEqual(transpose(transpose(matrix)), matrix, `seed ${seed}`);
  }
});

Deno.test("sliceRows() and concatenate() are inverses, wherever the cut is", () => {
  const matrix = random(1);
  for (let cut = 0; cut <= matrix.nRows; cut++) {
    const parts = [sliceRows(matrix, 0, cut), sliceRows(matrix, cut, matrix.nRows)];
    assert.deepEqual(concatenate(parts), matrix, `cut ${cut}`);
    assert.deepEqual(toRows(parts[1]), toRows(matrix).slice(cut), `cut ${cut}`);
  }
});

Deno.test("sliceRows() shares the entries", () => {
  const matrix = random(2);
  assert.equal(sliceRows(matrix, 3, 5).values.buffer, matrix.values.buffer);
});

Deno.test("columnSums() equals its definition", () => {
  for (let seed = 0; seed < 100; seed++) {
    const matrix = random(seed);
    const columns = turned(toRows(matrix), 7);

    const { counts, squares } = columnSums(matrix);

    const nonzero = columns.map((column) => column.filter((v) => v !== 0).length);
    assert.deepEqual([...counts], nonzero, `seed ${seed}`);
    const sums = columns.map((column) => column.reduce((sum, v) => sum + v * v, 0));
    assert.deepEqual([...squares], sums, `seed ${seed}`);
  }
});

Deno.test("columnSums() adds in double precision", () => {
  const { squares } = columnSums(sparsify(f32(4096, 1), 1));
  assert.equal(squares[0], 2 ** 24 + 1); // not a float32
});

const bounds: Record<string, [number, typeof Uint16Array | typeof Uint32Array]> = {
  "16 bits for one index": [1, Uint16Array],
  "16 bits up to 65536 columns": [65536, Uint16Array],
  "32 bits from 65537 columns on": [65537, Uint32Array],
};

for (const [claim, [bound, type]] of Object.entries(bounds)) {
  Deno.test(`indexArray() takes ${claim}`, () => {
    assert.equal(indexArray(bound, 2).constructor, type);
    const last = new Float32Array(bound);
    last[bound - 1] = 1;
    const matrix = sparsify(last, bound);
    assert.equal(matrix.columns.constructor, type);
    assert.deepEqual([...matrix.columns], [bound - 1]);
    assert.deepEqual(transpose(transpose(matrix)), matrix);
    assert.deepEqual(concatenate([matrix]), matrix);
  });
}
