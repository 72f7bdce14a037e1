import assert from "node:assert/strict";
import { stepAxis, stepScales } from "../src/axes.ts";
import {
  appearingCountsFigure,
  appearingFigure,
  chanceFigure,
  decoderHistogramFigure,
  distanceMatrixFigure,
  type Figure,
  lossFigure,
  matchedFractionFigure,
  similarityHistogramFigure,
} from "../src/figures.ts";
import { checkpointWith, matchWith, steps, summaryOf, syntheticSummary } from "./_summaries.ts";

// Four features: one there from the start, one that appears at step 9, one that comes and goes, and
// one that is dead. Their cosines are sums of powers of two, so that distances are exact.
const losses = [{ overall: 30, l1: 4, mse: 18 }, { overall: 20, l1: 5, mse: 5 }, {}];
const byHand = summaryOf([
  checkpointWith(0, [0.75, 0.25, 0.625, NaN], [0.5, -0.75, 0, NaN], losses[0]),
  checkpointWith(9, [0.9375, 0.5625, 0.375, NaN], [1, 1, -1, NaN], losses[1]),
  checkpointWith(99, [1, 1, 1, NaN], [1, 1, 1, NaN], losses[2]),
]);

// Fields of a figure, as a reader of its JSON sees them.
// deno-lint-ignore no-explicit-any
function read(figure: Figure): any {
  return JSON.parse(JSON.stringify(figure));
}

const all: Readonly<Record<string, (summary: typeof byHand) => Figure>> = {
  similarityHistogramFigure,
  decoderHistogramFigure,
  matchedFractionFigure,
  lossFigure,
  distanceMatrixFigure,
  appearingCountsFigure,
  appearingFigure: (summary) => appearingFigure(summary, summary.reference, [2, 1]),
};

for (const [name, draw] of Object.entries(all)) {
  Deno.test(`${name}() is plain JSON, and the same for the same summary`, () => {
    const figure = draw(syntheticSummary());
    assert.deepEqual(read(figure), figure);
    assert.equal(JSON.stringify(figure), JSON.stringify(draw(syntheticSummary())));
  });

  Deno.test(`${name}() goes forward in training on every scale`, () => {
    const figure = draw(syntheticSummary());
    for (const scale of stepScales) {
      const { traces, axis } = figure.scales[scale];
      assert.equal(traces.x.length, figure.data.length);
      for (const x of traces.x as number[][]) {
        assert(x.every((value, i) => i === 0 || value > x[i - 1]), `${scale}: ${x}`);
      }
      const [left, right] = axis.range as [number, number];
      assert(left < right);
    }
    assert.deepEqual(figure.data.map(({ x }) => x), figure.scales.symlog.traces.x);
  });

  Deno.test(`${name}() draws a sweep of two checkpoints`, () => {
    const { checkpoints } = byHand;
    const figure = draw(summaryOf([checkpoints[0], checkpoints[2]]));
    assert.deepEqual(read(figure), figure);
  });
}

Deno.test("a sweep of the reference alone cannot be compared", () => {
  const alone = summaryOf([byHand.checkpoints[2]]);
  for (const draw of [similarityHistogramFigure, decoderHistogramFigure, matchedFractionFigure]) {
    assert.throws(() => draw(alone), {
      name: "RangeError",
      message: "Cannot draw a sweep of step 99 alone: " +
        "expected a checkpoint beside the reference, got none",
    });
  }
});

Deno.test("similarityHistogramFigure() counts in 49 bins, without the dead and the reference", () => {
  const { data: [map], caption } = read(similarityHistogramFigure(byHand));
  assert.equal(map.z.length, 49);
  assert.equal(map.y.length, 50);
  const counts = map.customdata.map((row: number[][]) => row.map(([, , count]) => count));
  const column = (c: number) => counts.map((row: number[]) => row[c]);
  const filled = (c: number) =>
    column(c).flatMap((count: number, bin: number) => count > 0 ? [[bin, count]] : []);
  // floor(49 × cosine).
  assert.deepEqual(filled(0), [[12, 1], [30, 1], [36, 1]]);
  assert.deepEqual(filled(1), [[18, 1], [27, 1], [45, 1]]);
  assert.equal(counts[0].length, 2);
  assert.equal(map.z[12][0], 0.6931); // ln 2
  assert.equal(map.z[13][0], 0);
  assert.deepEqual(map.customdata[12][0], [0, "0.245 to 0.265", 1, 0.25, 1]);
  assert.match(caption, / Without a match at a checkpoint, and so in no bin: 1 of 4 features\.$/);
});

Deno.test("the ticks of a colour bar name true counts", () => {
  const same = summaryOf([
    checkpointWith(0, Array(40).fill(0.5)),
    checkpointWith(1, Array(40).fill(1)),
  ]);
  const { data: [{ colorbar, zmax }] } = read(similarityHistogramFigure(same));
  assert.deepEqual(colorbar.ticktext, ["0", "1", "3", "10", "30"]);
  assert.deepEqual(colorbar.tickvals, [0, 0.6931, 1.3863, 2.3979, 3.434]); // ln(count + 1)
  assert.equal(zmax, 3.7136); // ln 41
});

Deno.test("decoderHistogramFigure() drops no negative cosine", () => {
  const { data: [map] } = read(decoderHistogramFigure(byHand));
  assert.equal(map.z.length, 98);
  const total = (c: number) =>
    map.customdata.reduce((sum: number, row: number[][]) => sum + row[c][2], 0);
  assert.deepEqual([total(0), total(1)], [3, 3]);
  assert.equal(map.customdata[0][1][2], 1); // -1
  assert.equal(map.customdata[97][1][2], 2); // 1, twice
  assert.equal(map.customdata[12][0][2], 1); // -0.75
});

Deno.test("a cosine that float32 rounds above 1 is in the last bin", () => {
  const above = Math.fround(1.0000001);
  assert(above > 1);
  const summary = summaryOf([checkpointWith(0, [above]), checkpointWith(1, [1])]);
  assert.equal(read(similarityHistogramFigure(summary)).data[0].customdata[48][0][2], 1);
});

Deno.test("chanceFigure() shows means, bands and the ceiling, and nothing without a null", () => {
  assert.equal(
    chanceFigure(summaryOf([checkpointWith(0, [1]), checkpointWith(1, [1])])),
    undefined,
  );
  const cosines = (...of: number[][]) => of.map((values) => Float32Array.from(values));
  const early = {
    ...checkpointWith(0, [0.9, 0.9, 0.2, NaN]),
    nulls: {
      rotated: cosines([0.1, 0.1, NaN, NaN]),
      sameToken: cosines([0.9, 0.2, 0.1, NaN], [0.9, 0.9, 0.1, NaN]),
    },
  };
  const summary = {
    ...summaryOf([early, checkpointWith(1, [1, 1, 1, NaN])]),
    ceiling: { ...early, match: matchWith([0.9, 0.9, 0.9, NaN]) },
  };
  const { data } = read(chanceFigure(summary)!);
  assert.deepEqual(data.map(({ name, y }: { name?: string; y: number[] }) => [name ?? "", ...y]), [
    ["matched", 0.5],
    ["", 0.25],
    ["", 0.5],
    ["same token", 0.375],
    ["chance", 0],
    ["second seed", 0.75],
  ]);
});

Deno.test("matchedFractionFigure() counts no dead feature, out of all features, without the reference", () => {
  const { data } = read(matchedFractionFigure(byHand));
  const fractions = data.map(({ name, y }: { name: string; y: number[] }) => [name, ...y]);
  assert.deepEqual(fractions, [
    ["distance < 0.1", 0, 0.25],
    ["distance < 0.3", 0.25, 0.25],
    ["distance < 0.5", 0.5, 0.5],
    ["distance < 0.7", 0.5, 0.75],
    ["distance < 0.9", 0.75, 0.75],
  ]);
});

Deno.test("lossFigure() draws losses in the order of training, under the steps they belong to", () => {
  const { data } = read(lossFigure(byHand));
  const overall = data.find(({ name }: { name: string }) => name === "overall");
  assert.deepEqual(overall.customdata, [0, 9, 99]);
  assert.deepEqual(overall.y, [30, 20, null]);
  assert.deepEqual(overall.x, [0, 1, 2]);
  const [mse] = data.slice(3);
  assert.deepEqual([mse.name, ...mse.y], ["Mean squared error, measured", 2, 11, 101]);
});

Deno.test("lossFigure() says so where the sweep file gives no losses", () => {
  const none = summaryOf(byHand.checkpoints.map((checkpoint) => ({ ...checkpoint, losses: {} })));
  const { data, layout } = read(lossFigure(none));
  assert.equal(data.length, 4);
  assert.equal(layout.annotations[0].text, "Training losses: the sweep file gives none");
  const partly = summaryOf(none.checkpoints.map((c) => ({ ...c, losses: { mse: 1 } })));
  assert.deepEqual(read(lossFigure(partly)).data[0].name, "mse");
});

Deno.test("distanceMatrixFigure() has a row a feature, the most stable first, and no distance without a match", () => {
  const { data: [map], layout } = read(distanceMatrixFigure(byHand, { order: "stability" }));
  assert.deepEqual(map.z, [
    [0.25, 0.063, 0],
    [0.375, 0.625, 0],
    [0.75, 0.438, 0],
    [null, null, null],
  ]);
  assert.deepEqual(map.customdata[2][1], [1, 9, 1, 0.438]);
  assert.deepEqual(map.customdata[3][1], [3, 9, "none", "none"]);
  assert.deepEqual(layout.yaxis.range, [3.5, -0.5]);
});

Deno.test("distanceMatrixFigure() has the first to emerge on top, unless told otherwise", () => {
  const rows = (figure: Figure) =>
    read(figure).data[0].customdata.map((row: number[][]) => row[0][0]);
  const summary = summaryOf([
    checkpointWith(0, [0.25, 0.9375, 0.25, NaN]),
    checkpointWith(9, [0.75, 0.375, 0.375, NaN]),
    checkpointWith(99, [1, 1, 1, NaN]),
  ]);
  // Feature 1 is the most stable, but leaves; nearer than 0.7, all are there at step 9.
  const byEmergence = distanceMatrixFigure(summary);
  assert.deepEqual(rows(byEmergence), [0, 1, 2, 3]);
  assert.deepEqual(rows(distanceMatrixFigure(summary, { threshold: 0.7 })), [1, 0, 2, 3]);
  const byStability = distanceMatrixFigure(summary, { order: "stability" });
  assert.deepEqual(rows(byStability), [1, 0, 2, 3]);
  const title = (figure: Figure) => read(figure).layout.yaxis.title.text;
  assert.equal(title(byEmergence), "features, the first to come within 0.5 for good on top");
  assert.equal(title(byStability), "features, the most stable on top");
});

Deno.test("appearingCountsFigure() counts a feature at the step from which it stays", () => {
  // Feature 2 is there at step 0, gone at step 9, and back: it never appears.
  assert.deepEqual(read(appearingCountsFigure(byHand)).data[0].y, [1, 1, 0]);
});

Deno.test("appearingFigure() marks where a feature is present", () => {
  const { data: [map, ...dots], layout } = read(appearingFigure(byHand, 9, [1, 3]));
  assert.deepEqual(map.z, [[0.75, 0.438, 0], [null, null, null]]);
  assert.deepEqual(dots.map(({ y }: { y: unknown }) => y), [[null, 0, 0], [null, null, null]]);
  assert.deepEqual(layout.yaxis.ticktext, ["1", "3"]);
});

Deno.test("stepAxis() lays columns side by side, step 0 among them", () => {
  for (const scale of stepScales) {
    const { points, edges } = stepAxis(steps, scale);
    assert.equal(edges.length, steps.length + 1);
    points.forEach((point, c) => assert(edges[c] < point && point < edges[c + 1], scale));
  }
  assert.deepEqual(stepAxis([7], "linear").edges, [6.5, 7.5]);
});

Deno.test("stepAxis() names checkpoints where decades are too few", () => {
  assert.deepEqual(stepAxis([0, 10, 100, 1000], "symlog").axis.ticktext, [
    "0",
    "1",
    "10",
    "100",
    "1k",
  ]);
  assert.deepEqual(stepAxis([2000, 4000], "symlog").axis.ticktext, ["2k", "4k"]);
});
