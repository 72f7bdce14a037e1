import assert from "node:assert/strict";
import { emergence, halfRise, type Lifecycle, lifecycle, lifecycles } from "../src/emergence.ts";
import { assertNear, naiveEmergence, onLine, trials } from "./_trajectories.ts";

Deno.test("emergence() equals its definition", () => {
  for (const { steps, y, threshold, seed } of trials()) {
    assertNear(emergence(steps, y, threshold), naiveEmergence(steps, y, threshold), seed);
  }
});

Deno.test("emergence() is within the steps, and later at a higher threshold", () => {
  for (const { steps, y, seed } of trials()) {
    let before = 0;
    for (let threshold = 0.05; threshold < 1.1; threshold += 0.05) {
      const found = emergence(steps, y, threshold);
      const step = Number.isNaN(found) ? Infinity : found;
      assert(step >= before && step >= (steps[0] ?? 0), `${seed} at ${threshold}`);
      assert(step === Infinity || step <= steps.at(-1)!, `${seed} at ${threshold}`);
      before = step;
    }
  }
});

Deno.test("emergence() is not before the last step below by rounding", () => {
  for (let step = 0; step < 1000; step++) {
    assert(emergence([step, step + 1], Float32Array.of(0, 1), 1e-20) >= step, `step ${step}`);
  }
});

Deno.test("emergence() depends on nothing before the last step below", () => {
  for (const { random, steps, y, threshold, seed } of trials()) {
    const below = y.findLastIndex((v) => !(v >= Math.fround(threshold)));
    const other = y.map((v, c) => c < below ? random() : v);
    assert.equal(emergence(steps, other, threshold), emergence(steps, y, threshold), seed);
  }
});

Deno.test("emergence() turns with the unit of 1 + step", () => {
  for (const { steps, y, threshold, seed } of trials()) {
    const doubled = emergence(steps.map((s) => 2 * (1 + s) - 1), y, threshold);
    assertNear(doubled, 2 * (1 + emergence(steps, y, threshold)) - 1, seed);
  }
});

// scipy 1.17.1, numpy 2.4.6: y = np.array([0, .1, .3, .25, .6, .55, .9], dtype=np.float32)
// .astype(float); x = np.log1p([0, 1, 4, 16, 64, 256, 1000])
const measured = Float32Array.of(0, 0.1, 0.3, 0.25, 0.6, 0.55, 0.9);
const measuredAt = [0, 1, 4, 16, 64, 256, 1000];

Deno.test("emergence() equals numpy's interpolation", () => {
  // np.expm1(np.interp(float(np.float32(0.4)), y[3:5], x[3:5])), and with 0.58 of [5:7]
  assertNear(emergence(measuredAt, measured, 0.4), 29.204839295055415);
  assertNear(emergence(measuredAt, measured, 0.58), 287.76692468668233);
});

// Similarities at steps 0, 1, 3, 7; threshold 0.5.
const steps = [0, 1, 3, 7];
const emergences: Record<string, [number[], number]> = {
  "the first step of what is there from the start": [[0.9, 0.5, 0.7, 1], 0],
  "exactly the step at which the threshold is met": [[0.1, 0.2, 0.5, 0.9], 3],
  "half way in log(1 + step)": [[0, 0, 0.25, 0.75], Math.sqrt(32) - 1],
  "the return of what comes and goes": [[0.9, 0.4, 0.3, 0.5], 7],
  "read from 0 where there was no match": [[NaN, 1, 1, 1], Math.SQRT2 - 1],
  "NaN of what is gone at the end": [[0.9, 0.9, 0.9, 0.4], NaN],
  "NaN of what has no match at the end": [[0.9, 0.9, 0.9, NaN], NaN],
  "NaN of what is never there": [[0.1, 0.2, 0.3, 0.4], NaN],
  "NaN of what never has a match": [[NaN, NaN, NaN, NaN], NaN],
};

for (const [claim, [similarities, expected]] of Object.entries(emergences)) {
  Deno.test(`emergence() is ${claim}`, () => {
    assertNear(emergence(steps, Float32Array.from(similarities), 0.5), expected);
  });
}

Deno.test("emergence() compares at float32: 0.7 is at the threshold 0.7, and 0.3 at 0.3", () => {
  for (const threshold of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    assert.equal(emergence([5], Float32Array.of(threshold), threshold), 5);
    assert.equal(emergence([0, 5], Float32Array.of(0, threshold), threshold), 5);
  }
});

Deno.test("emergence() of no checkpoint is NaN, of one its step or NaN", () => {
  assert.equal(emergence([], new Float32Array(), 0.5), NaN);
  assert.equal(emergence([8], Float32Array.of(0.6), 0.5), 8);
  assert.equal(emergence([8], Float32Array.of(0.4), 0.5), NaN);
});

Deno.test("emergence() throws at what is not a trajectory, and at no threshold", () => {
  const at = (steps: number[], threshold = 0.5) => () =>
    emergence(steps, Float32Array.of(0, 1), threshold);
  const errors: [() => unknown, string][] = [
    [at([0]), "Cannot follow a feature over 1 steps: expected 1 similarities, got 2"],
    ...[[[-1, 0], "-1 at checkpoint 0"], [[4, 4], "4 at checkpoint 1"], [
      [NaN, 4],
      "NaN at checkpoint 0",
    ]]
      .map(([steps, got]): [() => unknown, string] => [
        at(steps as number[]),
        `Cannot follow a feature over steps: expected steps that increase from 0 on, got ${got}`,
      ]),
    ...[0, -0.5, NaN].map((threshold): [() => unknown, string] => [
      at([0, 4], threshold),
      `Cannot tell when a feature emerges: expected a threshold above 0, got ${threshold}`,
    ]),
  ];
  for (const [act, message] of errors) assert.throws(act, { name: "RangeError", message });
});

// The fit by max-min, and the first step at which the lines through it reach a share of its rise.
function naiveHalfRise(steps: number[], similarities: Float32Array) {
  const y = Array.from(similarities, (v) => Number.isNaN(v) ? 0 : v);
  const mean = (a: number, b: number) =>
    y.slice(a, b + 1).reduce((sum, v) => sum + v, 0) / (b + 1 - a);
  const x = y.map((_, i) =>
    Math.max(
      ...y.slice(0, i + 1).map((_, a) => Math.min(...y.slice(i).map((_, k) => mean(a, i + k)))),
    )
  );
  const rise = x.at(-1)! - x[0];
  const reached = (share: number) => {
    const height = x[0] + share * rise;
    const c = x.findIndex((v) => v >= height);
    return onLine(steps[c - 1], x[c - 1], steps[c], x[c], height);
  };
  if (!(rise > 1e-6)) return { step: NaN, width: NaN, rise: y.length > 0 ? 0 : NaN };
  const width = Math.log2(1 + reached(0.75)) - Math.log2(1 + reached(0.25));
  return { step: reached(0.5), width, rise };
}

Deno.test("halfRise() equals its definition", () => {
  for (const { steps, y, seed } of trials()) {
    const [actual, expected] = [halfRise(steps, y), naiveHalfRise(steps, y)];
    for (const key of ["step", "width", "rise"] as const) {
      assertNear(actual[key], expected[key], `${seed} ${key}`);
    }
  }
});

Deno.test("halfRise() is within the steps, of width 0 or more, and free of scale and offset", () => {
  for (const { steps, y, seed } of trials()) {
    const { step, width, rise } = halfRise(steps, y);
    if (Number.isNaN(step)) continue;
    assert(step >= steps[0] && step <= steps.at(-1)!, seed);
    assert(width >= 0 && rise > 0 && rise <= 1, seed);
    const other = halfRise(steps, y.map((v) => (Number.isNaN(v) ? 0 : v) / 4 + 0.5));
    const isNear = Math.abs(Math.log1p(other.step) - Math.log1p(step)) < 1e-4;
    assert(isNear && Math.abs(other.width - width) < 1e-4, seed);
  }
});

// scipy 1.17.1: f = scipy.optimize.isotonic_regression(y).x; r = f[-1] - f[0];
// g = [np.interp(f[0] + q * r, f, x) for q in (0.25, 0.5, 0.75)]; np.expm1(g[1]),
// (g[2] - g[0]) / np.log(2), r
Deno.test("halfRise() equals scipy's fit, read by numpy", () => {
  const { step, width, rise } = halfRise(measuredAt, measured);
  assertNear(step, 36.172330834976144);
  assertNear(width, 6.664959894549378);
  assertNear(rise, 0.8999999761581421);
});

const rises: Record<string, [number[], [number, number, number]]> = {
  "half way through a jump": [[0, 0, 1, 1], [Math.sqrt(8) - 1, 0.5, 1]],
  "the first step that reaches half, of a plateau there": [[0, 0.5, 0.5, 1], [
    1,
    2,
    1,
  ]],
  "read from 0 where there was no match": [[NaN, NaN, 1, 1], [Math.sqrt(8) - 1, 0.5, 1]],
  "NaN of what only falls": [[1, 0.75, 0.5, NaN], [NaN, NaN, 0]],
  "NaN of what is level": [[0.7, 0.7, 0.7, 0.7], [NaN, NaN, 0]],
  "NaN of what never has a match": [[NaN, NaN, NaN, NaN], [NaN, NaN, 0]],
  "NaN of what rises by rounding alone": [[0.5, 0.5, 0.5, 0.5 + 2 ** -24], [NaN, NaN, 0]],
};

for (const [claim, [similarities, expected]] of Object.entries(rises)) {
  Deno.test(`halfRise() is ${claim}`, () => {
    const { step, width, rise } = halfRise(steps, Float32Array.from(similarities));
    [step, width, rise].forEach((value, i) => assertNear(value, expected[i]));
  });
}

Deno.test("halfRise() of no checkpoint has no rise, of one a rise of 0", () => {
  assert.deepEqual(halfRise([], new Float32Array()), { step: NaN, width: NaN, rise: NaN });
  assert.deepEqual(halfRise([4], Float32Array.of(1)), { step: NaN, width: NaN, rise: 0 });
});

Deno.test("halfRise() throws at what is not a trajectory", () => {
  assert.throws(() => halfRise([4, 3], Float32Array.of(0, 1)), {
    name: "RangeError",
    message:
      "Cannot follow a feature over steps: expected steps that increase from 0 on, got 3 at checkpoint 1",
  });
});

// The classes as predicates of their own, in words: there, not there, in the order of steps.
const classes: Readonly<Record<Lifecycle, RegExp>> = {
  "from the start": /^\++$/,
  early: /^-+\++$/,
  middle: /^-+\++$/,
  late: /^-+\++$/,
  transient: /\+-/,
  never: /^-+$/,
};

Deno.test("lifecycle() puts every trajectory into exactly one class, by its definition", () => {
  const seen = new Set<Lifecycle | null>();
  for (const { steps, y, threshold, seed } of trials()) {
    const found = lifecycle(steps, y, threshold);
    seen.add(found);
    if (y.every(Number.isNaN)) {
      assert.equal(found, null, seed);
      continue;
    }
    const signs = Array.from(y, (v) => v >= Math.fround(threshold) ? "+" : "-").join("");
    const x = steps.map((s) => Math.log(1 + s));
    const at = Math.log(1 + emergence(steps, y, threshold));
    const third = (at - x[0]) / (x.at(-1)! - x[0]);
    const isThird = { early: third < 1 / 3, middle: third >= 1 / 3 && third < 2 / 3 };
    const holds = lifecycles.filter((name) =>
      classes[name].test(signs) &&
      (name === "early" || name === "middle" ? isThird[name] : name !== "late" || third >= 2 / 3)
    );
    assert.deepEqual(holds, [found], `${seed} ${signs}`);
  }
  assert.deepEqual(seen, new Set([...seen, ...lifecycles, null]), "all classes are tried");
});

// Similarities at steps 0, 7, 63; threshold 0.5. Early ends at 3, late begins at 15.
const lives: Record<string, [number[], Lifecycle | null]> = {
  "at the threshold everywhere": [[0.5, 0.5, 0.5], "from the start"],
  "soon above": [[0.45, 0.9, 0.9], "early"],
  "above at the second step": [[0, 0.5, 0.9], "middle"],
  "above after a third, short of two": [[0, 0.49, 0.6], "middle"],
  "above at the end": [[0, 0.1, 0.5], "late"],
  "there, gone and back": [[0.9, 0.1, 0.9], "transient"],
  "there and gone": [[0.9, 0.9, 0.1], "transient"],
  "there in between": [[0.1, 0.9, NaN], "transient"],
  "below everywhere": [[0.1, 0.4, 0.3], "never"],
  "without a match but once, below": [[NaN, 0.1, NaN], "never"],
  "without any match": [[NaN, NaN, NaN], null],
};

for (const [claim, [similarities, expected]] of Object.entries(lives)) {
  Deno.test(`lifecycle() is ${JSON.stringify(expected)} of a feature ${claim}`, () => {
    assert.equal(lifecycle([0, 7, 63], Float32Array.from(similarities), 0.5), expected);
  });
}

Deno.test("lifecycle() takes the borders it is given: early ends before, late begins at", () => {
  const classed = (early: number, late: number) =>
    lifecycle([0, 7, 63], Float32Array.of(0, 0.5, 0.9), 0.5, { early, late });
  assert.equal(classed(8, 63), "early");
  assert.equal(classed(7, 63), "middle");
  assert.equal(classed(7, 7), "late");
  assert.equal(lifecycle([0, 7, 63], Float32Array.of(0, 0.5, 0.9), 0.5, { late: 7 }), "late");
});

Deno.test("lifecycle() compares at float32, as emergence() does", () => {
  for (const threshold of [0.1, 0.3, 0.5, 0.7, 0.9]) {
    assert.equal(lifecycle([5], Float32Array.of(threshold), threshold), "from the start");
  }
});

Deno.test("lifecycle() believes what it is told about the dead", () => {
  const none = Float32Array.of(NaN, NaN);
  assert.equal(lifecycle([0, 7], none, 0.5, { isDead: false }), "never");
  assert.equal(lifecycle([0, 7], Float32Array.of(1, 1), 0.5, { isDead: true }), null);
});

Deno.test("lifecycle() of no checkpoint is null, of one a matter of being there", () => {
  assert.equal(lifecycle([], new Float32Array(), 0.5), null);
  assert.equal(lifecycle([], new Float32Array(), 0.5, { isDead: false }), null);
  assert.equal(lifecycle([9], Float32Array.of(0.5), 0.5), "from the start");
  assert.equal(lifecycle([9], Float32Array.of(0.4), 0.5), "never");
});

Deno.test("lifecycle() throws where early ends after late begins", () => {
  assert.throws(() => lifecycle([0, 7], Float32Array.of(0, 1), 0.5, { early: 6, late: 5 }), {
    name: "RangeError",
    message:
      "Cannot class a feature: expected early to end by step 5, where late begins, got step 6",
  });
});
