// A sweep on a loopback hub: which files come, and that they are read as those on this disk are.

import assert from "node:assert/strict";
import { fetchSweep } from "../../src/fetch_sweep.ts";
import { openFile } from "../../src/files.ts";
import { readSae } from "../../src/sae.ts";
import { readTokens } from "../../src/tokens.ts";
import { commitOf, type Files, startHub } from "./_loopback.ts";
import {
  checkModel,
  filesBelow,
  repositoryOf,
  tiny,
  tinyCheckpoint as one,
  tinySweep,
  withTiny,
} from "./_tiny.ts";

Deno.test("a sweep comes whole, and is read as the folder that it was made of", async () => {
  await withTiny(async (fetch, hub, cache) => {
    const places = await fetch(tinySweep);
    const options = { contextSize: 128, totalTokens: 640000 };
    assert.deepEqual(
      await readTokens(await openFile(places.get(tinySweep.tokens.path)!), options),
      await readTokens(await openFile(`${tiny}/tokens.parquet`), options),
    );
    assert.equal(
      await Deno.readTextFile(places.get(tinySweep.tokenizer)!),
      await Deno.readTextFile(`${tiny}/tokenizer.json`),
    );
    for (const { step, model, sae } of tinySweep.checkpoints) {
      await checkModel(places.get(model)!); // every weight before the hook is there
      const [found, expected] = await Promise.all(
        [places.get(sae)!, `${tiny}/saes/step${step}`].map((folder) => readSae(folder)),
      );
      assert.deepEqual(found.decoder, expected.decoder);
    }
    assert(places.has(tinySweep.ceiling.sae));

    const paths = filesBelow(cache).filter((path) => path.includes("/snapshots/"));
    assert.deepEqual(paths.filter((path) => /README|optimizer|pytorch|\.parquet/.test(path)), []);
    const shards = paths.filter((path) => path.includes("tiny--shards")).map((path) =>
      path.split("/").at(-1)
    );
    assert.deepEqual(shards, [
      "config.json",
      "model-0.safetensors",
      "model-1.safetensors",
      "model-2.safetensors",
      "model-first.safetensors",
      "model.safetensors.index.json",
    ], "no shard at or after the hook");
    assert(hub.sentBytes() > 0);
  });
});

Deno.test("a second fetch asks for revisions and lists alone, and offline for nothing", async () => {
  await withTiny(async (fetch, hub, cache) => {
    const first = await fetch(tinySweep);
    const sent = hub.sentBytes();
    hub.asked.length = 0;
    assert.deepEqual(await fetch(tinySweep), first);
    assert.equal(hub.sentBytes(), sent);
    assert(hub.asked.every(({ path }) => path.startsWith("/api/")));

    hub.asked.length = 0;
    const sweep = `${cache}/../sweep.json`;
    assert.deepEqual(await fetchSweep(sweep, undefined, cache), first);
    await Deno.remove(`${cache}/models--tiny--saes`, { recursive: true });
    await assert.rejects(
      fetchSweep(sweep, undefined, cache),
      /^DataError: Cannot find hf:\/\/tiny\/saes\/step0 in .*: expected what was fetched before/,
    );
    assert.deepEqual(hub.asked, []);
  });
});

Deno.test("a branch that moved is followed, and its old files stay", async () => {
  const [old, now] = [{ "config.json": new Uint8Array(1) }, { "config.json": new Uint8Array(2) }];
  const repository = repositoryOf({ main: old, next: now });
  const tokenizer = "hf://tiny/moves/config.json";
  await withTiny(async (fetch, hub, cache) => {
    const sweep = { tokenizer };
    const first = (await fetch(sweep)).get(tokenizer)!;
    hub.faults.push(({ path }) =>
      path.endsWith("/revision/main") ? Response.json({ sha: commitOf("next") }) : undefined
    );
    const second = (await fetch(sweep)).get(tokenizer)!;
    assert.deepEqual([first, second].map((path) => Deno.statSync(path).size), [1, 2]);
    assert.equal(
      await Deno.readTextFile(`${cache}/models--tiny--moves/refs/main`),
      commitOf("next"),
    );
  }, () => startHub({ "tiny/moves": repository }));
});

const spoiled: Readonly<Record<string, [Files, RegExp]>> = {
  "an index that leads out of its folder": [
    { "model.safetensors.index.json": new TextEncoder().encode('{"weight_map":{"a":"../b"}}') },
    /^DataError: Cannot read .*: expected plain file names, got "\.\.\/b"$/,
  ],
  "an index without a map": [
    { "model.safetensors.index.json": new TextEncoder().encode("{}") },
    /: expected a weight_map, got nothing$/,
  ],
  "an index of shards that are not there": [
    { "model.safetensors.index.json": new TextEncoder().encode('{"weight_map":{"a":"b"}}') },
    /Cannot fetch hf:\/\/tiny\/odd@main\/b: expected the file that model.* names, got none$/,
  ],
};
for (const [what, [files, message]] of Object.entries(spoiled)) {
  Deno.test(`${what} is refused in one sentence`, async () => {
    const config = { "config.json": new TextEncoder().encode("{}") };
    const repository = repositoryOf({ main: { ...config, ...files } });
    await withTiny(async (fetch) => {
      const checkpoints = [{ step: 0, model: "hf://tiny/odd", sae: "saes/step0" }];
      await assert.rejects(fetch({ checkpoints }), message);
    }, () => startHub({ "tiny/odd": repository }));
  });
}

Deno.test("no model, no SAE, no data set of this name is one sentence each", async () => {
  await withTiny(async (fetch) => {
    const cases: [unknown, RegExp][] = [
      [
        { checkpoints: [{ ...one, model: "hf://tiny/saes/step0" }] },
        /Cannot find the model hf:.*: expected config.json, got step0\/cfg.json, step0\/.*/,
      ],
      [
        { checkpoints: [{ ...one, sae: "hf://tiny/saes" }] },
        /^DataError: Cannot find the SAE hf:\/\/tiny\/saes: expected one of cfg.json, .*, got README.md, .* and \d+ more$/,
      ],
      [
        { tokens: { path: "hf://datasets/tiny/tokens/1.parquet" }, checkpoints: [one] },
        /Cannot fetch hf:\/\/datasets\/tiny\/tokens@main\/1.parquet: expected a file, got none of this path$/,
      ],
      [
        { tokens: tinySweep.tokens },
        /Cannot cut hf:.*: expected the SAEs' cfg.json, or --context-size, got neither$/,
      ],
    ];
    for (const [sweep, message] of cases) await assert.rejects(fetch(sweep), message, `${message}`);
  });
});
