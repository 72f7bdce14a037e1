// Tensors as bytes: what is written is what is read, and what the Python package writes.

import assert from "node:assert/strict";
import { bytesInMemory, openFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { type Dtype, itemBytes, readEntries } from "../src/safetensors.ts";
import { encodeTensors, type RawTensor, readTensors } from "../src/write_safetensors.ts";

const saes = new URL("../fixtures/goldens/saes/", import.meta.url).pathname;
const dtypes = Object.keys(itemBytes) as Dtype[];

function randomTensors(random: () => number): RawTensor[] {
  return Array.from({ length: Math.floor(random() * 6) }, (_, n) => {
    const dtype = dtypes[Math.floor(random() * dtypes.length)];
    const shape = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * 4));
    const length = shape.reduce((n, d) => n * d, itemBytes[dtype]);
    // A view whose buffer is larger than itself, and not aligned: only the view may be written.
    const bytes = Uint8Array.from({ length: length + 2 }, () => random() * 256).subarray(1, -1);
    return { name: `${['né"\n', "__proto__"][n] ?? n}`, dtype, shape, bytes };
  });
}

Deno.test("readTensors() reads what encodeTensors() wrote, on random tensors", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const tensors = randomTensors(random);
    const metadata: Record<string, string> = seed % 2 ? { step: `${seed}` } : {};

    const file = encodeTensors(tensors, metadata);

    const read = await readTensors(bytesInMemory("x", file));
    const byName = (of: readonly RawTensor[]) =>
      of.map((tensor) => ({ ...tensor, bytes: [...tensor.bytes] }))
        .sort((a, b) => a.name < b.name ? -1 : 1);
    assert.deepEqual(byName(read.tensors), byName(tensors), `seed ${seed}`);
    assert.deepEqual(read.metadata, metadata, `seed ${seed}`);
  }
});

Deno.test("encodeTensors() aligns every tensor, in whatever order it is given", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const tensors = randomTensors(randomFrom(seed));

    const file = encodeTensors(tensors);

    assert.deepEqual(encodeTensors(tensors.toReversed()), file, `seed ${seed}`);
    assert.equal(Number(new DataView(file.buffer).getBigUint64(0, true)) % 8, 0, `seed ${seed}`);
    for (const { dtype, start } of (await readEntries(bytesInMemory("x", file))).values()) {
      assert.equal(start % itemBytes[dtype], 0, `seed ${seed}`);
    }
  }
});

Deno.test("encodeTensors() gives the bytes of the Python package back", async () => {
  let nFiles = 0;
  for (const { name: folder } of Deno.readDirSync(saes)) {
    for (const { name } of Deno.readDirSync(`${saes}${folder}`)) {
      if (!name.endsWith(".safetensors")) continue;
      const source = await openFile(`${saes}${folder}/${name}`);

      const { tensors, metadata } = await readTensors(source);

      const original = await source.read(0, source.byteLength);
      assert.deepEqual(encodeTensors(tensors, metadata), original, source.name);
      nFiles++;
    }
  }
  assert(nFiles >= 18);
});

Deno.test("encodeTensors() writes the header of no tensors", () => {
  const text = (of: Uint8Array) => new TextDecoder().decode(of.subarray(8));
  assert.equal(text(encodeTensors([])), "{}      ");
  assert.equal(text(encodeTensors([], { a: "b" })).trimEnd(), '{"__metadata__":{"a":"b"}}');
});

const one: RawTensor = { name: "w", dtype: "F16", shape: [2], bytes: new Uint8Array(4) };
const refused: Record<string, [RawTensor[], string]> = {
  "a name that is given twice": [
    [one, one],
    'Cannot write tensors: expected every name once, got "w" again',
  ],
  "the name of the metadata": [
    [{ ...one, name: "__metadata__" }],
    'Cannot write tensors: expected every name once, got "__metadata__" again',
  ],
  "bytes that its shape does not ask for": [
    [{ ...one, shape: [2, 3] }],
    'Cannot write tensor "w" of F16 [2, 3]: expected 12 bytes, got 4',
  ],
};
for (const [what, [tensors, message]] of Object.entries(refused)) {
  Deno.test(`encodeTensors() refuses ${what}`, () => {
    assert.throws(() => encodeTensors(tensors), { name: "RangeError", message });
  });
}
