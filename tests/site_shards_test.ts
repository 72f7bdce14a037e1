// The table and the paths of features, what is alike, near and chosen, against their definitions.

import assert from "node:assert/strict";
import { alikeTrajectories } from "../src/alike.ts";
import { chooseFeatures } from "../src/choose_features.ts";
import { egoOf, linkedSimilarity } from "../src/ego.ts";
import { zeroStats } from "../src/feature_stats.ts";
import { matchFeatures, thresholds } from "../src/match.ts";
import { featurePaths } from "../src/paths.ts";
import { randomFrom } from "../src/random.ts";
import { perShard, shard, short, sitePaths, siteTable } from "../src/site_shards.ts";
import { sparsify } from "../src/sparse.ts";
import { appearances, appearingFeatures } from "../src/summary.ts";
import { randomDense } from "./_naive.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";

/** What a page gets from a shard. */
function loaded(script: string): [name: string, value: unknown] {
  let got: [string, unknown] | undefined;
  new Function("sae", script)((name: string, value: unknown) => got = [name, value]);
  return got ?? assert.fail("no call");
}

Deno.test("a shard hands on any text, and holds nothing that ends a script or a line", () => {
  const texts = ["</script>", "<!--", "\u2028\u2029", "\0\r\n", '"\\', "\ud800", "😀", "__proto__"];
  const script = shard("a", { texts });
  assert.deepEqual(loaded(script), ["a", { texts }]);
  assert.doesNotMatch(script.trimEnd(), /[<\u2028\u2029\0\r\n]/);
});

Deno.test("a shard keeps whole numbers, and four digits of others; no number is null", () => {
  const numbers = [143000, -7, 0.123456, 98765.4321, NaN, Infinity, 1e-9];
  assert.deepEqual(loaded(shard("n", numbers))[1], [143000, -7, 0.1235, 98770, null, null, 1e-9]);
  const random = randomFrom(1);
  for (let trial = 0; trial < 100; trial++) {
    const value = (random() - 0.5) * 10 ** (20 * random() - 10);
    assert(Math.abs(short(value)! - value) <= 5e-4 * Math.abs(value), `${value}`);
    assert.equal(short(short(value)!), short(value));
  }
});

Deno.test("alikeTrajectories() gives the smallest distances of all, and no feature itself", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const [F, C, nWanted] = [1 + Math.floor(30 * random()), 1 + seed % 6, 1 + seed % 7];
    // Of few values, so that some are equal; some are absent.
    const of = () => random() < 0.1 ? NaN : Math.floor(4 * random()) / 4;
    const series = Float32Array.from({ length: F * C }, of);
    const takesPart = (f: number) => f % 5 !== 1;
    const distance = (a: number, b: number) => {
      const differences = Array.from(
        { length: C },
        (_, c) => (series[a * C + c] || 0) - (series[b * C + c] || 0),
      );
      return differences.reduce((sum, x) => sum + x * x, 0); // exact, of quarters
    };
    const found = alikeTrajectories(series, C, { nWanted, takesPart });
    assert.equal(found.length, F);
    found.forEach((others, f) => {
      const all = [...found.keys()].filter((g) => g !== f && takesPart(g) && takesPart(f));
      const expected = all.map((g) => distance(f, g)).sort((a, b) => a - b).slice(0, nWanted);
      assert.deepEqual(others.map((g) => distance(f, g)), expected, `seed ${seed}`);
      assert(others.every((g) => g !== f && takesPart(g)));
      assert.equal(new Set(others).size, others.length);
    });
  }
});

Deno.test("a neighbourhood is the matches, and what is linked with one and near", () => {
  let nNear = 0;
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const [C, F, threshold] = [2 + seed % 4, 6, 0.4];
    const all = Array.from(
      { length: C },
      (_, c) => sparsify(randomDense(20 * F, 0.4, 97 * seed + c).map(Math.abs), F),
    );
    const links = all.slice(1).map((rows, c) => matchFeatures(rows, all[c]));
    const matches = all.map(() => random() < 0.2 ? -1 : Math.floor(F * random()));
    // Feature s of c + 1 and t of c are linked if one is the best match of the other.
    const linked = (c: number, s: number, t: number) =>
      s >= 0 && t >= 0 && (links[c].best[s] === t || links[c].reverse[t] === s);
    const similarity = (c: number, s: number, t: number) =>
      links[c].best[s] === t ? links[c].similarity[s] : links[c].reverseSimilarity[t];

    const ego = egoOf(matches, links, { threshold, nMost: F });

    ego.features.forEach((features, c) => {
      const expected = [...Array(F).keys()].filter((f) =>
        f === matches[c] ||
        (c > 0 && linked(c - 1, f, matches[c - 1]) &&
          similarity(c - 1, f, matches[c - 1]) >= threshold) ||
        (c + 1 < C && linked(c, matches[c + 1], f) && similarity(c, matches[c + 1], f) >= threshold)
      );
      assert.deepEqual(features.toSorted((a, b) => a - b), expected, `seed ${seed}, ${c}`);
      if (matches[c] >= 0) assert.equal(features[0], matches[c]);
      nNear += features.length;
    });
    for (const { c, from, to, similarity: of } of ego.links) {
      assert(ego.features[c].includes(from) && ego.features[c + 1].includes(to));
      assert.equal(of, linkedSimilarity(links[c], to, from));
      assert(of >= threshold || (from === matches[c] && to === matches[c + 1]), `seed ${seed}`);
    }
    const few = egoOf(matches, links, { threshold, nMost: 2 });
    few.features.forEach((features, c) =>
      assert.deepEqual(features, ego.features[c].slice(0, 2), "the nearest stay")
    );
  }
  assert(nNear > 500, `${nNear} features`);
  assert.deepEqual(egoOf([3, -1], [], { threshold: 0.4 }), { features: [[3], []], links: [] });
});

Deno.test("chooseFeatures() draws from what was asked for, the same of the same seed", () => {
  const summary = syntheticSummary(300);
  const live = summary.checkpoints.at(-1)!.match.sourceCounts;
  const paths = featurePaths(summary);
  const isAscending = (of: readonly number[]) =>
    assert.deepEqual(of, [...new Set(of)].sort((a, b) => a - b));

  const drawn = chooseFeatures(summary, {});
  isAscending(drawn);
  assert.equal(drawn.length, 24);
  const classes = (of: readonly number[]) => new Set(of.map((f) => paths[f].lifecycle));
  const all = chooseFeatures(summary, { all: true });
  assert.deepEqual(all, [...live.keys()].filter((f) => live[f] > 0));
  assert.deepEqual(classes(drawn), classes(all), "each class has its turn");
  assert.deepEqual(chooseFeatures(summary, {}), drawn);
  assert.notDeepEqual(chooseFeatures(summary, { seed: 1 }), drawn);

  const step = 8000;
  const appearing = appearingFeatures(summary, step);
  const some = chooseFeatures(summary, { appearingAt: step, nSampled: 3 });
  isAscending(some);
  assert.equal(some.length, 3);
  assert(some.every((f) => appearing.includes(f)));
  const late = chooseFeatures(summary, { lifecycle: "late", nSampled: 300 });
  assert.deepEqual(late, all.filter((f) => paths[f].lifecycle === "late"));
  assert.deepEqual(chooseFeatures(summary, { features: [17, 3, 17] }), [3, 17]);
  assert.throws(() => chooseFeatures(summary, { features: [300] }), {
    name: "RangeError",
    message: "Cannot show feature 300: expected 0 to 299, got 300",
  });
  assert.throws(
    () => chooseFeatures(summary, { lifecycle: "eternal" }),
    /^RangeError: Cannot show features of class "eternal": expected one of .*, got none of it$/,
  );
});

Deno.test("the table says of each feature what the summary does", () => {
  const summary = syntheticSummary(300);
  const label = Array.from({ length: 300 }, (_, f) => `name ${f}`);
  const table = siteTable(summary, { label, detailed: [2, 5], distance: 0.5, nTokens: 900 });
  const { checkpoints } = summary;
  const last = checkpoints.length - 1;
  const paths = featurePaths(summary);
  const [counts, appears] = [checkpoints[last].match.sourceCounts, appearances(summary)];
  assert.deepEqual([table.reference, table.nTokens, table.detailed], [last, 900, [2, 5]]);
  for (let f = 0; f < 300; f++) {
    assert.equal(table.lifecycle[f], paths[f].lifecycle);
    assert.equal(table.emergence[f], counts[f] > 0 ? short(paths[f].emergence) : null);
    assert.equal(table.appearsAt[f], appears[f] < 0 ? null : appears[f]);
    assert.equal(table.similarity[f], short(checkpoints[last - 1].match.similarity[f]));
    assert.equal(table.rate[f], short(counts[f] / 900));
    assert.deepEqual(
      table.hundredths![f],
      checkpoints.map(({ match: { similarity } }) => short(Math.floor(100 * similarity[f]))),
    );
  }
});

Deno.test("the table counts a split only at a match that is near", () => {
  const [K, k] = [thresholds.length, thresholds.indexOf(0.5)];
  const first = checkpointWith(0, [0.9, 0.2, 0.8]);
  // All three have the target 0, and two of them are near to it.
  first.match.best.fill(0);
  first.match.nearSources[k] = 2;
  first.match.nearTargets[2 * K + k] = 3;
  const table = siteTable(summaryOf([first, checkpointWith(8, [1, 1, 1])]), {
    label: ["", "", ""],
    detailed: [],
    distance: 0.5,
    nTokens: 100,
  });
  assert.deepEqual(table.split, [2, 0, 2]);
  assert.deepEqual(table.merged, [0, 0, 3]);
});

Deno.test("the paths of all features, in shards, are the summary's", () => {
  const summary = syntheticSummary(300);
  const { checkpoints } = summary;
  const of = checkpoints.map(() => ({
    stats: zeroStats(300),
    norms: new Float32Array(300).fill(2),
  }));
  of.forEach(({ stats }, c) => {
    stats.counts.fill(4 + c);
    stats.sums.fill(10);
    stats.max.fill(7);
  });
  const shards = [...sitePaths(summary, of)];
  assert.deepEqual(shards.map(({ from }) => from), [0, perShard]);
  assert.deepEqual(shards.map(({ match }) => match.length), [perShard, 300 - perShard]);
  for (const { from, ...series } of shards) {
    series.match.forEach((matches, i) => {
      const f = from + i;
      matches.forEach((j, c) => {
        const { match, best, decoderCosine, quality } = checkpoints[c];
        assert.equal(j, match.best[f] < 0 ? null : match.best[f]);
        assert.equal(series.similarity[i][c], short(match.similarity[f]));
        assert.equal(series.iou[i][c], short(best.iou[f]));
        assert.equal(series.decoder[i][c], short(decoderCosine[f]));
        assert.equal(series.rate[i][c], j === null ? null : short((4 + c) / quality.nTokens));
        assert.equal(series.mean[i][c], j === null ? null : short(10 / (4 + c)));
        assert.deepEqual([series.max[i][c], series.norm[i][c]], j === null ? [null, null] : [7, 2]);
        assert.deepEqual([series.chance[i][c], series.previous[i][c]], [null, null]);
      });
      const isDead = checkpoints.at(-1)!.match.sourceCounts[f] === 0;
      assert.equal(series.alike[i].length, isDead ? 0 : 6);
    });
  }
});
