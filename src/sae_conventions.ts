/**
 * What an SAE does to its input and to its features, in words: all that must be as in training.
 *
 * D = d_in, F = d_sae.
 *
 * @module
 */

import type { Normalization, Sae, SaeActivation } from "./sae_form.ts";

/** What of an SAE its conventions are. */
// deno-fmt-ignore
export type Conventional = Pick<
  Sae, "format" | "hook" | "contextSize" | "dIn" | "dSae" | "isProcessed" | "normalization"
  | "subtractsDecoderBias" | "isFolded" | "activation" | "expectedL0"
>;

/**
 * The conventions of an SAE, a line each, for a reader who knows how it was trained.
 *
 * @param sae The SAE.
 * @param options Whether values are centred, where that is not left to the SAE.
 * @returns Lines of a name and a value, in a fixed order.
 *
 * @example An SAE that keeps the two largest
 * ```ts
 * import assert from "node:assert/strict";
 * import { parseHook } from "./hooks.ts";
 *
 * const hook = parseHook("blocks.3.hook_resid_pre", "the example");
 * const lines = conventions({
 *   format: "sparsify", hook, contextSize: 64, dIn: 8, dSae: 32, isProcessed: false,
 *   normalization: { kind: "none" }, subtractsDecoderBias: true, isFolded: false,
 *   activation: { kind: "topk", k: 2 }, expectedL0: { value: 2, source: "k" },
 * });
 *
 * assert.deepEqual(lines, [
 *   "format: sparsify",
 *   "hook: blocks.3.hook_resid_pre, 64 positions",
 *   "features: 32 of 8 dimensions",
 *   "centring: none, the residual as it is",
 *   "normalisation: none",
 *   "b_dec: subtracted from the input",
 *   "activation: topk, the 2 largest of a token, from 0",
 *   "folding: none",
 *   "expected L0: 2.0 by k",
 * ]);
 * ```
 */
export function conventions(
  sae: Conventional,
  { isProcessed = sae.isProcessed }: { readonly isProcessed?: boolean } = {},
): string[] {
  const { format, hook, contextSize, dIn: D, dSae: F, isFolded, expectedL0 } = sae;
  const folded = "activations count in lengths of the decoder's rows";
  return [
    `format: ${format}`,
    `hook: ${hook.name}, ${contextSize} positions`,
    `features: ${F} of ${D} dimensions`,
    `centring: ${isProcessed ? "the mean over d_model is removed" : "none, the residual as it is"}`,
    `normalisation: ${normalizationInWords(sae.normalization)}`,
    `b_dec: ${sae.subtractsDecoderBias ? "subtracted from" : "not subtracted from"} the input`,
    `activation: ${activationInWords(sae.activation)}`,
    `folding: ${isFolded ? folded : "none"}`,
    `expected L0: ${
      expectedL0 ? `${expectedL0.value.toFixed(1)} by ${expectedL0.source}` : "not said"
    }`,
  ];
}

function normalizationInWords(normalization: Normalization): string {
  switch (normalization.kind) {
    case "none":
      return "none";
    case "layer_norm":
      return "layer_norm, every token to mean 0 and deviation 1";
    case "constant_norm_rescale":
      return "constant_norm_rescale, every token to length √D";
    case "expected_average_only_in":
      return `expected_average_only_in, times ${Number(normalization.scale.toPrecision(6))}`;
  }
}

function activationInWords(activation: SaeActivation): string {
  switch (activation.kind) {
    case "relu":
      return "relu";
    case "tanh-relu":
      return "tanh-relu, tanh of what is above 0";
    case "gated":
      return "gated";
    case "topk":
      return `topk, the ${activation.k} largest of a token, from 0`;
    case "groupmax":
      return `groupmax, the largest of each of ${activation.k} groups, from 0`;
    case "jumprelu": {
      let [least, most] = [Infinity, -Infinity];
      for (const t of activation.threshold) [least, most] = [Math.min(least, t), Math.max(most, t)];
      const [from, to] = [least, most].map((t) => `${Number(t.toPrecision(3))}`);
      return `jumprelu, above ${from === to ? from : `thresholds from ${from} to ${to}`}`;
    }
  }
}
