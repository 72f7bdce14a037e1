import assert from "node:assert/strict";
import type { Listed } from "../src/list_checkpoints.ts";
import { hookOf, languageModelOf, repositoryOf, stepOf } from "../src/sae_steps.ts";
import type { WandbRun } from "../src/wandb.ts";

const sae = (cfg?: Listed["cfg"]): Listed => ({ path: "a", names: ["a"], ...(cfg && { cfg }) });
const run: WandbRun = {
  id: "x",
  name: "x",
  tags: [],
  state: "finished",
  config: { model_name: "pythia-70m-deduped" },
  summary: {},
  historyKeys: [],
};

Deno.test("stepOf() knows checkpoint_value, revision, Stanford's schedule and SAELens 6", () => {
  const told = (cfg: Listed["cfg"]) => stepOf(sae(cfg)).step;
  const kwargs = (kwargs: object, more: object = {}) => ({
    model_from_pretrained_kwargs: kwargs,
    ...more,
  });
  assert.equal(told(kwargs({ checkpoint_value: 2000 })), 2000);
  assert.equal(told(kwargs({ revision: "step64" })), 64);
  assert.equal(told(kwargs({ checkpoint_index: 0, revision: "step0" })), 0);
  assert.equal(
    told(kwargs({ checkpoint_index: 10 }, { model_name: "stanford-gpt2-small-a" })),
    100,
  );
  assert.equal(told({ metadata: kwargs({ checkpoint_index: 153 }) }), 143000);
  assert.throws(() => told(kwargs({ revision: "main" })), /got neither/);
  assert.throws(
    () => told(kwargs({ checkpoint_index: 0, revision: "step64" })),
    /expected step 0, .* got step 64/,
  );
});

Deno.test("repositoryOf() is the one repository that cfg.json and runs name", () => {
  const named = (...names: (string | undefined)[]) =>
    repositoryOf(names.map((name) => sae(name === undefined ? {} : { model_name: name })));
  assert.equal(named("pythia-70m", undefined, "pythia-70m"), "EleutherAI/pythia-70m");
  assert.equal(named("allenai/OLMo-1B-hf"), "allenai/OLMo-1B-hf");
  assert.equal(repositoryOf([sae()], [run]), "EleutherAI/pythia-70m-deduped");
  assert.throws(
    () => named(undefined),
    /expected one repository in all cfg\.json, got none; name it/,
  );
  assert.throws(() => named("gpt2-small"), /got "gpt2-small"; name it with --model/);
  assert.throws(() => named("a/b", "a/c"), /got "a\/b", "a\/c"; name it with --model/);
});

Deno.test("languageModelOf() and hookOf() know every SAELens, and prefer cfg.json to the run", () => {
  const old = sae({ model_name: "m", hook_point: "blocks.3.hook_resid_pre" });
  const recent = sae({ metadata: { model_name: "m", hook_name: "blocks.3.hook_resid_pre" } });
  for (const each of [old, recent]) {
    assert.equal(languageModelOf(each, run), "m");
    assert.equal(hookOf(each), "blocks.3.hook_resid_pre");
  }
  assert.equal(languageModelOf(sae(), run), "pythia-70m-deduped");
  assert.equal(languageModelOf(sae({ model_name: 3 })), undefined);
  assert.equal(hookOf(sae()), undefined);
});
