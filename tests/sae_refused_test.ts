// What of each collection is no SAE, or is broken, and the sentence that says so.

import assert from "node:assert/strict";
import { readSae, type SaeTold } from "../src/sae.ts";
import {
  type Edit,
  evil,
  floats,
  gemma,
  hook,
  json,
  npz,
  tensors,
  told,
  topk,
  trainer,
  withCopy,
} from "./_saes.ts";
import { npyHeader, npyOf } from "./_zip.ts";

// What is refused, and how: of which SAE, with what changed, told what; <at> stands for its folder.
const refused: Readonly<Record<string, [of: string, edit: Edit, told: SaeTold, message: string]>> =
  {
    "a transcoder of sparsify": [
      "sparsify_groupmax",
      json("cfg.json", { transcode: true }),
      told,
      'read "transcode" in <at>/cfg.json: expected false: an SAE, which gives back what it reads ' +
      "by activations from 0, got true",
    ],
    "a skip connection": [
      "sparsify_groupmax",
      json("cfg.json", { skip_connection: true }),
      told,
      'read "skip_connection" in <at>/cfg.json: expected false: an SAE, which gives back what it ' +
      "reads by activations from 0, got true",
    ],
    "a skip connection that cfg.json does not mention": [
      "sparsify_groupmax",
      tensors("sae.safetensors", { W_skip: floats([16, 16]) }),
      told,
      'read <at>/sae.safetensors: expected the tensors of an SAE, got "W_skip"',
    ],
    "an activation that sparsify has not": [
      "sparsify_groupmax",
      json("cfg.json", { activation: "relu" }),
      told,
      'read "activation" in <at>/cfg.json: expected topk, groupmax, got "relu"',
    ],
    "groups that do not divide the features": [
      "sparsify_groupmax",
      json("cfg.json", { k: 7 }),
      told,
      'read "k" in <at>/cfg.json: expected a number of groups of equal size in 64, got 7',
    ],
    "more features kept than there are": [
      "sparsify_groupmax",
      json("cfg.json", { k: 65 }),
      told,
      'read "k" in <at>/cfg.json: expected 1 to 64, got 65',
    ],
    "an encoder of another width": [
      "sparsify_groupmax",
      json("cfg.json", { d_in: 8 }),
      told,
      'read tensor "encoder.weight" in <at>/sae.safetensors: expected shape [64, 8], ' +
      "got shape [64, 16]",
    ],
    "several hookpoints, and none meant": [
      "sparsify",
      () => {},
      {},
      "choose an SAE of <at>: expected one hookpoint, got layers.0, layers.0.mlp; " +
      "name the folder of one hookpoint",
    ],
    "several hookpoints, and none of the hook": [
      "sparsify",
      () => {},
      { hook: "blocks.1.hook_resid_post" },
      "choose an SAE of <at>: expected one hookpoint at blocks.1.hook_resid_post, " +
      "got layers.0, layers.0.mlp; name the folder of one hookpoint",
    ],
    "a hook that nothing says": [
      "sparsify_groupmax",
      () => {},
      { contextSize: 16 },
      'read SAE of <at>/cfg.json: expected "hook" in the sweep, such as ' +
      '"blocks.3.hook_resid_post", since its files do not say it, got neither',
    ],
    "a context size that nothing says": [
      "sparsify_groupmax",
      () => {},
      { hook },
      'read SAE of <at>/cfg.json: expected "context_size" in the sweep, such as 128, since its ' +
      "files do not say it, got neither",
    ],
    "a class that dictionary_learning has not": [
      topk,
      trainer({ dict_class: "IdentityDict" }),
      {},
      'read "trainer.dict_class" in <at>/config.json: expected AutoEncoder, AutoEncoderNew, ' +
      "AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE, GatedAutoEncoder, " +
      'JumpReluAutoEncoder, got "IdentityDict"',
    ],
    "a class that every object has": [
      topk,
      trainer({ dict_class: "constructor" }),
      {},
      'read "trainer.dict_class" in <at>/config.json: expected AutoEncoder, AutoEncoderNew, ' +
      "AutoEncoderTopK, BatchTopKSAE, MatryoshkaBatchTopKSAE, GatedAutoEncoder, " +
      'JumpReluAutoEncoder, got "constructor"',
    ],
    "config.json without a trainer": [
      topk,
      json("config.json", { trainer: null }),
      {},
      'read "trainer" in <at>/config.json: expected an object, got null',
    ],
    "a width that is text": [
      topk,
      trainer({ activation_dim: "16" }),
      {},
      'read "trainer.activation_dim" in <at>/config.json: expected a count of at least 1, got "16"',
    ],
    "a top-k SAE without its k": [
      topk,
      trainer({ k: null }),
      {},
      'read "trainer.k" in <at>/config.json: expected 1 to 64, got null',
    ],
    "a state dict of another class": [
      topk,
      trainer({ dict_class: "AutoEncoder" }),
      {},
      'read tensor "bias" in <at>/ae.pt: expected shape [16], got only b_dec, k, threshold, ' +
      "decoder.weight, encoder.weight, encoder.bias",
    ],
    "a decoder of another size": [
      topk,
      trainer({ dict_size: 32 }),
      {},
      'read tensor "encoder.weight" in <at>/ae.pt: expected shape [32, 16], got shape [64, 16]',
    ],
    "a state dict that runs a program": [
      topk,
      evil,
      {},
      'read <at>/ae.pt: expected only tensors, got global "os.system"',
    ],
    "a hook of another layer than the trainer's": [
      "dictionary_learning/AutoEncoderNew",
      () => {},
      { hook: "blocks.1.hook_resid_post", contextSize: 16 },
      "read SAE at the hook of the sweep: expected layer 0 as in <at>/config.json, " +
      'got blocks.1.hook_resid_post; leave "hook" out where the SAE\'s own files have it',
    ],
    "a layer that is no hook": [
      "dictionary_learning/AutoEncoderNew",
      () => {},
      { contextSize: 16 },
      'read SAE of <at>/config.json: expected "hook" in the sweep, such as ' +
      '"blocks.0.hook_resid_post", since its files do not say it, got neither',
    ],
    "an array that Gemma Scope has not": [
      gemma,
      npz({ W_skip: npyOf(npyHeader("<f4", [1]), new Uint8Array(4)) }),
      told,
      'read <at>/params.npz: expected W_enc, W_dec, b_enc, b_dec, threshold, got also "W_skip"',
    ],
    "params.npz of objects": [
      gemma,
      npz({ W_enc: npyOf(npyHeader("|O", [2, 3]), new Uint8Array(48)) }),
      told,
      'read "W_enc.npy" in <at>/params.npz: expected dtype |b1, |u1, |i1, <u2, <i2, <f2, <u4, ' +
      "<i4, <f4, <u8, <i8, <f8, got |O",
    ],
    "an array of another shape": [
      gemma,
      npz({ b_dec: npyOf(npyHeader("<f4", [3]), new Uint8Array(12)) }),
      told,
      'read tensor "b_dec" in <at>/params.npz: expected shape [2], got shape [3]',
    ],
    "a transcoder of Llama Scope": [
      "llama_scope",
      json("hyperparams.json", { hook_point_out: "blocks.0.hook_mlp_out" }),
      told,
      'read "hook_point_out" in <at>/hyperparams.json: expected blocks.0.hook_resid_post, what an ' +
      'SAE gives back, got "blocks.0.hook_mlp_out"',
    ],
    "a gated linear encoder": [
      "llama_scope",
      json("hyperparams.json", { use_glu_encoder: true }),
      told,
      'read "use_glu_encoder" in <at>/hyperparams.json: expected false, got true',
    ],
    "an activation that Llama Scope has not published": [
      "llama_scope",
      json("hyperparams.json", { act_fn: "topk" }),
      told,
      'read "act_fn" in <at>/hyperparams.json: expected jumprelu, got "topk"',
    ],
    "no mean length of its input": [
      "llama_scope",
      json("hyperparams.json", { dataset_average_activation_norm: { out: 4 } }),
      told,
      'read "dataset_average_activation_norm" in <at>/hyperparams.json: expected a length above 0 ' +
      'of its input, as in, got {"out":4}',
    ],
    "a hook of another name than in hyperparams.json": [
      "llama_scope",
      () => {},
      { hook: "blocks.0.hook_mlp_out", contextSize: 16 },
      "read SAE at the hook of the sweep: expected blocks.0.hook_resid_post as in " +
      "<at>/hyperparams.json, got blocks.0.hook_mlp_out; " +
      'leave "hook" out where the SAE\'s own files have it',
    ],
    "a folder of something else": [
      "make",
      () => {},
      told,
      "read SAE of <at>: expected cfg.json and sae_weights.safetensors (SAELens), cfg.json and " +
      "sae.safetensors (sparsify), config.json and ae.pt (dictionary_learning), params.npz (Gemma " +
      "Scope), or hyperparams.json and checkpoints (Llama Scope), got make.py",
    ],
    "cfg.json alone": [
      "saelens_centred",
      (folder) => Deno.removeSync(`${folder}/sae_weights.safetensors`),
      {},
      "open <at>/sae_weights.safetensors: expected a file, got nothing there",
    ],
    "a sparsity of other features": [
      "saelens_centred",
      tensors("sparsity.safetensors", { sparsity: floats([63]) }),
      {},
      'read tensor "sparsity" in <at>/sparsity.safetensors: expected shape [64], got shape [63]',
    ],
  };
for (const [what, [of, edit, told, message]] of Object.entries(refused)) {
  Deno.test(`readSae() refuses ${what}`, () =>
    withCopy(of, edit, async (folder) => {
      await assert.rejects(readSae(folder, told), {
        name: "DataError",
        message: `Cannot ${message.replaceAll("<at>", folder)}`,
      });
    }));
}

for (const [of, name] of Object.entries({ [topk]: "ae.pt", [gemma]: "params.npz" })) {
  Deno.test(`readSae() refuses ${name} cut short anywhere`, () =>
    withCopy(of, () => {}, async (folder) => {
      const bytes = Deno.readFileSync(`${folder}/${name}`);
      for (let part = 0; part < 20; part++) {
        Deno.writeFileSync(`${folder}/${name}`, bytes.subarray(0, bytes.length * part / 20));
        await assert.rejects(readSae(folder, told), { name: "DataError" }, `${part}/20`);
      }
    }));
}

Deno.test("readSae() refuses a weight that is not finite, in every collection", async () => {
  const nan = new Uint8Array(new Float32Array(2).fill(NaN).buffer);
  await withCopy(gemma, npz({ b_dec: npyOf(npyHeader("<f4", [2]), nan) }), async (folder) => {
    await assert.rejects(readSae(folder, told), {
      message: `Cannot read tensor "b_dec" in ${folder}/params.npz: expected finite numbers, ` +
        "got NaN at element 0",
    });
  });
  const weights = {
    "encoder.weight": floats([64, 16], NaN),
    "encoder.bias": floats([64]),
    W_dec: floats([64, 16]),
    b_dec: floats([16]),
  };
  await withCopy("sparsify_groupmax", tensors("sae.safetensors", weights), async (folder) => {
    await assert.rejects(readSae(folder, told), {
      message: `Cannot read tensor "encoder.weight" in ${folder}/sae.safetensors: ` +
        "expected finite numbers, got NaN at element 0",
    });
  });
});
