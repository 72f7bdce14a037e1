import assert from "node:assert/strict";
import { bytesInMemory, openFile } from "../src/files.ts";
import { parseHook } from "../src/hooks.ts";
import type { HubFile } from "../src/hub_name.ts";
import {
  blocksBefore,
  blocksIn,
  copyBlocks,
  isInBlocks,
  modelFiles,
  saeFiles,
  shardsBefore,
  tokenizerFiles,
} from "../src/hub_weights.ts";
import { readEntries } from "../src/safetensors.ts";
import { encodeTensors, type RawTensor, readTensors } from "../src/write_safetensors.ts";
import { inTempDir } from "./_files.ts";

const listed = (...paths: string[]): HubFile[] =>
  paths.map((path) => ({ path, size: 1, oid: "0".repeat(40) }));
const pathsOf = (files: readonly HubFile[]) => files.map(({ path }) => path);

Deno.test("modelFiles() prefers safetensors, then a single file, of the folder that is asked for", () => {
  const all = [
    "pytorch_model.bin.index.json",
    "pytorch_model.bin",
    "model.safetensors.index.json",
    "model.safetensors",
  ];
  while (all.length > 0) {
    const files = listed("sub/config.json", "sub/model.safetensors", "config.json", "x", ...all);
    assert.equal(modelFiles(files, "", "test").weights.path, all.pop());
  }
  const files = listed("config.json", "sub/config.json", "sub/model.safetensors", "sub/merges.txt");
  assert.deepEqual(pathsOf(modelFiles(files, "sub", "test").plain), [
    "sub/config.json",
    "sub/merges.txt",
  ]);
  assert.throws(() => modelFiles(files, "", "hf://a/b"), {
    message: "Cannot find the model hf://a/b: expected one of model.safetensors, " +
      "model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, " +
      "got config.json, sub/config.json, sub/model.safetensors, sub/merges.txt",
  });
  assert.throws(() => modelFiles(files, "other", "hf://a/b"), /expected config.json, got nothing/);
});

// deno-fmt-ignore
const collections: Readonly<Record<string, readonly [path: string, wanted: string[]]>> = {
  "SAELens": ["a", ["a/cfg.json", "a/sae_weights.safetensors", "a/sparsity.safetensors"]],
  "sparsify": ["s/layers.3", ["s/layers.3/cfg.json", "s/layers.3/sae.safetensors", "s/config.json"]],
  "dictionary_learning": ["d/trainer_0", ["d/trainer_0/config.json", "d/trainer_0/ae.pt"]],
  "a step of dictionary_learning":
    ["d/trainer_0/checkpoints/ae_5.pt", ["d/trainer_0/config.json", "d/trainer_0/checkpoints/ae_5.pt"]],
  "Gemma Scope": ["layer_20/width_16k/average_l0_71", ["layer_20/width_16k/average_l0_71/params.npz"]],
  "Llama Scope": ["L", ["L/hyperparams.json", "L/checkpoints/final.safetensors"]],
};
const everything = listed(
  "README.md",
  "config.json",
  ...Object.values(collections).flatMap(([, wanted]) => wanted),
  "a/optimizer.pt",
  "a/deeper/sae_weights.safetensors",
  "layers.3.mlp/sae.safetensors",
);
for (const [what, [path, wanted]] of Object.entries(collections)) {
  Deno.test(`saeFiles() finds those of ${what}`, () => {
    assert.deepEqual(
      new Set(pathsOf(saeFiles(everything, path, "test"))),
      new Set(wanted),
    );
  });
}

Deno.test("saeFiles() wants weights, not settings alone", () => {
  assert.throws(
    () => saeFiles(everything, "", "hf://a/b"),
    /^DataError: Cannot find the SAE hf:\/\/a\/b: expected one of cfg.json, .*, got README.md, /,
  );
});

Deno.test("tokenizerFiles() finds what lies beside tokenizer.json", () => {
  const files = listed("tokenizer.json", "a/tokenizer.json", "a/vocab.json", "a/model.bin");
  for (const path of ["a", "a/tokenizer.json"]) {
    assert.deepEqual(pathsOf(tokenizerFiles(files, path)), ["a/tokenizer.json", "a/vocab.json"]);
  }
});

Deno.test("blocksBefore() counts the hook's own block, unless it is read before that", () => {
  const blocks = (name: string) => blocksBefore(parseHook(`blocks.3.${name}`, "test"));
  assert.equal(blocks("hook_resid_pre"), 3);
  for (const name of ["hook_resid_mid", "hook_resid_post", "hook_mlp_out", "attn.hook_z"]) {
    assert.equal(blocks(name), 4);
  }
});

// deno-fmt-ignore
const tensors: Readonly<Record<string, readonly [names: string[], later: string[]]>> = {
  gpt_neox: [["gpt_neox.embed_in.weight", "gpt_neox.layers.2.attention.bias"],
    ["gpt_neox.layers.3.attention.bias", "gpt_neox.layers.21.mlp.bias", "gpt_neox.final_layer_norm.bias", "embed_out.weight"]],
  gpt2: [["wte.weight", "transformer.wpe.weight", "transformer.h.0.attn.c_attn.weight", "h.2.ln_1.bias"],
    ["h.10.ln_1.bias", "transformer.ln_f.weight", "ln_f.bias", "lm_head.weight"]],
  llama: [["model.embed_tokens.weight", "model.layers.2.input_layernorm.weight"],
    ["model.layers.12.mlp.up_proj.weight", "model.norm.weight", "lm_head.weight"]],
  opt: [["model.decoder.layers.1.final_layer_norm.weight"], ["model.decoder.final_layer_norm.weight"]],
  unknown: [["something.else"], []],
};
for (const [family, [needed, later]] of Object.entries(tensors)) {
  Deno.test(`isInBlocks() tells what ${family} needs in three blocks`, () => {
    for (const name of needed) assert(isInBlocks(name, 3), name);
    for (const name of later) assert(!isInBlocks(name, 3), name);
  });
}

Deno.test("shardsBefore() keeps the map of the shards it takes, and no part where it takes all", () => {
  const index = { metadata: { total_size: 3 }, weight_map: { a: "1", b: "2", c: "1", d: "3" } };
  const { shards, part } = shardsBefore(index, "test", (name) => name === "c" || name === "d");
  assert.deepEqual(shards, ["1", "3"]);
  assert.deepEqual(JSON.parse(part!), {
    metadata: { total_size: 3 },
    weight_map: { a: "1", c: "1", d: "3" },
  });
  assert.equal(shardsBefore(index, "test", () => true).part, undefined);
});

const maps: Readonly<Record<string, unknown>> = {
  "a way up": { a: "../b" },
  "a folder": { a: "b/c" },
  "an absolute path": { a: "/b" },
  "a number": { a: 1 },
  "two dots": { a: ".." },
};
for (const [what, weight_map] of Object.entries(maps)) {
  Deno.test(`shardsBefore() refuses ${what} in an index`, () => {
    assert.throws(() => shardsBefore({ weight_map }, "index.json", () => true), {
      message: "Cannot read index.json: expected plain file names, " +
        `got ${JSON.stringify(Object.values(weight_map as object)[0])}`,
    });
  });
}

Deno.test("copyBlocks() copies the bytes of what is needed, and reads no more than header and them", async () => {
  const names = ["embed", "h.0.a", "h.1.a", "h.10.a", "h.2.a", "lm_head.weight"];
  const all: RawTensor[] = names.map((name, i) => ({
    name,
    dtype: "F16",
    shape: [50, i],
    bytes: new Uint8Array(100 * i).fill(i),
  }));
  const whole = bytesInMemory("model.safetensors", encodeTensors(all));
  let read = 0;
  const counted = {
    ...whole,
    read(start: number, end: number) {
      read += end - start;
      return whole.read(start, end);
    },
  };
  await inTempDir(async (folder) => {
    const path = `${folder}/part.safetensors`;
    const told: [number, number][] = [];
    const nBytes = await copyBlocks(counted, path, 3, (...at) => told.push(at));
    const part = await readTensors(await openFile(path));
    const wanted = all.filter(({ name }) => isInBlocks(name, 3));
    assert.deepEqual(part.tensors.map(({ name }) => name), ["embed", "h.0.a", "h.1.a", "h.2.a"]);
    assert.deepEqual(new Set(part.tensors), new Set(wanted));
    assert.equal(nBytes, wanted.reduce((n, { bytes }) => n + bytes.length, 0));
    assert.deepEqual(told.at(-1), [nBytes, nBytes]);
    const [first] = (await readEntries(whole)).values();
    assert.equal(read, first.start + nBytes);
    assert.equal(await blocksIn(await openFile(path)), 3);
  });
});
