/**
 * Computation graphs as plain data, and their encoding as ONNX.
 *
 * Weights are not copied into the model: they become external data, a path with the first byte and
 * the number of bytes within the checkpoint's own file.
 *
 * The encoder is written out here and not taken from a protobuf library: it only ever writes nine
 * kinds of message, whose field numbers are frozen by onnx.proto3, in fewer lines than the typed
 * bindings would need at the call sites, and it costs a user of this package no download.
 *
 * @see {@link https://github.com/onnx/onnx/blob/rel-1.18.0/onnx/onnx.proto3 | onnx.proto3}
 *
 * @module
 */

import type { Dtype, TensorEntry } from "./safetensors.ts";
import { DataError } from "./errors.ts";

/** The name of a value that flows along an edge of the graph. */
export type Value = string;

/** A setting of a node; a bigint is an int64, a number a float32. */
export type Attribute = bigint | number | string | readonly bigint[];

/** One operation. */
export interface Node {
  /** The ONNX operator: "MatMul". */
  readonly op: string;
  /** The values it reads. */
  readonly inputs: readonly Value[];
  /** The values it makes. */
  readonly outputs: readonly Value[];
  /** Its settings. */
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** A constant held in the graph itself. */
export interface Constant {
  /** Length of each dimension, the outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** The elements, row-major; bigints are stored as int64. */
  readonly data: Float32Array | BigInt64Array;
}

/** The outside of a graph: the element type and the shape of a value. */
export interface Port {
  /** How an element is stored. */
  readonly dtype: "float32" | "int32" | "int64";
  /** Length of each dimension; a name where it is free. */
  readonly shape: readonly (number | string)[];
}

/** A computation, as data. */
export interface Graph {
  /** The operations, each after those that make its inputs. */
  readonly nodes: readonly Node[];
  /** Small constants, by value. */
  readonly constants: ReadonlyMap<Value, Constant>;
  /** Weights that stay in their files, by value. */
  readonly weights: ReadonlyMap<Value, TensorEntry>;
  /** What must be fed, by value. */
  readonly inputs: Readonly<Record<Value, Port>>;
  /** What comes out, by value. */
  readonly outputs: Readonly<Record<Value, Port>>;
}

/** Grows a graph, one operation at a time. */
export interface Builder {
  /** Adds an operation and returns the value it makes. */
  op(name: string, inputs: readonly Value[], attributes?: Node["attributes"]): Value;
  /** Adds an operation that makes several values. */
  ops(
    name: string,
    inputs: readonly Value[],
    count: number,
    attributes?: Node["attributes"],
  ): Value[];
  /** Adds a float32 constant. */
  floats(data: Float32Array | readonly number[], shape: readonly number[]): Value;
  /** Adds a float32 scalar. */
  scalar(value: number): Value;
  /** Adds a one-dimensional int64 constant: a shape, axes or sizes. */
  ints(...values: readonly number[]): Value;
  /** A weight as it is stored. */
  stored(entry: TensorEntry): Value;
  /** A weight as float32, widened whole where it is stored otherwise. */
  weight(entry: TensorEntry): Value;
  /** Any floating value as float32. */
  widen(value: Value): Value;
}

/**
 * Builds a graph from a function that reads like the model it describes.
 *
 * @param inputs What will be fed, by value.
 * @param outputs What comes out, by value.
 * @param build Adds the operations; returns the value behind each of `outputs`.
 * @returns The graph.
 * @throws {DataError} If a weight is not of floating point.
 *
 * @example The graph of y = x + 1
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const port = { dtype: "float32", shape: ["n"] } as const;
 * const graph = buildGraph({ x: port }, { y: port }, (b) => ({ y: b.op("Add", ["x", b.scalar(1)]) }));
 *
 * assert.deepEqual(graph.nodes.map((node) => node.op), ["Add", "Identity"]);
 * ```
 */
export function buildGraph(
  inputs: Readonly<Record<Value, Port>>,
  outputs: Readonly<Record<Value, Port>>,
  build: (builder: Builder) => Readonly<Record<Value, Value>>,
): Graph {
  const nodes: Node[] = [];
  const constants = new Map<Value, Constant>();
  const weights = new Map<Value, TensorEntry>();
  const known = new Map<TensorEntry, { readonly stored: Value; widened?: Value }>();

  const constant = (shape: readonly number[], data: Constant["data"]) => {
    const value = `constant_${constants.size}`;
    constants.set(value, { shape, data });
    return value;
  };
  const ops: Builder["ops"] = (name, inputs, count, attributes = {}) => {
    const outputs = Array.from({ length: count }, (_, i) => `${name}_${nodes.length}_${i}`);
    nodes.push({ op: name, inputs, outputs, attributes });
    return outputs;
  };
  const op: Builder["op"] = (name, inputs, attributes) => ops(name, inputs, 1, attributes)[0];
  const use = (entry: TensorEntry) => {
    let found = known.get(entry);
    if (found === undefined) {
      found = { stored: `weight_${weights.size}` };
      weights.set(found.stored, checkFloating(entry));
      known.set(entry, found);
    }
    return found;
  };
  const builder: Builder = {
    op,
    ops,
    floats: (data, shape) => constant(shape, Float32Array.from(data)),
    scalar: (value) => constant([], new Float32Array([value])),
    ints: (...values) => constant([values.length], BigInt64Array.from(values, BigInt)),
    stored: (entry) => use(entry).stored,
    weight: (entry) => {
      const found = use(entry);
      return found.widened ??= entry.dtype === "F32" ? found.stored : builder.widen(found.stored);
    },
    widen: (value) => op("Cast", [value], { to: 1n }),
  };
  for (const [output, value] of Object.entries(build(builder))) {
    nodes.push({ op: "Identity", inputs: [value], outputs: [output], attributes: {} });
  }
  return { nodes, constants, weights, inputs, outputs };
}

// TensorProto.DataType of what safetensors calls F32, and so on.
const weightTypes: { readonly [D in Dtype]?: number } = { F32: 1, F16: 10, F64: 11, BF16: 16 };
const portTypes = { float32: 1, int32: 6, int64: 7 } as const;

function checkFloating(entry: TensorEntry): TensorEntry {
  if (weightTypes[entry.dtype] === undefined) {
    throw new DataError("use tensor", {
      where: `"${entry.name}" in ${entry.source.name}`,
      expected: `dtype ${Object.keys(weightTypes).join(", ")}`,
      got: entry.dtype,
    });
  }
  return entry;
}

const irVersion = 10;
const opset = 21;

/**
 * Encodes a graph as an ONNX model.
 *
 * @param graph The graph.
 * @param locate The path of a weight's file, as the runtime will look it up.
 * @returns The bytes of a ModelProto, as an `.onnx` file holds them.
 */
export function encodeModel(
  { nodes, constants, weights, inputs, outputs }: Graph,
  locate: (entry: TensorEntry) => string = (entry) => entry.source.name,
): Uint8Array<ArrayBuffer> {
  const graph = message(
    ...nodes.map((node) => field(1, encodeNode(node))),
    field(2, "graph"),
    ...[...constants].map(([name, constant]) => field(5, encodeConstant(name, constant))),
    ...[...weights].map(([name, entry]) => field(5, encodeWeight(name, entry, locate(entry)))),
    ...Object.entries(inputs).map(([name, port]) => field(11, encodePort(name, port))),
    ...Object.entries(outputs).map(([name, port]) => field(12, encodePort(name, port))),
  );
  return message(field(1, irVersion), field(7, graph), field(8, message(field(2, opset))));
}

function encodeNode({ op, inputs, outputs, attributes }: Node): Uint8Array {
  return message(
    ...inputs.map((input) => field(1, input)),
    ...outputs.map((output) => field(2, output)),
    field(4, op),
    ...Object.entries(attributes).map(([name, value]) => field(5, encodeAttribute(name, value))),
  );
}

function encodeAttribute(name: string, value: Attribute): Uint8Array {
  if (typeof value === "bigint") return message(field(1, name), field(3, value), field(20, 2));
  if (typeof value === "number") return message(field(1, name), float(2, value), field(20, 1));
  if (typeof value === "string") return message(field(1, name), field(4, value), field(20, 3));
  return message(field(1, name), ...value.map((v) => field(8, v)), field(20, 7));
}

function encodeConstant(name: string, { shape, data }: Constant): Uint8Array {
  return message(
    ...shape.map((dim) => field(1, dim)),
    field(2, data instanceof Float32Array ? portTypes.float32 : portTypes.int64),
    field(8, name),
    field(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
  );
}

function encodeWeight(name: string, entry: TensorEntry, location: string): Uint8Array {
  const where = { location, offset: `${entry.start}`, length: `${entry.end - entry.start}` };
  return message(
    ...entry.shape.map((dim) => field(1, dim)),
    field(2, weightTypes[entry.dtype]!),
    field(8, name),
    ...Object.entries(where).map(([key, value]) =>
      field(13, message(field(1, key), field(2, value)))
    ),
    field(14, 1), // data_location: EXTERNAL
  );
}

function encodePort(name: string, { dtype, shape }: Port): Uint8Array {
  const dims = shape.map((dim) => field(1, message(field(typeof dim === "number" ? 1 : 2, dim))));
  const tensor = message(field(1, portTypes[dtype]), field(2, message(...dims)));
  return message(field(1, name), field(2, message(field(1, tensor))));
}

// ---- protobuf: https://protobuf.dev/programming-guides/encoding

function message(...fields: readonly Uint8Array[][]): Uint8Array<ArrayBuffer> {
  const parts = fields.flat();
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

// An integer is a varint (wire type 0); text and bytes are length-delimited (2).
function field(number: number, value: number | bigint | string | Uint8Array): Uint8Array[] {
  if (typeof value === "number" || typeof value === "bigint") {
    return [varint((number << 3) | 0), varint(value)];
  }
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
  return [varint((number << 3) | 2), varint(bytes.length), bytes];
}

// A float32 is four little-endian bytes (wire type 5).
function float(number: number, value: number): Uint8Array[] {
  return [varint((number << 3) | 5), new Uint8Array(new Float32Array([value]).buffer)];
}

// Seven bits a byte, the lowest first; a negative number as its 64-bit two's complement.
function varint(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return new Uint8Array([...bytes, Number(rest)]);
}
