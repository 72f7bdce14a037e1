/**
 * What can run a graph, by the names of onnxruntime's execution providers, and what each wants of it.
 *
 * @module
 */

/** The devices that can be asked for. */
export const devices = ["auto", "cpu", "cuda", "webgpu", "coreml", "dml"] as const;

/** What is asked to run a graph: one of onnxruntime's execution providers, or "auto". */
export type Device = typeof devices[number];

/** What runs a graph: one of onnxruntime's execution providers. */
export type Provider = Exclude<Device, "auto">;

/** What a graph is made of, where providers differ. */
export interface GraphForm {
  /** Whether rows of a table of float16 or bfloat16 may be taken before they are widened. */
  readonly hasHalf: boolean;
  /** Whether only the blocks of activations that are not all zero come out. */
  readonly givesBlocks: boolean;
}

/**
 * The form of the graph for each provider.
 *
 * An adapter of WebGPU may have no float16, and none has bfloat16: tables are widened whole, which
 * onnxruntime does once, on the CPU. Its NonZero runs on the CPU, on a sixteenth of the values.
 */
// deno-fmt-ignore
export const graphForms: Readonly<Record<Provider, GraphForm>> = {
  cpu: { hasHalf: true, givesBlocks: true },
  cuda: { hasHalf: true, givesBlocks: true },
  webgpu: { hasHalf: false, givesBlocks: true },
  coreml: { hasHalf: false, givesBlocks: false },
  dml: { hasHalf: false, givesBlocks: false },
};

/**
 * The providers that "auto" tries before the CPU, the best first.
 *
 * Not tried: WebGPU on Linux, where asking for an adapter that is not there takes half a second and
 * prints the loader's complaints; CoreML, which computes in float16 where it likes.
 *
 * @param platform As `navigator.platform` says it.
 * @returns Providers; none where only the CPU is known to be there.
 */
export function automaticProviders(platform: string): readonly Provider[] {
  if (platform.startsWith("Win")) return ["cuda", "dml", "webgpu"];
  if (platform.startsWith("Mac")) return ["webgpu"];
  return ["cuda"];
}

const cpuInstead = "or use --device cpu";

/** What to do where a device is absent. */
export const deviceFixes: { readonly [P in Provider]?: string } = {
  cuda: "install CUDA 12 and cuDNN 9, then run " +
    `\`deno install --allow-scripts=npm:onnxruntime-node@1.30.0\`, ${cpuInstead}`,
  webgpu: `install a GPU driver with Vulkan (libvulkan1 on Debian), ${cpuInstead}`,
  coreml: "CoreML is part of macOS alone; use --device cpu or webgpu",
  dml: "DirectML is part of Windows alone; use --device cpu or webgpu",
};

/** What to do where a device computes other values than the CPU. */
export const differenceFixes: { readonly [P in Provider]?: string } = {
  cuda: `set NVIDIA_TF32_OVERRIDE=0 in the environment, ${cpuInstead}`,
};
