// What gives a wrong setting away: the SAEs of fixtures/sae_formats, which do reconstruct, run rightly and
// wrongly on their own model.

import assert from "node:assert/strict";
import { encoderGraph } from "../src/encoder.ts";
import { runHere, type Runner } from "../src/encode_run.ts";
import { extractSweep } from "../src/extract_sweep.ts";
import { readModel } from "../src/model.ts";
import { readSae, type Sae } from "../src/sae.ts";
import { checkingRunner, selfCheck } from "../src/sae_check.ts";
import { conventions } from "../src/sae_conventions.ts";
import { createEncoder } from "../src/session.ts";
import { readSweep } from "../src/sweep.ts";
import { inTempDir } from "./_files.ts";
import { fixtures, gemma, json, told, topk, withCopy } from "./_saes.ts";

const goldens = new URL("../fixtures/goldens/", import.meta.url).pathname;
const tokens: number[][] = JSON.parse(Deno.readTextFileSync(`${fixtures}tokens.json`));
const ids = Int32Array.from(tokens.flat());
const all = { ids, start: 0, nRows: ids.length, isMeasured: tokens.map(() => false) };

/** Runs the tokens through an SAE, and gives what it is warned of. */
async function warningsOf(
  sae: Sae,
  { isProcessed = sae.isProcessed, model = `${fixtures}model` } = {},
): Promise<string[]> {
  const graph = encoderGraph(await readModel(model), sae, { length: 16, isProcessed });
  const warnings: string[] = [];
  const runner = checkingRunner(
    runHere(await createEncoder(graph), { sae, threshold: 1e-6 }),
    sae,
    { isProcessed, onWarning: (warning) => warnings.push(warning) },
  );
  try {
    await runner.run(all);
  } finally {
    await runner.release();
  }
  return warnings;
}

const right = ["saelens_centred", "sparsify/layers.0", "sparsify_groupmax", gemma, "llama_scope"];
for (const { name } of Deno.readDirSync(`${fixtures}dictionary_learning`)) {
  right.push(`dictionary_learning/${name}`);
}
Deno.test("an SAE that is run as in training gives no warning", async () => {
  for (const path of right) {
    assert.deepEqual(await warningsOf(await readSae(fixtures + path, told)), [], path);
  }
});

const notCentred =
  /^explained variance is -\d\.\d\d on the first 256 tokens: the values are perhaps not centred as in training; try "center": true$/;
const centred =
  /^explained variance is -\d\.\d\d on the first 256 tokens: the values are perhaps centred, which they were not in training; try "center": false$/;
const another =
  /^explained variance is -\d+\.\d\d on the first 256 tokens: the values are perhaps of another hook, model or scale than in training$/;

Deno.test("values that are not centred against training give themselves away", async () => {
  const sae = await readSae(`${fixtures}saelens_centred`);
  for (const wrong of [sae, { ...sae, isProcessed: false }]) { // the sweep's fault, and cfg.json's
    const [warning, ...others] = await warningsOf(wrong, { isProcessed: false });
    assert.match(warning, notCentred);
    assert.deepEqual(others, []);
  }
});

Deno.test("values that are centred against training give themselves away", async () => {
  for (const path of ["sparsify/layers.0", topk, gemma, "llama_scope"]) {
    const sae = await readSae(fixtures + path, told);
    for (const wrong of [sae, { ...sae, isProcessed: true }]) {
      const [warning, ...others] = await warningsOf(wrong, { isProcessed: true });
      assert.match(warning, centred, path);
      assert.deepEqual(others, [], path);
    }
  }
});

Deno.test("values of another hook give themselves away", async () => {
  const hook = "blocks.0.hook_mlp_out";
  const [warning] = await warningsOf(
    await readSae(`${fixtures}sparsify_groupmax`, { ...told, hook }),
  );
  assert.match(warning, another);
});

Deno.test("an input that is scaled by a tenth of what it should be gives itself away", () =>
  withCopy(
    "llama_scope",
    json("hyperparams.json", { dataset_average_activation_norm: { in: 140 } }),
    async (folder) => {
      const warnings = await warningsOf(await readSae(folder, told));
      assert.equal(warnings.length, 1);
      assert.match(warnings[0], another);
    },
  ));

const notTopk =
  /^L0 is \d+\.\d on the first 256 tokens, where k says \d\.0: the activation is perhaps topk or jumprelu, which its files do not say$/;

Deno.test("a top-k SAE whose cfg.json has k, but relu, gives itself away", () =>
  inTempDir(async (folder) => {
    for (const { name } of Deno.readDirSync(`${goldens}saes/topk-v5`)) {
      Deno.copyFileSync(`${goldens}saes/topk-v5/${name}`, `${folder}/${name}`);
    }
    const model = `${goldens}models/main-fp32`;
    assert.deepEqual(await warningsOf(await readSae(folder), { model }), []);

    json("cfg.json", { activation_fn_str: "relu" })(folder);
    const warnings = await warningsOf(await readSae(folder), { model });
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], notTopk);
  }));

Deno.test("a top-k SAE that reconstructs well as a relu one gives itself away all the same", async () => {
  const sae = await readSae(`${fixtures}sparsify/layers.0`);
  const warnings = await warningsOf({ ...sae, activation: { kind: "relu" } });
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], notTopk);
});

Deno.test("features that hardly fire, or fire too often above a threshold, are a matter of scale", async () => {
  const sae = await readSae(fixtures + gemma, told);
  const first = { nTokens: 9, explainedVariance: 0.9, mse: 1, meanInput: 0 };
  const says = `on the first 9 tokens, where the folder ${gemma.split("/").at(-1)} says 22.0: ` +
    "the values are perhaps of another hook, model or scale than in training";
  assert.deepEqual(selfCheck(sae, { ...first, l0: 10 }), [`L0 is 10.0 ${says}`]);
  assert.deepEqual(selfCheck(sae, { ...first, l0: 45 }), [`L0 is 45.0 ${says}`]);
  assert.deepEqual(selfCheck(sae, { ...first, l0: 11 }), []);
  assert.deepEqual(selfCheck(sae, { ...first, l0: 44 }), []);
});

Deno.test("where nothing was measured, or nothing is expected, nothing is said", async () => {
  const sae = { ...await readSae(fixtures + gemma, told), expectedL0: undefined };
  const first = { nTokens: 9, l0: 60, explainedVariance: NaN, mse: NaN, meanInput: NaN };
  assert.deepEqual(selfCheck(sae, first), []);
});

Deno.test("a run that is checked gives what it would have given", async () => {
  const sae = await readSae(`${fixtures}saelens_centred`);
  const graph = encoderGraph(await readModel(`${fixtures}model`), sae, { length: 16 });
  const plain = runHere(await createEncoder(graph), { sae, threshold: 1e-6 });
  const asked: boolean[][] = [];
  const spied: Runner = {
    ...plain,
    run(run) {
      asked.push([...run.isMeasured]);
      return plain.run(run);
    },
  };
  const options = { isProcessed: true, onWarning: () => {} };
  const checking = checkingRunner(spied, sae, options);
  try {
    const first = {
      ids: ids.subarray(0, 48),
      start: 0,
      nRows: 40,
      isMeasured: [false, true, false],
    };
    const later = { ...first, start: 48 };
    for (const run of [first, later]) {
      assert.deepEqual(await checking.run(run), await plain.run(run));
    }
    assert.deepEqual(asked, [[true, true, true], [false, true, false]]);
  } finally {
    await plain.release();
  }
});

Deno.test("a sweep tells its conventions, where they differ, and warns; its bytes do not change", () =>
  inTempDir(async (folder) => {
    const lines = tokens.map((input_ids) => JSON.stringify({ input_ids }));
    Deno.writeTextFileSync(`${folder}/tokens.jsonl`, lines.join("\n"));
    const checkpoints = ["saelens_centred", "sparsify/layers.0", gemma, "sparsify/layers.0"].map((
      path,
      step,
    ) => ({ step, model: `${fixtures}model`, sae: fixtures + path }));
    const told = { hook: "blocks.0.hook_resid_post", context_size: 16 };
    const text = JSON.stringify({
      tokens: { path: "tokens.jsonl" },
      checkpoints,
      ...told,
      center: true,
    });
    Deno.writeTextFileSync(`${folder}/sweep.json`, text);
    const sweep = await readSweep(`${folder}/sweep.json`);

    const said: [string, readonly string[]][] = [];
    const warned: [string, string][] = [];
    await extractSweep(sweep, `${folder}/a`, {
      workers: 1,
      allowDuplicates: true, // one model will do
      on: {
        conventions: (lines, name) => said.push([name, lines]),
        warning: (warning, name) => warned.push([name, warning]),
      },
    });
    assert.deepEqual(said, [
      ["step0", conventions(await readSae(`${fixtures}saelens_centred`))],
      ["step1", [
        "format: sparsify",
        "activation: topk, the 6 largest of a token, from 0",
        "expected L0: 6.0 by k",
      ]],
      ["step2", [
        "format: Gemma Scope",
        "b_dec: not subtracted from the input",
        "activation: jumprelu, above thresholds from 0.0204 to 0.0689",
        "expected L0: 22.0 by the folder average_l0_22",
      ]],
      ["step3", said[1][1]],
    ]);
    assert.deepEqual(warned.map(([name]) => name), ["step1", "step2", "step3"]);
    for (const [, warning] of warned) assert.match(warning, centred);

    await extractSweep(sweep, `${folder}/b`, { workers: 1, batchSize: 3, allowDuplicates: true });
    for (const { step } of checkpoints) {
      const [a, b] = ["a", "b"].map((out) =>
        Deno.readFileSync(`${folder}/${out}/activations/step${step}.arrow`)
      );
      assert.deepEqual(a, b);
    }
    const [again] = await extractSweep(sweep, `${folder}/a`, { steps: [1], allowDuplicates: true });
    assert.deepEqual(again.sources.at(-1)?.path, `${fixtures}sparsify/layers.0/sae.safetensors`);
  }));
