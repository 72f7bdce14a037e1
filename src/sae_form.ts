/**
 * The one form that every collection of sparse autoencoders is brought into, and what the files of
 * the collections have in common.
 *
 * D = d_in, F = d_sae.
 *
 * @module
 */

import { DataError, refuseMember, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import type { Hook } from "./hooks.ts";
import { checkFinite, getEntry, readFloats, showShape, type TensorEntry } from "./safetensors.ts";

/** A way of laying an SAE into files. */
export type SaeFormat =
  | "SAELens"
  | "sparsify"
  | "dictionary_learning"
  | "Gemma Scope"
  | "Llama Scope";

/** How pre-activations become activations. */
export type SaeActivation =
  /** max(p, 0). */
  | { readonly kind: "relu" }
  /** tanh(max(p, 0)). */
  | { readonly kind: "tanh-relu" }
  /** p where p > threshold and p > 0, else 0; the threshold is `[F]`. */
  | { readonly kind: "jumprelu"; readonly threshold: Float32Array }
  /** max(p, 0) of the k largest p of a token, else 0. */
  | { readonly kind: "topk"; readonly k: number }
  /** max(p, 0) of the largest p of each of k groups of F/k neighbours, else 0. */
  | { readonly kind: "groupmax"; readonly k: number }
  /** max(q · exp(r_mag) + b_mag, 0) where q + b_gate > 0, else 0, q being p without a bias. */
  | {
    readonly kind: "gated";
    readonly gateBias: Float32Array;
    readonly magnitudeBias: Float32Array;
    readonly magnitudeLog: Float32Array;
  };

/** What is done to x before the SAE sees it. */
export type Normalization =
  | { readonly kind: "none" }
  /** (x − mean) / (standard deviation of a sample + 1e-5), over D. */
  | { readonly kind: "layer_norm" }
  /** x √D / ‖x‖. */
  | { readonly kind: "constant_norm_rescale" }
  /** x · scale, with one scale for all tokens. */
  | { readonly kind: "expected_average_only_in"; readonly scale: number };

/** How many features should fire on a token, as the files of an SAE say. */
export interface ExpectedL0 {
  /** The mean over tokens. */
  readonly value: number;
  /** What says so: "k", "sparsity.safetensors". */
  readonly source: string;
}

/** A sparse autoencoder, read. Activations are those of the SAE as its own library gives them. */
export interface Sae {
  /** The collection whose files it was read from. */
  readonly format: SaeFormat;
  /** Its folder. */
  readonly where: string;
  /** Where its input is read. */
  readonly hook: Hook;
  /** Width of its input, D. */
  readonly dIn: number;
  /** Number of features, F. */
  readonly dSae: number;
  /** Positions of a training sequence. */
  readonly contextSize: number;
  /** Whether it was trained on values as TransformerLens' default loading gives them (centred). */
  readonly isProcessed: boolean;
  /** What is done to its input. */
  readonly normalization: Normalization;
  /** Whether b_dec is subtracted from the input. */
  readonly subtractsDecoderBias: boolean;
  /** Whether activations count in units of the decoder row's length (`fold_W_dec_norm`). */
  readonly isFolded: boolean;
  /** How pre-activations become activations. */
  readonly activation: SaeActivation;
  /** `W_enc`, `[D, F]`, or its transpose, in its file. */
  readonly encoder: TensorEntry;
  /** Whether the encoder lies there as `[F, D]`. */
  readonly isEncoderTransposed: boolean;
  /** The encoder's elements, where its file is compressed, so that it cannot be used in place. */
  readonly encoderValues: Float32Array | undefined;
  /** What each column of `W_enc` is multiplied by: the lengths of the decoder rows if folded, else 1: `[F]`. */
  readonly encoderScale: Float32Array;
  /** Encoder bias, scaled as well; zeros where the activation has biases of its own: `[F]`. */
  readonly encoderBias: Float32Array;
  /** Decoder, so that x̂ = a · decoder + decoderBias in the SAE's own units, row-major: `[F, D]`. */
  readonly decoder: Float32Array;
  /** Decoder bias: `[D]`. */
  readonly decoderBias: Float32Array;
  /** Step of the language model by its index in Pythia's schedule, where the files have one. */
  readonly checkpointIndex: number | undefined;
  /** How many features should fire on a token, where the files say so. */
  readonly expectedL0: ExpectedL0 | undefined;
  /** The files that its activations depend on. */
  readonly files: readonly ByteSource[];
}

/** What is known of an SAE beside its own files; used where they are silent. */
export interface SaeTold {
  /** Where its input is read: "blocks.3.hook_resid_pre". */
  readonly hook?: string | undefined;
  /** Positions of a training sequence. */
  readonly contextSize?: number | undefined;
}

/** What the files of an SAE say of it, but for its weights; undefined where they are silent. */
export interface SaeStatement {
  /** The file that says it. */
  readonly where: string;
  /** Where its input is read. */
  readonly hook: Hook | undefined;
  /** The block that it reads, where that is all that is said of the hook. */
  readonly layer?: number | undefined;
  /** Positions of a training sequence. */
  readonly contextSize: number | undefined;
  /** Step of the language model by its index in Pythia's schedule. */
  readonly checkpointIndex: number | undefined;
}

/** An SAE as one collection gives it: its weights, and what its files say. */
export interface StoredSae
  extends Omit<Sae, "format" | "where" | "hook" | "contextSize" | "checkpointIndex"> {
  /** What its files say. */
  readonly statement: SaeStatement;
}

/**
 * A count of at least 1 in a JSON file.
 *
 * @param value What it holds.
 * @param where The file.
 * @param key The member, with the path to it.
 * @param most The largest that it may be.
 * @returns The count.
 * @throws {DataError} If it is something else.
 */
export function countMember(value: unknown, where: string, key: string, most = Infinity): number {
  if (Number.isSafeInteger(value) && Number(value) > 0 && Number(value) <= most) {
    return value as number;
  }
  refuseMember(where, key, most === Infinity ? "a count of at least 1" : `1 to ${most}`, value);
}

/**
 * Reads a tensor of an SAE, every element of which must be finite.
 *
 * @param entries What there is.
 * @param name The tensor wanted.
 * @param where What to call the file in a message.
 * @param shape The shape it must have.
 * @returns Its elements.
 * @throws {DataError} If it is missing, of another shape, or not finite.
 */
export async function finiteFloats(
  entries: ReadonlyMap<string, TensorEntry>,
  name: string,
  where: string,
  shape: readonly number[],
): Promise<Float32Array> {
  const values = await readFloats(getEntry(entries, name, where, shape));
  checkFinite(values, where, name);
  return values;
}

/** A tensor of a file that may keep a matrix by its columns; then the entry is its transpose's. */
export interface Lying {
  /** Where it lies. */
  readonly entry: TensorEntry;
  /** Whether its columns lie one after another. */
  readonly isTransposed: boolean;
}

/**
 * The tensor of a name and a shape, whichever way it lies; every element must be finite.
 *
 * @param tensors What there is.
 * @param name The tensor wanted.
 * @param where What to call the file in a message.
 * @param shape The shape it must have, row by row.
 * @returns The tensor, and its elements row by row.
 * @throws {DataError} If it is missing, of another shape, or not finite.
 */
export async function finiteLying(
  tensors: ReadonlyMap<string, Lying>,
  name: string,
  where: string,
  shape: readonly number[],
): Promise<Lying & { readonly values: Float32Array }> {
  const found = tensors.get(name);
  const lying = found?.entry.shape ?? [];
  const got = showShape(found?.isTransposed ? lying.toReversed() : lying);
  if (found === undefined || got !== showShape(shape)) {
    throw new DataError("read tensor", {
      where: `${show(name)} in ${where}`,
      expected: `shape ${showShape(shape)}`,
      got: found ? `shape ${got}` : `only ${[...tensors.keys()].slice(0, 9).join(", ")}`,
    });
  }
  const values = await readFloats(found.entry);
  checkFinite(values, where, name);
  return { ...found, values: found.isTransposed ? turned(values, shape[0]) : values };
}

/**
 * The lengths of a decoder's rows.
 *
 * SAELens' floor of 1e-8 keeps a row of zeros finite when it is divided by its length.
 *
 * @param decoder Row-major: `[F, D]`.
 * @param D Width of a row.
 * @param inputScale What the input is multiplied by; lengths are in units of the input as it was.
 * @returns The lengths: `[F]`.
 *
 * @example 3, 4, 5
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([...decoderNorms(new Float32Array([3, 4, 0, 2]), 2)], [5, 2]);
 * ```
 */
export function decoderNorms(decoder: Float32Array, D: number, inputScale = 1): Float32Array {
  return Float32Array.from({ length: decoder.length / D }, (_, f) => {
    let sum = 0;
    for (let e = f * D; e < (f + 1) * D; e++) sum += decoder[e] * decoder[e];
    return Math.max(Math.sqrt(sum) / inputScale, 1e-8);
  });
}

/**
 * A matrix with rows and columns exchanged.
 *
 * @param values Row-major: `[R, C]`.
 * @param nColumns Its columns, C.
 * @returns Row-major: `[C, R]`.
 *
 * @example Two rows become two columns
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([...turned(new Float32Array([1, 2, 3, 4, 5, 6]), 3)], [1, 4, 2, 5, 3, 6]);
 * ```
 */
export function turned(values: Float32Array, nColumns: number): Float32Array {
  const nRows = values.length / nColumns;
  const result = new Float32Array(values.length);
  for (let r = 0; r < nRows; r++) {
    for (let c = 0; c < nColumns; c++) result[c * nRows + r] = values[r * nColumns + c];
  }
  return result;
}
