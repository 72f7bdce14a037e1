import assert from "node:assert/strict";
import { activationsOf } from "../src/blocks.ts";
import { randomFrom } from "../src/random.ts";
import { concatenate, sparsify } from "../src/sparse.ts";
import { onTokens, tokenMarks, tokenSet } from "../src/token_set.ts";
import { randomDense, toRows } from "./_naive.ts";

// A hundred times: up to 60 tokens of 9 ids in sequences of up to 7, the last of them cut.
function* trials() {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const N = 1 + Math.floor(60 * next());
    const ids = Uint32Array.from({ length: N }, () => Math.floor(9 * next()));
    const norms = Float32Array.from({ length: N }, () => 1 / (0.02 + next()));
    yield {
      ids,
      norms,
      contextSize: 1 + Math.floor(7 * next()),
      padding: next() < 0.5 ? Math.floor(9 * next()) : undefined,
      bos: next() < 0.5 ? Math.floor(9 * next()) : undefined,
      outlierNorm: 1 + 4 * next(),
      leaveOut: tokenMarks.filter(() => next() < 0.4),
      seed: `seed ${seed}`,
    };
  }
}
type Trial = ReturnType<typeof trials> extends Generator<infer T> ? T : never;

// The marks of every token by name.
function naiveMarks({ ids, norms, contextSize, padding, bos, outlierNorm }: Trial): string[][] {
  const median = [...norms].sort((a, b) => a - b)[Math.floor(norms.length / 2)];
  return Array.from(ids, (id, n) => [
    ...(n % contextSize === 0 || (bos !== undefined && id === bos) ? ["first"] : []),
    ...(padding !== undefined && id === padding ? ["padding"] : []),
    ...(norms[n] > outlierNorm * median ? ["outlier"] : []),
  ]);
}

Deno.test("tokenSet() equals its definition", () => {
  const seen = { empty: 0, whole: 0, padding: 0, outlier: 0, gap: 0 };
  for (const trial of trials()) {
    const { ids, contextSize, leaveOut, seed } = trial;
    const names = naiveMarks(trial);
    const kept = [...ids.keys()]
      .filter((n) => !names[n].some((name) => (leaveOut as string[]).includes(name)));
    if (kept.length === 0) {
      seen.empty++;
      assert.throws(() => tokenSet(trial), RangeError, seed);
      continue;
    }
    const set = tokenSet(trial);

    const sequences = kept.map((n) => Math.floor(n / contextSize));
    const firsts = [...sequences.keys()].filter((k) => sequences[k] !== sequences[k - 1]);
    assert.deepEqual([...set.ids], kept.map((n) => ids[n]), seed);
    assert.deepEqual([...set.starts], [...firsts, kept.length], seed);
    assert.deepEqual([...set.isKept], [...ids.keys()].map((n) => +kept.includes(n)), seed);
    const marks = Array.from(set.marks, (bits) => tokenMarks.filter((_, m) => bits >> m & 1));
    assert.deepEqual(marks, kept.map((n) => names[n]), seed);
    seen.whole += kept.length === ids.length ? 1 : 0;
    seen.padding += marks.flat().filter((mark) => mark === "padding").length;
    seen.outlier += marks.flat().filter((mark) => mark === "outlier").length;
    seen.gap += firsts.length < Math.ceil(ids.length / contextSize) ? 1 : 0;
  }
  for (const [what, n] of Object.entries(seen)) assert(n > 5, `${n} are ${what}`);
});

Deno.test("tokenSet() knows no sequence of which nothing is left", () => {
  const { ids, starts, isKept } = tokenSet({
    ids: new Uint32Array([1, 0, 0, 0, 2, 3]), // the second of three sequences is padding alone
    contextSize: 2,
    norms: new Float32Array(6).fill(1),
    padding: 0,
    leaveOut: ["padding"],
  });
  assert.deepEqual([[...ids], [...starts]], [[1, 2, 3], [0, 1, 3]]);
  assert.deepEqual([...isKept], [1, 0, 0, 0, 1, 1]);
});

Deno.test("tokenSet() gives a token every mark that it has, and leaves none out by default", () => {
  const { marks, isKept } = tokenSet({
    ids: new Uint32Array([0, 5, 6, 7, 8]),
    contextSize: 5,
    norms: new Float32Array([90, 1, 1, 10, 10.1]), // the median is 10
    padding: 0,
    bos: 6,
    outlierNorm: 1,
  });
  assert.deepEqual([...marks], [0b111, 0, 0b001, 0, 0b100], "above is not at");
  assert.deepEqual([...isKept], [1, 1, 1, 1, 1]);
});

Deno.test("tokenSet() without ids of padding and BOS marks no id, not even 0", () => {
  const { marks } = tokenSet({
    ids: new Uint32Array([0, 0, 0]),
    contextSize: 3,
    norms: new Float32Array([1, 1, 1]),
  });
  assert.deepEqual([...marks], [1, 0, 0]);
});

Deno.test("tokenSet() throws if no token is left", () => {
  const message = "Cannot compare 3 tokens without those marked first, padding: " +
    "expected some that are left, got none";
  assert.throws(
    () =>
      tokenSet({
        ids: new Uint32Array([5, 4, 4]),
        contextSize: 3,
        norms: new Float32Array([1, 1, 1]),
        padding: 4,
        leaveOut: ["first", "padding"],
      }),
    { name: "RangeError", message },
  );
});

Deno.test("onTokens() keeps the rows of the set, however they are cut", async () => {
  for (const trial of trials()) {
    const { ids, leaveOut, seed } = trial;
    const names = naiveMarks(trial);
    const isKept = names.map((of) => !of.some((name) => (leaveOut as string[]).includes(name)));
    if (!isKept.includes(true)) continue;
    const matrix = sparsify(randomDense(ids.length * 5, 0.5, ids.length), 5);
    const expected = toRows(matrix).filter((_, n) => isKept[n]);
    for (const size of [1, 4, ids.length]) {
      const kept = onTokens(activationsOf(matrix, size), tokenSet(trial));
      for (const reading of ["once", "twice"]) {
        const rows = concatenate(await Array.fromAsync(kept.parts()), 5);
        assert.deepEqual(toRows(rows), expected, `${seed}, parts of ${size}, read ${reading}`);
        assert.equal(kept.nRows, rows.nRows, seed);
        assert.equal(kept.nCols, rows.nCols, seed);
      }
      assert(kept.nnz >= 0 && kept.nnz <= matrix.values.length, "no more than all");
    }
  }
});

Deno.test("onTokens() is the same object where all are kept, so that it is not read again", () => {
  const activations = activationsOf(sparsify(new Float32Array([1, 0, 3]), 1));
  const parts = { ids: new Uint32Array(3), contextSize: 3, norms: new Float32Array(3).fill(1) };
  assert.equal(onTokens(activations, tokenSet(parts)), activations);
  const others = onTokens(activations, tokenSet({ ...parts, leaveOut: ["first"] }));
  assert.deepEqual([others.nRows, others.nnz], [2, 2], "its number of activations is an estimate");
});
