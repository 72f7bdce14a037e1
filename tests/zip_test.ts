import assert from "node:assert/strict";
import { bytesInMemory } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { readRecord, readZip } from "../src/zip.ts";
import { type Written, zipOf } from "./_zip.ts";

const open = (records: readonly Written[]) => bytesInMemory("x.zip", zipOf(records));
const text = (value: string) => new TextEncoder().encode(value);
const hello = { name: "hello", bytes: text("hello, hello, hello, hello") };
const other = { name: "other", bytes: text("other") };

async function readAll(records: readonly Written[]): Promise<Record<string, string>> {
  const source = open(records);
  const found: Record<string, string> = {};
  for (const [name, record] of await readZip(source)) {
    found[name] = new TextDecoder("latin1").decode(await readRecord(source, record));
  }
  return found;
}

Deno.test("readRecord() gives back what was stored or deflated, on random records", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const records = Array.from({ length: 1 + Math.floor(random() * 4) }, (_, i) => ({
      name: `${i}`,
      bytes: Uint8Array.from({ length: Math.floor(random() * 3000) }, () => random() * 5),
      isDeflated: random() < 0.5,
    }));
    const expected = records.map((
      { name, bytes },
    ) => [name, new TextDecoder("latin1").decode(bytes)]);
    assert.deepEqual(await readAll(records), Object.fromEntries(expected), `seed ${seed}`);
  }
});

Deno.test("readZip() reads no record, and says where each lies", async () => {
  const source = open([{ ...hello, isDeflated: true }, other]);
  const [first, second] = (await readZip(source)).values();
  assert.deepEqual([first.isDeflated, first.byteLength], [true, 26]);
  assert(first.end - first.start < 26);
  assert.deepEqual(await source.read(second.start, second.end), other.bytes);
});

const zeros = { name: "zeros", bytes: new Uint8Array(20 << 20), isDeflated: true };
const partial = "Cannot read x.zip: expected a whole zip file, got a part or another; " +
  "get the file again";
const refused: Readonly<Record<string, [records: readonly Written[], message: string | RegExp]>> = {
  "a bomb that says what it is": [
    [zeros],
    "Cannot read x.zip: expected at most 16777216 bytes in it, got 20971520",
  ],
  "a bomb of many small records": [
    Array.from(
      { length: 21 },
      (_, i) => ({ ...zeros, name: `${i}`, bytes: new Uint8Array(1 << 20) }),
    ),
    "Cannot read x.zip: expected at most 16777216 bytes in it, got 22020096",
  ],
  "a bomb that says it is small": [
    [{ ...zeros, says: { byteLength: 1000 } }],
    'Cannot read record "zeros" in x.zip: expected 1000 bytes, got more; get the file again',
  ],
  "a record that says it is larger": [
    [{ ...hello, isDeflated: true, says: { byteLength: 27 } }],
    'Cannot read record "hello" in x.zip: expected 27 bytes, got 26; get the file again',
  ],
  "a stored record of another length": [
    [{ ...hello, says: { byteLength: 27 } }],
    'Cannot read record "hello" in x.zip: expected 27 bytes as they are, got 26',
  ],
  "a wrong checksum": [
    [{ ...hello, isDeflated: true, says: { crc: 7 } }],
    /^Cannot read record "hello" in x\.zip: expected checksum 7, got \d+; get the file again$/,
  ],
  "deflated bytes that are none": [
    [{ ...hello, says: { method: 8 } }],
    'Cannot read record "hello" in x.zip: expected deflated bytes, got others; get the file again',
  ],
  "another compression": [
    [{ ...hello, says: { method: 14 } }],
    'Cannot read record "hello" in x.zip: expected method 0 (stored) or 8 (deflate), got method 14',
  ],
  "an encrypted record": [
    [{ ...hello, says: { flags: 1 } }],
    'Cannot read record "hello" in x.zip: expected bytes that anyone can read, got encrypted ones',
  ],
  "a name said twice": [
    [hello, { ...other, name: "hello" }],
    'Cannot read x.zip: expected every name once, got "hello" twice',
  ],
  "two records at one place": [
    [hello, { ...hello, name: "HELLO", says: { from: 0, localName: "HELLO" } }],
    partial, // the header there has another name
  ],
  "a record that reaches into the next": [
    [{ ...hello, says: { stored: 40, byteLength: 40 } }, other],
    'Cannot read x.zip: expected records one after another, got "hello" into "other"',
  ],
  "a record that reaches into the directory": [
    [{ ...hello, says: { stored: 40, byteLength: 40 } }],
    'Cannot read x.zip: expected records one after another, got "hello" into "the directory"',
  ],
  "a record that ends beyond the file": [
    [{ ...hello, says: { stored: 4000, byteLength: 4000 } }],
    partial,
  ],
  "a header of another name": [[{ ...hello, says: { localName: "evil!" } }], partial],
  "a header of a longer name": [[{ ...hello, says: { localName: "hello2" } }], partial],
};
for (const [what, [records, message]] of Object.entries(refused)) {
  Deno.test(`a zip is refused for ${what}`, async () => {
    await assert.rejects(readAll(records), { name: "DataError", message });
  });
}

Deno.test("a zip that is cut anywhere is refused", async () => {
  const whole = zipOf([{ ...hello, isDeflated: true }, other]);
  for (let length = 0; length < whole.length; length++) {
    const source = bytesInMemory("x.zip", whole.subarray(0, length));
    await assert.rejects(readZip(source), { name: "DataError" }, `${length}`);
  }
});

Deno.test("a zip with one byte changed gives the same bytes, others, or a DataError", async () => {
  const whole = zipOf([{ ...hello, isDeflated: true }, other]);
  for (let at = 0; at < whole.length; at++) {
    const bytes = whole.slice();
    bytes[at] ^= 0x55;
    const source = bytesInMemory("x.zip", bytes);
    try {
      for (const record of (await readZip(source)).values()) await readRecord(source, record);
    } catch (error) {
      assert.equal((error as Error).name, "DataError", `byte ${at}: ${error}`);
    }
  }
});
