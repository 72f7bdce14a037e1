/**
 * Runs a graph: the one file that knows onnxruntime, loaded when the first session is made.
 *
 * @module
 */

import { resolve } from "node:path";
import type { InferenceSession, Tensor } from "npm:onnxruntime-node@1.30.0";
import type { Encoded } from "./blocks_out.ts";
import { deviceFixes, type Provider } from "./device.ts";
import { DataError } from "./errors.ts";
import { encodeModel, type Graph, type Value } from "./onnx.ts";

/** What a session is made from, as plain data that can be posted to a worker. */
export interface GraphPlan {
  /** The graph as an ONNX model; its weights stay in their files. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** What runs it. */
  readonly device: Provider;
  /** Threads of this session on the CPU. */
  readonly threads: number;
}

/** What a session of an SAE's encoder is made from. */
export interface SessionPlan extends GraphPlan {
  /** Length T of every sequence. */
  readonly length: number;
}

/** What is fed to a graph, row-major. */
export interface Feed {
  /** The elements, as the graph's input stores them. */
  readonly data: Int32Array | Float32Array;
  /** Length of each dimension, the outermost first. */
  readonly shape: readonly number[];
}

/** A graph that is ready to run. */
export interface Session {
  /**
   * Runs the graph. On a CPU it holds up this thread meanwhile.
   *
   * @param feeds What its inputs are, by value.
   * @returns What comes out, by value, row-major.
   * @throws {DataError} If onnxruntime fails, as when a device has gone.
   */
  run(
    feeds: Readonly<Record<Value, Feed>>,
  ): Promise<Readonly<Record<Value, Float32Array | Int32Array>>>;
  /** Gives back the memory. */
  release(): Promise<void>;
}

/** The graph of an SAE's encoder that is ready to run. */
export interface Encoder {
  /** Length T of every sequence. */
  readonly length: number;
  /**
   * Runs the graph. On a CPU it holds up this thread meanwhile.
   *
   * @param tokens Token ids, row-major: `[B, T]`.
   * @returns What the SAE reconstructs, and its activations, dense or in blocks as the graph says.
   * @throws {DataError} If onnxruntime fails, as when a device has gone.
   */
  encode(tokens: Int32Array): Promise<Encoded>;
  /** Gives back the memory. */
  release(): Promise<void>;
}

/** What can be changed about a session. */
export interface SessionOptions {
  /** What runs the graph. */
  readonly device?: Provider;
  /** Threads of this session on the CPU; values do not depend on it. */
  readonly threads?: number;
}

// External data must lie below a folder: the root, so that paths are absolute without their slash.
const root = resolve("/");

/**
 * Plans a session for any graph. Nothing native is loaded yet.
 *
 * @param graph The graph, in the form that its device wants.
 * @param options What runs it, and on how many threads.
 * @returns The plan.
 */
export function planGraph(
  graph: Graph,
  { device = "cpu", threads = 1 }: SessionOptions = {},
): GraphPlan {
  const model = encodeModel(graph, ({ source }) => resolve(source.name).slice(root.length));
  return { model, device, threads };
}

/**
 * Plans a session for a graph that {@linkcode encoderGraph} built. Nothing native is loaded yet.
 *
 * @param graph The graph, in the form that its device wants.
 * @param options What runs it, and on how many threads.
 * @returns The plan.
 */
export function planSession(graph: Graph, options: SessionOptions = {}): SessionPlan {
  return { ...planGraph(graph, options), length: graph.inputs.tokens.shape[1] as number };
}

/**
 * Makes a session from a plan.
 *
 * Weights are mapped from their files; folded and widened ones are made anew in memory.
 *
 * @param plan The plan.
 * @returns The session; release it when done.
 * @throws {DataError} If the device is absent, or onnxruntime refuses the graph.
 */
export async function openGraph({ model, device, threads }: GraphPlan): Promise<Session> {
  const ort = await import("npm:onnxruntime-node@1.30.0").catch((cause) => {
    throw new DataError("load", {
      where: "onnxruntime-node",
      expected: "its native library",
      got: firstLine(cause),
      fix: "run with --allow-ffi, on Linux, macOS or Windows",
    }, { cause });
  });
  ort.env.logLevel = "fatal"; // what it would print is in the errors below
  const refuse = (expected: string, cause: unknown): never => {
    throw new DataError("run on", {
      where: `device "${device}"`,
      expected,
      got: firstLine(cause),
      ...(deviceFixes[device] && { fix: deviceFixes[device] }),
    }, { cause });
  };
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      executionProviders: [device],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: { session: { model_external_initializers_file_folder_path: root } },
    });
  } catch (cause) {
    return refuse("a session of onnxruntime", cause);
  }
  const tensor = ({ data, shape }: Feed) =>
    new ort.Tensor(data instanceof Int32Array ? "int32" : "float32", data, shape);
  return {
    async run(feeds) {
      let outputs: Readonly<Record<string, Tensor>>;
      try {
        outputs = await session.run(mapValues(feeds, tensor));
      } catch (cause) {
        return refuse("the values of its graph", cause);
      }
      return mapValues(outputs, ({ data }) => data as Float32Array | Int32Array);
    },
    release: () => session.release(),
  };
}

function mapValues<V, W>(record: Readonly<Record<string, V>>, of: (value: V) => W) {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, of(value)]));
}

/**
 * Makes a session of an SAE's encoder from a plan, as {@linkcode openGraph} makes it.
 *
 * @param plan The plan.
 * @returns The encoder; release it when done.
 * @throws {DataError} If the device is absent, or onnxruntime refuses the graph.
 */
export async function openSession({ length, ...plan }: SessionPlan): Promise<Encoder> {
  const { run, release } = await openGraph(plan);
  return {
    length,
    async encode(tokens) {
      const shape = [tokens.length / length, length];
      return await run({ tokens: { data: tokens, shape } }) as unknown as Encoded;
    },
    release,
  };
}

/**
 * Makes a session for a graph: {@linkcode planSession}, then {@linkcode openSession}.
 *
 * @param graph The graph, in the form that its device wants.
 * @param options What runs it, and on how many threads.
 * @returns The encoder; release it when done.
 * @throws {DataError} If the device is absent, or onnxruntime refuses the graph.
 */
export function createEncoder(graph: Graph, options: SessionOptions = {}): Promise<Encoder> {
  return openSession(planSession(graph, options));
}

// What went wrong, without the place in onnxruntime's source and the condition that did not hold.
function firstLine(cause: unknown): string {
  const message = cause instanceof Error ? cause.message : String(cause);
  return message.split("\n")[0].replace(/^\/onnxruntime_src\/.* was false\. /, "").trim();
}
