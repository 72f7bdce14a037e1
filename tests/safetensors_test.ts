import assert from "node:assert/strict";
import { bytesInMemory, type ByteSource, openFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import {
  checkFinite,
  type Dtype,
  encodeSafetensors,
  getEntry,
  itemBytes,
  readEntries,
  readFloats,
  sliceRows,
  type Tensor,
  type TensorEntry,
} from "../src/safetensors.ts";

/** A file in memory: the header, then the buffer. */
function file(header: unknown, buffer: Uint8Array = new Uint8Array()): ByteSource {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  return rawFile(new TextEncoder().encode(text), buffer);
}

function rawFile(header: Uint8Array, buffer: Uint8Array = new Uint8Array()): ByteSource {
  const bytes = new Uint8Array(8 + header.length + buffer.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  bytes.set(buffer, 8 + header.length);
  return bytesInMemory("x.safetensors", bytes);
}

const two = { dtype: "F32", shape: [2], data_offsets: [0, 8] };

Deno.test("readFloats() reads every floating dtype as float32", async () => {
  const stored: { [D in Dtype]?: Uint8Array } = {
    F64: new Uint8Array(new Float64Array([1.5, -2]).buffer),
    F32: new Uint8Array(new Float32Array([1.5, -2]).buffer),
    F16: new Uint8Array([0x00, 0x3e, 0x00, 0xc0]),
    BF16: new Uint8Array([0xc0, 0x3f, 0x00, 0xc0]),
  };
  for (const [dtype, buffer] of Object.entries(stored)) {
    const source = file({ x: { dtype, shape: [2], data_offsets: [0, buffer.length] } }, buffer);
    const entry = (await readEntries(source)).get("x")!;
    assert.deepEqual([...await readFloats(entry)], [1.5, -2], dtype);
  }
});

Deno.test("readFloats() rounds float64, and lets NaN, infinities, -0 and subnormals pass", async () => {
  const values = [0.1, 1e300, NaN, -Infinity, -0, 2 ** -149];
  const buffer = new Uint8Array(new Float64Array(values).buffer);
  const source = file({ x: { dtype: "F64", shape: [6], data_offsets: [0, 48] } }, buffer);
  const read = await readFloats((await readEntries(source)).get("x")!);
  assert.deepEqual([...read], values.map(Math.fround));
});

Deno.test("readFloats() widens all 65,536 numbers of float16 and of bfloat16 by their definition", async () => {
  const half = (bits: number, nExponent: number) => {
    const nFraction = 15 - nExponent, bias = 2 ** (nExponent - 1) - 1;
    const sign = bits >> 15 ? -1 : 1;
    const exponent = (bits >> nFraction) & (2 ** nExponent - 1);
    const fraction = (bits & (2 ** nFraction - 1)) / 2 ** nFraction;
    if (exponent === 2 ** nExponent - 1) return fraction === 0 ? sign * Infinity : NaN;
    return exponent === 0
      ? sign * fraction * 2 ** (1 - bias)
      : sign * (1 + fraction) * 2 ** (exponent - bias);
  };
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  for (const [dtype, nExponent] of [["F16", 5], ["BF16", 8]] as const) {
    const header = { x: { dtype, shape: [65536], data_offsets: [0, 131072] } };
    const source = file(header, new Uint8Array(bits.buffer));
    const read = await readFloats((await readEntries(source)).get("x")!);
    assert.deepEqual([...read], Array.from(bits, (b) => half(b, nExponent)), dtype);
  }
});

Deno.test("readFloats() rejects integers, which readEntries() lets stand", async () => {
  const source = file(
    { mask: { dtype: "U8", shape: [2], data_offsets: [0, 2] } },
    new Uint8Array(2),
  );
  await assert.rejects(readFloats((await readEntries(source)).get("mask")!), {
    name: "DataError",
    message:
      'Cannot read tensor "mask" in x.safetensors: expected dtype F64, F32, F16, BF16, got U8',
  });
});

Deno.test("readEntries() accepts metadata, padding, a scalar, empty tensors and odd names", async () => {
  const header = JSON.stringify({
    __metadata__: { format: "pt" },
    'a"{b': { dtype: "F32", shape: [], data_offsets: [0, 4], more: { shape: 1 } },
    empty: { dtype: "F32", shape: [0, 3], data_offsets: [0, 0] },
    7: { dtype: "BOOL", shape: [1], data_offsets: [4, 5] },
  }) + "   ";
  const entries = await readEntries(file(header, new Uint8Array(5)));
  assert.deepEqual([...entries.keys()], ["empty", 'a"{b', "7"]);
  assert.equal((await readEntries(file({}))).size, 0);
});

Deno.test("readEntries() says where the bytes lie, from the start of the file", async () => {
  const source = file(
    { x: two, y: { ...two, dtype: "F16", data_offsets: [8, 12] } },
    new Uint8Array(12),
  );
  const y = (await readEntries(source)).get("y")!;
  assert.deepEqual(y, {
    name: "y",
    dtype: "F16",
    shape: [2],
    source,
    start: source.byteLength - 4,
    end: source.byteLength,
  });
});

const dtypes = Object.keys(itemBytes).join(", ");
const bad: Readonly<Record<string, [source: ByteSource, message: string]>> = {
  "an empty file": [
    bytesInMemory("x", new Uint8Array()),
    "Cannot read x: expected at least 8 bytes, got 0; get the file again",
  ],
  "a file of 7 bytes": [
    bytesInMemory("x", new Uint8Array(7)),
    "Cannot read x: expected at least 8 bytes, got 7; get the file again",
  ],
  "a header longer than the file": [
    bytesInMemory("x", new Uint8Array([9, 0, 0, 0, 0, 0, 0, 0, 0x7b, 0x7d])),
    "Cannot read x: expected a header of at most 2 bytes, got 9; get the file again",
  ],
  "a header longer than the format allows": [
    {
      name: "x",
      byteLength: 1e9,
      read: () => Promise.resolve(new Uint8Array(new BigUint64Array([100_000_001n]).buffer)),
    },
    "Cannot read x: expected a header of at most 100000000 bytes, got 100000001; get the file again",
  ],
  "a header of 2^63 bytes": [
    bytesInMemory("x", new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0x80, 0x7b, 0x7d])),
    "Cannot read x: expected a header of at most 2 bytes, got 9223372036854776000; get the file again",
  ],
  "a header which is not JSON": [
    file("<html>"),
    'Cannot read the header of x.safetensors: expected JSON, got "<html>"',
  ],
  "a header which is not UTF-8": [
    rawFile(new Uint8Array([0x7b, 0xff, 0x7d])),
    'Cannot read the header of x.safetensors: expected JSON, got "{ÿ}"',
  ],
  "a header with a byte order mark": [
    file("\ufeff{}"),
    'Cannot read the header of x.safetensors: expected JSON, got "ï»¿{}"',
  ],
  "a header which is a list": [
    file("[]"),
    'Cannot read the header of x.safetensors: expected { at its start, got "[]"',
  ],
  "a header which starts with a space": [
    file(" {}"),
    'Cannot read the header of x.safetensors: expected { at its start, got " {}"',
  ],
  "a tensor said twice": [
    file(`{"x":${JSON.stringify(two)},"\\u0078":${JSON.stringify(two)}}`, new Uint8Array(8)),
    'Cannot read the header of x.safetensors: expected every key once, got "\\u0078" twice',
  ],
  "a shape said twice": [
    file('{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"shape":[2]}}', new Uint8Array(8)),
    'Cannot read the header of x.safetensors: expected every key once, got "shape" twice',
  ],
  "metadata which is not text": [
    file({ __metadata__: { step: 3 } }),
    'Cannot read the header of x.safetensors: expected "__metadata__" of texts, got {"step":3}',
  ],
  "metadata which is a list": [
    file({ __metadata__: ["a"] }),
    'Cannot read the header of x.safetensors: expected "__metadata__" of texts, got ["a"]',
  ],
  "metadata which is null": [
    file({ __metadata__: null }),
    'Cannot read the header of x.safetensors: expected "__metadata__" of texts, got null',
  ],
  "an entry which is null": [
    file({ x: null }),
    `Cannot read tensor "x" in x.safetensors: expected dtype ${dtypes}, got nothing`,
  ],
  "an unknown dtype": [
    file({ x: { ...two, dtype: "F4" } }, new Uint8Array(8)),
    `Cannot read tensor "x" in x.safetensors: expected dtype ${dtypes}, got "F4"`,
  ],
  "a dtype in a list": [
    file({ x: { ...two, dtype: ["F32"] } }, new Uint8Array(8)),
    `Cannot read tensor "x" in x.safetensors: expected dtype ${dtypes}, got ["F32"]`,
  ],
  "a negative dimension": [
    file({ x: { ...two, shape: [-1, -2] } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected a shape of integers from 0, got [-1,-2]',
  ],
  "a fractional dimension": [
    file({ x: { ...two, shape: [0.5, 4] } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected a shape of integers from 0, got [0.5,4]',
  ],
  "a shape which is no list": [
    file({ x: { ...two, shape: 2 } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected a shape of integers from 0, got 2',
  ],
  "a shape whose product overflows, though it ends in 0": [
    file({ x: { dtype: "F32", shape: [2 ** 40, 2 ** 40, 0], data_offsets: [0, 0] } }),
    'Cannot read tensor "x" in x.safetensors: ' +
    "expected fewer than 2^53 bytes, got [1099511627776,1099511627776,0]",
  ],
  "data_offsets of one number": [
    file({ x: { ...two, data_offsets: [0] } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected data_offsets [begin, end], got [0]',
  ],
  "data_offsets which run backwards": [
    file({ x: { ...two, data_offsets: [8, 0] } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected bytes 62 to 70 for F32 [2], got 70 to 62',
  ],
  "a shape which does not fill its bytes": [
    file({ x: { ...two, shape: [3] } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected bytes 62 to 74 for F32 [3], got 62 to 70',
  ],
  "fewer bytes than its shape, which end where they should": [
    file({ x: { ...two, data_offsets: [4, 8] } }, new Uint8Array(8)),
    'Cannot read tensor "x" in x.safetensors: expected bytes 62 to 70 for F32 [2], got 66 to 70',
  ],
  "a hole": [
    file({ x: { ...two, data_offsets: [4, 12] } }, new Uint8Array(12)),
    'Cannot read tensor "x" in x.safetensors: expected bytes 63 to 71 for F32 [2], got 67 to 75',
  ],
  "an overlap": [
    file({ x: two, y: { ...two, data_offsets: [4, 12] } }, new Uint8Array(12)),
    'Cannot read tensor "y" in x.safetensors: expected bytes 124 to 132 for F32 [2], got 120 to 128',
  ],
  "a file cut short": [
    file({ x: two }, new Uint8Array(7)),
    "Cannot read x.safetensors: expected 70 bytes, got 69; get the file again",
  ],
  "a file with more than its tensors": [
    file({ x: two }, new Uint8Array(9)),
    "Cannot read x.safetensors: expected 70 bytes, got 71; get the file again",
  ],
};
for (const [name, [source, message]] of Object.entries(bad)) {
  Deno.test(`readEntries() rejects ${name}`, async () => {
    await assert.rejects(readEntries(source), { name: "DataError", message });
  });
}

function entry(name: string, shape: readonly number[]): TensorEntry {
  const source = bytesInMemory("x", new Uint8Array());
  return { name, dtype: "F32", shape, source, start: 100, end: 200 };
}

Deno.test("getEntry() gives the entry of a name, and of a shape if one is asked for", () => {
  const x = entry("x", [2, 3]);
  const entries = new Map([["x", x]]);
  assert.equal(getEntry(entries, "x", "here"), x);
  assert.equal(getEntry(entries, "x", "here", [2, 3]), x);
});

Deno.test("getEntry() names up to five tensors that are there, and counts the others", () => {
  const found = (n: number) => new Map(Array.from("abcdefg".slice(0, n), (k) => [k, entry(k, [])]));
  for (
    const [n, got] of [
      [0, "none"],
      [2, '"a", "b"'],
      [5, '"a", "b", "c", "d", "e"'],
      [6, '"a", "b", "c", "d", "e" and 1 more'],
    ] as const
  ) {
    assert.throws(() => getEntry(found(n), "W_enc", "sae"), {
      name: "DataError",
      message: `Cannot read tensor "W_enc" in sae: expected a tensor of that name, got ${got}`,
    });
  }
});

Deno.test("getEntry() rejects another shape, and says so where it is transposed", () => {
  const cases: [found: number[], fix: string][] = [
    [[8192, 512], "; save it transposed"],
    [[512, 8191], ""],
    [[512], ""],
    [[], ""],
  ];
  for (const [found, fix] of cases) {
    const entries = new Map([["W_enc", entry("W_enc", found)]]);
    assert.throws(() => getEntry(entries, "W_enc", "sae", [512, 8192]), {
      name: "DataError",
      message: 'Cannot read tensor "W_enc" in x: ' +
        `expected shape [512, 8192], got shape [${found.join(", ")}]${fix}`,
    });
  }
});

Deno.test("sliceRows() reads what a slice of the whole holds, on random tensors", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const shape = Array.from(
      { length: 1 + Math.floor(random() * 3) },
      () => Math.floor(random() * 5),
    );
    const rowSize = shape.slice(1).reduce((n, d) => n * d, 1);
    const data = Float32Array.from({ length: shape[0] * rowSize }, random);
    const source = bytesInMemory("x", encodeSafetensors({ x: { shape, data } }));
    const x = (await readEntries(source)).get("x")!;
    const start = Math.floor(random() * (shape[0] + 1));
    const end = start + Math.floor(random() * (shape[0] + 1 - start));

    const slice = sliceRows(x, start, end);

    assert.deepEqual(slice.shape, [end - start, ...shape.slice(1)], `seed ${seed}`);
    const expected = data.slice(start * rowSize, end * rowSize);
    assert.deepEqual(await readFloats(slice), expected, `seed ${seed}`);
  }
});

Deno.test("sliceRows() refuses rows that are not there", () => {
  const cases: [shape: number[], start: number, end: number][] = [
    [[2, 3], 0, 3],
    [[2, 3], -1, 1],
    [[2, 3], 2, 1],
    [[], 0, 0],
  ];
  for (const [shape, start, end] of cases) {
    assert.throws(() => sliceRows(entry("x", shape), start, end), {
      name: "RangeError",
      message: `Cannot read rows ${start} to ${end} of a tensor of shape [${shape.join(", ")}]`,
    });
  }
});

Deno.test("checkFinite() names the first element that is not finite", () => {
  checkFinite(new Float32Array([0, -0, 3e38]), "x.bin", "w");
  for (const value of [NaN, Infinity, -Infinity]) {
    assert.throws(() => checkFinite(new Float32Array([1, value, NaN]), "x.bin", "w"), {
      name: "DataError",
      message:
        `Cannot read tensor "w" in x.bin: expected finite numbers, got ${value} at element 1`,
    });
  }
});

Deno.test("encodeSafetensors() writes what readEntries() reads, on random tensors", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const tensors: Record<string, Tensor> = {};
    for (let n = Math.floor(random() * 5); n >= 0; n--) {
      const shape = Array.from(
        { length: Math.floor(random() * 4) },
        () => Math.floor(random() * 4),
      );
      const length = shape.reduce((n, d) => n * d, 1);
      // A view whose buffer is larger than itself: only the view may be written.
      const data = Float32Array.from({ length: length + 2 }, random).subarray(1, length + 1);
      tensors[`${'né"\n'[n] ?? ""}${Math.floor(random() * 1e6)}`] = { shape, data };
    }
    const bytes = encodeSafetensors(tensors, seed % 2 ? { step: `${seed}` } : undefined);

    const entries = await readEntries(bytesInMemory("x", bytes));

    assert.deepEqual([...entries.keys()].sort(), Object.keys(tensors).sort(), `seed ${seed}`);
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      assert.deepEqual(entries.get(name)!.shape, shape, `seed ${seed}`);
      assert.deepEqual([...await readFloats(entries.get(name)!)], [...data], `seed ${seed}`);
    }
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    assert.equal(headerBytes % 8, 0, `seed ${seed}`);
  }
});

Deno.test("encodeSafetensors() keeps the metadata", () => {
  const bytes = encodeSafetensors({}, { step: "512" });
  assert.equal(
    new TextDecoder().decode(bytes.subarray(8)).trimEnd(),
    '{"__metadata__":{"step":"512"}}',
  );
});

Deno.test("encodeSafetensors() refuses a shape that its elements do not fill", () => {
  assert.throws(() => encodeSafetensors({ x: { shape: [2, 3], data: new Float32Array(5) } }), {
    name: "RangeError",
    message: 'Cannot write tensor "x" of shape [2, 3] from 5 values',
  });
});

Deno.test("readEntries() answers a damaged file with entries inside it or a DataError", async () => {
  const path = new URL("../fixtures/goldens/models/main-fp16/model.safetensors", import.meta.url);
  const whole = await openFile(path.pathname);
  const bytes = await whole.read(0, whole.byteLength);
  for (let seed = 0; seed < 300; seed++) {
    const random = randomFrom(seed);
    const damaged = bytes.slice(0, seed % 3 ? undefined : Math.floor(random() * bytes.length));
    // Mostly in the header: its 8 bytes of length and the JSON after it.
    for (let n = 0; n < 3; n++) {
      damaged[Math.floor(random() ** 3 * damaged.length)] = random() * 256;
    }
    try {
      for (const { start, end } of (await readEntries(bytesInMemory("x", damaged))).values()) {
        assert(0 <= start && start <= end && end <= damaged.length, `seed ${seed}`);
      }
    } catch (error) {
      assert.equal((error as Error).name, "DataError", `seed ${seed}: ${error}`);
    }
  }
});
