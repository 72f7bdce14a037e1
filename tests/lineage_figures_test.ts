import assert from "node:assert/strict";
import { type Figure, stepAxis, stepScales } from "../src/axes.ts";
import { birthsDeathsFigure, survivalFigure } from "../src/lineage_figures.ts";
import type { LineageEvents } from "../src/lineages.ts";
import { randomFrom } from "../src/random.ts";
import { survival } from "../src/statistics.ts";

const steps = [0, 2, 128, 512, 2000, 8000, 16000, 64000, 95000, 127000, 143000];

// Counts that obey the laws of events.
function randomEvents(nCheckpoints: number, seed: number, most: number): LineageEvents {
  const random = randomFrom(seed);
  const upTo = (n: number) => Math.floor((n + 1) * random());
  const rows = [{ alive: upTo(most), continued: 0, births: 0, deaths: 0, splits: 0, merges: 0 }];
  for (let k = 1; k < nCheckpoints; k++) {
    const continued = upTo(rows[k - 1].alive);
    const [births, deaths] = [upTo(most), rows[k - 1].alive - continued];
    const [splits, merges] = [upTo(births), upTo(deaths)];
    rows.push({ alive: continued + births, continued, births, deaths, splits, merges });
  }
  const of = (name: keyof LineageEvents) => Uint32Array.from(rows, (row) => row[name]);
  return {
    alive: of("alive"),
    continued: of("continued"),
    births: of("births"),
    deaths: of("deaths"),
    splits: of("splits"),
    merges: of("merges"),
  };
}

// A curve over the steps, with ends that are seen and ends that are not.
function randomCurve(at: readonly number[], seed: number) {
  const random = randomFrom(seed);
  const ends = Array.from({ length: 40 }, () => 1 + Math.floor((at.length - 1) * random()));
  return survival(ends.map((k) => at[k]), ends.map(() => random() < 0.7 ? 1 : 0));
}

// Fields of a figure, as a reader of its JSON sees them.
// deno-lint-ignore no-explicit-any
function read(figure: Figure): any {
  return JSON.parse(JSON.stringify(figure));
}

const all: Readonly<Record<string, () => Figure>> = {
  "birthsDeathsFigure()": () => birthsDeathsFigure(steps, randomEvents(steps.length, 1, 500)),
  "birthsDeathsFigure() of nothing": () => birthsDeathsFigure(steps, randomEvents(11, 1, 0)),
  "birthsDeathsFigure() of one checkpoint": () => birthsDeathsFigure([7], randomEvents(1, 1, 9)),
  "survivalFigure()": () => survivalFigure(steps, randomCurve(steps, 1)),
  "survivalFigure() of all that die": () => survivalFigure([0, 1, 8], survival([1, 1], [1, 1])),
  "survivalFigure() of none that dies": () => survivalFigure(steps, survival([9], [0])),
  "survivalFigure() of one checkpoint": () => survivalFigure([7], survival([], [])),
};

for (const [name, draw] of Object.entries(all)) {
  Deno.test(`${name} is plain JSON without NaN, and the same for the same numbers`, () => {
    const figure = draw();
    assert.deepEqual(read(figure), figure);
    assert.equal(JSON.stringify(figure), JSON.stringify(draw()));
  });

  Deno.test(`${name} goes forward in training on every scale`, () => {
    const figure = draw();
    for (const scale of stepScales) {
      const { traces, axis } = figure.scales[scale];
      assert.equal(traces.x.length, figure.data.length);
      (traces.x as number[][]).forEach((x, t) => {
        assert.equal(x.length, (figure.data[t].y as number[]).length);
        assert(x.every((value, k) => k === 0 || value > x[k - 1]), `${scale}: ${x}`);
      });
      const [left, right] = axis.range as [number, number];
      assert(left < right);
    }
    assert.deepEqual(figure.data.map(({ x }) => x), figure.scales.symlog.traces.x);
  });
}

Deno.test("birthsDeathsFigure() draws the counts that it is given, and none at the first", () => {
  for (let seed = 0; seed < 100; seed++) {
    const events = randomEvents(steps.length, seed, 2 + 9 * seed);
    const { data, layout } = read(birthsDeathsFigure(steps, events));
    const after = (
      of: Uint32Array,
      sign: number,
    ) => [null, ...Array.from(of.slice(1), (n) => n && sign * n)];
    const { alive, continued, births, deaths, splits, merges } = events;
    assert.deepEqual(
      data.map(({ name, y }: { name: string; y: unknown[] }) => [name, ...y]),
      [
        ["born", ...after(births, 1)],
        ["die", ...after(deaths, -1)],
        ["split", ...after(splits, 1).map((n) => n || null)],
        ["merge", ...after(merges, -1).map((n) => n || null)],
      ],
      `seed ${seed}`,
    );
    for (const { customdata } of data) {
      assert.deepEqual(
        customdata,
        steps.map((
          step,
          k,
        ) => [step, ...[births, deaths, splits, merges, continued, alive].map((of) => of[k])]),
      );
    }
    const [low, high] = layout.yaxis.range;
    assert(low < -Math.max(...deaths) && Math.max(...births) < high, `seed ${seed}`);
  }
});

Deno.test("birthsDeathsFigure() names whole numbers without a sign on both sides of zero", () => {
  for (let most = 1; most < 3000; most += 7) {
    const counts = Uint32Array.of(0, most);
    const [alive, continued] = [Uint32Array.of(most, most), Uint32Array.of(0, 0)];
    const events = { alive, continued, births: counts, deaths: counts };
    const { tickvals, ticktext } =
      read(birthsDeathsFigure([0, 9], { ...events, splits: continued, merges: continued })).layout
        .yaxis;
    assert(tickvals.length >= 3 && tickvals.length <= 11, `${most}: ${tickvals}`);
    assert.deepEqual(tickvals, tickvals.map((v: number) => 0 - v).reverse());
    tickvals.forEach((value: number, t: number) => {
      assert(Number.isInteger(value) && Math.abs(value) <= most);
      assert.equal(ticktext[t].replaceAll(",", ""), `${Math.abs(value)}`);
    });
  }
});

Deno.test("birthsDeathsFigure() has bars of both signs in a column, and marks of two forms", () => {
  const { data, layout } = read(birthsDeathsFigure(steps, randomEvents(steps.length, 2, 90)));
  assert.equal(layout.barmode, "relative");
  const [born, dead, split, merge] = data;
  assert.deepEqual([born.x, born.width], [dead.x, dead.width]);
  assert.deepEqual([split.x, merge.x], [born.x, born.x]);
  assert.notEqual(born.marker.color, dead.marker.color);
  assert.notEqual(split.marker.symbol, merge.marker.symbol);
});

Deno.test("birthsDeathsFigure() says how many features fire at the first checkpoint", () => {
  const events = { ...randomEvents(2, 0, 9), alive: Uint32Array.of(4321, 0) };
  assert.match(birthsDeathsFigure([0, 9], events).caption, / 4,321 features fire, /);
});

Deno.test("birthsDeathsFigure() refuses events of other checkpoints", () => {
  const message = "Cannot draw births and deaths: expected events of as many checkpoints as " +
    "steps, got 3 of 2 steps";
  assert.throws(() => birthsDeathsFigure([0, 9], randomEvents(3, 0, 9)), {
    name: "RangeError",
    message,
  });
});

Deno.test("survivalFigure() holds each share until the next time, in a band", () => {
  for (let seed = 0; seed < 100; seed++) {
    const curve = randomCurve(steps, seed);
    const { data: [low, high, middle] } = read(survivalFigure(steps, curve));
    steps.forEach((step, k) => {
      const past = [...curve.times.keys()].filter((t) => curve.times[t] <= step);
      const share = past.length > 0 ? curve.shares[past.length - 1] : 1;
      const error = past.length > 0 ? curve.standardErrors[past.length - 1] : 0;
      assert.equal(middle.y[k], share, `seed ${seed}`);
      const band = share === 0
        ? [null, null]
        : [Math.max(0, share - 1.96 * error), Math.min(1, share + 1.96 * error)];
      assert.deepEqual([low.y[k], high.y[k]], band, `seed ${seed}`);
      const t = [...curve.times].indexOf(step);
      assert.equal(
        middle.customdata[k][2],
        t < 0 ? "none ends here" : `${curve.ended[t]} of ${curve.atRisk[t]} end here`,
      );
    });
    assert.deepEqual(middle.x, stepAxis(steps, "symlog").points);
    for (const { line } of [low, high, middle]) assert.equal(line.shape, "hv");
  }
});

Deno.test("survivalFigure() has no band once nothing is left", () => {
  const { data: [low, high, middle] } = read(survivalFigure([0, 1, 8], survival([1, 1], [1, 1])));
  assert.deepEqual([low.y, high.y], [[1, null, null], [1, null, null]]);
  assert.deepEqual(middle.y, [1, 0, 0]);
  assert.deepEqual(middle.customdata[1], [1, "", "2 of 2 end here"]);
});

Deno.test("survivalFigure() refuses a curve of other steps", () => {
  assert.throws(() => survivalFigure([0, 8], survival([7], [1])), {
    name: "RangeError",
    message: "Cannot draw survival at 7: expected a step of a checkpoint after the first, got 0, 8",
  });
  assert.throws(() => survivalFigure([0, 8], survival([0], [1])), { name: "RangeError" });
});
