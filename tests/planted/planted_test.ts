// What the package says of activations of which everything is known, over twenty seeds.
//
// How activations are drawn is told in _draw.ts, what is planted in _planted.ts, what is true of it
// in _truth.ts. Copies have a cosine of 0.85 to 0.97 with the pattern, parts of a feature √0.6 and
// √0.4; the copies of rising features go from about 0.25 to between 0.65 and 0.95; features fire on
// 3 to 6 % of 6,144 tokens, those of chance on 1.5 to 6 %. A match is there from 0.5 on.

import assert from "node:assert/strict";
import { type Emergence, type Measured, measured } from "./_measured.ts";
import { plantedPage, tableOf } from "./_page.ts";
import { steps } from "./_truth.ts";

const nSeeds = 20;
const all: readonly Measured[] = await Array.fromAsync({ length: nSeeds }, (_, k) => measured(k));
const discoveries = steps.slice(0, -1).map((step, c) => {
  const total = (what: "n" | "nFalse" | "nTested" | "nChance") =>
    sum(all.map((seed) => seed.discoveries[c][what]));
  return {
    step,
    n: total("n"),
    nFalse: total("nFalse"),
    nTested: total("nTested"),
    nChance: total("nChance"),
  };
});
const chanceP = all.flatMap((seed) => seed.chanceP);
const emergences = all.flatMap((seed) => seed.emergences);
const rising = emergences.filter(({ kind }) => kind === "rising");
const born = emergences.filter(({ kind }) => kind === "born");

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function doublings(from: number, to: number): number {
  return Math.log2((1 + to) / (1 + from));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function covered(of: readonly Emergence[]): number {
  return of.filter(({ low, truth, high }) => low <= truth && truth <= high).length / of.length;
}

const shareFalse = sum(discoveries.map((of) => of.nFalse)) / sum(discoveries.map(({ n }) => n));
const shareBelow = chanceP.filter((p) => p < 0.05).length / chanceP.length;
const coverage = {
  rising: covered(rising),
  born: covered(born),
  pooled: covered(emergences),
};
const width = median(rising.map(({ low, high }) => doublings(low, high)));

Deno.test("the plan is what was drawn: similarities of copies are those of the population", () => {
  const errors = all.flatMap((seed) => seed.errors);
  assert(errors.length > 8000);
  const mean = sum(errors) / errors.length;
  assert(Math.abs(mean) < 0.002, `a mean error of ${mean}`);
});

for (const claim of Object.keys(all[0].tallies)) {
  Deno.test(`${claim}, all of them`, () => {
    const tallies = all.map(({ tallies }) => tallies[claim]);
    assert(sum(tallies.map(({ planted }) => planted)) >= 100);
    assert.deepEqual(tallies.map(({ missed }, seed) => [seed, missed]), all.map((_, k) => [k, []]));
  });
}

// Benjamini and Hochberg give 5 % times the share of matches that are chance, if p is right. Here
// about five in six are, by construction, so that some 4 % are to be expected, and too many or too
// few would both show; with few of them q < 0.05 would hold of hardly any, and tell nothing. The
// share of p < 0.05, in the test below, rests on more features, but sees neither how q is made of p
// nor the far tail that decides it: so both are asked for.
Deno.test("of matches with q < 0.05, 5 ± 2 % are of features that have nothing in common", () => {
  assert(Math.abs(shareFalse - 0.05) <= 0.02, `${shareFalse}`);
  for (const { step, n, nFalse, nTested, nChance } of discoveries) {
    const expected = 0.05 * nChance / nTested;
    assert(nChance / nTested > 0.75);
    assert(n > 1000 && Math.abs(nFalse / n - expected) <= 0.02, `${nFalse} of ${n} at ${step}`);
  }
});

Deno.test("p is uniform for features that have nothing in common", () => {
  assert(chanceP.length > 50_000);
  for (const p of [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8]) {
    const below = chanceP.filter((of) => of < p).length / chanceP.length;
    assert(Math.abs(below - p) < 0.1 * p + 0.002, `${below} below ${p}`);
  }
  for (const [seed, { chanceP: own }] of all.entries()) {
    const below = own.filter((p) => p < 0.05).length / own.length;
    assert(Math.abs(below - 0.05) <= 0.02, `${below} below 0.05 with seed ${seed}`);
  }
});

Deno.test("the 95 % interval covers the true emergence of nine in ten or more that rise", () => {
  assert(rising.length >= 400 && coverage.rising >= 0.9, `${coverage.rising} of ${rising.length}`);
  assert(width > 0.5 && width < 1.5, `a median width of ${width} doublings`);
  const bias = sum(rising.map(({ truth, found }) => doublings(truth, found))) / rising.length;
  assert(Math.abs(bias) < 0.05, `a mean error of ${bias} doublings`);
});

// Before its birth the best match of a feature is the luckiest of 500, on these tokens about 0.085
// and in the population 0.053: a line from there to the threshold starts too high, and crosses early
// by some 0.03 doublings, which no replica shows, since the lucky one stays the match in each. It is
// no better than chance, and so the interval is the whole time between the two checkpoints.
Deno.test("the 95 % interval covers the true emergence of features that are born", () => {
  const doublingsEarly = sum(born.map((of) => doublings(of.found, of.truth))) / born.length;
  assert(doublingsEarly > 0.02 && doublingsEarly < 0.04, "the step itself is read a little early");
  assert(coverage.born >= 0.95, `${coverage.born}`);
  assert(coverage.pooled >= 0.95, `${coverage.pooled}`);
});

Deno.test("the interval of a feature that is born is within the checkpoints of its birth", () => {
  assert(born.length >= 300);
  for (const { truth, found, low, high } of born) {
    const c = steps.findIndex((step) => step > truth);
    assert(steps[c - 1] <= low && high <= steps[c], `${low} to ${high}, truth ${truth}`);
    assert(Math.abs(doublings(truth, found)) < 0.15, `${found}, truth ${truth}`);
  }
});

Deno.test("at step 0 the token accounts for features of the token, and for no others", () => {
  for (const { againstToken } of all) {
    for (const { kind, similarity, sameToken, present, presentSameToken } of againstToken) {
      const gap = similarity - sameToken;
      if (kind === "token") {
        assert.equal(present - presentSameToken, 0);
        assert(gap >= 0 && gap < 0.05, `${gap}`); // sizes are exchanged: s − 27/28 s
      } else {
        assert.equal(present - presentSameToken, 1);
        assert(gap > 0.7, `${gap}`);
      }
    }
  }
});

Deno.test("all of it stands on a page", async () => {
  const claims = Object.keys(all[0].tallies).map((claim) => {
    const tallies = all.map(({ tallies }) => tallies[claim]);
    const [found, planted] = (["found", "planted"] as const).map((of) =>
      sum(tallies.map((tally) => tally[of]))
    );
    return { claim, found, planted };
  });
  const numbers = {
    nSeeds,
    claims,
    discoveries,
    shareFalse,
    shareBelow,
    coverage,
    width,
  };
  const text = await plantedPage({ ...numbers, rising, born, chanceP });
  await Deno.mkdir("out/planted", { recursive: true });
  await Deno.writeTextFile("out/planted/index.html", text);
  await Deno.writeTextFile("out/planted/planted.json", JSON.stringify(numbers, null, 2) + "\n");
  // deno-lint-ignore no-console
  console.log(tableOf(numbers));
  assert(text.includes('data-figure="planted"'));
});
