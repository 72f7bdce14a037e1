/**
 * Llama (SmolLM2, Amber, TinyLlama) as a graph, from the token ids up to a hook.
 *
 * T = positions, N = tokens, D = width, H = heads, G = heads of keys and values, K = width of a
 * head, M = width of the MLP.
 *
 * @see {@link https://github.com/huggingface/transformers/tree/main/src/transformers/models/llama | transformers}
 *
 * @module
 */

import { attend, causalMask, rotary, sharedBias, toHeads } from "./attention.ts";
import { refuseMember } from "./errors.ts";
import type { HeadNames } from "./head.ts";
import { activate, type GateActivation, gateActivationNames, layersOf } from "./layers.ts";
import { type ConfigJson, configReader } from "./model_config.ts";
import type { Builder, Value } from "./onnx.ts";
import { type HookOptions, residualAt } from "./residual.ts";
import type { Weights } from "./weights.ts";

/** What config.json says about a Llama. */
export interface LlamaConfig {
  /** Width of the residual stream, D. */
  readonly hidden: number;
  /** Blocks. */
  readonly nLayers: number;
  /** Heads of queries, H. */
  readonly nHeads: number;
  /** Heads of keys and values, G. */
  readonly nKeyHeads: number;
  /** Width of a head, K. */
  readonly headWidth: number;
  /** Width of the MLP, M. */
  readonly intermediate: number;
  /** Token ids are below it. */
  readonly vocabulary: number;
  /** Base of the rotary frequencies. */
  readonly theta: number;
  /** Added to the mean square in an RMS norm. */
  readonly epsilon: number;
  /** Whether attention has biases. */
  readonly hasAttentionBias: boolean;
  /** Whether the MLP has biases. */
  readonly hasMlpBias: boolean;
  /** The activation of the MLP's gate. */
  readonly activation: GateActivation;
}

/** The tensors between the last residual and the logits; `embedding` where they are tied. */
export const llamaHead: HeadNames = {
  prefix: "model.",
  gain: "norm.weight",
  matrix: "lm_head.weight",
  embedding: "embed_tokens.weight",
};

/**
 * Reads what a Llama's config.json says, in the spelling of transformers 4 and 5.
 *
 * @param config The parsed file.
 * @param where Its name.
 * @returns The numbers that the graph needs.
 * @throws {DataError} If one is missing or cannot be, or if the model does what is not known here.
 *
 * @example Keys and values that are not shared, and heads that fill the width
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { nKeyHeads, headWidth } = parseLlamaConfig({
 *   hidden_size: 64,
 *   num_attention_heads: 8,
 *   num_hidden_layers: 2,
 *   intermediate_size: 96,
 *   vocab_size: 100,
 * }, "config.json");
 *
 * assert.deepEqual([nKeyHeads, headWidth], [8, 8]);
 * ```
 */
export function parseLlamaConfig(config: ConfigJson, where: string): LlamaConfig {
  const { count, positive, flag, choice, rope } = configReader(config, where);
  const { rope_theta: theta } = rope();
  const hidden = count("hidden_size");
  const nHeads = count("num_attention_heads");
  const nKeyHeads = count("num_key_value_heads", nHeads);
  if (nHeads % nKeyHeads !== 0) {
    const expected = `a divisor of ${nHeads} heads`;
    refuseMember(where, "num_key_value_heads", expected, nKeyHeads);
  }
  if ((config.head_dim ?? null) === null && hidden % nHeads !== 0) {
    refuseMember(where, "hidden_size", `a multiple of ${nHeads} heads`, hidden);
  }
  const headWidth = count("head_dim", hidden / nHeads);
  if (headWidth % 2 !== 0) refuseMember(where, "head_dim", "an even number", headWidth);
  return {
    hidden,
    nHeads,
    nKeyHeads,
    headWidth,
    nLayers: count("num_hidden_layers"),
    intermediate: count("intermediate_size"),
    vocabulary: count("vocab_size"),
    theta: positive("rope_theta", config.rope_theta ?? theta ?? 10000),
    epsilon: positive("rms_norm_eps", config.rms_norm_eps ?? 1e-6),
    hasAttentionBias: flag("attention_bias", false),
    hasMlpBias: flag("mlp_bias", false),
    activation: choice("hidden_act", gateActivationNames, "silu"),
  };
}

/**
 * The graph of a Llama up to a hook. Only the weights before the hook are touched.
 *
 * Norms are RMS norms: TransformerLens does not centre such a model, and `isProcessed` changes
 * nothing but `attn.hook_z` where values have biases.
 *
 * @param b Grows the graph.
 * @param tokens Token ids, int32: `[B, T]`.
 * @param options The model, the length T of every sequence, and where to stop. Without `hasHalf` no
 *   operation but a widening of whole weights sees float16.
 * @returns The values at the hook: `[N, D]`, or at `attn.hook_z` `[N, H·K]`.
 * @throws {DataError} If a weight is missing or has another shape, or the model has no such hook.
 */
export function llamaGraph(
  b: Builder,
  tokens: Value,
  { config, weights, length, hasHalf, ...options }: HookOptions & {
    readonly config: LlamaConfig;
    readonly weights: Weights;
  },
): Value {
  const { hidden: D, nHeads: H, nKeyHeads: G, headWidth: K, intermediate: M, epsilon } = config;
  const { entry, weight, linear, rmsNorm, embed } = layersOf(b, weights, llamaHead.prefix);
  const norm = (x: Value, name: string) => rmsNorm(x, name, { width: D, epsilon });
  const heads = { length, nHeads: H, nKeyHeads: G, headWidth: K };
  const rotate = rotary(b, { ...config, length, rotated: K });
  const mask = causalMask(b, length);

  const block = (layer: number) => {
    const name = `layers.${layer}`;
    const project = (x: Value, part: string, from: number, to: number) =>
      linear(x, `${name}.self_attn.${part}_proj`, { from, to, hasBias: config.hasAttentionBias });
    const through = (x: Value, part: string, from: number, to: number) =>
      linear(x, `${name}.mlp.${part}_proj`, { from, to, hasBias: config.hasMlpBias });
    return {
      heads(x: Value) {
        const normal = norm(x, `${name}.input_layernorm`);
        const query = rotate(toHeads(b, project(normal, "q", D, H * K), H, heads));
        const key = rotate(toHeads(b, project(normal, "k", D, G * K), G, heads));
        const value = toHeads(b, project(normal, "v", D, G * K), G, heads);
        return attend(b, { query, key, value }, { ...heads, scale: 1 / Math.sqrt(K), mask });
      },
      attention: (z: Value) => project(z, "o", H * K, D),
      mlp(x: Value) {
        const normal = norm(x, `${name}.post_attention_layernorm`);
        const gate = activate(b, config.activation, through(normal, "gate", D, M));
        return through(b.op("Mul", [gate, through(normal, "up", D, M)]), "down", M, D);
      },
      valueBias() {
        if (!config.hasAttentionBias) return undefined;
        return sharedBias(b, weight(`${name}.self_attn.v_proj.bias`, G * K), heads);
      },
    };
  };
  const embedded = embed(tokens, entry("embed_tokens.weight", config.vocabulary, D), hasHalf);
  const blocks = { nLayers: config.nLayers, isCentring: false, where: weights.where, block };
  return residualAt(b, embedded, blocks, options);
}
