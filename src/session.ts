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
import { encodeModel, type Graph } from "./onnx.ts";

/** What a session is made from, as plain data that can be posted to a worker. */
export interface SessionPlan {
  /** The graph as an ONNX model; its weights stay in their files. */
  readonly model: Uint8Array<ArrayBuffer>;
  /** Length T of every sequence. */
  readonly length: number;
  /** What runs it. */
  readonly device: Provider;
  /** Threads of this session on the CPU. */
  readonly threads: number;
}

/** A graph that is ready to run. */
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
 * Plans a session for a graph that {@linkcode encoderGraph} built. Nothing native is loaded yet.
 *
 * @param graph The graph, in the form that its device wants.
 * @param options What runs it, and on how many threads.
 * @returns The plan.
 */
export function planSession(
  graph: Graph,
  { device = "cpu", threads = 1 }: SessionOptions = {},
): SessionPlan {
  return {
    model: encodeModel(graph, ({ source }) => resolve(source.name).slice(root.length)),
    length: graph.inputs.tokens.shape[1] as number,
    device,
    threads,
  };
}

/**
 * Makes a session from a plan.
 *
 * Weights are mapped from their files; folded and widened ones are made anew in memory.
 *
 * @param plan The plan.
 * @returns The encoder; release it when done.
 * @throws {DataError} If the device is absent, or onnxruntime refuses the graph.
 */
export async function openSession(
  { model, length, device, threads }: SessionPlan,
): Promise<Encoder> {
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
  return {
    length,
    async encode(tokens) {
      let outputs: Readonly<Record<string, Tensor>>;
      try {
        const shape = [tokens.length / length, length];
        outputs = await session.run({ tokens: new ort.Tensor("int32", tokens, shape) });
      } catch (cause) {
        return refuse("the values of its graph", cause);
      }
      const values = Object.entries(outputs).map(([name, { data }]) => [name, data]);
      return Object.fromEntries(values) as Encoded;
    },
    release: () => session.release(),
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
