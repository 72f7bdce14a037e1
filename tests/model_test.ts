// What readModel() finds in a folder, and what it and its graphs refuse.

import assert from "node:assert/strict";
import { parseHook } from "../src/hooks.ts";
import { type Model, readModel } from "../src/model.ts";
import { buildGraph, type Graph } from "../src/onnx.ts";
import { encodeSafetensors, type Tensor } from "../src/safetensors.ts";

const folder = new URL("../fixtures/architectures/", import.meta.url).pathname;

function graphOf(model: Model, hook: string, length = 8): Graph {
  return buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", length] } },
    { x: { dtype: "float32", shape: ["tokens", "d"] } },
    (b) => ({
      x: model.graph(b, "tokens", {
        hook: parseHook(hook, "the test"),
        length,
        isProcessed: false,
      }),
    }),
  );
}

type Shapes = Readonly<Record<string, readonly number[]>>;

// Does something with a folder of config.json and zeros of some shapes.
async function withModel<T>(
  config: object,
  shapes: Shapes,
  act: (model: Model) => T,
): Promise<T> {
  const where = await Deno.makeTempDir();
  const tensors = Object.entries(shapes).map(([name, shape]): [string, Tensor] => [
    name,
    { shape, data: new Float32Array(shape.reduce((n, d) => n * d, 1)) },
  ]);
  try {
    await Deno.writeTextFile(`${where}/config.json`, JSON.stringify(config));
    const bytes = encodeSafetensors(Object.fromEntries(tensors));
    await Deno.writeFile(`${where}/model.safetensors`, bytes);
    return act(await readModel(where));
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(where, "f");
    throw error;
  } finally {
    await Deno.remove(where, { recursive: true });
  }
}

for (const type of ["mistral", "olmo", "constructor", undefined]) {
  Deno.test(`readModel() refuses model_type ${type}, and names those it knows`, async () => {
    await assert.rejects(withModel({ model_type: type }, {}, () => {}), {
      name: "DataError",
      message: "Cannot read model f: expected model_type gpt_neox, gpt2, llama, olmo2, got " +
        (type === undefined ? "nothing" : `"${type}"`),
    });
  });
}

for (const name of ["gpt2", "llama", "olmo2"]) {
  Deno.test(`${name} up to its first residual touches its embeddings alone`, async () => {
    const { weights } = graphOf(await readModel(folder + name), "blocks.0.hook_resid_pre");
    const used = [...weights.values()].map((entry) => entry.name);
    const wanted = name === "gpt2" ? ["wte.weight", "wpe.weight"] : ["model.embed_tokens.weight"];
    assert.deepEqual(used, wanted);
  });

  Deno.test(`${name} up to block 0 touches no weight of block 1`, async () => {
    const { weights } = graphOf(await readModel(folder + name), "blocks.0.hook_resid_post");
    const used = [...weights.values()].map((entry) => entry.name);
    assert(used.some((tensor) => tensor.includes(".0.")));
    assert(!used.some((tensor) => tensor.includes(".1.")));
  });

  Deno.test(`${name} has no block beyond its last`, async () => {
    const model = await readModel(folder + name);
    assert.equal(model.last.name, "blocks.1.hook_resid_post");
    assert.throws(() => graphOf(model, "blocks.2.hook_resid_pre"), {
      name: "DataError",
      message: `Cannot read hook blocks.2.hook_resid_pre of ${folder}${name}: ` +
        "expected a block below 2, got block 2",
    });
  });
}

Deno.test("gpt_neox in parallel up to an MLP touches no attention of its block", async () => {
  const model = await readModel(new URL("../fixtures/odd/tanh_gelu", import.meta.url).pathname);
  const { weights } = graphOf(model, "blocks.1.hook_mlp_out");
  const used = [...weights.values()].map((entry) => entry.name);
  assert(used.some((name) => name.includes(".layers.1.mlp.")));
  assert(!used.some((name) => name.includes(".layers.1.attention.")));
});

Deno.test("gpt2 refuses sequences that are longer than it has positions", async () => {
  const model = await readModel(`${folder}gpt2`);
  assert.doesNotThrow(() => graphOf(model, "blocks.0.hook_resid_pre", 16));
  assert.throws(() => graphOf(model, "blocks.0.hook_resid_pre", 17), {
    name: "DataError",
    message: `Cannot run ${folder}gpt2: expected at most 16 positions, got 17`,
  });
});

const gpt2 = { model_type: "gpt2", n_embd: 4, n_head: 2, n_layer: 1, vocab_size: 3 };
const llama = {
  model_type: "llama",
  hidden_size: 4,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  num_hidden_layers: 1,
  intermediate_size: 6,
  vocab_size: 3,
};
const gpt2Shapes: Shapes = {
  "wte.weight": [3, 4],
  "wpe.weight": [1024, 4],
  "h.0.ln_1.weight": [4],
  "h.0.ln_1.bias": [4],
  "h.0.attn.c_attn.weight": [4, 12],
  "h.0.attn.c_attn.bias": [12],
};

Deno.test("gpt2 keeps a linear map as [in, out], and one that is transposed is refused", async () => {
  const hook = "blocks.0.attn.hook_z";
  await withModel(gpt2, gpt2Shapes, (model) => graphOf(model, hook));
  const transposed = { ...gpt2Shapes, "h.0.attn.c_attn.weight": [12, 4] };
  await assert.rejects(withModel(gpt2, transposed, (model) => graphOf(model, hook)), {
    name: "DataError",
    message: 'Cannot read tensor "h.0.attn.c_attn.weight" in f/model.safetensors: ' +
      "expected shape [4, 12], got shape [12, 4]; save it transposed",
  });
});

Deno.test("llama wants as many rows of keys as config.json has heads of them", async () => {
  const shapes = {
    "model.embed_tokens.weight": [3, 4],
    "model.layers.0.input_layernorm.weight": [4],
    "model.layers.0.self_attn.q_proj.weight": [4, 4],
    "model.layers.0.self_attn.k_proj.weight": [4, 4],
  };
  const act = withModel(llama, shapes, (model) => graphOf(model, "blocks.0.attn.hook_z"));
  await assert.rejects(act, {
    name: "DataError",
    message: 'Cannot read tensor "model.layers.0.self_attn.k_proj.weight" in ' +
      "f/model.safetensors: expected shape [2, 4], got shape [4, 4]",
  });
});

// Which matrix makes logits, where there is one beside the embedding and where there is none.
const heads: Readonly<Record<string, readonly [object, Shapes, string]>> = {
  "gpt2 is tied, if config.json does not say": [
    gpt2,
    { "transformer.wte.weight": [3, 4], "transformer.ln_f.weight": [4] },
    "transformer.wte.weight",
  ],
  "gpt2 of the blocks alone is tied": [
    gpt2,
    { "wte.weight": [3, 4], "ln_f.weight": [4] },
    "wte.weight",
  ],
  "gpt2 that is not tied has its own matrix": [
    { ...gpt2, tie_word_embeddings: false },
    { "transformer.wte.weight": [3, 4], "transformer.ln_f.weight": [4], "lm_head.weight": [3, 4] },
    "lm_head.weight",
  ],
  "gpt2 that is tied, but has its own matrix, has that": [
    gpt2,
    { "transformer.wte.weight": [3, 4], "transformer.ln_f.weight": [4], "lm_head.weight": [3, 4] },
    "lm_head.weight",
  ],
  "llama has its own matrix": [
    llama,
    { "model.embed_tokens.weight": [3, 4], "model.norm.weight": [4], "lm_head.weight": [3, 4] },
    "lm_head.weight",
  ],
  "llama is tied, if config.json says so": [
    { ...llama, tie_word_embeddings: true },
    { "model.embed_tokens.weight": [3, 4], "model.norm.weight": [4] },
    "model.embed_tokens.weight",
  ],
};

for (const [what, [config, shapes, name]] of Object.entries(heads)) {
  Deno.test(`the head: ${what}`, async () => {
    const head = await withModel(config, shapes, (model) => model.head());
    assert.equal(head.matrix.name, name);
    assert.equal(head.isCentring, config === gpt2 || "n_embd" in config);
  });
}

for (const type of ["llama", "olmo2"]) {
  Deno.test(`the head: ${type} without an output matrix is refused, if it is not tied`, async () => {
    const shapes = { "model.embed_tokens.weight": [3, 4], "model.norm.weight": [4] };
    const config = { ...llama, model_type: type };
    await assert.rejects(withModel(config, shapes, (model) => model.head()), {
      name: "DataError",
      message: 'Cannot read tensor "lm_head.weight" in f: expected a tensor of that name, got ' +
        '"model.embed_tokens.weight", "model.norm.weight"',
    });
  });
}

Deno.test("readModel() refuses a tie that is neither true nor false", async () => {
  const config = { ...gpt2, tie_word_embeddings: "no" };
  await assert.rejects(withModel(config, {}, () => {}), {
    name: "DataError",
    message: 'Cannot read "tie_word_embeddings" in f/config.json: expected true or false, got "no"',
  });
});
