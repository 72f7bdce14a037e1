/**
 * OLMo 2 as a graph, from the token ids up to a hook: norms stand after attention and MLP, and on
 * queries and keys.
 *
 * T = positions, N = tokens, D = width, H = heads, G = heads of keys and values, K = width of a
 * head, M = width of the MLP.
 *
 * @see {@link https://github.com/huggingface/transformers/tree/main/src/transformers/models/olmo2 | transformers}
 *
 * @module
 */

import { attend, causalMask, rotary, sharedBias, toHeads } from "./attention.ts";
import type { HeadNames } from "./head.ts";
import { activate, layersOf } from "./layers.ts";
import { type LlamaConfig, llamaHead, parseLlamaConfig } from "./llama.ts";
import type { ConfigJson } from "./model_config.ts";
import type { Builder, Value } from "./onnx.ts";
import { type HookOptions, residualAt } from "./residual.ts";
import type { Weights } from "./weights.ts";

/** The tensors between the last residual and the logits; `embedding` where they are tied. */
export const olmo2Head: HeadNames = llamaHead;

/**
 * Reads what an OLMo 2's config.json says: as that of a Llama, but for the epsilon that is left
 * out, and an MLP without biases.
 *
 * @param config The parsed file.
 * @param where Its name.
 * @returns The numbers that the graph needs.
 * @throws {DataError} If one is missing or cannot be, or if the model does what is not known here.
 */
export function parseOlmo2Config(config: ConfigJson, where: string): LlamaConfig {
  const epsilon = config.rms_norm_eps ?? 1e-5;
  return parseLlamaConfig({ ...config, rms_norm_eps: epsilon, mlp_bias: false }, where);
}

/**
 * The graph of an OLMo 2 up to a hook. Only the weights before the hook are touched.
 *
 * `hook_attn_out` and `hook_mlp_out` are what is added to the residual, after the norm, as
 * TransformerLens has them. It does not centre such a model, and `isProcessed` changes nothing but
 * `attn.hook_z` where values have biases.
 *
 * @param b Grows the graph.
 * @param tokens Token ids, int32: `[B, T]`.
 * @param options The model, the length T of every sequence, and where to stop. Without `hasHalf` no
 *   operation but a widening of whole weights sees float16.
 * @returns The values at the hook: `[N, D]`, or at `attn.hook_z` `[N, H·K]`.
 * @throws {DataError} If a weight is missing or has another shape, or the model has no such hook.
 */
export function olmo2Graph(
  b: Builder,
  tokens: Value,
  { config, weights, length, hasHalf, ...options }: HookOptions & {
    readonly config: LlamaConfig;
    readonly weights: Weights;
  },
): Value {
  const { hidden: D, nHeads: H, nKeyHeads: G, headWidth: K, intermediate: M, epsilon } = config;
  const { entry, weight, linear, rmsNorm, embed } = layersOf(b, weights, olmo2Head.prefix);
  const norm = (x: Value, name: string, width = D) => rmsNorm(x, name, { width, epsilon });
  const heads = { length, nHeads: H, nKeyHeads: G, headWidth: K };
  const rotate = rotary(b, { ...config, length, rotated: K });
  const mask = causalMask(b, length);

  const block = (layer: number) => {
    const name = `layers.${layer}`;
    const project = (x: Value, part: string, from: number, to: number) =>
      linear(x, `${name}.self_attn.${part}_proj`, { from, to, hasBias: config.hasAttentionBias });
    const through = (x: Value, part: string, from: number, to: number) =>
      linear(x, `${name}.mlp.${part}_proj`, { from, to, hasBias: false });
    return {
      heads(x: Value) {
        const query = norm(project(x, "q", D, H * K), `${name}.self_attn.q_norm`, H * K);
        const key = norm(project(x, "k", D, G * K), `${name}.self_attn.k_norm`, G * K);
        return attend(b, {
          query: rotate(toHeads(b, query, H, heads)),
          key: rotate(toHeads(b, key, G, heads)),
          value: toHeads(b, project(x, "v", D, G * K), G, heads),
        }, { ...heads, scale: 1 / Math.sqrt(K), mask });
      },
      attention: (z: Value) => norm(project(z, "o", H * K, D), `${name}.post_attention_layernorm`),
      mlp(x: Value) {
        const gate = activate(b, config.activation, through(x, "gate", D, M));
        const down = through(b.op("Mul", [gate, through(x, "up", D, M)]), "down", M, D);
        return norm(down, `${name}.post_feedforward_layernorm`);
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
