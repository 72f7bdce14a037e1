import assert from "node:assert/strict";
import { randomFrom, sample } from "../src/random.ts";

const take = (seed: number, n: number) => Array.from({ length: n }, randomFrom(seed));

Deno.test("randomFrom() gives the same numbers for the same seed, others for another", () => {
  assert.deepEqual(take(7, 100), take(7, 100));
  assert.notDeepEqual(take(7, 100), take(8, 100));
});

Deno.test("randomFrom() counts only the lowest 32 bits of the seed", () => {
  assert.deepEqual(take(2 ** 32 + 7, 10), take(7, 10));
});

Deno.test("randomFrom() is uniform in [0, 1)", () => {
  for (const seed of [0, 1, -1, 123456789]) {
    const numbers = take(seed, 20000);
    assert(numbers.every((x) => x >= 0 && x < 1), `seed ${seed}`);
    for (let tenth = 0; tenth < 10; tenth++) {
      const count = numbers.filter((x) => Math.floor(x * 10) === tenth).length;
      // 2000 expected; 200 are nearly five standard deviations.
      assert(Math.abs(count - 2000) < 200, `${count} in tenth ${tenth} of seed ${seed}`);
    }
  }
});

Deno.test("sample() draws distinct items in their order, as many as asked", () => {
  const items = [...Array(30).keys()];
  for (let seed = 0; seed < 100; seed++) {
    const size = seed % 31;
    const drawn = sample(items, size, randomFrom(seed));
    assert.equal(drawn.length, size, `seed ${seed}`);
    assert.equal(new Set(drawn).size, size, `seed ${seed}`);
    assert.deepEqual(drawn, drawn.toSorted((a, b) => a - b), `seed ${seed}`);
  }
});

Deno.test("sample() gives the same items for the same seed", () => {
  const items = [...Array(30).keys()];
  assert.deepEqual(sample(items, 5, randomFrom(3)), sample(items, 5, randomFrom(3)));
});

Deno.test("sample() takes every subset about equally often", () => {
  const random = randomFrom(1);
  const counts = new Map<string, number>();
  for (let i = 0; i < 6000; i++) {
    const drawn = sample(["a", "b", "c", "d"], 2, random).join("");
    counts.set(drawn, (counts.get(drawn) ?? 0) + 1);
  }
  assert.deepEqual([...counts.keys()].sort(), ["ab", "ac", "ad", "bc", "bd", "cd"]);
  for (const [drawn, count] of counts) {
    assert(Math.abs(count - 1000) < 150, `${drawn} ${count} times of 6000`);
  }
});

const edges: Record<string, [number[], number, number[]]> = {
  "takes all if there are fewer": [[3, 5], 10, [3, 5]],
  "takes none of none": [[], 3, []],
  "takes none if none is asked": [[3, 5], 0, []],
};

for (const [claim, [items, size, expected]] of Object.entries(edges)) {
  Deno.test(`sample() ${claim}`, () => {
    assert.deepEqual(sample(items, size, randomFrom(0)), expected);
  });
}
