// Every architecture against transformers and TransformerLens, on the models of fixtures/architectures.

import assert from "node:assert/strict";
import { hookPoints, parseHook } from "../src/hooks.ts";
import { logitLens, readUnembedding } from "../src/logit_lens.ts";
import { type Model, readModel } from "../src/model.ts";
import { openFile } from "../src/files.ts";
import { type Builder, buildGraph, type Value } from "../src/onnx.ts";
import { encodeSafetensors, readEntries, readFloats, type Tensor } from "../src/safetensors.ts";
import { openGraph, planGraph } from "../src/session.ts";

const folder = new URL("../fixtures/architectures/", import.meta.url).pathname;
const names = [...Deno.readDirSync(folder)].filter((e) => e.isDirectory).map((e) => e.name).sort();

type Named = Record<string, Tensor>;

async function tensorsOf(path: string): Promise<Named> {
  const found: Named = {};
  for (const [name, entry] of await readEntries(await openFile(path))) {
    if (entry.dtype === "I64") continue;
    found[name] = { shape: entry.shape, data: await readFloats(entry) };
  }
  return found;
}

async function tokensOf(name: string): Promise<{ ids: Int32Array; length: number }> {
  const path = `${folder}${name}/expected.safetensors`;
  const { source, start, end, shape } = (await readEntries(await openFile(path))).get("tokens")!;
  const ids = new BigInt64Array((await source.read(start, end)).buffer);
  return { ids: Int32Array.from(ids, Number), length: shape[1] };
}

// |a − b| ≤ 1e-5 + 2e-5 |b|: the peers' own float32 is up to 3e-5 from these float64 values.
function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  let worst = 0;
  for (let e = 0; e < expected.length; e++) {
    const off = Math.abs(actual[e] - expected[e]) / (1e-5 + 2e-5 * Math.abs(expected[e]));
    worst = Number.isNaN(off) ? Infinity : Math.max(worst, off);
  }
  assert(worst <= 1, `${what}: ${worst} times the tolerance`);
}

Deno.test("every architecture has a plain model and an odd one", () => {
  assert.deepEqual(names, Object.keys(nChanged));
});

// HookedTransformer drops the biases of a Llama and cannot load an OLMo 2 with fewer heads of keys;
// TransformerBridge cannot fold the biases of one.
const unable: Readonly<Record<string, readonly string[]>> = {
  llama_with_biases: ["hooked raw", "hooked processed"],
  olmo2_in_groups: ["hooked raw", "hooked processed", "bridge processed"],
};

Deno.test("TransformerLens gave these values too, where it can load the model", () => {
  const { transformer_lens: peers } = JSON.parse(Deno.readTextFileSync(`${folder}expected.json`));
  assert.deepEqual(Object.keys(peers).sort(), names);
  for (const name of names) {
    const differences = Object.entries<number | string>(peers[name]);
    assert.equal(differences.length, 4);
    const off = differences.filter(([, by]) => !(Number(by) <= 3e-5)).map(([kind]) => kind);
    assert.deepEqual(off, unable[name] ?? [], name);
  }
});

type Arrays = Readonly<Record<string, ArrayLike<number>>>;

// Runs one graph with many outputs.
async function run(
  { ids, length }: { readonly ids: Int32Array; readonly length: number },
  names: readonly string[],
  build: (b: Builder, name: string) => Value,
): Promise<Arrays> {
  const port = { dtype: "float32", shape: ["tokens", "d"] } as const;
  const graph = buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", length] } },
    Object.fromEntries(names.map((name) => [name, port])),
    (b) => Object.fromEntries(names.map((name) => [name, build(b, name)])),
  );
  const session = await openGraph(planGraph(graph));
  try {
    return await session.run({ tokens: { data: ids, shape: [ids.length / length, length] } });
  } finally {
    await session.release();
  }
}

// Values at hooks that are named "raw.<hook>" or "processed.<hook>", and "logits".
async function valuesOf(model: Model, name: string, keys: readonly string[]): Promise<Arrays> {
  const tokens = await tokensOf(name);
  const at = (b: Builder, hook: string, isProcessed: boolean) =>
    model.graph(b, "tokens", {
      hook: parseHook(hook, "the test"),
      length: tokens.length,
      isProcessed,
    });
  return await run(tokens, keys, (b, key) => {
    if (key === "logits") return model.head().logits(b, at(b, model.last.name, false));
    const [form, ...hook] = key.split(".");
    return at(b, hook.join("."), form === "processed");
  });
}

// At how many places of a block TransformerLens' default loading gives other values: a layer norm's
// are centred, an RMS norm's are not, and biases are taken out of the heads' mixtures.
const nChanged: Readonly<Record<string, number>> = {
  gpt2: 6,
  gpt2_scaled_by_layer: 6,
  llama: 0,
  llama_tied_in_groups: 0,
  llama_with_biases: 1,
  olmo2: 0,
  olmo2_in_groups: 1,
};

for (const name of names) {
  const expected = await tensorsOf(`${folder}${name}/expected.safetensors`);
  const title = name.replaceAll("_", " ");
  const keys = Object.keys(expected).filter((key) => /^(raw|processed)\./.test(key));

  Deno.test(`${title} equals transformers at every hook of every block, and in its logits`, async () => {
    const raw = keys.filter((key) => key.startsWith("raw."));
    assert.equal(raw.length, 2 * hookPoints.length);
    const model = await readModel(folder + name);
    const found = await valuesOf(model, name, [...raw, "logits"]);
    for (const key of [...raw, "logits"]) assertClose(found[key], expected[key].data, key);
  });

  Deno.test(`${title}, as TransformerLens loads it by default, equals its rules at every hook`, async () => {
    const model = await readModel(folder + name);
    const of = hookPoints.map((point) => `blocks.1.${point}`);
    const found = await valuesOf(model, name, of.map((hook) => `processed.${hook}`));
    for (const hook of of) {
      const { data } = expected[`processed.${hook}`] ?? expected[`raw.${hook}`];
      assertClose(found[`processed.${hook}`], data, hook);
    }
    const changed = keys.filter((key) => key.startsWith("processed."));
    assert.equal(changed.length, nChanged[name], "places where it changes anything");
  });

  Deno.test(`the logit lens of ${title} is what its own norm and matrix make of directions`, async () => {
    const unembedding = await readUnembedding(folder + name);
    const V = unembedding.vocabulary;
    const { promoted } = logitLens(expected.directions.data, unembedding, { nTop: V });
    const logits = new Float32Array(promoted.logits.length);
    promoted.ids.forEach((id, e) => logits[Math.floor(e / V) * V + id] = promoted.logits[e]);
    assertClose(logits, expected.lens.data, "lens");
  });
}

// A model with other weights, or another config, in a folder of its own.
async function changedModel<T>(
  name: string,
  change: (tensors: Named, config: Record<string, unknown>) => void,
  act: (model: Model) => Promise<T>,
): Promise<T> {
  const where = await Deno.makeTempDir();
  try {
    const { entries } = (await readModel(folder + name)).weights;
    const tensors: Named = {};
    for (const entry of entries.values()) {
      tensors[entry.name] = { shape: entry.shape, data: await readFloats(entry) };
    }
    const config = JSON.parse(Deno.readTextFileSync(`${folder}${name}/config.json`));
    change(tensors, config);
    await Deno.writeTextFile(`${where}/config.json`, JSON.stringify(config));
    await Deno.writeFile(`${where}/model.safetensors`, encodeSafetensors(tensors));
    return await act(await readModel(where));
  } finally {
    await Deno.remove(where, { recursive: true });
  }
}

// Rows [G·K, ...] with those of every head twice, side by side: [2·G·K, ...].
function twice({ shape: [rows, ...rest], data }: Tensor, nHeads: number): Tensor {
  const each = data.length / nHeads;
  const doubled = new Float32Array(2 * data.length);
  for (let head = 0; head < nHeads; head++) {
    const part = data.subarray(head * each, (head + 1) * each);
    doubled.set(part, 2 * head * each);
    doubled.set(part, (2 * head + 1) * each);
  }
  return { shape: [2 * rows, ...rest], data: doubled };
}

Deno.test("two heads of keys, shared by four, are four heads of keys that are equal two by two", async () => {
  const name = "llama_tied_in_groups";
  const keys = ["raw.blocks.1.attn.hook_z", "logits"];
  const wanted = await valuesOf(await readModel(folder + name), name, keys);
  const found = await changedModel(name, (tensors, config) => {
    config.num_key_value_heads = 4;
    for (const [tensor, value] of Object.entries(tensors)) {
      if (/\.(k|v)_proj\.weight$/.test(tensor)) tensors[tensor] = twice(value, 2);
    }
  }, (model) => valuesOf(model, name, keys));
  for (const key of keys) assertClose(found[key], wanted[key], key);
});

Deno.test("gpt2 without scaled scores is gpt2 with queries that are √K times smaller", async () => {
  const [name, D, K] = ["gpt2", 32, 8];
  const keys = ["raw.blocks.1.attn.hook_z", "logits"];
  const wanted = await valuesOf(await readModel(folder + name), name, keys);
  const found = await changedModel(name, (tensors, config) => {
    config.scale_attn_weights = false;
    for (const [tensor, { shape, data }] of Object.entries(tensors)) {
      if (!/c_attn\.(weight|bias)$/.test(tensor)) continue;
      const smaller = data.map((v, e) => e % (3 * D) < D ? v / Math.sqrt(K) : v);
      tensors[tensor] = { shape, data: smaller };
    }
  }, (model) => valuesOf(model, name, keys));
  for (const key of keys) assertClose(found[key], wanted[key], key);
});

Deno.test("weights of 16 bits are the same numbers in 32", async () => {
  for (const name of ["gpt2", "llama_tied_in_groups", "olmo2"]) {
    const wanted = await valuesOf(await readModel(folder + name), name, ["logits"]);
    const found = await changedModel(name, () => {}, (model) => valuesOf(model, name, ["logits"]));
    assert.deepEqual(found.logits, wanted.logits, name);
  }
});

Deno.test("a sequence gives the same alone and beside another", async () => {
  for (const name of names) {
    const model = await readModel(folder + name);
    const { ids, length } = await tokensOf(name);
    const last = (b: Builder) =>
      model.graph(b, "tokens", { hook: model.last, length, isProcessed: false });
    const both = await run({ ids, length }, ["x"], last);
    const first = await run({ ids: ids.slice(0, length), length }, ["x"], last);
    const second = await run({ ids: ids.slice(length), length }, ["x"], last);
    assert.deepEqual([...Array.from(first.x), ...Array.from(second.x)], Array.from(both.x), name);
  }
});
