/**
 * One run: some sequences through an encoder, to sparse rows and sums. It knows nothing of files or
 * threads, so that a worker can do it as well as this thread.
 *
 * N = tokens of a run, T = positions of a sequence, D = d_in, F = d_sae.
 *
 * @module
 */

import { sparseRows } from "./blocks_out.ts";
import { DataError } from "./errors.ts";
import { type SequenceSums, sequenceSums } from "./quality.ts";
import type { Sae } from "./sae.ts";
import type { Encoder } from "./session.ts";
import type { Sparse } from "./sparse.ts";

/** What a run needs of an SAE beside its graph, as plain data that can be posted to a worker. */
export interface RunPlan {
  /** The SAE's decoder, and what to call it in a message. */
  readonly sae: DecodingSae;
  /** Activations of a smaller size are dropped. */
  readonly threshold: number;
}

/** The part of an SAE that reconstructs. */
export type DecodingSae = Pick<
  Sae,
  "where" | "hook" | "dIn" | "dSae" | "normalization" | "decoder" | "decoderBias"
>;

/**
 * What a run needs of an SAE, without its files.
 *
 * @param sae The SAE.
 * @returns Plain data.
 */
export function decodingPart(
  { where, hook, dIn, dSae, normalization, decoder, decoderBias }: DecodingSae,
): DecodingSae {
  return { where, hook, dIn, dSae, normalization, decoder, decoderBias };
}

/** Some sequences to run. */
export interface Run {
  /** Token ids, row-major: `[B, T]`. */
  readonly ids: Int32Array;
  /** Number of the first token among all. */
  readonly start: number;
  /** Tokens whose rows count, N: B·T, or fewer where the total cuts the last sequence. */
  readonly nRows: number;
  /** Whether to measure the reconstruction of each sequence: `[B]`. */
  readonly isMeasured: readonly boolean[];
}

/** What is kept of consecutive tokens. */
export interface EncodedRows {
  /** Activations: `[N, F]`. */
  readonly rows: Sparse;
  /** ‖x‖, the length of what the SAE reads, in float32: `[N]`. */
  readonly norms: Float32Array;
}

/** What comes of a run. */
export interface EncodedRun extends EncodedRows {
  /** Sums over each sequence: `[B]`. */
  readonly sums: readonly SequenceSums[];
}

/** Runs sequences for one checkpoint: here, or in workers. */
export interface Runner {
  /** How many runs may be under way at once. */
  readonly nAtOnce: number;
  /** Runs some sequences. */
  run(run: Run): Promise<EncodedRun>;
  /** Gives back the memory. */
  release(): Promise<void>;
}

/**
 * Runs sequences in this thread.
 *
 * @param encoder The model and the SAE; released with the runner.
 * @param plan What is needed beside.
 * @returns The runner.
 */
export function runHere(encoder: Encoder, plan: RunPlan): Runner {
  return {
    nAtOnce: 1,
    run: (run) => encodeRun(run, encoder, plan),
    release: () => encoder.release(),
  };
}

/**
 * Runs some sequences through an encoder.
 *
 * Takes nnz · D multiply-adds to reconstruct a measured token, beside the graph itself.
 *
 * @param run The sequences.
 * @param encoder The model and the SAE.
 * @param plan What is needed beside.
 * @returns Rows, norms and sums.
 * @throws {DataError} If a value or a norm is not finite.
 */
export async function encodeRun(
  { ids, start, nRows, isMeasured }: Run,
  encoder: Encoder,
  { sae, threshold }: RunPlan,
): Promise<EncodedRun> {
  const T = encoder.length;
  const encoded = await encoder.encode(ids);
  const x = encoded.x.subarray(0, nRows * sae.dIn);
  const norms = rowNorms(x, sae.dIn);
  const token = firstNonFinite(norms); // its norm is not finite where a value of it is not
  if (token >= 0) {
    const values = x.subarray(token * sae.dIn, (token + 1) * sae.dIn);
    const inX = firstNonFinite(values);
    if (inX >= 0) refuse("input", values[inX], start + token, sae, T);
    refuse("norm of the input", norms[token], start + token, sae, T);
  }

  const rows = sparseRows(encoded, sae.dSae, { nRows, threshold });
  const inRows = firstNonFinite(rows.values);
  if (inRows >= 0) {
    const row = rows.offsets.findIndex((offset) => offset > inRows) - 1;
    refuse("activations", rows.values[inRows], start + row, sae, T);
  }
  const sums = isMeasured.map((isMeasured, sequence) => {
    const from = sequence * T;
    return sequenceSums(rows, x, { sae, from, to: Math.min(nRows, from + T), isMeasured });
  });
  return { rows, norms, sums };
}

// The length of every row, summed in double precision, in order.
function rowNorms(x: Float32Array, D: number): Float32Array {
  const norms = new Float32Array(x.length / D);
  for (let row = 0, e = 0; row < norms.length; row++) {
    let squares = 0;
    for (const end = e + D; e < end; e++) squares += x[e] * x[e];
    norms[row] = Math.sqrt(squares);
  }
  return norms;
}

// Position of the first value that is not a number to count with, -1 if there is none.
function firstNonFinite(values: Float32Array): number {
  let sum = 0;
  for (let e = 0; e < values.length; e++) sum += values[e] * 0; // NaN from NaN and from infinity
  return sum === 0 ? -1 : values.findIndex((value) => !Number.isFinite(value));
}

function refuse(what: string, value: number, token: number, sae: DecodingSae, T: number): never {
  throw new DataError(`compute the ${what} of SAE`, {
    where: `${sae.where} at ${sae.hook.name}`,
    expected: "finite numbers",
    got: `${value} at position ${token % T} of sequence ${Math.floor(token / T)}`,
    fix: "look for NaN or overflow in the weights of the model",
  });
}
