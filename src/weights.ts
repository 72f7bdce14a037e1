/**
 * Where the tensors of a Hugging Face model folder lie, however it keeps them.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject, resolveFrom } from "./files.ts";
import { getEntry, readEntries, type TensorEntry } from "./safetensors.ts";
import { readTorchEntries } from "./torch_zip.ts";

/** The tensors of a model, still on the disk. */
export interface Weights {
  /** The folder, for messages. */
  readonly where: string;
  /** Where each tensor lies, by name. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Every file they come from, an index first: what a fingerprint must cover. */
  readonly files: readonly ByteSource[];
}

type Read = (source: ByteSource) => Promise<Map<string, TensorEntry>>;

// In the order in which transformers takes the first that is there.
const readers: Readonly<Record<string, Read>> = {
  "model.safetensors": readEntries,
  "model.safetensors.index.json": readEntries,
  "pytorch_model.bin": readTorchEntries,
  "pytorch_model.bin.index.json": readTorchEntries,
};

/**
 * Finds the weights of a model folder.
 *
 * @param folder Holds `model.safetensors` or `pytorch_model.bin`, whole, or in shards beside their
 * index, `model.safetensors.index.json`. Of several, one is taken: safetensors first, then whole.
 * @returns Where the tensors lie; none is read. Of a model in shards, those that its index names.
 * @throws {DataError} If there are no weights, a shard is missing, or a file is not what its name
 * says.
 */
export async function readWeights(folder: string): Promise<Weights> {
  for (const [name, read] of Object.entries(readers)) {
    const path = resolveFrom(folder, name);
    if (!await exists(path)) continue;
    const source = await openFile(path);
    if (name.endsWith(".index.json")) return await readShards(folder, source, read);
    return { where: folder, entries: await read(source), files: [source] };
  }
  throw new DataError("read weights of", {
    where: folder,
    expected: `one of ${Object.keys(readers).join(", ")}`,
    got: "none of them",
  });
}

async function readShards(folder: string, index: ByteSource, read: Read): Promise<Weights> {
  const need = (isRight: boolean, expected: string, got: string, fix = ""): void => {
    if (!isRight) throw new DataError("read", { where: index.name, expected, got, fix });
  };
  const { weight_map: map } = await readJsonObject(index);
  const isObject = map === Object(map) && !Array.isArray(map);
  need(isObject, "a weight_map from tensors to files", show(map));
  const names = Object.entries(map as Record<string, unknown>);

  const shards = new Map<unknown, Map<string, TensorEntry>>(), files = [index];
  for (const file of new Set(names.map(([, file]) => file))) {
    // A name, not a path: an index must not lead out of its folder.
    need(typeof file === "string" && /^\w[\w.-]*$/.test(file), "plain file names", show(file));
    const path = resolveFrom(folder, file as string);
    need(await exists(path), `${file} beside it`, "no such file", "get the missing shard");
    const source = await openFile(path);
    files.push(source);
    shards.set(file, await read(source));
  }
  const entries = names.map(([name, file]) =>
    getEntry(shards.get(file)!, name, resolveFrom(folder, `${file}`))
  );
  return { where: folder, entries: new Map(entries.map((e) => [e.name, e])), files };
}
