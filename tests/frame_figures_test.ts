import assert from "node:assert/strict";
import { stepScales } from "../src/axes.ts";
import type { Figure } from "../src/axes.ts";
import { cosineMapFigure, rotationFigure, stackedBars } from "../src/frame_figures.ts";
import { comparedCheckpoints } from "../src/heatmaps.ts";
import { histogram } from "../src/summary.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";

// Six features: kept, rotated, with the direction alone, lost, on both thresholds, and dead.
const byHand = summaryOf([
  checkpointWith(0, [0.75, 0.75, 0.25, 0.25, 0.5, NaN], [0.75, -0.75, 0.75, 0.25, 0.5, NaN]),
  checkpointWith(9, [0.75, 0.75, 0.75, NaN, 0.25, NaN], [0.75, 0.75, 0, NaN, -1, NaN]),
  checkpointWith(99, [1, 1, 1, 1, 1, NaN]),
]);

// Fields of a figure, as a reader of its JSON sees them.
// deno-lint-ignore no-explicit-any
function read(figure: Figure): any {
  return JSON.parse(JSON.stringify(figure));
}

for (const draw of [rotationFigure, cosineMapFigure]) {
  Deno.test(`${draw.name}() is plain JSON, and the same for the same summary`, () => {
    for (const summary of [syntheticSummary(), byHand]) {
      const figure = draw(summary);
      assert.deepEqual(read(figure), figure);
      assert.deepEqual(draw(summary), figure);
    }
  });

  Deno.test(`${draw.name}() draws two checkpoints, and refuses one`, () => {
    const [first, , last] = byHand.checkpoints;
    const figure = draw(summaryOf([first, last]));
    assert.deepEqual(read(figure), figure);
    assert.throws(() => draw(summaryOf([last])), RangeError);
  });
}

Deno.test("rotationFigure() parts features by activations and direction, without the reference", () => {
  const { data } = read(rotationFigure(byHand));
  const counts = data.map((trace: { name: string; customdata: [string, number][] }) => [
    trace.name,
    ...trace.customdata.map(([, n]) => n),
  ]);
  assert.deepEqual(counts, [
    ["kept", 2, 2], // a cosine on the threshold is alike
    ["rotated", 1, 1],
    ["direction only", 1, 0],
    ["lost", 1, 1],
    ["no match", 1, 2],
  ]);
  assert.deepEqual(data[0].y, [2 / 6, 2 / 6]);
  assert.equal(data[0].customdata[1][0], "step 9");
});

Deno.test("rotationFigure() takes the threshold as a distance", () => {
  const of = (threshold: number) =>
    read(rotationFigure(byHand, threshold)).data.map(
      ({ customdata }: { customdata: [string, number][] }) => customdata[0][1],
    );
  assert.deepEqual(of(0.25), [1, 1, 1, 2, 1]);
  assert.deepEqual(of(0.2), [0, 0, 0, 5, 1]);
});

Deno.test("rotationFigure() shows shares that sum to 1, on every scale", () => {
  const { data, scales } = rotationFigure(syntheticSummary());
  const shares = data.map(({ y }) => y as number[]);
  shares[0].forEach((_, c) => {
    const sum = shares.reduce((sum, y) => sum + y[c], 0);
    assert(Math.abs(sum - 1) < 1e-12, `${sum} at checkpoint ${c}`);
  });
  for (const scale of stepScales) {
    const { x, width } = scales[scale].traces;
    assert.deepEqual((x as number[][]).map(({ length }) => length), shares.map((y) => y.length));
    assert.deepEqual((width as number[][]).map((w) => w.length), shares.map((y) => y.length));
  }
});

Deno.test("both take the cosine of activations, whatever the measure of the matches", () => {
  const summary = summaryOf(byHand.checkpoints.map((checkpoint) => ({
    ...checkpoint,
    match: { ...checkpoint.match, similarity: checkpoint.match.similarity.map((s) => s / 8) },
  })));
  assert.deepEqual(rotationFigure(summary), rotationFigure(byHand));
  assert.deepEqual(cosineMapFigure(summary), cosineMapFigure(byHand));
});

Deno.test("stackedBars() names classes where they are in the last bar", () => {
  const { traces, layout } = stackedBars(["a", "b"], ["#000000", "#111111"], [[4, 0], [1, 3]], [
    "first",
    "last",
  ]);
  assert.deepEqual(traces.map(({ y }) => y), [[1, 0.25], [0, 0.75]]);
  const annotations = layout.annotations as { readonly text: string; readonly y: number }[];
  assert.deepEqual(annotations.map(({ text, y }) => [text, y]), [["a", 0.125], ["b", 0.625]]);
});

Deno.test("cosineMapFigure() counts in 40 by 40 cells", () => {
  const { data } = read(cosineMapFigure(byHand));
  assert.equal(data.length, 2);
  const filled = (counts: number[][]) =>
    counts.flatMap((row, y) => row.flatMap((n, x) => n > 0 ? [[x, y, n]] : []));
  // floor(40 × cosine), floor(20 × (cosine + 1)).
  assert.deepEqual(filled(data[0].customdata), [
    [30, 5, 1],
    [10, 25, 1],
    [20, 30, 1],
    [10, 35, 1],
    [30, 35, 1],
  ]);
  assert.deepEqual(filled(data[1].customdata), [[10, 0, 1], [30, 20, 1], [30, 35, 2]]);
  assert.equal(data[1].z[35][30], 1.0986); // ln 3
  assert.equal(data[1].z[0][0], 0);
  for (const { zmax, colorbar } of data) {
    assert.equal(zmax, 1.0986);
    assert.deepEqual(colorbar.ticktext, ["0", "1"]);
  }
  // The middles of the first and the last cell.
  const { x0, dx, y0, dy } = data[0];
  assert.deepEqual([x0, x0 + 39 * dx, y0, (y0 + 39 * dy).toFixed(9)], [
    0.0125,
    0.9875,
    -0.975,
    "0.975000000",
  ]);
});

Deno.test("cosineMapFigure() has the histograms of both cosines on its sides", () => {
  for (let seed = 1; seed <= 10; seed++) {
    const summary = syntheticSummary(200, seed);
    const { data } = read(cosineMapFigure(summary));
    comparedCheckpoints(summary).forEach(({ match, decoderCosine }, c) => {
      const counts: number[][] = data[c].customdata;
      const rows = counts.map((row) => row.reduce((sum, n) => sum + n, 0));
      const columns = counts[0].map((_, x) => counts.reduce((sum, row) => sum + row[x], 0));
      const of = `seed ${seed}, checkpoint ${c}`;
      assert.deepEqual(columns, [...histogram(match.similarity, [0, 1], 40)], of);
      assert.deepEqual(rows, [...histogram(decoderCosine, [-1, 1], 40)], of);
    });
  }
});

Deno.test("cosineMapFigure() keeps a cosine that float32 rounds above 1", () => {
  const summary = summaryOf([checkpointWith(0, [1.0000001]), checkpointWith(1, [1])]);
  assert.equal(read(cosineMapFigure(summary)).data[0].customdata[39][39], 1);
});

Deno.test("cosineMapFigure() shows the checkpoint in the middle, and its slider any one alone", () => {
  const summary = syntheticSummary();
  const { data, layout: { sliders: [slider] }, scales } = read(cosineMapFigure(summary));
  assert.equal(data.length, 10);
  assert.equal(slider.active, 5);
  assert.deepEqual(data.map(({ visible }: { visible: boolean }) => visible), alone(5, 10));
  slider.steps.forEach(({ method, args }: { method: string; args: unknown[] }, c: number) => {
    assert.deepEqual([method, ...args], ["restyle", "visible", alone(c, 10)]);
  });
  assert.deepEqual(
    slider.steps.map(({ label }: { label: string }) => label).slice(0, 5),
    ["0", "2", "128", "512", "2k"],
  );
  for (const scale of stepScales) assert.deepEqual(scales[scale], { traces: {}, axis: {} });
});

function alone(chosen: number, n: number): boolean[] {
  return Array.from({ length: n }, (_, c) => c === chosen);
}
