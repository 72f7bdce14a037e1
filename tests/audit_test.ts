// What users of published families found out by chance, on families made up here.

import assert from "node:assert/strict";
import { audit } from "../src/audit.ts";
import type { AuditedCheckpoint, Finding } from "../src/audit_findings.ts";
import { fingerprintWeights } from "../src/fingerprints.ts";
import { pythiaSteps } from "../src/sweep.ts";
import { readWeights } from "../src/weights.ts";
import { auditedAt, auditedFamily, type MiniModel, train } from "./_families.ts";

const notebookSteps = [0, 2, 8, 32, 128, 512, 2000, 4000, 8000, 16000, 32000, 64000, 143000];
const steps = notebookSteps;
const last = steps.length - 1;

const told = (findings: readonly Finding[]) => findings.map(({ sentence }) => sentence);
const kinds = (findings: readonly Finding[]) =>
  findings.map(({ kind, severity, steps }) => [kind, severity, steps]);

// The files of a checkpoint, as a hub lists them.
function listedAt(step: number, hashes: readonly string[], nShards = hashes.length) {
  const name = (s: number) => `model-0000${s + 1}-of-0000${nShards}.safetensors`;
  const parts = hashes.map((hash, s) => ({ name: name(s), nBytes: 1e9, hash }));
  return { step, parts, files: parts.map(({ name }) => name) };
}

Deno.test("audit() finds nothing in families that are as they should be", async () => {
  for (let seed = 0; seed < 12; seed++) {
    for (const steps of [notebookSteps, notebookSteps.slice(0, 5), notebookSteps.slice(0, 2)]) {
      assert.deepEqual(audit(await auditedFamily(steps, train(steps, seed))), [], `seed ${seed}`);
    }
  }
  assert.deepEqual(audit(await auditedFamily(pythiaSteps, train(pythiaSteps, 1))), []);
  assert.deepEqual(audit([]), []);
});

Deno.test("audit() finds nothing in fixtures/tiny, of which norms are equal at steps 0 and 1", async () => {
  const family: AuditedCheckpoint[] = [];
  for (const step of [0, 1, 4, 16, 64, 128, 256, 512, 1000, 2000, 4000]) {
    const weights = await readWeights(`fixtures/tiny/models/step${step}`);
    const files = ["model.safetensors"];
    family.push({ step, files, parts: await fingerprintWeights(weights) });
  }
  const [norms, others] = ["norm.weight", "query_key_value.weight"].map((end) =>
    family[0].parts.filter(({ name, hash }) =>
      name.endsWith(end) && family[1].parts.some((of) => of.name === name && of.hash === hash)
    ).length
  );
  assert(norms > 0 && others === 0);
  assert.deepEqual(audit(family), []);
});

// EleutherAI/pythia#205.
Deno.test("76 of 154 branches are main's, and 10 more have its embeddings", async () => {
  const models = train(pythiaSteps, 2), final = models.at(-1)!;
  const family = await auditedFamily(
    pythiaSteps,
    models.map((model, c) =>
      c < 76 ? final : c < 86
        ? {
          ...model,
          "embed_in.weight": final["embed_in.weight"],
          "embed_out.weight": final["embed_out.weight"],
        }
        : model
    ),
  );
  const findings = audit(family);
  assert.deepEqual(kinds(findings), [
    ["final early", "error", pythiaSteps.slice(0, 76)],
    ["partly final", "error", pythiaSteps.slice(76, 86)],
  ]);
  assert.deepEqual(told(findings), [
    "76 steps, from 0 to 65000, have the weights of the last checkpoint, step 143000, bit for bit",
    "10 steps, from 66000 to 75000, have 2 of 4 tensors from the last checkpoint, step 143000, " +
    "bit for bit: embed_in.weight, embed_out.weight",
  ]);
  assert.deepEqual(findings[1].parts, ["embed_in.weight", "embed_out.weight"]);
  assert.equal(findings.flatMap(({ steps }) => steps).length, 86);
});

// The same, of embeddings that are not the last ones, but from nearby: no hash can tell.
Deno.test("embeddings of the final era at an early step are out of order", async () => {
  const models = train(steps, 3);
  const era = "embed_in.weight";
  const [early, late] = [5, last - 1];
  const near = { ...models[late][era], data: models[late][era].data.map((x) => x * 1.001) };
  const mixed = models.map((model, c) => c === early ? { ...model, [era]: near } : model);
  const [finding, ...others] = audit(await auditedFamily(steps, mixed));
  assert.deepEqual(others, []);
  assert.deepEqual([finding.kind, finding.steps], ["out of order", [steps[early]]]);
});

// EleutherAI/pythia#83.
Deno.test("step 0 is step 1", async () => {
  const some = [0, 1, 2, 4, 8, 16, 32];
  const models = train(some, 4);
  const findings = audit(await auditedFamily(some, models.with(1, models[0])));
  assert.deepEqual(kinds(findings), [["identical", "warning", [0, 1]]]);
  assert.deepEqual(told(findings), [
    "Steps 0 and 1 have the same weights, bit for bit, and follow each other",
  ]);
});

// allenai/OLMo#915.
Deno.test("step 101000 is 175000 and 300000, as hashes of files alone tell", () => {
  const hashes = [["a", "b"], ["c", "d"], ["e", "f"], ["c", "d"], ["g", "h"], ["c", "d"], [
    "i",
    "j",
  ]];
  const at = [1000, 101000, 150000, 175000, 200000, 300000, 400000];
  const findings = audit(at.map((step, c) => listedAt(step, hashes[c])));
  assert.deepEqual(kinds(findings), [["identical", "error", [101000, 175000, 300000]]]);
  assert.deepEqual(told(findings), [
    "Steps 101000, 175000 and 300000 have the same weights, bit for bit",
  ]);
});

// EleutherAI/pythia#206.
Deno.test("steps 50000 and 58000 have the first shard of the last", () => {
  const at = [49000, 50000, 57000, 58000, 59000, 143000];
  const first = ["a", "z", "b", "z", "c", "z"];
  const findings = audit(at.map((step, c) => listedAt(step, [first[c], `own ${step}`])));
  assert.deepEqual(kinds(findings), [["partly final", "error", [50000, 58000]]]);
  assert.deepEqual(told(findings), [
    "Steps 50000 and 58000 have 1 of 2 files from the last checkpoint, step 143000, bit for bit: " +
    "model-00001-of-00002.safetensors",
  ]);
});

Deno.test("a shard that two far steps share, and none between", () => {
  const first = ["a", "s", "b", "s", "z"];
  const findings = audit(first.map((hash, step) => listedAt(step, [hash, `own ${step}`])));
  assert.deepEqual(kinds(findings), [["partly identical", "error", [1, 3]]]);
  assert.deepEqual(told(findings), [
    "Steps 1 and 3 have files in common, bit for bit, that are others at steps between: " +
    "model-00001-of-00002.safetensors",
  ]);
});

// EleutherAI/pythia#203.
Deno.test("step 1 and all later ones do not descend from step 0", async () => {
  const some = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000];
  const another = train(some, 6);
  const findings = audit(await auditedFamily(some, train(some, 5).with(0, another[0])));
  assert.deepEqual(kinds(findings), [["discontinuous", "warning", [1]]]);
  assert.match(
    told(findings)[0],
    /^Step 1 does not follow from step 0: it is \d+ away, where the gaps around let expect 0\.\d+$/,
  );
});

Deno.test("missing shards are named, and what is there of them is looked at all the same", () => {
  const findings = audit([
    listedAt(1, ["a", "b", "c"]),
    listedAt(2, ["d", "e"], 3),
    listedAt(3, ["f", "g", "h"]),
    listedAt(4, ["i", "k"], 3),
    { step: 5, parts: [], files: [] },
    listedAt(6, ["i", "l", "m"]),
  ]);
  assert.deepEqual(told(findings), [
    "Steps 2 and 4 lack shards: model-00003-of-00003.safetensors",
    "Step 5 has no weights",
  ]);
  // Step 4 shares a shard with step 6, and no whole checkpoint lies between. Here one does.
  const apart = audit([
    listedAt(1, ["f", "b", "c"]),
    listedAt(2, ["i", "k"], 3),
    listedAt(3, ["f", "g", "h"]),
    listedAt(4, ["i", "l", "m"]),
  ]);
  assert.deepEqual(kinds(apart).map(([kind]) => kind), [
    "partly identical",
    "partly final",
    "missing shards",
  ]);
});

Deno.test("weights that cannot be read, or have no numbers in them, are told of", async () => {
  const models = train(steps, 7);
  const family = await auditedFamily(steps, models);
  const { shape, data } = models[3]["layers.0.dense.weight"];
  const dense = { shape, data: data.with(500, NaN) };
  const findings = audit([
    ...family.slice(0, 2),
    { ...family[2], parts: [], fault: "Cannot read model.safetensors: expected 9 bytes, got 8" },
    await auditedAt(steps[3], { ...models[3], "layers.0.dense.weight": dense }),
    ...family.slice(4),
  ]);
  assert.deepEqual(told(findings), [
    "Step 8 cannot be read: Cannot read model.safetensors: expected 9 bytes, got 8",
    "Step 32 has numbers that are not finite in: layers.0.dense.weight",
  ]);
});

Deno.test("another shape, dtype, or set of tensors than most have is told of", async () => {
  const models = train(steps, 8);
  const wide = { shape: [64, 16], data: models[2]["embed_in.weight"].data };
  const { "layers.0.norm.bias": _, ...fewer } = models[4];
  const family = await auditedFamily(
    steps,
    models.with(2, { ...models[2], "embed_in.weight": wide }).with(4, fewer as MiniModel),
  );
  const halves = family[6].parts.map((part) =>
    part.shape!.length > 1 ? { ...part, dtype: "F16" as const } : part
  );
  const findings = audit(family.with(6, { ...family[6], parts: halves }));
  assert.deepEqual(told(findings), [
    "Step 8 has shape [64, 16], where most have [32, 32], in: embed_in.weight",
    "Step 128 lacks tensors that most have: layers.0.norm.bias",
    "Step 2000 has dtype F16, where most have F32, in: embed_in.weight, embed_out.weight, " +
    "layers.0.dense.weight",
  ]);
});

Deno.test("a file of another size than most is told of", () => {
  const family = [1, 2, 3].map((step) => listedAt(step, [`own ${step}`]));
  const [{ name, hash }] = family[1].parts;
  const parts = [{ name, hash, nBytes: 2e9 }];
  assert.deepEqual(told(audit(family.with(1, { ...family[1], parts }))), [
    "Step 2 has 2000000000 bytes, where most have 1000000000, in: model-00001-of-00001.safetensors",
  ]);
});

Deno.test("neighbours in each other's place are told of", async () => {
  const models = train(steps, 9);
  const findings = audit(await auditedFamily(steps, models.with(7, models[8]).with(8, models[7])));
  assert.deepEqual(kinds(findings), [["out of order", "warning", [steps[7], steps[8]]]]);
});

// EleutherAI/pythia#108.
Deno.test("a checkpoint of another training is off the path", async () => {
  const models = train(steps, 10), another = train(steps, 11);
  const findings = audit(await auditedFamily(steps, models.with(9, another[9])));
  assert.deepEqual(kinds(findings), [["discontinuous", "warning", [16000]]]);
  assert.match(told(findings)[0], /^Step 16000 is off the path: \d+ from step 8000 and \d+ from/);
});

// TransformerLens#453: one name, misspelt, loads the same weights for every step.
Deno.test("all steps are the last", async () => {
  const [model] = train(steps, 12);
  const findings = audit(await auditedFamily(steps, steps.map(() => model)));
  assert.deepEqual(kinds(findings), [["final early", "error", steps.slice(0, -1)]]);
});

Deno.test("the order in which checkpoints are given does not matter", async () => {
  const models = train(steps, 13);
  const family = await auditedFamily(steps, models.with(3, models[last]).with(6, models[2]));
  assert.deepEqual(audit(family.toReversed()), audit(family));
  assert(audit(family).length > 1);
});

Deno.test("two checkpoints of one step are refused", () => {
  assert.throws(() => audit([listedAt(5, ["a"]), listedAt(5, ["b"])]), {
    name: "RangeError",
    message: "Cannot audit checkpoints: expected each step once, got step 5 twice",
  });
});
