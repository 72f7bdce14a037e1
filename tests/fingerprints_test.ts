import assert from "node:assert/strict";
import { bytesInMemory } from "../src/files.ts";
import {
  fingerprintTensor,
  fingerprintWeights,
  sketchDistance,
  sketcher,
  sketchSize,
} from "../src/fingerprints.ts";
import type { Dtype, TensorEntry } from "../src/safetensors.ts";
import { normalFrom } from "./_families.ts";

function sketchOf(x: Float32Array, seed = 0): Float64Array {
  const made = sketcher(seed);
  made.add(x);
  return made.sketch();
}

function drawn(length: number, seed: number): Float32Array {
  return Float32Array.from({ length }, normalFrom(seed));
}

// A tensor in memory, and which of its bytes are read.
function tensorOf(dtype: Dtype, bytes: Uint8Array<ArrayBuffer>, itemBytes: number) {
  const read: [number, number][] = [];
  const source = bytesInMemory("in memory", new Uint8Array([...Array(8), ...bytes]));
  const entry: TensorEntry = {
    name: "w",
    dtype,
    shape: [bytes.length / itemBytes],
    start: 8,
    end: 8 + bytes.length,
    source: { ...source, read: (a, b) => (read.push([a, b]), source.read(a, b)) },
  };
  return { entry, read };
}

Deno.test("a sketch is a matrix of one sign a column, times the elements", () => {
  const length = 90;
  const columns = Array.from(
    { length },
    (_, i) => sketchOf(new Float32Array(length).fill(1, i, i + 1)),
  );
  for (const column of columns) {
    assert.deepEqual([...column].filter((y) => y !== 0).map(Math.abs), [1]);
  }
  for (let seed = 0; seed < 100; seed++) {
    const n = 1 + seed % length;
    const x = drawn(n, seed).map(Math.fround);
    const naive = Array.from(
      { length: sketchSize },
      (_, b) => x.reduce((sum, xi, i) => sum + columns[i][b] * xi, 0),
    );
    sketchOf(x).forEach((y, b) => assert(Math.abs(y - naive[b]) < 1e-12, `seed ${seed}`));
  }
});

Deno.test("buckets and signs are drawn evenly, and by the seed", () => {
  const n = 1 << 15;
  const ones = new Float32Array(n).fill(1);
  // Sums of n / 128 signs: mean 0, variance n / 128.
  const squares = sketchOf(ones).reduce((sum, y) => sum + y * y, 0) / n;
  assert(Math.abs(squares - 1) < 0.5, `${squares}`);
  const counts = new Uint32Array(2 * sketchSize);
  for (let i = 0; i < 4096; i++) {
    const one = sketchOf(new Float32Array(4096).fill(1, i, i + 1));
    const at = one.findIndex((y) => y !== 0);
    counts[at + (one[at] < 0 ? sketchSize : 0)]++;
  }
  // Chi-squared of 255 degrees of freedom: 255 ± 23.
  const chi = counts.reduce((sum, count) => sum + (count - 16) ** 2 / 16, 0);
  assert(chi > 170 && chi < 350, `${chi}`);
  assert.notDeepEqual(sketchOf(ones, 1), sketchOf(ones, 0));
});

Deno.test("the distance of two sketches is that of the tensors, within the error that is said", () => {
  const errors: number[] = [];
  for (let seed = 0; seed < 400; seed++) {
    // The second differs in all elements, or in few, or a few differ much.
    const a = drawn(500, seed), b = drawn(500, seed + 1000);
    const c = a.map((x, i) => seed % 3 === 0 ? b[i] : i % 50 > seed % 50 ? x : x + b[i] ** 3);
    const exact = Math.hypot(...a.map((x, i) => x - c[i]));
    errors.push(Math.abs(sketchDistance(sketchOf(a, seed), sketchOf(c, seed)) / exact - 1));
  }
  const share = (limit: number) => errors.filter((e) => e < limit).length / errors.length;
  assert(share(0.09) > 0.63 && share(0.25) > 0.985, `${share(0.09)} ${share(0.25)}`);
});

Deno.test("a sketch is linear, and that of one changed element exact", () => {
  const [a, b] = [drawn(300, 1), drawn(300, 2)];
  const sum = sketchOf(a.map((x, i) => Math.fround(x + b[i])));
  const [ya, yb] = [sketchOf(a), sketchOf(b)];
  sum.forEach((y, i) => assert(Math.abs(y - ya[i] - yb[i]) < 1e-5));
  const changed = sketchOf(a.with(123, a[123] + 1));
  assert(Math.abs(sketchDistance(changed, ya) - 1) < 1e-6);
});

Deno.test("elements may come in parts, of multiples of four", () => {
  const x = drawn(1003, 3);
  const made = sketcher();
  for (const [from, to] of [[0, 4], [4, 404], [404, 1003]]) made.add(x.subarray(from, to));
  assert.deepEqual(made.sketch(), sketchOf(x));
});

Deno.test("fingerprintTensor() hashes the stored bytes, each read once, in parts", async () => {
  const bytes = new Uint8Array((9 << 20) + 12).map((_, i) => (i * 7919) >>> 3 & 63);
  const { entry, read } = tensorOf("F32", bytes, 4);
  const { hash, nBytes, sketch, shape } = await fingerprintTensor(entry);
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  assert.equal(hash, new Uint8Array(digest).toHex());
  assert.deepEqual([nBytes, shape], [bytes.length, [bytes.length / 4]]);
  assert.deepEqual(sketch, sketchOf(new Float32Array(bytes.buffer)));
  assert.deepEqual(read.map(([start]) => start), [8, ...read.slice(0, -1).map(([, end]) => end)]);
  assert.equal(read.at(-1)![1], entry.end);
  assert(read.every(([start, end]) => end - start <= 1 << 22));
});

Deno.test("the same numbers have the same sketch in 16, 32 and 64 bits, and another hash", async () => {
  const x = Float32Array.from({ length: 41 }, (_, i) => i / 8 - 2);
  const stored: [Dtype, ArrayBuffer, number][] = [
    ["F32", x.slice().buffer, 4],
    ["F16", new Float16Array(x).buffer, 2],
    ["BF16", new Uint16Array(new Uint32Array(x.slice().buffer).map((b) => b >>> 16)).buffer, 2],
    ["F64", new Float64Array(x).buffer, 8],
  ];
  const prints = [];
  for (const [dtype, buffer, size] of stored) {
    prints.push(await fingerprintTensor(tensorOf(dtype, new Uint8Array(buffer), size).entry));
  }
  for (const { sketch } of prints) assert.deepEqual(sketch, sketchOf(x));
  assert.equal(new Set(prints.map(({ hash }) => hash)).size, 4);
});

Deno.test("what is no float has a hash and no sketch; what is not finite shows in the sketch", async () => {
  for (const dtype of ["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2"] as const) {
    const { hash, sketch } = await fingerprintTensor(tensorOf(dtype, new Uint8Array(5), 1).entry);
    assert.deepEqual([hash.length, sketch], [64, undefined]);
  }
  for (const odd of [NaN, Infinity, -Infinity]) {
    const bytes = new Uint8Array(new Float32Array(9).with(5, odd).buffer);
    const { sketch } = await fingerprintTensor(tensorOf("F32", bytes, 4).entry);
    assert(sketch!.some((y) => !Number.isFinite(y)));
  }
  const empty = await fingerprintTensor(tensorOf("F32", new Uint8Array(0), 4).entry);
  assert.equal(empty.hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
});

Deno.test("fingerprintWeights() names tensors as the model does, in the order of names", async () => {
  const { entry } = tensorOf("F32", new Uint8Array(8), 4);
  const entries = new Map([["b", { ...entry, name: "root.b" }], ["a", entry]]);
  const found = await fingerprintWeights({ entries }, { hasSketch: false });
  assert.deepEqual(found.map(({ name, sketch }) => [name, sketch]), [["a", undefined], [
    "b",
    undefined,
  ]]);
});
