// A run through an encoder: the norm of what the SAE reads at every token.

import assert from "node:assert/strict";
import { encodeRun } from "../src/encode_run.ts";
import { encoderGraph } from "../src/encoder.ts";
import { openFile } from "../src/files.ts";
import { readModel } from "../src/model.ts";
import { readSae } from "../src/sae.ts";
import { readEntries, readFloats } from "../src/safetensors.ts";
import { createEncoder, type Encoder } from "../src/session.ts";
import { randomDense } from "./_naive.ts";

const goldens = new URL("../fixtures/goldens/", import.meta.url).pathname;
const standard = readSae(`${goldens}saes/standard-v3`);

// ‖x‖ of every row, as on a blackboard.
function naiveNorms(x: Float32Array, D: number): number[] {
  return Array.from({ length: x.length / D }, (_, n) => {
    const squares = [...x.subarray(n * D, (n + 1) * D)].map((v) => v * v);
    return Math.fround(Math.sqrt(squares.reduce((sum, square) => sum + square, 0)));
  });
}

// The norms of a run of an encoder by hand, of which nothing fires.
async function normsOf(x: Float32Array, D: number, nRows = x.length / D): Promise<number[]> {
  const length = x.length / D;
  const encoder: Encoder = {
    length,
    encode: () => Promise.resolve({ x, activations: new Float32Array(2 * length) }),
    release: () => Promise.resolve(),
  };
  const plan = { sae: { ...await standard, dIn: D, dSae: 2 }, threshold: 0 };
  const run = { ids: new Int32Array(length), start: 0, nRows, isMeasured: [false] };
  return [...(await encodeRun(run, encoder, plan)).norms];
}

Deno.test("norms equal their definition, bit for bit, on the rows that count", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const [nRows, D] = [1 + seed % 7, 1 + (seed * 5) % 33];
    const x = randomDense((nRows + seed % 3) * D, 0.9, seed).map((v) => v * 10 ** (seed % 9 - 4));
    const expected = naiveNorms(x, D).slice(0, nRows);
    assert.deepEqual(await normsOf(x, D, nRows), expected, `seed ${seed}`);
  }
});

Deno.test("norms scale with x: by a power of two to the last bit, and their sign is lost", async () => {
  const x = randomDense(9 * 12, 1, 1);
  const norms = await normsOf(x, 12);
  assert.deepEqual(await normsOf(x.map((v) => -8 * v), 12), norms.map((norm) => 8 * norm));
});

const refused: Record<string, [values: number[], message: RegExp]> = {
  "NaN": [[1, 1, NaN, 1], /^DataError: Cannot compute the input of .* got NaN at position 1 of /],
  "-∞": [
    [1, 1, 1, -Infinity],
    /compute the input of .* got -Infinity at position 1 of sequence 0;/,
  ],
  "a norm above float32": [
    [1, 1, 3e38, 3e38],
    /compute the norm of the input of SAE .* expected finite numbers, got Infinity at position 1 of/,
  ],
  "such a norm before NaN": [[3e38, 3e38, NaN, 1], /the norm of the input .* at position 0 of /],
};

for (const [name, [values, message]] of Object.entries(refused)) {
  Deno.test(`an input of ${name} is refused by its place`, async () => {
    await assert.rejects(normsOf(Float32Array.from(values), 2), message);
  });
}

Deno.test("norms are the lengths of TransformerLens' residual stream", async () => {
  const { dir, expected } = JSON.parse(
    Deno.readTextFileSync(`${goldens}manifest.json`),
  ).models["main-fp32"];
  const entries = await readEntries(await openFile(goldens + expected));
  const { shape, source, start, end } = entries.get("tokens")!;
  const { buffer } = await source.read(start, end);
  const ids = Int32Array.from(new BigInt64Array(buffer), Number);
  const [model, sae] = [
    await readModel(goldens + dir),
    await readSae(`${goldens}saes/standard-v3`),
  ];
  const encoder = await createEncoder(encoderGraph(model, sae, { length: shape[1] }));
  try {
    const run = { ids, start: 0, nRows: ids.length, isMeasured: Array(shape[0]).fill(false) };
    const { norms } = await encodeRun(run, encoder, { sae, threshold: 0 });
    const peer = await readFloats(entries.get(`tl_default.${sae.hook.name}`)!);
    const off = naiveNorms(peer, sae.dIn).map((norm, n) => Math.abs(norms[n] / norm - 1));
    assert.equal(off.length, norms.length);
    assert(Math.max(...off) < 2e-6, `${Math.max(...off)}`);
  } finally {
    await encoder.release();
  }
});
