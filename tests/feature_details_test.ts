// What is shown of a feature, against its definitions on small random activations.

import assert from "node:assert/strict";
import { activationsIn, chooseCentres, windowAround } from "../src/contexts.ts";
import {
  alignedNeurons,
  chooseText,
  type FeatureAt,
  featureDetail,
  siteLens,
  siteRanks,
} from "../src/feature_details.ts";
import { addStats, addStrongest, labels, noTokens, zeroStats } from "../src/feature_stats.ts";
import {
  addTogether,
  chosenColumns,
  correlatedWith,
  countByDoubling,
  densities,
  neverTogether,
} from "../src/firing.ts";
import { randomFrom } from "../src/random.ts";
import { sliceRows, sparsify, transpose } from "../src/sparse.ts";
import { cosineOf, iouOf, pearsonOf, randomDense, toRows, turned } from "./_naive.ts";

const nSeeds = 100;

/** Activations as SAEs have them, never negative, in parts as they come from a file. */
function draw(seed: number) {
  const random = randomFrom(seed);
  const [nTokens, nFeatures] = [10 + Math.floor(40 * random()), 2 + Math.floor(10 * random())];
  const rows = sparsify(randomDense(nTokens * nFeatures, 0.4, seed).map(Math.abs), nFeatures);
  const cut = Math.floor(nTokens * random());
  return {
    rows,
    parts: [sliceRows(rows, 0, cut), sliceRows(rows, cut, nTokens)],
    features: turned(toRows(rows), nFeatures),
    ids: Uint32Array.from({ length: nTokens }, () => Math.floor(6 * random())),
    contextSize: 2 + Math.floor(6 * random()),
    random,
  };
}

/** The tokens on which a feature fires, and its activations there. */
function firingOf(feature: readonly number[]) {
  const tokens = [...feature.keys()].filter((n) => feature[n] > 0);
  return { tokens, values: Float32Array.from(tokens, (n) => feature[n]) };
}

Deno.test("the strongest texts are the strongest token of each sequence, strongest first", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { features, contextSize, random } = draw(seed);
    const nTop = 1 + seed % 5;
    for (const feature of features) {
      const { tokens, values } = firingOf(feature);
      const sequences = Object.values(
        Object.groupBy(tokens, (n) => `${Math.floor(n / contextSize)}`),
      );
      const first = (a: number, b: number) => feature[b] - feature[a] || a - b;
      const expected = sequences.map((of) => of!.toSorted(first)[0]).sort(first).slice(0, nTop);

      const chosen = chooseCentres(tokens, values, { contextSize, random, nTop });

      const top = chosen.filter(({ group }) => group === "top").map(({ token }) => token);
      assert.deepEqual(top, expected, `seed ${seed}`);
    }
  }
});

Deno.test("of every range as many texts are drawn as there are, up to a number, none twice", () => {
  const [nGroups, perGroup] = [5, 3];
  for (let seed = 0; seed < nSeeds; seed++) {
    const { features, contextSize, random } = draw(seed);
    for (const feature of features) {
      const { tokens, values } = firingOf(feature);
      const options = { contextSize, random, nTop: 2, nGroups, perGroup };
      const chosen = chooseCentres(tokens, values, options);
      assert.equal(new Set(chosen.map(({ token }) => token)).size, chosen.length);

      const max = Math.max(...values);
      const top = chosen.filter(({ group }) => group === "top").map(({ token }) => token);
      const groupOf = (n: number) => Math.min(nGroups - 1, Math.floor(feature[n] / max * nGroups));
      const drawn = chosen.slice(top.length).map(({ token }) => token);
      const counts = (of: readonly number[]) =>
        Array.from({ length: nGroups }, (_, g) => of.filter((n) => groupOf(n) === g).length);
      const there = counts(tokens.filter((n) => !top.includes(n)));
      assert.deepEqual(counts(drawn), there.map((n) => Math.min(n, perGroup)), `seed ${seed}`);
      const ranges = drawn.map(groupOf);
      assert.deepEqual(ranges, ranges.toSorted((a, b) => b - a), "the strongest range first");
    }
  }
});

Deno.test("within a range each token is as likely as any other", () => {
  const values = Float32Array.from({ length: 20 }, (_, n) => n === 0 ? 2 : 1.5);
  const times = new Uint32Array(20);
  const random = randomFrom(3);
  for (let trial = 0; trial < 4000; trial++) {
    const options = { contextSize: 20, random, nTop: 1, nGroups: 2, perGroup: 3 };
    for (const { token } of chooseCentres([...values.keys()], values, options)) times[token]++;
  }
  assert.equal(times[0], 4000); // the strongest
  // 4,000 · 3 / 19 = 632 of each, standard deviation 23.
  for (const n of times.subarray(1)) assert(Math.abs(n - 632) < 115, `${n} times`);
});

Deno.test("a window stays in its sequence, and has the activations of its tokens", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { features, contextSize } = draw(seed);
    const nTokens = features[0].length;
    for (const [token] of features[0].entries()) {
      const window = windowAround(token, { nTokens, contextSize, before: 2, after: 1 });
      const inside = [...features[0].keys()].filter((n) =>
        n >= token - 2 && n <= token + 1 &&
        Math.floor(n / contextSize) === Math.floor(token / contextSize)
      );
      assert.deepEqual([window.start, window.end], [inside[0], inside.at(-1)! + 1]);
      for (const feature of features) {
        const { tokens, values } = firingOf(feature);
        const found = activationsIn(tokens, values, window);
        assert.deepEqual([...found], inside.map((n) => feature[n]), `seed ${seed}`);
      }
    }
  }
});

Deno.test("chosen columns are the columns, and their transpose is when each fires", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, features } = draw(seed);
    const chosen = [...features.keys()].filter((f) => (f + seed) % 2 === 0);
    assert.deepEqual(
      toRows(transpose(chosenColumns(rows, chosen))),
      chosen.map((f) => features[f]),
      `seed ${seed}`,
    );
  }
});

Deno.test("features that fire together come by their cosine, with the measures' definitions", () => {
  let nFound = 0;
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, parts, features } = draw(seed);
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
          () => random() < 0.3 ? 2 ** Math.floor(8 * random() - 4) : 2 ** (20 * random() - 10),
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

Deno.test("the names of features are of the tokens on which they fire most strongly", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { parts, features, ids } = draw(seed);
    const strongest = noTokens(features.length, 4);
    let first = 0;
    for (const part of parts) {
      addStrongest(part, ids.subarray(first, first + part.nRows), strongest);
      first += part.nRows;
    }
    const found = labels(strongest, (id) => ` t${id} `, 2);
    features.forEach((feature, f) => {
      const most = firingOf(feature).tokens
        .sort((a, b) => feature[b] - feature[a] || a - b).slice(0, 4);
      assert.deepEqual(
        [...strongest.ids.subarray(4 * f, 4 * f + most.length)],
        most.map((n) => ids[n]),
        `seed ${seed}`,
      );
      const sums = new Map<string, number>();
      for (const n of most) {
        sums.set(`t${ids[n]}`, (sums.get(`t${ids[n]}`) ?? 0) + Math.fround(feature[n]));
      }
      const sorted = [...sums].sort(([, a], [, b]) => b - a).slice(0, 2);
      const kept = sorted.filter(([, sum]) => sum >= sorted[0][1] / 10).map(([text]) => text);
      assert.equal(found[f], kept.join(" · "), `seed ${seed}`);
    });
  }
});

Deno.test("the lens of a direction ranks its own tokens from 1 on, and counts all of them", () => {
  const [vocabulary, width, J] = [40, 6, 5];
  const unembedding = { vocabulary, width, weights: randomDense(vocabulary * width, 1, 1) };
  const directions = randomDense(J * width, 1, 2);

  const { logits, top } = siteLens(directions, unembedding, (id) => `t${id}`, { nRanked: 4 });

  assert.deepEqual(siteRanks(top, directions, unembedding), Array(J).fill([1, 2, 3, 4]));
  logits.forEach(({ promoted, suppressed, histogram: { edges, counts } }, j) => {
    const dots = Array.from({ length: vocabulary }, (_, v) => {
      const at = (d: number) => directions[j * width + d] * unembedding.weights[v * width + d];
      return Array.from({ length: width }, (_, d) => at(d)).reduce((sum, x) => sum + x, 0);
    });
    const mean = dots.reduce((sum, x) => sum + x, 0) / vocabulary;
    const order = [...dots.keys()].sort((a, b) => dots[b] - dots[a]);
    assert.deepEqual(promoted.map(({ token }) => token), order.slice(0, 10).map((v) => `t${v}`));
    assert(Math.abs(promoted[0].value - (dots[order[0]] - mean)) < 1e-5);
    assert(Math.abs(suppressed[0].value - (dots[order[vocabulary - 1]] - mean)) < 1e-5);
    assert.deepEqual([edges[0], edges.length], [suppressed[0].value, counts.length + 1]);
    assert.equal(counts.reduce((sum, n) => sum + n, 0), vocabulary);
  });
});

Deno.test("alignedNeurons() gives the largest weights, and their shares of all", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const direction = randomDense(15, 0.6, seed);
    const l1 = direction.reduce((sum, w) => sum + Math.abs(w), 0);
    const size = (d: number) => Math.abs(direction[d]);
    const sorted = [...direction.keys()].sort((a, b) => size(b) - size(a) || a - b);
    const most = sorted.filter((d) => direction[d] !== 0).slice(0, 4);
    const expected = most.map((d) => ({ neuron: d, weight: direction[d], share: size(d) / l1 }));
    assert.deepEqual(alignedNeurons(direction, 4), expected, `seed ${seed}`);
  }
});

Deno.test("the texts of a feature depend on the seed and the feature alone", () => {
  const random = randomFrom(5);
  const feature = Array.from({ length: 600 }, () => random() < 0.5 ? random() : 0);
  const ids = new Uint32Array(600);
  const of = (f: number, seed: number) =>
    chooseText(f, firingOf(feature), { ids, contextSize: 30, seed });
  assert.deepEqual(of(3, 0), of(3, 0));
  assert.notDeepEqual(of(3, 0), of(4, 0));
  assert.notDeepEqual(of(3, 0), of(3, 1));
});

Deno.test("featureDetail() shows the tokens of each window, and null where there is no match", () => {
  const shown = {
    feature: 4,
    centres: [{ group: "top", token: 6 }],
    windows: [{ start: 5, end: 8 }],
    correlated: [],
    neurons: [],
  };
  const density = countByDoubling(new Float32Array([2]));
  const of = (match: number, contexts: FeatureAt["contexts"]) =>
    ({ match, contexts, density, logits: null, ranks: [] }) satisfies FeatureAt;
  const detail = featureDetail(shown, [of(-1, null), of(4, [new Float32Array([0, 2, 0])])], {
    ids: [10, 11, 12, 13, 14, 15, 16, 17],
    contextSize: 4,
    textOf: (id) => `t${id}`,
    ranked: [],
    ego: { features: [[], [4]], links: [] },
  });
  assert.deepEqual(detail.contexts, [{
    group: "top",
    sequence: 1,
    position: 1,
    centre: 1,
    tokens: ["t15", "t16", "t17"],
    activations: [null, [0, 2, 0]],
  }]);
});
