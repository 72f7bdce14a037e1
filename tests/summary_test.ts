import assert from "node:assert/strict";
import { thresholds } from "../src/match.ts";
import { randomFrom } from "../src/random.ts";
import {
  appearances,
  appearingFeatures,
  countMatched,
  distances,
  featuresByStability,
  histogram,
} from "../src/summary.ts";
import { checkpointWith, matchWith, summaryOf, syntheticSummary } from "./_summaries.ts";

Deno.test("countMatched() equals its definition on random matches", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const cosines = Array.from({ length: 50 }, () => random() < 0.1 ? NaN : random());
    for (const threshold of thresholds) {
      const near = cosines.filter((c) => Math.fround(1 - Math.fround(c)) < threshold);
      assert.equal(countMatched(matchWith(cosines), threshold), near.length, `seed ${seed}`);
    }
  }
});

const counted: Record<string, [number[], number, number]> = {
  "does not count a distance that equals the threshold": [[0.5, 0.75], 0.5, 1],
  "counts no dead feature at any threshold": [[NaN, NaN], 2, 0],
  "counts a perfect match above 0 only": [[1], 0, 0],
};

for (const [claim, [cosines, threshold, expected]] of Object.entries(counted)) {
  Deno.test(`countMatched() ${claim}`, () => {
    assert.equal(countMatched(matchWith(cosines), threshold), expected);
  });
}

Deno.test("distances() are NaN where there is no match", () => {
  assert.deepEqual([...distances(matchWith([0.25, NaN, 1]))], [0.75, NaN, 0]);
});

// numpy.histogram: bins are [edge, next edge), the last one [edge, last edge]; edges as linspace's.
const edgesOf = ([low, high]: readonly [number, number], nBins: number) => [
  ...Array.from({ length: nBins }, (_, b) => low + b * ((high - low) / nBins)),
  high,
];

function naiveHistogram(values: number[], edges: number[]): number[] {
  return edges.slice(0, -1).map((edge, b) => {
    const isBelow = (v: number) => b === edges.length - 2 ? v <= edges[b + 1] : v < edges[b + 1];
    return values.filter((v) => v >= edge && isBelow(v)).length;
  });
}

Deno.test("histogram() equals its definition, on the edges as well", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const nBins = 1 + Math.floor(random() * 30);
    const low = random() < 0.5 ? 0 : random() - 1;
    const range = [low, low + 0.1 + random()] as const;
    const edges = edgesOf(range, nBins);
    const values = [...edges, NaN, ...Array.from({ length: 100 }, () => 3 * random() - 1.5)];

    const actual = [...histogram(values, range, nBins)];

    assert.deepEqual(actual, naiveHistogram(values, edges), `seed ${seed}`);
  }
});

const histograms: Record<string, [number[], number[]]> = {
  "puts the last edge into the last bin": [[1, 1], [0, 0, 0, 2]],
  "puts an inner edge into the bin above": [[0.25, 0.5, 0.75], [0, 1, 1, 1]],
  "leaves out NaN": [[NaN, 0], [1, 0, 0, 0]],
  "leaves out what is outside": [[-0.001, 1.001, Infinity, -Infinity], [0, 0, 0, 0]],
};

for (const [claim, [values, expected]] of Object.entries(histograms)) {
  Deno.test(`histogram() ${claim}`, () => {
    assert.deepEqual([...histogram(values, [0, 1], 4)], expected);
  });
}

Deno.test("histogram() puts 0.3 of tenths where numpy does, below 3 * 0.1", () => {
  assert.deepEqual([...histogram([0.3], [0, 1], 10)], [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
});

// Cosines of one feature at steps 0, 10, 20, 30, the last being the reference.
const features: Record<string, [number[], number]> = {
  "appears and stays": [[0.1, 0.2, 0.9, 1], 20],
  "is there from the start": [[0.9, 0.8, 0.7, 1], 0],
  "is there at the reference only": [[0.1, 0.1, 0.1, 1], 30],
  "comes and goes": [[0.1, 0.9, 0.2, 1], -1],
  "is there and then lost": [[0.9, 0.9, 0.9, 0.1], -1],
  "is never there": [[0.1, 0.1, 0.1, 0.1], -1],
  "has no match in between": [[0.9, NaN, 0.9, 1], -1],
  "has exactly the threshold's distance, then less": [[0.1, 0.5, 0.75, 1], 20],
  "is dead": [[NaN, NaN, NaN, NaN], -1],
};
const byHand = summaryOf(
  [0, 10, 20, 30].map((step, c) =>
    checkpointWith(step, Object.values(features).map(([cosines]) => cosines[c]))
  ),
);

for (const [i, [claim, [, expected]]] of Object.entries(features).entries()) {
  Deno.test(`appearances() is ${expected} for a feature that ${claim}`, () => {
    assert.equal(appearances(byHand)[i], expected);
  });
}

Deno.test("appearances() depends on the threshold", () => {
  assert.equal(appearances(byHand, 0.15)[1], -1);
  assert.equal(appearances(byHand, 0.95)[0], 0);
});

Deno.test("appearingFeatures() finds the features of a step, in order", () => {
  const found = [0, 10, 20, 30].map((step) => appearingFeatures(byHand, step));
  assert.deepEqual(found, [[1], [], [0, 7], [2]]);
});

Deno.test("appearingFeatures() are disjoint, and all that appear", () => {
  const summary = syntheticSummary();
  const found = summary.checkpoints.flatMap(({ step }) => appearingFeatures(summary, step));
  const appearing = [...appearances(summary)].filter((step) => step >= 0).length;
  assert.equal(new Set(found).size, found.length);
  assert.equal(found.length, appearing);
});

Deno.test("appearingFeatures() throws at a step without a checkpoint", () => {
  assert.throws(() => appearingFeatures(byHand, 15), {
    name: "RangeError",
    message: "Cannot find what appears at step 15: expected one of 0, 10, 20, 30, got 15",
  });
});

Deno.test("featuresByStability() sorts by summed distance, no match being 1, ties by index", () => {
  const summary = summaryOf([
    checkpointWith(0, [NaN, 0.5, 1, 0.25, 0.5]),
    checkpointWith(1, [NaN, 1, 1, 0.75, 1]),
  ]);
  assert.deepEqual([...featuresByStability(summary)], [2, 1, 4, 3, 0]);
});

Deno.test("featuresByStability() lists every feature once", () => {
  const order = featuresByStability(syntheticSummary(40));
  assert.deepEqual([...order].sort((a, b) => a - b), [...Array(40).keys()]);
});
