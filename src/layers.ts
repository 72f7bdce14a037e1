/**
 * The layers of language models as operations: embeddings, linear maps, norms, activations.
 *
 * B = sequences, T = positions, N = B·T, D = width.
 *
 * @module
 */

import type { Builder, Value } from "./onnx.ts";
import { getEntry, type TensorEntry } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/** The activations of an MLP, in Hugging Face's names. */
const activations = {
  gelu: (b: Builder, x: Value) => b.op("Gelu", [x]),
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  relu: (b: Builder, x: Value) => b.op("Relu", [x]),
  silu: (b: Builder, x: Value) => b.op("Mul", [x, b.op("Sigmoid", [x])]),
} as const;

/** The name of a known MLP activation. */
export type Activation = "gelu" | "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "relu";

/** The name of a known activation of a gated MLP. */
export type GateActivation = Activation | "silu";

/** The known activations of an MLP. */
export const activationNames: readonly Activation[] = [
  "gelu",
  "gelu_new",
  "gelu_fast",
  "gelu_pytorch_tanh",
  "relu",
];

/** The known activations of a gated MLP. */
export const gateActivationNames: readonly GateActivation[] = [...activationNames, "silu"];

function tanhGelu(b: Builder, x: Value): Value {
  return b.op("Gelu", [x], { approximate: "tanh" });
}

/**
 * Adds an activation.
 *
 * @param b Grows the graph.
 * @param name Which.
 * @param x Values of any shape.
 * @returns As many.
 */
export function activate(b: Builder, name: GateActivation, x: Value): Value {
  return activations[name](b, x);
}

/**
 * x less its mean over the last dimension.
 *
 * @param b Grows the graph.
 * @param x Values: `[..., D]`.
 * @returns As many.
 */
export function centred(b: Builder, x: Value): Value {
  return b.op("Sub", [x, b.op("ReduceMean", [x, b.ints(-1)], { keepdims: 1n })]);
}

/** The numbers of a norm. */
export interface Norm {
  /** What it multiplies by, γ: `[D]`. */
  readonly gain: Value;
  /** What it adds, β: `[D]`; without it, it is an RMS norm, which leaves the mean in. */
  readonly shift?: Value | undefined;
  /** Added to the variance, ε. */
  readonly epsilon: number;
}

/**
 * γ · (x − mean) / √(variance + ε) + β, or without a shift γ · x / √(mean of x² + ε), over the last
 * dimension.
 *
 * An RMS norm is no operation of opset 21; onnxruntime makes one of this chain, where it can.
 *
 * @param b Grows the graph.
 * @param x Values: `[..., D]`.
 * @param norm The norm.
 * @returns As many.
 */
export function normalised(b: Builder, x: Value, { gain, shift, epsilon }: Norm): Value {
  if (shift !== undefined) {
    return b.op("LayerNormalization", [x, gain, shift], { axis: -1n, epsilon });
  }
  const square = b.op("ReduceMean", [b.op("Pow", [x, b.scalar(2)]), b.ints(-1)], { keepdims: 1n });
  const size = b.op("Sqrt", [b.op("Add", [square, b.scalar(epsilon)])]);
  return b.op("Mul", [b.op("Div", [x, size]), gain]);
}

/** The layers of one model, by the names of their weights. */
export interface Layers {
  /** Where a tensor lies; refused where it is missing or of another shape. */
  entry(name: string, ...shape: readonly number[]): TensorEntry;
  /** A tensor as float32. */
  weight(name: string, ...shape: readonly number[]): Value;
  /** x · Wᵀ + bias, W being `[to, from]`: `[N, from]` to `[N, to]`. */
  linear(x: Value, name: string, shape: LinearShape): Value;
  /** A layer norm over D. */
  layerNorm(x: Value, name: string, shape: NormShape): Value;
  /** An RMS norm over D. */
  rmsNorm(x: Value, name: string, shape: NormShape): Value;
  /** A row of a table for each token: int32 `[B, T]` to `[N, D]`. */
  embed(tokens: Value, table: TensorEntry, hasHalf?: boolean): Value;
}

/** The shape of a linear map. */
export interface LinearShape {
  /** Numbers that go in. */
  readonly from: number;
  /** Numbers that come out. */
  readonly to: number;
  /** Whether a bias is added; yes, if left out. */
  readonly hasBias?: boolean;
}

/** The shape of a norm. */
export interface NormShape {
  /** Numbers that are normalised together, D. */
  readonly width: number;
  /** Added to the variance, ε. */
  readonly epsilon: number;
}

/**
 * What stands before the names of a model's tensors: nothing in a folder of the blocks alone.
 *
 * @param weights The model's.
 * @param prefix What stands there where the output matrix is kept with them: "transformer.".
 * @returns `prefix`, or nothing.
 */
export function prefixOf({ entries }: Weights, prefix: string): string {
  return entries.keys().some((name) => name.startsWith(prefix)) ? prefix : "";
}

/**
 * The layers of a model.
 *
 * @param b Grows the graph.
 * @param weights The model's; only those that are used are touched.
 * @param prefix What may stand before their names.
 * @returns The layers; each throws a DataError if its weight is missing or has another shape.
 */
export function layersOf(b: Builder, weights: Weights, prefix: string): Layers {
  const before = prefixOf(weights, prefix);
  const entry: Layers["entry"] = (name, ...shape) =>
    getEntry(weights.entries, before + name, weights.where, shape);
  const weight: Layers["weight"] = (name, ...shape) => b.weight(entry(name, ...shape));
  return {
    entry,
    weight,
    linear(x, name, { from, to, hasBias = true }) {
      const bias = hasBias ? [weight(`${name}.bias`, to)] : [];
      return b.op("Gemm", [x, weight(`${name}.weight`, to, from), ...bias], { transB: 1n });
    },
    layerNorm(x, name, { width, epsilon }) {
      const [gain, shift] = ["weight", "bias"].map((part) => weight(`${name}.${part}`, width));
      return normalised(b, x, { gain, shift, epsilon });
    },
    rmsNorm(x, name, { width, epsilon }) {
      return normalised(b, x, { gain: weight(`${name}.weight`, width), epsilon });
    },
    embed(tokens, table, hasHalf = true) {
      const ids = b.op("Reshape", [tokens, b.ints(-1)]);
      return hasHalf
        ? b.widen(b.op("Gather", [b.stored(table), ids])) // the rows, not the table
        : b.op("Gather", [b.weight(table), ids]);
    },
  };
}
