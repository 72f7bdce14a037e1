import assert from "node:assert/strict";
import {
  chained,
  frameAgreement,
  lineageEvents,
  type Lineages,
  lineages,
  lineageSurvival,
} from "../src/lineages.ts";
import { type Match, matchFeatures } from "../src/match.ts";
import { randomFrom, sample } from "../src/random.ts";
import { sparsify } from "../src/sparse.ts";
import { type NaiveMatch, naiveMatch } from "./_naive.ts";

/** Checkpoints in order; each a list of features; each its activations on all tokens. */
type Features = readonly (readonly number[])[];

interface Trial {
  readonly steps: number[];
  readonly checkpoints: Features[];
  readonly threshold: number;
  readonly seed: string;
}

// A hundred times: up to seven checkpoints of ten tokens and of up to nine features, that change
// places, are disturbed, sometimes copied, and now and then dead.
function* trials(): Generator<Trial> {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const noise = random() < 0.3 ? 0 : 0.7 * random();
    const draw = () => Array.from({ length: 10 }, () => random() < 0.3 ? Math.fround(random()) : 0);
    const next = (feature: readonly number[]) => {
      if (random() < 0.1) return feature.map(() => 0);
      if (random() < 0.1) return draw();
      return feature.map((a) => random() < 0.3 * noise ? Math.fround(noise * random()) : a);
    };
    const checkpoints: Features[] = [Array.from({ length: 6 }, draw)];
    const nCheckpoints = 1 + Math.floor(7 * random());
    while (checkpoints.length < nCheckpoints) {
      const before = checkpoints[checkpoints.length - 1];
      const children = [...before, ...sample(before, Math.floor(4 * random()), random)].map(next);
      checkpoints.push(sample(children, 3 + Math.floor(7 * random()), random).reverse());
    }
    const steps = checkpoints.map((_, k) => 2 ** k - 1);
    yield { steps, checkpoints, threshold: 0.05 + 0.9 * random(), seed: `seed ${seed}` };
  }
}

function sparseOf(features: Features) {
  const nTokens = features[0].length;
  const dense = Float32Array.from(
    { length: nTokens * features.length },
    (_, e) => features[e % features.length][Math.floor(e / features.length)],
  );
  return sparsify(dense, features.length);
}

function linksOf(checkpoints: readonly Features[]): Match[] {
  const at = checkpoints.map(sparseOf);
  return at.slice(1).map((later, k) => matchFeatures(later, at[k]));
}

const isLive = (feature: readonly number[]) => feature.some((a) => a !== 0);
const near = (similarity: number, threshold: number) => Math.fround(1 - similarity) < threshold;

/** A feature of a checkpoint, and the chain that it is the first of, as on a blackboard. */
interface Chain {
  readonly birth: number;
  readonly features: readonly number[];
}

// Whoever has no parent starts a chain, and hands on to its child while it has one.
function naiveChains({ checkpoints, threshold }: Trial, matches: NaiveMatch[]): Chain[] {
  const child = new Map<string, number>();
  const parent = new Map<string, number>();
  matches.forEach(({ best, similarity, reverse }, k) =>
    best.forEach((i, j) => {
      if (i < 0 || reverse[i] !== j || !near(similarity[j], threshold)) return;
      child.set(`${k} ${i}`, j);
      parent.set(`${k + 1} ${j}`, i);
    })
  );
  return checkpoints.flatMap((all, birth) =>
    all.flatMap((feature, first) => {
      if (!isLive(feature) || parent.has(`${birth} ${first}`)) return [];
      const features = [first];
      for (let k = birth;; k++) {
        const next = child.get(`${k} ${features[k - birth]}`);
        if (next === undefined) return [{ birth, features }];
        features.push(next);
      }
    })
  );
}

function naiveMatches({ checkpoints }: Trial): NaiveMatch[] {
  const rows = checkpoints.map((features) => features.map((feature) => [...feature]));
  return rows.slice(1).map((later, k) => naiveMatch(later, rows[k]));
}

const plain = ({ birth, death, first, last, of }: Lineages) => ({
  birth: [...birth],
  death: [...death],
  first: [...first],
  last: [...last],
  of: of.map((features) => [...features]),
});

Deno.test("lineages() equals its definition on random checkpoints", () => {
  for (const trial of trials()) {
    const { steps, checkpoints, threshold, seed } = trial;
    if (checkpoints.length < 2) continue; // nothing is known without a link
    const chains = naiveChains(trial, naiveMatches(trial));
    const ends = chains.map(({ birth, features }) => birth + features.length);

    assert.deepEqual(
      plain(lineages(steps, linksOf(checkpoints), threshold)),
      {
        birth: chains.map(({ birth }) => birth),
        death: ends.map((end) => end < checkpoints.length ? end : -1),
        first: chains.map(({ features }) => features[0]),
        last: chains.map(({ features }) => features[features.length - 1]),
        of: checkpoints.map((all, k) =>
          all.map((_, f) => chains.findIndex(({ birth, features }) => features[k - birth] === f))
        ),
      },
      seed,
    );
  }
});

Deno.test("every live feature is in one lineage, no dead one is, and no two share one", () => {
  for (const { steps, checkpoints, threshold, seed } of trials()) {
    if (checkpoints.length < 2) continue;
    const { birth, death, of } = lineages(steps, linksOf(checkpoints), threshold);
    checkpoints.forEach((features, k) => {
      assert.deepEqual([...of[k]].map((lineage) => lineage >= 0), features.map(isLive), seed);
      const alive = [...of[k]].filter((lineage) => lineage >= 0).sort((a, b) => a - b);
      const expected = [...birth.keys()].filter((lineage) =>
        birth[lineage] <= k && (death[lineage] < 0 || k < death[lineage])
      );
      assert.deepEqual(alive, expected, seed);
    });
  }
});

Deno.test("lineageEvents() equals its definition on random checkpoints", () => {
  const total = { births: 0, deaths: 0, splits: 0, merges: 0 };
  for (const trial of trials()) {
    const { steps, checkpoints, threshold, seed } = trial;
    if (checkpoints.length < 2) continue;
    const links = linksOf(checkpoints);
    const matches = naiveMatches(trial);
    const chains = naiveChains(trial, matches);
    const isAlive = ({ birth, features }: Chain, k: number) => features[k - birth] !== undefined;
    const shared = (of: readonly number[], similarity: readonly number[], others: Features) =>
      others.filter((_, other) =>
        of.filter((o, i) => o === other && near(similarity[i], threshold)).length >= 2
      ).length;
    const atEach = (count: (k: number) => number) => steps.map((_, k) => k === 0 ? 0 : count(k));

    const events = lineageEvents(lineages(steps, links, threshold), links);

    const expected = {
      alive: checkpoints.map((features) => features.filter(isLive).length),
      continued: atEach((k) => chains.filter((c) => isAlive(c, k - 1) && isAlive(c, k)).length),
      births: atEach((k) => chains.filter((c) => !isAlive(c, k - 1) && isAlive(c, k)).length),
      deaths: atEach((k) => chains.filter((c) => isAlive(c, k - 1) && !isAlive(c, k)).length),
      splits: atEach((k) =>
        shared(matches[k - 1].best, matches[k - 1].similarity, checkpoints[k - 1])
      ),
      merges: atEach((k) =>
        shared(matches[k - 1].reverse, matches[k - 1].reverseSimilarity, checkpoints[k])
      ),
    };
    for (const [name, counts] of Object.entries(expected)) {
      assert.deepEqual([...events[name as keyof typeof events]], counts, `${name} of ${seed}`);
    }
    for (const name of Object.keys(total) as (keyof typeof total)[]) {
      total[name] += events[name].reduce((sum, n) => sum + n, 0);
    }
  }
  for (const [name, n] of Object.entries(total)) assert(n > 20, `the trials have ${n} ${name}`);
});

Deno.test("what lives was born or continued, then continues or dies, and splits are births", () => {
  for (const { steps, checkpoints, threshold, seed } of trials()) {
    const links = linksOf(checkpoints);
    const { alive, continued, births, deaths, splits, merges } = lineageEvents(
      lineages(steps, links, threshold),
      links,
    );
    for (let k = 1; k < steps.length; k++) {
      assert.equal(alive[k], continued[k] + births[k], seed);
      assert.equal(alive[k - 1], continued[k] + deaths[k], seed);
      assert(splits[k] <= births[k] && merges[k] <= deaths[k], seed);
    }
  }
});

Deno.test("lineageSurvival() is the product of the shares that continue", () => {
  for (const { steps, checkpoints, threshold, seed } of trials()) {
    const links = linksOf(checkpoints);
    const followed = lineages(steps, links, threshold);
    const { alive, continued, deaths } = lineageEvents(followed, links);
    let share = 1;
    const expected = steps.flatMap((step, k) => {
      if (k === 0 || deaths[k] === 0) return [];
      share *= continued[k] / alive[k - 1];
      return [{ step, share, atRisk: alive[k - 1], ended: deaths[k] }];
    });

    const curve = lineageSurvival(followed);

    assert.deepEqual([...curve.times], expected.map(({ step }) => step), seed);
    assert.deepEqual([...curve.atRisk], expected.map(({ atRisk }) => atRisk), seed);
    assert.deepEqual([...curve.ended], expected.map(({ ended }) => ended), seed);
    expected.forEach(({ share }, e) => assert(Math.abs(curve.shares[e] - share) < 1e-12, seed));
  }
});

Deno.test("chained() equals its definition on random checkpoints", () => {
  for (const trial of trials()) {
    const { checkpoints, seed } = trial;
    if (checkpoints.length < 2) continue;
    const matches = naiveMatches(trial);
    const { feature, similarity } = chained(linksOf(checkpoints));
    assert.equal(feature.length, checkpoints.length);
    checkpoints[checkpoints.length - 1].forEach((activations, f) => {
      let at = isLive(activations) ? f : -1;
      let least = at < 0 ? NaN : 1;
      for (let k = matches.length; k >= 0; k--) {
        assert.equal(feature[k][f], at, seed);
        assert.equal(similarity[k][f], Math.fround(least), seed);
        if (k === 0) break;
        least = at < 0 ? NaN : Math.min(least, matches[k - 1].similarity[at]);
        at = at < 0 ? -1 : matches[k - 1].best[at];
      }
    });
  }
});

Deno.test("chained() goes along a lineage as far as there is one, and is nearer there", () => {
  for (const { steps, checkpoints, threshold, seed } of trials()) {
    const links = linksOf(checkpoints);
    const { birth, of } = lineages(steps, links, threshold);
    const { feature, similarity } = chained(links);
    of[steps.length - 1].forEach((lineage, f) => {
      for (let k = birth[lineage]; k < steps.length; k++) {
        assert.equal(of[k][feature[k][f]], lineage, seed);
        assert(near(similarity[k][f], threshold), seed);
      }
    });
  }
});

Deno.test("chained() starts where it is told, and a start that is none stays none", () => {
  for (const { checkpoints, seed } of trials()) {
    const links = linksOf(checkpoints);
    const { feature, similarity } = chained(links);
    const start = Int32Array.from([...feature[links.length], -1].reverse());
    const turned = chained(links, start);
    start.forEach((f, s) =>
      checkpoints.forEach((_, k) => {
        assert.equal(turned.feature[k][s], f < 0 ? -1 : feature[k][f], seed);
        assert.equal(turned.similarity[k][s], f < 0 ? NaN : similarity[k][f], seed);
      })
    );
  }
});

Deno.test("chained() does not change or keep the array it starts from", () => {
  const start = Int32Array.of(0);
  const { feature } = chained([], start);
  start[0] = 7;
  assert.deepEqual(feature, [Int32Array.of(0)]);
});

Deno.test("frameAgreement() counts features that have both, and the same", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const size = Math.floor(20 * random());
    const draw = () => Int32Array.from({ length: size }, () => Math.floor(4 * random()) - 1);
    const [direct, chained] = [draw(), draw()];
    const both = [...direct.keys()].filter((s) => direct[s] >= 0 && chained[s] >= 0);
    assert.deepEqual(frameAgreement(direct, chained), {
      nBoth: both.length,
      nSame: both.filter((s) => direct[s] === chained[s]).length,
    }, `seed ${seed}`);
  }
});

Deno.test("frameAgreement() refuses frames of different features", () => {
  assert.throws(() => frameAgreement(new Int32Array(2), new Int32Array(3)), {
    name: "RangeError",
    message: "Cannot compare frames: expected 2 features, got 3",
  });
});

// What happens to features that fire on tokens 0 to 5, by hand.
const on = (...tokens: number[]) => [0, 1, 2, 3, 4, 5].map((n) => +tokens.includes(n));
const [a, b, c, dead] = [on(0, 1), on(2, 3), on(4, 5), on()];

interface Case {
  readonly checkpoints: Features[];
  /** Lineage of every feature. */
  readonly of: number[][];
  /** Births, deaths, splits and merges at the second checkpoint, and at the third. */
  readonly events: number[][];
}

const byHand: Readonly<Record<string, Case>> = {
  "features that change places live throughout": {
    checkpoints: [[a, b, c], [c, a, b], [b, a, c]],
    of: [[0, 1, 2], [2, 0, 1], [1, 0, 2]],
    events: [[0, 0, 0, 0], [0, 0, 0, 0]],
  },
  "a birth": {
    checkpoints: [[a, b, dead], [a, b, c], [a, b, c]],
    of: [[0, 1, -1], [0, 1, 2], [0, 1, 2]],
    events: [[1, 0, 0, 0], [0, 0, 0, 0]],
  },
  "a death": {
    checkpoints: [[a, b, c], [a, b, c], [a, dead, c]],
    of: [[0, 1, 2], [0, 1, 2], [0, -1, 2]],
    events: [[0, 0, 0, 0], [0, 1, 0, 0]],
  },
  "a feature that goes and comes back is another": {
    checkpoints: [[a, b], [a, dead], [a, b]],
    of: [[0, 1], [0, -1], [0, 2]],
    events: [[0, 1, 0, 0], [1, 0, 0, 0]],
  },
  "a feature that is replaced": {
    checkpoints: [[a, b], [c, b]],
    of: [[0, 1], [2, 1]],
    events: [[1, 1, 0, 0]],
  },
  "a split, of which the more alike goes on": {
    checkpoints: [[on(0, 1, 2), dead, c], [on(2), on(0, 1), c]],
    of: [[0, -1, 1], [2, 0, 1]],
    events: [[1, 0, 1, 0]],
  },
  "a merge, into the more alike": {
    checkpoints: [[on(2), on(0, 1), c], [on(0, 1, 2), dead, c]],
    of: [[0, 1, 2], [1, -1, 2]],
    events: [[0, 1, 0, 1]],
  },
  "a copy splits, and the lower index goes on": {
    checkpoints: [[a, dead], [a, a]],
    of: [[0, -1], [0, 1]],
    events: [[1, 0, 1, 0]],
  },
  "checkpoints of more and of fewer features": {
    checkpoints: [[a], [c, b, a], [c, b]],
    of: [[0], [1, 2, 0], [1, 2]],
    events: [[2, 0, 0, 0], [0, 1, 0, 0]],
  },
  "nothing lives": {
    checkpoints: [[dead, dead], [dead, dead]],
    of: [[-1, -1], [-1, -1]],
    events: [[0, 0, 0, 0]],
  },
};

for (const [name, { checkpoints, of, events }] of Object.entries(byHand)) {
  Deno.test(`lineages() by hand: ${name}`, () => {
    const links = linksOf(checkpoints);
    const followed = lineages(checkpoints.map((_, k) => 10 * k), links, 0.5);
    const { births, deaths, splits, merges } = lineageEvents(followed, links);
    assert.deepEqual(plain(followed).of, of);
    assert.deepEqual(
      Array.from(births, (_, k) => [births, deaths, splits, merges].map((counts) => counts[k])),
      [[0, 0, 0, 0], ...events],
    );
  });
}

Deno.test("a link at exactly the threshold does not hold", () => {
  const links = linksOf([[on(0, 1, 2, 3)], [on(0)]]); // cosine 1/2
  assert.deepEqual(plain(lineages([0, 1], links, 0.5)).of, [[0], [1]]);
  assert.deepEqual(plain(lineages([0, 1], links, 0.500001)).of, [[0], [0]]);
  const faint = linksOf([[[1, 2 ** -26]], [[0, 1]]]); // 1 − 2⁻²⁶ is 1 at float32
  assert.deepEqual(plain(lineages([0, 1], faint, 1)).of, [[0], [1]]);
  assert.deepEqual(plain(lineages([0, 1], faint, 1.5)).of, [[0], [0]]);
  const events = lineageEvents(lineages([0, 1], links, 0.5), links);
  assert.deepEqual([...events.splits, ...events.merges], [0, 0, 0, 0]);
});

Deno.test("one checkpoint has no links, no lineages and an even survival", () => {
  const alone = lineages([7], [], 0.5);
  assert.deepEqual(plain(alone), { birth: [], death: [], first: [], last: [], of: [[]] });
  const { alive, births } = lineageEvents(alone, []);
  assert.deepEqual([[...alive], [...births]], [[0], [0]]);
  assert.deepEqual([...lineageSurvival(alone).times], []);
  assert.deepEqual(chained([]).feature, [new Int32Array(0)]);
  const { feature, similarity } = chained([], Int32Array.of(3, -1));
  assert.deepEqual([feature[0], similarity[0]], [Int32Array.of(3, -1), Float32Array.of(1, NaN)]);
});

Deno.test("lineageSurvival() counts a lineage from its birth on, be it the first step", () => {
  // Two from the start, one of which dies at 10; one lives at 10 alone; one is born at the end.
  const links = linksOf([[a, b, dead], [a, dead, c], [a, b, dead]]);
  const { times, shares, atRisk, ended } = lineageSurvival(lineages([5, 10, 40], links, 0.5));
  assert.deepEqual([...times], [10, 40]);
  assert.deepEqual([...shares], [0.5, 0.25]);
  assert.deepEqual([...atRisk], [2, 2]);
  assert.deepEqual([...ended], [1, 1]);
});

Deno.test("lineages() refuses links, steps and thresholds that do not go together", () => {
  const links = linksOf([[a, b], [b, a], [a, dead]]);
  const refused: Readonly<Record<string, () => unknown>> = {
    "Cannot follow features: expected a threshold above 0, got 0": () => lineages([0, 1], [], 0),
    "Cannot follow features: expected a threshold above 0, got NaN": () => lineages([0], [], NaN),
    "Cannot follow features: expected 1 links between 2 increasing steps, got 2 between 0, 1": () =>
      lineages([0, 1], links, 0.5),
    "Cannot follow features: expected 2 links between 3 increasing steps, got 2 between 0, 5, 5":
      () => lineages([0, 5, 5], links, 0.5),
    "Cannot follow features: expected 2 links between 3 increasing steps, got 1 between 0, 1, 2":
      () => lineageEvents(lineages([0, 1, 2], links, 0.5), links.slice(1)),
  };
  for (const [message, act] of Object.entries(refused)) {
    assert.throws(act, { name: "RangeError", message });
  }
});

Deno.test("links in the wrong order, or the wrong way round, are refused", () => {
  const at = [[a, b], [on(0), b], [on(0, 1, 2), dead]].map(sparseOf);
  const message = "Cannot follow features through checkpoint 1: expected the same activations in " +
    "both links, got others; match each checkpoint (source) with the one before it";
  const wrongWay = [matchFeatures(at[0], at[1]), matchFeatures(at[1], at[2])];
  assert.throws(() => lineages([0, 1, 2], wrongWay, 0.5), { name: "RangeError", message });
  assert.throws(() => chained(wrongWay), { name: "RangeError", message });
});
