/**
 * Whether an SAE does on its first tokens what it did in training; if not, the likely cause.
 *
 * A wrong setting computes numbers as a right one does. What gives it away is a reconstruction that is
 * worse than the mean, or far more or fewer features than the SAE's own files say.
 *
 * D = d_in.
 *
 * @module
 */

import type { Runner } from "./encode_run.ts";
import { type Quality, qualityMeter } from "./quality.ts";
import type { Sae } from "./sae.ts";

// Below it an explained variance is no noise of few tokens; beyond this factor an L0 is none.
const [leastVariance, mostFactor] = [-0.05, 2];

/** What of an SAE is checked. */
export type Checked = Pick<
  Sae,
  "activation" | "decoderBias" | "expectedL0" | "isProcessed" | "normalization"
>;

/** What an SAE did on its first tokens. */
export interface FirstTokens extends Pick<Quality, "nTokens" | "l0" | "explainedVariance" | "mse"> {
  /** The mean of all values that it read, over tokens and D. */
  readonly meanInput: number;
}

/**
 * Compares what an SAE does with what its files lead one to expect.
 *
 * An explained variance below −0.05 is worse than the mean of the tokens would be, and no L0 should be
 * more than twice the expected one, or less than half. Causes are guesses. Centring is one where it is
 * not as the SAE's files have it, or the mean of b_dec and that of the values differ by a fifth of the
 * error.
 *
 * @param sae The SAE.
 * @param first What it did on some tokens; a NaN is passed over.
 * @param options Whether its values were centred, where that is not left to the SAE.
 * @returns Warnings, each a sentence; none where all is well.
 *
 * @example A top-k SAE that was loaded without its k
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const sae = {
 *   activation: { kind: "relu" },
 *   decoderBias: new Float32Array([1, 2]),
 *   expectedL0: { value: 80, source: "sparsity.safetensors" },
 *   isProcessed: false,
 *   normalization: { kind: "none" },
 * } as const;
 *
 * const first = { nTokens: 512, l0: 600, explainedVariance: 0.7, mse: 1, meanInput: 1.5 };
 *
 * assert.deepEqual(selfCheck(sae, first), [
 *   "L0 is 600.0 on the first 512 tokens, where sparsity.safetensors says 80.0: the activation is " +
 *   "perhaps topk or jumprelu, which its files do not say",
 * ]);
 * ```
 */
export function selfCheck(
  sae: Checked,
  first: FirstTokens,
  { isProcessed = sae.isProcessed }: { readonly isProcessed?: boolean } = {},
): string[] {
  const { nTokens, l0, explainedVariance } = first;
  const on = `on the first ${nTokens} tokens`;
  const warnings: string[] = [];
  if (explainedVariance < leastVariance) {
    const cause = causeOfVariance(sae, first, isProcessed);
    warnings.push(`explained variance is ${explainedVariance.toFixed(2)} ${on}: ${cause}`);
  }
  const { expectedL0 } = sae;
  if (expectedL0 === undefined) return warnings;
  const factor = l0 / expectedL0.value;
  if (factor > mostFactor || factor < 1 / mostFactor) {
    const expected = `${expectedL0.source} says ${expectedL0.value.toFixed(1)}`;
    const cause = causeOfL0(sae, factor > 1);
    warnings.push(`L0 is ${l0.toFixed(1)} ${on}, where ${expected}: ${cause}`);
  }
  return warnings;
}

function causeOfVariance(
  { decoderBias, normalization, isProcessed: isSaid }: Checked,
  { meanInput, mse }: FirstTokens,
  isProcessed: boolean,
): string {
  const D = decoderBias.length;
  const scale = normalization.kind === "expected_average_only_in" ? normalization.scale : 1;
  const meanBias = decoderBias.reduce((sum, b) => sum + b, 0) / D / scale;
  // The error along (1, …, 1), if nothing but b_dec reconstructs it.
  const isOffset = D * (meanInput - meanBias) ** 2 > 0.2 * mse;
  if (isProcessed && (!isSaid || isOffset)) {
    return 'the values are perhaps centred, which they were not in training; try "center": false';
  }
  if (!isProcessed && (isSaid || (isOffset && Math.abs(meanBias) < Math.abs(meanInput) / 2))) {
    return 'the values are perhaps not centred as in training; try "center": true';
  }
  return "the values are perhaps of another hook, model or scale than in training";
}

function causeOfL0({ activation: { kind } }: Checked, isMore: boolean): string {
  if (isMore && (kind === "relu" || kind === "tanh-relu")) {
    return "the activation is perhaps topk or jumprelu, which its files do not say";
  }
  return "the values are perhaps of another hook, model or scale than in training";
}

/**
 * A runner that checks its first run, and otherwise gives what it would have given.
 *
 * The whole of the first run is measured, at nnz · D multiply-adds a token; what was not asked for is
 * not handed on.
 *
 * @param runner Runs sequences, here or in workers.
 * @param sae Its SAE.
 * @param options Whether values are centred, and what is told the warnings.
 * @returns The runner; releasing it releases the first.
 */
export function checkingRunner(
  runner: Runner,
  sae: Checked & Pick<Sae, "dIn" | "dSae">,
  { isProcessed, onWarning }: {
    readonly isProcessed: boolean;
    readonly onWarning: (warning: string) => void;
  },
): Runner {
  return {
    nAtOnce: runner.nAtOnce,
    release: () => runner.release(),
    async run(run) {
      if (run.start !== 0) return await runner.run(run);
      const encoded = await runner.run({ ...run, isMeasured: run.isMeasured.map(() => true) });
      const meter = qualityMeter(sae);
      meter.count(encoded.rows);
      encoded.sums.forEach(meter.add);
      const quality = meter.quality();
      let sum = 0;
      for (const { reconstruction } of encoded.sums) {
        for (const part of reconstruction!.sumInput) sum += part;
      }
      const meanInput = sum / quality.nMeasured / sae.dIn;
      selfCheck(sae, { ...quality, meanInput }, { isProcessed }).forEach(onWarning);
      const sums = encoded.sums.map((sums, i) =>
        run.isMeasured[i] ? sums : { nTokens: sums.nTokens, l1: sums.l1 }
      );
      return { ...encoded, sums };
    },
  };
}
