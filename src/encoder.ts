/**
 * An SAE on top of a language model as one graph, from token ids to feature activations.
 *
 * B = sequences, T = positions, N = B·T, D = d_in, F = d_sae.
 *
 * @module
 */

import { blocksOf, blockWidth } from "./blocks_out.ts";
import type { GraphForm } from "./device.ts";
import type { Model } from "./model.ts";
import { type Builder, buildGraph, type Graph, type Value } from "./onnx.ts";
import type { Sae } from "./sae.ts";

/**
 * The graph of a model up to an SAE's hook, and of the SAE.
 *
 * Its input is `tokens`, int32 `[B, T]`; its outputs are `x`, what the SAE reconstructs, `[N, D]`,
 * and `activations`, `[N, F]`, or, where `givesBlocks` asks for it, of the same activations the
 * `blocks` that are not all zero and their `places`, as {@linkcode blocksOf} makes them.
 *
 * @param model The language model.
 * @param sae The SAE.
 * @param options Positions of a sequence, whether values are centred as TransformerLens' default
 *   loading centres them, and the form that a provider wants.
 * @returns The graph; weights stay in their files.
 * @throws {DataError} If the model has no such hook, or is of another width than the SAE.
 */
export function encoderGraph(
  model: Model,
  sae: Sae,
  {
    length = sae.contextSize,
    isProcessed = sae.isProcessed,
    form: { hasHalf, givesBlocks } = { hasHalf: true, givesBlocks: false },
  }: {
    readonly length?: number;
    readonly isProcessed?: boolean;
    readonly form?: GraphForm;
  } = {},
): Graph {
  const { hook, dIn: D, dSae: F } = sae;
  return buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", length] } },
    {
      x: { dtype: "float32", shape: ["tokens", D] },
      ...(givesBlocks
        ? {
          blocks: { dtype: "float32", shape: ["blocks", blockWidth(F)] },
          places: { dtype: "int32", shape: ["blocks"] },
        }
        : { activations: { dtype: "float32", shape: ["tokens", F] } }),
    },
    (b) => {
      const x = model.graph(b, "tokens", { length, hook, isProcessed, hasHalf });
      const activations = saeGraph(b, x, sae);
      return givesBlocks ? { x, ...blocksOf(b, activations, F) } : { x, activations };
    },
  );
}

/**
 * The graph of an SAE's encoder.
 *
 * p = (normalise(x) − b_dec) · W_enc + b_enc, then the activation; scales of the decoder are folded
 * into the columns of W_enc when a session is made. An encoder that cannot be mapped from its file
 * becomes a part of the graph.
 *
 * @param b Grows the graph.
 * @param x What the SAE reconstructs: `[N, D]`.
 * @param sae The SAE.
 * @returns Its activations, none below zero: `[N, F]`.
 */
export function saeGraph(b: Builder, x: Value, sae: Sae): Value {
  const { activation } = sae;
  const vector = (values: Float32Array) => b.floats(values, [values.length]);
  const normalised = normalise(b, x, sae);
  const input = sae.subtractsDecoderBias
    ? b.op("Sub", [normalised, vector(sae.decoderBias)])
    : normalised;
  const transB = sae.isEncoderTransposed ? 1n : 0n;
  const p = b.op("Gemm", [input, encoderMatrix(b, sae), vector(sae.encoderBias)], { transB });

  switch (activation.kind) {
    case "relu":
      return b.op("Relu", [p]);
    case "tanh-relu":
      return b.op("Tanh", [b.op("Relu", [p])]);
    case "jumprelu":
      return onlyWhere(b, b.op("Greater", [p, vector(activation.threshold)]), b.op("Relu", [p]));
    case "gated": {
      const isOpen = b.op("Greater", [b.op("Add", [p, vector(activation.gateBias)]), b.scalar(0)]);
      const gain = vector(activation.magnitudeLog.map(Math.exp));
      const size = b.op("Add", [b.op("Mul", [p, gain]), vector(activation.magnitudeBias)]);
      return onlyWhere(b, isOpen, b.op("Relu", [size]));
    }
    case "topk": {
      const [largest, where] = b.ops("TopK", [p, b.ints(activation.k)], 2, {
        axis: -1n,
        sorted: 0n,
      });
      const zeros = b.op("Expand", [b.scalar(0), b.op("Shape", [p])]);
      return b.op("ScatterElements", [zeros, where, b.op("Relu", [largest])], { axis: 1n });
    }
    case "groupmax": {
      const { k } = activation;
      const groups = b.op("Reshape", [b.op("Relu", [p]), b.ints(-1, k, sae.dSae / k)]);
      const where = b.op("ArgMax", [groups], { axis: -1n });
      const largest = b.op("ReduceMax", [groups, b.ints(-1)]);
      const zeros = b.op("Expand", [b.scalar(0), b.op("Shape", [groups])]);
      const kept = b.op("ScatterElements", [zeros, where, largest], { axis: 2n });
      return b.op("Reshape", [kept, b.ints(-1, sae.dSae)]);
    }
  }
}

// W_enc with its columns scaled, as it lies: `[D, F]` or `[F, D]`.
function encoderMatrix(b: Builder, sae: Sae): Value {
  const { encoder, encoderValues, encoderScale, isEncoderTransposed, isFolded, dSae: F } = sae;
  const shape = isEncoderTransposed ? [F, sae.dIn] : [sae.dIn, F];
  const matrix = encoderValues ? b.floats(encoderValues, shape) : b.weight(encoder);
  if (!isFolded) return matrix;
  return b.op("Mul", [matrix, b.floats(encoderScale, isEncoderTransposed ? [F, 1] : [F])]);
}

function onlyWhere(b: Builder, condition: Value, value: Value): Value {
  return b.op("Where", [condition, value, b.scalar(0)]);
}

function normalise(b: Builder, x: Value, { normalization, dIn: D }: Sae): Value {
  const overD = (op: string, v: Value) => b.op(op, [v, b.ints(-1)], { keepdims: 1n });
  switch (normalization.kind) {
    case "none":
      return x;
    case "expected_average_only_in":
      return b.op("Mul", [x, b.scalar(normalization.scale)]);
    case "constant_norm_rescale":
      return b.op("Mul", [x, b.op("Div", [b.scalar(Math.sqrt(D)), overD("ReduceL2", x)])]);
    case "layer_norm": {
      const difference = b.op("Sub", [x, overD("ReduceMean", x)]);
      const variance = b.op("Div", [overD("ReduceSumSquare", difference), b.scalar(D - 1)]);
      const deviation = b.op("Add", [b.op("Sqrt", [variance]), b.scalar(1e-5)]);
      return b.op("Div", [difference, deviation]);
    }
  }
}

/**
 * What an SAE's reconstruction must be multiplied by, and then shifted by, to be compared with x:
 * the inverse of the normalisation of that token.
 *
 * @param sae The SAE.
 * @param x One token's input: `[D]`.
 * @returns x̂ = scale · (a · decoder + decoderBias) + shift.
 */
export function denormalisation(
  { normalization, dIn: D }: Pick<Sae, "normalization" | "dIn">,
  x: Float32Array,
): { readonly scale: number; readonly shift: number } {
  switch (normalization.kind) {
    case "none":
      return { scale: 1, shift: 0 };
    case "expected_average_only_in":
      return { scale: 1 / normalization.scale, shift: 0 };
    case "constant_norm_rescale": {
      let squares = 0;
      for (const v of x) squares += v * v;
      return { scale: Math.sqrt(squares / D), shift: 0 };
    }
    case "layer_norm": {
      let [sum, squares] = [0, 0];
      for (const v of x) sum += v;
      for (const v of x) squares += (v - sum / D) ** 2;
      return { scale: Math.sqrt(squares / (D - 1)) + 1e-5, shift: sum / D };
    }
  }
}
