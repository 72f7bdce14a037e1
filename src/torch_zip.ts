/**
 * Where the tensors of a `torch.save` file lie, as of a safetensors file.
 *
 * Since torch 1.6 such a file is a zip of uncompressed records: `<root>/data.pkl`, a pickle of the
 * state dict, and `<root>/data/<key>`, the bytes of each storage. A pickle is a program; this one is
 * followed only as far as a flat dict of tensors needs, every other global is refused by its name,
 * and nothing is executed. A value that is not a tensor is refused too, not skipped: what a
 * checkpoint says is read whole or not at all.
 *
 * @see {@link https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT | The zip format}
 *
 * @module
 */

import { BufferReader, Parser } from "npm:pickleparser@0.2.1";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { type Dtype, itemBytes, showShape, type TensorEntry } from "./safetensors.ts";

// The bytes of one record of a zip.
interface Span {
  readonly start: number;
  readonly end: number;
}

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

// The largest zip directory and pickle: some 20,000 tensors, and little enough that a hostile one
// cannot fill the memory.
const maxBytes = 4 << 20;

// The longest text or number in a pickle.
const maxItemBytes = 4096;

/**
 * Reads where every tensor of a state dict lies.
 *
 * @param source A file that `torch.save(model.state_dict(), path)` wrote: `pytorch_model.bin`.
 * @returns The entries by name, in the order of the state dict; two of one storage may overlap.
 * @throws {DataError} If it is not such a file, holds anything but tensors, or a tensor is not
 * contiguous.
 */
export async function readTorchEntries(source: ByteSource): Promise<Map<string, TensorEntry>> {
  const records = await readRecords(source);
  const names = [...records.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (names.length !== 1) throw refusal(source, "one data.pkl in it", `${names.length}`);
  const root = names[0].slice(0, -"data.pkl".length);

  const order = records.get(`${root}byteorder`);
  if (order && String.fromCharCode(...await readSpan(source, order)) !== "little") {
    throw refusal(source, "little-endian numbers", "another byte order");
  }
  const { dict, views } = unpickle(await readSpan(source, records.get(names[0])!), source);
  if (!(dict instanceof Map)) throw refusal(source, "a dict of tensors", kindOf(dict));

  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of dict) {
    const view = views.get(value);
    if (typeof name !== "string" || view === undefined) {
      const got = `${kindOf(value)} at ${kindOf(name)}`;
      throw refusal(source, "only tensors by name", got, "save the state dict alone");
    }
    entries.set(name, toEntry(name, view, { source, records, root }));
  }
  return entries;
}

function refusal(source: ByteSource, expected: string, got: string, fix = ""): DataError {
  return new DataError("read", { where: source.name, expected, got, fix });
}

// What an unpickled value is; never its contents, which may be vast or hold themselves.
function kindOf(value: unknown): string {
  if (value instanceof Map) return "a dict";
  return value === Object(value) ? "an object" : show(value);
}

async function readSpan(source: ByteSource, { start, end }: Span): Promise<Uint8Array> {
  if (end - start > maxBytes) {
    throw refusal(source, `a record of at most ${maxBytes} bytes`, `${end - start}`);
  }
  return await source.read(start, end);
}

// The bytes of every record, by name, each within the file.
async function readRecords(source: ByteSource): Promise<Map<string, Span>> {
  const cut = () => refusal(source, "a whole zip file", "a part or another", "get the file again");
  const readView = async (start: number, length: number): Promise<DataView<ArrayBuffer>> => {
    if (length > maxBytes || start + length > source.byteLength) throw cut();
    return new DataView((await source.read(start, start + length)).buffer);
  };

  const directory = await readView(...await findDirectory(source, readView));
  const records = new Map<string, Span>();
  for (let at = 0; at < directory.byteLength;) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== 0x02014b50) throw cut();
    const nameEnd = at + 46 + directory.getUint16(at + 28, true);
    const extraEnd = nameEnd + directory.getUint16(at + 30, true);
    const next = extraEnd + directory.getUint16(at + 32, true);
    if (next > directory.byteLength) throw cut();
    const name = new TextDecoder().decode(directory.buffer.slice(at + 46, nameEnd));
    const [length, stored, header] = longSizes(directory, at, [nameEnd, extraEnd]);
    if (directory.getUint16(at + 10, true) !== 0 || stored !== length) {
      throw refusal(source, "records as they are", `a compressed ${show(name)}`);
    }
    const local = await readView(header, 30);
    const start = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    if (local.getUint32(0, true) !== 0x04034b50 || start + length > source.byteLength) throw cut();
    records.set(name, { start, end: start + length });
    at = next;
  }
  return records;
}

type ReadView = (start: number, length: number) => Promise<DataView<ArrayBuffer>>;

// Start and length of the zip directory, as its end record says, or the 64-bit one before that.
async function findDirectory(source: ByteSource, readView: ReadView): Promise<[number, number]> {
  const length = Math.min(source.byteLength, 20 + 22 + 0xffff);
  const tail = await readView(source.byteLength - length, length);
  for (let at = length - 22; at >= 0; at--) {
    const isEnd = tail.getUint32(at, true) === 0x06054b50 &&
      at + 22 + tail.getUint16(at + 20, true) === length;
    if (isEnd && at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50) {
      const long = await readView(Number(tail.getBigUint64(at - 12, true)), 56);
      return [Number(long.getBigUint64(48, true)), Number(long.getBigUint64(40, true))];
    }
    if (isEnd) return [tail.getUint32(at + 16, true), tail.getUint32(at + 12, true)];
  }
  throw refusal(
    source,
    "a whole zip file",
    "none",
    "a file saved before torch 1.6 must be loaded and saved again",
  );
}

// Length, stored length and place of a record: where 32 bits do not do, 64 in field 1 of the extra.
function longSizes(view: DataView, at: number, [extra, end]: [number, number]): number[] {
  const sizes = [24, 20, 42].map((field) => view.getUint32(at + field, true));
  for (let field = extra; field + 4 <= end; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== 1) continue;
    let from = field + 4;
    return sizes.map((size) => {
      if (size !== 0xffffffff || from + 8 > end) return size;
      from += 8;
      return Number(view.getBigUint64(from - 8, true));
    });
  }
  return sizes;
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

// A view as an entry, if it is contiguous and its storage lies in the file as the pickle says.
function toEntry(
  name: string,
  { storage: { dtype, key, nItems }, offset, shape, stride }: View,
  { source, records, root }: {
    source: ByteSource;
    records: ReadonlyMap<string, Span>;
    root: string;
  },
): TensorEntry {
  const need = (isRight: boolean, expected: string, got: string, fix = ""): void => {
    const where = `${show(name)} in ${source.name}`;
    if (!isRight) throw new DataError("read tensor", { where, expected, got, fix });
  };
  if (!isCounts(shape) || !isCounts(stride) || !isCount(offset)) {
    throw refusal(source, "a view in integers from 0", `another of ${show(name)}`);
  }
  // From the innermost dimension; n is the stride that each should have, then the number of elements.
  let n = 1, isContiguous = true;
  for (let d = shape.length - 1; d >= 0; n *= shape[d--]) {
    isContiguous &&= shape[d] === 1 || stride[d] === n;
  }
  const strides = `strides ${showShape(stride)} for shape ${showShape(shape)}`;
  need(isContiguous || n === 0, "a contiguous tensor", strides, "save it with .contiguous()");

  const bytes = itemBytes[dtype];
  const span = records.get(`${root}data/${key}`);
  const length = span && span.end - span.start;
  const expected = `${nItems * bytes} bytes of storage ${show(key)}`;
  need(length === nItems * bytes, expected, `${length ?? "none"}`);
  need(offset + n <= nItems, `at most ${nItems} elements of storage ${show(key)}`, `${offset + n}`);
  const start = span!.start + offset * bytes;
  return { name, dtype, shape, source, start, end: start + n * bytes };
}
