import assert from "node:assert/strict";
import { closeSync, openSync, writeSync } from "node:fs";
import {
  bytesInMemory,
  exists,
  listNames,
  openFile,
  readJsonObject,
  readText,
  resolveFrom,
  sha256,
  writeFile,
} from "../src/files.ts";
import { randomFrom } from "../src/random.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Runs a test in a folder of its own, which is removed afterwards. */
function testIn(name: string, act: (folder: string) => Promise<void>): void {
  Deno.test(name, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await act(folder);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}

testIn("openFile() reads any part of a file, and leaves no handle open", async (folder) => {
  const path = `${folder}/x`;
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
  await Deno.writeFile(path, bytes);
  const source = await openFile(path);
  assert.deepEqual([source.name, source.byteLength], [path, 1000]);
  for (let seed = 0; seed < 50; seed++) {
    const random = randomFrom(seed);
    const start = Math.floor(random() * 1001);
    const end = start + Math.floor(random() * (1001 - start));
    const part = await source.read(start, end);
    assert.deepEqual(part, bytes.slice(start, end), `seed ${seed}`);
    assert.equal(part.byteLength, part.buffer.byteLength, `seed ${seed}`);
  }
});

testIn("openFile() says what is there instead of a file", async (folder) => {
  await Deno.writeFile(`${folder}/file`, utf8("x"));
  const cases = {
    [`${folder}/missing`]: "nothing there",
    [`${folder}/file/x`]: "a file where a folder should be",
    [folder]: "a folder",
  };
  for (const [path, got] of Object.entries(cases)) {
    await assert.rejects(openFile(path), {
      name: "DataError",
      message: `Cannot open ${path}: expected a file, got ${got}`,
    });
  }
});

testIn("openFile() reads no more than there is, if a file shrinks or goes away", async (folder) => {
  const path = `${folder}/x`;
  await Deno.writeFile(path, utf8("12345678"));
  const source = await openFile(path);
  await Deno.truncate(path, 5);
  await assert.rejects(source.read(2, 8), {
    name: "DataError",
    message: `Cannot read ${path}: expected bytes 2 to 8, got only 5 bytes`,
  });
  await Deno.remove(path);
  await assert.rejects(source.read(2, 8), {
    name: "DataError",
    message: `Cannot read ${path}: expected bytes 2 to 8, got nothing there`,
  });
});

Deno.test("bytesInMemory() hands out copies", async () => {
  const source = bytesInMemory("x", Uint8Array.of(1, 2, 3));
  (await source.read(0, 3)).fill(9);
  assert.deepEqual([...await source.read(0, 3)], [1, 2, 3]);
});

Deno.test("readText() reads UTF-8, and refuses other bytes", async () => {
  assert.equal(await readText(bytesInMemory("x", utf8("é\n"))), "é\n");
  await assert.rejects(readText(bytesInMemory("x", Uint8Array.of(0xff))), {
    name: "DataError",
    message: "Cannot read x: expected UTF-8 text, got other bytes",
  });
});

Deno.test("readJsonObject() reads an object, and refuses everything else", async () => {
  assert.deepEqual(await readJsonObject(bytesInMemory("x", utf8('{"a": [1]}'))), { a: [1] });
  const cases = {
    "": 'JSON, got ""',
    [`{${"a".repeat(99)}`]: `JSON, got "{${"a".repeat(39)}"`,
    "[1]": "a JSON object, got [1]",
    "null": "a JSON object, got null",
    "3": "a JSON object, got 3",
  };
  for (const [text, message] of Object.entries(cases)) {
    await assert.rejects(readJsonObject(bytesInMemory("x", utf8(text))), {
      name: "DataError",
      message: `Cannot read x: expected ${message}`,
    });
  }
});

Deno.test("sha256() equals the hash of the whole, whatever the parts", async () => {
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2, B.1
  assert.equal(await sha256(bytesInMemory("x", utf8("abc"))), abc);
  for (const length of [0, (1 << 22) - 1, 1 << 22, (1 << 22) + 1]) {
    const bytes = Uint8Array.from({ length }, (_, i) => i % 253);
    const whole = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    assert.equal(await sha256(bytesInMemory("x", bytes)), whole.toHex());
  }
});

testIn("exists() and listNames() say what a folder holds, sorted", async (folder) => {
  for (const name of ["b", "a", "B"]) await Deno.writeFile(`${folder}/${name}`, utf8(""));
  assert.deepEqual(await listNames(folder), ["B", "a", "b"]);
  assert.deepEqual(await listNames(`${folder}/missing`), []);
  assert.deepEqual([await exists(`${folder}/a`), await exists(folder)], [true, true]);
  assert.equal(await exists(`${folder}/missing`), false);
});

testIn(
  "writeFile() shows a file under its name when it is whole, and not before",
  async (folder) => {
    const path = `${folder}/new/folder/x`;
    const result = await writeFile(path, async (sink) => {
      sink.write(utf8("one "));
      assert.equal(await exists(path), false);
      await Promise.resolve();
      sink.write(utf8("two"));
      return 7;
    });
    assert.equal(result, 7);
    assert.equal(await Deno.readTextFile(path), "one two");
    assert.deepEqual(await listNames(`${folder}/new/folder`), ["x"]);
  },
);

testIn("writeFile() leaves nothing on an error, and what was there as it was", async (folder) => {
  const path = `${folder}/x`;
  const fail = (sink: { write(bytes: Uint8Array): void }) => {
    sink.write(utf8("new"));
    throw new TypeError("no more");
  };
  await assert.rejects(writeFile(path, fail), { name: "TypeError", message: "no more" });
  assert.deepEqual(await listNames(folder), []);

  await Deno.writeTextFile(path, "old");
  await assert.rejects(writeFile(path, fail), { name: "TypeError", message: "no more" });
  await assert.rejects(writeFile(path, (sink) => Promise.reject(fail(sink))), /no more/);
  assert.equal(await Deno.readTextFile(path), "old");
  assert.deepEqual(await listNames(folder), ["x"]);
});

testIn("writeFile() closes its file once, and none that was opened meanwhile", async (folder) => {
  // The rename fails after the file was closed: by then its number belongs to one of the others.
  await Deno.mkdir(`${folder}/x/y`, { recursive: true });
  const others: number[] = [];
  let opening: Promise<void> | undefined;
  const openMore = async () => {
    for (let n = 0; n < 20; n++) {
      others.push(openSync(`${folder}/other${n}`, "w"));
      await undefined;
    }
  };
  const write = writeFile(`${folder}/x`, () => void (opening = openMore()));
  await assert.rejects(write, { name: "DataError" });
  await opening;
  for (const other of others) {
    writeSync(other, utf8("still open"));
    closeSync(other);
  }
});

testIn("writeFile() replaces what was there", async (folder) => {
  await Deno.writeTextFile(`${folder}/x`, "something longer");
  await writeFile(`${folder}/x`, (sink) => sink.write(utf8("short")));
  assert.equal(await Deno.readTextFile(`${folder}/x`), "short");
});

testIn("writeFile() says why the disk refuses, and leaves nothing", async (folder) => {
  await Deno.writeFile(`${folder}/file`, utf8("x"));
  await Deno.mkdir(`${folder}/folder/inside`, { recursive: true });
  const cases = {
    [`${folder}/file/x`]: "a file where a folder should be",
    [`${folder}/folder`]: "a folder",
  };
  for (const [path, got] of Object.entries(cases)) {
    await assert.rejects(writeFile(path, (sink) => sink.write(utf8("y"))), {
      name: "DataError",
      message: `Cannot write ${path}: expected a folder that can be written, got ${got}`,
    });
  }
  assert.deepEqual(await listNames(folder), ["file", "folder"]);
});

// Linux has a disk that is always full, which Deno opens with all permissions alone.
const mayRun = Deno.permissions.querySync({ name: "run", command: "deno" }).state === "granted";
Deno.test({
  name: "writeFile() says that the disk is full, and leaves nothing",
  ignore: Deno.build.os !== "linux" || !mayRun,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.symlink("/dev/full", `${folder}/x.partial`);
      const code = `import { writeFile } from "${new URL("../src/files.ts", import.meta.url)}";
        await writeFile("${folder}/x", (sink) => sink.write(new Uint8Array(3)))
          .catch((error) => console.log(error.message));`;
      const { stdout } = await new Deno.Command("deno", { args: ["eval", code] }).output();
      assert.equal(
        new TextDecoder().decode(stdout),
        `Cannot write ${folder}/x: expected a folder that can be written, got a full disk\n`,
      );
      assert.deepEqual(await listNames(folder), []);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("resolveFrom() leaves absolute paths as they are", () => {
  assert.equal(resolveFrom("a/b", "c/d"), "a/b/c/d");
  assert.equal(resolveFrom("a/b", "../d"), "a/d");
  for (const path of ["/c", "C:\\c", "c:/c"]) assert.equal(resolveFrom("a", path), path);
});
