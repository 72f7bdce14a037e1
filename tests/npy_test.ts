import assert from "node:assert/strict";
import { bytesInMemory, type ByteSource } from "../src/files.ts";
import { readNpyArray, readNpyEntry } from "../src/npy.ts";
import { randomFrom } from "../src/random.ts";
import { type Dtype, readFloats } from "../src/safetensors.ts";

/** A file in memory: magic, version, header, elements. */
function file(header: string, elements: Uint8Array, major = 1): ByteSource {
  const text = new TextEncoder().encode(header);
  const from = major === 1 ? 10 : 12;
  const bytes = new Uint8Array(from + text.length + elements.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, major, 0]);
  const view = new DataView(bytes.buffer);
  if (major === 1) view.setUint16(8, text.length, true);
  else view.setUint32(8, text.length, true);
  bytes.set(text, from);
  bytes.set(elements, from + text.length);
  return bytesInMemory("x.npy", bytes);
}

function header(descr: string, shape: string, order = "False"): string {
  return `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }   \n`;
}

Deno.test("readNpyEntry() reads versions 1, 2 and 3", async () => {
  const elements = new Uint8Array(new Float32Array([1, 2, 3, 4, 5, 6]).buffer);
  for (const major of [1, 2, 3]) {
    const source = file(header("<f4", "(2, 3)"), elements, major);
    const entry = await readNpyEntry(source);
    assert.deepEqual(entry, {
      name: "array",
      dtype: "F32",
      shape: [2, 3],
      source,
      start: source.byteLength - 24,
      end: source.byteLength,
    });
    assert.deepEqual([...await readFloats(entry)], [1, 2, 3, 4, 5, 6]);
  }
});

Deno.test("readNpyEntry() knows every type of number by its name in NumPy", async () => {
  // deno-fmt-ignore
  const names: Readonly<Record<string, [dtype: Dtype, bytes: number]>> = {
    "|b1": ["BOOL", 1], "|u1": ["U8", 1], "|i1": ["I8", 1],
    "<u2": ["U16", 2], "<i2": ["I16", 2], "<f2": ["F16", 2],
    "<u4": ["U32", 4], "<i4": ["I32", 4], "<f4": ["F32", 4],
    "<u8": ["U64", 8], "<i8": ["I64", 8], "<f8": ["F64", 8],
  };
  for (const [descr, [dtype, bytes]] of Object.entries(names)) {
    const entry = await readNpyEntry(file(header(descr, "(3,)"), new Uint8Array(3 * bytes)));
    assert.deepEqual([entry.dtype, entry.shape], [dtype, [3]], descr);
  }
});

Deno.test("readNpyEntry() reads a scalar, an empty array, a vector in Fortran order, and any order of keys", async () => {
  const cases: [header: string, bytes: number, shape: number[]][] = [
    [header("<f4", "()"), 4, []],
    [header("<f4", "(0, 3)"), 0, [0, 3]],
    [header("<f4", "(2,)", "True"), 8, [2]],
    ["{'shape':(1,2),'fortran_order':False,'descr':'<f4'}", 8, [1, 2]],
  ];
  for (const [text, bytes, shape] of cases) {
    assert.deepEqual((await readNpyEntry(file(text, new Uint8Array(bytes)))).shape, shape);
  }
});

Deno.test("readNpyArray() finds a matrix of columns as its transpose", async () => {
  const columns = new Uint8Array(new Float32Array([1, 4, 2, 5, 3, 6]).buffer);
  const { entry, isTransposed } = await readNpyArray(
    file(header("<f4", "(2, 3)", "True"), columns),
  );
  assert.deepEqual([entry.shape, isTransposed], [[3, 2], true]);
  assert.deepEqual([...await readFloats(entry)], [1, 4, 2, 5, 3, 6]);
  const cube = file(header("<f4", "(1, 2, 3)", "True"), columns);
  await assert.rejects(readNpyArray(cube), {
    name: "DataError",
    message: "Cannot read x.npy: expected rows, got columns; " +
      "save numpy.ascontiguousarray(...) of it",
  });
});

const dtypes = "|b1, |u1, |i1, <u2, <i2, <f2, <u4, <i4, <f4, <u8, <i8, <f8";
const eight = new Uint8Array(8);
const bad: Readonly<Record<string, [source: ByteSource, message: string]>> = {
  "an empty file": [
    bytesInMemory("x.npy", new Uint8Array()),
    'Cannot read x.npy: expected a .npy file, got ""',
  ],
  "a file of another kind": [
    bytesInMemory("x.npy", new TextEncoder().encode("<!DOCTYPE html>")),
    'Cannot read x.npy: expected a .npy file, got "<!DOCT"',
  ],
  "a file that ends in its magic": [
    bytesInMemory("x.npy", new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0])),
    'Cannot read x.npy: expected a .npy file, got "\x93NUMPY"',
  ],
  "version 4": [
    file(header("<f4", "(2,)"), eight, 4),
    "Cannot read x.npy: expected version 1, 2 or 3, got 4",
  ],
  "version 0": [
    file(header("<f4", "(2,)"), eight, 0),
    "Cannot read x.npy: expected version 1, 2 or 3, got 0",
  ],
  "a header longer than the file": [
    bytesInMemory("x.npy", new Uint8Array([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 9, 0, 1, 1])),
    "Cannot read x.npy: expected a header of at most 2 bytes, got 9",
  ],
  "a header longer than NumPy reads": [
    file(header("<f4", "(2,)") + " ".repeat(10_000), eight, 2),
    "Cannot read x.npy: expected a header of at most 10000 bytes, got 10061",
  ],
  "big-endian numbers": [
    file(header(">f4", "(2,)"), eight),
    `Cannot read x.npy: expected dtype ${dtypes}, got >f4`,
  ],
  "objects": [
    file(header("|O", "(2,)"), eight),
    `Cannot read x.npy: expected dtype ${dtypes}, got |O`,
  ],
  "records": [
    file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", eight),
    `Cannot read x.npy: expected dtype ${dtypes}, ` +
    "got \"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': …",
  ],
  "a name that every object has": [
    file(header("constructor", "(2,)"), eight),
    `Cannot read x.npy: expected dtype ${dtypes}, got constructor`,
  ],
  "no shape": [
    file("{'descr': '<f4', 'fortran_order': False}", eight),
    "Cannot read x.npy: expected a shape and an order, " +
    "got \"{'descr': '<f4', 'fortran_order': False}\"",
  ],
  "no order": [
    file("{'descr': '<f4', 'shape': (2,)}", eight),
    "Cannot read x.npy: expected a shape and an order, got \"{'descr': '<f4', 'shape': (2,)}\"",
  ],
  "columns": [
    file(header("<f4", "(1, 2)", "True"), eight),
    "Cannot read x.npy: expected rows, got columns; save numpy.ascontiguousarray(...) of it",
  ],
  "a file cut short": [
    file(header("<f4", "(2,)"), eight.subarray(1)),
    "Cannot read x.npy: expected 79 bytes for F32 [2], got 78",
  ],
  "a file with more than its array": [
    file(header("<f4", "(1,)"), eight),
    "Cannot read x.npy: expected 75 bytes for F32 [1], got 79",
  ],
  "a shape that is no shape": [
    file("{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}", eight),
    "Cannot read x.npy: expected a shape and an order, " +
    "got \"{'descr': '<f4', 'fortran_order': False, 'shape': (1 1)}\"",
  ],
};
for (const [name, [source, message]] of Object.entries(bad)) {
  Deno.test(`readNpyEntry() rejects ${name}`, async () => {
    await assert.rejects(readNpyEntry(source), { name: "DataError", message });
  });
}

Deno.test("readNpyEntry() reads headers of NumPy's own padding, on random shapes", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const shape = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * 5));
    const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
    const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': ${tuple}, }`;
    const padded = dict.padEnd(117) + "\n"; // numpy.save aligns the elements to 64 bytes
    const data = Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, random);

    const entry = await readNpyEntry(file(padded, new Uint8Array(data.buffer)));

    assert.deepEqual([entry.shape, entry.start], [shape, 128], `seed ${seed}`);
    assert.deepEqual(await readFloats(entry), data, `seed ${seed}`);
  }
});

Deno.test("readNpyEntry() refuses a header of 10,000 digits at once", async () => {
  const source = file(header("<f4", `(${"1".repeat(9_900)}x`), eight);
  const start = performance.now();
  await assert.rejects(readNpyEntry(source), /expected a shape and an order/);
  assert(performance.now() - start < 1000);
});
