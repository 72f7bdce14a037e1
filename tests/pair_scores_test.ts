import assert from "node:assert/strict";
import { activationsOf } from "../src/blocks.ts";
import { emptyMatch, type Match, matchFeatures } from "../src/match.ts";
import { planMatch } from "../src/match_plan.ts";
import { createMatcher } from "../src/matcher.ts";
import { type Metric, metrics } from "../src/measures.ts";
import { groupEnds, markedShares, nGroups, pairScores, replicas } from "../src/pair_scores.ts";
import { type PairSums, pairSums } from "../src/pair_sums.ts";
import { randomFrom } from "../src/random.ts";
import { type Sparse, sparsify } from "../src/sparse.ts";
import {
  cosineOf,
  iouOf,
  pearsonOf,
  randomDense,
  toRows,
  turned,
  weightedJaccardOf,
} from "./_naive.ts";

const naive = {
  cosine: cosineOf,
  pearson: pearsonOf,
  iou: iouOf,
  weighted_jaccard: weightedJaccardOf,
} as const;

const random = (nTokens: number, nFeatures: number, density: number, seed: number) =>
  sparsify(randomDense(nTokens * nFeatures, density, seed).map(Math.abs), nFeatures);

function sumsOf(
  source: Sparse,
  target: Sparse,
  match: Match,
  options: Parameters<typeof pairSums>[2] = {},
): Promise<PairSums> {
  const pair = { source: activationsOf(source), target: activationsOf(target) };
  return pairSums(pair, match, options);
}

// A hundred times: up to 30 tokens in groups, 7 source and 5 target features.
function* trials() {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const N = 1 + Math.floor(30 * next());
    const isEnd = Array.from({ length: N }, (_, n) => n === N - 1 || next() < 0.25);
    yield {
      source: random(N, 7, 0.4, seed + 1e3),
      target: random(N, 5, 0.4, seed + 2e3),
      ends: isEnd.flatMap((is, n) => is ? [n + 1] : []),
      seed,
    };
  }
}

// A measure as on a blackboard; no correlation of what never varies, where rounding makes up one.
function scoreOf(metric: Metric, a: readonly number[], b: readonly number[]): number {
  const isFlat = [a, b].some((x) => x.every((value) => value === x[0]));
  return metric === "pearson" && isFlat ? NaN : naive[metric](a, b);
}

function assertNear(got: number, expected: number, message: string): void {
  const isNear = Object.is(got, expected) || Math.abs(got - expected) < 1e-6;
  assert(isNear, `${message}: ${got}, expected ${expected}`);
}

for (const by of metrics) {
  Deno.test(`pairScores() of both partners equal every measure, matched by ${by}`, async () => {
    let nScores = 0;
    for (const { source, target, ends, seed } of trials()) {
      const [s, t] = [turned(toRows(source), 7), turned(toRows(target), 5)];
      const match = matchFeatures(source, target, by);
      const sums = await sumsOf(source, target, match, { groupEnds: ends });
      for (const which of ["best", "runnerUp"] as const) {
        const scores = pairScores(sums, match, which);
        for (const metric of metrics) {
          match[which].forEach((j, i) => {
            const expected = j < 0 ? NaN : scoreOf(metric, s[i], t[j]);
            assertNear(scores[metric][i], expected, `${metric} ${which} ${i} of seed ${seed}`);
            nScores += Number.isNaN(expected) ? 0 : 1;
          });
        }
        const nBoth = Array.from(
          match[which],
          (j, i) => j < 0 ? 0 : s[i].filter((a, n) => a && t[j][n]).length,
        );
        assert.deepEqual([...scores.nBoth], nBoth, `seed ${seed}`);
      }
    }
    assert(nScores > 2000, `${nScores} scores are numbers`);
  });
}

/** Activations a token that are told, not what there are: else a match would want no threads. */
const told = 75;

// Two blocks of tokens, on which two SAEs have 15 activations each.
const wide = [manyOf(9000, 400, 1), manyOf(9000, 9000, 2)] as const;

function manyOf(nTokens: number, nFeatures: number, seed: number): Sparse {
  const next = randomFrom(seed);
  const columns = Uint16Array.from(
    { length: 15 * nTokens },
    (_, e) => Math.floor((e % 15 + next()) * nFeatures / 15),
  );
  return {
    nRows: nTokens,
    nCols: nFeatures,
    offsets: Uint32Array.from({ length: nTokens + 1 }, (_, n) => 15 * n),
    columns,
    values: Float32Array.from(columns, () => 0.1 + next()),
  };
}

// The least memory, in MiB, with which the wide pair is matched by rows, in this thread.
function memoryForRows(): number {
  const nnz = told * 9000;
  const size = { nSource: 400, nTarget: 9000, nTokens: 9000, nnzSource: nnz, nnzTarget: nnz };
  for (let memory = 2 ** 26; memory < 2 ** 30; memory += 2 ** 20) {
    try {
      if (planMatch({ ...size, workers: 1, memory }).way === "rows") return memory;
    } catch (error) {
      assert(error instanceof RangeError, "only too little memory is refused");
    }
  }
  return assert.fail("no memory gives such a plan");
}

for (const metric of metrics) {
  Deno.test(`a match by ${metric} and its scores have the same bits, in two threads or by rows`, async () => {
    const [source, target] = wide;
    const expected = matchFeatures(source, target, metric);
    assert(new Set(expected.similarity).size > 20, "there is something to compare");
    for (const options of [{ workers: 2 }, { workers: 1, memory: memoryForRows() }]) {
      const matcher = createMatcher({ ...options, metric });
      const pair = {
        source: { ...activationsOf(source, 1234), nnz: told * 9000 },
        target: { ...activationsOf(target, 999), nnz: told * 9000 },
      };
      assert.deepEqual(await matcher.match(pair), expected, JSON.stringify(options));
      matcher.close();
    }
    const sums = await sumsOf(source, target, expected, {
      groupEnds: groupEnds(Array.from({ length: 101 }, (_, s) => 90 * s), nGroups),
    });
    assert.deepEqual(pairScores(sums, expected, "best")[metric], expected.similarity);
    assert.deepEqual(pairScores(sums, expected, "runnerUp")[metric], expected.runnerUpSimilarity);
  });

  Deno.test(`a match by ${metric} in one thread equals its definition, and its scores`, async () => {
    const matcher = createMatcher({ workers: 1, metric });
    for (const { source, target, seed } of trials()) {
      const expected = matchFeatures(source, target, metric);
      const pair = { source: activationsOf(source, 7), target: activationsOf(target, 5) };
      for (const reading of ["first", "with the source kept"]) {
        assert.deepEqual(await matcher.match(pair), expected, `seed ${seed}, ${reading}`);
      }
      const sums = await sumsOf(source, target, expected);
      assert.deepEqual(pairScores(sums, expected, "best")[metric], expected.similarity);
    }
    matcher.close();
  });

  Deno.test(`replicas() by ${metric} are those of groups that are really drawn anew`, async () => {
    let nNumbers = 0;
    for (const { source, target, ends, seed } of trials()) {
      const match = matchFeatures(source, target);
      const sums = await sumsOf(source, target, match, { groupEnds: ends });
      const actual = replicas(sums, match, { metric, nReplicas: 3, seed });

      const next = randomFrom(seed);
      const drawn = () => ends.map(() => Math.floor(next() * ends.length));
      for (const [b, replica] of actual.entries()) {
        const tokens = drawn().flatMap((g) => {
          const from = ends[g - 1] ?? 0;
          return Array.from({ length: ends[g] - from }, (_, n) => from + n);
        });
        const [s, t] = [source, target].map((of) => {
          const rows = toRows(of);
          return turned(tokens.map((n) => rows[n]), of.nCols);
        });
        match.best.forEach((j, i) => {
          const expected = j < 0 ? NaN : scoreOf(metric, s[i], t[j]);
          assertNear(replica[i], expected, `feature ${i} of replica ${b} of seed ${seed}`);
          nNumbers += Number.isNaN(expected) ? 0 : 1;
        });
      }
    }
    assert(nNumbers > 1000, `${nNumbers} are numbers`);
  });
}

Deno.test("replicas() of the same seed take the same groups for every match", async () => {
  const [a, b] = [random(60, 4, 0.5, 1), random(60, 5, 0.5, 2)];
  const ends = [10, 20, 30, 40, 50, 60];
  const of = async (target: Sparse, seed: number) => {
    const match = matchFeatures(a, target);
    return replicas(await sumsOf(a, target, match, { groupEnds: ends }), match, {
      nReplicas: 9,
      seed,
    });
  };
  const first = await of(b, 3);
  assert.deepEqual(await of(b, 3), first);
  assert.notDeepEqual(await of(b, 4), first);
  // A target of which every feature is twice as strong, and another is there that never wins.
  const rows = toRows(b).map((row) => [...row.map((x) => 2 * x), 0]);
  assert.deepEqual(await of(sparsify(Float32Array.from(rows.flat()), 6), 3), first);
  assert.deepEqual(
    replicas({ groups: [] }, { best: new Int32Array(0) }, { nReplicas: 0, seed: 1 }),
    [],
  );
});

// Sequences of ten tokens, in each of which two features fire much or little, and alike or not.
function sequences(nSequences: number, seed: number): readonly [Sparse, Sparse] {
  const next = randomFrom(seed);
  const [a, b]: [number[], number[]] = [[], []];
  for (let s = 0; s < nSequences; s++) {
    const [rate, alike] = [next() ** 2, next()];
    for (let n = 0; n < 10; n++) {
      const x = next() < rate ? 0.5 + next() : 0;
      a.push(x);
      b.push(next() < alike ? x : next() < rate ? 0.5 + next() : 0);
    }
  }
  return [sparsify(Float32Array.from(a), 1), sparsify(Float32Array.from(b), 1)];
}

const deviation = (of: readonly number[]) => {
  const mean = of.reduce((sum, x) => sum + x, 0) / of.length;
  return Math.sqrt(of.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (of.length - 1));
};

Deno.test("replicas() by every measure spread as fresh samples do", async () => {
  const counts = new Uint32Array([1]);
  const match = { ...emptyMatch(counts, counts), best: new Int32Array([0]) };
  const ends = groupEnds(Array.from({ length: 97 }, (_, s) => 10 * s), nGroups);
  const samples: PairSums[] = [];
  for (let seed = 0; seed < 150; seed++) {
    samples.push(await sumsOf(...sequences(96, seed), match, { groupEnds: ends }));
  }
  for (const metric of metrics) {
    const spread = deviation(samples.map((sums) => pairScores(sums, match, "best")[metric][0]));
    const spreads = samples.slice(0, 20).map((sums, seed) =>
      deviation(replicas(sums, match, { metric, nReplicas: 60, seed }).map(([of]) => of))
    );
    const ratio = spreads.reduce((sum, x) => sum + x, 0) / spreads.length / spread;
    assert(ratio > 0.8 && ratio < 1.25, `by ${metric} the replicas' spread is ${ratio} times that`);
  }
});

Deno.test("markedShares() is the share of products on marked tokens, NaN of no match", async () => {
  const source = sparsify(new Float32Array([1, 0, 0, 1, 2, 0, 3, 0, 0]), 3);
  const target = sparsify(new Float32Array([6, 0, 0, 1, 2, 0]), 2); // the third never fires with it
  const match = matchFeatures(source, target);
  assert.deepEqual([...match.best], [0, 1, -1]);
  const sums = await sumsOf(source, target, match, {
    marks: new Uint8Array([0b01, 0b11, 0b00]),
    nMarks: 3,
  });
  const shares = markedShares(sums).map((of) => [...of]);
  assert.deepEqual(shares, [[0.5, 1, NaN], [0, 1, NaN], [0, 0, NaN]]);
});
