// What is lost on the next token without a feature: against PyTorch, and laws.

import assert from "node:assert/strict";
import { lossEffects, type Removal, windowEffects } from "../src/loss_effect.ts";
import { readModel } from "../src/model.ts";
import { readSae } from "../src/sae.ts";

interface Expected {
  readonly model: string;
  readonly sae: string;
  readonly T: number;
  readonly ids: readonly number[];
  readonly token: readonly number[];
  readonly feature: readonly number[];
  readonly activation: readonly number[];
  readonly effect: readonly (number | null)[];
}

const expected: readonly Expected[] = JSON.parse(
  await Deno.readTextFile("fixtures/loss_effect/expected.json"),
);

for (const { model, sae, T, ids, token, feature, activation, effect } of expected) {
  Deno.test(`lossEffects() of ${sae} on ${model} are what PyTorch computes`, async () => {
    const removals = token.map((token, e): Removal => ({
      token,
      feature: feature[e],
      activation: activation[e],
    }));
    const found = await lossEffects(
      await readModel(`fixtures/${model}`),
      await readSae(`fixtures/${sae}`),
      removals,
      { ids, contextSize: T },
    );
    let largest = 0;
    effect.forEach((wanted, e) => {
      if (wanted === null) return assert(Number.isNaN(found[e]), "the last position");
      largest = Math.max(largest, Math.abs(wanted));
      const off = Math.abs(found[e] - wanted);
      // Two losses of logits of some 20, whose float32 are 2e-6 apart.
      assert(off <= 8e-6 + 1e-5 * Math.abs(wanted), `${found[e]} is ${wanted} at ${e}`);
    });
    assert(largest > 0.05, "something is lost");
  });
}

const tiny = {
  model: await readModel("fixtures/tiny/models/step4000"),
  sae: await readSae("fixtures/tiny/saes/step4000"),
};
const [{ T, ids }] = expected;

Deno.test("lossEffects() does not depend on what else is taken out, nor on threads", async () => {
  const { token, feature, activation } = expected[0];
  const removals = token.map((token, e) => ({
    token,
    feature: feature[e],
    activation: activation[e],
  }));
  const options = { ids, contextSize: T };
  const all = await lossEffects(tiny.model, tiny.sae, removals, options);
  const threaded = await lossEffects(tiny.model, tiny.sae, removals, { ...options, threads: 2 });
  assert.deepEqual(threaded, all);
  for (const e of [0, 31, 59]) {
    const [alone] = await lossEffects(tiny.model, tiny.sae, [removals[e]], options);
    assert.equal(alone, all[e], `${e}`);
  }
});

Deno.test("lossEffects() of nothing, of 0 and at the end of a sequence are nothing, 0 and NaN", async () => {
  const options = { ids, contextSize: T };
  const effects = (...removals: Removal[]) =>
    lossEffects(tiny.model, tiny.sae, removals, options).then((found) => [...found]);
  assert.deepEqual(await effects(), []);
  assert.deepEqual(
    await effects(
      { token: 5, feature: 1, activation: 0 },
      { token: T - 1, feature: 1, activation: 2 },
    ),
    [0, NaN],
  );
});

Deno.test("lossEffects() refuses a head's values", async () => {
  const model = await readModel("fixtures/goldens/models/main-fp32");
  const sae = await readSae("fixtures/goldens/saes/standard-v6-hookz");
  await assert.rejects(lossEffects(model, sae, [], { ids, contextSize: T }), {
    name: "RangeError",
    message:
      "Cannot take features out of blocks.1.attn.hook_z: expected a place of the residual stream",
  });
});

Deno.test("windowEffects() lays effects out as the text is", async () => {
  const options = { ids, contextSize: T };
  const shown = [
    {
      feature: 3,
      windows: [{ start: T + 2, end: T + 5 }],
      activations: [Float32Array.of(0, 2, 1)],
    },
    { feature: 4, windows: [{ start: T - 2, end: T }], activations: [Float32Array.of(3, 1)] },
  ];
  const found = await windowEffects(tiny.model, tiny.sae, shown, options);
  const alone = await lossEffects(tiny.model, tiny.sae, [
    { token: T - 2, feature: 4, activation: 3 },
    { token: T + 3, feature: 3, activation: 2 },
    { token: T + 4, feature: 3, activation: 1 },
  ], options);
  assert.deepEqual(found, [[[0, alone[1], alone[2]]], [[alone[0], null]]]);
});
