/**
 * The activations of a checkpoint, and the tokens of a sweep, on disk.
 *
 * N = tokens.
 *
 * @module
 */

import { type Batch, openTable, tableWriter, writeTable } from "./arrow.ts";
import type { Activations } from "./blocks.ts";
import type { ColumnTypes } from "./columns.ts";
import type { EncodedRows } from "./encode_run.ts";
import { DataError } from "./errors.ts";
import type { ByteSink, ByteSource } from "./files.ts";
import { readInfo, type SourceFile, type TableInfo } from "./metadata.ts";
import { concatenate, type Sparse } from "./sparse.ts";
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
 * The columns of an activations file: features, ascending, their activations, and the norm of x.
 *
 * @param dSae Features of the SAE; up to 65,536 are stored in 16 bits.
 * @returns Their types.
 */
export function activationTypes(dSae: number): ColumnTypes {
  const features = dSae <= 0x10000 ? "list<uint16>" : "list<uint32>";
  return { features, values: "list<float32>", norm: "float32" };
}

/**
 * Begins an activations file: one row a token.
 *
 * @param sink Where the bytes go.
 * @param dSae Features of the SAE.
 * @param fingerprint What the file is made from.
 * @returns Takes rows and their norms, as many, in order, then what is known at the end.
 */
export function activationsWriter(sink: ByteSink, dSae: number, fingerprint: string): {
  write(encoded: EncodedRows): void;
  finish(info: ActivationInfo): void;
} {
  const writer = tableWriter(sink, activationTypes(dSae), {
    sae: JSON.stringify({ format: 1, fingerprint }),
  });
  return {
    write({ rows: { nRows, offsets, columns, values }, norms }) {
      if (norms.length !== nRows) {
        throw new RangeError(
          `Cannot write activations of ${nRows} tokens: expected ${nRows} norms, got ${norms.length}`,
        );
      }
      writer.write({
        features: { values: columns, offsets },
        values: { values, offsets },
        norm: { values: norms },
      });
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
 * Opens an activations file.
 *
 * Its rows are read a record batch at a time, at 6 or 8 bytes an activation, and checked then.
 *
 * @param source The file.
 * @returns Its description, and its rows: `[N, d_sae]`. Reading them throws a {@linkcode DataError} if
 *   some are missing, or a feature is out of range.
 * @throws {DataError} If it is not an activations file of this format.
 */
export async function openActivations(
  source: ByteSource,
): Promise<{ readonly info: ActivationInfo; readonly rows: Activations }> {
  const info = await readActivationInfo(source);
  const { n_tokens: nRows, d_sae: nCols, l0 } = info;
  const table = await openTable(source);
  async function* parts(): AsyncGenerator<Sparse> {
    let nRead = 0;
    for await (const batch of table.batches()) {
      const rows = rowsOf(batch, nCols, source);
      nRead += rows.nRows;
      yield rows;
    }
    if (nRead !== nRows) refuseRows(source, `${nRows} rows`, `${nRead}`);
  }
  return { info, rows: { nRows, nCols, nnz: Math.round(l0 * nRows), parts } };
}

/**
 * Reads an activations file whole.
 *
 * Cost: 6 or 8 bytes an activation, twice while parts are joined.
 *
 * @param source The file.
 * @returns Its description and its rows: `[N, d_sae]`.
 * @throws {DataError} If rows are missing, or a feature is out of range.
 */
export async function readActivations(
  source: ByteSource,
): Promise<{ readonly info: ActivationInfo; readonly rows: Sparse }> {
  const { info, rows } = await openActivations(source);
  return { info, rows: concatenate(await Array.fromAsync(rows.parts()), info.d_sae) };
}

/**
 * Reads the norm of what the SAE read at every token.
 *
 * Cost: 4 bytes a token, and one record batch at a time.
 *
 * @param source The file.
 * @returns ‖x‖: `[N]`.
 * @throws {DataError} If rows are missing, or norms are, as from a file of an earlier version.
 *
 * @example Two tokens
 * ```ts
 * import assert from "node:assert/strict";
 * import { writeTable } from "./arrow.ts";
 * import { bytesInMemory } from "./files.ts";
 *
 * const bytes: number[] = [];
 * const info = { format: 1, fingerprint: "f", step: 8, d_sae: 3, n_tokens: 2 };
 * const sink = { write: (part: Uint8Array) => void bytes.push(...part) };
 * const sae = JSON.stringify(info);
 * writeTable(sink, { norm: "float32" }, { norm: { values: [1, 30] } }, { sae });
 *
 * const norms = await readNorms(bytesInMemory("step8.arrow", Uint8Array.from(bytes)));
 *
 * assert.deepEqual([...norms], [1, 30]);
 * ```
 */
export async function readNorms(source: ByteSource): Promise<Float32Array> {
  const { n_tokens: nRows } = await readActivationInfo(source);
  const table = await openTable(source);
  if (!table.names.includes("norm")) {
    refuseRows(source, 'a column "norm"', table.names.join(", "));
  }
  const norms = new Float32Array(nRows);
  let nRead = 0;
  for await (const batch of table.batches()) {
    if (nRead + batch.nRows <= nRows) norms.set(batch.column("norm"), nRead);
    nRead += batch.nRows;
  }
  if (nRead !== nRows) refuseRows(source, `${nRows} rows`, `${nRead}`);
  return norms;
}

function rowsOf(batch: Batch, nCols: number, source: ByteSource): Sparse {
  const offsets = batch.offsets("features");
  const values = batch.column("values");
  const features = batch.column("features");
  if (features.length !== values.length) {
    refuseRows(source, "as many values as features", `${values.length}`);
  }
  for (let e = 0; e < features.length; e++) {
    if (features[e] >= nCols) refuseRows(source, `features below ${nCols}`, `${features[e]}`);
  }
  const isNarrow = nCols <= 0x10000;
  return {
    nRows: batch.nRows,
    nCols,
    offsets: Uint32Array.from(offsets),
    columns: isNarrow ? asArray(Uint16Array, features) : asArray(Uint32Array, features),
    values: asArray(Float32Array, values),
  };
}

// The numbers as they lie, where they are of the wanted type.
function asArray<A extends Float32Array | Uint16Array | Uint32Array>(
  Type: { new (...of: never[]): A; from(numbers: ArrayLike<number>): A },
  numbers: ArrayLike<number>,
): A {
  return numbers instanceof Type ? numbers : Type.from(numbers);
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
 * Reads the token ids of a sweep.
 *
 * @param source The file.
 * @returns The id of every token: `[N]`.
 * @throws {DataError} If it is not a file of tokens of this format.
 */
export async function readTokenIds(source: ByteSource): Promise<Uint32Array> {
  const ids = new Uint32Array((await readTokensInfo(source)).n_tokens);
  let n = 0;
  for await (const batch of (await openTable(source)).batches()) {
    ids.set(batch.column("token"), n);
    n += batch.nRows;
  }
  return ids;
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
