import assert from "node:assert/strict";
import { bytesInMemory } from "../src/files.ts";
import { readNpzArrays } from "../src/npz.ts";
import { readFloats } from "../src/safetensors.ts";
import { npyHeader, npyOf, type Written, zipOf } from "./_zip.ts";

const floats = (...values: number[]) => new Uint8Array(new Float32Array(values).buffer);
const matrix = npyOf(npyHeader("<f4", [2, 3]), floats(1, 2, 3, 4, 5, 6));
const columns = npyOf(npyHeader("<f4", [2, 3], "True"), floats(1, 4, 2, 5, 3, 6));
const open = (...records: Written[]) => bytesInMemory("x.npz", zipOf(records));

for (const isDeflated of [false, true]) {
  Deno.test(`readNpzArrays() finds arrays that are ${isDeflated ? "deflated" : "stored"}`, async () => {
    const source = open(
      { name: "a.npy", bytes: matrix, isDeflated },
      { name: "b.npy", bytes: columns, isDeflated },
    );
    const arrays = await readNpzArrays(source);
    const { a, b } = Object.fromEntries(arrays);
    assert.deepEqual([a.entry.name, a.entry.shape, a.isTransposed], ["a", [2, 3], false]);
    assert.deepEqual([b.entry.name, b.entry.shape, b.isTransposed], ["b", [3, 2], true]);
    assert.deepEqual([...await readFloats(a.entry)], [1, 2, 3, 4, 5, 6]);
    assert.deepEqual([...await readFloats(b.entry)], [1, 4, 2, 5, 3, 6]);
    assert.equal(a.entry.source === source, !isDeflated, "a stored array lies in the file itself");
  });
}

const refused: Readonly<Record<string, [record: Written, message: string]>> = {
  "objects, which are a pickle": [
    { name: "a.npy", bytes: npyOf(npyHeader("|O", [1]), new Uint8Array(8)) },
    'Cannot read "a.npy" in x.npz: expected dtype |b1, |u1, |i1, <u2, <i2, <f2, <u4, <i4, <f4, ' +
    "<u8, <i8, <f8, got |O",
  ],
  "an array shorter than its header says": [
    { name: "a.npy", bytes: matrix.subarray(0, 150) },
    'Cannot read "a.npy" in x.npz: expected 152 bytes for F32 [2, 3], got 150',
  ],
  "an array longer than its header says": [
    { name: "a.npy", bytes: npyOf(npyHeader("<f4", [1]), floats(1, 2)), isDeflated: true },
    'Cannot read "a.npy" in x.npz: expected 132 bytes for F32 [1], got 136',
  ],
  "three dimensions of columns": [
    { name: "a.npy", bytes: npyOf(npyHeader("<f4", [1, 1, 1], "True"), floats(1)) },
    'Cannot read "a.npy" in x.npz: expected rows, got columns; ' +
    "save numpy.ascontiguousarray(...) of it",
  ],
  "something that is no array": [
    { name: "a.txt", bytes: matrix },
    'Cannot read x.npz: expected arrays, named .npy, got "a.txt"',
  ],
};
for (const [what, [record, message]] of Object.entries(refused)) {
  Deno.test(`readNpzArrays() refuses ${what}`, async () => {
    await assert.rejects(readNpzArrays(open(record)), { name: "DataError", message });
  });
}
