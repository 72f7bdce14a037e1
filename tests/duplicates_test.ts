import assert from "node:assert/strict";
import { refuseDuplicates, sameWeights } from "../src/duplicates.ts";
import { bytesInMemory } from "../src/files.ts";
import { readEntries, type TensorEntry } from "../src/safetensors.ts";
import { encodeModel, type MiniModel, train } from "./_families.ts";

// A checkpoint in memory that counts the bytes read of it.
async function counted(step: number, model: MiniModel) {
  const bytes = encodeModel(model);
  const count = { bytes: 0 };
  const source = bytesInMemory(`step${step}/model.safetensors`, bytes);
  const entries = await readEntries({
    ...source,
    read: (a, b) => (count.bytes += b - a, source.read(a, b)),
  });
  count.bytes = 0;
  return { step, weights: { where: `models/step${step}`, entries }, count, size: bytes.length };
}

const large = (x: number): MiniModel => ({
  w: { shape: [4, 50_000], data: new Float32Array(200_000).fill(x) },
  b: { shape: [3], data: new Float32Array(3) },
});

Deno.test("sameWeights() reads little of checkpoints that differ, and all of the same", async () => {
  const family = await Promise.all([1, 2, 3, 2].map((x, step) => counted(step, large(x))));
  assert.deepEqual(await sameWeights(family), [[1, 3]]);
  assert.deepEqual(family.map(({ count, size }) => count.bytes > size / 2), [
    false,
    true,
    false,
    true,
  ]);
  assert(family[0].count.bytes <= 2 * 4096, `${family[0].count.bytes}`);
});

Deno.test("sameWeights() finds one changed element, wherever it is", async () => {
  for (const at of [0, 99_999, 100_000, 199_999]) {
    const { w, b } = large(1);
    const changed = { w: { ...w, data: w.data.with(at, 2) }, b };
    const family = [await counted(0, { w, b }), await counted(1, changed)];
    assert.deepEqual(await sameWeights(family), []);
  }
});

Deno.test("sameWeights() asks for tensors, not for files", async () => {
  const [model] = train([0], 1);
  const names = Object.keys(model).toReversed();
  const other = Object.fromEntries(names.map((name) => [name, model[name]]));
  const family = [await counted(0, model), await counted(5, other), await counted(9, model)];
  assert.deepEqual(await sameWeights(family), [[0, 5, 9]]);
});

Deno.test("sameWeights() tells shapes and dtypes apart, though the bytes are the same", async () => {
  const { w } = large(1);
  const tall = { w: { ...w, shape: [50_000, 4] } };
  const family = [await counted(0, { w }), await counted(1, tall)];
  const entry = family[0].weights.entries.get("w")!;
  const ints: TensorEntry = { ...entry, dtype: "I32" };
  const third = { step: 2, weights: { where: "", entries: new Map([["w", ints]]) } };
  assert.deepEqual(await sameWeights([...family, third]), []);
});

Deno.test("sameWeights() finds several groups, and none in a family as it should be", async () => {
  const steps = [0, 1, 2, 4, 8, 16];
  const models = train(steps, 2);
  const at = (given: readonly MiniModel[]) =>
    Promise.all(steps.map((step, c) => counted(step, given[c])));
  assert.deepEqual(await sameWeights(await at(models)), []);
  const [a, b] = models;
  assert.deepEqual(await sameWeights(await at([a, b, a, b, a, models[5]])), [[0, 2, 8], [1, 4]]);
  assert.deepEqual(await sameWeights([]), []);
});

Deno.test("refuseDuplicates() says which steps, and what to do", async () => {
  const family = await Promise.all([1, 2, 1].map((x, step) => counted(step, large(x))));
  await refuseDuplicates(family.slice(0, 2));
  await assert.rejects(refuseDuplicates(family), {
    name: "DataError",
    message: "Cannot extract steps 0 and 2: expected other weights at every step, got the same " +
      "tensors, bit for bit, in models/step0 and models/step2; get the right ones, leave them out " +
      "with --steps, or give --allow-duplicates",
  });
});
