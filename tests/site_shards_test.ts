// The table and the paths of a site, against counts by hand, and the shards that they travel in.

import assert from "node:assert/strict";
import { zeroStats } from "../src/feature_stats.ts";
import { emptyMatch, type Match, thresholds } from "../src/match.ts";
import { randomFrom } from "../src/random.ts";
import { ownReference, perShard, shard, short, sitePaths, siteTable } from "../src/site_shards.ts";
import type { CheckpointSummary, Summary } from "../src/summary.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";
import { onLine } from "./_trajectories.ts";

/** What a page gets from a shard. */
function loaded(text: string): [name: string, value: unknown][] {
  const calls: [string, unknown][] = [];
  new Function("sae", text)((name: string, value: unknown) => void calls.push([name, value]));
  return calls;
}

/** A match with some of its arrays by hand. */
function matchOf(by: Partial<Match>): Match {
  const counts = Uint32Array.from([90, 20, 35, 0]); // feature 3 is dead
  return { ...emptyMatch(counts, counts), ...by };
}

const cosines = [[0.2, 0.8, NaN, NaN], [0.6, 0.45, 0.9, NaN], [1, 1, 1, NaN]];
const K = thresholds.length;

/** Counts at the distance 0.5, and nine at all others. */
function near(counts: readonly number[]): Uint32Array {
  return Uint32Array.from({ length: 4 * K }, (_, e) => e % K === 2 ? counts[Math.floor(e / K)] : 9);
}

function checkpoint(
  c: number,
  by: Partial<Match>,
  rotated: readonly number[] | undefined,
): CheckpointSummary {
  const of = checkpointWith([0, 8, 64][c], cosines[c]);
  const nulls = rotated && {
    rotated: [Float32Array.from(rotated)],
    sameToken: [[0.1, 0.2, NaN, NaN], [0.3, 0.05, NaN, NaN]].map((of) => Float32Array.from(of)),
  };
  return {
    ...of,
    match: matchOf({ ...by, similarity: Float32Array.from(cosines[c]) }),
    ...(nulls && { nulls }),
  };
}

/** Four features at three checkpoints, the last of them the reference. */
const byHand: Summary = {
  ...summaryOf([
    checkpoint(0, {
      best: Int32Array.of(1, 1, -1, -1),
      reverse: Int32Array.of(-1, 1, -1, -1),
      runnerUpSimilarity: Float32Array.of(0.1, NaN, NaN, NaN),
      nearSources: near([7, 2, 8, 8]),
      nearTargets: near([0, 1, 0, 0]),
    }, [0.1, 0.3, 0.2, NaN]),
    checkpoint(1, {
      best: Int32Array.of(2, 0, 1, -1),
      reverse: Int32Array.of(1, 2, 0, -1),
      nearSources: near([3, 0, 1, 8]),
      nearTargets: near([4, 0, 2, 0]),
    }, [0.7, 0.1, 0.5, NaN]),
    checkpoint(2, {
      best: Int32Array.of(0, 1, 2, -1),
      reverse: Int32Array.of(0, 1, 2, -1),
      nearSources: near([9, 9, 9, 9]),
      nearTargets: near([9, 9, 9, 9]),
    }, undefined),
  ]),
  links: [
    matchOf({
      best: Int32Array.of(3, -1, 1, -1),
      similarity: Float32Array.of(0.7, NaN, 0.77, NaN),
      reverse: Int32Array.of(-1, 0, -1, -1),
      reverseSimilarity: Float32Array.of(NaN, 0.66, NaN, NaN),
    }),
    matchOf({
      best: Int32Array.of(3, 3, 1, -1),
      similarity: Float32Array.of(0.5, 0.5, 0.9, NaN),
      runnerUp: Int32Array.of(2, -1, -1, -1),
      runnerUpSimilarity: Float32Array.of(0.33, NaN, NaN, NaN),
    }),
  ],
  emergence: {
    threshold: 0.5,
    intervals: [
      { low: 1.23456, high: Infinity, neverShare: 0.1 },
      { low: NaN, high: NaN, neverShare: NaN },
      { low: 2, high: 4, neverShare: 0 },
      { low: 1, high: 1, neverShare: 0 },
    ],
  },
  tokenShare: Float64Array.of(0.123456, NaN, 0.95, NaN),
};

const label = ["a", "b", "c", ""];
const four = (value: number) => Number(value.toPrecision(4));

Deno.test("the table of four features is what is counted by hand", () => {
  const { lifecycle, tokenClass, ...table } = siteTable(byHand, {
    label,
    detailed: [2],
    distance: 0.5,
    nTokens: 500, // of 1,000, some of which were left out
  });
  assert.deepEqual(table, {
    steps: [0, 8, 64],
    reference: 2,
    metric: "cosine",
    threshold: 0.5,
    nTokens: 500,
    perShard,
    detailed: [2],
    label,
    // The second was there and goes; the third has no match at first, which counts as 0.
    emergence: [four(onLine(0, 0.2, 8, 0.6, 0.5)), null, four(onLine(0, 0, 8, 0.9, 0.5)), null],
    emergenceLow: [1.235, null, 2, null],
    emergenceHigh: [null, null, 4, null],
    appearsAt: [8, null, 8, null],
    similarity: [0.6, 0.45, 0.9, null],
    // p = 3/4 and 1/4 at step 0, 2/4, 3/4 and 1/4 at step 8; q by Benjamini and Hochberg.
    q: [0.75, 0.5, 0.75, null],
    rate: [0.18, 0.04, 0.07, 0],
    mutual: [0.5, 1, 0.5, null],
    // Of near matches alone: those of the first at step 0 and of the second at step 8 are not.
    split: [1, 2, 0, 0],
    merged: [4, 1, 2, 0],
    tokenShare: [0.1235, null, 0.95, null],
    // Of float32, rounded down: 0.45 and 0.9 lie just below.
    hundredths: [[20, 60, 100], [80, 44, 100], [null, 89, 100], [null, null, null]],
  });
  assert.equal(lifecycle[3], "dead");
  assert.equal(new Set(lifecycle).has("unknown"), false);
  assert.deepEqual([tokenClass[1], tokenClass[3]], ["unknown", "dead"]);
  assert.notEqual(tokenClass[0], tokenClass[2]);
});

Deno.test("neighbours are counted at the notebook's distance nearest to the chosen one", () => {
  const { split, merged, threshold } = siteTable(byHand, {
    label,
    detailed: [],
    distance: 0.32,
    nTokens: 500,
  });
  assert.deepEqual([split, merged, threshold], [[0, 9, 9, 0], [9, 9, 9, 9], 0.68]);
});

Deno.test("the paths of four features are what is counted by hand", () => {
  const of = [0, 1, 2].map((c) => {
    const stats = zeroStats(4);
    stats.counts.set([100, 200, 300, 0].map((n) => n + c));
    stats.sums.set([400, 300, 900, 0]);
    stats.max.set([5, 6, 7, 0]);
    return { stats, norms: Float32Array.of(1, 2, 3, 4) };
  });
  const [paths, ...more] = sitePaths(byHand, of, 1000);
  assert.equal(more.length, 0);
  const none = [null, null, null];
  const { alike, iou, decoder, rate, ...series } = paths;
  assert.deepEqual(series, {
    from: 0,
    match: [[1, 2, 0], [1, 0, 1], [null, 1, 2], none],
    similarity: [[0.2, 0.6, 1], [0.8, 0.45, 1], [null, 0.9, 1], none],
    runnerUp: [[0.1, null, null], none, none, none],
    chance: [[0.1, 0.7, null], [0.3, 0.1, null], [0.2, 0.5, null], [0, 0, null]],
    token: [[0.3, 0.3, null], [0.2, 0.2, null], [0, 0, null], [0, 0, null]],
    q: [[0.75, 0.75, null], [0.5, 0.75, null], [null, 0.75, null], none],
    previous: [[null, 0.77, 0.33], [null, 0.66, null], [null, null, 0.9], none],
    mean: [
      [1.5, four(900 / 301), four(400 / 102)],
      [1.5, four(400 / 101), four(300 / 202)],
      [null, four(300 / 201), four(900 / 302)],
      none,
    ],
    max: [[6, 7, 5], [6, 5, 6], [null, 6, 7], none],
    norm: [[2, 3, 1], [2, 1, 2], [null, 2, 3], none],
  });
  const counts = byHand.checkpoints.map(({ match }) => match.targetCounts);
  const shares = series.match.map((row) =>
    row.map((j, c) => j === null ? null : four(counts[c][j] / 1000))
  );
  assert.deepEqual(rate, shares, "of the tokens that were compared");
  assert.deepEqual(iou, series.similarity);
  assert.deepEqual(decoder, series.similarity);
  // Of the live, without the reference: distances² 0.13 (0, 2), 0.38 (0, 1), 0.84 (1, 2).
  assert.deepEqual(alike, [[2, 1], [0, 2], [0, 1], []]);
});

Deno.test("shards of paths have every feature once, and a value a checkpoint", () => {
  const nFeatures = 2 * perShard + 7;
  const summary = syntheticSummary(nFeatures, 4);
  const of = summary.checkpoints.map(() => ({
    stats: zeroStats(nFeatures),
    norms: new Float32Array(nFeatures),
  }));
  const shards = [...sitePaths(summary, of, 1000)];
  assert.deepEqual(shards.map(({ from }) => from), [0, perShard, 2 * perShard]);
  assert.deepEqual(shards.map(({ match }) => match.length), [perShard, perShard, 7]);
  for (const { from, alike, ...series } of shards) {
    for (const [name, values] of Object.entries(series)) {
      assert.equal(values.length, alike.length, name);
      assert(values.every((row) => row.length === summary.checkpoints.length), name);
    }
    series.similarity.forEach((row, f) => {
      const expected = summary.checkpoints.map(({ match }) => match.similarity[from + f]);
      assert.deepEqual(row, expected.map((of) => Number.isNaN(of) ? null : four(of)));
    });
  }
});

Deno.test("a shard is one call that hands over what it was made of, whatever the text", () => {
  const texts = [
    "</script><script>alert(1)</script>",
    "<!-- <script>",
    "]]>",
    "\u2028\u2029",
    "\0\x01\x7f",
    "\ud800 alone",
    '"\\',
    "`${1}`",
    "naïve 語 🎉",
    "\r\n\t",
  ];
  const value = { texts, of: [0.25, -3, 1e-9, 123456], none: null, is: true };
  const text = shard("feature-3", value);
  assert.deepEqual(loaded(text), [["feature-3", value]]);
  assert(!/[<\u2028\u2029\0]/.test(text) && text.indexOf("\n") === text.length - 1);
  const decoded = new TextDecoder().decode(new TextEncoder().encode(text));
  assert.equal(decoded, text, "a lone surrogate is escaped, which UTF-8 would lose");
});

Deno.test("numbers of a shard have four digits, and none that is not finite", () => {
  assert.deepEqual(loaded(shard("a", [NaN, Infinity, -Infinity, 1 / 3, 65536.5, 12345678])), [
    ["a", [null, null, null, 0.3333, 65540, 12345678]],
  ]);
  const random = randomFrom(1);
  for (let n = 0; n < 1000; n++) {
    const value = (random() - 0.5) * 10 ** Math.floor(30 * random() - 15);
    assert(Math.abs(short(value)! - value) <= 5e-4 * Math.abs(value), `${value}`);
  }
});

Deno.test("at the reference a feature is its own match, though another fires just like it", () => {
  const plain = checkpointWith(9, [1, 1, NaN], [1, 0.2, NaN]);
  const last = { ...plain, match: { ...plain.match, best: Int32Array.of(0, 0, -1) } };
  const summary = ownReference(summaryOf([checkpointWith(0, [0.5, 0.5, NaN]), last]));
  assert.deepEqual([...summary.checkpoints[1].match.best], [0, 1, -1]);
  assert.deepEqual([...summary.checkpoints[1].decoderCosine], [1, 1, NaN]);
  assert.deepEqual([...last.match.best], [0, 0, -1], "what was given stays");
});
