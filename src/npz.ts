/**
 * Where the arrays of a NumPy `.npz` file lie: a zip of `.npy` files, as `numpy.savez` and
 * `numpy.savez_compressed` write it.
 *
 * @see {@link https://numpy.org/doc/stable/reference/generated/numpy.savez.html | numpy.savez}
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { bytesInMemory, type ByteSource } from "./files.ts";
import { type NpyArray, readNpyArray } from "./npy.ts";
import { readRecord, readZip, type ZipRecord } from "./zip.ts";

/**
 * Finds every array of a file.
 *
 * Cost: of a stored array its header is read; a deflated one is inflated whole, and kept.
 *
 * @param source The file.
 * @returns The arrays by name, without ".npy". The entry of a stored array lies in the file itself;
 *   that of a deflated one in a source of its own, in memory.
 * @throws {DataError} If it is not such a file, or an array is of objects, big-endian, or of another
 *   length than its header says.
 */
export async function readNpzArrays(source: ByteSource): Promise<Map<string, NpyArray>> {
  const arrays = new Map<string, NpyArray>();
  for (const record of (await readZip(source)).values()) {
    if (!record.name.endsWith(".npy")) {
      const got = show(record.name);
      throw new DataError("read", { where: source.name, expected: "arrays, named .npy", got });
    }
    const name = record.name.slice(0, -".npy".length);
    const { entry, isTransposed } = await readArray(source, record);
    arrays.set(name, { entry: { ...entry, name }, isTransposed });
  }
  return arrays;
}

async function readArray(source: ByteSource, record: ZipRecord): Promise<NpyArray> {
  const where = `${show(record.name)} in ${source.name}`;
  if (record.isDeflated) {
    return await readNpyArray(bytesInMemory(where, await readRecord(source, record)));
  }
  const { entry, isTransposed } = await readNpyArray({
    name: where,
    byteLength: record.byteLength,
    read: (start, end) => source.read(record.start + start, record.start + end),
  });
  const [start, end] = [record.start + entry.start, record.start + entry.end];
  return { entry: { ...entry, source, start, end }, isTransposed };
}
