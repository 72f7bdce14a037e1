import assert from "node:assert/strict";
import { crc32 } from "node:zlib";
import { DataError } from "../src/errors.ts";
import { bytesInMemory, openFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { readWandbFile } from "../src/wandb_file.ts";

const fixtures = new URL("../fixtures/wandb/", import.meta.url).pathname;
const versions = ["0.17.0", "0.31.0"];

const pathOf = (version: string, name: string) => `${fixtures}${version}/${name}.wandb`;
const readBytes = (version: string, name: string) => Deno.readFileSync(pathOf(version, name));
const readRun = (bytes: Uint8Array) => readWandbFile(bytesInMemory("run.wandb", bytes));

// As expected.json writes numbers that JSON has not.
function plain(value: unknown): Record<string, unknown> {
  return JSON.parse(
    JSON.stringify(
      value,
      (_, member) =>
        typeof member === "number" && !Number.isFinite(member) ? String(member) : member,
    ),
  );
}

for (const version of versions) {
  const { runs, versions: made } = JSON.parse(
    Deno.readTextFileSync(`${fixtures}${version}/expected.json`),
  );

  for (const [name, expected] of Object.entries<Record<string, unknown>>(runs)) {
    Deno.test(`readWandbFile() says of ${name} what wandb ${made.wandb} says`, async () => {
      const run = await readWandbFile(await openFile(pathOf(version, name)));
      const { logged, ...others } = expected;
      const { historyKeys, summary, config, ...found } = plain(run);
      const { _step, _runtime, _timestamp, ...own } = summary as Record<string, unknown>;
      // wandb shows no member of a config that begins with an underscore; the file has it.
      const { __proto__, ...shown } = config as Record<string, unknown>;
      if (name === "odd") assert.deepEqual(__proto__, { polluted: 1 });
      // wandb 0.31 forgets the siblings of a member of a nested summary that is set alone.
      if (version === "0.31.0" && name === "odd") {
        assert.deepEqual(own.nested, { a: { b: 3, c: 2 } });
        assert.deepEqual((others.summary as typeof own).nested, { a: { b: 3 } });
        own.nested = { a: { b: 3 } };
      }
      assert.deepEqual({ ...found, config: shown, summary: own }, others);
      const keys = new Set((historyKeys as string[]).map((key) => key.split(".")[0]));
      assert.deepEqual(
        [...keys].filter((key) => !key.startsWith("_")).sort(),
        [...logged as string[]].sort(),
      );
    });
  }

  Deno.test(`a run of wandb ${version} pollutes no prototype`, async () => {
    const { summary } = await readWandbFile(await openFile(pathOf(version, "odd")));
    assert(Object.hasOwn(summary, "__proto__"));
    assert.equal(({} as Record<string, unknown>).polluted, undefined);
  });

  Deno.test(`a run of wandb ${version} without the record of its end is running`, async () => {
    const bytes = readBytes(version, "step512");
    const found = [];
    for (const { start, end } of piecesOf(bytes)) {
      const run = await readRun(bytes.subarray(0, end)).catch(() => undefined);
      if (run) found.push({ start, state: run.state });
    }
    assert.equal(found[0].state, "running");
    assert.equal(found.at(-1)!.state, "finished");
  });

  Deno.test(`a file of wandb ${version} cut anywhere within a piece is refused`, async () => {
    const bytes = readBytes(version, "odd");
    const random = randomFrom(7);
    for (const { start, end } of piecesOf(bytes).slice(1)) {
      const cut = start + 1 + Math.floor(random() * (end - start - 1));
      await assert.rejects(readRun(bytes.subarray(0, cut)), (error) => {
        assert(error instanceof DataError);
        assert.match(
          error.message,
          /got the end of the file; copy the file again/,
          `cut at ${cut}`,
        );
        return true;
      });
    }
  });

  Deno.test(`a file of wandb ${version} with a byte changed is refused`, async () => {
    const random = randomFrom(3);
    for (let trial = 0; trial < 100; trial++) {
      const bytes = readBytes(version, "step512");
      const at = Math.floor(random() * bytes.length);
      bytes[at] ^= 1 + Math.floor(random() * 255);
      await assert.rejects(readRun(bytes), DataError, `trial ${trial}, byte ${at}`);
    }
  });
}

// Where the pieces of a log lie.
function piecesOf(bytes: Uint8Array): { start: number; end: number }[] {
  const pieces = [];
  for (let at = 7; at < bytes.length;) {
    const nLeft = 32768 - at % 32768;
    if (nLeft < 7) {
      at += nLeft;
      continue;
    }
    const end = at + 7 + bytes[at + 4] + 256 * bytes[at + 5];
    pieces.push({ start: at, end });
    at = end;
  }
  return pieces;
}

const header = [0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0];

// A piece with a CRC-32 of its own.
function piece(kind: number, bytes: readonly number[], length = bytes.length): number[] {
  const crc = crc32(new Uint8Array([kind, ...bytes]));
  return [
    ...[0, 8, 16, 24].map((shift) => (crc >>> shift) & 255),
    length & 255,
    length >> 8,
    kind,
    ...bytes,
  ];
}

// A field of bytes; lengths below 2^14.
function field(number: number, bytes: readonly number[]): number[] {
  return [...varint(8 * number + 2), ...varint(bytes.length), ...bytes];
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(Math.floor(value / 128))];
}

const text = (value: string) => [...new TextEncoder().encode(value)];
const run = (id: string) => field(17, field(1, text(id)));
const item = (path: readonly string[], json: string) =>
  field(1, [...path.flatMap((key) => field(2, text(key))), ...field(16, text(json))]);
const file = (...pieces: number[][]) => new Uint8Array([...header, ...pieces.flat()]);
const logOf = (...records: number[][]) => file(...records.map((bytes) => piece(1, bytes)));

Deno.test("readWandbFile() reads what was written by hand, and names a run without a name by its id", async () => {
  const config = field(5, [
    ...item(["a"], "[1]"),
    ...item(["b", "c"], "2"),
    ...item(["a", "d"], "3"),
  ]);
  const removal = field(5, field(2, field(1, text("gone"))));
  assert.deepEqual(
    await readRun(logOf(run("x1"), field(5, item(["gone"], "0")), config, removal)),
    {
      id: "x1",
      name: "x1",
      tags: [],
      state: "running",
      config: { a: { d: 3 }, b: { c: 2 } },
      summary: {},
      historyKeys: [],
    },
  );
});

Deno.test("a record in three pieces over blocks, and the unused end of a block, are read", async () => {
  const record = [...field(5, item(["long"], JSON.stringify("y".repeat(10_000)))), ...run("x2")];
  const first = 32768 - 7 - 7 - 3; // leaves 3 bytes of the block, too few for a header
  const filler = piece(1, [
    ...varint(8 * 200 + 2),
    ...varint(first - 5),
    ...Array(first - 5).fill(0),
  ]);
  assert.equal(header.length + filler.length, 32768 - 3);
  const bytes = file(
    filler,
    [0, 0, 0],
    piece(2, record.slice(0, 10)),
    piece(3, record.slice(10, 5000)),
    piece(4, record.slice(5000)),
  );
  const { id, config } = await readRun(bytes);
  assert.deepEqual([id, config], ["x2", { long: "y".repeat(10_000) }]);
});

Deno.test("members called __proto__, and lengths of lists, are members like others", async () => {
  const { config } = await readRun(logOf(
    run("x3"),
    field(5, item(["__proto__", "polluted"], "1")),
    field(5, item(["constructor", "prototype", "polluted"], "1")),
    field(5, [...item(["list"], "[1, 2]"), ...item(["list", "length"], "-1")]),
    field(5, field(2, [...field(2, text("toString")), ...field(2, text("name"))])),
  ));
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
  assert.equal(
    JSON.stringify(config),
    '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"list":{"length":-1}}',
  );
});

const longest = [255, 255, 255, 255, 255, 255, 255, 255, 255, 127];
const big = "x".repeat(100);

// A broken file, and what is said of it.
const broken: Record<string, [Uint8Array, RegExp]> = {
  "an empty file": [new Uint8Array(), /expected a \.wandb file, which begins with ":W&B", got ""/],
  "a file of another kind": [
    new TextEncoder().encode("{}" + big),
    /Cannot read run\.wandb: expected a \.wandb file, which begins with ":W&B", got "\{\}xxxxx"/,
  ],
  "a version of the format that is not known": [
    new Uint8Array([...header.slice(0, 6), 1]),
    /expected a \.wandb file/,
  ],
  "no records": [new Uint8Array(header), /expected a record of a run, got none/],
  "no run": [logOf(field(5, item(["a"], "1"))), /expected a record of a run, got none/],
  "another CRC-32": [
    file([0, 0, 0, 0, 1, 0, 1, 65]),
    /Cannot read byte 7 of run\.wandb: expected CRC-32 00000000, got [0-9a-f]{8}/,
  ],
  "a piece longer than its block": [
    file(piece(1, [1, 2], 65535)),
    /byte 7 of run\.wandb: expected at most 32754 bytes in the block, got 65535/,
  ],
  "a piece longer than the file": [
    file(piece(1, [1, 2], 30000)),
    /byte 7 of run\.wandb: expected 30000 bytes, got the end of the file; copy the file again/,
  ],
  "half a header": [file([1, 2, 3]), /byte 7 of run\.wandb: expected 7 bytes, got the end/],
  "a piece of kind 0, of zeros": [
    file([0, 0, 0, 0, 0, 0, 0]),
    /expected a piece of kind 1 to 4, got kind 0/,
  ],
  "a last piece without a first": [
    file(piece(4, run("x"))),
    /expected the first piece of a record, got a piece of kind 4/,
  ],
  "a first piece after a first": [
    file(piece(2, [1]), piece(2, [2])),
    /byte 15 of run\.wandb: expected another piece of a record, got a piece of kind 2/,
  ],
  "a record without its last piece": [
    file(piece(1, run("x")), piece(2, [1])),
    /expected another piece of the last record, got the end of the file/,
  ],
  "a field longer than its message": [
    logOf([...varint(8 * 17 + 2), ...varint(2 ** 40), 1]),
    /the record that ends at byte \d+ of run\.wandb: expected at most 1 bytes in a field, got 1099/,
  ],
  "a length of 70 bits": [logOf([8 * 5 + 2, ...longest]), /bytes in a field, got 1\.18\d+e\+21/],
  "an integer of 11 bytes": [
    logOf([8, ...Array(10).fill(255), 1]),
    /expected an integer of at most 10 bytes, got a longer one/,
  ],
  "half an integer": [logOf([8, 255]), /expected a whole integer, got the end of the message/],
  "half a fixed number": [logOf([8 + 1, 1, 2]), /expected at most 2 bytes in a field, got 8/],
  "a group": [logOf([8 + 3]), /expected a field of wire type 0, 1, 2 or 5, got wire type 3/],
  "a field of number 0": [logOf([2, 0]), /expected a field of number 1 or more, got 0/],
  "a name that is not UTF-8": [logOf(field(17, field(1, [255]))), /expected UTF-8 text/],
  "a value that is not JSON": [
    logOf(run("x"), field(5, item(["a"], "{1}"))),
    /expected JSON, got "\{1\}"/,
  ],
  "a value without JSON": [logOf(run("x"), field(5, item(["a"], ""))), /expected JSON, got ""/],
};

for (const [name, [bytes, message]] of Object.entries(broken)) {
  Deno.test(`readWandbFile() refuses ${name}`, async () => {
    await assert.rejects(readRun(bytes), (error) => {
      assert(error instanceof DataError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}

Deno.test("readWandbFile() answers any protobuf in sound framing with a run or a DataError", async () => {
  const random = randomFrom(11);
  const answers = { runs: 0, errors: 0 };
  for (let trial = 0; trial < 300; trial++) {
    const record = [...run("x"), ...field(5, item(["a", "b"], "1")), ...field(18, [8, 1])];
    const nChanged = 1 + Math.floor(random() * 4);
    for (let c = 0; c < nChanged; c++) {
      record[Math.floor(random() * record.length)] = Math.floor(random() * 256);
    }
    await readRun(logOf(run("y"), record)).then(
      () => answers.runs++,
      (error) => {
        assert(error instanceof DataError, `trial ${trial}: ${error}`);
        answers.errors++;
      },
    );
  }
  assert(answers.runs > 20 && answers.errors > 20, JSON.stringify(answers));
});
