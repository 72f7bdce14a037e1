/**
 * GPT-NeoX (Pythia) as a graph, from the token ids up to a hook.
 *
 * T = positions, N = tokens, D = width, H = heads, K = D/H, R = rotated dimensions.
 *
 * @see {@link https://github.com/huggingface/transformers/tree/main/src/transformers/models/gpt_neox | transformers}
 *
 * @module
 */

import { attend, causalMask, rotary } from "./attention.ts";
import { refuseMember } from "./errors.ts";
import type { HeadNames } from "./head.ts";
import { activate, type Activation, activationNames, layersOf } from "./layers.ts";
import { type ConfigJson, configReader } from "./model_config.ts";
import type { Builder, Value } from "./onnx.ts";
import { type HookOptions, residualAt } from "./residual.ts";
import type { Weights } from "./weights.ts";

export type { Activation };

/** What config.json says about a GPT-NeoX. */
export interface NeoxConfig {
  /** Width of the residual stream, D. */
  readonly hidden: number;
  /** Blocks. */
  readonly nLayers: number;
  /** Attention heads, H. */
  readonly nHeads: number;
  /** Width of the MLP. */
  readonly intermediate: number;
  /** Token ids are below it. */
  readonly vocabulary: number;
  /** Dimensions of a head that are rotated, R. */
  readonly rotated: number;
  /** Base of the rotary frequencies. */
  readonly theta: number;
  /** Added to the variance in a layer norm. */
  readonly epsilon: number;
  /** Whether attention and MLP read the same residual. */
  readonly isParallel: boolean;
  /** Whether attention has biases. */
  readonly hasAttentionBias: boolean;
  /** The MLP's activation. */
  readonly activation: Activation;
}

/** The tensors between the last residual and the logits; `embedding` where they are tied. */
export const neoxHead: HeadNames = {
  prefix: "gpt_neox.",
  gain: "final_layer_norm.weight",
  shift: "final_layer_norm.bias",
  matrix: "embed_out.weight",
  embedding: "embed_in.weight",
};

/**
 * Reads what a GPT-NeoX's config.json says, in the spelling of transformers 4 and 5.
 *
 * @param config The parsed file.
 * @param where Its name.
 * @returns The numbers that the graph needs.
 * @throws {DataError} If one is missing or cannot be, or if the model does what is not known here.
 */
export function parseNeoxConfig(config: ConfigJson, where: string): NeoxConfig {
  const { count, positive, flag, choice, rope } = configReader(config, where);
  const { partial_rotary_factor: factor, rope_theta: theta } = rope();
  const hidden = count("hidden_size");
  const nHeads = count("num_attention_heads");
  if (hidden % nHeads !== 0) {
    refuseMember(where, "hidden_size", `a multiple of ${nHeads} heads`, hidden);
  }

  const share = positive("rotary_pct", config.rotary_pct ?? factor ?? 0.25);
  const rotated = Math.floor((hidden / nHeads) * share);
  if (share > 1) refuseMember(where, "rotary_pct", "a share of at most 1", share);
  if (rotated % 2 !== 0) {
    refuseMember(where, "rotary_pct", "an even number of rotated dimensions", rotated);
  }
  return {
    hidden,
    nHeads,
    rotated,
    activation: choice("hidden_act", activationNames, "gelu"),
    nLayers: count("num_hidden_layers"),
    intermediate: count("intermediate_size"),
    vocabulary: count("vocab_size"),
    theta: positive("rotary_emb_base", config.rotary_emb_base ?? theta ?? 10000),
    epsilon: positive("layer_norm_eps", config.layer_norm_eps ?? 1e-5),
    isParallel: flag("use_parallel_residual", true),
    hasAttentionBias: flag("attention_bias", true),
  };
}

/**
 * The graph of a GPT-NeoX up to a hook. Only the weights before the hook are touched.
 *
 * @param b Grows the graph.
 * @param tokens Token ids, int32: `[B, T]`.
 * @param options The model, the length T of every sequence, and where to stop. `isProcessed` gives
 *   what TransformerLens' default loading gives, as {@linkcode residualAt} says. Without `hasHalf`
 *   no operation but a widening of whole weights sees float16.
 * @returns The values at the hook: `[N, D]`.
 * @throws {DataError} If a weight is missing or has another shape, or the model has no such hook.
 */
export function neoxGraph(
  b: Builder,
  tokens: Value,
  { config, weights, length, hasHalf, ...options }: HookOptions & {
    readonly config: NeoxConfig;
    readonly weights: Weights;
  },
): Value {
  const { hidden: D, nHeads: H, intermediate: M, epsilon, hasAttentionBias: hasBias } = config;
  const K = D / H;
  const { entry, weight, linear, layerNorm, embed } = layersOf(b, weights, neoxHead.prefix);
  const norm = (x: Value, name: string) => layerNorm(x, name, { width: D, epsilon });
  const heads = { length, nHeads: H, headWidth: K };
  const rotate = rotary(b, { ...config, ...heads });
  const mask = causalMask(b, length);

  // Rows of 3D are (head, q k v, K): to three of [rows / T, T, H, K].
  const queryKeyValue = (x: Value, name: string, length: number) => {
    const joined = linear(x, `${name}.query_key_value`, { from: D, to: 3 * D, hasBias });
    const perHead = b.op("Reshape", [joined, b.ints(-1, length, H, 3 * K)]);
    return b.ops("Split", [perHead, b.ints(K, K, K)], 3, { axis: 3n });
  };

  const block = (layer: number) => {
    const name = `layers.${layer}`;
    return {
      heads(x: Value) {
        const normal = norm(x, `${name}.input_layernorm`);
        const [query, key, value] = queryKeyValue(normal, `${name}.attention`, length);
        const scale = 1 / Math.sqrt(K);
        const turned = { query: rotate(query), key: rotate(key), value };
        return attend(b, turned, { ...heads, scale, mask });
      },
      attention: (z: Value) => linear(z, `${name}.attention.dense`, { from: D, to: D, hasBias }),
      mlp(x: Value) {
        const normal = norm(x, `${name}.post_attention_layernorm`);
        const up = linear(normal, `${name}.mlp.dense_h_to_4h`, { from: D, to: M });
        const active = activate(b, config.activation, up);
        return linear(active, `${name}.mlp.dense_4h_to_h`, { from: M, to: D });
      },
      // W·β + bias, β being the norm's shift.
      valueBias() {
        const shift = b.op("Reshape", [weight(`${name}.input_layernorm.bias`, D), b.ints(1, D)]);
        const [, , value] = queryKeyValue(shift, `${name}.attention`, 1);
        return b.op("Reshape", [value, b.ints(1, D)]);
      },
    };
  };
  const embedded = embed(tokens, entry("embed_in.weight", config.vocabulary, D), hasHalf);
  const { nLayers, isParallel } = config;
  const blocks = { nLayers, isParallel, isCentring: true, where: weights.where, block };
  return residualAt(b, embedded, blocks, options);
}
