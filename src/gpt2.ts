/**
 * GPT-2 (OpenAI's, and stanford-crfm's training runs) as a graph, from the token ids up to a hook.
 *
 * T = positions, N = tokens, D = width, H = heads, K = D/H, M = width of the MLP.
 *
 * @see {@link https://github.com/huggingface/transformers/tree/main/src/transformers/models/gpt2 | transformers}
 *
 * @module
 */

import { attend, causalMask, toHeads } from "./attention.ts";
import { DataError, refuseMember } from "./errors.ts";
import type { HeadNames } from "./head.ts";
import { activate, type Activation, activationNames, layersOf } from "./layers.ts";
import { type ConfigJson, configReader } from "./model_config.ts";
import type { Builder, Value } from "./onnx.ts";
import { type HookOptions, residualAt } from "./residual.ts";
import { sliceRows } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/** What config.json says about a GPT-2. */
export interface Gpt2Config {
  /** Width of the residual stream, D. */
  readonly hidden: number;
  /** Blocks. */
  readonly nLayers: number;
  /** Attention heads, H. */
  readonly nHeads: number;
  /** Width of the MLP, M. */
  readonly intermediate: number;
  /** Token ids are below it. */
  readonly vocabulary: number;
  /** Positions that have an embedding; no sequence can be longer. */
  readonly nPositions: number;
  /** Added to the variance in a layer norm. */
  readonly epsilon: number;
  /** Whether scores are divided by √K. */
  readonly isScaled: boolean;
  /** Whether scores of block l, from 0, are divided by l + 1. */
  readonly isScaledByLayer: boolean;
  /** The MLP's activation. */
  readonly activation: Activation;
}

/** The tensors between the last residual and the logits; `embedding` where they are tied. */
export const gpt2Head: HeadNames = {
  prefix: "transformer.",
  gain: "ln_f.weight",
  shift: "ln_f.bias",
  matrix: "lm_head.weight",
  embedding: "wte.weight",
};

/**
 * Reads what a GPT-2's config.json says.
 *
 * @param config The parsed file.
 * @param where Its name.
 * @returns The numbers that the graph needs.
 * @throws {DataError} If one is missing or cannot be.
 *
 * @example A width of the MLP that is left out is four times the model's
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const json = { n_embd: 8, n_head: 2, n_layer: 3, n_positions: 32, vocab_size: 50 };
 *
 * assert.equal(parseGpt2Config(json, "config.json").intermediate, 32);
 * ```
 */
export function parseGpt2Config(config: ConfigJson, where: string): Gpt2Config {
  const { count, positive, flag, choice } = configReader(config, where);
  const hidden = count("n_embd");
  const nHeads = count("n_head");
  if (hidden % nHeads !== 0) {
    refuseMember(where, "n_embd", `a multiple of ${nHeads} heads`, hidden);
  }
  return {
    hidden,
    nHeads,
    nLayers: count("n_layer"),
    intermediate: count("n_inner", 4 * hidden),
    vocabulary: count("vocab_size"),
    nPositions: count("n_positions", 1024),
    epsilon: positive("layer_norm_epsilon", config.layer_norm_epsilon ?? 1e-5),
    isScaled: flag("scale_attn_weights", true),
    isScaledByLayer: flag("scale_attn_by_inverse_layer_idx", false),
    activation: choice("activation_function", activationNames, "gelu_new"),
  };
}

/**
 * The graph of a GPT-2 up to a hook. Only the weights before the hook are touched.
 *
 * @param b Grows the graph.
 * @param tokens Token ids, int32: `[B, T]`.
 * @param options The model, the length T of every sequence, and where to stop. `isProcessed` gives
 *   what TransformerLens' default loading gives, as {@linkcode residualAt} says. Without `hasHalf`
 *   no operation but a widening of whole weights sees float16.
 * @returns The values at the hook: `[N, D]`.
 * @throws {DataError} If a weight is missing or has another shape, the model has no such hook, or
 *   sequences are longer than it has positions.
 */
export function gpt2Graph(
  b: Builder,
  tokens: Value,
  { config, weights, length, hasHalf, ...options }: HookOptions & {
    readonly config: Gpt2Config;
    readonly weights: Weights;
  },
): Value {
  const { hidden: D, nHeads: H, intermediate: M, nPositions, epsilon } = config;
  const K = D / H;
  const { entry, weight, layerNorm, embed } = layersOf(b, weights, gpt2Head.prefix);
  const norm = (x: Value, name: string) => layerNorm(x, name, { width: D, epsilon });
  const heads = { length, nHeads: H, headWidth: K };
  const mask = causalMask(b, length);

  // x · W + bias: a Conv1D keeps W as [from, to].
  const conv = (x: Value, name: string, from: number, to: number) =>
    b.op("Gemm", [x, weight(`${name}.weight`, from, to), weight(`${name}.bias`, to)]);
  // Rows of 3D are (q k v, head, K): to three of [rows, D].
  const queryKeyValue = (x: Value, name: string) =>
    b.ops("Split", [conv(x, `${name}.attn.c_attn`, D, 3 * D), b.ints(D, D, D)], 3, { axis: 1n });

  const block = (layer: number) => {
    const name = `h.${layer}`;
    return {
      heads(x: Value) {
        const [query, key, value] = queryKeyValue(norm(x, `${name}.ln_1`), name)
          .map((rows) => toHeads(b, rows, H, heads));
        const scale = (config.isScaled ? 1 / Math.sqrt(K) : 1) /
          (config.isScaledByLayer ? layer + 1 : 1);
        return attend(b, { query, key, value }, { ...heads, scale, mask });
      },
      attention: (z: Value) => conv(z, `${name}.attn.c_proj`, D, D),
      mlp(x: Value) {
        const up = conv(norm(x, `${name}.ln_2`), `${name}.mlp.c_fc`, D, M);
        return conv(activate(b, config.activation, up), `${name}.mlp.c_proj`, M, D);
      },
      // β·W + bias, β being the norm's shift.
      valueBias() {
        const shift = b.op("Reshape", [weight(`${name}.ln_1.bias`, D), b.ints(1, D)]);
        return queryKeyValue(shift, name)[2];
      },
    };
  };

  if (length > nPositions) {
    const [expected, got] = [`at most ${nPositions} positions`, `${length}`];
    throw new DataError("run", { where: weights.where, expected, got });
  }
  const rows = embed(tokens, entry("wte.weight", config.vocabulary, D), hasHalf);
  const places = b.weight(sliceRows(entry("wpe.weight", nPositions, D), 0, length));
  const placed = b.op("Add", [b.op("Reshape", [rows, b.ints(-1, length, D)]), places]);
  const embedded = b.op("Reshape", [placed, b.ints(-1, D)]);
  const blocks = { nLayers: config.nLayers, isCentring: true, where: weights.where, block };
  return residualAt(b, embedded, blocks, options);
}
