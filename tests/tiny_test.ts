// The whole flow on the training run in fixtures/tiny, against what transformers, SAELens' formulas and
// numpy computed on it in float64 (fixtures/tiny/make/expected.py), and against what a sweep must show.

import assert from "node:assert/strict";
import { extractSweep } from "../src/extract_sweep.ts";
import { matchSweep } from "../src/match_sweep.ts";
import { appearingFeatures, countMatched, type Summary } from "../src/summary.ts";
import { readSweep } from "../src/sweep.ts";

interface Peer {
  readonly step: number;
  readonly l0: number;
  readonly l1: number;
  readonly mse: number;
  readonly explained_variance: number;
  readonly n_dead: number;
  readonly n_dense: number;
  readonly n_matched: Readonly<Record<string, number>>;
  readonly match: readonly number[];
  readonly cosine: readonly (number | null)[];
  readonly decoder_cosine: readonly (number | null)[];
}

const folder = new URL("../fixtures/tiny/", import.meta.url).pathname;
const peer: {
  readonly n_tokens: number;
  readonly checkpoints: readonly Peer[];
  readonly appearing: Readonly<Record<string, readonly number[]>>;
} = JSON.parse(Deno.readTextFileSync(`${folder}expected.json`));

let computed: Promise<Summary> | undefined;

/** The sweep, extracted and matched once for all tests of this file. */
function tiny(): Promise<Summary> {
  return computed ??= (async () => {
    const out = await Deno.makeTempDir();
    try {
      const sweep = await readSweep(`${folder}sweep.json`);
      await extractSweep(sweep, out);
      return await matchSweep(sweep, out);
    } finally {
      await Deno.remove(out, { recursive: true });
    }
  })();
}

function assertNear(actual: number, expected: number, relative: number, what: string): void {
  assert(
    Math.abs(actual - expected) <= relative * Math.abs(expected),
    `${what}: ${actual} for ${expected}`,
  );
}

Deno.test("every checkpoint of fixtures/tiny is as good as the peers say", async () => {
  const { checkpoints } = await tiny();
  assert.deepEqual(checkpoints.map(({ step }) => step), peer.checkpoints.map(({ step }) => step));
  for (const [c, { step, quality }] of checkpoints.entries()) {
    const expected = peer.checkpoints[c];
    assert.equal(quality.nTokens, peer.n_tokens);
    assert.equal(quality.nMeasured, peer.n_tokens);
    // An activation within rounding of the threshold may fall on its other side: one in ten thousand.
    assertNear(quality.l0, expected.l0, 1e-4, `L0 at ${step}`);
    assertNear(quality.l1, expected.l1, 2e-5, `L1 at ${step}`);
    assertNear(quality.mse, expected.mse, 2e-5, `MSE at ${step}`);
    assertNear(
      quality.explainedVariance,
      expected.explained_variance,
      2e-5,
      `explained variance at ${step}`,
    );
    assert.equal(quality.nDead, expected.n_dead, `dead at ${step}`);
    assert.equal(quality.nDense, expected.n_dense, `dense at ${step}`);
  }
});

Deno.test("every match of fixtures/tiny is numpy's argmax", async () => {
  const { checkpoints } = await tiny();
  for (const [c, { step, match, decoderCosine }] of checkpoints.entries()) {
    const expected = peer.checkpoints[c];
    for (const [feature, best] of match.best.entries()) {
      const what = `feature ${feature} at ${step}`;
      const cosine = expected.cosine[feature];
      if (cosine === null || cosine <= 0) {
        assert.equal(best, -1, what); // numpy names a feature even where nothing fires together
        continue;
      }
      assert(
        Math.abs(match.similarity[feature] - cosine) < 2e-5,
        `${what}: ${match.similarity[feature]} for ${cosine}`,
      );
      if (best !== expected.match[feature]) {
        // Only a runner-up as good to the last digits may be taken for the best.
        assert.equal(match.runnerUp[feature], expected.match[feature], what);
        assert(match.similarity[feature] - match.runnerUpSimilarity[feature] < 1e-5, what);
        continue;
      }
      assert(Math.abs(decoderCosine[feature] - expected.decoder_cosine[feature]!) < 2e-5, what);
    }
    for (const [threshold, count] of Object.entries(expected.n_matched)) {
      const near = expected.cosine.filter((cosine) =>
        Math.abs(1 - (cosine ?? 9) - Number(threshold)) < 2e-5
      );
      const difference = Math.abs(countMatched(match, Number(threshold)) - count);
      assert(difference <= near.length, `matched below ${threshold} at ${step}`);
    }
  }
});

Deno.test("the features that appear in fixtures/tiny are the peers'", async () => {
  const summary = await tiny();
  for (const [step, expected] of Object.entries(peer.appearing)) {
    assert.deepEqual(appearingFeatures(summary, Number(step)), expected, `at ${step}`);
  }
});

Deno.test("fixtures/tiny shows training", async () => {
  const summary = await tiny();
  const matched = summary.checkpoints.map(({ match }) =>
    countMatched(match, 0.5) / summary.nFeatures
  );
  const [first, beforeLast] = [matched[0], matched.at(-2)!];
  assert(first < 0.7 && beforeLast >= 0.9, `${matched}`);
  const busy = summary.checkpoints.filter(({ step }) =>
    appearingFeatures(summary, step).length >= 5
  );
  assert(busy.length >= 3);
  assert(summary.checkpoints.some(({ quality }) => quality.nDead > 0));
  for (const { quality } of summary.checkpoints.slice(-3)) {
    assert(quality.explainedVariance >= 0.8 && quality.l0 >= 6 && quality.l0 <= 40);
    assert(quality.nDead < 0.2 * quality.dSae);
  }
});

Deno.test("in fixtures/tiny all that is there at the start is the token, and the rest is context", async () => {
  const { checkpoints, nFeatures, reference } = await tiny();
  const above = checkpoints.filter(({ step }) => step !== reference).map(({ match, nulls }) => {
    const fraction = (similarity: Float32Array) => countMatched({ similarity }, 0.5) / nFeatures;
    for (const cosine of nulls.rotated) assert(fraction(cosine) < 0.02, "chance alone");
    return fraction(match.similarity) - Math.max(...nulls.sameToken.map(fraction));
  });
  assert(Math.abs(above[0]) < 0.02, `${above}`);
  assert(above.at(-1)! > 0.4, `${above}`);
});

Deno.test("a second SAE of the last step is the ceiling of fixtures/tiny", async () => {
  const { ceiling, checkpoints, nFeatures } = await tiny();
  const fraction = countMatched(ceiling!.match, 0.5) / nFeatures;
  assert(Math.abs(fraction - 0.938) < 0.001, `${fraction}`);
  assert(fraction > countMatched(checkpoints.at(-2)!.match, 0.5) / nFeatures);
});
