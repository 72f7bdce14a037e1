/**
 * From the last residual to logits: a norm, and a matrix with a row for each token.
 *
 * N = tokens, D = width, V = token ids.
 *
 * @module
 */

import { normalised, prefixOf } from "./layers.ts";
import type { Builder, Value } from "./onnx.ts";
import { getEntry, type TensorEntry } from "./safetensors.ts";
import type { Weights } from "./weights.ts";

/** What is between the last residual and the logits. */
export interface Head {
  /** The weight of the final norm: `[D]`. */
  readonly gain: TensorEntry;
  /** Whether the final norm removes the mean over D, as a layer norm does. */
  readonly isCentring: boolean;
  /** One row a token: `[V, D]`. */
  readonly matrix: TensorEntry;
  /** Adds the final norm and the output matrix: residuals `[N, D]` to logits `[N, V]`. */
  readonly logits: (b: Builder, residual: Value) => Value;
}

/** The names of the tensors of a head. */
export interface HeadNames {
  /** What stands before all but `matrix`, where the folder has the output matrix too. */
  readonly prefix: string;
  /** The weight of the final norm. */
  readonly gain: string;
  /** Its bias; without one it is an RMS norm. */
  readonly shift?: string;
  /** The output matrix. */
  readonly matrix: string;
  /** The embedding, which is the output matrix where they are tied. */
  readonly embedding: string;
}

/** The shape of a head. */
export interface HeadShape {
  /** Token ids, V. */
  readonly vocabulary: number;
  /** Width of the residual stream, D. */
  readonly hidden: number;
  /** Added to the variance in the final norm. */
  readonly epsilon: number;
  /** Whether the embedding is the output matrix, where there is no other. */
  readonly isTied: boolean;
}

/**
 * Finds the head of a model; nothing is read.
 *
 * A matrix of its own comes before a tied one.
 *
 * @param weights The model's.
 * @param names Those of its tensors.
 * @param shape Their shape.
 * @returns The head.
 * @throws {DataError} If a tensor is missing, or has another shape.
 */
export function findHead(
  weights: Weights,
  names: HeadNames,
  { vocabulary, hidden, epsilon, isTied }: HeadShape,
): Head {
  const { entries, where } = weights;
  const prefix = prefixOf(weights, names.prefix);
  const isOwn = !isTied || entries.has(names.matrix);
  const vector = (name: string) => getEntry(entries, prefix + name, where, [hidden]);
  const gain = vector(names.gain);
  const name = isOwn ? names.matrix : prefix + names.embedding;
  const matrix = getEntry(entries, name, where, [vocabulary, hidden]);
  return {
    gain,
    isCentring: names.shift !== undefined,
    matrix,
    logits(b, residual) {
      const shift = names.shift === undefined ? undefined : b.weight(vector(names.shift));
      const normal = normalised(b, residual, { gain: b.weight(gain), shift, epsilon });
      return b.op("Gemm", [normal, b.weight(matrix)], { transB: 1n });
    },
  };
}
