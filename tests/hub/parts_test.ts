// Which parts of models and data sets on a loopback hub come, and which are kept.

import assert from "node:assert/strict";
import type { FetchSweepOptions } from "../../src/fetch_sweep.ts";
import { openFile } from "../../src/files.ts";
import { readModel } from "../../src/model.ts";
import { readSae } from "../../src/sae.ts";
import { readEntries } from "../../src/safetensors.ts";
import { readTokens } from "../../src/tokens.ts";
import { commitOf, gitIdOf, type Loopback } from "./_loopback.ts";
import {
  checkModel,
  filesBelow,
  tiny,
  tinyCheckpoint as one,
  tinySweep,
  withTiny,
} from "./_tiny.ts";

Deno.test("a model whose folder is an SAE's as well comes whole, so that both are found", async () => {
  await withTiny(async (fetch) => {
    const both = "hf://tiny/both";
    const folder = (await fetch({ checkpoints: [{ step: 64, model: both, sae: both }] })).get(
      both,
    )!;
    await checkModel(folder);
    assert.equal((await readSae(folder)).dSae, 512);
  });
});

Deno.test("ranges: only the blocks before the hook of one large file, where Python does not look", async () => {
  await withTiny(async (fetch, hub, cache) => {
    const bytes = () =>
      hub.asked.filter(({ server, range }) => server === "store" && range !== undefined).length;
    const place = (await fetch({ checkpoints: [one] }, { weights: "ranges" })).get(one.model)!;
    assert(place.startsWith(`${cache}/models--tiny--model/sae-through-training/`));
    await checkModel(place);
    const { size } = await Deno.stat(`${place}/model.safetensors`);
    const whole = await Deno.stat(`${tiny}/models/step0/model.safetensors`);
    assert(size < 0.7 * whole.size, `${size} of ${whole.size} bytes`);
    const snapshot = filesBelow(cache).filter((path) => path.includes("/snapshots/"));
    assert(!snapshot.some((path) => path.endsWith("model.safetensors")), "Python sees no weights");

    const before = bytes();
    await fetch({ checkpoints: [one] }, { weights: "ranges" });
    assert.equal(bytes(), before, "it is there already");
    await assert.rejects(
      readModel(place).then(({ head }) => head()),
      /embed_out|final_layer_norm/,
    );
    const all = (await fetch({ checkpoints: [one] }, { weights: "whole" })).get(one.model)!;
    assert(all.includes("/snapshots/"));
    (await readModel(all)).head();
  });
});

// An SAE whose files do not say where it reads.
const silent = async (hub: Loopback, more: object) => {
  const params = await Deno.readFile(`${tiny}/saes/step0/sae_weights.safetensors`);
  hub.faults.push(({ path }) =>
    path.startsWith("/api/models/tiny/silent/")
      ? Response.json(
        path.includes("/tree/")
          ? [{ type: "file", path: "params.npz", size: params.length, oid: gitIdOf(params) }]
          : { sha: commitOf("silent") },
      )
      : path.startsWith("/tiny/silent/")
      ? new Response(params)
      : undefined
  );
  const model = "hf://tiny/shards@step64";
  return { ...more, checkpoints: [{ step: 64, model, sae: "hf://tiny/silent" }] };
};

Deno.test("shards that one hook needed stay when another needs fewer, and whole fetches the rest", async () => {
  await withTiny(async (fetch, hub) => {
    const shards = async (point: string, options?: FetchSweepOptions) => {
      const sweep = await silent(hub, { hook: `blocks.${point}`, context_size: 8 });
      const folder = (await fetch(sweep, options)).get("hf://tiny/shards@step64")!;
      const index = await Deno.readTextFile(`${folder}/model.safetensors.index.json`);
      return new Set(index.match(/model-\d\.safetensors/g)).size;
    };
    assert.equal(await shards("0.hook_resid_pre"), 0);
    assert.equal(await shards("1.hook_mlp_out"), 2);
    assert.equal(await shards("0.hook_resid_pre"), 2);
    assert.equal(await shards("0.hook_resid_pre", { weights: "whole" }), 4);
  });
});

Deno.test("ranges are fetched again only where another hook needs more blocks", async () => {
  await withTiny(async (fetch, hub) => {
    const layers = async (point: string) => {
      hub.asked.length = 0;
      const sweep = await silent(hub, { hook: `blocks.${point}`, context_size: 8 });
      const checkpoints = [{ ...sweep.checkpoints[0], model: one.model }];
      const places = await fetch({ ...sweep, checkpoints }, { weights: "ranges" });
      const source = await openFile(`${places.get(one.model)!}/model.safetensors`);
      const names = [...(await readEntries(source)).keys()].join();
      const isAsked = hub.asked.some(({ server }) => server === "store");
      return [new Set(names.match(/layers\.\d/g)).size, isAsked];
    };
    assert.deepEqual(await layers("0.hook_resid_pre"), [0, true]);
    assert.deepEqual(await layers("1.hook_mlp_out"), [2, true]);
    assert.deepEqual(await layers("1.hook_resid_pre"), [2, false]);
    assert.deepEqual(await layers("3.hook_resid_pre"), [3, true]);
  });
});

Deno.test("an SAE that does not say where it reads makes its model come whole", async () => {
  await withTiny(async (fetch, hub) => {
    const folder = (await fetch(await silent(hub, {}))).get("hf://tiny/shards@step64")!;
    assert(filesBelow(folder).includes("model-last.safetensors"));
  });
});

Deno.test("more tokens, or longer sequences, than were kept are fetched; fewer are not", async () => {
  await withTiny(async (fetch, hub) => {
    const rows = async (totalTokens: number, contextSize: number) => {
      hub.asked.length = 0;
      const sweep = { tokens: tinySweep.tokens };
      const place = (await fetch(sweep, { totalTokens, contextSize })).get(sweep.tokens.path)!;
      const { nTokens } = await readTokens(await openFile(place), { totalTokens, contextSize });
      return [nTokens, hub.asked.some(({ server }) => server === "store")];
    };
    assert.deepEqual(await rows(1000, 64), [1000, true]);
    assert.deepEqual(await rows(500, 32), [500, false]);
    assert.deepEqual(await rows(1000, 32), [1000, true], "as many rows hold fewer");
    assert.deepEqual(await rows(4000, 64), [4000, true]);
    assert.deepEqual(await rows(10, 128), [10, true]);
    assert.deepEqual(await rows(4000, 64), [4000, false], "what was there still is");
    assert.deepEqual(await rows(9000, 64), [9000, true]);
    assert.deepEqual(await rows(10, 128), [10, false], "as long as they were");
    const [all] = await rows(10_000_000, 128);
    assert.deepEqual(await rows(10_000_000, 128), [all, false], "there are no more");
  });
});
