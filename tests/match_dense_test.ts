// The dense match on TensorFlow.js' own CPU backend; tests/tfjs/ has it on the native library.

import assert from "node:assert/strict";
import "npm:@tensorflow/tfjs-backend-cpu@4.22.0";
import * as tf from "npm:@tensorflow/tfjs-core@4.22.0";
import type { Pair } from "../src/blocks.ts";
import { checkProducts, type DenseBackend, type DenseTensor } from "../src/dense_backend.ts";
import { matchFeatures } from "../src/match.ts";
import { matchDense } from "../src/match_dense.ts";
import { randomFrom } from "../src/random.ts";
import { type Sparse, sparsify } from "../src/sparse.ts";
import { assertNear, leastMemory, pairOf } from "./_dense.ts";
import { randomDense } from "./_naive.ts";

tf.enableProdMode(); // keeps it from advertising on the console

const f32 = (...values: number[]) => new Float32Array(values);
const tolerance = 5e-7;

// 1 to 600 tokens, 7 source and 5 target features.
function randomPair(seed: number) {
  const random = randomFrom(seed);
  const [nTokens, density] = [1 + Math.floor(random() ** 3 * 600), random()];
  const source = sparsify(randomDense(nTokens * 7, density, seed + 1e3), 7);
  const target = sparsify(randomDense(nTokens * 5, density, seed + 2e3), 5);
  return { source, target };
}

// The backend, with what a test does after every product and sum, and the shapes of the products'
// right sides, `[C, W]`.
function watched(act = () => {}) {
  const shapes: number[][] = [];
  const backend: DenseBackend = {
    ...tf,
    matMul(a, b, transposeA) {
      const product = tf.matMul(a as tf.Tensor, b as tf.Tensor, transposeA);
      shapes.push((b as tf.Tensor).shape);
      act();
      return product;
    },
    add(a, b) {
      const sum = tf.add(a as tf.Tensor, b as tf.Tensor);
      act();
      return sum;
    },
  };
  return { backend, shapes };
}

Deno.test("matchDense() equals matchFeatures() within float32 on random activations", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const { source, target } = randomPair(seed);
    const random = randomFrom(seed + 3e3);
    const pair = pairOf(source, target, [1 + Math.floor(random() * 50), 3]);
    const memory = Math.floor(leastMemory(pair) * (1 + random()));

    const match = await matchDense(tf, pair, { memory });

    assertNear(match, matchFeatures(source, target), source, target, tolerance, `seed ${seed}`);
  }
});

const kinds: Readonly<Record<string, (length: number, seed: number) => Float32Array>> = {
  "sparse": (length, seed) => randomDense(length, 0.05, seed),
  "dense": (length, seed) => randomDense(length, 1, seed),
  "dense and positive": (length, seed) => Float32Array.from({ length }, randomFrom(seed)),
};

for (const [kind, make] of Object.entries(kinds)) {
  Deno.test(`matchDense() is off by 5e-7 at most on 100,000 tokens that are ${kind}`, async () => {
    const source = sparsify(make(6e5, 1), 6);
    const target = sparsify(make(6e5, 2), 6);

    const match = await matchDense(tf, pairOf(source, target, [30_000]));

    assertNear(match, matchFeatures(source, target), source, target, tolerance);
  });
}

Deno.test("matchDense() does not depend on how the tokens are cut into blocks", async () => {
  const { source, target } = randomPair(11);
  const whole = await matchDense(tf, pairOf(source, target, [source.nRows]));
  for (const sizes of [[1], [2, 1], [7], [source.nRows - 1]]) {
    assert.deepEqual(await matchDense(tf, pairOf(source, target, sizes)), whole, `${sizes}`);
  }
});

Deno.test("matchDense() matches every live feature with itself, cosine 1", async () => {
  const features = sparsify(randomDense(200 * 64, 0.1, 1), 64);
  const { best, reverse, similarity } = await matchDense(tf, pairOf(features, features, [50]));
  assert.deepEqual([...best], [...Array(64).keys()]);
  assert.deepEqual([...reverse], [...Array(64).keys()]);
  assert(similarity.every((c) => Math.abs(c - 1) <= tolerance));
});

Deno.test("matchDense() does not depend on the scale of either side", async () => {
  const { source, target } = randomPair(2);
  const times = (matrix: Sparse, factor: number) => ({
    ...matrix,
    values: matrix.values.map((v) => factor * v), // a power of two is exact
  });
  assert.deepEqual(
    await matchDense(tf, pairOf(times(source, 2 ** -60), times(target, 2 ** 60), [9])),
    await matchDense(tf, pairOf(source, target, [9])),
  );
});

Deno.test("matchDense() gives a tie to the lower index, within a tile and across tiles", async () => {
  const features = sparsify(randomDense(300 * 3, 0.5, 5), 3);
  // Column 3k + i is feature i, times a power of two.
  const copies = sparsify(
    Float32Array.from(Array(300 * 9).keys(), (e) => {
      const [n, c] = [Math.floor(e / 9), e % 9];
      const { offsets, columns, values } = features;
      const at = columns.subarray(offsets[n], offsets[n + 1]).indexOf(c % 3);
      return at < 0 ? 0 : values[offsets[n] + at] * 2 ** Math.floor(c / 3);
    }),
    9,
  );
  const there = pairOf(features, copies, [100]);
  for (const memory of [leastMemory(there), 2 ** 30]) {
    const match = await matchDense(tf, there, { memory });
    assert.deepEqual([[...match.best], [...match.runnerUp]], [[0, 1, 2], [3, 4, 5]]);
    assert.deepEqual(match.similarity, match.runnerUpSimilarity);
  }
  const { reverse } = await matchDense(tf, pairOf(copies, features, [100]));
  assert.deepEqual([...reverse], [0, 1, 2]);
});

Deno.test("matchDense() leaves a dead feature unmatched on either side", async () => {
  const dead = sparsify(f32(0, 0), 1);
  const live = sparsify(f32(1, 1), 1);
  for (const [source, target] of [[dead, live], [live, dead], [dead, dead]]) {
    const match = await matchDense(tf, pairOf(source, target, [1]));
    assert.deepEqual(match, matchFeatures(source, target));
    assert.deepEqual([...match.best, ...match.reverse], [-1, -1]);
  }
});

Deno.test("matchDense() leaves features unmatched that never fire together, or oppositely", async () => {
  const source = sparsify(f32(1, 1, 0, 0), 2);
  const target = sparsify(f32(-1, 0, 0, 1), 2);
  assert.deepEqual(
    await matchDense(tf, pairOf(source, target, [2])),
    matchFeatures(source, target),
  );
});

Deno.test("matchDense() finds nothing where there are no tokens, or no features of a side", async () => {
  for (const [nTokens, nSource, nTarget] of [[0, 2, 3], [4, 0, 3], [4, 2, 0]]) {
    const none = (nCols: number): Sparse => ({
      nRows: nTokens,
      nCols,
      offsets: new Uint32Array(nTokens + 1),
      columns: new Uint16Array(0),
      values: new Float32Array(0),
    });
    const { best, reverse } = await matchDense(tf, pairOf(none(nSource), none(nTarget), [3]));
    assert.deepEqual([...best], Array(nSource).fill(-1));
    assert.deepEqual([...reverse], Array(nTarget).fill(-1));
  }
});

Deno.test("matchDense() takes tiles and chunks as large as the memory allows, and no larger", async () => {
  const source = sparsify(randomDense(600 * 40, 0.2, 1), 40);
  const target = sparsify(randomDense(600 * 30, 0.2, 2), 30);
  const pair = pairOf(source, target, [77]);
  const expected: Readonly<Record<number, [number[], number]>> = {
    [leastMemory(pair)]: [[200, 1], 3 * 30],
    [150_000]: [[300, 15], 2 * 2],
    [1_000_000]: [[600, 30], 1],
  };
  for (const [memory, [shape, nProducts]] of Object.entries(expected)) {
    let most = 0;
    const { numBytes } = tf.memory();
    const { backend, shapes } = watched(() => most = Math.max(most, tf.memory().numBytes));
    await matchDense(backend, pair, { memory: Number(memory) });
    assert.deepEqual([shapes[0], shapes.length], [shape, nProducts], `${memory} bytes`);
    assert(most - numBytes <= Number(memory), `${most - numBytes} of ${memory} bytes`);
  }
});

Deno.test("matchDense() leaves no tensor behind, even where it fails", async () => {
  const { source, target } = randomPair(3);
  const pair = pairOf(source, target, [5]);
  const { numTensors } = tf.memory();
  await matchDense(tf, pair, { memory: leastMemory(pair) });
  assert.equal(tf.memory().numTensors, numTensors);

  let nReads = 0;
  const breaking = {
    ...pair.target,
    async *parts() {
      yield* pair.target.parts();
      if (++nReads === 2) throw new RangeError("no more");
    },
  };
  await assert.rejects(matchDense(tf, { ...pair, target: breaking }), { message: "no more" });
  assert.equal(tf.memory().numTensors, numTensors);

  const { backend } = watched(() => {
    throw new RangeError("out of memory");
  });
  await assert.rejects(matchDense(backend, pair), { message: "out of memory" });
  assert.equal(tf.memory().numTensors, numTensors);
});

const one = sparsify(f32(1, 1), 1);
const refused: Readonly<Record<string, [Pair, number, string]>> = {
  "too little memory": [
    pairOf(one, one, [2]),
    43,
    "Cannot match 1 features within 43 bytes: the least that works is 44",
  ],
  "other tokens": [
    pairOf(one, sparsify(f32(1, 1, 1), 1), [2]),
    1e6,
    "Cannot match features on 2 tokens with features on 3: " +
    "extract both checkpoints with the same --total-tokens",
  ],
};

for (const [what, [pair, memory, message]] of Object.entries(refused)) {
  Deno.test(`matchDense() throws on ${what}`, async () => {
    await assert.rejects(matchDense(tf, pair, { memory }), { name: "RangeError", message });
  });
}

Deno.test("checkProducts() refuses a device that rounds factors to 10 bits, as TF32 does", async () => {
  const { numTensors } = tf.memory();
  await checkProducts(tf, "cpu");
  const rounded = (a: DenseTensor) => tf.div(tf.round(tf.mul(a as tf.Tensor, 1024)), 1024);
  const tf32: DenseBackend = {
    ...tf,
    matMul: (a, b, transposeA) => tf.matMul(rounded(a), rounded(b), transposeA),
  };
  await assert.rejects(checkProducts(tf32, "tfjs-gpu"), {
    name: "DataError",
    message: 'Cannot match features on device "tfjs-gpu": expected a product in float32, ' +
      "256.12501525878906, got 256; " +
      "set NVIDIA_TF32_OVERRIDE=0 where the GPU multiplies in TF32",
  });
  assert.equal(tf.memory().numTensors, numTensors);
});
