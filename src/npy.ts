/**
 * Where the array of a NumPy `.npy` file lies, as of a safetensors file.
 *
 * A file is 6 bytes of magic; 2 of version; 2 bytes N (4 since version 2), little-endian; N bytes
 * of a Python dict, the header; the elements.
 *
 * @see {@link https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html | The format}
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { type Dtype, itemBytes, showShape, type TensorEntry } from "./safetensors.ts";

// deno-fmt-ignore
const dtypes: ReadonlyMap<string, Dtype> = new Map([
  ["|b1", "BOOL"], ["|u1", "U8"], ["|i1", "I8"], ["<u2", "U16"], ["<i2", "I16"], ["<f2", "F16"],
  ["<u4", "U32"], ["<i4", "I32"], ["<f4", "F32"], ["<u8", "U64"], ["<i8", "I64"], ["<f8", "F64"],
]);

// _MAX_HEADER_SIZE of numpy/lib/format.py.
const maxHeaderBytes = 10_000;

/** An array of a file. */
export interface NpyArray {
  /** Where it lies, named "array"; where it is transposed, its transpose: `[columns, rows]`. */
  readonly entry: TensorEntry;
  /** Whether it is a matrix whose columns lie one after another (Fortran order). */
  readonly isTransposed: boolean;
}

/**
 * Reads where the array of a file lies.
 *
 * @param source The file; only its header is read. Versions 1 to 3.
 * @returns Its one entry, named "array".
 * @throws {DataError} If it is not such a file, is cut short, or holds objects, records, numbers
 * that are big-endian, or columns (Fortran order).
 */
export async function readNpyEntry(source: ByteSource): Promise<TensorEntry> {
  const { entry, isTransposed } = await readNpyArray(source);
  if (isTransposed) throw columns(source);
  return entry;
}

function columns({ name: where }: ByteSource): DataError {
  const fix = "save numpy.ascontiguousarray(...) of it";
  return new DataError("read", { where, expected: "rows", got: "columns", fix });
}

/**
 * Reads where the array of a file lies, a matrix of columns as well.
 *
 * @param source The file; only its header is read. Versions 1 to 3.
 * @returns The array.
 * @throws {DataError} If it is not such a file, is cut short, or holds objects, records, numbers
 * that are big-endian, or more than two dimensions in Fortran order.
 */
export async function readNpyArray(source: ByteSource): Promise<NpyArray> {
  const need = (isRight: boolean, expected: string, got: string): void => {
    if (!isRight) throw new DataError("read", { where: source.name, expected, got });
  };
  const prefix = await source.read(0, Math.min(12, source.byteLength));
  const magic = String.fromCharCode(...prefix.subarray(0, 6));
  need(prefix.length === 12 && magic === "\x93NUMPY", "a .npy file", show(magic));
  const [major] = prefix.subarray(6);
  need(major >= 1 && major <= 3, "version 1, 2 or 3", `${major}`);

  const view = new DataView(prefix.buffer);
  const size = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const from = major === 1 ? 10 : 12;
  const largest = Math.min(maxHeaderBytes, source.byteLength - from);
  need(size <= largest, `a header of at most ${largest} bytes`, `${size}`);
  const start = from + size;
  const header = new TextDecoder().decode(await source.read(from, start));
  const field = (name: string, value: string): string | undefined =>
    new RegExp(`'${name}':\\s*${value}`).exec(header)?.[1];

  const descr = field("descr", "'([^']*)'") ?? show(header);
  const dtype = dtypes.get(descr)!;
  need(dtype !== undefined, `dtype ${[...dtypes.keys()].join(", ")}`, descr);
  const dims = field("shape", "\\(((?:\\d+,\\s*)*\\d*)\\)")!;
  const order = field("fortran_order", "(True|False)");
  need(dims !== undefined && order !== undefined, "a shape and an order", show(header));

  const shape = dims.split(",").filter((d) => d.trim()).map(Number);
  const isTransposed = order === "True" && shape.length > 1;
  if (isTransposed && shape.length > 2) throw columns(source);
  const end = start + shape.reduce((n, d) => n * d, itemBytes[dtype]);
  const expected = `${end} bytes for ${dtype} ${showShape(shape)}`;
  need(end === source.byteLength, expected, `${source.byteLength}`);
  const lying = isTransposed ? shape.toReversed() : shape;
  return { entry: { name: "array", dtype, shape: lying, source, start, end }, isTransposed };
}
