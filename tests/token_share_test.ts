import assert from "node:assert/strict";
import { type Activations, activationsOf } from "../src/blocks.ts";
import { randomFrom } from "../src/random.ts";
import { sparsify } from "../src/sparse.ts";
import { tokenClass, tokenShares } from "../src/token_share.ts";
import { randomDense } from "./_naive.ts";

// A few features, each a function of the token, noise, or both, on tokens of uneven counts.
function draw(seed: number): { dense: Float32Array; nFeatures: number; ids: number[] } {
  const random = randomFrom(seed);
  const nTokens = 2 + Math.floor(60 * random());
  const nFeatures = 1 + Math.floor(6 * random());
  const nIds = 1 + Math.floor(12 * random());
  const ids = Array.from({ length: nTokens }, () => 7 * Math.floor(nIds * random() ** 2));
  const noise = randomDense(nTokens * nFeatures, 0.4, seed);
  const ofToken = randomDense(7 * nIds * nFeatures, 0.4, seed + 1000);
  const part = Array.from({ length: nFeatures }, () => Math.floor(3 * random()) / 2);
  const dense = noise.map((value, at) => {
    const [n, f] = [Math.floor(at / nFeatures), at % nFeatures];
    return part[f] * ofToken[ids[n] * nFeatures + f] + (1 - part[f]) * value;
  });
  return { dense, nFeatures, ids };
}

const sharesOf = (dense: Float32Array, nFeatures: number, ids: ArrayLike<number>) =>
  tokenShares(activationsOf(sparsify(dense, nFeatures)), ids);

const featureOf = (dense: Float32Array, nFeatures: number, f: number): number[] =>
  [...dense].filter((_, at) => at % nFeatures === f);

// SS_within = Σ a² − Σ over ids (Σ of a at that id)² / n, SS_total = Σ a² − (Σ a)² / N.
function naiveShare(a: readonly number[], ids: readonly number[]): number {
  const sum = (x: readonly number[]) => x.reduce((s, v) => s + v, 0);
  const N = a.length;
  const distinct = [...new Set(ids)];
  if (N <= distinct.length || a.every((v) => v === a[0])) return NaN;
  const squares = sum(a.map((v) => v * v));
  const between = sum(distinct.map((id) => {
    const there = a.filter((_, n) => ids[n] === id);
    return sum(there) ** 2 / there.length;
  }));
  const r2 = 1 - (squares - between) / (squares - sum(a) ** 2 / N);
  return 1 - (1 - r2) * (N - 1) / (N - distinct.length);
}

Deno.test("tokenShares() equals its definition", async () => {
  let [nNaN, nShares] = [0, 0];
  for (let seed = 0; seed < 100; seed++) {
    const { dense, nFeatures, ids } = draw(seed);
    const shares = await sharesOf(dense, nFeatures, ids);
    assert.equal(shares.length, nFeatures);
    shares.forEach((share, f) => {
      const expected = naiveShare(featureOf(dense, nFeatures, f), ids);
      const what = `seed ${seed}, feature ${f}: ${share}, expected ${expected}`;
      if (Number.isNaN(expected)) nNaN++;
      else nShares++;
      assert(Object.is(share, expected) || Math.abs(share - expected) < 1e-11, what);
    });
  }
  assert(nNaN > 10 && nShares > 100, "both cases are among the seeds");
});

Deno.test("tokenShares() is exactly 1 for a function of the token, however often", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const ofToken = Float32Array.from({ length: 6 }, (_, id) => id === 1 ? 0 : 0.1 + random());
    const drawn = Array.from({ length: 30 }, () => Math.floor(6 * random() ** 3));
    const ids = [0, 1, 1, ...drawn];
    const shares = await sharesOf(Float32Array.from(ids, (id) => ofToken[id]), 1, ids);
    assert.deepEqual([...shares], [1], `seed ${seed}`);
  }
});

Deno.test("tokenShares() has mean 0 over all orders of the activations", async () => {
  const orders = (items: number[]): number[][] =>
    items.length === 0
      ? [[]]
      : items.flatMap((item, i) => orders(items.toSpliced(i, 1)).map((rest) => [item, ...rest]));
  const ids = [4, 4, 9, 4, 2];
  let [sum, nBelow] = [0, 0];
  for (const order of orders([0, 0, 1, 2.5, 7])) {
    const [share] = await sharesOf(Float32Array.from(order), 1, ids);
    sum += share / 120;
    if (share < 0) nBelow++;
  }
  assert(Math.abs(sum) < 1e-13, `mean ${sum}`);
  assert(nBelow > 30, `${nBelow} of 120 are below 0: they are kept`);
});

Deno.test("tokenShares() is near 0 on average for what is not of the token", async () => {
  let sum = 0;
  for (let seed = 0; seed < 200; seed++) {
    const random = randomFrom(seed);
    // Half of the tokens have an id of their own: R² itself would be above 0.5.
    const ids = Array.from({ length: 60 }, (_, n) => n < 30 ? n : 100 + Math.floor(5 * random()));
    const [share] = await sharesOf(randomDense(60, 0.5, seed + 500), 1, ids);
    sum += share / 200;
  }
  assert(Math.abs(sum) < 0.03, `expected about 0, got ${sum}`);
});

Deno.test("tokenShares() does not change when a power of two scales the feature", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const { dense, nFeatures, ids } = draw(seed);
    const shares = await sharesOf(dense, nFeatures, ids);
    for (const scale of [2 ** -20, -2, 2 ** 15]) {
      const scaled = await sharesOf(dense.map((v) => scale * v), nFeatures, ids);
      assert.deepEqual(scaled, shares, `seed ${seed}, times ${scale}`);
    }
  }
});

Deno.test("tokenShares() does not change when the ids have other names", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const { dense, nFeatures, ids } = draw(seed);
    const renamed = Uint32Array.from(ids, (id) => 50_000 - 3 * id);
    const shares = await sharesOf(dense, nFeatures, ids);
    assert.deepEqual(await sharesOf(dense, nFeatures, renamed), shares, `seed ${seed}`);
  }
});

// The same activations, which count how often they are read.
function counted(activations: Activations): { of: Activations; readings: () => number } {
  let n = 0;
  const parts = () => (n++, activations.parts());
  return { of: { ...activations, parts }, readings: () => n };
}

Deno.test("tokenShares() is the same to the bit whatever the parts and the memory", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const { dense, nFeatures, ids } = draw(seed);
    const matrix = sparsify(dense, nFeatures);
    const shares = await tokenShares(activationsOf(matrix), ids);
    const fixed = 2 * ids.length + 20 * new Set(ids).size + 16 * nFeatures;
    for (const size of [1, 3, ids.length]) {
      for (const memory of [1, fixed + 6 * 20, fixed + 6 * 50]) {
        const got = await tokenShares(activationsOf(matrix, size), ids, { memory });
        assert.deepEqual(got, shares, `seed ${seed}, ${size} rows a part, ${memory} bytes`);
      }
    }
  }
});

Deno.test("tokenShares() reads once to count, then once for each fill of memory", async () => {
  // Features that fire on 6, 0, 4, 2 and 6 of eight tokens, of two ids.
  const counts = [6, 0, 4, 2, 6];
  const dense = Float32Array.from({ length: 40 }, (_, at) => +(at / 5 < counts[at % 5]) * (at + 1));
  const ids = [1, 2, 1, 2, 1, 2, 1, 2];
  const fixed = 2 * 8 + 20 * 2 + 16 * 5;
  // deno-fmt-ignore
  const readingsOf: Record<string, [number, number]> = {
    "all": [fixed + 6 * 18, 2], "one less than all": [fixed + 6 * 18 - 1, 3],
    "12 and 6": [fixed + 6 * 12, 3], "10, 8": [fixed + 6 * 11, 3], "6, 6, 6": [fixed + 6 * 6, 4],
    "6, 4, 2, 6": [fixed, 5], "one feature at a time": [1, 5],
  };
  for (const [claim, [memory, expected]] of Object.entries(readingsOf)) {
    const { of, readings } = counted(activationsOf(sparsify(dense, 5), 3));
    await tokenShares(of, ids, { memory });
    assert.equal(readings(), expected, claim);
  }
});

Deno.test("tokenShares() reads no more than it needs where nothing fires, or N ≤ K", async () => {
  const nothing = counted(activationsOf(sparsify(new Float32Array(3), 1)));
  await tokenShares(nothing.of, [1, 1, 2]);
  assert.equal(nothing.readings(), 1);
  const distinct = counted(activationsOf(sparsify(new Float32Array([1, 2, 3]), 1)));
  await tokenShares(distinct.of, [1, 2, 3]);
  assert.equal(distinct.readings(), 0);
});

const cases: Record<string, [number[], number[], number]> = {
  "is NaN of a dead feature": [[0, 0, 0], [1, 1, 2], NaN],
  "is NaN of a feature that is the same everywhere": [[0.1, 0.1, 0.1], [1, 1, 2], NaN],
  "is NaN where every token has an id of its own": [[1, 2, 3], [1, 2, 3], NaN],
  "is NaN of a single token": [[1], [1], NaN],
  "is 0 where all tokens have the same id": [[1, 2, 4], [5, 5, 5], 0],
  "is at its least where every id has the same mean": [[1, 3, 3, 1], [1, 1, 2, 2], -0.5],
  "counts the tokens on which the feature is silent": [[2, 0, 0, 0], [1, 1, 2, 2], 0],
};

for (const [claim, [values, ids, expected]] of Object.entries(cases)) {
  Deno.test(`tokenShares() ${claim}`, async () => {
    assert.deepEqual([...await sharesOf(Float32Array.from(values), 1, ids)], [expected]);
  });
}

Deno.test("tokenShares() takes more ids than 16 bits can number", async () => {
  const ids = Uint32Array.from({ length: 70_000 }, (_, n) => n % 69_000);
  const dense = Float32Array.from(ids, (id) => id % 65_536 === 0 ? 1 + id : 0);
  assert.deepEqual([...await sharesOf(dense, 1, ids)], [1]);
});

Deno.test("tokenShares() throws at another number of ids, and at no memory", async () => {
  const activations = activationsOf(sparsify(new Float32Array([1, 2]), 1));
  await assert.rejects(tokenShares(activations, [1]), {
    name: "RangeError",
    message: "Cannot tell what tokens explain: expected 2 ids, got 1; " +
      "give the id of every token that the activations are of",
  });
  for (const memory of [0, -1, NaN]) {
    await assert.rejects(tokenShares(activations, [1, 1], { memory }), {
      name: "RangeError",
      message: `Cannot tell what tokens explain: expected memory above 0, got ${memory}`,
    });
  }
});

const classes: Record<string, [number, ReturnType<typeof tokenClass>]> = {
  "token from two thirds": [2 / 3, "token"],
  "token at 1": [1, "token"],
  "mixed just below two thirds": [2 / 3 - 2 ** -53, "mixed"],
  "mixed from one third": [1 / 3, "mixed"],
  "context just below one third": [1 / 3 - 2 ** -54, "context"],
  "context below 0": [-0.2, "context"],
  "null of NaN": [NaN, null],
};

for (const [claim, [share, expected]] of Object.entries(classes)) {
  Deno.test(`tokenClass() is ${claim}`, () => assert.equal(tokenClass(share), expected));
}
