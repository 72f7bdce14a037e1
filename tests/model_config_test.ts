import assert from "node:assert/strict";
import { type Gpt2Config, parseGpt2Config } from "../src/gpt2.ts";
import { type LlamaConfig, parseLlamaConfig } from "../src/llama.ts";
import { parseOlmo2Config } from "../src/olmo2.ts";

type Json = Readonly<Record<string, unknown>>;
type Cases<Config> = Readonly<Record<string, readonly [Json, Partial<Config>]>>;
type Refused = Readonly<Record<string, readonly [Json, string]>>;

// What config.json says beside `json`, and what then differs from `plain`; or what is said of it.
function testParser<Config>(
  parse: (config: Json, where: string) => Config,
  { json, plain, read, refused }: {
    readonly json: Json;
    readonly plain: Config;
    readonly read: Cases<Config>;
    readonly refused: Refused;
  },
): void {
  for (const [what, [more, differs]] of Object.entries(read)) {
    Deno.test(`${parse.name}() reads ${what}`, () => {
      assert.deepEqual(parse({ ...json, ...more }, "c.json"), { ...plain, ...differs });
    });
  }
  for (const [what, [more, message]] of Object.entries(refused)) {
    Deno.test(`${parse.name}() refuses ${what}`, () => {
      const error = { name: "DataError", message: `Cannot read ${message}` };
      assert.throws(() => parse({ ...json, ...more }, "c.json"), error);
    });
  }
}

testParser<Gpt2Config>(parseGpt2Config, {
  json: { n_embd: 24, n_head: 3, n_layer: 2, vocab_size: 100 },
  plain: {
    hidden: 24,
    nHeads: 3,
    nLayers: 2,
    intermediate: 96,
    vocabulary: 100,
    nPositions: 1024,
    epsilon: 1e-5,
    isScaled: true,
    isScaledByLayer: false,
    activation: "gelu_new",
  },
  read: {
    "what is left out as transformers does": [{}, {}],
    "a width of the MLP that is null": [{ n_inner: null }, {}],
    "a width of the MLP": [{ n_inner: 50 }, { intermediate: 50 }],
    "positions": [{ n_positions: 2048, n_ctx: 1024 }, { nPositions: 2048 }],
    "scores that are not scaled": [{ scale_attn_weights: false }, { isScaled: false }],
    "scores that are scaled by layer": [
      { scale_attn_by_inverse_layer_idx: true, reorder_and_upcast_attn: true },
      { isScaledByLayer: true },
    ],
    "another epsilon": [{ layer_norm_epsilon: 1e-6 }, { epsilon: 1e-6 }],
    "another activation": [{ activation_function: "relu" }, { activation: "relu" }],
  },
  refused: {
    "no width": [{ n_embd: null }, '"n_embd" in c.json: expected a count, got null'],
    "a width that heads do not divide": [
      { n_embd: 25 },
      '"n_embd" in c.json: expected a multiple of 3 heads, got 25',
    ],
    "no layers": [{ n_layer: 0 }, '"n_layer" in c.json: expected a count, got 0'],
    "a broken width of the MLP": [
      { n_inner: 1.5 },
      '"n_inner" in c.json: expected a count, got 1.5',
    ],
    "a negative epsilon": [
      { layer_norm_epsilon: -1 },
      '"layer_norm_epsilon" in c.json: expected a number above 0, got -1',
    ],
    "a switch that is text": [
      { scale_attn_weights: "true" },
      '"scale_attn_weights" in c.json: expected true or false, got "true"',
    ],
    "an unknown activation": [
      { activation_function: "mish" },
      '"activation_function" in c.json: expected gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, ' +
      'relu, got "mish"',
    ],
  },
});

const json = {
  hidden_size: 24,
  num_attention_heads: 6,
  num_hidden_layers: 2,
  intermediate_size: 40,
  vocab_size: 100,
};

const plain: LlamaConfig = {
  hidden: 24,
  nHeads: 6,
  nKeyHeads: 6,
  headWidth: 4,
  nLayers: 2,
  intermediate: 40,
  vocabulary: 100,
  theta: 10000,
  epsilon: 1e-6,
  hasAttentionBias: false,
  hasMlpBias: false,
  activation: "silu",
};

const shared: Cases<LlamaConfig> = {
  "what is left out as transformers does": [{}, {}],
  "what is null as left out": [
    { head_dim: null, num_key_value_heads: null, rope_scaling: null, attention_bias: null },
    {},
  ],
  "fewer heads of keys": [{ num_key_value_heads: 2 }, { nKeyHeads: 2 }],
  "the width of a head": [{ head_dim: 10 }, { headWidth: 10 }],
  "heads that do not fill the width": [
    { hidden_size: 25, head_dim: 10 },
    { hidden: 25, headWidth: 10 },
  ],
  "theta as transformers 4 spells it": [{ rope_theta: 500 }, { theta: 500 }],
  "theta as transformers 5 spells it": [
    { rope_parameters: { rope_type: "default", rope_theta: 500 } },
    { theta: 500 },
  ],
  "biases of attention": [{ attention_bias: true }, { hasAttentionBias: true }],
  "another epsilon": [{ rms_norm_eps: 1e-3 }, { epsilon: 1e-3 }],
  "another activation": [{ hidden_act: "gelu" }, { activation: "gelu" }],
};

const scaled = ["linear", "dynamic", "yarn", "longrope", "llama3"];
const refused: Refused = {
  "heads of keys that heads are no multiple of": [
    { num_key_value_heads: 4 },
    '"num_key_value_heads" in c.json: expected a divisor of 6 heads, got 4',
  ],
  "a width that heads do not divide": [
    { hidden_size: 25 },
    '"hidden_size" in c.json: expected a multiple of 6 heads, got 25',
  ],
  "an odd width of a head": [
    { head_dim: 5 },
    '"head_dim" in c.json: expected an even number, got 5',
  ],
  "an unknown activation": [
    { hidden_act: "mish" },
    '"hidden_act" in c.json: expected gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, ' +
    'silu, got "mish"',
  ],
  "a theta of 0": [
    { rope_theta: 0 },
    '"rope_theta" in c.json: expected a number above 0, got 0',
  ],
  ...Object.fromEntries(scaled.flatMap((kind) => {
    const message = `"rope_type" in c.json: expected "default", got "${kind}"`;
    return [
      [`${kind} positions, early`, [{ rope_scaling: { type: kind, factor: 2 } }, message]],
      [`${kind} positions`, [{ rope_scaling: { rope_type: kind, factor: 2 } }, message]],
      [`${kind} positions, late`, [{ rope_parameters: { rope_type: kind } }, message]],
    ];
  })),
};

testParser(parseLlamaConfig, {
  json,
  plain,
  read: { ...shared, "biases of the MLP": [{ mlp_bias: true }, { hasMlpBias: true }] },
  refused,
});

testParser(parseOlmo2Config, {
  json,
  plain: { ...plain, epsilon: 1e-5 },
  read: { ...shared, "no biases of the MLP, as there are none": [{ mlp_bias: true }, {}] },
  refused,
});
