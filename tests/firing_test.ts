// When chosen features fire, and with which others, against the definitions on random activations.

import assert from "node:assert/strict";
import { addStats, zeroStats } from "../src/feature_stats.ts";
import {
  addTogether,
  chosenColumns,
  correlatedWith,
  countByDoubling,
  densities,
  neverTogether,
} from "../src/firing.ts";
import { randomFrom } from "../src/random.ts";
import { sparsify, transpose } from "../src/sparse.ts";
import { cosineOf, drawInParts, iouOf, pearsonOf, toRows } from "./_naive.ts";

const nSeeds = 100;

Deno.test("chosen columns are the columns, and their transpose is when each fires", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, features } = drawInParts(seed);
    const chosen = [...features.keys()].filter((f) => (f + seed) % 2 === 0);
    assert.deepEqual(
      toRows(transpose(chosenColumns(rows, chosen))),
      chosen.map((f) => features[f]),
      `seed ${seed}`,
    );
  }
});

Deno.test("features that fire together come by cosine, with the measures' definitions", () => {
  let nFound = 0;
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, parts, features } = drawInParts(seed);
    const nTokens = rows.nRows;
    const chosen = [...features.keys()].filter((f) => (f + seed) % 2 === 0);
    const [stats, together] = [
      zeroStats(features.length),
      neverTogether(chosen.length, features.length),
    ];
    for (const part of parts) {
      addStats(part, stats);
      addTogether(chosenColumns(part, chosen), part, together);
    }
    assert.deepEqual([...stats.max], features.map((of) => Math.max(...of)));
    chosen.forEach((feature, slot) => {
      const expected = [...features.keys()]
        .filter((f) => f !== feature && features[f].some((a, n) => a * features[feature][n] > 0))
        .map((f) => ({ f, cosine: cosineOf(features[feature], features[f]) }))
        .sort((a, b) => b.cosine - a.cosine || a.f - b.f).slice(0, 4);
      const found = correlatedWith(feature, slot, together, { stats, nTokens, nWanted: 4 });
      assert.deepEqual(found.map(({ feature }) => feature), expected.map(({ f }) => f));
      for (const { feature: f, cosine, pearson, iou } of found) {
        const [a, b] = [features[feature], features[f]];
        assert(Math.abs(cosine - cosineOf(a, b)) < 1e-12, `cosine, seed ${seed}`);
        assert(Math.abs(iou - iouOf(a, b)) < 1e-12, `overlap, seed ${seed}`);
        assert(Math.abs(pearson - pearsonOf(a, b)) < 1e-9, `Pearson, seed ${seed}`);
        nFound++;
      }
    });
  }
  assert(nFound > 500, `${nFound} pairs`);
});

Deno.test("densities count every activation once, in the bin whose edges hold it", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const random = randomFrom(seed);
    const series = Array.from(
      { length: 3 },
      () =>
        Float32Array.from(
          { length: Math.floor(30 * random()) },
          () =>
            random() < 0.3 ? 2 ** (Math.floor(32 * random() - 16) / 4) : 2 ** (20 * random() - 10),
        ),
    );
    const { edges, counts } = densities(series.map(countByDoubling));
    series.forEach((values, c) => {
      const expected = edges.slice(1).map((edge, b) =>
        values.filter((value) => value >= edges[b] && value < edge).length
      );
      assert.deepEqual(counts[c], expected, `seed ${seed}`);
      assert.equal(expected.reduce((sum, n) => sum + n, 0), values.length);
    });
    const isEmpty = (b: number) => counts.every((of) => of[b] === 0);
    assert(edges.length === 0 || (!isEmpty(0) && !isEmpty(edges.length - 2)), "ends are cut");
  }
});

Deno.test("a feature with a copy has it first, of cosine, correlation and overlap 1", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, features } = drawInParts(seed);
    const doubled = toRows(rows).flatMap((row) => [...row, 2 * row[0]]); // the copy is the last
    const F = features.length + 1;
    const all = sparsify(Float32Array.from(doubled), F);
    const [stats, together] = [zeroStats(F), neverTogether(1, F)];
    addStats(all, stats);
    addTogether(chosenColumns(all, [0]), all, together);
    const found = correlatedWith(0, 0, together, { stats, nTokens: all.nRows, nWanted: F });
    assert(found.every(({ feature }) => feature !== 0), "not itself");
    if (stats.counts[0] === 0) continue;
    const copy = found.find(({ feature }) => feature === F - 1)!;
    for (const value of [copy.cosine, copy.iou]) {
      assert(Math.abs(value - 1) < 1e-12, `seed ${seed}`);
    }
    assert(Number.isNaN(copy.pearson) || Math.abs(copy.pearson - 1) < 1e-9);
    assert(found[0].cosine <= copy.cosine + 1e-12);
  }
});

Deno.test("ties of the cosine go to the lower feature, however few are wanted", () => {
  const rows = sparsify(new Float32Array([1, 1, 1, 1, 2, 2, 2, 2]), 4);
  const [stats, together] = [zeroStats(4), neverTogether(1, 4)];
  addStats(rows, stats);
  addTogether(chosenColumns(rows, [2]), rows, together);
  const of = (nWanted: number) =>
    correlatedWith(2, 0, together, { stats, nTokens: 2, nWanted }).map(({ feature }) => feature);
  assert.deepEqual([of(1), of(2), of(9)], [[0], [0, 1], [0, 1, 3]]);
});

Deno.test("densities of nothing are nothing, and what is beyond the bins is at the ends", () => {
  const none = countByDoubling(new Float32Array(0));
  assert.deepEqual(densities([none, none]), { edges: [], counts: [[], []] });
  const { edges, counts } = densities([countByDoubling(new Float32Array([1e-30, 1e30]))]);
  assert.deepEqual([edges[0], edges.at(-1)], [2 ** -40, 2 ** 40]);
  assert.deepEqual([counts[0][0], counts[0].at(-1)], [1, 1]);
});
