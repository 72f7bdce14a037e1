/**
 * Where the tensors of a `torch.save` file lie, as of a safetensors file.
 *
 * Since torch 1.6 such a file is a zip of uncompressed records: `<root>/data.pkl`, a pickle of the
 * state dict, and `<root>/data/<key>`, the bytes of each storage. A pickle is a program; this one is
 * followed only as far as a flat dict of tensors needs, every other global is refused by its name,
 * and nothing is executed. A value that is not a tensor is refused too, not skipped: what a
 * checkpoint says is read whole or not at all.
 *
 * @module
 */

import { BufferReader, Parser } from "npm:pickleparser@0.2.1";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { type Dtype, itemBytes, showShape, type TensorEntry } from "./safetensors.ts";
import { readRecord, readZip, type ZipRecord } from "./zip.ts";

// A storage, as the pickle names it.
interface Storage {
  readonly dtype: Dtype;
  readonly key: string;
  readonly nItems: number;
}

// A tensor, as the pickle says it: a view of a storage, all of it still to be checked.
interface View {
  readonly storage: Storage;
  readonly offset: unknown;
  readonly shape: unknown;
  readonly stride: unknown;
}

// deno-fmt-ignore
const storages: Readonly<Record<string, Dtype>> = {
  BoolStorage: "BOOL", ByteStorage: "U8", CharStorage: "I8", ShortStorage: "I16", IntStorage: "I32",
  LongStorage: "I64", HalfStorage: "F16", BFloat16Storage: "BF16", FloatStorage: "F32",
  DoubleStorage: "F64",
};

// The largest pickle: some 20,000 tensors, and little enough that a hostile one cannot fill the
// memory.
const maxBytes = 4 << 20;

// The longest text or number in a pickle.
const maxItemBytes = 4096;

/** A tensor of a state dict. */
export interface TorchTensor {
  /** Where it lies; where it is transposed, its transpose: `[columns, rows]`. */
  readonly entry: TensorEntry;
  /** Whether it is a matrix whose columns lie one after another, as `weight.T` is saved. */
  readonly isTransposed: boolean;
}

/**
 * Reads where every tensor of a state dict lies.
 *
 * @param source A file that `torch.save(model.state_dict(), path)` wrote: `pytorch_model.bin`.
 * @returns The entries by name, in the order of the state dict; two of one storage may overlap.
 * @throws {DataError} If it is not such a file, holds anything but tensors, or a tensor is not
 * contiguous.
 */
export async function readTorchEntries(source: ByteSource): Promise<Map<string, TensorEntry>> {
  const entries = new Map<string, TensorEntry>();
  for (const [name, { entry, isTransposed }] of await readTorchTensors(source)) {
    const [nColumns, nRows] = entry.shape;
    if (isTransposed) throw notContiguous(name, source, [1, nRows], [nRows, nColumns]);
    entries.set(name, entry);
  }
  return entries;
}

/**
 * Reads where every tensor of a state dict lies, the transposed ones as well.
 *
 * @param source A file that `torch.save(model.state_dict(), path)` wrote: `ae.pt`.
 * @returns The tensors by name, in the order of the state dict; two of one storage may overlap.
 * @throws {DataError} If it is not such a file, holds anything but tensors, or a tensor is neither
 * contiguous nor a transposed matrix.
 */
export async function readTorchTensors(source: ByteSource): Promise<Map<string, TorchTensor>> {
  const records = await readZip(source, {
    fix: "a file saved before torch 1.6 must be loaded and saved again",
  });
  for (const { name, isDeflated } of records.values()) {
    const got = `a compressed ${show(name)}`;
    if (isDeflated) throw refusal(source, "records as they are", got);
  }
  const names = [...records.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (names.length !== 1) throw refusal(source, "one data.pkl in it", `${names.length}`);
  const root = names[0].slice(0, -"data.pkl".length);

  const order = records.get(`${root}byteorder`);
  if (order && String.fromCharCode(...await readSmall(source, order)) !== "little") {
    throw refusal(source, "little-endian numbers", "another byte order");
  }
  const { dict, views } = unpickle(await readSmall(source, records.get(names[0])!), source);
  if (!(dict instanceof Map)) throw refusal(source, "a dict of tensors", kindOf(dict));

  const tensors = new Map<string, TorchTensor>();
  for (const [name, value] of dict) {
    const view = views.get(value);
    if (typeof name !== "string" || view === undefined) {
      const got = `${kindOf(value)} at ${kindOf(name)}`;
      throw refusal(source, "only tensors by name", got, "save the state dict alone");
    }
    tensors.set(name, toTensor(name, view, { source, records, root }));
  }
  return tensors;
}

function refusal(source: ByteSource, expected: string, got: string, fix = ""): DataError {
  return new DataError("read", { where: source.name, expected, got, fix });
}

function notContiguous(
  name: string,
  source: ByteSource,
  stride: readonly number[],
  shape: readonly number[],
): DataError {
  return new DataError("read tensor", {
    where: `${show(name)} in ${source.name}`,
    expected: "a contiguous tensor",
    got: `strides ${showShape(stride)} for shape ${showShape(shape)}`,
    fix: "save it with .contiguous()",
  });
}

// What an unpickled value is; never its contents, which may be vast or hold themselves.
function kindOf(value: unknown): string {
  if (value instanceof Map) return "a dict";
  return value === Object(value) ? "an object" : show(value);
}

async function readSmall(source: ByteSource, record: ZipRecord): Promise<Uint8Array> {
  if (record.byteLength > maxBytes) {
    throw refusal(source, `a record of at most ${maxBytes} bytes`, `${record.byteLength}`);
  }
  return await readRecord(source, record);
}

// What the pickle holds, and which of its values are tensors.
function unpickle(
  bytes: Uint8Array,
  source: ByteSource,
): { dict: unknown; views: Map<unknown, View> } {
  const known = new Map<unknown, Storage>(), views = new Map<unknown, View>();
  const globals: Record<string, unknown> = {
    "collections.OrderedDict": (pairs: [unknown, unknown][] = []) => new Map(pairs),
    "torch._utils._rebuild_parameter": (tensor: unknown) => tensor,
    "torch._utils._rebuild_tensor_v2": (
      of: unknown,
      offset: unknown,
      shape: unknown,
      stride: unknown,
    ) => {
      const storage = known.get(of);
      if (storage === undefined) throw refusal(source, "a tensor of a storage", kindOf(of));
      const tensor = {};
      views.set(tensor, { storage, offset, shape, stride });
      return tensor;
    },
  };
  for (const [name, dtype] of Object.entries(storages)) globals[`torch.${name}`] = dtype;

  const parser = new Parser({
    unpicklingTypeOfDictionary: "Map",
    nameResolver: {
      resolve: (module, name) => {
        const global = `${module}.${name}`;
        if (!Object.hasOwn(globals, global)) {
          throw refusal(source, "only tensors", `global ${show(global)}`);
        }
        return globals[global] as () => unknown;
      },
    },
    persistentResolver: {
      resolve: (id: unknown) => {
        const [kind, dtype, key, , nItems] = id as unknown[];
        const isDtype = Object.values(storages).includes(dtype as Dtype);
        if (kind !== "storage" || !isDtype || typeof key !== "string" || !isCount(nItems)) {
          throw refusal(source, "only tensors", "an object kept elsewhere");
        }
        const storage = {};
        known.set(storage, { dtype: dtype as Dtype, key, nItems });
        return storage;
      },
    },
  });
  const reader = new BufferReader(bytes);
  const skip = reader.skip.bind(reader);
  // The parser itself would follow a negative length backwards, for ever.
  reader.skip = (length) => {
    if (!(length >= 0 && length <= maxItemBytes)) throw new Error(`an item of ${length} bytes`);
    skip(length);
  };
  try {
    return { dict: parser.read(reader), views };
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const { message } = cause as Error;
    throw new DataError("read data.pkl of", {
      where: source.name,
      expected: "a pickle",
      got: show(message),
    }, { cause });
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}

// A view as a tensor, if it is contiguous, or as a matrix its transpose is, and its storage lies in
// the file as the pickle says.
function toTensor(
  name: string,
  { storage: { dtype, key, nItems }, offset, shape, stride }: View,
  { source, records, root }: {
    source: ByteSource;
    records: ReadonlyMap<string, ZipRecord>;
    root: string;
  },
): TorchTensor {
  const need = (isRight: boolean, expected: string, got: string): void => {
    const where = `${show(name)} in ${source.name}`;
    if (!isRight) throw new DataError("read tensor", { where, expected, got });
  };
  if (!isCounts(shape) || !isCounts(stride) || !isCount(offset)) {
    throw refusal(source, "a view in integers from 0", `another of ${show(name)}`);
  }
  const n = shape.reduce((n, d) => n * d, 1);
  const isWhole = n === 0 || isRowMajor(shape, stride);
  const isTransposed = !isWhole && shape.length === 2 &&
    isRowMajor(shape.toReversed(), stride.toReversed());
  if (!isWhole && !isTransposed) throw notContiguous(name, source, stride, shape);

  const bytes = itemBytes[dtype];
  const span = records.get(`${root}data/${key}`);
  const length = span && span.end - span.start;
  const expected = `${nItems * bytes} bytes of storage ${show(key)}`;
  need(length === nItems * bytes, expected, `${length ?? "none"}`);
  need(offset + n <= nItems, `at most ${nItems} elements of storage ${show(key)}`, `${offset + n}`);
  const start = span!.start + offset * bytes;
  const lying = isTransposed ? shape.toReversed() : shape;
  return {
    entry: { name, dtype, shape: lying, source, start, end: start + n * bytes },
    isTransposed,
  };
}

// Whether the elements lie one after another, the last dimension fastest.
function isRowMajor(shape: readonly number[], stride: readonly number[]): boolean {
  // From the innermost dimension; n is the stride that each should have.
  for (let d = shape.length - 1, n = 1; d >= 0; n *= shape[d--]) {
    if (shape[d] !== 1 && stride[d] !== n) return false;
  }
  return true;
}
