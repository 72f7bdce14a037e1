import assert from "node:assert/strict";
import * as ort from "npm:onnxruntime-node@1.30.0";
import { bytesInMemory, openFile } from "../src/files.ts";
import { type Attribute, buildGraph, encodeModel, type Graph } from "../src/onnx.ts";
import type { Dtype, TensorEntry } from "../src/safetensors.ts";

const vector = { dtype: "float32", shape: ["n"] } as const;

const run = async (graph: Graph, feeds: Record<string, ort.Tensor>, folder?: string) => {
  const session = await ort.InferenceSession.create(encodeModel(graph), {
    logSeverityLevel: 4,
    ...(folder && {
      extra: { session: { model_external_initializers_file_folder_path: folder } },
    }),
  });
  const results = await session.run(feeds);
  await session.release();
  return results;
};
const floats = (values: number[], shape = [values.length]) =>
  new ort.Tensor("float32", Float32Array.from(values), shape);

function entryOf(dtype: Dtype, more: Partial<TensorEntry> = {}): TensorEntry {
  const source = bytesInMemory("weights.bin", new Uint8Array());
  return { name: "w", dtype, shape: [2], source, start: 0, end: 0, ...more };
}

// ---- a protobuf reader: field number to its values, integers as bigint

type Message = Record<number, (bigint | Uint8Array)[]>;

function decode(bytes: Uint8Array): Message {
  const message: Message = {};
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      value |= BigInt(bytes[at] & 0x7f) << shift;
      if (bytes[at++] < 0x80) return value;
    }
  };
  const take = (length: number) => bytes.subarray(at, at += length);
  while (at < bytes.length) {
    const key = Number(varint());
    const type = key & 7;
    const value = type === 0 ? varint() : take(type === 2 ? Number(varint()) : 4);
    (message[key >> 3] ??= []).push(value);
  }
  assert.equal(at, bytes.length);
  return message;
}

const bytesOf = (message: Message, number: number, i = 0) => message[number][i] as Uint8Array;
const within = (message: Message, number: number, i = 0) => decode(bytesOf(message, number, i));
const text = (message: Message, number: number, i = 0) =>
  new TextDecoder().decode(bytesOf(message, number, i));

Deno.test("encodeModel() writes the versions, nodes, constants and ports of the graph", () => {
  const graph = buildGraph({ x: vector }, { y: { dtype: "int64", shape: [3, "n"] } }, (b) => ({
    y: b.op("Add", ["x", b.scalar(1.5)]),
  }));

  const model = decode(encodeModel(graph));

  assert.deepEqual(model[1], [10n]); // ir_version
  assert.deepEqual(within(model, 8)[2], [21n]); // opset_import.version
  const body = within(model, 7);
  const nodes = body[1].map((_, i) => {
    const node = within(body, 1, i);
    return [text(node, 4), node[1].map((_, k) => text(node, 1, k)), text(node, 2)];
  });
  assert.deepEqual(nodes, [
    ["Add", ["x", "constant_0"], "Add_0_0"],
    ["Identity", ["Add_0_0"], "y"],
  ]);
  const constant = within(body, 5);
  assert.deepEqual([constant[1], constant[2], text(constant, 8)], [undefined, [1n], "constant_0"]);
  assert.deepEqual([...bytesOf(constant, 9)], [...new Uint8Array(new Float32Array([1.5]).buffer)]);
  const output = within(body, 12);
  assert.equal(text(output, 1), "y");
  const tensor = within(within(output, 2), 1);
  assert.deepEqual(tensor[1], [7n]); // elem_type int64
  const dims = within(tensor, 2);
  assert.deepEqual(within(dims, 1, 0), { 1: [3n] });
  assert.equal(text(within(dims, 1, 1), 2), "n");
});

const attributes: Record<string, [Attribute, bigint, number, unknown]> = {
  "a negative integer": [-1n, 2n, 3, [2n ** 64n - 1n]],
  "the least integer": [-(2n ** 63n), 2n, 3, [2n ** 63n]],
  "an integer of many bits": [2n ** 62n + 5n, 2n, 3, [2n ** 62n + 5n]],
  "zero": [0n, 2n, 3, [0n]],
  "a float": [-0.5, 1n, 2, [new Uint8Array([0, 0, 0, 0xbf])]],
  "text": ["tanh", 3n, 4, [new TextEncoder().encode("tanh")]],
  "a list of integers": [[1n, -1n, 300n], 7n, 8, [1n, 2n ** 64n - 1n, 300n]],
  "an empty list": [[], 7n, 8, undefined],
};

for (const [what, [value, type, field, expected]] of Object.entries(attributes)) {
  Deno.test(`encodeModel() writes an attribute that is ${what}`, () => {
    const graph = buildGraph({ x: vector }, { y: vector }, (b) => ({
      y: b.op("Any", ["x"], { setting: value }),
    }));
    const attribute = within(within(within(decode(encodeModel(graph)), 7), 1), 5);
    assert.equal(text(attribute, 1), "setting");
    assert.deepEqual(attribute[20], [type]);
    assert.deepEqual(attribute[field], expected);
  });
}

Deno.test("encodeModel() leaves a weight in its file, and says where", () => {
  const entry = entryOf("BF16", { shape: [3, 200], start: 2 ** 33, end: 2 ** 33 + 1200 });
  const graph = buildGraph({}, { y: vector }, (b) => ({ y: b.stored(entry) }));

  const weight = within(within(decode(encodeModel(graph, () => "a/b.bin")), 7), 5);

  assert.deepEqual([weight[1], weight[2], weight[14]], [[3n, 200n], [16n], [1n]]);
  assert.equal(weight[9], undefined);
  const where = weight[13].map((_, i) => {
    const pair = within(weight, 13, i);
    return [text(pair, 1), text(pair, 2)];
  });
  assert.deepEqual(where, [["location", "a/b.bin"], ["offset", "8589934592"], ["length", "1200"]]);
});

Deno.test("buildGraph() names a weight once, and widens it once, however often it is used", () => {
  const entry = entryOf("F16");
  const graph = buildGraph({}, { y: vector, z: vector }, (b) => ({
    y: b.op("Add", [b.weight(entry), b.weight(entry)]),
    z: b.weight(entry),
  }));
  assert.deepEqual([...graph.weights.keys()], ["weight_0"]);
  assert.deepEqual(graph.nodes.map(({ op }) => op), ["Cast", "Add", "Identity", "Identity"]);
});

Deno.test("buildGraph() does not widen what is float32", () => {
  const graph = buildGraph({}, { y: vector }, (b) => ({ y: b.weight(entryOf("F32")) }));
  assert.deepEqual(graph.nodes.map(({ op }) => op), ["Identity"]);
});

for (const dtype of ["I64", "BOOL", "F8_E4M3"] as const) {
  Deno.test(`buildGraph() refuses a weight of ${dtype}`, () => {
    const build = () => buildGraph({}, { y: vector }, (b) => ({ y: b.weight(entryOf(dtype)) }));
    assert.throws(build, {
      name: "DataError",
      message:
        `Cannot use tensor "w" in weights.bin: expected dtype F32, F16, F64, BF16, got ${dtype}`,
    });
  });
}

Deno.test("onnxruntime adds what the graph says", async () => {
  const graph = buildGraph({ x: vector }, { y: vector }, (b) => ({
    y: b.op("Add", ["x", b.floats([10, 20, 30], [3])]),
  }));
  const { y } = await run(graph, { x: floats([1, 2, 3]) });
  assert.deepEqual([...y.data as Float32Array], [11, 22, 33]);
});

Deno.test("onnxruntime takes a negative attribute, a list, and several outputs", async () => {
  const matrix = { dtype: "float32", shape: ["r", "c"] } as const;
  const graph = buildGraph({ x: matrix }, { y: matrix, left: matrix, right: matrix }, (b) => {
    const [left, right] = b.ops("Split", ["x", b.ints(1, 2)], 2, { axis: -1n });
    return { y: b.op("Transpose", ["x"], { perm: [1n, 0n] }), left, right };
  });
  const results = await run(graph, { x: floats([1, 2, 3, 4, 5, 6], [2, 3]) });
  const values = Object.fromEntries(
    Object.entries(results).map(([name, { data }]) => [name, [...data as Float32Array]]),
  );
  assert.deepEqual(values, { y: [1, 4, 2, 5, 3, 6], left: [1, 4], right: [2, 3, 5, 6] });
});

// 1.5 and -2 as each dtype holds them, after 64 bytes of something else.
const stored: Record<string, ArrayBuffer> = {
  F16: new Uint16Array([0x3e00, 0xc000]).buffer,
  BF16: new Uint16Array([0x3fc0, 0xc000]).buffer,
  F32: new Float32Array([1.5, -2]).buffer,
  F64: new Float64Array([1.5, -2]).buffer,
};

for (const [dtype, buffer] of Object.entries(stored)) {
  Deno.test(`onnxruntime reads ${dtype} weights from their file as float32`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      const bytes = new Uint8Array(64 + buffer.byteLength).fill(0xee);
      bytes.set(new Uint8Array(buffer), 64);
      await Deno.writeFile(`${folder}/weights.bin`, bytes);
      const file = await openFile(`${folder}/weights.bin`);
      const source = { ...file, name: "weights.bin" };
      const entry = entryOf(dtype as Dtype, { source, start: 64, end: bytes.length });
      const graph = buildGraph({ x: vector }, { y: vector }, (b) => ({
        y: b.op("Add", ["x", b.weight(entry)]),
      }));

      const { y } = await run(graph, { x: floats([1, 1]) }, folder);

      assert.equal(y.type, "float32");
      assert.deepEqual([...y.data as Float32Array], [2.5, -1]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
