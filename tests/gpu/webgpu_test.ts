// The WebGPU provider against the CPU's, on whatever adapter there is: `deno task test:gpu` names
// SwiftShader, a Vulkan device on the CPU that Debian's chromium package brings.

import assert from "node:assert/strict";
import { readActivations } from "../../src/activation_table.ts";
import { sparseRows } from "../../src/blocks_out.ts";
import { graphForms, type Provider } from "../../src/device.ts";
import { chooseDevice, type Computed, firstDifference } from "../../src/device_check.ts";
import { encoderGraph } from "../../src/encoder.ts";
import { DataError } from "../../src/errors.ts";
import { extractSweep } from "../../src/extract_sweep.ts";
import { openFile } from "../../src/files.ts";
import { type Hook, parseHook } from "../../src/hooks.ts";
import { type Model, readModel } from "../../src/model.ts";
import { buildGraph, type Graph } from "../../src/onnx.ts";
import { randomFrom } from "../../src/random.ts";
import { readSae } from "../../src/sae.ts";
import { createEncoder } from "../../src/session.ts";
import type { Sparse } from "../../src/sparse.ts";
import { readSweep } from "../../src/sweep.ts";

const fixtures = new URL("../../fixtures/", import.meta.url).pathname;
const goldens = `${fixtures}goldens/`;
const manifest = JSON.parse(Deno.readTextFileSync(`${goldens}manifest.json`));
const swiftShader = "/usr/lib/chromium/vk_swiftshader_icd.json";

// Why there is no adapter, where none is to be expected; where SwiftShader is there, tests fail.
async function reasonToSkip(): Promise<string | undefined> {
  const port = { dtype: "int32", shape: ["sequences", 1] } as const;
  const graph = buildGraph(
    { tokens: port },
    { x: port },
    (b) => ({ x: b.op("Add", ["tokens", "tokens"]) }),
  );
  try {
    await (await createEncoder(graph, { device: "webgpu" })).release();
  } catch (error) {
    const isThere = await Deno.stat(swiftShader).then(() => true, () => false);
    if (error instanceof DataError && !isThere) return `no ${swiftShader}: ${error.message}`;
  }
}

const reason = await reasonToSkip();

function test(name: string, act: () => Promise<void>): void {
  if (reason === undefined) Deno.test(name, act);
  else Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: act });
}

async function compute(
  graph: (device: Provider) => Graph,
  device: Provider,
  ids: Int32Array,
  nFeatures: number,
): Promise<Computed> {
  const encoder = await createEncoder(graph(device), { device });
  try {
    const encoded = await encoder.encode(ids);
    return { x: encoded.x, rows: sparseRows(encoded, nFeatures, { nRows: ids.length }) };
  } finally {
    await encoder.release();
  }
}

async function assertSame(
  graph: (device: Provider) => Graph,
  ids: Int32Array,
  nFeatures: number,
): Promise<void> {
  const cpu = await compute(graph, "cpu", ids, nFeatures);
  const gpu = await compute(graph, "webgpu", ids, nFeatures);
  assert.equal(firstDifference(cpu, gpu), undefined);
  assertSameActive(gpu.rows, cpu.rows);
}

function assertSameActive(actual: Sparse, expected: Sparse): void {
  assert(expected.values.length > 0);
  assert.deepEqual(actual.offsets, expected.offsets);
  assert.deepEqual(actual.columns, expected.columns);
}

function randomIds({ vocabulary }: Model, length: number): Int32Array {
  const random = randomFrom(vocabulary);
  return new Int32Array(length).map(() => Math.floor(random() * vocabulary));
}

test("the encoder of fixtures/tiny is the same on WebGPU", async () => {
  const model = await readModel(`${fixtures}tiny/models/step4000`);
  const sae = await readSae(`${fixtures}tiny/saes/step4000`);
  const graph = (device: Provider) => encoderGraph(model, sae, { form: graphForms[device] });
  await assertSame(graph, randomIds(model, 2 * sae.contextSize), sae.dSae);
});

// Values at a hook and those above 0, as an encoder gives them.
function hookGraph(model: Model, hook: Hook, D: number): (device: Provider) => Graph {
  const port = { dtype: "float32", shape: ["tokens", D] } as const;
  return (device) =>
    buildGraph(
      { tokens: { dtype: "int32", shape: ["sequences", 8] } },
      { x: port, activations: port },
      (b) => {
        const { hasHalf } = graphForms[device];
        const x = model.graph(b, "tokens", { length: 8, hook, isProcessed: true, hasHalf });
        return { x, activations: b.op("Relu", [x]) };
      },
    );
}

const foldersIn = (path: string) =>
  [...Deno.readDirSync(fixtures + path)].filter((e) => e.isDirectory)
    .map(({ name }) => `${path}/${name}`).sort();

for (const path of foldersIn("odd")) {
  test(`a model with ${path.slice(4).replaceAll("_", " ")} is the same on WebGPU`, async () => {
    const model = await readModel(fixtures + path);
    const hook = parseHook("blocks.1.hook_resid_pre", "the test");
    await assertSame(hookGraph(model, hook, 16), randomIds(model, 16), 16);
  });
}

for (const path of foldersIn("architectures")) {
  const name = path.slice("architectures/".length).replaceAll("_", " ");
  test(`${name} is the same on WebGPU, up to the last residual`, async () => {
    const model = await readModel(fixtures + path);
    await assertSame(hookGraph(model, model.last, 32), randomIds(model, 16), 32);
  });
}

const saes = [
  "gated-v6",
  "jumprelu-v6",
  "topk-v6",
  "batchtopk-v6",
  "standard-v3-tanhrelu",
  "standard-v6-layernorm",
  "standard-v6-bf16",
];

for (const model of ["main-fp32", "main-fp16"].filter((name) => name in manifest.models)) {
  for (const name of model === "main-fp32" ? saes : saes.slice(0, 1)) {
    test(`SAE ${name} on ${model} is the same on WebGPU`, async () => {
      const { dir, input } = manifest.saes[name];
      const read = await readModel(goldens + manifest.models[model].dir);
      const sae = await readSae(goldens + dir);
      const graph = (device: Provider) =>
        encoderGraph(read, sae, {
          length: 16,
          isProcessed: input === "tl_default",
          form: graphForms[device],
        });
      await assertSame(graph, randomIds(read, 64), sae.dSae);
    });
  }
}

test("extractSweep() on WebGPU gives the CPU's activations within rounding, and says so", async () => {
  const { ckpts, total } = manifest.end_to_end.config;
  const folder = await Deno.makeTempDir();
  try {
    const checkpoints = ckpts.slice(0, 2).map(([step]: [number]) => ({
      step,
      model: `${goldens}end_to_end/ckpt_${step}/model`,
      sae: `${goldens}end_to_end/ckpt_${step}/sae`,
    }));
    const tokens = { path: `${goldens}end_to_end/dataset.parquet` };
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify({ tokens, checkpoints }));
    const sweep = await readSweep(`${folder}/sweep.json`);
    const used: string[] = [];
    for (const device of ["cpu", "webgpu"] as const) {
      await extractSweep(sweep, `${folder}/${device}`, {
        device,
        totalTokens: total,
        on: { device: (_, device) => used.push(device) },
      });
    }
    assert.deepEqual(used, ["cpu", "cpu", "webgpu", "webgpu"]);
    for (const { step } of checkpoints) {
      const [cpu, gpu] = await Promise.all(
        ["cpu", "webgpu"].map(async (device) =>
          await readActivations(
            await openFile(`${folder}/${device}/activations/step${step}.arrow`),
          )
        ),
      );
      assert.equal(gpu.info.fingerprint, cpu.info.fingerprint, "a device is no input");
      assertSameActive(gpu.rows, cpu.rows);
      const { nRows } = cpu.rows;
      const x = new Float32Array(nRows);
      assert.equal(firstDifference({ x, rows: cpu.rows }, { x, rows: gpu.rows }), undefined);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test('"auto" takes WebGPU where its platform tries it and it passes', async () => {
  const model = await readModel(goldens + manifest.models["main-fp32"].dir);
  const { dir } = manifest.saes["standard-v6"];
  const sae = await readSae(goldens + dir);
  const { device, encoder } = await chooseDevice("auto", {
    open: (device) =>
      createEncoder(encoderGraph(model, sae, { length: 16, form: graphForms[device] }), { device }),
    ids: () => randomIds(model, 32),
    nFeatures: sae.dSae,
    platform: "MacIntel",
  });
  await encoder?.release();
  assert.equal(device, "webgpu");
});
