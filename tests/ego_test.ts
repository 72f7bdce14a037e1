// The neighbourhood of a feature, against its definition by naive matches of random activations.

import assert from "node:assert/strict";
import { egoOf, linkedSimilarity } from "../src/ego.ts";
import { type Match, matchFeatures } from "../src/match.ts";
import { randomFrom } from "../src/random.ts";
import { sparsify } from "../src/sparse.ts";
import { cosineOf, type NaiveMatch, naiveMatch, randomDense, toRows, turned } from "./_naive.ts";

const nSeeds = 100;

/** A few checkpoints of a few features, matched with the last one and each with the one before. */
function draw(seed: number) {
  const random = randomFrom(seed);
  const [C, nTokens] = [1 + Math.floor(5 * random()), 4 + Math.floor(8 * random())];
  const activations = Array.from({ length: C }, (_, c) => {
    const nFeatures = 1 + Math.floor(9 * random());
    return sparsify(
      randomDense(nTokens * nFeatures, 0.5, 10 * seed + c).map(Math.abs),
      nFeatures,
    );
  });
  const features = activations.map((rows) => turned(toRows(rows), rows.nCols));
  const feature = Math.floor(random() * features[C - 1].length);
  return {
    C,
    features,
    matches: activations.map((rows) => matchFeatures(activations[C - 1], rows).best[feature]),
    links: activations.slice(1).map((rows, c) => matchFeatures(rows, activations[c])),
    naive: features.slice(1).map((of, c) => naiveMatch(of, features[c])),
    threshold: 0.2 + 0.7 * random(),
    nMost: 1 + Math.floor(5 * random()),
  };
}

/** How alike a feature and one of the checkpoint before are, if one is the other's best match. */
function bestSimilarity(link: NaiveMatch, source: number, target: number): number {
  if (source < 0 || target < 0) return -1;
  const isLinked = link.best[source] === target || link.reverse[target] === source;
  if (!isLinked) return -1;
  return link.best[source] === target ? link.similarity[source] : link.reverseSimilarity[target];
}

Deno.test("the features are the match, and then what is linked with a neighbouring match", () => {
  let nOthers = 0;
  for (let seed = 0; seed < nSeeds; seed++) {
    const { C, features, matches, links, naive, threshold, nMost } = draw(seed);
    const ego = egoOf(matches, links, { threshold, nMost });
    for (let c = 0; c < C; c++) {
      const others = features[c].map((_, f) => ({
        f,
        similarity: Math.max(
          c > 0 ? bestSimilarity(naive[c - 1], f, matches[c - 1]) : -1,
          c + 1 < C ? bestSimilarity(naive[c], matches[c + 1], f) : -1,
        ),
      })).filter(({ f, similarity }) => f !== matches[c] && similarity >= threshold)
        .sort((a, b) => b.similarity - a.similarity || a.f - b.f);
      const own = matches[c] < 0 ? [] : [matches[c]];
      const expected = [...own, ...others.map(({ f }) => f)].slice(0, nMost);
      assert.deepEqual(ego.features[c], expected, `seed ${seed}, checkpoint ${c}`);
      nOthers += expected.length - own.length;
    }
  }
  assert(nOthers > 100, `${nOthers} others`);
});

Deno.test("the links are all among the features that are near or on the path", () => {
  let [nLinks, nWeak] = [0, 0];
  for (let seed = 0; seed < nSeeds; seed++) {
    const { C, features, matches, links, naive, threshold, nMost } = draw(seed);
    const ego = egoOf(matches, links, { threshold, nMost });
    const found = new Map(ego.links.map((link) => [`${link.c} ${link.from} ${link.to}`, link]));
    assert.equal(found.size, ego.links.length, "none twice");
    let nExpected = 0;
    for (let c = 0; c + 1 < C; c++) {
      for (const from of ego.features[c]) {
        for (const to of ego.features[c + 1]) {
          const { best, reverse, runnerUp } = naive[c];
          const isLinked = best[to] === from || reverse[from] === to || runnerUp[to] === from;
          const cosine = Math.fround(cosineOf(features[c + 1][to], features[c][from]));
          const isPath = from === matches[c] && to === matches[c + 1];
          if (!isLinked || !(cosine >= threshold || isPath)) continue;
          nExpected++;
          const link = found.get(`${c} ${from} ${to}`);
          assert(link, `seed ${seed}: ${from} to ${to} at checkpoint ${c}`);
          assert(Math.abs(link.similarity - cosine) < 1e-6, `seed ${seed}`);
          if (cosine < threshold) nWeak++;
        }
      }
    }
    assert.equal(ego.links.length, nExpected, `seed ${seed}`);
    nLinks += nExpected;
  }
  assert(nLinks > 200 && nWeak > 5, `${nLinks} links, ${nWeak} of them below the threshold`);
});

Deno.test("two features are linked by a best match or a runner-up, else not", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { features, links } = draw(seed);
    links.forEach((link: Match, c) => {
      for (const [source, a] of features[c + 1].entries()) {
        assert(Number.isNaN(linkedSimilarity(link, source, -1)));
        for (const [target, b] of features[c].entries()) {
          const { best, reverse, runnerUp } = link;
          const isLinked = [best[source], runnerUp[source]].includes(target) ||
            reverse[target] === source;
          const similarity = linkedSimilarity(link, source, target);
          if (isLinked) assert(Math.abs(similarity - cosineOf(a, b)) < 1e-6, `seed ${seed}`);
          else assert(Number.isNaN(similarity), `seed ${seed}`);
        }
      }
    });
  }
});

Deno.test("without links, or at one checkpoint, there are the matches and nothing else", () => {
  assert.deepEqual(egoOf([3, -1, 5], [], { threshold: 0.5 }), {
    features: [[3], [], [5]],
    links: [],
  });
  assert.deepEqual(egoOf([2], [], { threshold: 0.5 }), { features: [[2]], links: [] });
});

Deno.test("a higher threshold leaves out, and never adds", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const { matches, links, threshold } = draw(seed);
    const [low, high] = [threshold / 2, threshold].map((threshold) =>
      egoOf(matches, links, { threshold, nMost: 99 })
    );
    high.features.forEach((of, c) => assert(of.every((f) => low.features[c].includes(f))));
    const names = new Set(low.links.map(({ c, from, to }) => `${c} ${from} ${to}`));
    assert(high.links.every(({ c, from, to }) => names.has(`${c} ${from} ${to}`)), `seed ${seed}`);
  }
});
