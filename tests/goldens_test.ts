// The real peers' numbers: transformers, TransformerLens, SAELens and scipy, as fixtures/goldens holds
// them. Every set that the manifest names is tested; none is listed here.

import assert from "node:assert/strict";
import type { DenseEncoded } from "../src/blocks_out.ts";
import { encoderGraph } from "../src/encoder.ts";
import { openFile } from "../src/files.ts";
import { parseHook } from "../src/hooks.ts";
import { matchFeatures } from "../src/match.ts";
import { readModel } from "../src/model.ts";
import { buildGraph } from "../src/onnx.ts";
import { readSae } from "../src/sae.ts";
import { readEntries, readFloats, type TensorEntry } from "../src/safetensors.ts";
import { createEncoder, type Encoder } from "../src/session.ts";
import type { Sparse } from "../src/sparse.ts";

const folder = new URL("../fixtures/goldens/", import.meta.url).pathname;
const odd = new URL("../fixtures/odd/", import.meta.url).pathname;
const manifest = JSON.parse(Deno.readTextFileSync(`${folder}manifest.json`));

async function tensors(path: string) {
  const entries = await readEntries(await openFile(path));
  return {
    names: [...entries.keys()],
    shape: (name: string) => entries.get(name)!.shape,
    floats: (name: string) => readFloats(entries.get(name)!),
    integers: (name: string) => readIntegers(entries.get(name)!),
  };
}

async function readIntegers({ dtype, source, start, end }: TensorEntry): Promise<number[]> {
  const { buffer } = await source.read(start, end);
  if (dtype === "I64") return Array.from(new BigInt64Array(buffer), Number);
  if (dtype === "I32") return Array.from(new Int32Array(buffer));
  return Array.from(new Uint8Array(buffer));
}

// |a − b| ≤ 5e-6 + 2e-5 |b|: the peers' own float32 is up to 3e-6 from these float64 values.
function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  const off: string[] = [];
  for (let e = 0; e < expected.length; e++) {
    const isClose = Math.abs(actual[e] - expected[e]) <= 5e-6 + 2e-5 * Math.abs(expected[e]);
    if (!isClose) off.push(`${e}: ${actual[e]} for ${expected[e]}`);
  }
  assert.deepEqual(off.slice(0, 5), [], `${what}: ${off.length} differ`);
}

function assertSameActive(actual: Float32Array, expected: Float32Array, what: string): void {
  const active = (values: Float32Array) =>
    Array.from(values.keys()).filter((e) => Math.abs(values[e]) >= 1e-6);
  assert.deepEqual(active(actual), active(expected), what);
}

async function encodeDense(encoder: Encoder, tokens: readonly number[]): Promise<DenseEncoded> {
  const encoded = await encoder.encode(Int32Array.from(tokens));
  assert("activations" in encoded);
  return encoded;
}

// Values at a hook of a model, by a graph that ends there.
async function valuesAt(
  model: string,
  hook: string,
  tokens: Int32Array,
  length: number,
  isProcessed: boolean,
) {
  const read = await readModel(model);
  const graph = buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", length] } },
    {
      x: { dtype: "float32", shape: ["tokens", "d"] },
      activations: { dtype: "float32", shape: ["tokens", "d"] },
    },
    (b) => {
      const x = read.graph(b, "tokens", { length, hook: parseHook(hook, "the test"), isProcessed });
      return { x, activations: x };
    },
  );
  const encoder = await createEncoder(graph);
  try {
    return (await encoder.encode(tokens)).x;
  } finally {
    await encoder.release();
  }
}

for (
  const [name, { dir, expected }] of Object.entries<{ dir: string; expected: string }>(
    manifest.models,
  )
) {
  Deno.test(`the graph of ${name} equals transformers and TransformerLens at every hook`, async () => {
    const peer = await tensors(folder + expected);
    const short = Int32Array.from(await peer.integers("tokens"));
    const hooks = peer.names.filter((key) => /^(raw|tl_default)\.blocks/.test(key));
    assert(hooks.length >= 5);
    for (const key of hooks) {
      const [form, ...rest] = key.split(".");
      const [, length] = peer.shape("tokens");
      const actual = await valuesAt(
        folder + dir,
        rest.join("."),
        short,
        length,
        form === "tl_default",
      );
      assertClose(actual, await peer.floats(key), key);
    }
    const long = peer.names.find((key) => key.startsWith("raw.full_context."));
    if (long !== undefined) {
      const ids = Int32Array.from(await peer.integers("tokens_full_context"));
      const hook = long.slice("raw.full_context.".length);
      assertClose(
        await valuesAt(folder + dir, hook, ids, ids.length, false),
        await peer.floats(long),
        long,
      );
    }
  });
}

for (const { name } of [...Deno.readDirSync(odd)].filter((entry) => entry.isDirectory)) {
  Deno.test(`the graph of a model with ${name.replaceAll("_", " ")} equals transformers`, async () => {
    const peer = await tensors(`${odd}${name}/expected.safetensors`);
    const tokens = Int32Array.from(await peer.integers("tokens"));
    const [, length] = peer.shape("tokens");
    for (const key of peer.names.filter((key) => key.startsWith("hidden_"))) {
      const hook = `blocks.${key.slice("hidden_".length)}.hook_resid_pre`;
      const actual = await valuesAt(odd + name, hook, tokens, length, false);
      assertClose(actual, await peer.floats(key), `${name} ${key}`);
    }
  });
}

for (
  const [name, { dir, hook, input, expected }] of Object.entries<Record<string, string>>(
    manifest.saes,
  )
) {
  Deno.test(`SAE ${name} equals SAELens`, async () => {
    const sae = await readSae(folder + dir);
    assert.equal(sae.hook.name, hook);
    assert.equal(
      sae.isProcessed,
      input === "tl_default" || name === "standard-v6",
      "centring by the rule",
    );

    // What the SAE's own cfg.json asks for is the last of the peer's variants that applies.
    const saes = await tensors(`${folder}expected/saes.safetensors`);
    const cfg = JSON.parse(Deno.readTextFileSync(`${folder}${dir}/cfg.json`));
    const variant = cfg.scale_sparsity_penalty_by_decoder_norm
      ? "acts_folded"
      : cfg.normalize_activations === "expected_average_only_in"
      ? "acts_scale_folded"
      : "acts";
    assert((expected as unknown as string[]).includes(`${name}.${variant}`));

    const main = await tensors(folder + manifest.models["main-fp32"].expected);
    const [, length] = main.shape("tokens");
    const model = await readModel(folder + manifest.models["main-fp32"].dir);
    const encoder = await createEncoder(
      encoderGraph(model, sae, { length, isProcessed: input === "tl_default" }),
    );
    try {
      const { activations } = await encodeDense(encoder, await main.integers("tokens"));
      const peer = await saes.floats(`${name}.${variant}`);
      assertClose(activations, peer, name);
      assertSameActive(activations, peer, name);
    } finally {
      await encoder.release();
    }
  });
}

Deno.test("an SAE folded by hand equals SAELens' fold_W_dec_norm, in every architecture", async () => {
  const saes = await tensors(`${folder}expected/saes.safetensors`);
  const folded = saes.names.filter((key) => /\.acts_(tiny_)?folded$/.test(key));
  assert(folded.length >= 4);
  const main = await tensors(folder + manifest.models["main-fp32"].expected);
  const [, length] = main.shape("tokens");
  const model = await readModel(folder + manifest.models["main-fp32"].dir);
  for (const key of folded) {
    const name = key.split(".acts")[0];
    const { dir, input } = manifest.saes[name];
    const copy = await Deno.makeTempDir();
    try {
      const cfg = JSON.parse(Deno.readTextFileSync(`${folder}${dir}/cfg.json`));
      cfg.scale_sparsity_penalty_by_decoder_norm = true;
      Deno.writeTextFileSync(`${copy}/cfg.json`, JSON.stringify(cfg));
      Deno.copyFileSync(
        `${folder}${dir}/sae_weights.safetensors`,
        `${copy}/sae_weights.safetensors`,
      );
      const sae = await readSae(copy);
      const graph = encoderGraph(model, sae, { length, isProcessed: input === "tl_default" });
      const encoder = await createEncoder(graph);
      const { activations } = await encodeDense(encoder, await main.integers("tokens"));
      await encoder.release();
      assertClose(activations, await saes.floats(key), key);
    } finally {
      await Deno.remove(copy, { recursive: true });
    }
  }
});

async function csr(peer: Awaited<ReturnType<typeof tensors>>, name: string): Promise<Sparse> {
  const [nRows, nCols] = await peer.integers(`${name}.shape`);
  return {
    nRows,
    nCols,
    offsets: Uint32Array.from(await peer.integers(`${name}.indptr`)),
    columns: Uint16Array.from(await peer.integers(`${name}.indices`)),
    values: await peer.floats(`${name}.values`),
  };
}

for (const name of Object.keys(manifest.matching)) {
  Deno.test(`the match of ${name} equals scipy's cosines and their argmax, both ways`, async () => {
    const peer = await tensors(`${folder}expected/${name}.safetensors`);
    const [a, b] = [await csr(peer, "a"), await csr(peer, "b")];
    const match = matchFeatures(a, b);
    const cosines = await peer.floats("cosine_similarity_f64");
    const at = (i: number, j: number) => cosines[i * b.nCols + j];
    const isDead = (counts: Uint32Array) =>
      Array.from(counts.keys()).filter((i) => counts[i] === 0);

    assert.deepEqual(isDead(match.sourceCounts), await peer.integers("dead_a"));
    assert.deepEqual(isDead(match.targetCounts), await peer.integers("dead_b"));
    const forward = await peer.integers("argmax_b_for_a");
    match.best.forEach((j, i) => {
      if (match.sourceCounts[i] === 0) return assert.equal(j, -1);
      assert.equal(j, forward[i]);
      assert(Math.abs(match.similarity[i] - at(i, j)) < 1e-6);
      assert(match.runnerUp[i] !== j && match.runnerUpSimilarity[i] <= match.similarity[i]);
    });
    const backward = await peer.integers("argmax_a_for_b");
    match.reverse.forEach((i, j) => {
      assert.equal(i, match.targetCounts[j] === 0 ? -1 : backward[j]);
    });
  });
}
