// The dense match on TensorFlow's native library, without a GPU: `tests/tfjs/build_addon.sh out/tfjs`
// builds it, then `deno task test:tfjs` runs this.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { matchFeatures } from "../../src/match.ts";
import { matchDense } from "../../src/match_dense.ts";
import { randomFrom } from "../../src/random.ts";
import { sparsify } from "../../src/sparse.ts";
import { loadTfjs } from "../../src/tfjs.ts";
import { assertNear, leastMemory, pairOf } from "../_dense.ts";
import { randomDense } from "../_naive.ts";

const folder = "out/tfjs";
const isBuilt = existsSync(
  `${folder}/node_modules/@tensorflow/tfjs-node-gpu/lib/napi-v8/tfjs_binding.node`,
);
// An environment that is ignored is "denied".
const mayRead = Deno.permissions.querySync({ name: "env" }).state !== "prompt";
const reason = !isBuilt
  ? `not built: run \`tests/tfjs/build_addon.sh ${folder}\``
  : !mayRead
  ? "in a task of its own: run `deno task test:tfjs`"
  : undefined;
const tolerance = 5e-7;

const load = async () => {
  const tf = await loadTfjs("tfjs-gpu", { folder, orCpu: true });
  return tf as typeof tf & { memory(): { numTensors: number } };
};

function test(claim: string, act: (tf: Awaited<ReturnType<typeof load>>) => Promise<void>) {
  const name = reason ? `${claim} (${reason})` : claim;
  Deno.test({ name, ignore: reason !== undefined, fn: async () => act(await load()) });
}

test("matchDense() equals matchFeatures() on TensorFlow, within float32", async (tf) => {
  const { numTensors } = tf.memory();
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const [nTokens, nSource, nTarget] = [600, 40, 40].map((n) => 1 + Math.floor(random() * n));
    const density = random() ** 2;
    const source = sparsify(randomDense(nTokens * nSource, density, seed + 1e3), nSource);
    const target = sparsify(randomDense(nTokens * nTarget, density, seed + 2e3), nTarget);
    const pair = pairOf(source, target, [1 + Math.floor(random() * 300), 3]);
    const memory = Math.floor(leastMemory(pair) * (1 + random() ** 4 * 9));

    const match = await matchDense(tf, pair, { memory });

    assertNear(match, matchFeatures(source, target), source, target, tolerance, `seed ${seed}`);
  }
  assert.equal(tf.memory().numTensors, numTensors);
});

test("matchDense() is off by 5e-7 at most on 100,000 dense tokens on TensorFlow", async (tf) => {
  const dense = (seed: number) =>
    sparsify(Float32Array.from({ length: 1e6 }, randomFrom(seed)), 10);
  const [source, target] = [dense(1), dense(2)];

  const match = await matchDense(tf, pairOf(source, target, [30_000]));

  assertNear(match, matchFeatures(source, target), source, target, tolerance);
});

test("matchDense() finds one of several equal features on TensorFlow", async (tf) => {
  // 70 features, seven times over: equal columns far apart, in one tile and in several. TensorFlow
  // adds them up in different orders, so that any of the seven may be the best by the last bit.
  const features = randomDense(500 * 70, 0.3, 7);
  const copies = Float32Array.from(
    { length: 500 * 490 },
    (_, e) => features[Math.floor(e / 490) * 70 + e % 70],
  );
  const [one, seven] = [sparsify(features, 70), sparsify(copies, 490)];
  const order = [...Array(70).keys()];
  const there = pairOf(one, seven, [100]);
  for (const memory of [2 * leastMemory(there), 2 ** 30]) {
    const match = await matchDense(tf, there, { memory });
    assertNear(match, matchFeatures(one, seven), one, seven, tolerance, `${memory} bytes`);
    assert.deepEqual([...match.best].map((j) => j % 70), order);
    assert.deepEqual([...match.runnerUp].map((j) => j % 70), order);
    assert(match.best.every((j, i) => j !== match.runnerUp[i]));
  }
  const { reverse } = await matchDense(tf, pairOf(seven, one, [100]));
  assert.deepEqual([...reverse].map((i) => i % 70), order);
});
