import assert from "node:assert/strict";
import { randomFrom } from "../src/random.ts";
import {
  compareRevisions,
  parseRevision,
  stanfordSteps,
  tokensPerStep,
  trainingTokens,
} from "../src/revisions.ts";

// A family, and its names with [step, tokens, stage, ingredient] as far as the name has them.
type Parts = [step: number, tokens?: number | undefined, stage?: string, ingredient?: number];
const families: Record<string, Record<string, Parts>> = {
  "Pythia and PolyPythias": { step0: [0], step512: [512], step1000: [1000], step143000: [143000] },
  "stanford-crfm": { "checkpoint-0": [0], "checkpoint-90": [90], "checkpoint-400000": [400000] },
  "OLMo 1": { "step1000-tokens4B": [1000, 4e9], "step0-tokens0B": [0, 0] },
  "OLMo 2": {
    "stage1-step150-tokens1B": [150, 1e9, "1"],
    "stage1-step0-tokens0B": [0, 0, "1"],
    "stage2-ingredient3-step23852-tokens51B": [23852, 51e9, "2", 3],
  },
  "OLMo 3": {
    "stage1-step1413814": [1413814, undefined, "1"],
    "stage2-step47684": [47684, undefined, "2"],
    "stage3-step11921": [11921, undefined, "3"],
  },
  Amber: { ckpt_000: [0], ckpt_358: [358] },
  Crystal: { CrystalCoder_phase1_checkpoint_055500: [55500, undefined, "1"] },
  SmolLM2: { "step-125000": [125000], "step-250000": [250000] },
  SmolLM3: { "stage1-step-40000": [40000, undefined, "1"] },
  BLOOM: { global_step1000: [1000], global_step600000: [600000] },
  MultiBERTs: {
    "google/multiberts-seed_0-step_0k": [0],
    "google/multiberts-seed_0-step_20k": [20000],
    "google/multiberts-seed_4-step_2000k": [2000000],
  },
  TinyLlama: {
    "TinyLlama-1.1B-intermediate-step-1431k-3T": [1431000, 3e12],
    "TinyLlama/TinyLlama-1.1B-intermediate-step-955k-token-2T": [955000, 2e12],
    "TinyLlama/TinyLlama-1.1B-step-50K-105b": [50000, 105e9],
  },
  Pico: { "Saving HF Model -- Step 1000": [1000], "Step 200000": [200000] },
  Apertus: {
    "step50000-tokens210B": [50000, 210e9],
    "step2627139-tokens15T": [2627139, 15e12],
    "longctx-step1000": [1000, undefined, "longctx"],
  },
  "folders of one's own": {
    "models/step512": [512],
    "runs/pythia-70m-step512": [512],
    "step_16": [16],
    "checkpoint-500": [500],
    "STEP7": [7],
    "a/b/global-step9": [9],
  },
};

for (const [family, names] of Object.entries(families)) {
  Deno.test(`parseRevision() reads the names of ${family}`, () => {
    for (const [name, [step, tokens, stage, ingredient]] of Object.entries(names)) {
      assert.deepEqual(parseRevision(name), { name, stage, ingredient, step, tokens });
    }
  });
}

const others = [
  ...["main", "", "step", "stepA", "latest", "v0.1", "refs/pr/1", "final_400003072", "400003072"],
  ...["pythia-70m-seed1", "EleutherAI/pythia-410m-seed3", "pythia-160m-data-seed2", "seed512"],
  ...["google/multiberts-seed_0", "EleutherAI/pythia-70m-deduped", "OLMo-2-0425-1B-early-training"],
  ...[
    "HuggingFaceTB/SmolLM3-3B-checkpoints",
    "pico-lm/pico-decoder-tiny",
    "TinyLlama-1.1B-Chat-v1.0",
  ],
  ...["trainer_0_step_976", "step512abc", "step512-seed2", "step-1-2", "footstep5", "step512.bak"],
  ...["step1e3", "step+5", "step 5 of 6", "step1000-tokens4X", "step1000-tokens", "step5-main"],
  ...["stage1", "stage1-main", "stage2-ingredient3", "stage2-ingredient-step5", "stageA-step5"],
  ...["foo-stage1-step5", "stage1-stage2-step5", "my-longctx-step5", "step9007199254740992"],
  ...["step1000/", "step99999999999999k"],
];

Deno.test("parseRevision() takes other names for no checkpoint", () => {
  for (const name of others) assert.equal(parseRevision(name), null, name);
});

Deno.test("parseRevision() is null for a long name without a step, at once", () => {
  const start = performance.now();
  for (const part of ["a-", "step", "step1-", "stage1-", "0", "-- Step "]) {
    assert.equal(parseRevision(part.repeat(20_000) + "!"), null);
  }
  assert(performance.now() - start < 1000);
});

Deno.test("parseRevision() gives back what a name was put together from, on 200 of them", () => {
  const random = randomFrom(5);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)];
  const upTo = (n: number) => Math.floor(random() * n);
  for (let trial = 0; trial < 200; trial++) {
    const stage = pick([undefined, `${upTo(12)}`]);
    const ingredient = stage === undefined ? undefined : pick([undefined, upTo(9)]);
    const step = upTo(3e6);
    const billions = pick([undefined, 1 + upTo(900)]);
    const name = (stage === undefined ? pick(["", "lab-gpt-", "lab/gpt-x_1-"]) : `stage${stage}-`) +
      (ingredient === undefined ? "" : `ingredient${ingredient}-`) +
      pick(["step", "step-", "step_", "checkpoint-", "ckpt_", "global_step"]) + step +
      (billions === undefined ? "" : `-tokens${billions}B`);
    assert.deepEqual(
      parseRevision(name),
      { name, stage, ingredient, step, tokens: billions && billions * 1e9 },
      `trial ${trial}`,
    );
  }
});

Deno.test("a name's tokens that were rounded down to nothing are not known", () => {
  assert.equal(parseRevision("step100-tokens0B")!.tokens, undefined);
  assert.equal(parseRevision("step1-tokens2.5B")!.tokens, 2.5e9);
});

Deno.test("compareRevisions() orders by stage, ingredient and step, whatever the order before", () => {
  const ordered = [
    "step0",
    "step10",
    "stage1-step0",
    "stage1-step2",
    "stage1-step10",
    "stage2-ingredient1-step3",
    "stage2-ingredient1-step20",
    "stage2-ingredient2-step1",
    "stage10-step1",
    "lc-4k-to-32k-step-4000",
    "lc-32k-to-64k-step-4000",
    "longctx-step1",
  ].map((name) => parseRevision(name)!);
  const random = randomFrom(2);
  for (let trial = 0; trial < 50; trial++) {
    const shuffled = ordered.map((revision) => ({ revision, key: random() }))
      .sort((a, b) => a.key - b.key).map(({ revision }) => revision);
    assert.deepEqual(shuffled.sort(compareRevisions), ordered);
  }
  for (const a of ordered) {
    for (const b of ordered) {
      const [there, back] = [compareRevisions(a, b), compareRevisions(b, a)];
      assert.equal(Math.sign(there) + Math.sign(back), 0);
      assert.equal(there === 0, a === b);
    }
  }
});

Deno.test("trainingTokens() are those of the name, else of the family's steps, else not known", () => {
  const tokens = (name: string, repo: string) => trainingTokens(parseRevision(name)!, repo);
  assert.equal(tokens("step143000", "EleutherAI/pythia-12b"), 143000 * 2_097_152);
  assert.equal(tokens("step1000", "pythia-1.4b-v0"), 2_097_152_000);
  assert.equal(tokens("step1", "EleutherAI/pythia-14m-seed9"), 2_097_152);
  assert.equal(tokens("step0", "EleutherAI/pythia-160m-weight-seed1"), 0);
  assert.equal(
    tokens("stage1-step-40000", "HuggingFaceTB/SmolLM3-3B-checkpoints"),
    94_371_840_000, // "94.4B"
  );
  assert.equal(tokens("lc-4k-to-32k-step-4000", "HuggingFaceTB/SmolLM3-3B-checkpoints"), undefined);
  assert.equal(tokens("step1000-tokens4B", "allenai/OLMo-1B-hf"), 4e9);
  assert.equal(tokens("step1000", "allenai/OLMo-1B-hf"), undefined);
  assert.equal(tokens("step1000", "lab/not-pythia-70m"), undefined);
  assert.equal(tokens("checkpoint-10", "stanford-crfm/alias-gpt2-small-x21"), undefined);
});

Deno.test("every family of tokensPerStep says where its number is from", () => {
  for (const { tokens, source } of tokensPerStep) {
    assert(Number.isSafeInteger(tokens) && tokens > 0);
    assert.match(source, /^https:\/\/\S+: /);
  }
});

Deno.test("stanfordSteps has the 609 steps of Stanford's models, ascending", () => {
  assert.equal(stanfordSteps.length, 609);
  assert.deepEqual([0, 9, 10, 47, 48, 227, 228, 608].map((index) => stanfordSteps[index]), [
    ...[0, 90, 100, 1950, 2000, 19900, 20000, 400000],
  ]);
  assert(stanfordSteps.every((step, i) => i === 0 || step > stanfordSteps[i - 1]));
});
