// Stand-ins for the package, since its native library is not here; tests/tfjs/ has it.

import assert from "node:assert/strict";
import { loadTfjs } from "../src/tfjs.ts";

const install = "; run `deno cache --no-lock --node-modules-dir=auto " +
  "--allow-scripts=npm:@tensorflow/tfjs-node-gpu npm:@tensorflow/tfjs-node-gpu@4.22.0` " +
  "in this folder";
const absent =
  "The Node.js native addon module (tfjs_binding.node) can not be found at path: x.node";
const packages: Readonly<Record<string, [string | undefined, RegExp | string]>> = {
  "its package is absent": [
    undefined,
    `expected its native library, got Cannot find module '@tensorflow/tfjs-node-gpu'${install}`,
  ],
  "its native library is absent": [
    `throw new Error("${absent}. \\nPlease run")`,
    `expected its native library, got ${absent}${install}`,
  ],
  "its native library does not load": [
    'throw new TypeError("libtensorflow.so.2: cannot open shared object file")',
    "expected its native library, got libtensorflow.so.2: cannot open shared object file",
  ],
  "it may not read the environment": [
    "process.env.SAE_TFJS_TEST",
    'expected its native library, got Requires env access to "SAE_TFJS_TEST", ' +
    "run again with the --allow-env flag; run `deno task match:gpu`, which may load it",
  ],
  "there is no GPU": [
    "exports.backend = () => ({ isUsingGpuDevice: false })",
    "expected a GPU, got TensorFlow without one; install a driver of NVIDIA and the CUDA and " +
    "cuDNN that its TensorFlow was built for (2.9.1: CUDA 11.2, cuDNN 8)",
  ],
};

for (const [what, [code, end]] of Object.entries(packages)) {
  Deno.test(`loadTfjs() says what to do where ${what}`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      if (code !== undefined) {
        const path = `${folder}/node_modules/@tensorflow/tfjs-node-gpu`;
        await Deno.mkdir(path, { recursive: true });
        await Deno.writeTextFile(`${path}/index.js`, code);
      }
      await assert.rejects(loadTfjs("tfjs-gpu", { folder }), {
        name: "DataError",
        message: `Cannot load tfjs-gpu in @tensorflow/tfjs-node-gpu: ${end}`,
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
