import assert from "node:assert/strict";
import { activationsOf } from "../src/blocks.ts";
import { matchFeatures } from "../src/match.ts";
import { exchanged, rotated, rotations, significance, strangersIn } from "../src/nulls.ts";
import { randomFrom } from "../src/random.ts";
import { concatenate, type Sparse, sparsify } from "../src/sparse.ts";
import { randomDense, toRows } from "./_naive.ts";

const random = (nTokens: number, nFeatures: number, density: number, seed: number) =>
  sparsify(randomDense(nTokens * nFeatures, density, seed), nFeatures);

async function rowsOf(activations: ReturnType<typeof activationsOf>): Promise<number[][]> {
  return toRows(concatenate(await Array.fromAsync(activations.parts()), activations.nCols));
}

Deno.test("rotated() rolls the rows, however they are read", async () => {
  const matrix = random(17, 5, 0.4, 1);
  const rows = toRows(matrix);
  for (let by = 0; by <= 17; by++) {
    for (const size of [1, 4, 17]) {
      const actual = await rowsOf(rotated(activationsOf(matrix, size), by));
      assert.deepEqual(actual, [...rows.slice(by), ...rows.slice(0, by)]);
    }
  }
});

// First tokens of sequences of a context size, then their number.
const startsOf = (nTokens: number, contextSize: number) => [
  ...Array.from({ length: Math.ceil(nTokens / contextSize) }, (_, s) => s * contextSize),
  nTokens,
];

Deno.test("rotations() are whole sequences, all different, none by nothing", () => {
  for (let seed = 0; seed < 50; seed++) {
    const by = rotations(startsOf(1000, 32), 8, seed);
    assert.equal(new Set(by).size, 8);
    assert(by.every((n) => n % 32 === 0 && n > 0 && n < 1000), `${by}`);
    assert.deepEqual(rotations(startsOf(1000, 32), 8, seed), by);
  }
  assert.deepEqual(rotations(startsOf(100, 32), 8, 1), [32, 64, 96], "no more than there are");
  assert.deepEqual(rotations(startsOf(32, 32), 8, 1), []);
});

Deno.test("exchanged() moves rows among positions of the same token, and nowhere else", async () => {
  const next = randomFrom(3);
  const ids = Uint32Array.from({ length: 300 }, () => Math.floor(40 * next() ** 2));
  const matrix = random(300, 6, 0.5, 2);
  const rows = toRows(matrix).map(String);
  const of = (rows: string[], id: number) => rows.filter((_, n) => ids[n] === id).sort();

  const actual = (await rowsOf(exchanged(activationsOf(matrix, 70), ids, 5))).map(String);

  for (const id of new Set(ids)) assert.deepEqual(of(actual, id), of(rows, id), `token ${id}`);
  assert(actual.filter((row, n) => row !== rows[n]).length > 150, "most rows have moved");
  const again = await rowsOf(exchanged(activationsOf(matrix, 300), ids, 5));
  assert.deepEqual(again.map(String), actual, "the seed decides, not how rows are read");
  const other = (await rowsOf(exchanged(activationsOf(matrix), ids, 6))).map(String);
  assert.notDeepEqual(other, actual);
});

Deno.test("significance() equals its definition where there is one stratum", () => {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const S = 1 + Math.floor(next() * 60);
    const cosines = () => Float32Array.from({ length: S }, () => next() < 0.2 ? NaN : next());
    const [similarity, nulls] = [cosines(), [cosines(), cosines(), cosines()]];
    const sourceCounts = Uint32Array.from({ length: S }, () => Math.floor(next() * 4));

    const { p, q } = significance({ similarity, sourceCounts }, nulls);

    const live = [...similarity.keys()].filter((i) => sourceCounts[i] > 0);
    const all = nulls.flatMap((of) => live.map((i) => Number.isNaN(of[i]) ? 0 : of[i]));
    const expected = [...similarity].map((c, i) =>
      sourceCounts[i] === 0 || Number.isNaN(c)
        ? NaN
        : (1 + all.filter((n) => n >= c).length) / (1 + all.length)
    );
    assert.deepEqual([...p], expected, `seed ${seed}`);
    q.forEach((value, i) => assert(Number.isNaN(p[i]) ? Number.isNaN(value) : value >= p[i]));
  }
});

Deno.test("strangersIn() are matches with q of 0.05 or more, or none at all; without a null nobody is", () => {
  const similarity = Float32Array.of(0.9, 0.01, NaN);
  const match = { similarity, sourceCounts: new Uint32Array([5, 5, 5]) };
  const nulls = Array.from({ length: 40 }, () => Float32Array.of(0.1, 0.1, 0.1));
  assert.deepEqual([0, 1, 2].map(strangersIn(match, nulls)), [false, true, true]);
  assert.deepEqual([0, 1, 2].map(strangersIn(match, [])), [false, false, false]);
});

Deno.test("significance() has none without a null", () => {
  const match = { similarity: new Float32Array([0.9]), sourceCounts: new Uint32Array([3]) };
  assert.deepEqual([...significance(match, []).q], [NaN]);
});

// Features that fire in bursts and on no token of each other's, but for the related ones.
function planted(seed: number, nRelated: number): { source: Sparse; target: Sparse } {
  const next = randomFrom(seed);
  const [N, S] = [4096, 200];
  const [a, b] = [new Float32Array(N * S), new Float32Array(N * S)];
  for (let i = 0; i < S; i++) {
    const rate = 0.005 + 0.05 * next() ** 3;
    for (let n = 0; n < N; n++) {
      if (next() < rate) {
        a[n * S + i] = next() + 0.1;
        if (i < nRelated && next() < 0.8) b[n * S + i] = a[n * S + i] * (0.5 + next());
      }
      if (i >= nRelated && next() < rate) b[n * S + i] = next() + 0.1;
    }
  }
  return { source: sparsify(a, S), target: sparsify(b, S) };
}

Deno.test("of matches at q < 0.05, all planted ones are there and few are chance", async () => {
  let [nFound, nChance] = [0, 0];
  for (let seed = 0; seed < 5; seed++) {
    const { source, target } = planted(seed, 100);
    const nulls: Float32Array[] = [];
    for (const by of rotations(startsOf(4096, 64), 8, seed)) {
      const rows = concatenate(await Array.fromAsync(rotated(activationsOf(target), by).parts()));
      nulls.push(matchFeatures(source, rows).similarity);
    }
    const { q } = significance(matchFeatures(source, target), nulls);
    q.forEach((value, i) => {
      if (value < 0.05) i < 100 ? nFound++ : nChance++;
    });
  }
  assert.equal(nFound, 500);
  assert(nChance / (nFound + nChance) < 0.07, `${nChance} by chance`);
});
