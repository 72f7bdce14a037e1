import assert from "node:assert/strict";
import { openTable, tableWriter, writeTable } from "../src/arrow.ts";
import type { Column, Columns, ColumnTypes, Metadata } from "../src/columns.ts";
import { bytesInMemory } from "../src/files.ts";

function collector() {
  const parts: Uint8Array[] = [];
  const sink = { write: (bytes: Uint8Array) => void parts.push(bytes.slice()) };
  return { sink, bytes: () => Uint8Array.from(parts.flatMap((part) => [...part])) };
}

function written(types: ColumnTypes, batches: readonly Columns[], metadata?: Metadata): Uint8Array {
  const { sink, bytes } = collector();
  const writer = tableWriter(sink, types, metadata);
  for (const batch of batches) writer.write(batch);
  writer.finish();
  return bytes();
}

async function readBack(bytes: Uint8Array, name: string) {
  const batches = [];
  for await (const batch of (await openTable(bytesInMemory("t.arrow", bytes))).batches()) {
    batches.push({ nRows: batch.nRows, values: Array.from(batch.column(name)) });
  }
  return batches;
}

const plain: Record<string, [ColumnTypes[string], number[]]> = {
  "bool": ["bool", [1, 0, 0, 1, 1, 0, 1, 0, 1]],
  "uint8": ["uint8", [0, 7, 255]],
  "uint16": ["uint16", [0, 7, 65535]],
  "uint32": ["uint32", [0, 7, 4294967295]],
  "int32": ["int32", [-2147483648, -1, 2147483647]],
  "float32": ["float32", [0.5, -Infinity, NaN]],
  "float64": ["float64", [0.1, -1e300, NaN]],
  "nullable uint8": ["uint8?", [255, -1, 3]],
  "nullable uint16": ["uint16?", [65535, -1, 3]],
  "nullable uint32": ["uint32?", [4294967294, -1, 0, -1, 1, 1, 1, 1, -1]],
  "nullable int32": ["int32?", [-2, -1, 5]],
  "nullable float32": ["float32?", [0.5, NaN, -0.25]],
  "nullable float64": ["float64?", [0.1, NaN, -1e300]],
  "nullable and all null": ["uint32?", [-1, -1]],
  "nullable without null": ["float32?", [0.5, 1]],
  "a column without rows": ["float32", []],
};

for (const [what, [type, values]] of Object.entries(plain)) {
  Deno.test(`a column survives the round trip: ${what}`, async () => {
    const batches = await readBack(written({ a: type }, [{ a: { values } }]), "a");
    assert.deepEqual(batches, [{ nRows: values.length, values }]);
  });
}

Deno.test("a column of text says what bytes it was given", async () => {
  const bytes = written({ a: "utf8" }, [{ a: { values: ["é", "", "b"] } }]);
  const { names } = await openTable(bytesInMemory("t.arrow", bytes));
  assert.deepEqual(names, ["a"]);
  assert.notEqual(new TextDecoder().decode(bytes).indexOf("éb"), -1);
});

const lists: Record<string, [ColumnTypes[string], Column[]]> = {
  "list<uint16>": ["list<uint16>", [
    { values: [1, 2, 65535], offsets: [0, 2, 2, 3] },
    { values: [], offsets: [0, 0] },
    { values: [9], offsets: [0, 1] },
  ]],
  "list<uint32>": ["list<uint32>", [
    { values: [1, 4294967295], offsets: [0, 0, 2] },
    { values: [3], offsets: [0, 1] },
  ]],
  "list<float32>": ["list<float32>", [
    { values: [0.5, -1], offsets: [0, 1, 2] },
    { values: [NaN], offsets: [0, 1] },
  ]],
};

for (const [what, [type, columns]] of Object.entries(lists)) {
  Deno.test(`lists survive the round trip in several batches: ${what}`, async () => {
    const bytes = written({ a: type }, columns.map((a) => ({ a })));
    const batches: Column[] = [];
    for await (const batch of (await openTable(bytesInMemory("t.arrow", bytes))).batches()) {
      batches.push({ values: Array.from(batch.column("a")), offsets: [...batch.offsets("a")] });
    }
    assert.deepEqual(batches, columns);
  });
}

const fixed: Record<string, [ColumnTypes[string], number[], number]> = {
  "uint32": ["fixed_size_list<uint32>[2]", [1, 2, 3, 4], 2],
  "float32": ["fixed_size_list<float32>[3]", [0.5, 1, 2], 1],
  "nullable uint32": ["fixed_size_list<uint32>[2]?", [1, -1, -1, 4], 2],
  "nullable float32": ["fixed_size_list<float32>[2]?", [0.5, NaN, NaN, 2], 2],
};

for (const [what, [type, values, nRows]] of Object.entries(fixed)) {
  Deno.test(`lists of one length survive the round trip: ${what}`, async () => {
    const batches = await readBack(written({ a: type }, [{ a: { values } }]), "a");
    assert.deepEqual(batches, [{ nRows, values }]);
  });
}

Deno.test("columns keep their order, and batches their number", async () => {
  const types = { b: "uint32", a: "float32" } as const;
  const bytes = written(
    types,
    [1, 2, 3].map((n) => ({
      b: { values: Array(n).fill(n) },
      a: { values: Array(n).fill(0.5) },
    })),
  );
  const table = await openTable(bytesInMemory("t.arrow", bytes));
  assert.deepEqual(table.names, ["b", "a"]);
  assert.deepEqual((await readBack(bytes, "b")).map(({ values }) => values), [[1], [2, 2], [
    3,
    3,
    3,
  ]]);
});

Deno.test("a table without batches has none", async () => {
  assert.deepEqual(await readBack(written({ a: "uint8" }, []), "a"), []);
});

Deno.test("batches() can be read twice", async () => {
  const bytes = written({ a: "uint8" }, [{ a: { values: [1] } }]);
  const table = await openTable(bytesInMemory("t.arrow", bytes));
  for (let time = 0; time < 2; time++) {
    for await (const batch of table.batches()) {
      assert.deepEqual([...batch.column("a") as Uint8Array], [1]);
    }
  }
});

Deno.test("writeTable() writes what tableWriter() writes, and twice the same bytes", () => {
  const [types, columns, metadata] = [{ a: "uint8" }, { a: { values: [1] } }, { k: "v" }] as const;
  const { sink, bytes } = collector();
  writeTable(sink, types, columns, metadata);
  assert.deepEqual(bytes(), written(types, [columns], metadata));
});

async function metadataOf(last?: Metadata): Promise<Metadata> {
  const { sink, bytes } = collector();
  const writer = tableWriter(sink, { a: "uint8" }, { kept: "first", only: "first" });
  writer.write({ a: { values: [1] } });
  writer.finish(last);
  return (await openTable(bytesInMemory("t.arrow", bytes()))).metadata;
}

Deno.test("finish() replaces the metadata", async () => {
  assert.deepEqual(await metadataOf({ kept: "last é" }), { kept: "last é" });
});

Deno.test("finish() without metadata leaves what the file began with", async () => {
  assert.deepEqual(await metadataOf(), { kept: "first", only: "first" });
});

const whole = written({ a: "uint32", l: "list<uint32>" }, [
  { a: { values: [1, 2] }, l: { values: [5], offsets: [0, 1, 1] } },
  { a: { values: [3] }, l: { values: [6, 7], offsets: [0, 2] } },
], { k: "v" });

const refusal = {
  name: "DataError",
  message: /^Cannot read t\.arrow: expected an Arrow file, got ./s,
};

async function readAll(bytes: Uint8Array): Promise<void> {
  const table = await openTable(bytesInMemory("t.arrow", bytes));
  for await (const batch of table.batches()) batch.column("a");
}

Deno.test("openTable() refuses a file that is cut, wherever the cut is", async () => {
  for (let length = 0; length < whole.length; length++) {
    await assert.rejects(readAll(whole.slice(0, length)), refusal, `${length} bytes`);
  }
});

function changed(change: (bytes: Uint8Array, view: DataView) => void): Uint8Array {
  const bytes = whole.slice();
  change(bytes, new DataView(bytes.buffer));
  return bytes;
}

const broken: Record<string, Uint8Array> = {
  "text": new TextEncoder().encode("feature,match\n1,2\n"),
  "zeros": new Uint8Array(1000),
  "a file without its last magic": changed((bytes) => bytes.fill(0, -6)),
  "a footer longer than the file": changed((_, view) =>
    view.setInt32(whole.length - 10, 1 << 30, true)
  ),
  "a footer of negative length": changed((_, view) => view.setInt32(whole.length - 10, -8, true)),
  "a footer of other bytes": changed((bytes, view) => {
    const length = view.getInt32(whole.length - 10, true);
    bytes.fill(0xff, whole.length - 10 - length, whole.length - 10);
  }),
};

for (const [what, bytes] of Object.entries(broken)) {
  Deno.test(`openTable() refuses ${what}, naming the file`, async () => {
    await assert.rejects(readAll(bytes), refusal);
  });
}

Deno.test("column() refuses a column that is not there, listing those that are", async () => {
  for await (const batch of (await openTable(bytesInMemory("t.arrow", whole))).batches()) {
    assert.throws(() => batch.column("b"), {
      name: "DataError",
      message: 'Cannot read column "b" in t.arrow: expected such a column, got a, l',
    });
  }
});

Deno.test("offsets() refuses a column that is not of lists", async () => {
  for await (const batch of (await openTable(bytesInMemory("t.arrow", whole))).batches()) {
    assert.throws(() => batch.offsets("a"), {
      name: "DataError",
      message: 'Cannot read column "a" in t.arrow: expected lists, got Uint32',
    });
  }
});
