/**
 * The tokens of a sweep: rows of ids from a file, cut to the context.
 *
 * Rows count from 0 in messages, in file order. Only as many are read as the tokens asked for need.
 *
 * @module
 */

import { openRows } from "./arrow.ts";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { readJsonLines } from "./json_lines.ts";
import { readNpyEntry } from "./npy.ts";
import { openParquet } from "./parquet.ts";
import {
  type Dtype,
  getEntry,
  readEntries,
  showShape,
  sliceRows,
  type TensorEntry,
} from "./safetensors.ts";

/** What to take of a token file. */
export interface TokenOptions {
  /** The column of a table, the key of a JSON object, or the tensor: "input_ids" if left out. */
  readonly column?: string;
  /** Ids of a sequence, T: a row may be longer, and is cut. */
  readonly contextSize: number;
  /** How many tokens to take, N; fewer are taken if the file has fewer. */
  readonly totalTokens: number;
}

/** Sequences of equal length. */
export interface Tokens {
  /** Ids of a sequence, T. */
  readonly contextSize: number;
  /** Number of sequences, S. */
  readonly nSequences: number;
  /** The first so many count; those after them only complete the last sequence. */
  readonly nTokens: number;
  /** Ids `[S, T]`. */
  readonly ids: Int32Array;
}

type Wanted = Required<TokenOptions> & { readonly nRows: number };

// Rows in file order, of which no more are taken than wanted.
type Rows = AsyncGenerator<unknown>;
type ReadRows = (source: ByteSource, wanted: Wanted) => Rows;

const formats: ReadonlyMap<string, readonly [expected: string, read: ReadRows]> = new Map([
  [".parquet", ["a Parquet file", (source, { column }) => readParquetColumn(source, column)]],
  [".arrow", ["an uncompressed Arrow file", arrowRows]],
  [".feather", ["an uncompressed Arrow file", arrowRows]],
  [".ipc", ["an uncompressed Arrow file", arrowRows]],
  [".jsonl", ["UTF-8 text", (source, { column }) => readJsonColumn(source, column)]],
  [".npy", ["a .npy file", npyRows]],
  [".safetensors", ["a safetensors file", safetensorsRows]],
]);

/**
 * Reads the tokens of a file.
 *
 * No token is added, none is left out: a row that is not long enough is an error, since a padded
 * context would count tokens that are not there.
 *
 * @param source Rows of ids: .parquet, .arrow, .feather or .ipc (uncompressed; file or stream) with
 * a column of lists; .jsonl of arrays, or of objects with one; .npy or .safetensors `[rows, ids]`.
 * @param options What to take.
 * @returns The first rows, each cut to the context, and of them the first `totalTokens`.
 * @throws {RangeError} If a size is not a positive integer.
 * @throws {DataError} If there are no rows, a row is too short, or an id is not from 0 to 2^31 - 1.
 *
 * @example Five tokens in sequences of three
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesInMemory } from "./files.ts";
 *
 * const lines = new TextEncoder().encode("[1, 2, 3, 4]\n[5, 6, 7, 8]\n[9]\n");
 * const source = bytesInMemory("tokens.jsonl", lines);
 * const { ids, nTokens } = await readTokens(source, { contextSize: 3, totalTokens: 5 });
 *
 * assert.deepEqual([...ids], [1, 2, 3, 5, 6, 7]);
 * assert.equal(nTokens, 5);
 * ```
 */
export async function readTokens(
  source: ByteSource,
  { column = "input_ids", contextSize, totalTokens }: TokenOptions,
): Promise<Tokens> {
  for (const [name, size] of Object.entries({ contextSize, totalTokens })) {
    if (!Number.isSafeInteger(size) || size < 1) {
      throw new RangeError(
        `Cannot read tokens with ${name} ${size}: it must be a positive integer`,
      );
    }
  }
  const extension = /\.[^./\\]*$/.exec(source.name)?.[0].toLowerCase() ?? "";
  const format = formats.get(extension);
  if (format === undefined) {
    const expected = `a name that ends in ${[...formats.keys()].join(", ")}`;
    throw tokenError(source.name, expected, show(extension));
  }

  const [expected, readRows] = format;
  const nRows = Math.ceil(totalTokens / contextSize);
  const rows: Int32Array[] = [];
  try {
    for await (const row of readRows(source, { column, contextSize, totalTokens, nRows })) {
      const ids = toIds(row, contextSize, `row ${rows.length} in ${source.name}`);
      if (rows.push(ids) === nRows) break;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw tokenError(source.name, expected, show((cause as Error).message), { cause });
  }
  if (rows.length === 0) throw tokenError(source.name, "at least one row", "none");

  const ids = new Int32Array(rows.length * contextSize);
  rows.forEach((row, sequence) => ids.set(row, sequence * contextSize));
  return { contextSize, nSequences: rows.length, nTokens: Math.min(totalTokens, ids.length), ids };
}

type More = ErrorOptions & { readonly fix?: string };
function tokenError(where: string, expected: string, got: string, more: More = {}): DataError {
  return new DataError("read tokens of", { where, expected, got, fix: more.fix ?? "" }, more);
}

// The first ids of a row, checked.
function toIds(row: unknown, contextSize: number, where: string): Int32Array {
  if (!Array.isArray(row) && !ArrayBuffer.isView(row)) {
    throw tokenError(where, "a list of ids", show(row));
  }
  const values = row as unknown as ArrayLike<unknown>;
  if (values.length < contextSize) {
    throw tokenError(where, `at least ${contextSize} ids`, `${values.length}`, {
      fix: "join texts into rows that fill the context",
    });
  }
  const ids = new Int32Array(contextSize);
  for (let i = 0; i < contextSize; i++) {
    const value = values[i];
    const id = typeof value === "bigint" ? Number(value) : value as number;
    if (!Number.isInteger(id) || id < 0 || id > 0x7fffffff) {
      throw tokenError(where, "ids from 0 to 2147483647", `${show(value)} at ${i}`);
    }
    ids[i] = id;
  }
  return ids;
}

function checkColumn(names: readonly string[], column: string, where: string): void {
  if (!names.includes(column)) {
    const some = names.slice(0, 5).map(show).join(", ") || "none";
    const others = names.length > 5 ? ` and ${names.length - 5} more` : "";
    throw tokenError(where, `column ${show(column)}`, some + others);
  }
}

async function* arrowRows(source: ByteSource, { column, contextSize }: Wanted): Rows {
  const { names, rows } = await openRows(source);
  checkColumn(names, column, source.name);
  yield* rows(column, contextSize);
}

/**
 * The rows of one column of a Parquet file.
 *
 * @param source The file.
 * @param column Its name.
 * @returns A list as an array, text as a string, null as null; read when they are asked for.
 * @throws {Error} hyparquet's, in its words, if the file cannot be read.
 * @throws {DataError} If there is no such column, or it is nested.
 */
export async function* readParquetColumn(
  source: ByteSource,
  column: string,
): AsyncGenerator<unknown> {
  const { names, rows } = await openParquet(source);
  checkColumn(names, column, source.name);
  yield* rows(column);
}

/**
 * One member of each line of JSON; of a line that is no object, the line.
 *
 * @param source The file.
 * @param column The member's name.
 * @returns Its values, in file order; read when they are asked for.
 * @throws {TypeError} If the file is not UTF-8.
 * @throws {DataError} If a line is not JSON, or an object is without the member.
 */
export async function* readJsonColumn(
  source: ByteSource,
  column: string,
): AsyncGenerator<unknown> {
  for await (const { value, where } of readJsonLines(source)) {
    if (value !== Object(value) || Array.isArray(value)) yield value;
    else {
      checkColumn(Object.keys(value as object), column, where);
      yield (value as Record<string, unknown>)[column];
    }
  }
}

async function* npyRows(source: ByteSource, wanted: Wanted): Rows {
  yield* tensorRows(await readNpyEntry(source), wanted);
}

async function* safetensorsRows(source: ByteSource, wanted: Wanted): Rows {
  yield* tensorRows(getEntry(await readEntries(source), wanted.column, source.name), wanted);
}

// The wanted rows of a matrix of integers, from the disk in parts of 4 MiB or one row.
async function* tensorRows(entry: TensorEntry, { nRows }: Wanted): Rows {
  const { name, dtype, shape: [length, nCols], source } = entry;
  const where = `${show(name)} in ${source.name}`;
  const Values = integers[dtype];
  if (Values === undefined) {
    throw tokenError(where, `dtype ${Object.keys(integers).join(", ")}`, dtype);
  }
  if (entry.shape.length !== 2) {
    throw tokenError(where, "a shape [rows, ids]", `shape ${showShape(entry.shape)}`);
  }
  const end = Math.min(nRows, length);
  const step = Math.max(1, Math.floor((1 << 22) / (8 * nCols)));
  for (let row = 0; row < end; row += step) {
    const part = sliceRows(entry, row, Math.min(end, row + step));
    const values = new Values((await source.read(part.start, part.end)).buffer);
    for (let r = 0; r < part.shape[0]; r++) yield values.subarray(r * nCols, (r + 1) * nCols);
  }
}

type Integers = { subarray(start: number, end: number): unknown };

// deno-fmt-ignore
const integers: { readonly [D in Dtype]?: new (bytes: ArrayBuffer) => Integers } = {
  U8: Uint8Array, U16: Uint16Array, U32: Uint32Array, U64: BigUint64Array,
  I8: Int8Array, I16: Int16Array, I32: Int32Array, I64: BigInt64Array,
};

/**
 * Refuses ids that a model has no embedding for.
 *
 * @param tokens The tokens, those included that complete the last sequence: the model sees them.
 * @param vocabSize Number of embeddings.
 * @param where What to call the token file in a message.
 * @throws {DataError} If an id is not below `vocabSize`.
 */
export function checkVocabulary(tokens: Tokens, vocabSize: number, where: string): void {
  const { ids, contextSize: T } = tokens;
  const at = ids.findIndex((id) => id >= vocabSize);
  if (at === -1) return;
  const place = `sequence ${Math.floor(at / T)}, position ${at % T} in ${where}`;
  throw tokenError(place, `an id below ${vocabSize}`, `${ids[at]}`);
}
