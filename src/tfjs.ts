/**
 * TensorFlow.js on its native library: the one file that knows the package, loaded when asked for.
 *
 * @module
 */

import { createRequire } from "node:module";
import { resolve } from "node:path";
import util from "node:util";
import { checkProducts, type DenseBackend } from "./dense_backend.ts";
import { DataError } from "./errors.ts";

/** What can run {@linkcode matchDense}: @tensorflow/tfjs-node-gpu, on CUDA. */
export type DenseDevice = "tfjs-gpu";

/** Where and how {@linkcode loadTfjs} finds the package. */
export interface LoadTfjsOptions {
  /** The folder whose node_modules has the package, or one above it; default: the current one. */
  readonly folder?: string;
  /** Whether TensorFlow may run on the CPU where it finds no GPU; default: no. */
  readonly orCpu?: boolean;
}

// The install script of the package, which fetches its native library, is run only with both flags;
// `--no-lock` keeps the package out of this one's lock file.
const install = "run `deno cache --no-lock --node-modules-dir=auto " +
  "--allow-scripts=npm:@tensorflow/tfjs-node-gpu npm:@tensorflow/tfjs-node-gpu@4.22.0` in this folder";

/**
 * Loads TensorFlow.js with its native library.
 *
 * Node's own way to find a package is taken, and not an import: it downloads nothing, and it finds
 * a folder node_modules whatever `nodeModulesDir` says. Asks for the permissions to read, to load
 * native code and, where there is no /usr/bin/ldd, to learn about the system; and reads environment
 * variables, for which `--ignore-env` is enough.
 *
 * @param device What must run it.
 * @param options Where the package is.
 * @returns TensorFlow.js, its native backend chosen.
 * @throws {DataError} If the package or its native library is absent, or finds no GPU, or the GPU
 *   multiplies in less than float32.
 */
export async function loadTfjs(
  device: DenseDevice,
  { folder = ".", orCpu = false }: LoadTfjsOptions = {},
): Promise<DenseBackend> {
  const where = `${device} in @tensorflow/tfjs-node-gpu`;
  const tf = requireTfjs(where, folder);
  if (!orCpu && !tf.backend().isUsingGpuDevice) {
    throw new DataError("load", {
      where,
      expected: "a GPU",
      got: "TensorFlow without one",
      fix: "install a driver of NVIDIA and the CUDA and cuDNN that its TensorFlow was built for " +
        "(2.9.1: CUDA 11.2, cuDNN 8)",
    });
  }
  await checkProducts(tf, device);
  return tf;
}

type Tfjs = DenseBackend & { backend(): { readonly isUsingGpuDevice: boolean } };

function requireTfjs(where: string, folder: string): Tfjs {
  // Version 4.22.0 calls what Node 23 removed, and Deno never had.
  if (!("isNullOrUndefined" in util)) {
    const isNullOrUndefined = (value: unknown) => value === null || value === undefined;
    Object.assign(util, { isNullOrUndefined });
  }
  try {
    return createRequire(resolve(folder, "_"))("@tensorflow/tfjs-node-gpu");
  } catch (cause) {
    const { name, message } = cause instanceof Error ? cause : new Error(String(cause));
    const isAbsent = /^Cannot find module '@tensorflow\/tfjs-node-gpu'|can not be found at path/;
    const fix = name === "NotCapable"
      ? "run `deno task match:gpu`, which may load it"
      : isAbsent.test(message)
      ? install
      : undefined;
    throw new DataError("load", {
      where,
      expected: "its native library",
      got: message.split("\n")[0].trim().replace(/\.$/, ""),
      ...(fix && { fix }),
    }, { cause });
  }
}
