import assert from "node:assert/strict";
import { randomFrom } from "../src/random.ts";
import { supportMeter } from "../src/support.ts";

const shares = [0.1, 0.5, 0.9, 0.99, 1];
const total = (of: readonly number[]) => of.reduce((sum, x) => sum + x, 0);

function measured(products: readonly number[], share: number): number {
  const meter = supportMeter(1);
  meter.add(0, Float64Array.from(products));
  return meter.tokens(share)[0];
}

// The fewest products, the largest first, that are at least a share of the sum.
function naiveSupport(products: readonly number[], share: number): number {
  const wanted = share * total(products) * (1 - 1e-9); // the last bits do not ask for one more
  let [sum, n] = [0, 0];
  for (const product of products.toSorted((a, b) => b - a)) {
    if (sum >= wanted) break;
    sum += product;
    n++;
  }
  return n;
}

// Products that are in the same one of four equal parts of an octave as the last one needed.
function binOf(products: readonly number[], n: number): number {
  const bin = (x: number) => {
    const octave = 2 ** Math.floor(Math.log2(x));
    return octave * (1 + Math.floor(4 * (x / octave - 1)) / 4);
  };
  const last = products.toSorted((a, b) => b - a)[n - 1];
  return products.filter((x) => bin(x) === bin(last)).length;
}

type Draw = (next: () => number) => number;
const normal: Draw = (next) =>
  Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

const kinds: Record<string, Draw> = {
  "uniform": (next) => 0.001 + next(),
  "lognormal": (next) => Math.exp(normal(next)),
  "heavy-tailed": (next) => (1 - 0.998 * next()) ** -1.2, // at most 1,700 times the smallest
  "almost equal": (next) => 3 + 1e-3 * next(),
  "two values of one bin": (next) => next() < 0.47 ? 1.2499 : 1,
};

for (const [kind, draw] of Object.entries(kinds)) {
  Deno.test(`tokens() of ${kind} products is never too few, and within its bound`, () => {
    let nExact = 0;
    for (let seed = 0; seed < 100; seed++) {
      const next = randomFrom(seed);
      const products = Array.from(
        { length: 1 + Math.floor(300 * next() ** 2) },
        () => Math.fround(draw(next)),
      );
      for (const share of shares) {
        const [got, expected] = [measured(products, share), naiveSupport(products, share)];
        const most = expected + Math.ceil(binOf(products, expected) / 16);
        assert(
          expected <= got && got <= most,
          `share ${share} of seed ${seed}: ${got}, expected ${expected} to ${most}`,
        );
        nExact += got === expected ? 1 : 0;
      }
    }
    assert(nExact > 200, `of 500, ${nExact} are exact`);
  });
}

Deno.test("tokens() is exact for products that are equal, or of which no two share a bin", () => {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const equal = Array(1 + Math.floor(200 * next())).fill(Math.fround(next() + 0.01));
    const far = Array.from({ length: 1 + Math.floor(15 * next()) }, (_, k) => (1 + next()) * 4 ** k)
      .filter((x, _, all) => x > all[all.length - 1] / 2 ** 15);
    for (const products of [equal, far, far.toReversed()]) {
      for (const share of [...shares, next()]) {
        assert.equal(measured(products, share), naiveSupport(products, share), `seed ${seed}`);
      }
    }
  }
});

Deno.test("tokens() is exact for one, two and three products well apart", () => {
  assert.deepEqual(shares.map((share) => measured([7], share)), [1, 1, 1, 1, 1]);
  assert.deepEqual(shares.map((share) => measured([1, 9], share)), [1, 1, 1, 2, 2]);
  assert.deepEqual(shares.map((share) => measured([90, 1, 9], share)), [1, 1, 1, 2, 3]);
});

Deno.test("tokens() tells products apart down to 2⁻¹⁵ of the largest", () => {
  for (let k = 0; k < 15; k++) {
    const products = [1, 1.6 * 2 ** -(k + 1), 2 ** -(k + 1)];
    const share = (1 + products[1]) / total(products);
    assert.equal(measured(products, share), 2, `2 ** -${k + 1}`);
  }
});

Deno.test("tokens() does not depend on how products come, be it the largest last", () => {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const products = Array.from({ length: 60 }, () => Math.fround(2 ** (30 * next())))
      .sort((a, b) => a - b);
    const [growing, falling, apart] = [0, 1, 2].map(() => supportMeter(1));
    for (let from = 0, to; from < 60; from = to) {
      to = from + 1 + Math.floor(5 * next());
      growing.add(0, Float64Array.from(products.slice(from, to)));
    }
    falling.add(0, Float64Array.from(products.toReversed()));
    for (const product of products.toReversed()) apart.add(0, Float64Array.of(product));
    for (const share of shares) {
      const expected = falling.tokens(share);
      assert.deepEqual(growing.tokens(share), expected, `seed ${seed}`);
      assert.deepEqual(apart.tokens(share), expected, `seed ${seed}`);
    }
  }
});

Deno.test("tokens() counts small products that share the lowest bin, never too few", () => {
  for (let seed = 0; seed < 100; seed++) {
    const next = randomFrom(seed);
    const products = [1, ...Array.from({ length: 500 }, () => 2 ** (-15 - 40 * next()))];
    for (const share of shares) {
      const got = measured(products, share);
      assert(got >= naiveSupport(products, share) && got <= products.length, `seed ${seed}`);
    }
    assert.equal(measured(products, 1), products.length);
  }
});

Deno.test("tokens() of a feature without products is 0, and of others beside it is theirs", () => {
  const meter = supportMeter(3);
  meter.add(1, new Float64Array([4, 4, 4, 4]));
  meter.add(2, new Float64Array(0));
  for (const share of shares) {
    assert.deepEqual([meter.tokens(share)[0], meter.tokens(share)[2]], [0, 0]);
  }
  assert.deepEqual([...meter.tokens(0.75)], [0, 3, 0]);
  meter.add(0, new Float64Array([1e-30, 1e-30]));
  assert.deepEqual([...meter.tokens(0.75)], [2, 3, 0]);
});

Deno.test("tokens() of a share of 0 is 0", () => {
  assert.equal(measured([3, 4], 0), 0);
});
