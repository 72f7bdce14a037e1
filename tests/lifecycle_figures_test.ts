import assert from "node:assert/strict";
import { type Figure, stepAxis, stepScales } from "../src/axes.ts";
import { lifecycle } from "../src/emergence.ts";
import { comparedCheckpoints } from "../src/heatmaps.ts";
import { lifecycleFlowFigure, lifecycleStripFigure } from "../src/lifecycle_figures.ts";
import { featurePaths, featuresByEmergence } from "../src/paths.ts";
import { featuresByStability } from "../src/summary.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";

// Six features: there from the start, early, late, transient, never, and dead; then the reference.
const byHand = summaryOf([
  checkpointWith(0, [0.75, 0.25, 0.25, 0.75, 0.25, NaN]),
  checkpointWith(1, [0.75, 0.75, NaN, 0.25, 0.25, NaN]),
  checkpointWith(99, [0.9375, 0.75, 0.75, 0.25, 0.25, NaN]),
  checkpointWith(999, [1, 1, 1, 1, 1, NaN]),
]);

// Fields of a figure, as a reader of its JSON sees them.
// deno-lint-ignore no-explicit-any
function read(figure: Figure): any {
  return JSON.parse(JSON.stringify(figure));
}

// Counts of the bars of a figure: `[classes][bars]`.
function countsOf(figure: Figure): Record<string, number[]> {
  const bars = read(figure).data.filter(({ type }: { type: string }) => type === "bar");
  return Object.fromEntries(
    bars.map(({ name, customdata }: { name: string; customdata: [string, number][] }) => [
      name,
      customdata.map(([, n]) => n),
    ]),
  );
}

for (const draw of [lifecycleStripFigure, lifecycleFlowFigure]) {
  Deno.test(`${draw.name}() is plain JSON, and the same for the same summary`, () => {
    for (const summary of [syntheticSummary(), byHand]) {
      const figure = draw(summary);
      assert.deepEqual(read(figure), figure);
      assert.deepEqual(draw(summary), figure);
    }
  });

  Deno.test(`${draw.name}() draws two checkpoints, and refuses one`, () => {
    const { checkpoints: [first, , , last] } = byHand;
    const figure = draw(summaryOf([first, last]));
    assert.deepEqual(read(figure), figure);
    assert.throws(() => draw(summaryOf([last])), RangeError);
  });

  Deno.test(`${draw.name}() shows shares that sum to 1 in every bar`, () => {
    const bars = draw(syntheticSummary()).data.filter(({ type }) => type === "bar");
    const shares = bars.map(({ y }) => y as number[]);
    shares[0].forEach((_, b) => {
      const sum = shares.reduce((sum, y) => sum + y[b], 0);
      assert(Math.abs(sum - 1) < 1e-12, `${sum} in bar ${b}`);
    });
  });
}

Deno.test("lifecycleStripFigure() counts classes at 19 thresholds, without the reference", () => {
  const figure = lifecycleStripFigure(byHand);
  const at = (threshold: number) =>
    Object.entries(countsOf(figure)).map(([name, counts]) => [
      name,
      counts[(figure.data[0].x as number[]).indexOf(threshold)],
    ]);
  assert.deepEqual(at(0.5), [
    ["from the start", 1],
    ["early", 1],
    ["middle", 0],
    ["late", 1],
    ["transient", 1],
    ["never", 1],
    ["dead", 1],
  ]);
  // A similarity of 0.25 is there at 0.25: feature 2 alone is gone for a while.
  assert.deepEqual(at(0.25).map(([, n]) => n), [4, 0, 0, 0, 1, 0, 1]);
  assert.deepEqual(at(0.9).map(([, n]) => n), [0, 0, 0, 1, 0, 4, 1]);
  assert.equal((figure.data[0].x as number[]).length, 19);
});

Deno.test("lifecycleStripFigure() has the classes of lifecycle() for every feature", () => {
  for (let seed = 1; seed <= 5; seed++) {
    const summary = syntheticSummary(60, seed);
    const compared = comparedCheckpoints(summary);
    const counts = countsOf(lifecycleStripFigure(summary));
    for (let h = 0; h < 19; h++) {
      const expected: Record<string, number> = {};
      for (let feature = 0; feature < 60; feature++) {
        const isDead = summary.checkpoints.at(-1)!.match.sourceCounts[feature] === 0;
        const similarities = Float32Array.from(compared, (c) => c.match.similarity[feature]);
        const steps = compared.map(({ step }) => step);
        const name = isDead ? "dead" : lifecycle(steps, similarities, (h + 1) / 20, { isDead })!;
        expected[name] = (expected[name] ?? 0) + 1;
      }
      for (const [name, at] of Object.entries(counts)) {
        assert.equal(at[h], expected[name] ?? 0, `${name} at ${(h + 1) / 20}, seed ${seed}`);
      }
    }
  }
});

Deno.test("lifecycleStripFigure() counts the classes that features.arrow holds", () => {
  const summary = syntheticSummary();
  const counts = countsOf(lifecycleStripFigure(summary));
  for (const [distance, bar] of [[0.75, 4], [0.5, 9], [0.3, 13], [0.1, 17]]) {
    const classes = featurePaths(summary, distance).map((path) => path.lifecycle);
    for (const [name, at] of Object.entries(counts)) {
      assert.equal(at[bar], classes.filter((of) => of === name).length, `${name}, ${distance}`);
    }
  }
});

Deno.test("lifecycleStripFigure() never has fewer never and more from the start above", () => {
  const counts = countsOf(lifecycleStripFigure(syntheticSummary()));
  for (let h = 1; h < 19; h++) {
    assert(counts.never[h] >= counts.never[h - 1]);
    assert(counts["from the start"][h] <= counts["from the start"][h - 1]);
    assert.equal(counts.dead[h], counts.dead[0]);
  }
});

Deno.test("lifecycleStripFigure() draws a line at the threshold, and changes with no scale", () => {
  const { layout: { shapes: [line] }, scales } = read(lifecycleStripFigure(byHand, 0.25));
  assert.deepEqual([line.x0, line.x1], [0.75, 0.75]);
  for (const scale of stepScales) assert.deepEqual(scales[scale], { traces: {}, axis: {} });
});

Deno.test("lifecycleFlowFigure() counts features by band, a floor in its band", () => {
  assert.deepEqual(countsOf(lifecycleFlowFigure(byHand)), {
    "0.9 or more": [0, 0, 1],
    "0.7 to 0.9": [2, 2, 2],
    "0.5 to 0.7": [0, 0, 0],
    "0.3 to 0.5": [0, 0, 0],
    "below 0.3": [3, 2, 2],
    "no match": [1, 2, 1],
  });
  const floors = [0.9, 0.7, 0.5, 0.3, 0.29];
  const onFloors = summaryOf([checkpointWith(0, floors), checkpointWith(1, Array(5).fill(1))]);
  assert.deepEqual(Object.values(countsOf(lifecycleFlowFigure(onFloors))).map(([n]) => n), [
    ...[1, 1, 1, 1, 1, 0],
  ]);
});

interface Ribbon {
  readonly from: number;
  readonly column: number;
  /** Lower and upper edge where it starts and where it ends. */
  readonly start: readonly [number, number];
  readonly end: readonly [number, number];
}

// Ribbons as a reader of the figure finds them: by their corners.
function ribbonsOf(figure: Figure, points: readonly number[]): Ribbon[] {
  return figure.data.slice(0, 6).flatMap((trace, from) => {
    const y = trace.y as (number | null)[];
    const x = trace.x as (number | null)[];
    const ribbons: Ribbon[] = [];
    let first = 0;
    y.forEach((value, i) => {
      if (value !== null) return;
      const ring = y.slice(first, i) as number[];
      const half = ring.length / 2;
      ribbons.push({
        from,
        column: points.findLastIndex((point) => point < x[first]!),
        start: [ring[0], ring[2 * half - 1]],
        end: [ring[half - 1], ring[half]],
      });
      first = i + 1;
    });
    return ribbons;
  });
}

Deno.test("the ribbons of lifecycleFlowFigure() fill both bars between which they are", () => {
  const summary = syntheticSummary();
  const figure = lifecycleFlowFigure(summary);
  const steps = comparedCheckpoints(summary).map(({ step }) => step);
  const ribbons = ribbonsOf(figure, stepAxis(steps, "symlog").points);
  const counts = Object.values(countsOf(figure));
  const near = (a: number, b: number) => Math.abs(a - b) < 1e-4;
  const thickness = ([low, high]: readonly [number, number]) => high - low;
  for (let c = 0; c + 1 < steps.length; c++) {
    const here = ribbons.filter(({ column }) => column === c);
    for (const side of ["start", "end"] as const) {
      // One on the other from 0 to 1, without a gap.
      const edges = here.map((ribbon) => ribbon[side]).sort(([a], [b]) => a - b);
      assert(near(edges[0][0], 0) && near(edges.at(-1)![1], 1));
      edges.slice(1).forEach(([low], e) => assert(near(low, edges[e][1]), `${side} at ${c}`));
    }
    for (const ribbon of here) assert(near(thickness(ribbon.start), thickness(ribbon.end)));
    for (let band = 0; band < 6; band++) {
      const all = here.filter(({ from }) => from === band);
      const sum = all.reduce((sum, { start }) => sum + thickness(start), 0);
      assert(near(sum, counts[band][c] / summary.nFeatures), `band ${band} at ${c}`);
    }
  }
});

Deno.test("lifecycleFlowFigure() conserves features on the way, and counts them by hand", () => {
  const { data } = read(lifecycleFlowFigure(byHand));
  const hover: (string | number)[][] = data.at(-1).customdata;
  const flows = [...new Set(hover.map((place) => JSON.stringify(place)))].map((p) => JSON.parse(p));
  assert.deepEqual(flows.map(([from, a, to, b, n]) => [from, a, to, b, n]), [
    [0, "0.7 to 0.9", 1, "0.7 to 0.9", 1],
    [0, "0.7 to 0.9", 1, "below 0.3", 1],
    [0, "below 0.3", 1, "0.7 to 0.9", 1],
    [0, "below 0.3", 1, "below 0.3", 1],
    [0, "below 0.3", 1, "no match", 1],
    [0, "no match", 1, "no match", 1],
    [1, "0.7 to 0.9", 99, "0.9 or more", 1],
    [1, "0.7 to 0.9", 99, "0.7 to 0.9", 1],
    [1, "below 0.3", 99, "below 0.3", 2],
    [1, "no match", 99, "0.7 to 0.9", 1],
    [1, "no match", 99, "no match", 1],
  ]);
});

Deno.test("lifecycleFlowFigure() has a place for every point on every scale, beside all bars", () => {
  const summary = syntheticSummary();
  const { data, scales } = lifecycleFlowFigure(summary);
  const steps = comparedCheckpoints(summary).map(({ step }) => step);
  for (const scale of stepScales) {
    const { x, width } = scales[scale].traces as {
      x: (number | null)[][];
      width: (number[] | null)[];
    };
    assert.equal(x.length, data.length);
    const { points, edges } = stepAxis(steps, scale);
    data.forEach((trace, t) => {
      const y = trace.y as (number | null)[];
      assert.equal(x[t].length, y.length, `${scale}, trace ${t}`);
      y.forEach((value, i) => assert.equal(x[t][i] === null, value === null));
    });
    const bars = data.flatMap(({ type }, t) => type === "bar" ? [t] : []);
    assert.equal(bars.length, 6);
    for (const bar of bars) {
      assert.deepEqual(x[bar], points);
      width[bar]!.forEach((w, c) => {
        assert(w > 0 && points[c] - w / 2 > edges[c] && points[c] + w / 2 < edges[c + 1]);
      });
    }
    const halves = width[bars[0]]!.map((w) => w / 2);
    const slack = 1e-5 * (edges.at(-1)! - edges[0]); // six digits are written
    for (const place of x.flatMap((places, t) => bars.includes(t) ? [] : places)) {
      if (place === null) continue;
      const inside = points.findIndex((point, c) => Math.abs(place - point) < halves[c] - slack);
      assert.equal(inside, -1, `${scale}: ${place}`);
    }
  }
  assert.deepEqual(data.map(({ x }) => x), scales.symlog.traces.x);
});

Deno.test("lifecycleFlowFigure() draws many checkpoints with few points each", () => {
  const { checkpoints } = syntheticSummary(40);
  const many = summaryOf(Array.from({ length: 150 }, (_, c) => ({
    ...checkpoints[c % 10],
    step: c,
  })));
  const nPoints = lifecycleFlowFigure(many).data.slice(0, 6).map(({ y }) => (y as []).length);
  const nRibbons = lifecycleFlowFigure(many).data.slice(0, 6).map(({ y }) =>
    (y as (number | null)[]).filter((value) => value === null).length
  );
  assert.deepEqual(nPoints, nRibbons.map((n) => 5 * n));
});

Deno.test("featuresByEmergence() puts the earliest first, then never, then dead, ties by stability", () => {
  const summary = summaryOf([
    checkpointWith(0, [NaN, 0.25, 0.25, 0.25, 0.75, 0.25, 0.9375]),
    checkpointWith(9, [NaN, 0.25, 0.375, 0.75, 0.75, 0.25, 0.25]),
    checkpointWith(99, [NaN, 0.75, 0.375, 0.75, 0.75, 0.75, 0.25]),
    checkpointWith(999, [NaN, 1, 1, 1, 1, 1, 1]),
  ]);
  // 1 and 5 are alike; 6 is more stable than 2, and neither is there at the end.
  assert.deepEqual([...featuresByEmergence(summary)], [4, 3, 1, 5, 6, 2, 0]);
  assert.deepEqual([...featuresByEmergence(summary, 0.1)], [4, 3, 6, 1, 5, 2, 0]);
  const alone = summaryOf([summary.checkpoints[3]]);
  assert.deepEqual([...featuresByEmergence(alone)], [...featuresByStability(alone)]);
});
