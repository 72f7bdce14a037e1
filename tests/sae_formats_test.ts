// SAEs in the files of five collections, as their own packages wrote them, and what those packages make
// of them: fixtures/sae_formats/make/make.py says how. Through the real graph, from tokens.

import assert from "node:assert/strict";
import { encoderGraph } from "../src/encoder.ts";
import { encodeRun } from "../src/encode_run.ts";
import { openFile } from "../src/files.ts";
import { readModel } from "../src/model.ts";
import { detectSaeFormat, readSae, type Sae, type SaeTold } from "../src/sae.ts";
import { turned } from "../src/sae_form.ts";
import { encodeSafetensors, readEntries, readFloats } from "../src/safetensors.ts";
import { createEncoder } from "../src/session.ts";
import { inTempDir } from "./_files.ts";

const folder = new URL("../fixtures/sae_formats/", import.meta.url).pathname;
const hook = "blocks.0.hook_resid_post";
const tokens: number[][] = JSON.parse(Deno.readTextFileSync(`${folder}tokens.json`));
const gemma = (kind: string) => {
  const within = `gemma_scope/layer_0/${kind}`;
  return `${within}/${[...Deno.readDirSync(folder + within)][0].name}`;
};

interface Golden {
  readonly path: string;
  readonly told?: SaeTold;
  readonly says: Partial<Sae>;
}

const both = { hook, contextSize: 16 };
const goldens: Readonly<Record<string, Golden>> = {
  sparsify_topk: {
    path: "sparsify/layers.0",
    says: { format: "sparsify", subtractsDecoderBias: true, expectedL0: { value: 6, source: "k" } },
  },
  sparsify_groupmax: { path: "sparsify_groupmax", told: both, says: { format: "sparsify" } },
  AutoEncoder: {
    path: "dictionary_learning/AutoEncoder",
    says: { format: "dictionary_learning", isFolded: true, subtractsDecoderBias: true },
  },
  AutoEncoderNew: {
    path: "dictionary_learning/AutoEncoderNew",
    told: both,
    says: { isFolded: false, subtractsDecoderBias: false, expectedL0: undefined },
  },
  AutoEncoderTopK: {
    path: "dictionary_learning/AutoEncoderTopK",
    says: { activation: { kind: "topk", k: 6 }, expectedL0: { value: 6, source: "k" } },
  },
  BatchTopKSAE: { path: "dictionary_learning/BatchTopKSAE", says: { isEncoderTransposed: false } },
  MatryoshkaBatchTopKSAE: { path: "dictionary_learning/MatryoshkaBatchTopKSAE", says: {} },
  GatedAutoEncoder: { path: "dictionary_learning/GatedAutoEncoder", says: { isFolded: false } },
  JumpReluAutoEncoder: {
    path: "dictionary_learning/JumpReluAutoEncoder",
    says: { subtractsDecoderBias: false, expectedL0: undefined },
  },
  gemma_stored: {
    path: gemma("gemma_stored"),
    told: both,
    says: { format: "Gemma Scope", encoderValues: undefined },
  },
  gemma_deflated: { path: gemma("gemma_deflated"), told: both, says: { format: "Gemma Scope" } },
  llama_scope: {
    path: "llama_scope",
    told: { contextSize: 16 },
    says: { format: "Llama Scope", isEncoderTransposed: true },
  },
  saelens_centred: { path: "saelens_centred", says: { format: "SAELens", isProcessed: true } },
};

// The largest |a − b| over the largest |b|.
function relative(actual: ArrayLike<number>, expected: Float32Array): number {
  assert.equal(actual.length, expected.length);
  let [error, size] = [0, 0];
  expected.forEach((b, e) => {
    error = Math.max(error, Math.abs(actual[e] - b));
    size = Math.max(size, Math.abs(b));
  });
  return error / size;
}

for (const [name, { path, told = {}, says }] of Object.entries(goldens)) {
  Deno.test(`the activations and reconstructions of ${name} equal its own package's`, async () => {
    const sae = await readSae(folder + path, told);
    assert.equal(sae.format, await detectSaeFormat(folder + path));
    assert.equal(sae.hook.name, hook);
    assert.equal(sae.contextSize, 16);
    for (const [key, value] of Object.entries(says)) {
      assert.deepEqual(sae[key as keyof Sae], value, key);
    }
    const { dIn: D, dSae: F } = sae;
    const ids = Int32Array.from(tokens.slice(0, 4).flat());
    const encoder = await createEncoder(encoderGraph(await readModel(`${folder}model`), sae));
    try {
      const encoded = await encoder.encode(ids);
      assert("activations" in encoded);
      const { activations } = encoded;
      const entries = await readEntries(await openFile(`${folder}expected.safetensors`));
      const peer = (what: string) => readFloats(entries.get(`${name}.${what}`)!);
      const [acts, recon] = [await peer("acts"), await peer("recon")];

      const active = (values: Float32Array) => [...values.keys()].filter((e) => values[e] !== 0);
      assert.deepEqual(active(activations), active(acts));
      const error = relative(activations, acts);
      assert(error <= 1e-5, `activations differ by ${error}`);

      const scale = sae.normalization.kind === "expected_average_only_in"
        ? sae.normalization.scale
        : 1;
      const ours = recon.map((_, e) => {
        const [n, d] = [Math.floor(e / D), e % D];
        let sum = sae.decoderBias[d];
        for (let f = 0; f < F; f++) sum += activations[n * F + f] * sae.decoder[f * D + d];
        return sum / scale;
      });
      const reconError = relative(ours, recon);
      assert(reconError <= 1e-5, `reconstructions differ by ${reconError}`);

      // The measured quality is that of the peer's reconstruction.
      const run = { ids, start: 0, nRows: 64, isMeasured: [true, true, true, true] };
      const { sums } = await encodeRun(run, encoder, { sae, threshold: 0 });
      let [ourError, peerError] = [0, 0];
      for (const { reconstruction } of sums) ourError += reconstruction!.squaredError;
      recon.forEach((v, e) => peerError += (v - encoded.x[e]) ** 2);
      assert(Math.abs(ourError - peerError) <= 1e-4 * peerError, `${ourError}, ${peerError}`);
    } finally {
      await encoder.release();
    }
  });
}

Deno.test("an encoder gives the same whichever way it lies, on the disk or in the graph", () =>
  inTempDir(async (within) => {
    const sae = await readSae(`${folder}dictionary_learning/AutoEncoder`);
    assert(sae.isFolded && !sae.isEncoderTransposed);
    const [D, F] = sae.encoder.shape;
    const values = await readFloats(sae.encoder);
    const path = `${within}/turned.safetensors`;
    const tensor = { shape: [F, D], data: turned(values, F) };
    Deno.writeFileSync(path, encodeSafetensors({ turned: tensor }));
    const entry = (await readEntries(await openFile(path))).get("turned")!;
    const ways: Sae[] = [
      sae,
      { ...sae, encoderValues: values },
      { ...sae, encoder: entry, isEncoderTransposed: true },
      { ...sae, encoderValues: tensor.data, isEncoderTransposed: true },
    ];
    const found: Float32Array[] = [];
    for (const way of ways) {
      const encoder = await createEncoder(encoderGraph(await readModel(`${folder}model`), way));
      const encoded = await encoder.encode(Int32Array.from(tokens[0]));
      assert("activations" in encoded);
      found.push(encoded.activations.slice());
      await encoder.release();
    }
    for (const other of found.slice(1)) assert(relative(other, found[0]) < 1e-6);
  }));
