import assert from "node:assert/strict";
import {
  decoderCosines,
  inDegrees,
  matchFeatures,
  mutualMatches,
  thresholds,
} from "../src/match.ts";
import { randomFrom } from "../src/random.ts";
import { sparsify } from "../src/sparse.ts";
import {
  cosineOf,
  iouOf,
  naiveMatch,
  pearsonOf,
  randomDense,
  toRows,
  turned,
  weightedJaccardOf,
} from "./_naive.ts";

const f32 = (...values: number[]) => new Float32Array(values);

// A pair of checkpoints with 1 to 20 tokens, 7 source and 5 target features.
function randomPair(seed: number, of = (value: number) => value) {
  const nTokens = 1 + Math.floor(randomFrom(seed)() * 20);
  const source = sparsify(randomDense(nTokens * 7, 0.3, seed + 1e3).map(of), 7);
  const target = sparsify(randomDense(nTokens * 5, 0.3, seed + 2e3).map(of), 5);
  return { source, target };
}

Deno.test("matchFeatures() equals its definition on random activations", () => {
  for (let seed = 0; seed < 100; seed++) {
    const { source, target } = randomPair(seed);
    const [s, t] = [turned(toRows(source), 7), turned(toRows(target), 5)];

    const { sourceCounts, targetCounts, ...match } = matchFeatures(source, target);
    const isNear = (i: number, j: number, threshold: number) =>
      Math.fround(1 - Math.fround(cosineOf(s[i], t[j]))) < threshold;
    const near = (of: number[][], test: (i: number, j: number, t: number) => boolean) =>
      of.flatMap((_, i) =>
        thresholds.map((d) => (of === s ? t : s).filter((_, j) => test(i, j, d)).length)
      );
    assert.deepEqual([...match.nearTargets], near(s, isNear), `seed ${seed}`);
    assert.deepEqual([...match.nearSources], near(t, (j, i, d) => isNear(i, j, d)), `seed ${seed}`);

    for (const [name, expected] of Object.entries(naiveMatch(s, t))) {
      const actual = [...match[name as keyof typeof match]];
      assert.deepEqual(actual, expected, `${name} of seed ${seed}`);
    }
    const fires = (feature: number[]) => feature.filter((a) => a !== 0).length;
    assert.deepEqual([...sourceCounts], s.map(fires), `seed ${seed}`);
    assert.deepEqual([...targetCounts], t.map(fires), `seed ${seed}`);
  }
});

const others = { pearson: pearsonOf, iou: iouOf, weighted_jaccard: weightedJaccardOf } as const;

for (const metric of ["pearson", "iou", "weighted_jaccard"] as const) {
  Deno.test(`matchFeatures() by ${metric} equals its definition on random activations`, () => {
    for (let seed = 0; seed < 100; seed++) {
      const { source, target } = randomPair(seed, Math.abs);
      const [s, t] = [turned(toRows(source), 7), turned(toRows(target), 5)];
      const of = others[metric];

      const match = matchFeatures(source, target, metric);

      // Of the two sides of the same fraction either may round last: values first, then who has them.
      const expected = naiveMatch(s, t, of);
      const check = (name: "similarity" | "runnerUpSimilarity" | "reverseSimilarity") =>
        expected[name].forEach((wanted, i) => {
          const got = match[name][i];
          assert(
            Object.is(got, wanted) || Math.abs(got - wanted) < 1e-6 ||
              Math.abs(got || 0) + Math.abs(wanted || 0) < 1e-6,
            `${name} ${i} of seed ${seed}: ${got} for ${wanted}`,
          );
        });
      check("similarity");
      check("runnerUpSimilarity");
      check("reverseSimilarity");
      match.best.forEach((j, i) => {
        if (j >= 0) assert(Math.abs(of(s[i], t[j]) - match.similarity[i]) < 1e-6, `seed ${seed}`);
      });
    }
  });
}

Deno.test("mutualMatches() and inDegrees() equal their definitions on random activations", () => {
  for (let seed = 0; seed < 100; seed++) {
    const { source, target } = randomPair(seed);
    const match = matchFeatures(source, target);
    const best = [...match.best];

    const isMutual = best.map((j, i) => +(j >= 0 && match.reverse[j] === i));
    const degrees = Array.from({ length: 5 }, (_, j) => best.filter((b) => b === j).length);

    assert.deepEqual([...mutualMatches(match)], isMutual, `seed ${seed}`);
    assert.deepEqual([...inDegrees(match)], degrees, `seed ${seed}`);
  }
});

Deno.test("decoderCosines() equals its definition on random decoders", () => {
  for (let seed = 0; seed < 100; seed++) {
    const [source, target] = [randomDense(7 * 4, 0.9, seed), randomDense(5 * 4, 0.9, seed + 1e3)];
    const random = randomFrom(seed + 2e3);
    const best = Int32Array.from({ length: 7 }, () => Math.floor(random() * 6) - 1);
    const row = (decoder: Float32Array, i: number) => [...decoder.subarray(4 * i, 4 * i + 4)];

    const actual = decoderCosines(best, source, target);

    best.forEach((j, i) => {
      const expected = j < 0 ? NaN : cosineOf(row(source, i), row(target, j));
      const isSame = Object.is(actual[i], expected) || Math.abs(actual[i] - expected) < 1e-6;
      assert(isSame, `feature ${i} of seed ${seed}: ${actual[i]} for ${expected}`);
    });
  }
});

Deno.test("decoderCosines() is NaN where a decoder row is zero", () => {
  assert.deepEqual([...decoderCosines(new Int32Array([0]), f32(0, 0), f32(1, 0))], [NaN]);
});

Deno.test("decoderCosines() throws if the rows do not fit", () => {
  const message = "Cannot compare decoders of 5 and 4 weights: " +
    "expected 2 rows in the first, and rows as wide in the second";
  assert.throws(
    () => decoderCosines(new Int32Array(2), new Float32Array(5), new Float32Array(4)),
    { name: "RangeError", message },
  );
});

Deno.test("matchFeatures() matches every live feature with itself, cosine 1", () => {
  const features = sparsify(randomDense(200 * 64, 0.1, 1), 64);

  const match = matchFeatures(features, features);

  const identity = [...Array(64).keys()];
  assert.deepEqual([...match.best], identity);
  assert.deepEqual([...match.reverse], identity);
  assert(match.similarity.every((c) => Math.abs(c - 1) < 1e-6));
  assert(mutualMatches(match).every((mutual) => mutual === 1));
  assert(inDegrees(match).every((degree) => degree === 1));
});

Deno.test("matchFeatures() does not depend on the scale of either side", () => {
  const source = sparsify(randomDense(50 * 8, 0.2, 2), 8);
  const target = sparsify(randomDense(50 * 8, 0.2, 3), 8);
  const times = (matrix: typeof source, factor: number) => ({
    ...matrix,
    values: matrix.values.map((v) => factor * v), // a power of two is exact
  });
  assert.deepEqual(
    matchFeatures(times(source, 0.25), times(target, 8)),
    matchFeatures(source, target),
  );
});

Deno.test("matchFeatures() has both sides exchanged when its arguments are", () => {
  const { source, target } = randomPair(4);
  const [there, back] = [matchFeatures(source, target), matchFeatures(target, source)];
  assert.deepEqual(there.best, back.reverse);
  assert.deepEqual(there.similarity, back.reverseSimilarity);
});

Deno.test("matchFeatures() gives a tie to the lower index", () => {
  const one = sparsify(f32(1, 1), 1);
  const twins = sparsify(f32(1, 2, 1, 2), 2);
  const { best, runnerUp, similarity, runnerUpSimilarity } = matchFeatures(one, twins);
  assert.deepEqual([[...best], [...runnerUp]], [[0], [1]]);
  assert.deepEqual(similarity, runnerUpSimilarity);
  assert.deepEqual([...matchFeatures(twins, one).reverse], [0]);
});

Deno.test("matchFeatures() leaves a dead feature unmatched on either side", () => {
  const dead = sparsify(f32(0, 0), 1);
  const live = sparsify(f32(1, 1), 1);
  for (const [source, target] of [[dead, live], [live, dead], [dead, dead]]) {
    const match = matchFeatures(source, target);
    for (const index of ["best", "runnerUp", "reverse"] as const) {
      assert.deepEqual([...match[index]], [-1], index);
    }
    for (const name of ["similarity", "runnerUpSimilarity", "reverseSimilarity"] as const) {
      assert.deepEqual([...match[name]], [NaN], name);
    }
    assert.deepEqual([...mutualMatches(match)], [0]);
    assert.deepEqual([...inDegrees(match)], [0]);
  }
});

Deno.test("matchFeatures() leaves features unmatched that never fire together, or oppositely", () => {
  const source = sparsify(f32(1, 1, 0, 0), 2);
  const target = sparsify(f32(-1, 0, 0, 1), 2);
  const { best, similarity } = matchFeatures(source, target);
  assert.deepEqual([[...best], [...similarity]], [[-1, -1], [NaN, NaN]]);
});

Deno.test("matchFeatures() throws if the tokens differ", () => {
  const message = "Cannot match features on 2 tokens with features on 3: " +
    "extract both checkpoints with the same --total-tokens";
  assert.throws(
    () => matchFeatures(sparsify(f32(1, 1), 1), sparsify(f32(1, 1, 1), 1)),
    { name: "RangeError", message },
  );
});
