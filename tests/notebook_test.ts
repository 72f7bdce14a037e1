// The effects that README's table of differences states, from the notebook's own figures.

import assert from "node:assert/strict";

interface Checkpoint {
  readonly step: number;
  readonly nLive: number;
  readonly nDead: number;
  readonly fromHistogram: readonly number[];
  readonly plotted: readonly number[] | null;
  readonly withoutDead: readonly number[] | null;
  readonly nOnDecoderPlot: number | null;
}

const path = new URL("../fixtures/notebook/figures.json", import.meta.url);
const { nFeatures, distances, checkpoints } = JSON.parse(Deno.readTextFileSync(path)) as {
  readonly nFeatures: number;
  readonly distances: readonly number[];
  readonly checkpoints: readonly Checkpoint[];
};
const onCurves = checkpoints.filter(({ plotted }) => plotted !== null);

Deno.test("the notebook's curves differ from counts of live features by its dead ones alone", () => {
  assert.equal(onCurves.length, 19, "all but the reference");
  for (const { step, nLive, nDead, plotted, withoutDead } of onCurves) {
    assert.equal(nLive + nDead, nFeatures, `step ${step}`);
    distances.forEach((distance, d) => {
      const difference = plotted![d] - withoutDead![d] - nDead / nFeatures;
      assert(Math.abs(difference) < 1e-4, `step ${step}, distance ${distance}: ${difference}`);
    });
  }
});

Deno.test("its histograms hold the features without the dead ones, within a bin", () => {
  for (const { step, fromHistogram, plotted, withoutDead } of onCurves) {
    fromHistogram.forEach((fraction, d) => {
      const [near, far] = [withoutDead!, plotted!].map((of) => Math.abs(fraction - of[d]));
      assert(near < 0.01 && near <= far, `step ${step}: ${fraction} for ${withoutDead![d]}`);
    });
  }
});

Deno.test("README states these effects", () => {
  const dead = onCurves.map(({ nDead }) => nDead);
  const points = (n: number) => (100 * n / nFeatures).toFixed(2);
  const first = onCurves[0];
  const effects = [
    `${points(Math.min(...dead))} to ${points(Math.max(...dead))} points less on every curve ` +
    `(${Math.min(...dead)} to ${Math.max(...dead)} features)`,
    `at step ${first.step} ${
      Math.round(100 * (1 - first.plotted![4]))
    } % of the features instead ` +
    `of ${Math.round(100 * (1 - first.plotted![2]))} %`,
    `at step ${first.step} ${(nFeatures - first.nOnDecoderPlot!).toLocaleString("en")} of ` +
    `${nFeatures.toLocaleString("en")} features were not on the plot`,
  ];
  const readme = Deno.readTextFileSync(new URL("../README.md", import.meta.url));
  for (const effect of effects) assert(readme.includes(effect), effect);
});
