// Folders of SAEs of every collection: which is which, and what they say.

import assert from "node:assert/strict";
import { detectSaeFormat, findCheckpointIndex, placeSae, readSae } from "../src/sae.ts";
import { inTempDir } from "./_files.ts";
import {
  copy,
  fixtures,
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

Deno.test("a hookpoint is taken by its hook, from the folder of all", async () => {
  const { hook: first, contextSize, where } = await placeSae(`${fixtures}sparsify`, { hook });
  assert.deepEqual([first.name, contextSize], [hook, 16]);
  assert.equal(where, `${fixtures}sparsify/layers.0/cfg.json`);
  const mlp = await placeSae(`${fixtures}sparsify/layers.0.mlp`);
  assert.equal(mlp.hook.name, "blocks.0.hook_mlp_out");
});

Deno.test("a hookpoint is a module's output, by the name of its folder", async () => {
  const hooks = {
    "layers.3": "blocks.3.hook_resid_post",
    "layers.11.attention": "blocks.11.hook_attn_out",
    "layers.1.self_attn": "blocks.1.hook_attn_out",
    "h.2": "blocks.2.hook_resid_post",
    "h.2.attn": "blocks.2.hook_attn_out",
    embed_in: "blocks.0.hook_resid_pre",
    embed_tokens: "blocks.0.hook_resid_pre",
  };
  await inTempDir(async (folder) => {
    for (const [name, expected] of Object.entries(hooks)) {
      copy(`${fixtures}sparsify_groupmax`, `${folder}/${name}`);
      const { hook } = await placeSae(`${folder}/${name}`, { contextSize: 8 });
      assert.equal(hook.name, expected);
    }
  });
});

Deno.test("a submodule of dictionary_learning is a hook", () =>
  withCopy(topk, trainer({ submodule_name: "mlp_out_layer_0" }), async (folder) => {
    assert.equal((await placeSae(folder)).hook.name, "blocks.0.hook_mlp_out");
  }));

Deno.test("a checkpoint of dictionary_learning's training is an SAE of its own", async () => {
  await withCopy(topk, () => {}, async (folder) => {
    const whole = await readSae(folder);
    Deno.mkdirSync(`${folder}/checkpoints`);
    Deno.renameSync(`${folder}/ae.pt`, `${folder}/checkpoints/ae_100.pt`);
    const sae = await readSae(`${folder}/checkpoints/ae_100.pt`);
    assert.equal(sae.format, "dictionary_learning");
    assert.deepEqual(sae.decoder, whole.decoder);
    assert.deepEqual(sae.files.map(({ name }) => name.slice(folder.length + 1)), [
      "config.json",
      "checkpoints/ae_100.pt",
    ]);
  });
});

Deno.test("an AutoEncoder's decoder has rows of length 1 once it is read", async () => {
  const { decoder, dIn: D } = await readSae(`${fixtures}dictionary_learning/AutoEncoder`);
  for (let row = 0; row < decoder.length; row += D) {
    const length = Math.hypot(...decoder.subarray(row, row + D));
    assert(Math.abs(length - 1) < 1e-6, `${length}`);
  }
});

Deno.test("the mean of what features were measured to fire is what is expected", async () => {
  await withCopy(
    "saelens_centred",
    tensors("sparsity.safetensors", { sparsity: floats([64], -1) }),
    async (folder) => {
      const { expectedL0, files } = await readSae(folder);
      assert.equal(expectedL0?.source, "sparsity.safetensors");
      assert(Math.abs(expectedL0.value - 6.4) < 1e-5);
      assert.equal(files.length, 2, "activations do not depend on it");
    },
  );
});

Deno.test("the layer and the L0 of Gemma Scope are in the name of its folder", () =>
  inTempDir(async (folder) => {
    Deno.mkdirSync(`${folder}/layer_7/width_1k/average_l0_71`, { recursive: true });
    const at = `${folder}/layer_7/width_1k/average_l0_71`;
    npz({})(at);
    const sae = await readSae(at, { hook: "blocks.7.hook_resid_post", contextSize: 4 });
    assert.deepEqual(sae.expectedL0, { value: 71, source: "the folder average_l0_71" });
    await assert.rejects(readSae(at, told), {
      message: `Cannot read SAE at the hook of the sweep: expected layer 7 as in ` +
        `${at}/params.npz, got ${hook}; leave "hook" out where the SAE's own files have it`,
    });
  }));

Deno.test("only SAELens says a checkpoint of the language model", async () => {
  for (const path of ["saelens_centred", "sparsify/layers.0", topk, gemma, "llama_scope"]) {
    assert.equal((await findCheckpointIndex(fixtures + path)).checkpointIndex, undefined, path);
  }
  await withCopy(
    "saelens_centred",
    json("cfg.json", {
      metadata: {
        hook_name: hook,
        context_size: 16,
        model_from_pretrained_kwargs: { checkpoint_index: 3 },
      },
    }),
    async (folder) => {
      const { checkpointIndex, where } = await findCheckpointIndex(folder);
      assert.deepEqual([checkpointIndex, where], [3, `${folder}/cfg.json`]);
    },
  );
});

Deno.test("an SAE that is not there is looked for as SAELens'", async () => {
  assert.equal(await detectSaeFormat(`${fixtures}nowhere`), "SAELens");
  await assert.rejects(readSae(`${fixtures}nowhere`), {
    message: `Cannot open ${fixtures}nowhere/cfg.json: expected a file, got nothing there`,
  });
});
