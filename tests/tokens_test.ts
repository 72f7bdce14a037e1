import assert from "node:assert/strict";
import * as arrow from "npm:apache-arrow@21.2.0";
import { bytesInMemory, type ByteSource, openFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { checkVocabulary, readTokens, type Tokens } from "../src/tokens.ts";

// Written by pyarrow 26.0.1 from [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]], but for the last
// three: no rows, [[1, None, 3, 4]], and a column [1, 2, 3].
const base64 = {
  "list of int64, zstd, 2 row groups.parquet":
    "UEFSMRUEFYABFUxMFRAVABIAACi1L/0gQO0AALABAAIAAwAEAAUABgAHAAgAAAAAAAAAB1QCAAMBFQAVIhU0LBUQFRAVBhUGHAAAACi1L/0gEYkAAAIAAAAD7gIAAAAQAwMDiMb6FQQVQBU8TBUIFQASAAAotS/9ICCtAABwCQAKAAsADAAAAAAAAAADVAIAAwEVABUgFTIsFQgVEBUGFQYcAAAAKLUv/SAQgQAAAgAAAAMOAgAAAAgDAgPkABUEGUw1ABgGc2NoZW1hFQIANQIYCWlucHV0X2lkcxUCFQZMPAAAADUEGARsaXN0FQIAFQQlAhgHZWxlbWVudAAWBhksGRwmABwVBBk1AAYQGTgJaW5wdXRfaWRzBGxpc3QHZWxlbWVudBUMFhAW5gEWxAEmciYIKSwVBBUAFQIAFQAVEBUCADwpJgQMGUYAAAAQAAAAFuYBFgQmCBbEAQAZHCYAHBUEGTUABhAZOAlpbnB1dF9pZHMEbGlzdAdlbGVtZW50FQwWCBaiARawASakAibMASksFQQVABUCABUAFRAVAgA8KSYCBhlGAAAACAAAABaiARYCJswBFrABACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNi4wLjEZHBwAAAAnAQAAUEFSMQ==",
  "fixed-size list of int32, gzip.parquet":
    "UEFSMRUEFWAVXEwVGBUAEgAAH4sIAAAAAAACAw3Dhw0AIAwAoDrr+v9eIaFERLXZHU7T5fZ4fX7IclqAMAAAABUAFS4VVCwVGBUQFQYVBhwAAAAfiwgAAAAAAAIDY2ZgYGB9x8cEpCSYWVgFjELKZuxiYAAACwG7bhcAAAAVBBlMNQAYBnNjaGVtYRUCADUCGAlpbnB1dF9pZHMVAhUGTDwAAAA1BBgEbGlzdBUCABUCJQIYB2VsZW1lbnQAFgYZHBkcJgAcFQIZNQAGEBk4CWlucHV0X2lkcwRsaXN0B2VsZW1lbnQVBBYYFtABFvIBJoABJggpLBUEFQAVAgAVABUQFQIAPCkmBhIZRgAAABgAAAAW0AEWBiYIFvIBACggcGFycXVldC1jcHAtYXJyb3cgdmVyc2lvbiAyNi4wLjEZHBwAAADJAAAAUEFSMQ==",
  "list of int32, lz4.arrow":
    "QVJST1cxAAD/////sAAAABAAAAAAAAoADAAGAAUACAAKAAAAAAEEAAwAAAAIAAgAAAAEAAgAAAAEAAAAAQAAAAQAAADM////AAABDBQAAAAkAAAABAAAAAEAAAAsAAAACQAAAGlucHV0X2lkcwAAAAQABAAEAAAAEAAUAAgABgAHAAwAAAAQABAAAAAAAAECEAAAACAAAAAEAAAAAAAAAAQAAABpdGVtAAAAAAgADAAIAAcACAAAAAAAAAEgAAAA/////8gAAAAUAAAAAAAAAAwAGAAGAAUACAAMAAwAAAAAAwQAHAAAAHAAAAAAAAAAAAAAAAwAHAAQAAQACAAMAAwAAABoAAAAHAAAABQAAAADAAAAAAAAAAAAAAAEAAQABAAAAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAnAAAAAAAAACgAAAAAAAAAAAAAAAAAAAAoAAAAAAAAAEcAAAAAAAAAAAAAAAIAAAADAAAAAAAAAAAAAAAAAAAADAAAAAAAAAAAAAAAAAAAABAAAAAAAAAABCJNGGBAghAAAIAAAAAABAAAAAgAAAAMAAAAAAAAAAAwAAAAAAAAAAQiTRhgQIIwAACAAQAAAAIAAAADAAAABAAAAAUAAAAGAAAABwAAAAgAAAAJAAAACgAAAAsAAAAMAAAAAAAAAAD/////AAAAABAAAAAMABQABgAIAAwAEAAMAAAAAAAEADQAAAAkAAAABAAAAAEAAADAAAAAAAAAANAAAAAAAAAAcAAAAAAAAAAAAAAACAAIAAAABAAIAAAABAAAAAEAAAAEAAAAzP///wAAAQwUAAAAJAAAAAQAAAABAAAALAAAAAkAAABpbnB1dF9pZHMAAAAEAAQABAAAABAAFAAIAAYABwAMAAAAEAAQAAAAAAABAhAAAAAgAAAABAAAAAAAAAAEAAAAaXRlbQAAAAAIAAwACAAHAAgAAAAAAAABIAAAANgAAABBUlJPVzE=",
  "no rows.parquet":
    "UEFSMRUEFQAVAkwVABUAEgAAABUEGUw1ABgGc2NoZW1hFQIANQIYCWlucHV0X2lkcxUCFQZMPAAAADUEGARsaXN0FQIAFQIlAhgHZWxlbWVudAAWABkcGRwmABwVAhklAAYZOAlpbnB1dF9pZHMEbGlzdAdlbGVtZW50FQIWABYcFh4mACYIKRwVBBUAFQIAAAAWHBYAJggWHgAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjYuMC4xGRwcAAAAsAAAAFBBUjE=",
  "a null id.parquet":
    "UEFSMRUEFRgVHEwVBhUAEgAADCwBAAAAAwAAAAQAAAAVABUiFSYsFQgVEBUGFQYcAAAAEUACAAAAAw4DAAAAA/sAAgMkABUEGUw1ABgGc2NoZW1hFQIANQIYCWlucHV0X2lkcxUCFQZMPAAAADUEGARsaXN0FQIAFQIlAhgHZWxlbWVudAAWAhkcGRwmABwVAhk1AAYQGTgJaW5wdXRfaWRzBGxpc3QHZWxlbWVudBUCFggWfBaEASZAJggpLBUEFQAVAgAVABUQFQIAPCkmAgYZRgAAAgYAAAAWfBYCJggWhAEAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRkcHAAAAMYAAABQQVIx",
  "no lists.parquet":
    "UEFSMRUEFRgVHEwVBhUAEgAADCwBAAAAAgAAAAMAAAAVABUUFRgsFQYVEBUGFQYcAAAACiQCAAAABgECAyQAFQQZLDUAGAZzY2hlbWEVAgAVAiUCGAlpbnB1dF9pZHMAFgYZHBkcJgAcFQIZNQAGEBkYCWlucHV0X2lkcxUCFgYWbhZ2JkAmCCksFQQVABUCABUAFRAVAgA8KQYZJgAGAAAAFm4WBiYIFnYAKCBwYXJxdWV0LWNwcC1hcnJvdyB2ZXJzaW9uIDI2LjAuMRkcHAAAAJQAAABQQVIx",
} as const;

const stored = (name: keyof typeof base64): ByteSource =>
  bytesInMemory(name, Uint8Array.from(atob(base64[name]), (c) => c.charCodeAt(0)));

const lines = (text: string, name = "x.jsonl"): ByteSource =>
  bytesInMemory(name, new TextEncoder().encode(text));

type Rows = readonly (readonly number[])[];

// An Arrow file or stream of lists, one record batch a row.
function arrowLists(
  rows: readonly (Rows[number] | null)[],
  { item = new arrow.Int32(), format = "file", name = "x.arrow" }: {
    item?: arrow.Int;
    format?: "file" | "stream";
    name?: string;
  } = {},
): ByteSource {
  const type = new arrow.List(new arrow.Field("item", item, true));
  const convert = item.bitWidth === 64 ? BigInt : Number;
  const vectors = rows.map((row) =>
    arrow.vectorFromArray([row && row.map((id) => id === null ? null : convert(id))], type)
  );
  const vector = vectors.length ? vectors[0].concat(...vectors.slice(1)) : undefined;
  const table = new arrow.Table(
    vector ? { input_ids: vector } : { input_ids: arrow.vectorFromArray([], type) },
  );
  return bytesInMemory(name, arrow.tableToIPC(table, format));
}

function npy(descr: string, shape: readonly number[], elements: ArrayBufferView): ByteSource {
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
  const bytes = new Uint8Array(10 + header.length + elements.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, header.length]);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(elements.buffer), 10 + header.length);
  return bytesInMemory("x.npy", bytes);
}

function safetensors(
  dtype: string,
  shape: readonly number[],
  elements: ArrayBufferView,
): ByteSource {
  const entry = { dtype, shape, data_offsets: [0, elements.byteLength] };
  const header = new TextEncoder().encode(JSON.stringify({ input_ids: entry }));
  const bytes = new Uint8Array(8 + header.length + elements.byteLength);
  bytes[0] = header.length;
  bytes.set(header, 8);
  bytes.set(new Uint8Array(elements.buffer), 8 + header.length);
  return bytesInMemory("x.safetensors", bytes);
}

const twelve = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
const rows: Rows = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]];
const big = BigInt64Array.from(twelve, BigInt);
const same: Readonly<Record<string, ByteSource>> = {
  "Parquet, a list of int64 in two row groups": stored("list of int64, zstd, 2 row groups.parquet"),
  "Parquet, a fixed-size list of int32": stored("fixed-size list of int32, gzip.parquet"),
  "Arrow, a file": arrowLists(rows),
  "Arrow, a stream of int64": arrowLists(rows, { item: new arrow.Int64(), format: "stream" }),
  "Feather": arrowLists(rows, { item: new arrow.Uint16(), name: "x.feather" }),
  "IPC": arrowLists(rows, { item: new arrow.Uint32(), name: "x.IPC" }),
  "JSON lines of objects": lines(
    rows.map((row) => JSON.stringify({ text: "é", input_ids: row })).join("\r\n"),
  ),
  "JSON lines of arrays": lines(`\n${rows.map((row) => JSON.stringify(row)).join("\n\n")}\n`),
  ".npy of int16": npy("<i2", [3, 4], Int16Array.from(twelve)),
  ".npy of uint16": npy("<u2", [3, 4], Uint16Array.from(twelve)),
  ".npy of int32": npy("<i4", [3, 4], Int32Array.from(twelve)),
  ".npy of uint32": npy("<u4", [3, 4], Uint32Array.from(twelve)),
  ".npy of int64": npy("<i8", [3, 4], big),
  ".npy of uint64": npy("<u8", [3, 4], big),
  "safetensors of int8": safetensors("I8", [3, 4], Int8Array.from(twelve)),
  "safetensors of uint8": safetensors("U8", [3, 4], Uint8Array.from(twelve)),
  "safetensors of int64": safetensors("I64", [3, 4], big),
};
for (const [name, source] of Object.entries(same)) {
  Deno.test(`readTokens() reads ${name}`, async () => {
    assert.deepEqual(await readTokens(source, { contextSize: 3, totalTokens: 5 }), {
      contextSize: 3,
      nSequences: 2,
      nTokens: 5,
      ids: Int32Array.of(1, 2, 3, 5, 6, 7),
    });
    assert.deepEqual(await readTokens(source, { contextSize: 4, totalTokens: 1e9 }), {
      contextSize: 4,
      nSequences: 3,
      nTokens: 12,
      ids: Int32Array.from(twelve),
    });
  });
}

const golden = (name: string) =>
  openFile(new URL(`../fixtures/goldens/end_to_end/${name}`, import.meta.url).pathname);

Deno.test("readTokens() reads the same from the golden Parquet file and from its JSON lines", async () => {
  const options = { contextSize: 32, totalTokens: 350 };
  const parquet = await readTokens(await golden("dataset.parquet"), options);
  const json = await readTokens(await golden("dataset.jsonl"), options);
  assert.deepEqual(parquet, json);
  assert.deepEqual([parquet.nSequences, parquet.nTokens, parquet.ids.length], [11, 350, 352]);
  assert.deepEqual([...parquet.ids.subarray(0, 6)], [44, 51, 23, 63, 44, 1]);
  const all = await readTokens(await golden("dataset.parquet"), { ...options, totalTokens: 1e6 });
  assert.equal(all.nTokens, 12 * 32);
});

Deno.test("readTokens() equals its definition on random rows, sizes and formats", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const below = (n: number) => Math.floor(random() * n);
    const [nRows, nCols] = [1 + below(6), 1 + below(8)];
    const table = Array.from(
      { length: nRows },
      () => Array.from({ length: nCols }, () => below(2 ** 31)),
    );
    const [contextSize, totalTokens] = [1 + below(nCols), 1 + below(50)];
    const flat = Int32Array.from(table.flat());
    const sources = [
      lines(table.map((row) => JSON.stringify(row)).join("\n")),
      npy("<i4", [nRows, nCols], flat),
      safetensors("U32", [nRows, nCols], flat),
      arrowLists(table, { format: seed % 2 ? "file" : "stream" }),
    ];
    const used = table.slice(0, Math.ceil(totalTokens / contextSize));
    const ids = used.flatMap((row) => row.slice(0, contextSize));
    for (const source of sources) {
      const tokens = await readTokens(source, { contextSize, totalTokens });
      assert.deepEqual(tokens, {
        contextSize,
        nSequences: used.length,
        nTokens: Math.min(totalTokens, ids.length),
        ids: Int32Array.from(ids),
      }, `seed ${seed}, ${source.name}`);
    }
  }
});

Deno.test("readTokens() takes the column it is told", async () => {
  const source = lines('{"input_ids": [1], "other": [2]}');
  const { ids } = await readTokens(source, { column: "other", contextSize: 1, totalTokens: 1 });
  assert.deepEqual([...ids], [2]);
});

Deno.test("readTokens() reads lines that are cut within a character by the parts of 1 MiB", async () => {
  // Two bytes a letter after an odd start, so that every boundary falls inside one.
  const row = (id: number) => `{"text":"${"é".repeat(700_000)}","input_ids":[${id}]}`;
  const { ids } = await readTokens(lines(`${row(1)}\n${row(2)}\n${row(3)}`), {
    contextSize: 1,
    totalTokens: 3,
  });
  assert.deepEqual([...ids], [1, 2, 3]);
});

// The same source, and how much was read of it: in all, at once, and up to where.
function watched(source: ByteSource): ByteSource & { readonly seen: Record<string, number> } {
  const seen = { bytes: 0, atOnce: 0, end: 0 };
  const read = (start: number, end: number) => {
    seen.bytes += end - start;
    seen.atOnce = Math.max(seen.atOnce, end - start);
    seen.end = Math.max(seen.end, end);
    return source.read(start, end);
  };
  return { ...source, read, seen };
}

Deno.test("readTokens() reads no more of a file than the rows it needs", async () => {
  const sources: Record<string, [source: ByteSource, most: number]> = {
    // 8 MiB in rows of 1 KiB: one part of lines, a header and two rows.
    jsonl: [lines(`[${"1,".repeat(510)}1]\n`.repeat(8192)), 1 << 20],
    npy: [npy("<i4", [8192, 256], new Int32Array(8192 * 256)), 12 + 200 + 2048],
    arrow: [arrowLists(Array(400).fill(Array(256).fill(1))), 200_000],
  };
  for (const [name, [source, most]] of Object.entries(sources)) {
    const { seen, ...file } = watched(source);
    await readTokens(file, { contextSize: 100, totalTokens: 101 });
    assert(seen.bytes <= most, `${name}: ${seen.bytes} of ${file.byteLength} bytes`);
  }
});

Deno.test("readTokens() reads a large array in parts of 4 MiB, or of one row", async () => {
  for (const [nRows, nCols] of [[8192, 256], [2, 1 << 20]]) {
    const ids = Int32Array.from({ length: nRows * nCols }, (_, i) => i);
    const { seen, ...file } = watched(npy("<i4", [nRows, nCols], ids));
    const tokens = await readTokens(file, { contextSize: nCols, totalTokens: ids.length });
    assert(tokens.ids.every((id, i) => id === i));
    assert.equal(tokens.nTokens, ids.length);
    assert(seen.atOnce <= 4 << 20, `${seen.atOnce} bytes`);
  }
});

Deno.test("readTokens() lets rows it does not need be as they are", async () => {
  const source = lines("[1, 2]\n[3, 4]\n[5]\nnonsense");
  const { ids } = await readTokens(source, { contextSize: 2, totalTokens: 4 });
  assert.deepEqual([...ids], [1, 2, 3, 4]);
});

const ragged = "join texts into rows that fill the context";
const integers = "U8, U16, U32, U64, I8, I16, I32, I64";
const bad: Readonly<Record<string, [source: ByteSource, message: string]>> = {
  "an unknown ending": [
    lines("[1, 2]", "x.txt"),
    "x.txt: expected a name that ends in .parquet, .arrow, .feather, .ipc, .jsonl, .npy, " +
    '.safetensors, got ".txt"',
  ],
  "no ending": [
    lines("[1, 2]", "a.b/x"),
    "a.b/x: expected a name that ends in .parquet, .arrow, .feather, .ipc, .jsonl, .npy, " +
    '.safetensors, got ""',
  ],
  "an empty file of lines": [lines(""), "x.jsonl: expected at least one row, got none"],
  "a Parquet file of no rows": [
    stored("no rows.parquet"),
    "no rows.parquet: expected at least one row, got none",
  ],
  "an Arrow file of no rows": [arrowLists([]), "x.arrow: expected at least one row, got none"],
  "an array of no rows": [
    npy("<i4", [0, 2], new Int32Array()),
    "x.npy: expected at least one row, got none",
  ],
  "a line that is not JSON": [
    lines('[1, 2]\n\n{"input_ids": [1,'),
    'row 1 in x.jsonl: expected JSON, got "{\\"input_ids\\": [1,"',
  ],
  "text that is not UTF-8": [
    bytesInMemory("x.jsonl", new Uint8Array([0x5b, 0xff, 0x5d])),
    'x.jsonl: expected UTF-8 text, got "The encoded data is not valid"',
  ],
  "a short row": [
    lines("[1, 2]\n[3]"),
    `row 1 in x.jsonl: expected at least 2 ids, got 1; ${ragged}`,
  ],
  "a short row of an Arrow file": [
    arrowLists([[1, 2], []]),
    `row 1 in x.arrow: expected at least 2 ids, got 0; ${ragged}`,
  ],
  "rows that are all too short": [
    npy("<i4", [3, 1], Int32Array.of(1, 2, 3)),
    `row 0 in x.npy: expected at least 2 ids, got 1; ${ragged}`,
  ],
  "rows of nothing": [
    npy("<i4", [3, 0], new Int32Array()),
    `row 0 in x.npy: expected at least 2 ids, got 0; ${ragged}`,
  ],
  "text for a row": [
    lines('{"input_ids": "1 2"}'),
    'row 0 in x.jsonl: expected a list of ids, got "1 2"',
  ],
  "a line of text": [lines('"1 2"'), 'row 0 in x.jsonl: expected a list of ids, got "1 2"'],
  "a line of null": [lines("null"), "row 0 in x.jsonl: expected a list of ids, got null"],
  "a Parquet column of numbers": [
    stored("no lists.parquet"),
    "row 0 in no lists.parquet: expected a list of ids, got 1",
  ],
  "a null in a Parquet column": [
    stored("a null id.parquet"),
    "row 0 in a null id.parquet: expected ids from 0 to 2147483647, got null at 1",
  ],
  "a null in an Arrow column": [
    arrowLists([[1, null as unknown as number]]),
    "row 0 in x.arrow: expected ids from 0 to 2147483647, got null at 1",
  ],
  "a null for a row of an Arrow file": [
    arrowLists([[1, 2], null]),
    "row 1 in x.arrow: expected a list of ids, got null",
  ],
  "a negative id": [
    lines("[1, -1]"),
    "row 0 in x.jsonl: expected ids from 0 to 2147483647, got -1 at 1",
  ],
  "a fraction": [
    lines("[1.5, 2]"),
    "row 0 in x.jsonl: expected ids from 0 to 2147483647, got 1.5 at 0",
  ],
  "a number in quotes": [
    lines('["1", 2]'),
    'row 0 in x.jsonl: expected ids from 0 to 2147483647, got "1" at 0',
  ],
  "an id of 2^31": [
    npy("<u4", [1, 2], Uint32Array.of(0, 2 ** 31)),
    "row 0 in x.npy: expected ids from 0 to 2147483647, got 2147483648 at 1",
  ],
  "an id of 2^63": [
    npy("<u8", [1, 2], BigUint64Array.of(1n << 63n, 0n)),
    "row 0 in x.npy: expected ids from 0 to 2147483647, got 9223372036854775808 at 0",
  ],
  "an array of fractions": [
    npy("<f4", [1, 2], new Float32Array(2)),
    `"array" in x.npy: expected dtype ${integers}, got F32`,
  ],
  "a vector": [
    npy("<i4", [2], new Int32Array(2)),
    '"array" in x.npy: expected a shape [rows, ids], got shape [2]',
  ],
  "an object without the column": [
    lines('{"text": "a", "ids": [1, 2]}'),
    'row 0 in x.jsonl: expected column "input_ids", got "text", "ids"',
  ],
  "an object without anything": [
    lines("{}"),
    'row 0 in x.jsonl: expected column "input_ids", got none',
  ],
  "an object of seven other keys": [
    lines('{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}'),
    'row 0 in x.jsonl: expected column "input_ids", got "a", "b", "c", "d", "e" and 2 more',
  ],
  "a compressed Arrow file": [
    stored("list of int32, lz4.arrow"),
    "list of int32, lz4.arrow: expected an uncompressed Arrow file, " +
    'got "Record batch is compressed but codec not found"',
  ],
  "a Parquet file of another kind": [
    lines("<!DOCTYPE html>", "x.parquet"),
    'x.parquet: expected a Parquet file, got "parquet file invalid (footer != PAR1)"',
  ],
};
for (const [name, [source, message]] of Object.entries(bad)) {
  Deno.test(`readTokens() rejects ${name}`, async () => {
    await assert.rejects(readTokens(source, { contextSize: 2, totalTokens: 100 }), {
      name: "DataError",
      message: `Cannot read tokens of ${message}`,
    });
  });
}

Deno.test("readTokens() names the columns of a table, and the tensors of a file, if there is none", async () => {
  const options = { column: "ids", contextSize: 2, totalTokens: 100 };
  for (const source of [stored("a null id.parquet"), arrowLists([[1, 2]])]) {
    await assert.rejects(readTokens(source, options), {
      name: "DataError",
      message: `Cannot read tokens of ${source.name}: expected column "ids", got "input_ids"`,
    });
  }
  await assert.rejects(readTokens(safetensors("I32", [1, 2], new Int32Array(2)), options), {
    name: "DataError",
    message:
      'Cannot read tensor "ids" in x.safetensors: expected a tensor of that name, got "input_ids"',
  });
});

Deno.test("readTokens() refuses sizes that are not positive integers", async () => {
  for (const size of [0, -1, 1.5, NaN, Infinity]) {
    for (const name of ["contextSize", "totalTokens"] as const) {
      const options = { contextSize: 2, totalTokens: 2, [name]: size };
      await assert.rejects(readTokens(lines("[1, 2]"), options), {
        name: "RangeError",
        message: `Cannot read tokens with ${name} ${size}: it must be a positive integer`,
      });
    }
  }
});

Deno.test("readTokens() leaves an Arrow stream whose second message leads back to itself", async () => {
  const source = arrowLists(rows, { format: "stream" });
  const bytes = await source.read(0, source.byteLength);
  const view = new DataView(bytes.buffer);
  // A message is -1, the length of its description, and that; the first has nothing after it.
  const second = 8 + view.getInt32(4, true);
  view.setInt32(second + 4, -8, true);
  const damaged = bytesInMemory("x.arrow", bytes);
  await assert.rejects(readTokens(damaged, { contextSize: 4, totalTokens: 12 }), {
    name: "DataError",
    message:
      'Cannot read tokens of x.arrow: expected an uncompressed Arrow file, got "offsets that lead in a circle"',
  });
});

Deno.test("readTokens() answers a damaged table with tokens or a DataError", async () => {
  const whole = [
    stored("list of int64, zstd, 2 row groups.parquet"),
    stored("fixed-size list of int32, gzip.parquet"),
    arrowLists(rows),
    arrowLists(rows, { format: "stream" }),
  ];
  let reached = 0;
  for (let seed = 0; seed < 200; seed++) {
    const random = randomFrom(seed);
    const source = whole[seed % 4];
    const length = seed % 3 ? source.byteLength : Math.floor(random() * source.byteLength);
    const bytes = await source.read(0, length);
    for (let n = 0; n < 2; n++) bytes[Math.floor(random() * bytes.length)] = random() * 256;
    try {
      const { seen, ...damaged } = watched(bytesInMemory(source.name, bytes));
      const { ids } = await readTokens(damaged, { contextSize: 4, totalTokens: 12 })
        .finally(() => reached = Math.max(reached, seen.end - bytes.length));
      assert(ids.length % 4 === 0 && ids.length <= 12, `seed ${seed}`);
    } catch (error) {
      assert.equal((error as Error).name, "DataError", `seed ${seed}: ${error}`);
    }
  }
  assert.equal(reached, 0, "bytes beyond the end were asked for");
});

Deno.test("checkVocabulary() names the first id without an embedding, past nTokens too", () => {
  const tokens: Tokens = {
    contextSize: 3,
    nSequences: 2,
    nTokens: 4,
    ids: Int32Array.of(0, 511, 2, 3, 4, 700),
  };
  checkVocabulary(tokens, 701, "x.npy");
  assert.throws(() => checkVocabulary(tokens, 700, "x.npy"), /expected an id below 700, got 700/);
  assert.throws(() => checkVocabulary(tokens, 512, "x.npy"), {
    name: "DataError",
    message:
      "Cannot read tokens of sequence 1, position 2 in x.npy: expected an id below 512, got 700",
  });
});
