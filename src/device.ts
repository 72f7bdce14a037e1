/**
 * What can run a graph, by the names of onnxruntime's execution providers.
 *
 * @module
 */

/** The devices that can be asked for. */
export const devices = ["auto", "cpu", "cuda", "webgpu", "coreml", "dml"] as const;

/** What runs a graph: one of onnxruntime's execution providers, or "auto". */
export type Device = typeof devices[number];

/** What to do where a device is absent. */
export const deviceFixes: { readonly [D in Device]?: string } = {
  cuda: "install CUDA 12 and cuDNN 9, then run " +
    "`deno install --allow-scripts=npm:onnxruntime-node@1.30.0`, or use --device cpu",
  webgpu: "install a GPU driver with Vulkan (libvulkan1 on Debian), or use --device cpu",
  coreml: "CoreML is part of macOS alone; use --device cpu or webgpu",
  dml: "DirectML is part of Windows alone; use --device cpu or webgpu",
};
