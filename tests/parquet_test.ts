import assert from "node:assert/strict";
import { bytesInMemory, type ByteSource, openFile } from "../src/files.ts";
import { openParquet } from "../src/parquet.ts";
import { randomFrom } from "../src/random.ts";

const folder = new URL("../fixtures/text/parquet/", import.meta.url).pathname;
const expected = JSON.parse(await Deno.readTextFile(`${folder}/../parquet.json`));
const open = (name: string) => openFile(`${folder}${name}.parquet`);

// Numbers, not bigints; plain arrays, not typed ones.
async function rowsOf(source: ByteSource, column: string): Promise<unknown[]> {
  const { rows } = await openParquet(source);
  const plain = (value: unknown) => typeof value === "bigint" ? Number(value) : value;
  return await Array.fromAsync(
    rows(column),
    (row) => Array.isArray(row) ? row.map(plain) : plain(row),
  );
}

for (const [name, columns] of Object.entries<Record<string, unknown[]>>(expected.columns)) {
  const [[column, rows]] = Object.entries(columns);
  if (rows === null) continue; // pyarrow itself cannot read it
  Deno.test(`openParquet() reads ${column} of "${name}" as pyarrow ${expected.pyarrow} does`, async () => {
    const source = await open(name);
    assert.deepEqual((await openParquet(source)).names.at(-1), column);
    assert.deepEqual(await rowsOf(source, column), rows);
  });
}

Deno.test("openParquet() reads a column of values, not of lists", async () => {
  const ids = await rowsOf(await open("plain"), "id");
  assert.deepEqual(ids, Array.from({ length: 40 }, (_, id) => id));
});

Deno.test("openParquet() keeps a byte order mark, which is a part of the text", async () => {
  const texts = await rowsOf(await open("text"), "text") as string[];
  assert(texts.some((text) => text?.startsWith("\ufeff")));
});

Deno.test("openParquet() refuses bytes that are no text, at the row that is asked for", async () => {
  const { rows } = await openParquet(await open("not UTF-8"));
  const texts = rows("text");
  assert.equal((await texts.next()).value, "a");
  await assert.rejects(texts.next(), {
    name: "DataError",
    message:
      `Cannot read row 1 in ${folder}not UTF-8.parquet: expected UTF-8 text, got bytes ff fe`,
  });
});

Deno.test("openParquet() reads no page behind the row that is asked for last", async () => {
  const source = await open("text");
  let bytes = 0;
  const read = (start: number, end: number) => (bytes += end - start, source.read(start, end));
  const { rows } = await openParquet({ ...source, read });
  const opened = bytes;
  for await (const _ of rows("text")) break;
  assert(bytes > opened && bytes - opened < source.byteLength / 2, `${bytes - opened} bytes`);
});

Deno.test("openParquet() answers a damaged file with rows or an error, and reads within it", async () => {
  const names = Object.keys(expected.columns);
  for (let seed = 0; seed < 300; seed++) {
    const random = randomFrom(seed);
    const name = names[seed % names.length];
    const source = await open(name);
    const bytes = await source.read(0, source.byteLength);
    for (let n = 0; n < 3; n++) bytes[Math.floor(random() * bytes.length)] = random() * 256;
    const damaged = bytesInMemory(name, bytes);
    const read = (start: number, end: number) => {
      assert(0 <= start && start <= end && end <= bytes.length, `seed ${seed}: ${start} to ${end}`);
      return damaged.read(start, end);
    };
    const column = Object.keys(expected.columns[name])[0];
    await rowsOf({ ...damaged, read }, column).catch((error) => {
      assert(error instanceof Error && error.name !== "AssertionError", `seed ${seed}: ${error}`);
    });
  }
});

Deno.test("openParquet() refuses a page that says it unpacks to more than memory has", async () => {
  const source = await open("plain");
  const bytes = await source.read(0, source.byteLength);
  // A header: field 1, the type; field 2, the size unpacked; field 3, the size packed.
  bytes.set([0x15, 0x00, 0x15, 0xfe, 0xff, 0xff, 0xff, 0x0f, 0x15, 0x02], await startOf(source));
  const { rows } = await openParquet(bytesInMemory("x.parquet", bytes));
  await assert.rejects(rows("input_ids").next(), {
    message: "a page that unpacks to 2147483647 bytes",
  });
});

// Where the first page of "input_ids" begins: the first bytes that are read after the footer.
async function startOf(source: ByteSource): Promise<number> {
  let start = -1;
  const { rows } = await openParquet({
    ...source,
    read: (from, to) => (start = from, source.read(from, to)),
  });
  await rows("input_ids").next();
  return start;
}
