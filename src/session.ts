/**
 * Runs a graph: the one file that knows onnxruntime, loaded when the first session is made.
 *
 * @module
 */

import { resolve } from "node:path";
import type { InferenceSession } from "npm:onnxruntime-node@1.30.0";
import { type Device, deviceFixes } from "./device.ts";
import { DataError } from "./errors.ts";
import { encodeModel, type Graph } from "./onnx.ts";

/** A graph that is ready to run. */
export interface Encoder {
  /** Length T of every sequence. */
  readonly length: number;
  /**
   * Runs the graph.
   *
   * @param tokens Token ids, row-major: `[B, T]`.
   * @returns What the SAE reconstructs, `[B·T, d_in]`, and its activations, `[B·T, d_sae]`.
   */
  encode(tokens: Int32Array): Promise<Encoded>;
  /** Gives back the memory. */
  release(): Promise<void>;
}

/** What comes out of an {@linkcode Encoder}. */
export interface Encoded {
  /** What the SAE reconstructs, row-major: `[N, d_in]`. */
  readonly x: Float32Array;
  /** Its activations, row-major: `[N, d_sae]`. */
  readonly activations: Float32Array;
}

/**
 * Makes a session for a graph that {@linkcode encoderGraph} built.
 *
 * Weights are mapped from their files; folded and widened ones are made anew in memory. Values do
 * not depend on the number of threads.
 *
 * @param graph The graph.
 * @param options What runs it, and on how many threads of this process.
 * @returns The encoder; release it when done.
 * @throws {DataError} If the device is absent, or onnxruntime refuses the graph.
 */
export async function createEncoder(
  graph: Graph,
  { device = "cpu", threads = 1 }: { readonly device?: Device; readonly threads?: number } = {},
): Promise<Encoder> {
  const provider = device === "auto" ? "cpu" : device;
  const ort = await import("npm:onnxruntime-node@1.30.0").catch((cause) => {
    throw new DataError("load", {
      where: "onnxruntime-node",
      expected: "its native library",
      got: firstLine(cause),
      fix: "run with --allow-ffi, on Linux, macOS or Windows",
    }, { cause });
  });
  // External data must lie below a folder: the root, so that paths are absolute without their slash.
  const root = resolve("/");
  const model = encodeModel(graph, ({ source }) => resolve(source.name).slice(root.length));
  let session: InferenceSession;
  try {
    session = await ort.InferenceSession.create(model, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      logSeverityLevel: 4,
      extra: { session: { model_external_initializers_file_folder_path: root } },
    });
  } catch (cause) {
    throw new DataError("run on", {
      where: `device "${provider}"`,
      expected: "a session of onnxruntime",
      got: firstLine(cause),
      ...(deviceFixes[provider] && { fix: deviceFixes[provider] }),
    }, { cause });
  }
  const length = graph.inputs.tokens.shape[1] as number;
  return {
    length,
    async encode(tokens) {
      const shape = [tokens.length / length, length];
      const { x, activations } = await session.run({
        tokens: new ort.Tensor("int32", tokens, shape),
      });
      return { x: x.data as Float32Array, activations: activations.data as Float32Array };
    },
    release: () => session.release(),
  };
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split("\n")[0].trim();
}
