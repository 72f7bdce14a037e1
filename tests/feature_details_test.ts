// Which features have a page, and what it is told, on small random directions, tokens and sweeps.

import assert from "node:assert/strict";
import { chooseFeatures } from "../src/choose_features.ts";
import { countByDoubling } from "../src/firing.ts";
import {
  alignedNeurons,
  chooseText,
  type FeatureAt,
  featureDetail,
  siteLens,
} from "../src/feature_details.ts";
import { featurePaths } from "../src/paths.ts";
import { randomFrom } from "../src/random.ts";
import { appearingFeatures } from "../src/summary.ts";
import { randomDense } from "./_naive.ts";
import { syntheticSummary } from "./_summaries.ts";

const nSeeds = 100;

/** The tokens on which a feature fires, and its activations there. */
function firingOf(feature: readonly number[]) {
  const tokens = [...feature.keys()].filter((n) => feature[n] > 0);
  return { tokens, values: Float32Array.from(tokens, (n) => feature[n]) };
}

Deno.test("the lens of a direction ranks its own tokens from 1 on, and counts all of them", () => {
  const [vocabulary, width, J] = [40, 6, 5];
  const unembedding = { vocabulary, width, weights: randomDense(vocabulary * width, 1, 1) };
  const directions = randomDense(J * width, 1, 2);

  const { logits, top } = siteLens(directions, unembedding, (id) => `t${id}`, { nRanked: 4 });

  const again = siteLens(directions, unembedding, String, { ranked: top.map((ids) => [...ids]) });
  assert.deepEqual(again.ranks, Array(J).fill([1, 2, 3, 4]));
  assert.deepEqual(again.ranks, siteLens(directions, unembedding, String, { nRanked: 4 }).ranks);
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

Deno.test("featureDetail() shows the tokens of each window, and null of no match", () => {
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

Deno.test("features are chosen by number, step or class, or all; or in turn by class", () => {
  const summary = syntheticSummary(300, 2);
  const of = (choice: Parameters<typeof chooseFeatures>[1]) => chooseFeatures(summary, choice);
  const live = [...summary.checkpoints.at(-1)!.match.sourceCounts.entries()]
    .filter(([, count]) => count > 0).map(([f]) => f);
  const paths = featurePaths(summary);
  const byClass = (features: readonly number[]) =>
    Object.groupBy(features, (f) => paths[f].lifecycle);
  assert.deepEqual(of({ features: [7, 3, 7] }), [3, 7]);
  assert.deepEqual(of({ all: true }), live);
  assert.deepEqual(of({ appearingAt: 2000, nSampled: 999 }), appearingFeatures(summary, 2000));
  assert.deepEqual(of({ lifecycle: "late", nSampled: 999 }), byClass(live).late);

  for (const choice of [{ appearingAt: 2000 }, { lifecycle: "late" }]) {
    const [all, some] = [of({ ...choice, nSampled: 999 }), of({ ...choice, nSampled: 4 })];
    assert.equal(some.length, 4);
    assert(some.every((f) => all.includes(f)));
  }

  const [chosen, other] = [of({ nSampled: 20, seed: 1 }), of({ nSampled: 20, seed: 2 })];
  assert.deepEqual(of({ nSampled: 20, seed: 1 }), chosen);
  assert.notDeepEqual(other, chosen);
  assert.equal(new Set(chosen.filter((f) => live.includes(f))).size, 20);
  const [there, drawn] = [byClass(live), byClass(chosen)];
  const most = Math.max(...Object.values(drawn).map((group) => group.length));
  for (const [name, group] of Object.entries(there)) {
    const n = drawn[name as keyof typeof drawn]?.length ?? 0;
    assert(n >= Math.min(group.length, most - 1), `${name}: ${n} of ${group.length}`);
  }
  const refused = (choice: Parameters<typeof chooseFeatures>[1], message: RegExp) =>
    assert.throws(() => of(choice), { name: "RangeError", message });
  refused({ features: [3, 300] }, /^Cannot show feature 300: expected 0 to 299, got 300$/);
  refused({ features: [1.5] }, /^Cannot show feature 1.5: /);
  refused({ appearingAt: 3 }, /^Cannot find what appears at step 3: expected one of 0, 2, /);
  refused(
    { lifecycle: "sudden" },
    /^Cannot show features of class "sudden": expected one of .*late/,
  );
});
