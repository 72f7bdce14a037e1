import assert from "node:assert/strict";
import { framesOf, isSame, sameCheckpoints } from "../src/frames.ts";
import { type Match, matchFeatures } from "../src/match.ts";
import { randomFrom } from "../src/random.ts";
import { type Sparse, sparsify } from "../src/sparse.ts";
import type { Summary } from "../src/summary.ts";
import { randomDense, toRows } from "./_naive.ts";
import { checkpointWith, summaryOf } from "./_summaries.ts";

// Features by what they are on four tokens.
function features(...of: readonly (readonly number[])[]): Sparse {
  const dense = of[0].flatMap((_, n) => of.map((feature) => feature[n]));
  return sparsify(Float32Array.from(dense), of.length);
}

// A feature of the reference, at step 64, goes back to another than it is matched with at step 0.
const sweep = [
  features([1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]),
  features([1, 0, 0, 2], [0, 1, 0, 0]),
  features([1, 0, 0, 0], [0, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]),
  features([0, 0, 1, 0], [1, 0, 0, 0]),
];
const steps = [0, 8, 64, 512];

function matched(reference: number, at: readonly Sparse[] = sweep): Summary {
  const source = at[steps.indexOf(reference)];
  const checkpoints = at.map((target, c) => ({
    ...checkpointWith(steps[c], Array(source.nCols).fill(0)),
    match: matchFeatures(source, target),
  }));
  return {
    ...summaryOf(checkpoints),
    reference,
    nFeatures: source.nCols,
    links: at.slice(1).map((later, c) => matchFeatures(later, at[c])),
  };
}

const plain = (of: readonly ArrayLike<number>[]) => of.map((values) => Array.from(values));
const similar = Math.fround(1 / Math.sqrt(5));

Deno.test("framesOf() follows the reference's features back from it, and not beyond", () => {
  const { chained } = framesOf(matched(64))!;
  assert.deepEqual(plain(chained.feature), [
    [1, 2, -1, -1],
    [0, 1, -1, -1],
    [0, 1, 2, -1],
    [-1, -1, -1, -1],
  ]);
  assert.deepEqual(plain(chained.similarity), [
    [similar, 1, NaN, NaN],
    [similar, 1, NaN, NaN],
    [1, 1, 1, NaN],
    [NaN, NaN, NaN, NaN],
  ]);
});

Deno.test("framesOf() counts where both frames find a feature, and the same one", () => {
  const { agreement } = framesOf(matched(64))!;
  assert.deepEqual(agreement, [
    { nBoth: 2, nSame: 1 },
    { nBoth: 2, nSame: 2 },
    { nBoth: 3, nSame: 3 },
    { nBoth: 0, nSame: 0 },
  ]);
});

Deno.test("framesOf() of a reference that is the first, or the last, begins with itself", () => {
  const first = framesOf(matched(0))!;
  assert.deepEqual(plain(first.chained.feature), [[0, 1, 2], ...Array(3).fill([-1, -1, -1])]);
  assert.deepEqual(plain(first.chained.similarity), [[1, 1, 1], ...Array(3).fill([NaN, NaN, NaN])]);
  assert.deepEqual(first.agreement.map(({ nBoth }) => nBoth), [3, 0, 0, 0]);

  const last = framesOf(matched(512))!;
  assert.deepEqual(plain(last.chained.feature), [[-1, 1], [-1, 0], [2, 0], [0, 1]]);
  assert.deepEqual(last.agreement.map(({ nSame }) => nSame), [0, 1, 2, 2]);
});

Deno.test("framesOf() counts births and deaths by links that are near enough", () => {
  const events = (threshold?: number) => {
    const { births, deaths } = framesOf(matched(64), threshold)!.events;
    return plain([births, deaths]);
  };
  assert.deepEqual(events(), [[0, 0, 2, 0], [0, 1, 1, 1]]);
  assert.deepEqual(events(0.6), [[0, 0, 1, 0], [0, 1, 0, 1]], "1 - 0.447 is near enough now");
  assert.deepEqual(events(0), [[0, 1, 2, 0], [0, 2, 1, 1]], "only equal features go on");
});

Deno.test("framesOf() is nothing where neighbours were not matched", () => {
  assert.equal(framesOf({ ...matched(64), links: [] }), undefined);
});

// Sixty features on 300 tokens.
const many = sparsify(randomDense(300 * 60, 0.2, 1).map(Math.abs), 60);

// The same in another order, each value times 1 + a little noise.
function permuted(noise: number, seed: number, keeps = 60): Sparse {
  const next = randomFrom(seed);
  const order = Array.from({ length: 60 }, (_, f) => f).sort(() => next() - 0.5);
  const dense = toRows(many).flatMap((row) =>
    order.map((f, at) => at < keeps ? row[f] * (1 + noise * (next() - 0.5)) : 0)
  );
  return sparsify(Float32Array.from(dense), 60);
}

const link = (noise: number, keeps?: number): Match =>
  matchFeatures(permuted(noise, 2, keeps), many);

Deno.test("isSame() of the same activations, also with the features in another order", () => {
  assert(isSame(matchFeatures(many, many)));
  assert(isSame(link(0)));
  const doubled = { ...many, values: many.values.map((x) => 2 * x) };
  assert(isSame(matchFeatures(doubled, many)), "a cosine knows no size");
});

Deno.test("isSame() not of another SAE that is like the first, but not equal", () => {
  const similar = link(0.5);
  assert(Math.min(...similar.similarity) > 0.97, "all are well matched");
  assert(!isSame(similar));
  assert(!isSame(matchFeatures(many, permuted(0.5, 2))));
});

Deno.test("isSame() not where one in fifty features is dead on one side", () => {
  assert(!isSame(link(0, 58)));
  assert(!isSame(matchFeatures(many, permuted(0, 2, 58))));
});

Deno.test("isSame() not where two features have both become one", () => {
  const [one, two] = [features([1, 1], [0, 0]), features([1, 1], [1, 1])];
  assert(!isSame(matchFeatures(two, one)), "each is like it, and only one the other's match");
  assert(!isSame(matchFeatures(one, two)));
});

Deno.test("isSame() not of nothing", () => {
  const dead = sparsify(new Float32Array(20), 2);
  assert(!isSame(matchFeatures(dead, dead)));
  assert(!isSame(matchFeatures(features([1, 0]), features([0, 1]))), "nor of what never meets");
});

Deno.test("sameCheckpoints() and the frames name those that are the ones before", () => {
  const again = [sweep[0], sweep[0], sweep[2], sweep[2]];
  const summary = matched(512, again);
  assert.deepEqual(framesOf(summary)!.isSame, [false, true, false, true]);
  assert.deepEqual(sameCheckpoints(summary), [{ before: 0, step: 8 }, { before: 64, step: 512 }]);
  assert.deepEqual(sameCheckpoints({ ...summary, links: [] }), []);
});
