import assert from "node:assert/strict";
import { activationsOf, type Pair } from "../src/blocks.ts";
import { type Match, matchFeatures } from "../src/match.ts";
import { groupEnds } from "../src/pair_scores.ts";
import { type GroupSums, type PairSums, pairSums, type PartnerSums } from "../src/pair_sums.ts";
import { randomFrom } from "../src/random.ts";
import { type ColumnSums, columnSums, type Sparse, sparsify } from "../src/sparse.ts";
import { supportMeter } from "../src/support.ts";
import { pairOf } from "./_dense.ts";
import { randomDense, toRows, turned } from "./_naive.ts";

/** A pair, its match, and how its tokens are grouped and marked. */
interface Trial {
  readonly source: Sparse;
  readonly target: Sparse;
  readonly match: Match;
  readonly ends: readonly number[];
  readonly marks: Uint8Array;
  readonly seed: string;
}

const random = (nTokens: number, nFeatures: number, density: number, seed: number) =>
  sparsify(randomDense(nTokens * nFeatures, density, seed).map(Math.abs), nFeatures);

// A hundred times: up to 40 tokens, 8 source and 6 target features.
function* trials(): Generator<Trial> {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const N = 1 + Math.floor(40 * next());
    const density = 0.5 * next();
    const [source, target] = [random(N, 8, density, seed), random(N, 6, density, seed + 1e3)];
    const isEnd = Array.from({ length: N }, (_, n) => n === N - 1 || next() < 0.2);
    yield {
      source,
      target,
      match: matchFeatures(source, target),
      ends: isEnd.flatMap((is, n) => is ? [n + 1] : []),
      marks: Uint8Array.from({ length: N }, () => Math.floor(8 * next())),
      seed: `seed ${seed}`,
    };
  }
}

type Features = readonly (readonly number[])[];
const total = (of: readonly number[]) => of.reduce((sum, x) => sum + x, 0);

// Sums over some tokens of what every feature has in common with its partner.
function naivePartners(s: Features, t: Features, partners: Int32Array): PartnerSums {
  const sum = (of: (a: number, b: number) => number) =>
    s.map((a, i) => partners[i] < 0 ? 0 : total(a.map((x, n) => of(x, t[partners[i]][n]))));
  return {
    nBoth: Uint32Array.from(sum((a, b) => a !== 0 && b !== 0 ? 1 : 0)),
    products: Float64Array.from(sum((a, b) => a * b)),
    smaller: Float64Array.from(sum(Math.min)),
  };
}

function naiveColumns(features: Features): ColumnSums {
  return {
    counts: Uint32Array.from(features, (of) => of.filter((x) => x !== 0).length),
    sums: Float64Array.from(features, total),
    squares: Float64Array.from(features, (of) => total(of.map((x) => x * x))),
  };
}

function naiveSums(
  { source, target, match, ends, marks }: Trial,
): Omit<PairSums, "support"> {
  const [s, t] = [turned(toRows(source), 8), turned(toRows(target), 6)];
  const of = (s: Features, t: Features) => ({
    best: naivePartners(s, t, match.best),
    source: naiveColumns(s),
    target: naiveColumns(t),
  });
  const marked = [0, 1, 2].map((m) => {
    const kept = s.map((a) => a.map((x, n) => marks[n] >> m & 1 ? x : 0));
    return naivePartners(kept, t, match.best).products;
  });
  const groups = ends.map((end, g): GroupSums => {
    const from = ends[g - 1] ?? 0;
    const cut = (features: Features) => features.map((x) => x.slice(from, end));
    return { nTokens: end - from, ...of(cut(s), cut(t)) };
  });
  return { ...of(s, t), runnerUp: naivePartners(s, t, match.runnerUp), marked, groups };
}

function sumsOf({ match, ends, marks }: Trial, pair: Pair): Promise<PairSums> {
  return pairSums(pair, match, { groupEnds: ends, marks, nMarks: 3 });
}

Deno.test("pairSums() equals its definition, however activations are cut into parts", async () => {
  const seen = { dead: 0, alone: 0, shared: 0 };
  for (const trial of trials()) {
    const { source, target, match, seed } = trial;
    for (const sizes of [[1], [3, 7], [40]]) {
      const { support: _, ...sums } = await sumsOf(trial, pairOf(source, target, sizes));
      assert.deepEqual(sums, naiveSums(trial), `${seed}, parts of ${sizes}`);
    }
    const partners = match.best.filter((j) => j >= 0);
    seen.dead += match.sourceCounts.filter((n) => n === 0).length;
    seen.alone += match.best.filter((j, i) => j >= 0 && match.runnerUp[i] < 0).length;
    seen.shared += partners.length - new Set(partners).size;
  }
  for (const [what, n] of Object.entries(seen)) assert(n > 20, `${n} features are ${what}`);
});

Deno.test("pairSums() counts the support of all products with the best together", async () => {
  for (const trial of trials()) {
    const { source, target, match, seed } = trial;
    const { support } = await sumsOf(trial, pairOf(source, target, [5]));
    const [s, t] = [turned(toRows(source), 8), turned(toRows(target), 6)];
    const meter = supportMeter(8);
    match.best.forEach((j, i) => {
      const products = j < 0 ? [] : s[i].map((a, n) => a * t[j][n]).filter((p) => p > 0);
      meter.add(i, Float64Array.from(products));
    });
    for (const share of [0.5, 0.9, 1]) {
      assert.deepEqual(support.tokens(share), meter.tokens(share), seed);
    }
  }
});

Deno.test("pairSums() has groups that add up to the whole", async () => {
  for (const trial of trials()) {
    const { groups, ...sums } = await sumsOf(trial, pairOf(trial.source, trial.target, [9]));
    assert.equal(total(groups.map((group) => group.nTokens)), trial.source.nRows, trial.seed);
    for (const side of ["best", "source", "target"] as const) {
      for (const [name, whole] of Object.entries(sums[side])) {
        const parts = groups.map((group) => Object.entries(group[side]));
        (whole as Float64Array).forEach((expected, i) => {
          const got = total(parts.map((of) => of.find(([key]) => key === name)![1][i]));
          assert(Math.abs(got - expected) <= 1e-12 * expected, `${side} ${name}, ${trial.seed}`);
        });
      }
    }
  }
});

// More tokens than a block has, 20,000, of values of so many sizes that no sum is exact.
const ragged = (matrix: Sparse) => ({ ...matrix, values: matrix.values.map((x) => x ** 9) });
const long = [ragged(random(20000, 8, 0.2, 1)), ragged(random(20000, 6, 0.2, 2))] as const;

Deno.test("pairSums() over all tokens has the same bits in any groups and parts", async () => {
  const match = matchFeatures(...long);
  const of = async (groupEnds: number[], sizes: number[]) => {
    const { support, groups, ...sums } = await pairSums(pairOf(...long, sizes), match, {
      groupEnds,
      marks: Uint8Array.from({ length: 20000 }, (_, n) => n % 3),
      nMarks: 2,
    });
    assert.equal(groups.length, groupEnds.length);
    return { ...sums, support: support.tokens(1) };
  };
  const whole = await of([20000], [20000]);
  assert.deepEqual(whole.support, whole.best.nBoth);
  assert.deepEqual(await of([1, 9000, 9001, 20000], [7000, 1, 333]), whole);
  assert.deepEqual(await of(Array.from({ length: 200 }, (_, g) => 100 * g + 100), [8191]), whole);

  assert.deepEqual(whole.source, columnSums(long[0]), "and those of columnSums()");
  assert.deepEqual(whole.target, columnSums(long[1]));
  const [s, t] = [turned(toRows(long[0]), 8), turned(toRows(long[1]), 6)];
  assert.deepEqual(whole.best, naivePartners(s, t, match.best), "and of the definition");
  assert.deepEqual(whole.runnerUp, naivePartners(s, t, match.runnerUp));
});

Deno.test("pairSums() of a feature alone, of none, and of two that share a partner", async () => {
  // Three tokens; the second source feature is dead, the others share the only target feature.
  const source = sparsify(new Float32Array([1, 0, 2, 2, 0, 0, 0, 0, 4]), 3);
  const target = sparsify(new Float32Array([3, 0.5, 8]), 1);
  const match = matchFeatures(source, target);
  assert.deepEqual([[...match.best], [...match.runnerUp]], [[0, -1, 0], [-1, -1, -1]]);
  const { best, runnerUp, groups, marked } = await pairSums(
    { source: activationsOf(source), target: activationsOf(target) },
    match,
  );
  assert.deepEqual([...best.nBoth], [2, 0, 2]);
  assert.deepEqual([...best.products], [4, 0, 38]);
  assert.deepEqual([...best.smaller], [1.5, 0, 6]);
  assert.deepEqual(
    [...runnerUp.nBoth, ...runnerUp.products, ...runnerUp.smaller],
    Array(9).fill(0),
  );
  assert.deepEqual([groups.length, groups[0].nTokens, groups[0].best], [1, 3, best]);
  assert.deepEqual(marked, []);
});

Deno.test("pairSums() of no token at all is nothing", async () => {
  const none = sparsify(new Float32Array(0), 2);
  const pair = { source: activationsOf(none, 1), target: activationsOf(none, 1) };
  const { best, groups } = await pairSums(pair, matchFeatures(none, none));
  assert.deepEqual([[...best.nBoth], groups], [[0, 0], []]);
});

Deno.test("groupEnds() parts sequences as equally as whole ones allow", () => {
  assert.deepEqual(groupEnds([0, 5, 9], 1), [9]);
  assert.deepEqual(groupEnds([0, 5], 32), [5], "one sequence is one group");
  assert.deepEqual(groupEnds([0, 5, 9, 10], 32), [5, 9, 10], "no group is without a sequence");
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const starts = [0];
    while (next() < 0.95) starts.push(starts[starts.length - 1] + 1 + Math.floor(9 * next()));
    if (starts.length === 1) continue;
    const [nSequences, wanted] = [starts.length - 1, 1 + Math.floor(20 * next())];

    const ends = groupEnds(starts, wanted);

    const at = [0, ...ends.map((end) => starts.indexOf(end))];
    const sizes = at.slice(1).map((to, g) => to - at[g]);
    assert.equal(ends.length, Math.min(wanted, nSequences), `seed ${seed}`);
    assert.equal(ends[ends.length - 1], starts[nSequences], `seed ${seed}`);
    assert(Math.min(...sizes) >= 1 && Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`);
  }
});

Deno.test("pairSums() refuses other tokens, groups that do not end, and marks of others", async () => {
  const of = (n: number) => activationsOf(sparsify(new Float32Array(n).fill(1), 1));
  const match = matchFeatures(
    sparsify(new Float32Array([1]), 1),
    sparsify(new Float32Array([1]), 1),
  );
  await assert.rejects(pairSums({ source: of(2), target: of(3) }, match), {
    name: "RangeError",
    message: "Cannot match features on 2 tokens with features on 3: " +
      "extract both checkpoints with the same --total-tokens",
  });
  const pair = { source: of(5), target: of(5) };
  for (const ends of [[3], [3, 3, 5], [6], [0, 5], []]) {
    await assert.rejects(pairSums(pair, match, { groupEnds: ends }), {
      name: "RangeError",
      message: "Cannot add up groups of tokens: expected ends that increase to 5, " +
        `got ${ends.join(", ")}`,
    });
  }
  await assert.rejects(pairSums(pair, match, { marks: new Uint8Array(4), nMarks: 1 }), {
    name: "RangeError",
    message: "Cannot add up marked tokens: expected marks of 5, got 4",
  });
});
