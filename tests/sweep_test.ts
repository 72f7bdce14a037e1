import assert from "node:assert/strict";
import { agreeOnHook, checkpointsAt, pythiaSteps, readSweep, type Sweep } from "../src/sweep.ts";

const hook = "blocks.3.hook_resid_pre";
const one = { step: 1, model: "m", sae: "s" };
const tokens = { path: "tokens.npy" };

/** Writes a sweep file, and the cfg.json of SAEs by folder, for the length of a test. */
async function withSweep(
  sweep: unknown,
  saes: Record<string, unknown>,
  test: (path: string, folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/sweep.json`;
    await Deno.writeTextFile(path, typeof sweep === "string" ? sweep : JSON.stringify(sweep));
    for (const [sae, cfg] of Object.entries(saes)) {
      await Deno.mkdir(`${folder}/${sae}`);
      await Deno.writeTextFile(`${folder}/${sae}/cfg.json`, JSON.stringify(cfg));
    }
    await test(path, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const cfg = (more: object = {}, index?: number | null) => ({
  hook_name: hook,
  context_size: 128,
  ...(index !== undefined && { model_from_pretrained_kwargs: { checkpoint_index: index } }),
  ...more,
});

// A malformed sweep, and its message; <sweep> stands for the file.
const malformed: Record<string, [unknown, string]> = {
  "no JSON": ["{", 'Cannot read <sweep>: expected JSON, got "{"'],
  "a list": [[1], "Cannot read <sweep>: expected a JSON object, got [1]"],
  "no checkpoints": [
    { tokens },
    'Cannot read "checkpoints" in <sweep>: expected a list of at least one, got nothing',
  ],
  "an empty list of checkpoints": [
    { tokens, checkpoints: [] },
    'Cannot read "checkpoints" in <sweep>: expected a list of at least one, got []',
  ],
  "a misspelt key": [
    { tokens, checkpoints: [one], refrence: 1 },
    'Cannot read "refrence" in <sweep>: expected name, tokens, tokenizer, checkpoints, ' +
    "reference, center, ceiling, hook, context_size, got another key",
  ],
  "a hook that is none": [
    { tokens, checkpoints: [one], hook: "layers.3" },
    'Cannot find hook "layers.3" of <sweep>: expected blocks.<layer>.hook_resid_pre, ' +
    ".hook_resid_mid, .hook_resid_post, .hook_attn_out, .hook_mlp_out, .attn.hook_z, " +
    "got another name",
  ],
  "a context size of 0": [
    { tokens, checkpoints: [one], context_size: 0 },
    'Cannot read "context_size" in <sweep>: expected a number of tokens, got 0',
  ],
  "no tokens": [
    { checkpoints: [one] },
    'Cannot read "tokens" in <sweep>: expected an object, got nothing',
  ],
  "tokens that are a path": [
    { tokens: "tokens.npy", checkpoints: [one] },
    'Cannot read "tokens" in <sweep>: expected an object, got "tokens.npy"',
  ],
  "tokens without a path": [
    { tokens: {}, checkpoints: [one] },
    'Cannot read "tokens.path" in <sweep>: expected text, got nothing',
  ],
  "an unknown key of tokens": [
    { tokens: { ...tokens, colum: "a" }, checkpoints: [one] },
    'Cannot read "tokens.colum" in <sweep>: expected path, column, got another key',
  ],
  "a checkpoint that is a path": [
    { tokens, checkpoints: [one, "step2"] },
    'Cannot read "checkpoints[1]" in <sweep>: expected an object, got "step2"',
  ],
  "an unknown key of a checkpoint": [
    { tokens, checkpoints: [{ ...one, stpe: 2 }] },
    'Cannot read "checkpoints[0].stpe" in <sweep>: expected step, model, sae, losses, tokens, ' +
    "got another key",
  ],
  "a checkpoint without a model": [
    { tokens, checkpoints: [{ step: 1, sae: "s" }] },
    'Cannot read "checkpoints[0].model" in <sweep>: expected text, got nothing',
  ],
  "a checkpoint without an SAE": [
    { tokens, checkpoints: [one, { step: 2, model: "m" }] },
    'Cannot read "checkpoints[1].sae" in <sweep>: expected text, got nothing',
  ],
  "a step that is text": [
    { tokens, checkpoints: [{ ...one, step: "1" }] },
    'Cannot read "checkpoints[0].step" in <sweep>: expected a count, got "1"',
  ],
  "a negative step": [
    { tokens, checkpoints: [{ ...one, step: -1 }] },
    'Cannot read "checkpoints[0].step" in <sweep>: expected a count, got -1',
  ],
  "a broken step": [
    { tokens, checkpoints: [{ ...one, step: 1.5 }] },
    'Cannot read "checkpoints[0].step" in <sweep>: expected a count, got 1.5',
  ],
  "a loss that is text": [
    { tokens, checkpoints: [{ ...one, losses: { mse: "low" } }] },
    'Cannot read "checkpoints[0].losses.mse" in <sweep>: expected a number, got "low"',
  ],
  "an unknown loss": [
    { tokens, checkpoints: [{ ...one, losses: { l2: 1 } }] },
    'Cannot read "checkpoints[0].losses.l2" in <sweep>: expected overall, l1, mse, ' +
    "got another key",
  ],
  "a step twice": [
    { tokens, checkpoints: [one, { ...one, step: 2 }, one] },
    'Cannot read "checkpoints" in <sweep>: expected each step once, got step 1 twice',
  ],
  "a reference that is not there": [
    { tokens, checkpoints: [{ ...one, step: 2 }, one], reference: 5 },
    'Cannot read "reference" in <sweep>: expected one of 1, 2, got 5',
  ],
  "a reference that is text": [
    { tokens, checkpoints: [one], reference: "last" },
    'Cannot read "reference" in <sweep>: expected a count, got "last"',
  ],
  "an unknown centring": [
    { tokens, checkpoints: [one], center: "yes" },
    'Cannot read "center" in <sweep>: expected "auto", true or false, got "yes"',
  ],
  "a name that is a number": [
    { tokens, checkpoints: [one], name: 3 },
    'Cannot read "name" in <sweep>: expected text, got 3',
  ],
  "a tokenizer that is not a path": [
    { tokens, checkpoints: [one], tokenizer: false },
    'Cannot read "tokenizer" in <sweep>: expected text, got false',
  ],
  "an unknown key of the ceiling": [
    { tokens, checkpoints: [one], ceiling: { step: 1, sae: "s", seed: 2 } },
    'Cannot read "ceiling.seed" in <sweep>: expected step, model, sae, losses, tokens, got another key',
  ],
};

for (const [what, [sweep, message]] of Object.entries(malformed)) {
  Deno.test(`readSweep() refuses ${what}`, () =>
    withSweep(sweep, {}, (path) =>
      assert.rejects(readSweep(path), {
        name: "DataError",
        message: message.replace("<sweep>", path),
      })));
}

Deno.test("readSweep() refuses a file that is missing", async () => {
  await assert.rejects(readSweep("no/sweep.json"), {
    name: "DataError",
    message: "Cannot open no/sweep.json: expected a file, got nothing there",
  });
});

Deno.test("readSweep() sorts by step, resolves paths, and follows the last step by default", () =>
  withSweep(
    {
      tokens,
      checkpoints: [
        { step: 512, model: "m512", sae: "s512", losses: { mse: 2 }, tokens: 1_073_741_824 },
        { step: 0, model: "/models/m0", sae: "./s0" },
      ],
    },
    {},
    async (path, folder) => {
      assert.deepEqual(await readSweep(path), {
        where: path,
        name: "sweep",
        tokens: { name: "tokens.npy", path: `${folder}/tokens.npy`, column: "input_ids" },
        tokenizer: undefined,
        checkpoints: [
          {
            name: "step0",
            step: 0,
            tokens: undefined,
            model: { name: "/models/m0", path: "/models/m0" },
            sae: { name: "./s0", path: `${folder}/s0` },
            losses: {},
          },
          {
            name: "step512",
            step: 512,
            tokens: 1_073_741_824,
            model: { name: "m512", path: `${folder}/m512` },
            sae: { name: "s512", path: `${folder}/s512` },
            losses: { mse: 2 },
          },
        ],
        reference: 512,
        center: "auto",
        ceiling: undefined,
      });
    },
  ));

Deno.test("readSweep() takes what is said over what is assumed", () =>
  withSweep(
    {
      name: "mine",
      tokens: { ...tokens, column: "ids" },
      tokenizer: "tokenizer.json",
      checkpoints: [one, { ...one, step: 2 }],
      reference: 1,
      center: false,
    },
    {},
    async (path, folder) => {
      const { name, tokens, tokenizer, reference, center } = await readSweep(path);
      assert.deepEqual([name, tokens.column, reference, center], ["mine", "ids", 1, false]);
      assert.deepEqual(tokenizer, { name: "tokenizer.json", path: `${folder}/tokenizer.json` });
    },
  ));

Deno.test("readSweep() gives every SAE the hook and context size of the sweep", () =>
  withSweep(
    { tokens, checkpoints: [one], ceiling: { sae: "c" }, hook, context_size: 64 },
    {},
    async (path, folder) => {
      const { checkpoints, ceiling } = await readSweep(path);
      const told = { hook, contextSize: 64 };
      assert.deepEqual(checkpoints[0].sae, { name: "s", path: `${folder}/s`, ...told });
      assert.deepEqual(ceiling?.sae, { name: "c", path: `${folder}/c`, ...told });
    },
  ));

const contradictions: Record<string, [object, string]> = {
  "another hook": [
    { hook: "blocks.2.hook_resid_pre" },
    "the hook of the sweep: expected blocks.3.hook_resid_pre as in <cfg>, " +
    'got blocks.2.hook_resid_pre; leave "hook" out where the SAE\'s own files have it',
  ],
  "another context size": [
    { context_size: 64 },
    "the context_size of the sweep: expected 128 as in <cfg>, got 64; " +
    'leave "context_size" out where the SAE\'s own files have it',
  ],
};
for (const [what, [more, message]] of Object.entries(contradictions)) {
  Deno.test(`agreeOnHook() refuses ${what} than the SAE's own`, () =>
    withSweep(
      { tokens, checkpoints: [one], ...more },
      { s: cfg() },
      async (path, folder) => {
        await assert.rejects(agreeOnHook(await readSweep(path)), {
          name: "DataError",
          message: `Cannot read SAE at ${message.replace("<cfg>", `${folder}/s/cfg.json`)}`,
        });
      },
    ));
}

Deno.test("readSweep() takes the ceiling's model from the reference", () =>
  withSweep(
    {
      tokens,
      checkpoints: [one, { step: 2, model: "m2", sae: "s2" }],
      reference: 1,
      ceiling: { step: 1, sae: "other" },
    },
    {},
    async (path, folder) => {
      const { ceiling } = await readSweep(path);
      assert.deepEqual(ceiling?.model, { name: "m", path: `${folder}/m` });
      assert.equal(ceiling?.sae.name, "other");
    },
  ));

Deno.test("pythiaSteps are the 154 steps at which Pythia was saved", () => {
  assert.equal(pythiaSteps.length, 154);
  const some = [0, 1, 10, 11, 12, 153].map((index) => pythiaSteps[index]);
  assert.deepEqual(some, [0, 1, 512, 1000, 2000, 143000]);
});

const withoutStep = { tokens, checkpoints: [{ model: "m", sae: "s" }] };

for (const [index, step] of [[0, 0], [4, 8], [153, 143000]]) {
  Deno.test(`readSweep() takes checkpoint_index ${index} for step ${step}`, () =>
    withSweep(withoutStep, { s: cfg({}, index) }, async (path) => {
      assert.equal((await readSweep(path)).checkpoints[0].step, step);
    }));
}

Deno.test("readSweep() takes the step of the sweep over that of the SAE", () =>
  withSweep({ tokens, checkpoints: [one] }, { s: cfg({}, 153) }, async (path) => {
    assert.equal((await readSweep(path)).checkpoints[0].step, 1);
  }));

for (
  const [index, got] of [[undefined, "neither"], [null, "neither"], [154, "index 154"]] as const
) {
  Deno.test(`readSweep() refuses a checkpoint without a step, checkpoint_index ${index}`, () =>
    withSweep(
      withoutStep,
      { s: cfg({}, index) },
      (path, folder) =>
        assert.rejects(readSweep(path), {
          name: "DataError",
          message: `Cannot find "checkpoints[0].step" in ${path}: ` +
            `expected a step, or a checkpoint_index below 154 in ${folder}/s/cfg.json, got ${got}`,
        }),
    ));
}

Deno.test("checkpointsAt() takes some steps, in order, or all", () =>
  withSweep(
    { tokens, checkpoints: [1, 2, 3].map((step) => ({ ...one, step })) },
    {},
    async (path) => {
      const sweep = await readSweep(path);
      const stepsAt = (steps?: number[]) => checkpointsAt(sweep, steps).map(({ step }) => step);
      assert.deepEqual(stepsAt([3, 1]), [1, 3]);
      assert.deepEqual(stepsAt(), [1, 2, 3]);
      assert.throws(() => stepsAt([1, 4]), {
        name: "DataError",
        message: `Cannot find step 4 in ${path}: expected one of 1, 2, 3, got 4`,
      });
    },
  ));

const pair = {
  tokens,
  checkpoints: [{ step: 1, model: "m", sae: "a" }, { step: 2, model: "m", sae: "b" }],
};

/** Reads the sweep of SAEs a and b, b having another cfg.json. */
async function withPair(
  b: object,
  test: (sweep: Sweep, folder: string) => Promise<void>,
  more: object = {},
): Promise<void> {
  await withSweep({ ...pair, ...more }, { a: cfg(), b: cfg(b) }, async (path, folder) => {
    await test(await readSweep(path), folder);
  });
}

Deno.test("agreeOnHook() gives the hook and context size of all SAEs", () =>
  withPair({}, async (sweep) => {
    assert.deepEqual(await agreeOnHook(sweep), {
      hook: { name: hook, layer: 3, point: "hook_resid_pre" },
      contextSize: 128,
    });
  }));

const mixed: Record<string, [object, string, string]> = {
  "hooks": [{ hook_name: "blocks.3.hook_resid_post" }, `hook ${hook}`, "blocks.3.hook_resid_post"],
  "context sizes": [{ context_size: 512 }, "context_size 128", "512"],
};

for (const [what, [b, expected, got]] of Object.entries(mixed)) {
  Deno.test(`agreeOnHook() refuses mixed ${what}`, () =>
    withPair(b, (sweep, folder) =>
      assert.rejects(agreeOnHook(sweep), {
        name: "DataError",
        message: `Cannot compare ${folder}/b/cfg.json: ` +
          `expected ${expected} as in ${folder}/a/cfg.json, got ${got}; ` +
          "put SAEs of one hook and context size in a sweep",
      })));
}

Deno.test("agreeOnHook() looks at the ceiling as well", () =>
  withPair(
    { context_size: 512 },
    (sweep) => assert.rejects(agreeOnHook(sweep), { message: /expected context_size 128 as in/ }),
    { checkpoints: [pair.checkpoints[0]], ceiling: { step: 1, sae: "b" } },
  ));

Deno.test("agreeOnHook() names the cfg.json that is missing", () =>
  withSweep(pair, { a: cfg() }, async (path, folder) => {
    await assert.rejects(agreeOnHook(await readSweep(path)), {
      name: "DataError",
      message: `Cannot open ${folder}/b/cfg.json: expected a file, got nothing there`,
    });
  }));
