/**
 * The activations of a checkpoint, and the tokens of a sweep, on disk.
 *
 * N = tokens.
 *
 * @module
 */

import { openTable, tableWriter, writeTable } from "./arrow.ts";
import { DataError } from "./errors.ts";
import type { ByteSink, ByteSource } from "./files.ts";
import { readInfo, type SourceFile, type TableInfo } from "./metadata.ts";
import { indexArray, type Sparse } from "./sparse.ts";
import type { Tokens } from "./tokens.ts";

/** What an activations file says of itself, as JSON under the key `sae` of its schema. */
export interface ActivationInfo extends TableInfo {
  /** Training step of the language model. */
  readonly step: number;
  /** Where the SAE reads. */
  readonly hook: string;
  /** Width of the SAE's input. */
  readonly d_in: number;
  /** Features of the SAE. */
  readonly d_sae: number;
  /** Rows of the file. */
  readonly n_tokens: number;
  /** Positions of a sequence. */
  readonly context_size: number;
  /** Names the tokens: their hash, in hexadecimal. */
  readonly tokens: string;
  /** Activations of a smaller size were dropped. */
  readonly threshold: number;
  /** Whether the SAE saw values as TransformerLens' default loading gives them: centred. */
  readonly centred: boolean;
  /** Whether activations count in units of the decoder's row lengths. */
  readonly folded: boolean;
  /** Tokens on which `mse` and `explained_variance` were measured. */
  readonly n_measured: number;
  /** Mean number of features that fire on a token. */
  readonly l0: number;
  /** Mean sum of activations on a token. */
  readonly l1: number;
  /** Mean squared error of the reconstruction, summed over d_in. */
  readonly mse: number;
  /** 1 − Σ‖x − x̂‖² / Σ‖x − x̄‖². */
  readonly explained_variance: number;
  /** Features that never fire. */
  readonly n_dead: number;
  /** Features that fire on more than a tenth of the tokens. */
  readonly n_dense: number;
  /** The files it was made from. */
  readonly sources: readonly SourceFile[];
}

/**
 * Begins an activations file: one row a token, features ascending.
 *
 * @param sink Where the bytes go.
 * @param dSae Features of the SAE; up to 65,536 are stored in 16 bits.
 * @param fingerprint What the file is made from.
 * @returns Takes rows in order, then what is known at the end.
 */
export function activationsWriter(sink: ByteSink, dSae: number, fingerprint: string): {
  write(rows: Sparse): void;
  finish(info: ActivationInfo): void;
} {
  const features = dSae <= 0x10000 ? "list<uint16>" : "list<uint32>";
  const writer = tableWriter(sink, { features, values: "list<float32>" }, {
    sae: JSON.stringify({ format: 1, fingerprint }),
  });
  return {
    write({ offsets, columns, values }) {
      writer.write({ features: { values: columns, offsets }, values: { values, offsets } });
    },
    finish(info) {
      writer.finish({ sae: JSON.stringify(info) });
    },
  };
}

/**
 * Reads what an activations file says of itself.
 *
 * @param source The file.
 * @returns Its description.
 * @throws {DataError} If it is not an activations file of this format.
 */
export function readActivationInfo(source: ByteSource): Promise<ActivationInfo> {
  return readInfo<ActivationInfo>(source, "sae", ["step", "d_sae", "n_tokens"]);
}

/**
 * Reads an activations file whole.
 *
 * Cost: 6 or 8 bytes an activation.
 *
 * @param source The file.
 * @returns Its description and its rows: `[N, d_sae]`.
 * @throws {DataError} If rows are missing, or a feature is out of range.
 */
export async function readActivations(
  source: ByteSource,
): Promise<{ readonly info: ActivationInfo; readonly rows: Sparse }> {
  const info = await readActivationInfo(source);
  const parts: { features: ArrayLike<number>; values: ArrayLike<number>; offsets: Int32Array }[] =
    [];
  for await (const batch of (await openTable(source)).batches()) {
    const [features, values] = [batch.column("features"), batch.column("values")];
    const offsets = batch.offsets("features");
    const last = batch.offsets("values").at(-1);
    if (offsets.at(-1) !== last) refuseRows(source, `as many values as features`, `${last}`);
    parts.push({ features, values, offsets });
  }
  const nRows = parts.reduce((sum, part) => sum + part.offsets.length - 1, 0);
  if (nRows !== info.n_tokens) refuseRows(source, `${info.n_tokens} rows`, `${nRows}`);

  const nnz = parts.reduce((sum, part) => sum + part.features.length, 0);
  const offsets = new Uint32Array(nRows + 1);
  const columns = indexArray(info.d_sae, nnz);
  const values = new Float32Array(nnz);
  let [row, entry] = [0, 0];
  for (const part of parts) {
    for (let r = 1; r < part.offsets.length; r++) offsets[++row] = entry + part.offsets[r];
    columns.set(part.features, entry);
    values.set(part.values, entry);
    entry += part.features.length;
  }
  const outside = columns.find((feature) => feature >= info.d_sae);
  if (outside !== undefined) refuseRows(source, `features below ${info.d_sae}`, `${outside}`);
  return { info, rows: { nRows, nCols: info.d_sae, offsets, columns, values } };
}

function refuseRows(source: ByteSource, expected: string, got: string): never {
  throw new DataError("read activations", {
    where: source.name,
    expected,
    got,
    fix: "delete the file and make it again",
  });
}

const tokenTypes = { sequence: "uint32", position: "uint32", token: "uint32" } as const;

/** What the file of tokens says of itself, as JSON under the key `tokens` of its schema. */
export interface TokensInfo extends TableInfo {
  /** Positions of a sequence. */
  readonly context_size: number;
  /** Rows of the file. */
  readonly n_tokens: number;
}

/**
 * Reads what a file of tokens says of itself.
 *
 * @param source The file.
 * @returns Its description.
 * @throws {DataError} If it is not a file of tokens of this format.
 */
export function readTokensInfo(source: ByteSource): Promise<TokensInfo> {
  return readInfo<TokensInfo>(source, "tokens", ["context_size", "n_tokens"]);
}

/**
 * Writes the tokens of a sweep: one row a token.
 *
 * @param sink Where the bytes go.
 * @param tokens The tokens.
 * @param fingerprint Names them.
 */
export function writeTokens(
  sink: ByteSink,
  { ids, nTokens, contextSize }: Tokens,
  fingerprint: string,
): void {
  const rows = Uint32Array.from({ length: nTokens }, (_, n) => n);
  writeTable(sink, tokenTypes, {
    sequence: { values: rows.map((n) => Math.floor(n / contextSize)) },
    position: { values: rows.map((n) => n % contextSize) },
    token: { values: Uint32Array.from(ids.subarray(0, nTokens)) },
  }, {
    tokens: JSON.stringify(
      { format: 1, fingerprint, context_size: contextSize, n_tokens: nTokens } satisfies TokensInfo,
    ),
  });
}
