// Which texts are chosen of a feature, against the definition on small random activations.

import assert from "node:assert/strict";
import { activationsIn, chooseCentres, windowAround } from "../src/contexts.ts";
import { randomFrom } from "../src/random.ts";
import { randomDense } from "./_naive.ts";

const nSeeds = 100;

/** Some features, as SAEs have them: their activations on all tokens, in sequences. */
function draw(seed: number) {
  const random = randomFrom(seed);
  const [nTokens, nFeatures] = [10 + Math.floor(40 * random()), 2 + Math.floor(10 * random())];
  const dense = randomDense(nTokens * nFeatures, 0.4, seed).map(Math.abs);
  const features = Array.from(
    { length: nFeatures },
    (_, f) => [...dense.subarray(f * nTokens, (f + 1) * nTokens)],
  );
  return { features, contextSize: 2 + Math.floor(6 * random()), random };
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

Deno.test("top texts are one a sequence, and drawn ones within their range", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { features, contextSize, random } = draw(seed);
    for (const feature of features) {
      const { tokens, values } = firingOf(feature);
      const chosen = chooseCentres(tokens, values, { contextSize, random, nTop: 3 });
      const top = chosen.filter(({ group }) => group === "top");
      const sequences = top.map(({ token }) => Math.floor(token / contextSize));
      assert.equal(new Set(sequences).size, top.length, `seed ${seed}`);
      for (const { group, token } of chosen.slice(top.length)) {
        const [low, high] = group.split(" to ").map(Number);
        // The ends are shown in three digits.
        assert(feature[token] >= low * 0.995 && feature[token] <= high * 1.005, `${group}`);
      }
    }
  }
});

Deno.test("a feature that never fires has no texts", () => {
  assert.deepEqual(
    chooseCentres([], new Float32Array(0), { contextSize: 4, random: () => 0 }),
    [],
  );
});

Deno.test("a feature of one size has all its texts in the strongest range", () => {
  const tokens = [...Array(20).keys()];
  const chosen = chooseCentres(tokens, new Float32Array(20).fill(3), {
    contextSize: 4,
    random: randomFrom(1),
    nTop: 2,
    nGroups: 3,
  });
  assert.deepEqual(chosen.map(({ group }) => group), ["top", "top", ...Array(3).fill("2 to 3")]);
});
