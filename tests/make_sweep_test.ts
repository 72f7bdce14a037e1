import assert from "node:assert/strict";
import { DataError } from "../src/errors.ts";
import type { Listed } from "../src/list_checkpoints.ts";
import { makeSweep, type MakeSweepOptions } from "../src/make_sweep.ts";
import { randomFrom } from "../src/random.ts";
import type { WandbRun } from "../src/wandb.ts";

const family = "EleutherAI/pythia-70m-deduped";
const options: MakeSweepOptions = { family, out: "sweep.json" };

const model = (name: string, commit?: string): Listed => ({
  path: `hf://${family}@${name}`,
  names: [name],
  ...(commit !== undefined && { commit }),
});
const sae = (path: string, cfg?: Listed["cfg"]): Listed => ({
  path: `saes/${path}`,
  names: path.split("/"),
  ...(cfg && { cfg }),
});
const cfgAt = (index: unknown, more: object = {}) => ({
  model_name: "pythia-70m-deduped",
  hook_point: "blocks.3.hook_resid_pre",
  model_from_pretrained_kwargs: { checkpoint_index: index },
  ...more,
});
const runOf = (id: string, index: unknown, more: Partial<WandbRun> = {}): WandbRun => ({
  id,
  name: `run ${id}`,
  tags: [],
  state: "finished",
  config: { ...cfgAt(index), checkpoint_path: `checkpoints/${id}` },
  summary: { "losses/overall_loss": 142.7, "losses/l1_loss": 22.4, "losses/mse_loss": 75.4 },
  historyKeys: [],
  ...more,
});

const pythia = ["main", "step0", "step512", "step1000", "step143000"].map((name) => model(name));

Deno.test("makeSweep() takes the model of every SAE's step, in order of training, and its tokens", () => {
  const { sweep, notes } = makeSweep(
    pythia,
    [sae("step1000"), sae("step0/final"), sae("nt6053cl", cfgAt(10))],
    { ...options, out: "out/sweep.json", tokens: { path: "data/t.parquet", column: "ids" } },
  );
  assert.deepEqual(sweep, {
    name: "pythia-70m-deduped, blocks.3.hook_resid_pre",
    tokens: { path: "../data/t.parquet", column: "ids" },
    checkpoints: [
      { step: 0, tokens: 0, model: `hf://${family}@step0`, sae: "../saes/step0/final" },
      { step: 512, tokens: 2 ** 30, model: `hf://${family}@step512`, sae: "../saes/nt6053cl" },
      { step: 1000, tokens: 2097152000, model: `hf://${family}@step1000`, sae: "../saes/step1000" },
    ],
  });
  assert.deepEqual(notes, []);
});

Deno.test("makeSweep() does not depend on the order of models and SAEs", () => {
  const random = randomFrom(4);
  const shuffled = <T>(list: readonly T[]) =>
    list.map((item) => ({ item, key: random() })).sort((a, b) => a.key - b.key)
      .map(({ item }) => item);
  const saes = ["step0", "step512", "step1000", "step143000"].map((name) => sae(name));
  const first = makeSweep(pythia, saes, options);
  for (let trial = 0; trial < 30; trial++) {
    assert.deepEqual(makeSweep(shuffled(pythia), shuffled(saes), options), first);
  }
});

Deno.test("makeSweep() puts the losses of finished runs beside the SAEs of their folders", () => {
  const saes = [
    sae("nt6053cl/100000"),
    sae("nt6053cl/final_400003072"),
    sae("p0hcxgno/final_400003072", cfgAt(153)),
    sae("unrelated/final_1"),
  ];
  const runs = [
    runOf("p0hcxgno", 153, {
      summary: { "losses/overall_loss": 3, "losses/l1_loss": null, "losses/mse_loss": Infinity },
    }),
    runOf("x1", 10, { config: { ...cfgAt(10), checkpoint_path: "C:\\saes\\nt6053cl\\" } }),
    runOf("x2", 0, { state: "crashed" }),
  ];
  const { sweep, notes } = makeSweep(pythia, saes, { ...options, runs });
  assert.deepEqual(sweep.checkpoints.map(({ step, sae, losses }) => ({ step, sae, losses })), [
    {
      step: 512,
      sae: "saes/nt6053cl/final_400003072",
      losses: { overall: 142.7, l1: 22.4, mse: 75.4 },
    },
    { step: 143000, sae: "saes/p0hcxgno/final_400003072", losses: { overall: 3 } },
  ]);
  assert.deepEqual(notes, [
    "left out saes/nt6053cl/100000: from before the end of its training",
    "left out run x2 (run x2): crashed",
  ]);
});

Deno.test("makeSweep() leaves out the SAE of another seed, and names absolute paths as they are", () => {
  const { sweep, notes } = makeSweep(
    [{ path: "/models/step4", names: ["step4"] }],
    [
      { path: "/saes/step4", names: ["step4"] },
      { path: "/saes/step4-seed2", names: ["step4-seed2"] },
    ],
    { family: "/models/", out: "out/a.json", tokens: { path: "/tokens.npy" } },
  );
  assert.deepEqual(sweep, {
    name: "models",
    tokens: { path: "/tokens.npy" },
    checkpoints: [{ step: 4, model: "/models/step4", sae: "/saes/step4" }],
  });
  assert.deepEqual(notes, ["left out /saes/step4-seed2: named for a seed and for no step"]);
});

const olmo = [
  "stage1-step0-tokens0B",
  "stage1-step1000-tokens3B",
  "stage2-ingredient1-step1000-tokens3B",
  "stage2-ingredient2-step1000-tokens3B",
].map((name) => model(name));

Deno.test("makeSweep() keeps to a stage, and takes stages that go on counting", () => {
  const saes = [sae("step1000"), sae("step0")];
  const { sweep } = makeSweep(olmo, saes, { ...options, family: "allenai/O", stage: "1" });
  assert.equal(sweep.name, "O, stage 1");
  assert.deepEqual(sweep.checkpoints.map(({ step, tokens }) => [step, tokens]), [[0, 0], [
    1000,
    3e9,
  ]]);
  const counted = ["stage1-step-40000", "stage2-step-80000"];
  const going = makeSweep(counted.map((name) => model(name)), counted.map((name) => sae(name)), {
    ...options,
    family: "HuggingFaceTB/SmolLM3-3B-checkpoints",
  });
  assert.deepEqual(going.sweep.checkpoints.map(({ tokens }) => tokens), [
    40000 * 2359296,
    80000 * 2359296,
  ]);
});

Deno.test("makeSweep() takes a branch and a tag of one commit for one model", () => {
  const models = [model("step512", "c0ffee"), model("step-512", "c0ffee")];
  assert.equal(makeSweep(models, [sae("step512")], options).sweep.checkpoints.length, 1);
});

// What cannot be made a sweep of, and why.
const refused: Record<string, [Listed[], Listed[], Partial<MakeSweepOptions>, RegExp]> = {
  "models of no step": [
    [model("main"), model("v2")],
    [sae("step0")],
    {},
    /^Cannot make a sweep of EleutherAI\/pythia-70m-deduped: expected names that tell a step, got \["main","v2"\]$/,
  ],
  "models of another stage": [
    olmo,
    [sae("step0")],
    { stage: "3" },
    /expected names that tell a step of stage 3, got \["stage1-/,
  ],
  "two models of a step": [
    [model("step512", "c0ffee"), model("step-512", "c0ffed")],
    [sae("step512")],
    {},
    /expected one model a step, got \S+@step512 and \S+@step-512$/,
  ],
  "two folders of a step": [
    [model("step512"), model("step-512")],
    [sae("step512")],
    {},
    /expected one model a step/,
  ],
  "an SAE of no step": [
    pythia,
    [sae("step0"), sae("nt6053cl")],
    {},
    /^Cannot tell the step of saes\/nt6053cl: expected a name such as step512, or a checkpoint_index in its cfg\.json, got neither$/,
  ],
  "an SAE whose name and cfg.json differ": [
    pythia,
    [sae("step1000", cfgAt(10))],
    {},
    /^Cannot tell the step of saes\/step1000: expected step 1000, as step1000 says, got step 512 by saes\/step1000\/cfg\.json$/,
  ],
  "an SAE in folders of two steps": [
    pythia,
    [sae("step512/step1000")],
    {},
    /expected step 512, as step512 says, got step 1000 by step1000/,
  ],
  "an SAE of a step without a model": [
    pythia,
    [sae("step2")],
    {},
    /^Cannot find the model of saes\/step2: expected one of step 2 of \S+, got steps \[0,512,1000,143000\]$/,
  ],
  "an SAE of a step of two stages": [
    olmo,
    [sae("step1000")],
    {},
    /expected one of step 1000 of \S+, got hf:\S+, hf:\S+, hf:\S+; choose a stage with --stage/,
  ],
  "two SAEs of a step": [
    pythia,
    [sae("a/step512"), sae("b", cfgAt(10))],
    {},
    /expected one SAE a step, got step 512 of saes\/\S+ and of saes\/\S+; name a folder with one SAE a step/,
  ],
  "stages that count anew": [
    olmo,
    olmo.slice(1, 3).map(({ names: [name] }) => sae(name)),
    {},
    /expected steps that ascend through all stages, got stage2-\S+ after stage1-\S+; choose a stage/,
  ],
  "an SAE of another Pythia": [
    pythia,
    [sae("step512", cfgAt(10, { model_name: "EleutherAI/pythia-70m" }))],
    {},
    /^Cannot make a sweep of saes\/step512: expected an SAE of pythia-70m-deduped, got one of pythia-70m$/,
  ],
  "an index beyond the schedule": [
    pythia,
    [sae("a", cfgAt(154))],
    {},
    /^Cannot tell the step of saes\/a\/cfg\.json: expected a checkpoint_index below 154, got 154$/,
  ],
  "an index that is text": [pythia, [sae("a", cfgAt("10"))], {}, /below 154, got "10"/],
  "a run whose step differs": [
    pythia,
    [sae("step512/a1")],
    { runs: [runOf("a1", 0)] },
    /expected step 512, as step512 says, got step 0 by run a1$/,
  ],
  "a run without an SAE": [
    pythia,
    [sae("step512")],
    { runs: [runOf("a1", 10)] },
    /^Cannot find the SAE of run a1 \(run a1\): expected one SAE in a folder "a1", got none of 1$/,
  ],
  "a run with two SAEs": [
    pythia,
    [sae("a1/100"), sae("a1/200")],
    { runs: [runOf("a1", 10)] },
    /expected one SAE in a folder "a1", got saes\/a1\/100, saes\/a1\/200$/,
  ],
  "a run without a place": [
    pythia,
    [sae("step512")],
    { runs: [runOf("a1", 10, { config: {} })] },
    /expected "checkpoint_path" in its config, got nothing$/,
  ],
  "no runs": [pythia, [sae("step512")], { runs: [] }, /expected a finished one, got none$/],
  "runs that did not finish": [
    pythia,
    [sae("step512")],
    { runs: [runOf("a1", 10, { state: "crashed" }), runOf("a2", 0, { state: "running" })] },
    /^Cannot make a sweep of runs: expected a finished one, got a1 crashed, a2 running$/,
  ],
};

for (const [name, [models, saes, more, message]] of Object.entries(refused)) {
  Deno.test(`makeSweep() refuses ${name}`, () => {
    assert.throws(() => makeSweep(models, saes, { ...options, ...more }), (error) => {
      assert(error instanceof DataError, String(error));
      assert.match(error.message, message);
      return true;
    });
  });
}
