import assert from "node:assert/strict";
import { bytesInMemory } from "../src/files.ts";
import { parseHook } from "../src/hooks.ts";
import { type Quality, qualityMeter, sequenceSums } from "../src/quality.ts";
import { randomFrom } from "../src/random.ts";
import type { Normalization, Sae } from "../src/sae.ts";
import { sliceRows, sparsify } from "../src/sparse.ts";
import { randomDense, toRows, turned } from "./_naive.ts";

const [D, F, T] = [6, 9, 5]; // d_in, d_sae, tokens of a sequence

function randomSae(seed: number, normalization: Normalization): Sae {
  return {
    format: "SAELens",
    where: "by hand",
    hook: parseHook("blocks.0.hook_resid_pre", "by hand"),
    dIn: D,
    dSae: F,
    contextSize: T,
    isProcessed: false,
    normalization,
    subtractsDecoderBias: true,
    isFolded: false,
    activation: { kind: "relu" },
    encoder: {
      name: "W_enc",
      dtype: "F32",
      shape: [D, F],
      source: bytesInMemory("by hand", new Uint8Array()),
      start: 0,
      end: 0,
    },
    isEncoderTransposed: false,
    encoderValues: undefined,
    encoderScale: new Float32Array(F).fill(1),
    encoderBias: new Float32Array(F),
    decoder: randomDense(F * D, 1, seed),
    decoderBias: randomDense(D, 1, seed + 1),
    checkpointIndex: undefined,
    expectedL0: undefined,
    files: [],
  };
}

function randomTokens(seed: number, nSequences: number) {
  const activations = sparsify(randomDense(nSequences * T * F, 0.4, seed + 2), F);
  return { activations, x: randomDense(nSequences * T * D, 1, seed + 3) };
}

// Sums of sequences that are run `batch` at a time.
function measured(
  sae: Sae,
  { activations, x }: ReturnType<typeof randomTokens>,
  batch: number,
  nMeasured = Infinity,
): Quality {
  const meter = qualityMeter(sae);
  for (let row = 0; row < activations.nRows; row += batch * T) {
    const rows = sliceRows(activations, row, Math.min(row + batch * T, activations.nRows));
    meter.count(rows);
    for (let from = 0; from < rows.nRows; from += T) {
      const isMeasured = row + from < nMeasured;
      meter.add(
        sequenceSums(rows, x.subarray(row * D), { sae, from, to: from + T, isMeasured }),
      );
    }
  }
  return meter.quality();
}

const sum = (values: number[]) => values.reduce((total, v) => total + v, 0);
const mean = (values: number[]) => sum(values) / values.length;

// x̂ of one token: the SAE's own output, with its normalisation undone.
function naiveReconstruction(sae: Sae, activations: number[], x: number[]): number[] {
  const plain = x.map((_, d) =>
    sum(activations.map((a, f) => a * sae.decoder[f * D + d])) + sae.decoderBias[d]
  );
  switch (sae.normalization.kind) {
    case "none":
      return plain;
    case "expected_average_only_in": {
      const { scale } = sae.normalization;
      return plain.map((v) => v / scale);
    }
    case "constant_norm_rescale":
      return plain.map((v) => v * Math.sqrt(sum(x.map((u) => u * u))) / Math.sqrt(D));
    case "layer_norm": {
      const mu = mean(x);
      const deviation = Math.sqrt(sum(x.map((u) => (u - mu) ** 2)) / (D - 1));
      return plain.map((v) => v * (deviation + 1e-5) + mu);
    }
  }
}

function naiveQuality(sae: Sae, activations: number[][], xs: number[][]): Quality {
  const means = turned(xs, D).map(mean);
  const errors = xs.map((x, n) => {
    const xHat = naiveReconstruction(sae, activations[n], x);
    return sum(x.map((v, d) => (v - xHat[d]) ** 2));
  });
  const variances = xs.map((x) => sum(x.map((v, d) => (v - means[d]) ** 2)));
  const fires = turned(activations, F).map((feature) => feature.filter((a) => a !== 0).length);
  return {
    nTokens: xs.length,
    dSae: F,
    nMeasured: xs.length,
    l0: mean(activations.map((row) => row.filter((a) => a !== 0).length)),
    l1: mean(activations.map((row) => sum(row.map(Math.abs)))),
    mse: mean(errors),
    explainedVariance: 1 - sum(errors) / sum(variances),
    nDead: fires.filter((n) => n === 0).length,
    nDense: fires.filter((n) => n > xs.length / 10).length,
  };
}

const normalizations: Normalization[] = [
  { kind: "none" },
  { kind: "layer_norm" },
  { kind: "constant_norm_rescale" },
  { kind: "expected_average_only_in", scale: 0.3 },
];

for (const normalization of normalizations) {
  Deno.test(`quality() equals its definition, normalisation ${normalization.kind}`, () => {
    for (let seed = 0; seed < 25; seed++) {
      const sae = randomSae(10 * seed, normalization);
      const tokens = randomTokens(10 * seed, 1 + Math.floor(randomFrom(seed)() * 6));
      const xs = Array.from(
        { length: tokens.activations.nRows },
        (_, n) => [...tokens.x.subarray(n * D, (n + 1) * D)],
      );

      const actual = measured(sae, tokens, 2);

      for (
        const [name, value] of Object.entries(naiveQuality(sae, toRows(tokens.activations), xs))
      ) {
        const got = actual[name as keyof Quality];
        const isClose = Math.abs(got - value) <= 1e-9 * (1 + Math.abs(value));
        assert(isClose, `${name} of seed ${seed}: ${got} for ${value}`);
      }
    }
  });
}

Deno.test("quality() does not depend on how many sequences are run at once, to the last bit", () => {
  const sae = randomSae(1, { kind: "layer_norm" });
  const tokens = randomTokens(1, 7);
  for (const batch of [2, 3, 7, 100]) {
    assert.deepEqual(measured(sae, tokens, batch), measured(sae, tokens, 1), `batch ${batch}`);
  }
});

Deno.test("quality() counts features on all tokens, the reconstruction on the measured ones", () => {
  const sae = randomSae(1, { kind: "none" });
  const tokens = randomTokens(1, 6);
  const few = {
    activations: sliceRows(tokens.activations, 0, 2 * T),
    x: tokens.x.subarray(0, 2 * T * D),
  };
  const [all, part, alone] = [
    measured(sae, tokens, 3),
    measured(sae, tokens, 3, 2 * T),
    measured(sae, few, 3),
  ];
  const { nMeasured, mse, explainedVariance } = alone;
  assert.deepEqual(part, { ...all, nMeasured, mse, explainedVariance });
});

Deno.test("quality() is NaN where nothing was measured", () => {
  const { mse, explainedVariance, nMeasured } = measured(
    randomSae(1, { kind: "none" }),
    randomTokens(1, 2),
    1,
    0,
  );
  assert.deepEqual([nMeasured, mse, explainedVariance], [0, NaN, NaN]);
});

Deno.test("quality() explains everything where the reconstruction is exact", () => {
  const sae = { ...randomSae(1, { kind: "none" }), decoderBias: new Float32Array(D) };
  const { activations } = randomTokens(1, 4);
  // One feature at most on a token, so that a · decoder is exact at float32.
  const dense = toRows(activations).map((row) => {
    const first = row.findIndex((a) => a !== 0);
    return row.map((_, f) => f === first ? 2 : 0);
  });
  const x = dense.flatMap((row) =>
    Array.from({ length: D }, (_, d) => sum(row.map((a, f) => a * sae.decoder[f * D + d])))
  );
  const one = {
    activations: sparsify(Float32Array.from(dense.flat()), F),
    x: Float32Array.from(x),
  };
  const { mse, explainedVariance } = measured(sae, one, 1);
  assert.deepEqual([mse, explainedVariance], [0, 1]);
});

Deno.test("quality() calls dense what fires on more than a tenth of the tokens", () => {
  const column = (n: number) => Float32Array.from({ length: 20 }, (_, i) => i < n ? 1 : 0);
  for (const [n, nDense, nDead] of [[0, 0, 1], [2, 0, 0], [3, 1, 0]]) {
    const meter = qualityMeter({ dIn: 1, dSae: 1 });
    meter.count(sparsify(column(n), 1));
    meter.add({ nTokens: 20, l1: n });
    const quality = meter.quality();
    assert.deepEqual([quality.nDense, quality.nDead], [nDense, nDead], `${n} of 20 tokens`);
  }
});
