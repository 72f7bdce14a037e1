// The blocks that leave a graph, against the dense matrix that they are of.

import assert from "node:assert/strict";
import { blocksOf, blockWidth, type Encoded, sparseRows } from "../src/blocks_out.ts";
import { encoderGraph } from "../src/encoder.ts";
import { readModel } from "../src/model.ts";
import { buildGraph } from "../src/onnx.ts";
import { randomFrom } from "../src/random.ts";
import { readSae } from "../src/sae.ts";
import { createEncoder } from "../src/session.ts";
import { sparsify } from "../src/sparse.ts";

const goldens = new URL("../fixtures/goldens/", import.meta.url).pathname;
const manifest = JSON.parse(Deno.readTextFileSync(`${goldens}manifest.json`));

// Values of which a share is above zero, the others zero.
function randomActivations(length: number, density: number, seed: number): Float32Array {
  const random = randomFrom(seed);
  return new Float32Array(length).map(() => random() < density ? random() : 0);
}

// What a graph gives of constant activations.
async function throughGraph(activations: Float32Array, nFeatures: number): Promise<Encoded> {
  const nRows = activations.length / nFeatures;
  const graph = buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", 1] } },
    {
      x: { dtype: "int32", shape: ["sequences", 1] },
      blocks: { dtype: "float32", shape: ["blocks", blockWidth(nFeatures)] },
      places: { dtype: "int32", shape: ["blocks"] },
    },
    (b) => ({
      x: b.op("Identity", ["tokens"]),
      ...blocksOf(b, b.floats(activations, [nRows, nFeatures]), nFeatures),
    }),
  );
  const encoder = await createEncoder(graph);
  try {
    return await encoder.encode(new Int32Array(1));
  } finally {
    await encoder.release();
  }
}

Deno.test("blockWidth() is the largest power of two up to 16 that divides", () => {
  assert.deepEqual([8192, 24, 18, 100, 7].map(blockWidth), [16, 8, 2, 4, 1]);
});

Deno.test("sparse rows of blocks are those of the dense matrix", async () => {
  for (let seed = 0; seed < 30; seed++) {
    const [nFeatures, nRows] = [[16, 48, 24, 7][seed % 4], 1 + seed % 5];
    const dense = randomActivations(nRows * nFeatures, [0, 0.02, 0.3, 1][seed % 3], seed);
    const threshold = seed % 2 ? 0.5 : 0;
    const encoded = await throughGraph(dense, nFeatures);
    assert.deepEqual(
      sparseRows(encoded, nFeatures, { nRows, threshold }),
      sparsify(dense, nFeatures, threshold),
      `seed ${seed}`,
    );
    const cut = dense.subarray(0, (nRows - 1) * nFeatures);
    assert.deepEqual(
      sparseRows(encoded, nFeatures, { nRows: nRows - 1, threshold }),
      sparsify(cut, nFeatures, threshold),
      `seed ${seed}, the last row cut`,
    );
  }
});

Deno.test("blocks let NaN, infinity and the smallest of numbers through", async () => {
  const odd = [NaN, Infinity, 2 ** -149];
  const dense = new Float32Array(3 * 32);
  odd.forEach((value, row) => dense[row * 32 + 17] = value);
  const { columns, values } = sparseRows(await throughGraph(dense, 32), 32, { nRows: 3 });
  assert.deepEqual([...columns], [17, 17, 17]);
  assert.deepEqual([...values], odd);
});

for (
  const [name, { dir, input }] of Object.entries<{ dir: string; input: string }>(manifest.saes)
) {
  Deno.test(`SAE ${name} gives the same rows by blocks as dense, none below zero`, async () => {
    const model = await readModel(goldens + manifest.models["main-fp32"].dir);
    const sae = await readSae(goldens + dir);
    const random = randomFrom(1);
    const ids = new Int32Array(64).map(() => Math.floor(random() * model.vocabulary));
    const rows = await Promise.all([true, false].map(async (givesBlocks) => {
      const encoder = await createEncoder(encoderGraph(model, sae, {
        length: 16,
        isProcessed: input === "tl_default",
        form: { hasHalf: true, givesBlocks },
      }));
      try {
        const encoded = await encoder.encode(ids);
        assert.equal("blocks" in encoded, givesBlocks);
        return sparseRows(encoded, sae.dSae, { nRows: 64 });
      } finally {
        await encoder.release();
      }
    }));
    assert(rows[0].values.length > 0 && rows[0].values.every((value) => value > 0));
    assert.deepEqual(rows[0], rows[1]);
  });
}
