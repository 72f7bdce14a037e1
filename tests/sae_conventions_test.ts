import assert from "node:assert/strict";
import { parseHook } from "../src/hooks.ts";
import type { Normalization, SaeActivation } from "../src/sae.ts";
import { type Conventional, conventions } from "../src/sae_conventions.ts";

const plain: Conventional = {
  format: "SAELens",
  hook: parseHook("blocks.1.hook_mlp_out", "the test"),
  contextSize: 128,
  dIn: 8,
  dSae: 32,
  isProcessed: true,
  normalization: { kind: "none" },
  subtractsDecoderBias: false,
  isFolded: true,
  activation: { kind: "relu" },
  expectedL0: undefined,
};

Deno.test("conventions() says what an SAE does, and that nothing is expected of it", () => {
  assert.deepEqual(conventions(plain), [
    "format: SAELens",
    "hook: blocks.1.hook_mlp_out, 128 positions",
    "features: 32 of 8 dimensions",
    "centring: the mean over d_model is removed",
    "normalisation: none",
    "b_dec: not subtracted from the input",
    "activation: relu",
    "folding: activations count in lengths of the decoder's rows",
    "expected L0: not said",
  ]);
});

Deno.test("conventions() says what is done, whatever the SAE asks for", () => {
  const differing = conventions(plain, { isProcessed: false }).filter((line) =>
    !conventions(plain).includes(line)
  );
  assert.deepEqual(differing, ["centring: none, the residual as it is"]);
});

const threshold = (...values: number[]) => Float32Array.from(values);
const biases = { gateBias: threshold(), magnitudeBias: threshold(), magnitudeLog: threshold() };
const activations: Readonly<Record<string, SaeActivation>> = {
  "tanh-relu, tanh of what is above 0": { kind: "tanh-relu" },
  "topk, the 3 largest of a token, from 0": { kind: "topk", k: 3 },
  "groupmax, the largest of each of 4 groups, from 0": { kind: "groupmax", k: 4 },
  "jumprelu, above 0.5": { kind: "jumprelu", threshold: threshold(0.5, 0.5) },
  "jumprelu, above thresholds from -1 to 0.123": {
    kind: "jumprelu",
    threshold: threshold(0.1234, -1),
  },
  gated: { kind: "gated", ...biases },
};
for (const [words, activation] of Object.entries(activations)) {
  Deno.test(`conventions() calls an activation "${words}"`, () => {
    assert(conventions({ ...plain, activation }).includes(`activation: ${words}`));
  });
}

const normalizations: Readonly<Record<string, Normalization>> = {
  "layer_norm, every token to mean 0 and deviation 1": { kind: "layer_norm" },
  "constant_norm_rescale, every token to length √D": { kind: "constant_norm_rescale" },
  "expected_average_only_in, times 0.333333": { kind: "expected_average_only_in", scale: 1 / 3 },
};
for (const [words, normalization] of Object.entries(normalizations)) {
  Deno.test(`conventions() calls a normalisation "${words}"`, () => {
    assert(conventions({ ...plain, normalization }).includes(`normalisation: ${words}`));
  });
}
