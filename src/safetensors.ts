/**
 * Where the tensors of a safetensors file lie, and their elements as float32, in whole or by rows.
 *
 * A file is 8 bytes N, little-endian; N bytes of JSON, the header; the buffer. The header maps a
 * name to `{ dtype, shape, data_offsets: [begin, end] }`, counted from the start of the buffer. The
 * tensors tile the buffer. What the reference refuses is refused, and a key said twice as well.
 *
 * @see {@link https://github.com/huggingface/safetensors#format | The format}
 *
 * @module
 */

import { DataError, type DataErrorDetail, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";

/** How an element is stored, in the words of the safetensors format. */
// deno-fmt-ignore
export type Dtype = "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "U16" | "I16" | "F16" | "BF16" | "U32" | "I32" | "F32" | "U64" | "I64" | "F64";

/** Where a tensor lies: contiguous, row-major, little-endian. */
export interface TensorEntry {
  /** Its name in its file. */
  readonly name: string;
  /** How its elements are stored. */
  readonly dtype: Dtype;
  /** Length of each dimension, the outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** The file it lies in. */
  readonly source: ByteSource;
  /** First byte, from the start of the file. */
  readonly start: number;
  /** One past the last byte, from the start of the file. */
  readonly end: number;
}

/** An array and its shape, row-major. */
export interface Tensor {
  /** Length of each dimension, the outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** The elements: as many as the product of `shape`. */
  readonly data: Float32Array;
}

/** Number of bytes of one element. */
// deno-fmt-ignore
export const itemBytes: Readonly<Record<Dtype, number>> = {
  BOOL: 1, U8: 1, I8: 1, F8_E5M2: 1, F8_E4M3: 1,
  U16: 2, I16: 2, F16: 2, BF16: 2,
  U32: 4, I32: 4, F32: 4,
  U64: 8, I64: 8, F64: 8,
};

// MAX_HEADER_SIZE of the reference, safetensors/src/tensor.rs.
const maxHeaderBytes = 100_000_000;

/**
 * Reads where every tensor of a file lies, and checks that they tile it.
 *
 * @param source The file; only its header is read.
 * @returns The entries by name, in the order of their bytes.
 * @throws {DataError} If the file is cut short or too long, or is not a safetensors file.
 */
export async function readEntries(source: ByteSource): Promise<Map<string, TensorEntry>> {
  const { name: where, byteLength } = source;
  const need = (isRight: boolean, expected: string, got: number): void => {
    const detail = { where, expected, got: `${got}`, fix: "get the file again" };
    if (!isRight) throw new DataError("read", detail);
  };
  need(byteLength >= 8, "at least 8 bytes", byteLength);
  const size = Number(new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true));
  const largest = Math.min(maxHeaderBytes, byteLength - 8);
  need(size <= largest, `a header of at most ${largest} bytes`, size);

  const base = 8 + size;
  const entries = Object.entries(parseHeader(await source.read(8, base), where))
    .filter(([name]) => name !== "__metadata__")
    .map(([name, value]) => toEntry(name, value, source, base))
    .sort((a, b) => a.start - b.start || a.end - b.end);

  let next = base;
  for (const { name, dtype, shape, start, end } of entries) {
    const after = next + shape.reduce((n, d) => n * d, itemBytes[dtype]);
    if (start !== next || end !== after) {
      const expected = `bytes ${next} to ${after} for ${dtype} ${showShape(shape)}`;
      throw tensorError(name, where, { expected, got: `${start} to ${end}` });
    }
    next = end;
  }
  need(next === byteLength, `${next} bytes`, byteLength);
  return new Map(entries.map((entry) => [entry.name, entry]));
}

type Found = Omit<DataErrorDetail, "where">;

function tensorError(name: string, where: string, detail: Found): DataError {
  return new DataError("read tensor", { where: `${show(name)} in ${where}`, ...detail });
}

function parseHeader(bytes: Uint8Array, where: string): Record<string, unknown> {
  const act = "read the header of";
  let text: string, header: { __metadata__?: unknown };
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (cause) {
    const got = show(String.fromCharCode(...bytes.subarray(0, 20)));
    throw new DataError(act, { where, expected: "JSON", got }, { cause });
  }
  const need = (isRight: boolean, expected: string, got: string): void => {
    if (!isRight) throw new DataError(act, { where, expected, got });
  };
  need(text.startsWith("{"), "{ at its start", show(text.slice(0, 20)));
  const twice = findDuplicateKey(text);
  need(!twice, "every key once", `${twice} twice`);
  const { __metadata__: metadata = {} } = header;
  const isObject = metadata === Object(metadata) && !Array.isArray(metadata);
  const isText = Object.values(Object(metadata)).every((value) => typeof value === "string");
  need(isObject && isText, '"__metadata__" of texts', show(metadata));
  return header as Record<string, unknown>;
}

// The first key that its object has already, as it is written; the text is known to be JSON.
function findDuplicateKey(text: string): string | undefined {
  const open: Set<string>[] = [];
  for (const [token, key] of text.matchAll(/("(?:[^"\\]+|\\.)*")\s*:|"(?:[^"\\]+|\\.)*"|[{}]/g)) {
    if (token === "{") open.push(new Set());
    else if (token === "}") open.pop();
    else if (key) {
      const keys = open.at(-1)!, name = JSON.parse(key);
      if (keys.has(name)) return key;
      keys.add(name);
    }
  }
}

// One entry of the header; its bytes, there counted from `base`, are counted from the file's start.
function toEntry(name: string, value: unknown, source: ByteSource, base: number): TensorEntry {
  const need = (isRight: boolean, expected: string, got: unknown): void => {
    if (!isRight) throw tensorError(name, source.name, { expected, got: show(got) });
  };
  const { dtype, shape, data_offsets: offsets } = Object(value);
  const dtypes = Object.keys(itemBytes);
  need(dtypes.includes(dtype), `dtype ${dtypes.join(", ")}`, dtype);
  need(isCounts(shape), "a shape of integers from 0", shape);
  // As in the reference, a later 0 does not excuse a product that is too large.
  let nBytes = itemBytes[dtype as Dtype];
  for (const d of shape as number[]) need((nBytes *= d) < 2 ** 53, "fewer than 2^53 bytes", shape);
  need(isCounts(offsets) && offsets.length === 2, "data_offsets [begin, end]", offsets);
  const [begin, end] = offsets as [number, number];
  return { name, dtype, shape, source, start: base + begin, end: base + end } as TensorEntry;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/**
 * A shape as it is shown in a message.
 *
 * @param shape Length of each dimension, the outermost first.
 * @returns Such as "[512, 8192]".
 */
export function showShape(shape: readonly number[]): string {
  return `[${shape.join(", ")}]`;
}

/**
 * The entry of a name, and of a shape.
 *
 * @param entries What there is.
 * @param name The tensor wanted.
 * @param where What to call the file or folder in a message.
 * @param shape The shape it must have; any, if left out.
 * @returns The entry.
 * @throws {DataError} If there is no such tensor, or its shape is another.
 */
export function getEntry(
  entries: ReadonlyMap<string, TensorEntry>,
  name: string,
  where: string,
  shape?: readonly number[],
): TensorEntry {
  const entry = entries.get(name);
  if (entry === undefined) {
    const first = [...entries.keys()].slice(0, 5).map(show).join(", ") || "none";
    const got = first + (entries.size > 5 ? ` and ${entries.size - 5} more` : "");
    throw tensorError(name, where, { expected: "a tensor of that name", got });
  }
  const [found, wanted] = [entry.shape, shape ?? entry.shape].map(showShape);
  if (found !== wanted) {
    const fix = showShape(entry.shape.toReversed()) === wanted ? "save it transposed" : "";
    throw tensorError(name, entry.source.name, {
      expected: `shape ${wanted}`,
      got: `shape ${found}`,
      fix,
    });
  }
  return entry;
}

/**
 * Some rows of a tensor, as an entry of its own.
 *
 * @param entry A tensor `[R, ...]`.
 * @param start The first row.
 * @param end One past the last row.
 * @returns The tensor `[end - start, ...]`; nothing is read.
 * @throws {RangeError} If the tensor has no such rows.
 */
export function sliceRows(entry: TensorEntry, start: number, end: number): TensorEntry {
  const [nRows, ...rest] = entry.shape;
  if (!(0 <= start && start <= end && end <= nRows)) {
    const shape = showShape(entry.shape);
    throw new RangeError(`Cannot read rows ${start} to ${end} of a tensor of shape ${shape}`);
  }
  const rowBytes = rest.reduce((n, d) => n * d, itemBytes[entry.dtype]);
  const [first, last] = [start, end].map((row) => entry.start + row * rowBytes);
  return { ...entry, shape: [end - start, ...rest], start: first, end: last };
}

/**
 * Reads a tensor as float32.
 *
 * @param entry Where it lies; {@linkcode sliceRows} names a part.
 * @returns Its elements: 16 bits widen without loss, 64 are rounded, NaN and infinities pass.
 * @throws {DataError} If the elements are not floating point of 16, 32 or 64 bits.
 */
export async function readFloats(entry: TensorEntry): Promise<Float32Array> {
  const widen = widenings[entry.dtype];
  if (widen === undefined) {
    const expected = `dtype ${Object.keys(widenings).join(", ")}`;
    throw tensorError(entry.name, entry.source.name, { expected, got: entry.dtype });
  }
  return widen((await entry.source.read(entry.start, entry.end)).buffer);
}

const widenings: { readonly [D in Dtype]?: (bytes: ArrayBuffer) => Float32Array } = {
  F64: (bytes) => new Float32Array(new Float64Array(bytes)),
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => new Float32Array(new Float16Array(bytes)),
  // A bfloat16 is the upper half of a float32.
  BF16: (b) => new Float32Array(new Uint32Array(new Uint16Array(b)).map((x) => x << 16).buffer),
};

/**
 * Refuses NaN and infinities.
 *
 * @param values The elements.
 * @param where What to call their file in a message.
 * @param name The name of the tensor.
 * @throws {DataError} If one is not finite.
 */
export function checkFinite(values: Float32Array, where: string, name: string): void {
  const at = values.findIndex((x) => !Number.isFinite(x));
  if (at !== -1) {
    const got = `${values[at]} at element ${at}`;
    throw tensorError(name, where, { expected: "finite numbers", got });
  }
}

/**
 * A safetensors file of float32 tensors, in the order given.
 *
 * @param tensors Tensors by name.
 * @param metadata What to say in the header.
 * @returns The bytes of the file; the buffer starts at a multiple of 8.
 * @throws {RangeError} If a tensor has not as many elements as its shape says.
 *
 * @example There and back
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesInMemory } from "./files.ts";
 * const bytes = encodeSafetensors({ b: { shape: [2], data: new Float32Array([1, 2]) } });
 * const entries = await readEntries(bytesInMemory("b.safetensors", bytes));
 * assert.deepEqual([...await readFloats(entries.get("b")!)], [1, 2]);
 * ```
 */
export function encodeSafetensors(
  tensors: Readonly<Record<string, Tensor>>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  let next = 0;
  const header = Object.entries(tensors).map(([name, { shape, data }]) => {
    if (data.length !== shape.reduce((n, d) => n * d, 1)) {
      const what = `tensor ${show(name)} of shape ${showShape(shape)}`;
      throw new RangeError(`Cannot write ${what} from ${data.length} values`);
    }
    return [name, { dtype: "F32", shape, data_offsets: [next, next += data.byteLength] }];
  });
  const first = metadata && { __metadata__: metadata };
  const text = new TextEncoder().encode(
    JSON.stringify({ ...first, ...Object.fromEntries(header) }),
  );
  const base = 8 + Math.ceil(text.length / 8) * 8;

  const bytes = new Uint8Array(base + next).fill(0x20, 8, base);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(base - 8), true);
  bytes.set(text, 8);
  Object.values(tensors).reduce((to, { data }) => {
    new Float32Array(bytes.buffer, to).set(data);
    return to + data.byteLength;
  }, base);
  return bytes;
}
