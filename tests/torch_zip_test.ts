import assert from "node:assert/strict";
import { bytesInMemory, type ByteSource, openFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { type Dtype, itemBytes, readEntries } from "../src/safetensors.ts";
import { readTorchEntries, readTorchTensors } from "../src/torch_zip.ts";

// Pickles are written as text, of which each character is a byte.
const latin1 = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));
const number = (value: number, nBytes: number) =>
  Array.from({ length: nBytes }, (_, i) => String.fromCharCode(Math.floor(value / 256 ** i) % 256))
    .join("");

const none = "N", emptyTuple = ")";
const int = (value: number) => `J${number(value, 4)}`;
const text = (value: string) => `X${number(value.length, 4)}${value}`;
const global = (module: string, name: string) => `c${module}\n${name}\n`;
const tuple = (...items: string[]) => `(${items.join("")}t`;
const call = (callee: string, ...items: string[]) => `${callee}${tuple(...items)}R`;
const dict = (items: Record<string, string>) =>
  `}(${Object.entries(items).map(([key, value]) => text(key) + value).join("")}u`;

interface Storage {
  readonly type?: string;
  readonly key?: string;
  readonly nItems?: number;
}

function storage({ type = "FloatStorage", key = "0", nItems = 6 }: Storage = {}): string {
  return `${tuple(text("storage"), global("torch", type), text(key), text("cpu"), int(nItems))}Q`;
}

interface View extends Storage {
  readonly offset?: number;
  readonly shape?: number[];
  readonly stride?: number[];
}

const orderedDict = global("collections", "OrderedDict") + emptyTuple + "R";

function tensor({ offset = 0, shape = [2, 3], stride = [3, 1], ...of }: View = {}): string {
  const [size, steps] = [shape, stride].map((numbers) => tuple(...numbers.map(int)));
  const rebuild = global("torch._utils", "_rebuild_tensor_v2");
  return call(rebuild, storage(of), int(offset), size, steps, "\x89", orderedDict);
}

interface ZipOptions {
  readonly method?: number;
  readonly comment?: string;
  readonly isLong?: boolean;
}

/** A zip of the records, with 64-bit sizes where asked for. */
function zip(
  records: Readonly<Record<string, string>>,
  { method = 0, comment = "", isLong = false }: ZipOptions = {},
): ByteSource {
  let file = "", directory = "";
  for (const [name, data] of Object.entries(records)) {
    const size = isLong ? 0xffffffff : data.length;
    const long = number(data.length, 8) + number(data.length, 8) + number(file.length, 8);
    // Another field comes first, as torch writes one to align the data.
    const extra = `FB${number(3, 2)}ZZZ` + (isLong ? number(1, 2) + number(24, 2) + long : "");
    const common = number(method, 2) + number(0, 8) + number(size, 4) + number(size, 4) +
      number(name.length, 2);
    directory += "PK\x01\x02" + number(45, 2) + number(45, 2) + number(0, 2) + common +
      number(extra.length, 2) + number(0, 10) +
      number(isLong ? 0xffffffff : file.length, 4) + name + extra;
    file += "PK\x03\x04" + number(45, 2) + number(0, 2) + common + number(5, 2) + name + "align" +
      data;
  }
  const [start, size] = [file.length, directory.length];
  file += directory;
  if (isLong) {
    const at = file.length;
    file += "PK\x06\x06" + number(44, 8) + number(0, 28) + number(size, 8) + number(start, 8);
    file += "PK\x06\x07" + number(0, 4) + number(at, 8) + number(1, 4);
  }
  const [end, length] = isLong ? [0xffffffff, 0xffffffff] : [start, size];
  file += "PK\x05\x06" + number(0, 8) + number(length, 4) + number(end, 4) +
    number(comment.length, 2) + comment;
  return bytesInMemory("x.bin", latin1(file));
}

/** A torch.save file of a pickle, and of its storages. */
function save(
  pickle: string,
  storages: Readonly<Record<string, string>> = { 0: "\0".repeat(24) },
  options: ZipOptions = {},
): ByteSource {
  const records = Object.entries(storages).map(([key, data]) => [`x/data/${key}`, data]);
  return zip({ "x/data.pkl": `\x80\x02${pickle}.`, ...Object.fromEntries(records) }, options);
}

const golden = (name: string) =>
  openFile(new URL(`../fixtures/goldens/models/main-fp16/${name}`, import.meta.url).pathname);

Deno.test("readTorchEntries() finds what model.safetensors beside it holds, tensor by tensor", async () => {
  const entries = await readTorchEntries(await golden("pytorch_model.bin"));
  const expected = await readEntries(await golden("model.safetensors"));
  assert.deepEqual([...entries.keys()].sort(), [...expected.keys()].sort());
  for (const [name, { dtype, shape, source, start, end }] of expected) {
    const entry = entries.get(name)!;
    assert.deepEqual([entry.name, entry.dtype, entry.shape], [name, dtype, shape]);
    assert.deepEqual(
      await entry.source.read(entry.start, entry.end),
      await source.read(start, end),
      name,
    );
  }
});

Deno.test("readTorchEntries() knows every type of storage", async () => {
  // deno-fmt-ignore
  const types: Readonly<Record<string, Dtype>> = {
    BoolStorage: "BOOL", ByteStorage: "U8", CharStorage: "I8", ShortStorage: "I16",
    IntStorage: "I32", LongStorage: "I64", HalfStorage: "F16", BFloat16Storage: "BF16",
    FloatStorage: "F32", DoubleStorage: "F64",
  };
  for (const [type, dtype] of Object.entries(types)) {
    const source = save(dict({ w: tensor({ type }) }), { 0: "\0".repeat(6 * itemBytes[dtype]) });
    assert.equal((await readTorchEntries(source)).get("w")!.dtype, dtype);
  }
});

Deno.test("readTorchEntries() reads contiguous views, whatever the strides of dimensions of 1 and of empty tensors", async () => {
  const source = save(
    dict({
      whole: tensor(),
      row: tensor({ offset: 3, shape: [3], stride: [1] }),
      scalar: tensor({ offset: 5, shape: [], stride: [] }),
      column: tensor({ shape: [3, 1], stride: [1, 99] }),
      empty: tensor({ offset: 6, shape: [2, 0, 2], stride: [7, 7, 7] }),
      parameter: call(global("torch._utils", "_rebuild_parameter"), tensor(), "\x88", orderedDict),
    }),
    { 0: "0000111122223333aaaabbbb" },
  );
  const found: Record<string, string> = {};
  for (const [name, { start, end }] of await readTorchEntries(source)) {
    found[name] = String.fromCharCode(...await source.read(start, end));
  }
  assert.deepEqual(found, {
    whole: "0000111122223333aaaabbbb",
    row: "3333aaaabbbb",
    scalar: "bbbb",
    column: "000011112222",
    empty: "",
    parameter: "0000111122223333aaaabbbb",
  });
});

Deno.test("readTorchEntries() reads an OrderedDict, its _metadata, and pairs in its constructor", async () => {
  const metadata = dict({ _metadata: orderedDict });
  for (
    const pickle of [
      `${orderedDict}(${text("w")}${tensor()}u${metadata}b`,
      call(global("collections", "OrderedDict"), `](${tuple(text("w"), tensor())}e`),
    ]
  ) {
    assert.deepEqual([...(await readTorchEntries(save(pickle))).keys()], ["w"]);
  }
});

Deno.test("readTorchEntries() equals what was saved, on random state dicts", async () => {
  const types = [["CharStorage", "I8"], ["HalfStorage", "F16"], ["DoubleStorage", "F64"]] as const;
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const below = (n: number) => Math.floor(random() * n);
    const storages: Record<string, string> = {}, items: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (let key = below(4); key >= 0; key--) {
      const [type, dtype] = types[below(3)];
      const nItems = 40, width = itemBytes[dtype];
      storages[key] = Array.from(
        { length: nItems * width },
        () => String.fromCharCode(below(256)),
      ).join("");
      for (let view = below(3); view >= 0; view--) {
        const shape = Array.from({ length: below(4) }, () => below(4));
        const stride = shape.map((_, d) => shape.slice(d + 1).reduce((n, d) => n * d, 1));
        const n = shape.reduce((n, d) => n * d, 1), offset = below(nItems + 1 - n);
        items[`${key}.${view}`] = tensor({ type, key: `${key}`, nItems, offset, shape, stride });
        expected[`${key}.${view}`] = storages[key].slice(offset * width, (offset + n) * width);
      }
    }
    const source = save(dict(items), storages, {
      isLong: seed % 2 === 1,
      comment: seed % 3 ? "" : "PK\x05\x06 is not the end".padEnd(30),
    });

    const found: Record<string, string> = {};
    for (const [name, { start, end }] of await readTorchEntries(source)) {
      found[name] = String.fromCharCode(...await source.read(start, end));
    }
    assert.deepEqual(found, expected, `seed ${seed}`);
  }
});

const strange = (id: string) => dict({ w: `${id}Q` });
const pickled: Readonly<Record<string, [pickle: string, message: string]>> = {
  "a global that runs a program": [
    call(global("os", "system"), text("echo harm")),
    'Cannot read x.bin: expected only tensors, got global "os.system"',
  ],
  "a global by its name on the stack": [
    `${text("builtins")}${text("eval")}\x93`,
    'Cannot read x.bin: expected only tensors, got global "builtins.eval"',
  ],
  "a global of torch that is not known": [
    call(global("torch._utils", "_rebuild_sparse_tensor"), none),
    'Cannot read x.bin: expected only tensors, got global "torch._utils._rebuild_sparse_tensor"',
  ],
  "a global of Object's prototype": [
    global("constructor", "constructor"),
    'Cannot read x.bin: expected only tensors, got global "constructor.constructor"',
  ],
  "a list": ["]", "Cannot read x.bin: expected a dict of tensors, got an object"],
  "a number": [int(3), "Cannot read x.bin: expected a dict of tensors, got 3"],
  "a dict in a dict": [
    dict({ state_dict: dict({ w: tensor() }) }),
    'Cannot read x.bin: expected only tensors by name, got a dict at "state_dict"; ' +
    "save the state dict alone",
  ],
  "a number among tensors": [
    dict({ w: tensor(), step: int(3) }),
    'Cannot read x.bin: expected only tensors by name, got 3 at "step"; save the state dict alone',
  ],
  "None among tensors": [
    dict({ w: none }),
    'Cannot read x.bin: expected only tensors by name, got null at "w"; save the state dict alone',
  ],
  "a tensor at a number": [
    `}(${int(7)}${tensor()}u`,
    "Cannot read x.bin: expected only tensors by name, got an object at 7; " +
    "save the state dict alone",
  ],
  "a tensor of something else": [
    dict({ w: call(global("torch._utils", "_rebuild_tensor_v2"), text("bytes"), int(0)) }),
    'Cannot read x.bin: expected a tensor of a storage, got "bytes"',
  ],
  "a persistent object that is no storage": [
    strange(tuple(text("module"), global("torch", "FloatStorage"), text("0"), none, int(6))),
    "Cannot read x.bin: expected only tensors, got an object kept elsewhere",
  ],
  "a storage of an unknown type": [
    strange(tuple(text("storage"), text("FloatStorage"), text("0"), none, int(6))),
    "Cannot read x.bin: expected only tensors, got an object kept elsewhere",
  ],
  "a storage whose key is a list": [
    strange(tuple(text("storage"), global("torch", "FloatStorage"), "]", none, int(6))),
    "Cannot read x.bin: expected only tensors, got an object kept elsewhere",
  ],
  "a storage whose length is text": [
    strange(tuple(text("storage"), global("torch", "FloatStorage"), text("0"), none, text("6"))),
    "Cannot read x.bin: expected only tensors, got an object kept elsewhere",
  ],
  "an unknown opcode": [
    "\xff",
    `Cannot read data.pkl of x.bin: expected a pickle, got "Unsupported opcode '255'."`,
  ],
  "a length that would lead backwards for ever": [
    `B${number(2 ** 32 - 5, 4)}`,
    'Cannot read data.pkl of x.bin: expected a pickle, got "an item of -5 bytes"',
  ],
  "an integer of 5,000 bytes": [
    `\x8b${number(5000, 4)}`,
    'Cannot read data.pkl of x.bin: expected a pickle, got "an item of 5000 bytes"',
  ],
  "a shape that is not of numbers": [
    dict({
      w: call(
        global("torch._utils", "_rebuild_tensor_v2"),
        storage(),
        int(0),
        tuple(text("2")),
        tuple(int(1)),
      ),
    }),
    'Cannot read x.bin: expected a view in integers from 0, got another of "w"',
  ],
  "no strides": [
    dict({
      w: call(global("torch._utils", "_rebuild_tensor_v2"), storage(), int(0), tuple(int(6))),
    }),
    'Cannot read x.bin: expected a view in integers from 0, got another of "w"',
  ],
  "a negative offset": [
    dict({ w: tensor({ offset: 2 ** 32 - 1 }) }),
    'Cannot read x.bin: expected a view in integers from 0, got another of "w"',
  ],
  "a transposed view": [
    dict({ w: tensor({ shape: [3, 2], stride: [1, 3] }) }),
    'Cannot read tensor "w" in x.bin: expected a contiguous tensor, ' +
    "got strides [1, 3] for shape [3, 2]; save it with .contiguous()",
  ],
  "an expanded view": [
    dict({ w: tensor({ shape: [2, 3], stride: [0, 1] }) }),
    'Cannot read tensor "w" in x.bin: expected a contiguous tensor, ' +
    "got strides [0, 1] for shape [2, 3]; save it with .contiguous()",
  ],
  "fewer strides than dimensions": [
    dict({ w: tensor({ stride: [3] }) }),
    'Cannot read tensor "w" in x.bin: expected a contiguous tensor, ' +
    "got strides [3] for shape [2, 3]; save it with .contiguous()",
  ],
  "a storage that is not in the file": [
    dict({ w: tensor({ key: "../0" }) }),
    'Cannot read tensor "w" in x.bin: expected 24 bytes of storage "../0", got none',
  ],
  "a storage of another length": [
    dict({ w: tensor({ nItems: 7 }) }),
    'Cannot read tensor "w" in x.bin: expected 28 bytes of storage "0", got 24',
  ],
  "a view beyond its storage": [
    dict({ w: tensor({ offset: 1 }) }),
    'Cannot read tensor "w" in x.bin: expected at most 6 elements of storage "0", got 7',
  ],
  "a shape whose product overflows": [
    dict({ w: tensor({ shape: Array(36).fill(2 ** 30), stride: Array(36).fill(1) }) }),
    'Cannot read tensor "w" in x.bin: expected a contiguous tensor, got strides ' +
    `[${Array(36).fill(1).join(", ")}] for shape [${Array(36).fill(2 ** 30).join(", ")}]; ` +
    "save it with .contiguous()",
  ],
};
for (const [name, [pickle, message]] of Object.entries(pickled)) {
  Deno.test(`readTorchEntries() rejects ${name}`, async () => {
    await assert.rejects(readTorchEntries(save(pickle)), { name: "DataError", message });
  });
}

/** The same file with other bytes: at `at` from its start, or from its end if negative. */
function patched(source: ByteSource, at: number, text: string): Promise<ByteSource> {
  return source.read(0, source.byteLength).then((bytes) => {
    bytes.set(latin1(text), at < 0 ? bytes.length + at : at);
    return bytesInMemory("x.bin", bytes);
  });
}

const good = save(dict({ w: tensor() }));
const long = save(dict({ w: tensor() }), { 0: "\0".repeat(24) }, { isLong: true });
const partial = "expected a whole zip file, got a part or another; get the file again";
const legacy = "expected a whole zip file, got none; " +
  "a file saved before torch 1.6 must be loaded and saved again";
const files: Readonly<Record<string, [source: ByteSource | Promise<ByteSource>, message: string]>> =
  {
    "an empty file": [bytesInMemory("x.bin", new Uint8Array()), legacy],
    "a file of before torch 1.6": [
      bytesInMemory("x.bin", latin1("\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.".padEnd(99))),
      legacy,
    ],
    "a zip cut short": [
      good.read(0, good.byteLength - 1).then((b) => bytesInMemory("x.bin", b)),
      legacy,
    ],
    "a zip without its start": [
      good.read(1, good.byteLength).then((b) => bytesInMemory("x.bin", b)),
      partial,
    ],
    "a zip of nothing": [zip({}), "expected one data.pkl in it, got 0"],
    "a zip of something else": [zip({ "a/b/data.pkl": "" }), "expected one data.pkl in it, got 0"],
    "two pickles": [
      zip({ "a/data.pkl": "", "b/data.pkl": "" }),
      "expected one data.pkl in it, got 2",
    ],
    "big-endian numbers": [
      zip({ "x/data.pkl": `\x80\x02${dict({})}.`, "x/byteorder": "big" }),
      "expected little-endian numbers, got another byte order",
    ],
    "a compressed zip": [
      save(dict({}), {}, { method: 8 }),
      'expected records as they are, got a compressed "x/data.pkl"',
    ],
    "a pickle of more than 4 MiB": [
      save("N".repeat(4 << 20)),
      "expected a record of at most 4194304 bytes, got 4194307",
    ],
    "a directory beyond the file": [patched(good, -6, number(2 ** 31, 4)), partial],
    "a directory that is none": [patched(good, -6, number(1, 4)), partial],
    "a directory that ends within a record": [patched(good, -10, number(70, 4)), partial],
    "a directory that ends within a name": [patched(good, -10, number(120, 4)), partial],
    "a record that is stored in another length": [
      patched(good, -126, number(99, 4)),
      'Cannot read record "x/data.pkl" in x.bin: expected 159 bytes as they are, got 99',
    ],
    "a 64-bit size that its field has no room for": [
      patched(long, -157, number(19, 2) + number(16, 2)),
      partial,
    ],
    "a 64-bit end record beyond the file": [patched(long, -34, number(2 ** 40, 8)), partial],
    "a record beyond the file": [
      patched(good, -104, number(2 ** 31, 4)),
      partial,
    ],
    "a record without its own header": [patched(good, 0, "PK\x03\x05"), partial],
  };
for (const [name, [source, message]] of Object.entries(files)) {
  Deno.test(`readTorchEntries() rejects ${name}`, async () => {
    await assert.rejects(readTorchEntries(await source), {
      name: "DataError",
      message: message.startsWith("Cannot") ? message : `Cannot read x.bin: ${message}`,
    });
  });
}

Deno.test("readTorchTensors() finds a transposed matrix as its transpose, and no other view", async () => {
  const source = save(
    dict({
      whole: tensor({ shape: [2, 3], stride: [3, 1] }),
      turned: tensor({ shape: [3, 2], stride: [1, 3] }),
      column: tensor({ shape: [3, 1], stride: [1, 9] }),
    }),
  );
  const found = [...await readTorchTensors(source)].map(([name, { entry, isTransposed }]) => [
    name,
    entry.shape,
    isTransposed,
    entry.end - entry.start,
  ]);
  assert.deepEqual(found, [
    ["whole", [2, 3], false, 24],
    ["turned", [2, 3], true, 24],
    ["column", [3, 1], false, 12],
  ]);
  const strided = save(dict({ w: tensor({ shape: [2, 2], stride: [1, 3] }) }));
  await assert.rejects(readTorchTensors(strided), {
    name: "DataError",
    message: 'Cannot read tensor "w" in x.bin: expected a contiguous tensor, ' +
      "got strides [1, 3] for shape [2, 2]; save it with .contiguous()",
  });
});

Deno.test("readTorchEntries() reads no directory of more than 4 MiB", async () => {
  const source = save(dict({}), { 0: "\0".repeat(6 << 20) });
  const damaged = await patched(source, -10, number(5 << 20, 4) + number(0, 4));
  let most = 0;
  const read = (start: number, end: number) => {
    most = Math.max(most, end - start);
    return damaged.read(start, end);
  };
  await assert.rejects(readTorchEntries({ ...damaged, read }), {
    name: "DataError",
    message: `Cannot read x.bin: ${partial}`,
  });
  assert(most < 1e5, `${most} bytes`);
});

Deno.test("readTorchEntries() takes a missing byte order, and a little-endian one", async () => {
  const records = { "x/data.pkl": `\x80\x02${dict({})}.` };
  for (const more of [{}, { "x/byteorder": "little" }]) {
    assert.equal((await readTorchEntries(zip({ ...records, ...more }))).size, 0);
  }
});

Deno.test("readTorchEntries() answers a damaged file with entries inside it or a DataError", async () => {
  for (let seed = 0; seed < 1000; seed++) {
    const random = randomFrom(seed);
    const of = seed % 2 ? good : long;
    const bytes = await of.read(0, seed % 5 ? of.byteLength : Math.floor(random() * of.byteLength));
    for (let n = 0; n < 2; n++) bytes[Math.floor(random() * bytes.length)] = random() * 256;
    try {
      const entries = await readTorchEntries(bytesInMemory("x.bin", bytes));
      for (const { start, end } of entries.values()) {
        assert(0 <= start && start <= end && end <= bytes.length, `seed ${seed}`);
      }
    } catch (error) {
      assert.equal((error as Error).name, "DataError", `seed ${seed}: ${error}`);
    }
  }
});
