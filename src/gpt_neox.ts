/**
 * GPT-NeoX (Pythia) as a graph, from the token ids up to a hook.
 *
 * B = sequences, T = positions, N = B·T, D = width, H = heads, K = D/H, R = rotated dimensions.
 *
 * @see {@link https://github.com/huggingface/transformers/tree/main/src/transformers/models/gpt_neox | transformers}
 *
 * @module
 */

import { DataError, refuseMember } from "./errors.ts";
import type { Hook } from "./hooks.ts";
import type { Builder, Value } from "./onnx.ts";
import { getEntry } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

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
export const neoxHead = {
  prefix: "gpt_neox.",
  gain: "final_layer_norm.weight",
  shift: "final_layer_norm.bias",
  matrix: "embed_out.weight",
  embedding: "embed_in.weight",
} as const;

/** The activations of an MLP that this package knows, in Hugging Face's names. */
const activations = {
  gelu: (b: Builder, x: Value) => b.op("Gelu", [x]),
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  relu: (b: Builder, x: Value) => b.op("Relu", [x]),
} as const;

/** The name of a known MLP activation. */
export type Activation = "gelu" | "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "relu";

function tanhGelu(b: Builder, x: Value): Value {
  return b.op("Gelu", [x], { approximate: "tanh" });
}

/**
 * Reads what a GPT-NeoX's config.json says, in the spelling of transformers 4 and 5.
 *
 * @param config The parsed file.
 * @param where Its name.
 * @returns The numbers that the graph needs.
 * @throws {DataError} If one is missing or cannot be, or if the model does what is not known here.
 */
export function parseNeoxConfig(
  config: Readonly<Record<string, unknown>>,
  where: string,
): NeoxConfig {
  const rope = (config.rope_parameters ?? {}) as Readonly<Record<string, unknown>>;
  const scaling = (config.rope_scaling ?? rope) as Readonly<Record<string, unknown>>;
  const kind = scaling.rope_type ?? scaling.type ?? "default";
  if (kind !== "default") refuseMember(where, "rope_type", '"default"', kind);

  const count = (key: string) => {
    const value = config[key];
    if (!Number.isSafeInteger(value) || (value as number) < 1) {
      refuseMember(where, key, "a count", value);
    }
    return value as number;
  };
  const number = (key: string, value: unknown) => {
    if (typeof value !== "number" || !(value > 0)) {
      refuseMember(where, key, "a number above 0", value);
    }
    return value as number;
  };
  const hidden = count("hidden_size");
  const nHeads = count("num_attention_heads");
  if (hidden % nHeads !== 0) {
    refuseMember(where, "hidden_size", `a multiple of ${nHeads} heads`, hidden);
  }

  const share = number("rotary_pct", config.rotary_pct ?? rope.partial_rotary_factor ?? 0.25);
  const rotated = Math.floor((hidden / nHeads) * share);
  if (share > 1) refuseMember(where, "rotary_pct", "a share of at most 1", share);
  if (rotated % 2 !== 0) {
    refuseMember(where, "rotary_pct", "an even number of rotated dimensions", rotated);
  }

  const activation = (config.hidden_act ?? "gelu") as Activation;
  if (!Object.hasOwn(activations, activation)) {
    refuseMember(where, "hidden_act", Object.keys(activations).join(", "), activation);
  }
  return {
    hidden,
    nHeads,
    rotated,
    activation,
    nLayers: count("num_hidden_layers"),
    intermediate: count("intermediate_size"),
    vocabulary: count("vocab_size"),
    theta: number("rotary_emb_base", config.rotary_emb_base ?? rope.rope_theta ?? 10000),
    epsilon: number("layer_norm_eps", config.layer_norm_eps ?? 1e-5),
    isParallel: config.use_parallel_residual !== false,
    hasAttentionBias: config.attention_bias !== false,
  };
}

/**
 * The graph of a GPT-NeoX up to a hook. Only the weights before the hook are touched.
 *
 * @param b Grows the graph.
 * @param tokens Token ids, int32: `[B, T]`.
 * @param options The model, the length T of every sequence, and where to stop. `isProcessed` gives
 *   what TransformerLens' default loading gives: the mean over D is removed, or at `attn.hook_z`
 *   the part of z that comes from the biases of the values. Without `hasHalf` no operation but a
 *   widening of whole weights sees float16.
 * @returns The values at the hook: `[N, D]`.
 * @throws {DataError} If a weight is missing or has another shape, or the model has no such hook.
 * @see {@link https://github.com/TransformerLensOrg/TransformerLens | TransformerLens}, whose
 *   `center_writing_weights` and `fold_value_biases` are meant.
 */
export function neoxGraph(
  b: Builder,
  tokens: Value,
  { config, weights, length, hook, isProcessed, hasHalf = true }: {
    readonly config: NeoxConfig;
    readonly weights: Weights;
    readonly length: number;
    readonly hook: Hook;
    readonly isProcessed: boolean;
    readonly hasHalf?: boolean;
  },
): Value {
  const { hidden: D, nHeads: H, intermediate, vocabulary, epsilon } = config;
  const prefix = weights.entries.has("gpt_neox.embed_in.weight") ? "gpt_neox." : "";
  const entry = (name: string, ...shape: number[]) =>
    getEntry(weights.entries, prefix + name, weights.where, shape);
  const weight = (name: string, ...shape: number[]) => b.weight(entry(name, ...shape));
  const centre = (x: Value) => isProcessed ? centred(b, x) : x;

  const linear = (x: Value, name: string, from: number, to: number, hasBias = true) => {
    const bias = hasBias ? [weight(`${name}.bias`, to)] : [];
    return b.op("Gemm", [x, weight(`${name}.weight`, to, from), ...bias], { transB: 1n });
  };
  const norm = (x: Value, name: string) =>
    b.op("LayerNormalization", [x, weight(`${name}.weight`, D), weight(`${name}.bias`, D)], {
      axis: -1n,
      epsilon,
    });
  // [N, D] -> three of [B, T, H, K]: the rows of the matrix are (head, q k v, K).
  const queryKeyValue = (x: Value, name: string) => {
    const joined = linear(x, `${name}.query_key_value`, D, 3 * D, config.hasAttentionBias);
    const K = D / H;
    return b.ops(
      "Split",
      [b.op("Reshape", [joined, b.ints(-1, length, H, 3 * K)]), b.ints(K, K, K)],
      3,
      {
        axis: 3n,
      },
    );
  };
  const rotate = rotary(b, config, length);
  const isPast = causalMask(b, length);

  // [N, D] -> [N, D]: every head's mixture of values, before the output matrix.
  const attention = (x: Value, name: string) => {
    const K = D / H;
    const [query, key, value] = queryKeyValue(x, name);
    const heads = (v: Value, ...perm: bigint[]) => b.op("Transpose", [v], { perm });
    const scores = b.op("MatMul", [
      heads(rotate(query), 0n, 2n, 1n, 3n),
      heads(rotate(key), 0n, 2n, 3n, 1n),
    ]);
    const scaled = b.op("Add", [b.op("Mul", [scores, b.scalar(1 / Math.sqrt(K))]), isPast]);
    const pattern = b.op("Softmax", [scaled], { axis: -1n });
    const mixed = b.op("MatMul", [pattern, heads(value, 0n, 2n, 1n, 3n)]);
    return b.op("Reshape", [heads(mixed, 0n, 2n, 1n, 3n), b.ints(-1, D)]);
  };
  // What the biases alone put into z: the value part of W·β + bias, β being the norm's shift.
  const valueBias = (name: string, normName: string) => {
    const shift = b.op("Reshape", [weight(`${normName}.bias`, D), b.ints(1, D)]);
    const joined = linear(shift, `${name}.query_key_value`, D, 3 * D, config.hasAttentionBias);
    const K = D / H;
    const parts = b.ops(
      "Split",
      [b.op("Reshape", [joined, b.ints(1, H, 3 * K)]), b.ints(2 * K, K)],
      2,
      {
        axis: 2n,
      },
    );
    return b.op("Reshape", [parts[1], b.ints(1, D)]);
  };
  const mlp = (x: Value, name: string) => {
    const up = linear(x, `${name}.dense_h_to_4h`, D, intermediate);
    return linear(activations[config.activation](b, up), `${name}.dense_4h_to_h`, intermediate, D);
  };

  if (hook.layer >= config.nLayers) {
    refuseHook(hook, weights, `a block below ${config.nLayers}`, `block ${hook.layer}`);
  }
  if (hook.point === "hook_resid_mid" && config.isParallel) {
    refuseHook(hook, weights, "attention before the MLP", "both at once (use_parallel_residual)");
  }

  const ids = b.op("Reshape", [tokens, b.ints(-1)]);
  const embedding = entry("embed_in.weight", vocabulary, D);
  let x = hasHalf
    ? b.widen(b.op("Gather", [b.stored(embedding), ids])) // the rows, not the table
    : b.op("Gather", [b.weight(embedding), ids]);
  for (let layer = 0;; layer++) {
    const [isLast, name] = [layer === hook.layer, `layers.${layer}`];
    const at = (point: Hook["point"]) => isLast && hook.point === point;

    if (at("hook_resid_pre")) return centre(x);
    const branch = (mid: Value) =>
      mlp(norm(mid, `${name}.post_attention_layernorm`), `${name}.mlp`);
    if (at("hook_mlp_out") && config.isParallel) return centre(branch(x));

    const z = attention(norm(x, `${name}.input_layernorm`), `${name}.attention`);
    if (at("attn.hook_z")) {
      if (!isProcessed) return z;
      return b.op("Sub", [z, valueBias(`${name}.attention`, `${name}.input_layernorm`)]);
    }
    const attended = linear(z, `${name}.attention.dense`, D, D, config.hasAttentionBias);
    if (at("hook_attn_out")) return centre(attended);

    const mid = b.op("Add", [x, attended]);
    if (at("hook_resid_mid")) return centre(mid);
    const thought = branch(config.isParallel ? x : mid);
    if (at("hook_mlp_out")) return centre(thought);

    x = b.op("Add", [mid, thought]);
    if (at("hook_resid_post")) return centre(x);
  }
}

function refuseHook(hook: Hook, weights: Weights, expected: string, got: string): never {
  throw new DataError("read hook", { where: `${hook.name} of ${weights.where}`, expected, got });
}

// x − its mean over D.
function centred(b: Builder, x: Value): Value {
  return b.op("Sub", [x, b.op("ReduceMean", [x, b.ints(-1)], { keepdims: 1n })]);
}

// Rotates the first R dimensions of every head, halves against halves, by position · theta^(−2i/R).
function rotary(b: Builder, { hidden, nHeads, rotated: R, theta }: NeoxConfig, length: number) {
  if (R === 0) return (x: Value) => x;
  const half = R / 2;
  const table = (f: (angle: number) => number) =>
    b.floats(
      Float32Array.from({ length: length * half }, (_, e) => {
        const [position, i] = [Math.floor(e / half), e % half];
        return f(position * theta ** (-2 * i / R));
      }),
      [1, length, 1, half],
    );
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  const rest = hidden / nHeads - R;
  const sizes = rest > 0 ? [half, half, rest] : [half, half];
  return (x: Value): Value => {
    const [a, c, ...untouched] = b.ops("Split", [x, b.ints(...sizes)], sizes.length, { axis: 3n });
    const first = b.op("Sub", [b.op("Mul", [a, cos]), b.op("Mul", [c, sin])]);
    const second = b.op("Add", [b.op("Mul", [c, cos]), b.op("Mul", [a, sin])]);
    return b.op("Concat", [first, second, ...untouched], { axis: 3n });
  };
}

// 0 where a position may look, a number that softmax turns into 0 where it may not: [1, 1, T, T].
function causalMask(b: Builder, length: number): Value {
  const never = -1e30;
  const mask = Float32Array.from({ length: length * length }, (_, e) => {
    const [from, to] = [Math.floor(e / length), e % length];
    return to <= from ? 0 : never;
  });
  return b.floats(mask, [1, 1, length, length]);
}
