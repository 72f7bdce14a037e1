import assert from "node:assert/strict";
import { parseSaeConfig, type SaeConfig } from "../src/sae_config.ts";

type Json = Record<string, unknown>;

const name = "blocks.2.hook_resid_pre";
const old: Json = { hook_name: name, context_size: 128 };
const parse = (cfg: Json) => parseSaeConfig(cfg, "cfg.json");

const plain: SaeConfig = {
  hook: { name, layer: 2, point: "hook_resid_pre" },
  contextSize: 128,
  isProcessed: true,
  activation: "relu",
  k: undefined,
  normalization: "none",
  subtractsDecoderBias: true,
  isFolded: false,
  checkpointIndex: undefined,
};

// TransformerLens' default loading was SAELens' until 3.19.2, which sets center_writing_weights.
const versions: [string | undefined, boolean][] = [
  [undefined, true],
  ["0.4.1", true],
  ["2.1.3", true],
  ["3.2.3", true],
  ["3.19", true],
  ["3.19.1", true],
  ["3.19.2", false],
  ["3.19.10", false],
  ["3.20.0", false],
  ["3.100.1", false],
  ["4.0.0", false],
  ["5.11.0", false],
  ["6.54.12", false],
  ["10.0.0", false],
];

for (const [version, isProcessed] of versions) {
  const claim = `${isProcessed ? "centred" : "not centred"} at version ${version ?? "none"}`;

  Deno.test(`an SAE is ${claim}`, () => {
    assert.equal(parse({ ...old, sae_lens_training_version: version }).isProcessed, isProcessed);
    assert.equal(parse({ ...old, sae_lens_version: version }).isProcessed, isProcessed);
    const metadata = { ...old, sae_lens_training_version: version };
    assert.equal(parse({ metadata }).isProcessed, isProcessed);
  });
}

const centring: Record<string, [Json, boolean]> = {
  "says so, though it is new": [{
    sae_lens_training_version: "6.0.0",
    model_from_pretrained_kwargs: { center_writing_weights: true },
  }, true],
  "denies it, though it is old": [{
    sae_lens_training_version: "3.2.3",
    model_from_pretrained_kwargs: { center_writing_weights: false },
  }, false],
  "has null there, by its version": [{
    sae_lens_training_version: "3.2.3",
    model_from_pretrained_kwargs: { center_writing_weights: null },
  }, true],
  "was trained before, and saved by a later version": [{
    sae_lens_training_version: "3.2.3",
    sae_lens_version: "6.0.0",
  }, true],
};

for (const [claim, [more, isProcessed]] of Object.entries(centring)) {
  Deno.test(`an SAE is ${isProcessed ? "" : "not "}centred if it ${claim}`, () => {
    assert.equal(parse({ ...old, ...more }).isProcessed, isProcessed);
  });
}

// cfg.json of every era, and what differs from `plain`.
const eras: Record<string, [Json, Partial<SaeConfig>]> = {
  "version 2: hook_point": [
    { hook_point: name, hook_point_head_index: null, hook_point_layer: 2, context_size: 128 },
    {},
  ],
  "version 3: activation_fn, normalize_activations false": [{
    ...old,
    activation_fn: "relu",
    normalize_activations: false,
    hook_head_index: null,
    scale_sparsity_penalty_by_decoder_norm: true,
    model_from_pretrained_kwargs: { checkpoint_index: 153 },
    sae_lens_version: "3.2.3",
  }, { isFolded: true, checkpointIndex: 153 }],
  "version 3: tanh-relu, normalize_activations true": [
    { ...old, activation_fn: "tanh-relu", normalize_activations: true },
    { activation: "tanh-relu", normalization: "expected_average_only_in" },
  ],
  "version 5: standard": [{
    ...old,
    architecture: "standard",
    activation_fn_str: "relu",
    apply_b_dec_to_input: false,
    normalize_activations: "none",
    sae_lens_training_version: "5.11.0",
  }, { isProcessed: false, subtractsDecoderBias: false }],
  "version 5: topk as an activation": [{
    ...old,
    architecture: "standard",
    activation_fn_str: "topk",
    activation_fn_kwargs: { k: 7 },
  }, { activation: "topk", k: 7 }],
  "version 5: jumprelu": [
    { ...old, architecture: "jumprelu", normalize_activations: "layer_norm" },
    { activation: "jumprelu", normalization: "layer_norm" },
  ],
  "version 6: standard": [{
    architecture: "standard",
    apply_b_dec_to_input: true,
    normalize_activations: "constant_norm_rescale",
    metadata: {
      ...old,
      sae_lens_training_version: "6.54.12",
      model_from_pretrained_kwargs: { checkpoint_index: 0 },
    },
  }, { isProcessed: false, normalization: "constant_norm_rescale", checkpointIndex: 0 }],
  "version 6: gated": [{ architecture: "gated", metadata: old }, { activation: "gated" }],
  "version 6: topk": [
    { architecture: "topk", k: 5, metadata: old },
    { activation: "topk", k: 5 },
  ],
  "version 6: topk, rescaled": [
    { architecture: "topk", k: 5, rescale_acts_by_decoder_norm: true, metadata: old },
    { activation: "topk", k: 5, isFolded: true },
  ],
  "version 6: batchtopk, rescaled unless it says no": [
    { architecture: "batchtopk", k: 5, metadata: old },
    { activation: "batchtopk", isFolded: true },
  ],
  "version 6: batchtopk, not rescaled": [
    { architecture: "batchtopk", k: 5, rescale_acts_by_decoder_norm: false, metadata: old },
    { activation: "batchtopk" },
  ],
  "version 6: matryoshka": [
    { architecture: "matryoshka_batchtopk", k: 5, metadata: old },
    { activation: "batchtopk", isFolded: true },
  ],
};

for (const [era, [cfg, differs]] of Object.entries(eras)) {
  Deno.test(`parseSaeConfig() reads ${era}`, () => {
    assert.deepEqual(parse(cfg), { ...plain, ...differs });
  });
}

const refused: Record<string, [Json, string]> = {
  "no context size": [
    { hook_name: name },
    'read "context_size" in cfg.json: expected a number of tokens, got nothing',
  ],
  "a context size of 0": [
    { ...old, context_size: 0 },
    'read "context_size" in cfg.json: expected a number of tokens, got 0',
  ],
  "one head": [
    { ...old, hook_head_index: 3 },
    'read "hook_head_index" in cfg.json: expected null, all heads, got 3',
  ],
  "one head, as version 2 says it": [
    { ...old, hook_point_head_index: 0 },
    'read "hook_head_index" in cfg.json: expected null, all heads, got 0',
  ],
  "an unknown architecture": [
    { ...old, architecture: "transcoder" },
    'read "architecture" in cfg.json: expected standard, gated, jumprelu, topk, batchtopk, ' +
    'matryoshka_batchtopk, got "transcoder"',
  ],
  "an unknown activation": [
    { ...old, activation_fn_str: "gelu" },
    'read "activation_fn" in cfg.json: expected relu, tanh-relu, topk, got "gelu"',
  ],
  "an unknown normalisation": [
    { ...old, normalize_activations: "batch_norm" },
    'read "normalize_activations" in cfg.json: expected none, expected_average_only_in, ' +
    'constant_norm_rescale, layer_norm, got "batch_norm"',
  ],
  "topk without k": [
    { ...old, architecture: "topk" },
    'read "k" in cfg.json: expected a count, got nothing',
  ],
  "topk of a broken k": [
    { ...old, activation_fn: "topk", activation_fn_kwargs: { k: 2.5 } },
    'read "k" in cfg.json: expected a count, got 2.5',
  ],
  "a checkpoint index that is text": [
    { ...old, model_from_pretrained_kwargs: { checkpoint_index: "153" } },
    'read "checkpoint_index" in cfg.json: expected a count, got "153"',
  ],
  "no hook": [
    { context_size: 128 },
    "find hook nothing of cfg.json: expected blocks.<layer>.hook_resid_pre, .hook_resid_mid, " +
    ".hook_resid_post, .hook_attn_out, .hook_mlp_out, .attn.hook_z, got another name",
  ],
};

for (const [what, [cfg, message]] of Object.entries(refused)) {
  Deno.test(`parseSaeConfig() refuses ${what}`, () => {
    assert.throws(() => parse(cfg), { name: "DataError", message: `Cannot ${message}` });
  });
}
