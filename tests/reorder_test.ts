// Features in another order: tensors by their definition, the notebook's own result, and what the
// reordered SAEs do.

import assert from "node:assert/strict";
import { encoderGraph } from "../src/encoder.ts";
import { openFile } from "../src/files.ts";
import { type Model, readModel } from "../src/model.ts";
import { randomFrom } from "../src/random.ts";
import {
  countReordered,
  featureAxes,
  type FeatureAxis,
  reorderTensor,
  reorderTensors,
} from "../src/reorder.ts";
import { readSae } from "../src/sae.ts";
import { createEncoder } from "../src/session.ts";
import { writeReorderedSae } from "../src/write_reordered.ts";
import { type RawTensor, readTensors } from "../src/write_safetensors.ts";
import { inTempDir } from "./_files.ts";

const goldens = new URL("../fixtures/goldens/", import.meta.url).pathname;
const manifest = JSON.parse(Deno.readTextFileSync(`${goldens}manifest.json`));
const origin = { format: 1, fingerprint: "x", step: 1, reference: 2, metric: "cosine" } as const;
const names: string[] = Object.keys(manifest.saes);
const F = 32;

function floatsTensor(name: string, shape: number[], values: ArrayLike<number>): RawTensor {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { name, dtype: "F32", shape, bytes };
}

function floatsOf({ bytes }: RawTensor): number[] {
  return [...new Float32Array(bytes.slice().buffer)];
}

function permutation(n: number, random: () => number): number[] {
  return Array.from({ length: n }, (_, i) => [random(), i]).sort(([a], [b]) => a - b)
    .map(([, i]) => i);
}

Deno.test("reorderTensor() equals its definition on random tensors of every dtype", () => {
  const kinds = { F64: Float64Array, F32: Float32Array, F16: Float16Array, BF16: Uint16Array };
  const tens: Record<string, number> = { F64: -10, F32: -10, F16: -10, BF16: 0xc120 };
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const [dtype, Kind] = Object.entries(kinds)[seed % 4] as [RawTensor["dtype"], typeof kinds.F64];
    const [R, C] = [1 + Math.floor(random() * 4), 1 + Math.floor(random() * 4)];
    const axis = random() < 0.5 ? 0 : 1;
    const rows = Array.from({ length: R }, () => Array.from({ length: C }, () => random() * 99));
    const stored = Kind.from(rows.flat());
    const at = (r: number, c: number) => stored[r * C + c];
    const nFeatures = [R, C][axis];
    const best = Array.from(
      { length: Math.floor(random() * 6) },
      () => Math.floor(random() * (nFeatures + 1)) - 1,
    );

    const tensor = { name: "w", dtype, shape: [R, C], bytes: new Uint8Array(stored.buffer) };
    const result = reorderTensor(tensor, best, { axis, absent: -10 });

    const expected = axis === 0
      ? best.map((j) =>
        Array.from(
          { length: C },
          (_, c) => j < 0 ? (c === 0 ? tens[dtype] : 0) : at(j, c),
        )
      )
      : rows.map((_, r) => best.map((j) => j < 0 ? tens[dtype] : at(r, j)));
    assert.deepEqual([...new Kind(result.bytes.slice().buffer)], expected.flat(), `seed ${seed}`);
    assert.deepEqual(
      { ...result, bytes: 0 },
      { ...tensor, shape: [R, C].with(axis, best.length), bytes: 0 },
      `seed ${seed}`,
    );
  }
});

Deno.test("a reordered SAE equals the notebook's, bit for bit", async () => {
  const peer = (await readTensors(
    await openFile(`${goldens}expected/standard-v3-reordered.safetensors`),
  )).tensors;
  const indices = peer.find(({ name }) => name === "feature_indices")!;
  const best = Array.from(new BigInt64Array(indices.bytes.slice().buffer), Number);
  const { tensors } = await readTensors(
    await openFile(`${goldens}saes/standard-v3/sae_weights.safetensors`),
  );

  const reordered = reorderTensors(tensors, best, { dSae: F, isFolded: true, where: "x" });

  for (const name of ["W_enc", "W_dec", "b_enc"]) {
    const [ours, theirs] = [reordered, peer].map((of) => of.find((tensor) => tensor.name === name));
    assert.deepEqual(ours, theirs);
  }
});

Deno.test("a feature without a match is zero, but for its scale, sparsity and folded decoder", () => {
  const row = [3, 4];
  const reordered = (name: string, isFolded: boolean) => {
    const shape = { W_enc: [2, 1], W_dec: [1, 2] }[name] ?? [1];
    const tensor = floatsTensor(name, shape, row.slice(0, shape.length));
    const [result] = reorderTensors([tensor], [-1], { dSae: 1, isFolded, where: "x" });
    return floatsOf(result);
  };
  for (const isFolded of [false, true]) {
    const expected = Object.keys(featureAxes).map((name) => [name, [0]]);
    assert.deepEqual(
      Object.fromEntries(Object.keys(featureAxes).map((name) => [name, reordered(name, isFolded)])),
      {
        ...Object.fromEntries(expected),
        W_enc: [0, 0],
        W_dec: isFolded ? [1, 0] : [0, 0],
        scaling_factor: [1],
        sparsity: [-10],
      },
    );
  }
});

Deno.test("reorderTensors() refuses a tensor that it does not know, or of other features", () => {
  const reorder = (tensor: RawTensor) =>
    reorderTensors([tensor], [0], { dSae: 2, isFolded: false, where: "x.safetensors" });
  assert.throws(() => reorder(floatsTensor("W_skip", [2], [1, 2])), {
    name: "DataError",
    message: 'Cannot reorder tensor "W_skip" in x.safetensors: expected W_enc, W_dec, b_enc, ' +
      "b_gate, b_mag, r_mag, threshold, log_threshold, scaling_factor, sparsity, b_dec, " +
      "topk_threshold, got another tensor",
  });
  assert.throws(() => reorder(floatsTensor("b_enc", [3], [1, 2, 3])), {
    name: "DataError",
    message: 'Cannot reorder tensor "b_enc" in x.safetensors: expected 2 features, got shape [3]',
  });
});

Deno.test("reorderTensor() refuses a feature that is not there, and whole numbers", () => {
  const bias: FeatureAxis = { axis: 0, absent: 0 };
  for (const feature of [2, -2, 0.5]) {
    assert.throws(() => reorderTensor(floatsTensor("b_enc", [2], [1, 2]), [0, feature], bias), {
      name: "RangeError",
      message: `Cannot take feature ${feature} of "b_enc": expected -1 to 1, got ${feature}`,
    });
  }
  const integers = { ...floatsTensor("b_enc", [1], [1]), dtype: "I32" } as const;
  assert.throws(() => reorderTensor(integers, [0], bias), {
    name: "RangeError",
    message: "Cannot write a number as I32: expected F64, F32, F16 or BF16",
  });
});

Deno.test("countReordered() calls a TopK exact only where every feature is there once", () => {
  const cases: [best: number[], isTopk: boolean, absent: number, copies: number, exact: boolean][] =
    [
      [[1, 0], true, 0, 0, true],
      [[1, -1, 0], true, 1, 0, true],
      [[1, 1], true, 0, 1, false],
      [[1, 0, 1], true, 0, 1, false],
      [[1], true, 0, 0, false],
      [[1, 1, -1], false, 1, 1, true],
    ];
  for (const [best, isTopk, n_absent, n_copies, is_exact] of cases) {
    assert.deepEqual(countReordered(best, { dSae: 2, isTopk }), { n_absent, n_copies, is_exact });
  }
});

const tokens = Int32Array.from({ length: 64 }, (_, n) => (n * 37 + 11) % 90);
let model: Promise<Model> | undefined;

async function activationsOf(folder: string): Promise<Float32Array> {
  model ??= readModel(goldens + manifest.models["main-fp32"].dir);
  const encoder = await createEncoder(
    encoderGraph(await model, await readSae(folder), { length: 16 }),
  );
  try {
    const encoded = await encoder.encode(tokens);
    assert("activations" in encoded);
    return encoded.activations;
  } finally {
    await encoder.release();
  }
}

for (const name of names) {
  Deno.test(`each feature of SAE ${name} in another order fires as before`, async () => {
    await inTempDir(async (folder) => {
      const from = `${goldens}saes/${name}`;
      const random = randomFrom(7);
      const isTopk = (await readSae(from)).activation.kind === "topk";
      // Of a TopK each once; of the others some twice and some not at all.
      const best = isTopk
        ? [...permutation(F, random), -1, -1]
        : [...permutation(F, random).slice(0, 20), 3, -1, 3, -1, 5];
      const info = await writeReorderedSae(from, folder, best, origin);
      assert.equal(info.n_absent, 2);
      // SAELens takes the k largest of a batch there; here its threshold is used.
      assert.equal(info.is_exact, name !== "batchtopk-v6-training");

      const [before, after] = [await activationsOf(from), await activationsOf(folder)];

      const S = best.length;
      assert.equal(after.length, tokens.length * S);
      assert(before.some((a) => a > 0));
      after.forEach((a, e) => {
        const j = best[e % S];
        const expected = j < 0 ? 0 : before[Math.floor(e / S) * F + j];
        const isClose = Math.abs(a - expected) <= 1e-6 * (1 + Math.abs(expected));
        assert(isClose && (j >= 0 || a === 0), `${name} ${e}: ${a} for ${expected}`);
      });
      const { decoder, encoderScale } = await readSae(folder);
      assert([...decoder, ...encoderScale].every(Number.isFinite));
    });
  });
}

Deno.test("a TopK with a feature twice is not exact, and what never fires does not", async () => {
  await inTempDir(async (folder) => {
    const best = [...Array(F - 2).keys(), 0, -1];
    const info = await writeReorderedSae(`${goldens}saes/topk-v6`, folder, best, origin);

    assert.deepEqual(info, { ...origin, n_absent: 1, n_copies: 1, is_exact: false });
    const activations = await activationsOf(folder);
    activations.forEach((a, e) => assert(e % F !== F - 1 || a === 0));
  });
});
