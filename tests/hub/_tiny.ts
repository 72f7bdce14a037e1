/** The tiny training run of fixtures/, as repositories on a loopback hub. */

import { encoderGraph } from "../../src/encoder.ts";
import { fetchSweep, type FetchSweepOptions } from "../../src/fetch_sweep.ts";
import { openFile } from "../../src/files.ts";
import { readModel } from "../../src/model.ts";
import { readSae } from "../../src/sae.ts";
import { encodeTensors, readTensors } from "../../src/write_safetensors.ts";
import { inTempDir } from "../_files.ts";
import { clientOf } from "./_client.ts";
import { commitOf, type Files, type Loopback, type Repository, startHub } from "./_loopback.ts";

/** The folder of fixtures/tiny. */
export const tiny = new URL("../../fixtures/tiny", import.meta.url).pathname;

const read = (path: string) => Deno.readFileSync(`${tiny}/${path}`);
const text = (value: string) => new TextEncoder().encode(value);

/** A model's folder, with much that is not needed. */
function modelFiles(step: string): Files {
  return {
    "README.md": text("# A model"),
    "config.json": read(`models/${step}/config.json`),
    "model.safetensors": read(`models/${step}/model.safetensors`),
    "optimizer.pt": text("not to be fetched"),
    "pytorch_model.bin": text("not to be fetched, for there are safetensors"),
    "tokenizer.json": read("tokenizer.json"),
    "tokenizer_config.json": read("tokenizer_config.json"),
  };
}

/** The same model in shards: embeddings, one for each block, and what is after them. */
async function shardedFiles(step: string): Promise<Files> {
  const { tensors } = await readTensors(await openFile(`${tiny}/models/${step}/model.safetensors`));
  const shardOf = (name: string) => {
    const block = /layers\.(\d)/.exec(name)?.[1];
    const shard = block ?? (name.includes("embed_in") ? "first" : "last");
    return `model-${shard}.safetensors`;
  };
  const shards = Object.entries(Object.groupBy(tensors, ({ name }) => shardOf(name)));
  const weight_map = Object.fromEntries(tensors.map(({ name }) => [name, shardOf(name)]));
  return {
    "config.json": read(`models/${step}/config.json`),
    "model.safetensors.index.json": text(JSON.stringify({ metadata: {}, weight_map })),
    ...Object.fromEntries(shards.map(([name, held]) => [name, encodeTensors(held!)])),
  };
}

function saeFiles(): Files {
  const files: Record<string, Uint8Array<ArrayBuffer>> = { "README.md": text("# SAEs") };
  for (const step of ["step0", "step64", "step4000", "step4000-seed2"]) {
    for (const name of ["cfg.json", "sae_weights.safetensors"]) {
      files[`${step}/${name}`] = read(`saes/${step}/${name}`);
    }
    files[`${step}/optimizer.pt`] = text("not to be fetched");
  }
  return files;
}

/** A repository whose branches are commits of their own. */
export function repositoryOf(branches: Readonly<Record<string, Files>>): Repository {
  const commits = Object.keys(branches).map((name) => [name, commitOf(name)]);
  return {
    branches: Object.fromEntries(commits),
    commits: Object.fromEntries(commits.map(([name, commit]) => [commit, branches[name]])),
  };
}

/** tiny/model at three steps, tiny/shards, tiny/saes, both in tiny/both, and the data set tiny/tokens. */
export async function tinyHub(): Promise<Loopback> {
  const shards = await shardedFiles("step64");
  const sae = Object.fromEntries(
    ["cfg.json", "sae_weights.safetensors"].map((name) => [name, read(`saes/step64/${name}`)]),
  );
  return startHub({
    "tiny/both": repositoryOf({ main: { ...shards, ...sae } }),
    "tiny/model": repositoryOf({
      step0: modelFiles("step0"),
      step64: modelFiles("step64"),
      step4000: modelFiles("step4000"),
    }),
    "tiny/shards": repositoryOf({ step64: shards }),
    "tiny/saes": repositoryOf({ main: saeFiles() }),
    "datasets/tiny/tokens": repositoryOf({ main: { "data/0.parquet": read("tokens.parquet") } }),
  });
}

/** A sweep of the tiny run on the hub. */
export const tinySweep = {
  name: "tiny on a hub",
  tokens: { path: "hf://datasets/tiny/tokens/data/0.parquet", column: "input_ids" },
  tokenizer: "hf://tiny/model@step0/tokenizer.json",
  checkpoints: [
    { step: 0, model: "hf://tiny/model@step0", sae: "hf://tiny/saes/step0" },
    { step: 64, model: "hf://tiny/shards@step64", sae: "hf://tiny/saes/step64" },
    { step: 4000, model: "hf://tiny/model@step4000", sae: "hf://tiny/saes@main/step4000" },
  ],
  reference: 4000,
  ceiling: { step: 4000, sae: "hf://tiny/saes/step4000-seed2" },
};

/** Every link and file below a folder, and what it is. */
export function filesBelow(folder: string, prefix = ""): string[] {
  return [...Deno.readDirSync(`${folder}/${prefix}`)].flatMap(({ name, isDirectory }) =>
    isDirectory ? filesBelow(folder, `${prefix}${name}/`) : [prefix + name]
  ).sort();
}

/** Its first checkpoint. */
export const tinyCheckpoint = tinySweep.checkpoints[0];

/** Fetches what a sweep names, and says where it is. */
export type Fetch = (sweep: unknown, options?: FetchSweepOptions) => Promise<Map<string, string>>;

/** Acts on a hub and a cache that are gone afterwards. */
export async function withTiny(
  act: (fetch: Fetch, hub: Loopback, cache: string) => Promise<void>,
  start: () => Loopback | Promise<Loopback> = tinyHub,
): Promise<void> {
  const hub = await start();
  try {
    await inTempDir((folder) => {
      const fetch: Fetch = async (sweep, options) => {
        await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(sweep));
        return await fetchSweep(`${folder}/sweep.json`, clientOf(hub), `${folder}/cache`, options);
      };
      return act(fetch, hub, `${folder}/cache`);
    });
  } finally {
    await hub.close();
  }
}

/** Refuses a model that lacks a weight before the hook. */
export async function checkModel(folder: string): Promise<void> {
  const sae = await readSae(`${tiny}/saes/step0`);
  encoderGraph(await readModel(folder), sae, { length: 8, isProcessed: true });
}
