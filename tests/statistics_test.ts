import assert from "node:assert/strict";
import { randomFrom } from "../src/random.ts";
import { falseDiscovery, isotonic, quantile, type Survival, survival } from "../src/statistics.ts";

// A hundred times: a generator, a size from 0 to 29, and what to say when it fails.
function* trials(): Generator<{ random: () => number; size: number; seed: string }> {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    yield { random, size: Math.floor(random() * 30), seed: `seed ${seed}` };
  }
}

// Numbers in [0, 1), some of them NaN, many of them tied.
function draw(random: () => number, size: number, nanShare = 0.1): Float64Array {
  const isCoarse = random() < 0.5;
  return Float64Array.from({ length: size }, () => {
    if (random() < nanShare) return NaN;
    return isCoarse ? Math.floor(8 * random()) / 8 : random();
  });
}

function assertNear(actual: ArrayLike<number>, expected: ArrayLike<number>, message?: string) {
  assert.equal(actual.length, expected.length, message);
  const wrong = Array.from(actual, (a, i) => [i, a, expected[i]]).filter(([, a, b]) =>
    !Object.is(a, b) && !(Math.abs(a - b) <= 1e-12 * (1 + Math.abs(b)))
  );
  assert.deepEqual(wrong.slice(0, 5), [], message);
}

const isIncreasing = (values: ArrayLike<number>) =>
  Array.from(values).filter((v) => !Number.isNaN(v)).every((v, i, all) => !i || all[i - 1] <= v);

// The least share at which p is a discovery: m p′ / (how many are at most p′), over all p′ ≥ p.
function naiveFalseDiscovery(pValues: readonly number[]): number[] {
  const tests = pValues.filter((p) => !Number.isNaN(p));
  return pValues.map((p) => {
    if (Number.isNaN(p)) return NaN;
    const shares = tests.filter((other) => other >= p).map((other) =>
      (tests.length * other) / tests.filter((o) => o <= other).length
    );
    return Math.min(1, ...shares);
  });
}

Deno.test("falseDiscovery() equals its definition", () => {
  for (const { random, size, seed } of trials()) {
    const p = draw(random, size);
    assertNear(falseDiscovery(p), naiveFalseDiscovery([...p]), seed);
  }
});

Deno.test("falseDiscovery() is at least p, at most 1, in the order of p, whatever its order", () => {
  for (const { random, size, seed } of trials()) {
    const p = draw(random, size);
    const q = falseDiscovery(p);
    p.forEach((value, i) => assert(Number.isNaN(value) || (q[i] >= value && q[i] <= 1), seed));
    const sorted = [...p.keys()].filter((i) => !Number.isNaN(p[i])).sort((a, b) => p[a] - p[b]);
    assert(isIncreasing(sorted.map((i) => q[i])), seed);
    assert.deepEqual(falseDiscovery(p.toReversed()).reverse(), q, seed);
  }
});

Deno.test("falseDiscovery() finds no more than a share q of false ones among many", () => {
  const random = randomFrom(1);
  const shares = Array.from({ length: 200 }, () => {
    // 150 features matched by chance, 50 that are not.
    const p = Float64Array.from({ length: 200 }, (_, i) => i < 150 ? random() : 1e-4 * random());
    const found = [...falseDiscovery(p).entries()].filter(([, q]) => q < 0.1);
    return found.filter(([i]) => i < 150).length / found.length;
  });
  const mean = shares.reduce((a, b) => a + b) / shares.length;
  assert(mean > 0.05 && mean < 0.1, `expected about 0.1 · 150 / 200, got ${mean}`);
});

// scipy 1.17.1: scipy.stats.false_discovery_control([0.03, 0.001, 0.5, 0.03, 0.2, 0.9, 0.012])
const discoveries: Record<string, [number[], number[]]> = {
  "equals scipy's": [
    [0.03, 0.001, 0.5, 0.03, 0.2, 0.9, 0.012],
    [0.0525, 0.007, 0.5833333333333334, 0.0525, 0.27999999999999997, 0.9, 0.042],
  ],
  "is empty of nothing": [[], []],
  "leaves a single test as it is": [[0.3], [0.3]],
  "leaves out NaN": [[NaN, 0.5, NaN, 0.25], [NaN, 0.5, NaN, 0.5]],
  "is NaN where all are": [[NaN, NaN], [NaN, NaN]],
  "leaves equal values as they are": [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]],
  "keeps 0 and 1": [[0, 1], [0, 1]],
};

for (const [claim, [p, expected]] of Object.entries(discoveries)) {
  Deno.test(`falseDiscovery() ${claim}`, () => {
    assertNear(falseDiscovery(Float64Array.from(p)), expected);
  });
}

// fit(i) = max over a ≤ i of min over b ≥ i of the weighted mean of values a … b.
function naiveIsotonic(values: readonly number[], weights: readonly number[]): number[] {
  const there = [...values.keys()].filter((i) => !Number.isNaN(values[i]));
  const mean = (from: number, to: number) => {
    const run = there.filter((i) => from <= i && i <= to);
    const mass = run.reduce((sum, i) => sum + weights[i], 0);
    return run.reduce((sum, i) => sum + weights[i] * values[i], 0) / mass;
  };
  return values.map((value, i) => {
    if (Number.isNaN(value)) return NaN;
    const after = there.filter((b) => b >= i);
    const least = (a: number) => Math.min(...after.map((b) => mean(a, b)));
    return Math.max(...there.filter((a) => a <= i).map(least));
  });
}

Deno.test("isotonic() equals its definition, with weights and without", () => {
  for (const { random, size, seed } of trials()) {
    const values = draw(random, size);
    const weights = Array.from(values, () => 0.1 + random());
    assertNear(isotonic(values, weights), naiveIsotonic([...values], weights), seed);
    assertNear(isotonic(values), naiveIsotonic([...values], weights.map(() => 1)), seed);
  }
});

Deno.test("isotonic() increases, keeps the mean, and is the fit of itself", () => {
  for (const { random, size, seed } of trials()) {
    const values = draw(random, size, 0);
    const fit = isotonic(values);
    const sum = (x: Float64Array) => x.reduce((a, b) => a + b, 0);
    assert(isIncreasing(fit), seed);
    assertNear([sum(fit)], [sum(values)], seed);
    assert.deepEqual(isotonic(fit), fit, seed);
    assertNear(isotonic(values.map((v) => 4 * v - 1)), fit.map((v) => 4 * v - 1), seed);
  }
});

// scipy 1.17.1: scipy.optimize.isotonic_regression(y).x, and with weights=[1, 2, 1, 4, 1, 1, 3]
const bumpy = [0.1, 0.5, 0.3, 0.4, 0.2, 0.9, 0.8];
const fits: Record<string, [number[], number[] | undefined, number[]]> = {
  "equals scipy's": [bumpy, undefined, [0.1, 0.35, 0.35, 0.35, 0.35, 0.85, 0.85]],
  "equals scipy's with weights": [
    bumpy,
    [1, 2, 1, 4, 1, 1, 3],
    [0.1, 0.3875, 0.3875, 0.3875, 0.3875, 0.825, 0.825],
  ],
  "is empty of nothing": [[], undefined, []],
  "leaves a single value as it is": [[0.3], undefined, [0.3]],
  "leaves increasing values as they are": [[1, 1, 2, 5], undefined, [1, 1, 2, 5]],
  "is the mean of decreasing values": [[3, 2, 1], undefined, [2, 2, 2]],
  "leaves out NaN": [[NaN, 3, NaN, 1, 4], undefined, [NaN, 2, NaN, 2, 4]],
  "is NaN where all are": [[NaN, NaN], undefined, [NaN, NaN]],
};

for (const [claim, [values, weights, expected]] of Object.entries(fits)) {
  Deno.test(`isotonic() ${claim}`, () => assertNear(isotonic(values, weights), expected));
}

Deno.test("isotonic() throws at a wrong number of weights, and at a weight that is not above 0", () => {
  assert.throws(() => isotonic([1, 2], [1]), {
    name: "RangeError",
    message: "Cannot fit 2 values: expected 2 weights, got 1",
  });
  for (const weight of [0, -1, NaN]) {
    assert.throws(() => isotonic([1, 2], [1, weight]), {
      name: "RangeError",
      message: `Cannot fit value 1: expected a weight above 0, got ${weight}`,
    });
  }
});

// The line through the points (k / (n − 1), k-th value).
function naiveQuantile(sorted: readonly number[], q: number): number {
  const share = (k: number) => k / (sorted.length - 1);
  const exact = sorted.findIndex((_, k) => share(k) === q);
  if (sorted.length < 2 || exact >= 0) return sorted[Math.max(0, exact)] ?? NaN;
  const above = sorted.findIndex((_, k) => share(k) > q);
  const part = (q - share(above - 1)) / (share(above) - share(above - 1));
  return (1 - part) * sorted[above - 1] + part * sorted[above];
}

Deno.test("quantile() equals its definition, is between the ends, and increases", () => {
  for (const { random, size, seed } of trials()) {
    const sorted = draw(random, size, 0).sort();
    const shares = [0, ...draw(random, 20, 0).sort(), 1];
    const quantiles = shares.map((q) => quantile(sorted, q));
    assertNear(quantiles, shares.map((q) => naiveQuantile([...sorted], q)), seed);
    assert(isIncreasing(quantiles.map((v) => Math.fround(v))), seed);
    assert.equal(quantiles[0], sorted[0] ?? NaN, seed);
    assert.equal(quantiles.at(-1), sorted.at(-1) ?? NaN, seed);
  }
});

// numpy 2.4.6: np.quantile([1, 2, 4, 8, 16.5], [0, 0.05, 0.25, 0.5, 0.6, 0.95, 1])
Deno.test("quantile() equals numpy's", () => {
  const actual = [0, 0.05, 0.25, 0.5, 0.6, 0.95, 1].map((q) => quantile([1, 2, 4, 8, 16.5], q));
  assertNear(actual, [1, 1.2, 2, 4, 5.6, 14.8, 16.5]);
});

const quantiles: Record<string, [number[], number, number]> = {
  "is NaN of nothing": [[], 0.5, NaN],
  "is the only value": [[3], 0.9, 3],
  "is the value of ties": [[2, 2, 2], 0.3, 2],
  "is finite up to the last finite value": [[1, 2, Infinity], 0.5, 2],
  "is infinite beyond it": [[1, 2, Infinity], 0.51, Infinity],
  "is infinite between infinities": [[1, Infinity, Infinity], 0.75, Infinity],
};

for (const [claim, [sorted, q, expected]] of Object.entries(quantiles)) {
  Deno.test(`quantile() ${claim}`, () => assert.equal(quantile(sorted, q), expected));
}

Deno.test("quantile() throws at a share outside 0 to 1", () => {
  for (const q of [-0.1, 1.1, NaN]) {
    assert.throws(() => quantile([1], q), {
      name: "RangeError",
      message: `Cannot take quantile ${q}: expected a share from 0 to 1, got ${q}`,
    });
  }
});

// The product and the sum, written out at every time of an end.
function naiveSurvival(durations: number[], isObserved: number[], entries: number[]): Survival {
  const lives = durations.map((end, i) => ({ end, isSeen: isObserved[i] === 1, entry: entries[i] }))
    .filter(({ end, entry }) => entry < end);
  const times = [...new Set(lives.filter(({ isSeen }) => isSeen).map(({ end }) => end))]
    .sort((a, b) => a - b);
  const risk = (t: number) => lives.filter(({ end, entry }) => entry < t && t <= end).length;
  const died = (t: number) => lives.filter(({ end, isSeen }) => isSeen && end === t).length;
  const upTo = (t: number) => times.filter((other) => other <= t);
  const share = (t: number) => upTo(t).reduce((s, u) => s * (1 - died(u) / risk(u)), 1);
  const greenwood = (t: number) =>
    upTo(t).reduce((s, u) => s + died(u) / (risk(u) * (risk(u) - died(u))), 0);
  return {
    times: Float64Array.from(times),
    shares: Float64Array.from(times, share),
    standardErrors: Float64Array.from(times, (t) => share(t) * Math.sqrt(greenwood(t))),
    atRisk: Uint32Array.from(times, risk),
    ended: Uint32Array.from(times, died),
  };
}

function assertSurvival(actual: Survival, expected: { [K in keyof Survival]: ArrayLike<number> }) {
  for (const name of Object.keys(expected) as (keyof Survival)[]) {
    assertNear(actual[name], expected[name], name);
  }
}

const drawLives = (random: () => number, size: number) => ({
  durations: Array.from({ length: size }, () => Math.floor(12 * random())),
  isObserved: Array.from({ length: size }, () => +(random() < 0.7)),
  entries: Array.from({ length: size }, () => Math.floor(8 * random())),
});

Deno.test("survival() equals its definition, with late entries and without", () => {
  for (const { random, size } of trials()) {
    const { durations, isObserved, entries } = drawLives(random, size);
    const always = entries.map(() => -Infinity);
    assertSurvival(
      survival(durations, isObserved, entries),
      naiveSurvival(durations, isObserved, entries),
    );
    assertSurvival(survival(durations, isObserved), naiveSurvival(durations, isObserved, always));
  }
});

Deno.test("survival() decreases from 1 to no less than 0, whatever the order and the unit", () => {
  for (const { random, size, seed } of trials()) {
    const { durations, isObserved, entries } = drawLives(random, size);
    const curve = survival(durations, isObserved, entries);
    assert(isIncreasing([0, ...curve.shares.toReversed(), 1]), seed);
    const turned = survival(durations.toReversed(), isObserved.toReversed(), entries.toReversed());
    assert.deepEqual(turned, curve, seed);
    const longer = survival(durations.map((d) => 4 * d), isObserved, entries.map((e) => 4 * e));
    assert.deepEqual(longer, { ...curve, times: curve.times.map((t) => 4 * t) }, seed);
  }
});

Deno.test("survival() without censoring is the share of longer durations", () => {
  for (const { random, size, seed } of trials()) {
    const durations = draw(random, size, 0);
    const { times, shares, standardErrors } = survival(durations, durations.map(() => 1));
    const share = (t: number) => durations.filter((d) => d > t).length / size;
    assertNear(shares, times.map(share), seed);
    // Then Greenwood's is the binomial standard error, as far as it is defined.
    const binomial = times.map(share).map((s) => s > 0 ? Math.sqrt((s * (1 - s)) / size) : NaN);
    assertNear(standardErrors, binomial, seed);
  }
});

// Remission of leukaemia, 6-MP arm (Freireich et al. 1963), as in every textbook. scipy 1.17.1:
// sf = ecdf(CensoredData(uncensored=[6, 6, 6, 7, 10, 13, 16, 22, 23],
//   right=[6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35])).sf, where sf._d > 0;
// errors: sf.probabilities * np.sqrt(np.cumsum(sf._d / (sf._n * (sf._n - sf._d))))
Deno.test("survival() equals scipy's on the remissions of Freireich et al.", () => {
  const ends = [6, 6, 6, 7, 10, 13, 16, 22, 23];
  const censored = [6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35];
  const isObserved = [...ends.map(() => 1), ...censored.map(() => 0)];
  // deno-fmt-ignore
  assertSurvival(survival([...ends, ...censored], isObserved), {
    times: [6, 7, 10, 13, 16, 22, 23],
    atRisk: [21, 17, 15, 12, 11, 7, 6],
    ended: [3, 1, 1, 1, 1, 1, 1],
    shares: [0.8571428571428571, 0.8067226890756302, 0.7529411764705881, 0.6901960784313724,
      0.6274509803921567, 0.53781512605042, 0.4481792717086834],
    standardErrors: [0.07636035483212125, 0.08693528518005719, 0.09634965299432051,
      0.10681470777500982, 0.11405386525675251, 0.12823375169303394, 0.13459145675576042],
  });
});

// numpy 2.4.6: t = np.unique(d[o]); r = [((e < x) & (x <= d)).sum() for x in t];
// k = [((d == x) & o).sum() for x in t]; s = np.cumprod(1 - k / r);
// s * np.sqrt(np.cumsum(k / (r * (r - k))))
Deno.test("survival() with late entries equals the formula in numpy", () => {
  const curve = survival(
    [5, 8, 12, 12, 15, 20, 20, 24],
    [1, 1, 0, 1, 1, 0, 1, 0],
    [0, 2, 0, 6, 8, 4, 10, 12],
  );
  // deno-fmt-ignore
  assertSurvival(curve, {
    times: [5, 8, 12, 15, 20],
    atRisk: [4, 4, 5, 4, 3],
    ended: [1, 1, 1, 1, 1],
    shares: [0.75, 0.5625, 0.45, 0.3375, 0.225],
    standardErrors: [0.21650635094610965, 0.22963966338592295, 0.20946360065653413,
      0.18485636315799356, 0.15370426148939398],
  });
});

const curves: Record<string, [number[], number[], number[] | undefined, number[], number[]]> = {
  "is empty of nothing": [[], [], undefined, [], []],
  "is empty where all are censored": [[1, 2], [0, 0], undefined, [], []],
  "falls to 0 when the only one ends": [[3], [1], undefined, [3], [0]],
  "stays at 0 whatever comes later": [[1, 5, 6], [1, 1, 0], [0, 2, 2], [1, 5], [0, 0]],
  "counts who is censored at a time as at risk": [[2, 2], [1, 0], undefined, [2], [0.5]],
  "counts who enters at a time only after it": [[2, 4], [1, 1], [0, 2], [2, 4], [0, 0]],
  "leaves out who enters at the end, or after it": [[2, 4, 1], [1, 1, 1], [2, 0, 3], [4], [0]],
  "leaves out NaN": [[NaN, 2, 3, 4], [1, 1, 1, 0], [0, 0, NaN, 0], [2], [0.5]],
};

for (const [claim, [durations, isObserved, entries, times, shares]] of Object.entries(curves)) {
  Deno.test(`survival() ${claim}`, () => {
    assertSurvival(survival(durations, isObserved, entries), {
      ...survival(durations, isObserved, entries),
      times,
      shares,
    });
  });
}

Deno.test("survival() has no standard error once nothing survives", () => {
  assert.deepEqual([...survival([1, 2], [1, 1]).standardErrors], [Math.sqrt(1 / 8), NaN]);
});

Deno.test("survival() throws where lengths differ", () => {
  assert.throws(() => survival([1, 2], [1]), {
    name: "RangeError",
    message: "Cannot draw the survival of 2 durations: expected 2 of each, got 1 flags",
  });
  assert.throws(() => survival([1, 2], [1, 1], [0]), {
    name: "RangeError",
    message:
      "Cannot draw the survival of 2 durations: expected 2 of each, got 2 flags and 1 entries",
  });
});
