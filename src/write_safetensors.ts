/**
 * Tensors of any dtype to the bytes of a safetensors file and back, none of them widened.
 *
 * @see {@link https://github.com/huggingface/safetensors#format | The format}
 *
 * @module
 */

import { show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { type Dtype, itemBytes, readEntries, showShape } from "./safetensors.ts";

/** A tensor as it is stored. */
export interface RawTensor {
  /** Its name in its file. */
  readonly name: string;
  /** How its elements are stored. */
  readonly dtype: Dtype;
  /** Length of each dimension, the outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** Its elements: row-major, little-endian. */
  readonly bytes: Uint8Array;
}

/** All that a safetensors file holds. */
export interface RawFile {
  /** Its tensors, in the order of their bytes. */
  readonly tensors: readonly RawTensor[];
  /** What its header says under `__metadata__`; empty where it says nothing. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Reads all of a safetensors file.
 *
 * @param source The file.
 * @returns Its tensors and its metadata.
 * @throws {DataError} If it is not a safetensors file.
 */
export async function readTensors(source: ByteSource): Promise<RawFile> {
  const tensors: RawTensor[] = [];
  for (const { name, dtype, shape, start, end } of (await readEntries(source)).values()) {
    tensors.push({ name, dtype, shape, bytes: await source.read(start, end) });
  }
  const size = Number(new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(await source.read(8, 8 + size)));
  return { tensors, metadata: header.__metadata__ ?? {} };
}

/**
 * A safetensors file.
 *
 * Tensors lie as the Python package lays them, those of the largest elements first, then by name,
 * so that each begins at a multiple of its element and the order given does not matter.
 *
 * Cost: the bytes of the tensors once more.
 *
 * @param tensors What to write.
 * @param metadata What to say in the header, as texts; left out where there is none.
 * @returns The bytes of the file; the tensors begin at a multiple of 8.
 * @throws {RangeError} If a name is given twice, or is that of the metadata, or the bytes are not
 *   as many as the shape says.
 * @see {@linkcode encodeSafetensors}, for float32 in the order given.
 *
 * @example Half a number is two bytes
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesInMemory } from "./files.ts";
 * import { readEntries, readFloats } from "./safetensors.ts";
 *
 * const bytes = encodeTensors([
 *   { name: "b", dtype: "F16", shape: [1], bytes: new Uint8Array([0, 0x38]) },
 * ]);
 *
 * const entries = await readEntries(bytesInMemory("b.safetensors", bytes));
 * assert.deepEqual([...await readFloats(entries.get("b")!)], [0.5]);
 * ```
 */
export function encodeTensors(
  tensors: readonly RawTensor[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer> {
  const ordered = tensors.toSorted((a, b) =>
    itemBytes[b.dtype] - itemBytes[a.dtype] || (a.name < b.name ? -1 : 1)
  );
  const names = new Set(["__metadata__"]);
  for (const { name, dtype, shape, bytes } of ordered) {
    if (names.has(name)) {
      throw new RangeError(
        `Cannot write tensors: expected every name once, got ${show(name)} again`,
      );
    }
    names.add(name);
    const need = shape.reduce((n, d) => n * d, itemBytes[dtype]);
    if (bytes.length !== need) {
      const what = `tensor ${show(name)} of ${dtype} ${showShape(shape)}`;
      throw new RangeError(`Cannot write ${what}: expected ${need} bytes, got ${bytes.length}`);
    }
  }

  // Members as text, since an object would put names that are numbers first.
  let next = 0;
  const members = ordered.map(({ name, dtype, shape, bytes }) => {
    const about = { dtype, shape, data_offsets: [next, next += bytes.length] };
    return `${JSON.stringify(name)}:${JSON.stringify(about)}`;
  });
  if (Object.keys(metadata).length > 0) {
    members.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  }
  const header = new TextEncoder().encode(`{${members.join(",")}}`);
  const base = 8 + Math.ceil(header.length / 8) * 8;

  const file = new Uint8Array(base + next).fill(0x20, 8, base);
  new DataView(file.buffer).setBigUint64(0, BigInt(base - 8), true);
  file.set(header, 8);
  let at = base;
  for (const { bytes } of ordered) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}
