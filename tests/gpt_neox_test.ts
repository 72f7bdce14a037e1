import assert from "node:assert/strict";
import { type NeoxConfig, parseNeoxConfig } from "../src/gpt_neox.ts";

type Json = Record<string, unknown>;

const config: Json = {
  hidden_size: 24,
  num_attention_heads: 3,
  num_hidden_layers: 2,
  intermediate_size: 96,
  vocab_size: 100,
};

const plain: NeoxConfig = {
  hidden: 24,
  nHeads: 3,
  nLayers: 2,
  intermediate: 96,
  vocabulary: 100,
  rotated: 2,
  theta: 10000,
  epsilon: 1e-5,
  isParallel: true,
  hasAttentionBias: true,
  activation: "gelu",
};

// What config.json says, and what differs from `plain`.
const read: Record<string, [Json, Partial<NeoxConfig>]> = {
  "what is left out as transformers does": [{}, {}],
  "rotary embeddings as transformers 4 spells them": [
    { rotary_pct: 0.5, rotary_emb_base: 500, rope_scaling: null },
    { rotated: 4, theta: 500 },
  ],
  "rotary embeddings as transformers 5 spells them": [
    {
      rope_parameters: { rope_type: "default", rope_theta: 500, partial_rotary_factor: 0.5 },
    },
    { rotated: 4, theta: 500 },
  ],
  "a head that is rotated whole": [{ rotary_pct: 1 }, { rotated: 8 }],
  "a sequential residual": [{ use_parallel_residual: false }, { isParallel: false }],
  "attention without biases": [{ attention_bias: false }, { hasAttentionBias: false }],
  "another epsilon": [{ layer_norm_eps: 1e-6 }, { epsilon: 1e-6 }],
  "gelu_new": [{ hidden_act: "gelu_new" }, { activation: "gelu_new" }],
  "gelu_fast": [{ hidden_act: "gelu_fast" }, { activation: "gelu_fast" }],
  "gelu_pytorch_tanh": [
    { hidden_act: "gelu_pytorch_tanh" },
    { activation: "gelu_pytorch_tanh" },
  ],
  "relu": [{ hidden_act: "relu" }, { activation: "relu" }],
};

for (const [what, [more, differs]] of Object.entries(read)) {
  Deno.test(`parseNeoxConfig() reads ${what}`, () => {
    assert.deepEqual(parseNeoxConfig({ ...config, ...more }, "config.json"), {
      ...plain,
      ...differs,
    });
  });
}

const refused: Record<string, [Json, string]> = {
  "no width": [
    { hidden_size: undefined },
    '"hidden_size" in config.json: expected a count, got nothing',
  ],
  "a width that is text": [
    { hidden_size: "24" },
    '"hidden_size" in config.json: expected a count, got "24"',
  ],
  "a width that the heads do not divide": [
    { hidden_size: 25 },
    '"hidden_size" in config.json: expected a multiple of 3 heads, got 25',
  ],
  "no heads": [
    { num_attention_heads: 0 },
    '"num_attention_heads" in config.json: expected a count, got 0',
  ],
  "no layers": [
    { num_hidden_layers: null },
    '"num_hidden_layers" in config.json: expected a count, got null',
  ],
  "a broken intermediate width": [
    { intermediate_size: 9.5 },
    '"intermediate_size" in config.json: expected a count, got 9.5',
  ],
  "a negative vocabulary": [
    { vocab_size: -1 },
    '"vocab_size" in config.json: expected a count, got -1',
  ],
  "an odd number of rotated dimensions": [
    { rotary_pct: 0.4 },
    '"rotary_pct" in config.json: expected an even number of rotated dimensions, got 3',
  ],
  "a negative share of rotated dimensions": [
    { rotary_pct: -0.25 },
    '"rotary_pct" in config.json: expected a number above 0, got -0.25',
  ],
  "a base that is text": [
    { rotary_emb_base: "10000" },
    '"rotary_emb_base" in config.json: expected a number above 0, got "10000"',
  ],
  "an epsilon of 0": [
    { layer_norm_eps: 0 },
    '"layer_norm_eps" in config.json: expected a number above 0, got 0',
  ],
  "an unknown activation": [
    { hidden_act: "silu" },
    '"hidden_act" in config.json: expected gelu, gelu_new, gelu_fast, gelu_pytorch_tanh, relu, ' +
    'got "silu"',
  ],
  "scaled rotary embeddings, as early transformers 4 spells them": [
    { rope_scaling: { type: "linear", factor: 2 } },
    '"rope_type" in config.json: expected "default", got "linear"',
  ],
  "scaled rotary embeddings, as late transformers 4 spells them": [
    { rope_scaling: { rope_type: "dynamic", factor: 2 } },
    '"rope_type" in config.json: expected "default", got "dynamic"',
  ],
  "scaled rotary embeddings, as transformers 5 spells them": [
    { rope_parameters: { rope_type: "yarn", rope_theta: 10000 } },
    '"rope_type" in config.json: expected "default", got "yarn"',
  ],
};

for (const [what, [more, message]] of Object.entries(refused)) {
  Deno.test(`parseNeoxConfig() refuses ${what}`, () => {
    assert.throws(() => parseNeoxConfig({ ...config, ...more }, "config.json"), {
      name: "DataError",
      message: `Cannot read ${message}`,
    });
  });
}
