/**
 * Times how long a model in shards takes to be opened: from its folder to a session that is ready
 * for the first batch, up to its last residual, in one process; then the first batch.
 *
 * The model is of GPT-2 small's shape, 12 blocks and 498 MB of float32, in five safetensors files
 * with an index. Files that are still in the system's memory open several times as fast as those that
 * must come from the disk: the first run of a day is of the disk.
 *
 * Reads   nothing.
 * Writes  out/bench/gpt2, where it is not there; prints one line of JSON.
 * Example deno run -q -P=bench bench/open_model.ts
 */

import { exists, writeFile } from "../src/files.ts";
import { readModel } from "../src/model.ts";
import { buildGraph } from "../src/onnx.ts";
import { randomFrom } from "../src/random.ts";
import { encodeSafetensors, type Tensor } from "../src/safetensors.ts";
import { openGraph, planGraph } from "../src/session.ts";
import { Command, positive, run } from "../scripts/_cli.ts";
import { print, rounded } from "./_measure.ts";

const [D, nLayers, nHeads, nPositions, V] = [768, 12, 12, 1024, 50257];
const perShard = 3; // blocks

const command = new Command("open_model")
  .description("Times the opening of a model in shards.")
  .option("--threads <n>", "threads of the session", positive, navigator.hardwareConcurrency)
  .option("--length <n>", "positions of the first batch", positive, 512);

await run(command, async ({ threads, length }) => {
  const folder = "out/bench/gpt2";
  await makeModel(folder);
  const start = performance.now();
  const since = () => rounded((performance.now() - start) / 1000);

  const model = await readModel(folder);
  const graph = buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", length] } },
    { x: { dtype: "float32", shape: ["tokens", D] } },
    (b) => ({ x: model.graph(b, "tokens", { length, hook: model.last, isProcessed: false }) }),
  );
  const planned = since();
  const session = await openGraph(planGraph(graph, { threads }));
  const seconds = since();
  const tokens = { data: new Int32Array(length), shape: [1, length] };
  await session.run({ tokens });
  const first = since();
  await session.release();
  print({ seconds, planned, with_first_batch: first, threads, blocks: nLayers });
});

// Writes the model, its config.json last.
async function makeModel(folder: string): Promise<void> {
  if (await exists(`${folder}/config.json`)) return;
  const random = randomFrom(1);
  const tensor = (size: number, ...shape: number[]): Tensor => ({
    shape,
    data: new Float32Array(shape.reduce((n, d) => n * d)).map(() => size * (random() - 0.5)),
  });
  const map: Record<string, string> = {};
  const write = async (tensors: Record<string, Tensor>) => {
    const file = `model-${new Set(Object.values(map)).size + 1}.safetensors`;
    for (const name of Object.keys(tensors)) map[name] = file;
    await writeBytes(`${folder}/${file}`, encodeSafetensors(tensors, { format: "pt" }));
  };
  await write({
    "transformer.wte.weight": tensor(0.2, V, D),
    "transformer.wpe.weight": tensor(0.1, nPositions, D),
    "transformer.ln_f.weight": tensor(2, D),
    "transformer.ln_f.bias": tensor(0.1, D),
  });
  for (let from = 0; from < nLayers; from += perShard) {
    const tensors: Record<string, Tensor> = {};
    for (let layer = from; layer < from + perShard; layer++) {
      const linear = (name: string, from: number, to: number) => {
        tensors[`transformer.h.${layer}.${name}.weight`] = tensor(0.1, from, to);
        tensors[`transformer.h.${layer}.${name}.bias`] = tensor(0.1, to);
      };
      for (const norm of ["ln_1", "ln_2"]) {
        tensors[`transformer.h.${layer}.${norm}.weight`] = tensor(2, D);
        tensors[`transformer.h.${layer}.${norm}.bias`] = tensor(0.1, D);
      }
      linear("attn.c_attn", D, 3 * D);
      linear("attn.c_proj", D, D);
      linear("mlp.c_fc", D, 4 * D);
      linear("mlp.c_proj", 4 * D, D);
    }
    await write(tensors);
  }
  await writeJson(`${folder}/model.safetensors.index.json`, { metadata: {}, weight_map: map });
  await writeJson(`${folder}/config.json`, {
    model_type: "gpt2",
    n_embd: D,
    n_layer: nLayers,
    n_head: nHeads,
    n_positions: nPositions,
    vocab_size: V,
  });
}

async function writeBytes(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, (sink) => sink.write(bytes));
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeBytes(path, new TextEncoder().encode(JSON.stringify(value)));
}
