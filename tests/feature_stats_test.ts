// Sums, strongest tokens and names of features, against the definitions on random activations.

import assert from "node:assert/strict";
import { addStats, addStrongest, labels, noTokens, zeroStats } from "../src/feature_stats.ts";
import { sparsify } from "../src/sparse.ts";
import { drawInParts } from "./_naive.ts";

const nSeeds = 100;

/** Activations in parts, and the ids of their tokens. */
function draw(seed: number) {
  const { random, ...drawn } = drawInParts(seed);
  const ids = Uint32Array.from({ length: drawn.rows.nRows }, () => Math.floor(6 * random()));
  return { ...drawn, ids };
}

/** The tokens on which a feature fires, and its activations there. */
function firingOf(feature: readonly number[]) {
  const tokens = [...feature.keys()].filter((n) => feature[n] > 0);
  return { tokens, values: Float32Array.from(tokens, (n) => feature[n]) };
}

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

Deno.test("sums, squares, counts and maxima are those of the columns, in any parts", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, parts, features } = draw(seed);
    const [whole, cut] = [zeroStats(features.length), zeroStats(features.length)];
    addStats(rows, whole);
    for (const part of parts) addStats(part, cut);
    assert.deepEqual(cut, whole, "token by token, so that parts change no bit");
    const total = (of: readonly number[]) => of.reduce((sum, a) => sum + a, 0);
    assert.deepEqual([...whole.max], features.map((of) => Math.max(...of)), `seed ${seed}`);
    assert.deepEqual([...whole.counts], features.map((of) => of.filter((a) => a > 0).length));
    assert.deepEqual([...whole.sums], features.map(total));
    assert.deepEqual([...whole.squares], features.map((of) => total(of.map((a) => a * a))));
  }
});

Deno.test("the strongest tokens are sorted, and nothing where a feature fires on fewer", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { rows, features, ids } = draw(seed);
    const nKept = 1 + seed % 30;
    const { values } = (() => {
      const strongest = noTokens(features.length, nKept);
      addStrongest(rows, ids, strongest);
      return strongest;
    })();
    features.forEach((feature, f) => {
      const expected = feature.toSorted((a, b) => b - a).slice(0, nKept);
      while (expected.length < nKept) expected.push(0);
      assert.deepEqual([...values.subarray(f * nKept, (f + 1) * nKept)], expected, `seed ${seed}`);
    });
  }
});

Deno.test("of equal activations the first tokens stay", () => {
  const strongest = noTokens(1, 3);
  addStrongest(sparsify(new Float32Array([1, 2, 2, 2, 2]), 1), [9, 8, 7, 6, 5], strongest);
  assert.deepEqual([...strongest.ids], [8, 7, 6]);
});

Deno.test("a name shows spaces where there is nothing else, and is empty if silent", () => {
  const of = (text: string, value = 1) =>
    labels({ nKept: 1, ids: new Uint32Array(1), values: new Float32Array([value]) }, () => text)[0];
  assert.deepEqual([" ", "\n\n", "\t", " a b ", "<b>"].map((text) => of(text)), [
    "␣",
    "⏎⏎",
    "⇥",
    "a b",
    "<b>",
  ]);
  assert.equal(of("never", 0), "");
});

Deno.test("a name leaves out what has less than a tenth of the first text's sum", () => {
  const values = new Float32Array([10, 1, 0.99]);
  const strongest = { nKept: 3, ids: new Uint32Array([0, 1, 2]), values };
  assert.deepEqual(labels(strongest, (id) => "abc"[id]), ["a · b"]);
});
