// Equality with scipy and numpy: their results lie in fixtures/statistics, see its README.

import assert from "node:assert/strict";
import { activationsOf } from "../src/blocks.ts";
import { matchFeatures, sumsOf } from "../src/match.ts";
import { contributionOf, measure, metrics } from "../src/measures.ts";
import { columnSums, sparsify } from "../src/sparse.ts";
import { falseDiscovery, isotonic, quantile, survival } from "../src/statistics.ts";
import { histogram } from "../src/summary.ts";
import { tokenShares } from "../src/token_share.ts";
import { toRows, turned } from "./_naive.ts";

type Numbers = readonly (number | null)[];

/** A case of each statistic, as fixtures/statistics/make.py writes it. */
interface Cases {
  readonly falseDiscovery: { p: Numbers; q: Numbers };
  readonly isotonic: { y: number[]; weights: number[]; fit: Numbers; weighted: Numbers };
  readonly quantile: { sorted: number[]; q: number[]; quantiles: Numbers };
  readonly survival: {
    durations: number[];
    observed: number[];
    times: Numbers;
    shares: Numbers;
    errors: Numbers;
  };
  readonly histogram: { values: Numbers; range: [number, number]; bins: number; counts: Numbers };
  readonly measures: {
    source: number[][];
    target: number[][];
    distances: Numbers[];
    best: Numbers[];
    reverse: Numbers[];
  };
  readonly tokenShares: { ids: number[]; activations: number[][]; shares: Numbers };
}

const path = new URL("../fixtures/statistics/expected.json", import.meta.url);
const expected: { readonly [S in keyof Cases]: readonly Cases[S][] } = JSON.parse(
  Deno.readTextFileSync(path),
);

const numbers = (of: Numbers): number[] => of.map((x) => x ?? NaN);

const relative = (a: number, b: number) => Math.abs(a - b) <= 1e-12 * Math.abs(b);
// Of what is 1 minus something, or the like: it has lost digits to the 1.
const absolute = (a: number, b: number) => Math.abs(a - b) <= 1e-12;
const single = (a: number, b: number) => Math.abs(a - b) <= 1e-6;

function assertNear(
  actual: ArrayLike<number>,
  peer: Numbers,
  what: string,
  isNear: (a: number, b: number) => boolean = relative,
): void {
  assert.equal(actual.length, peer.length, `${what}: as many`);
  const wrong = numbers(peer).map((b, i) => [i, actual[i], b]).filter(([, a, b]) =>
    !Object.is(a, b) && !isNear(a, b)
  );
  assert.deepEqual(wrong.slice(0, 5), [], `${what}: place, ours, the peer's`);
}

/** One test of a statistic, over all seeds. */
function testPeer<S extends keyof Cases>(
  statistic: S,
  claim: string,
  check: (of: Cases[S], what: string) => void | Promise<void>,
): void {
  Deno.test(`${statistic}: ${claim}`, async () => {
    assert.equal(expected[statistic].length, 100, `seeds of ${statistic}`);
    for (const [seed, of] of expected[statistic].entries()) {
      await check(of, `${statistic}, seed ${seed}`);
    }
  });
}

testPeer("falseDiscovery", "q-values are scipy's", ({ p, q }, what) => {
  assertNear(falseDiscovery(Float64Array.from(numbers(p))), q, what);
});

testPeer("isotonic", "the fit is scipy's, with weights and without", (of, what) => {
  assertNear(isotonic(of.y), of.fit, what);
  assertNear(isotonic(of.y, of.weights), of.weighted, `${what}, weighted`);
});

testPeer("quantile", "quantiles are numpy's", ({ sorted, q, quantiles }, what) => {
  assertNear(q.map((share) => quantile(sorted, share)), quantiles, what);
});

testPeer("survival", "shares and Greenwood's errors are scipy's", (of, what) => {
  const { times, shares, standardErrors } = survival(of.durations, of.observed);
  assertNear(times, of.times, `${what}, times`);
  assertNear(shares, of.shares, `${what}, shares`);
  assertNear(standardErrors, of.errors, `${what}, standard errors`);
});

testPeer("histogram", "counts are numpy's, on the edges too", (of, what) => {
  const counts = histogram(numbers(of.values), of.range, of.bins);
  assert.deepEqual([...counts], of.counts, what);
});

const sparse = (rows: number[][]) => sparsify(new Float32Array(rows.flat()), rows[0].length);

testPeer("measures", "1 − similarity is scipy's distance, or numpy's", (of, what) => {
  const [source, target] = [sparse(of.source), sparse(of.target)];
  const [from, to] = [columnSums(source), columnSums(target)];
  const [as, bs] = [source, target].map((matrix) => turned(toRows(matrix), matrix.nCols));
  metrics.forEach((metric, m) => {
    const add = contributionOf(metric);
    const distances = as.flatMap((a, i) =>
      bs.map((b, j) => {
        const common = a.reduce((sum, x, n) => x && b[n] ? sum + add(x, b[n]) : sum, 0);
        return 1 - measure(metric, common, sumsOf(from, i), sumsOf(to, j), source.nRows);
      })
    );
    assertNear(distances, of.distances[m], `${what}, ${metric}`, absolute);
  });
});

testPeer("measures", "matches are the nearest by scipy's distance, both ways", (of, what) => {
  const [source, target] = [sparse(of.source), sparse(of.target)];
  metrics.forEach((metric, m) => {
    const match = matchFeatures(source, target, metric);
    assert.deepEqual([...match.best], of.best[m], `${what}, ${metric}`);
    assert.deepEqual([...match.reverse], of.reverse[m], `${what}, ${metric}, reverse`);
    const distanceOf = (i: number, j: number) => of.distances[m][i * target.nCols + j] ?? NaN;
    const similarities = [...match.best].map((j, i) => j < 0 ? NaN : 1 - distanceOf(i, j));
    assertNear(match.similarity, similarities, `${what}, ${metric}, similarity`, single);
    const reverse = [...match.reverse].map((i, j) => i < 0 ? NaN : 1 - distanceOf(i, j));
    assertNear(match.reverseSimilarity, reverse, `${what}, ${metric}, reverse similarity`, single);
  });
});

testPeer(
  "tokenShares",
  "shares are the adjusted R² of numpy's fit on dummies",
  async (of, what) => {
    const shares = await tokenShares(activationsOf(sparse(of.activations)), of.ids);
    assertNear(shares, of.shares, what, absolute);
  },
);
