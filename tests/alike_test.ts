// Which trajectories are most alike, against all distances.

import assert from "node:assert/strict";
import { alikeTrajectories } from "../src/alike.ts";
import { randomFrom } from "../src/random.ts";

const nSeeds = 100;

interface Trial {
  readonly series: Float32Array;
  readonly C: number;
  readonly F: number;
  readonly nWanted: number;
  /** Distance of two features, squared. */
  readonly squareOf: (a: number, b: number) => number;
}

/** Random trajectories; a step makes equal distances likely, of 0 as well. */
function draw(seed: number, step = 0): Trial {
  const random = randomFrom(seed);
  const [C, F] = [1 + Math.floor(8 * random()), 1 + Math.floor(60 * random())];
  const series = Float32Array.from({ length: F * C }, () => {
    const value = random() ** 2;
    return random() < 0.1 ? NaN : step > 0 ? Math.floor(value / step) * step : value;
  });
  const squareOf = (a: number, b: number) => {
    let square = 0;
    for (let c = 0; c < C; c++) {
      square += ((series[a * C + c] || 0) - (series[b * C + c] || 0)) ** 2;
    }
    return square;
  };
  return { series, C, F, nWanted: 1 + Math.floor(8 * random()), squareOf };
}

/** All others, the nearest first. */
function naive({ F, nWanted, squareOf }: Trial, takesPart: (f: number) => boolean): number[][] {
  const all = [...Array(F).keys()];
  return all.map((f) =>
    all.filter((other) => takesPart(f) && takesPart(other) && other !== f)
      .sort((a, b) => squareOf(f, a) - squareOf(f, b))
      .slice(0, nWanted)
  );
}

Deno.test("the trajectories most alike are the nearest of all", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const trial = draw(seed);
    const { series, C, nWanted } = trial;
    const distancesOf = (of: readonly (readonly number[])[]) =>
      of.map((others, f) => others.map((other) => trial.squareOf(f, other)));
    const found = alikeTrajectories(series, C, { nWanted });
    const expected = naive(trial, () => true);
    assert.deepEqual(distancesOf(found), distancesOf(expected), `seed ${seed}`);
    found.forEach((others, f) => {
      const distances = expected[f].map((other) => trial.squareOf(f, other));
      // With one checkpoint, equal values are no rarity: all that were NaN.
      const isTied = new Set(distances).size < distances.length || trial.C === 1;
      if (!isTied) assert.deepEqual(others, expected[f], `seed ${seed}, feature ${f}`);
    });
  }
});

Deno.test("of equally near ones as many are found, none twice, none itself", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const trial = draw(seed, 0.25);
    const { series, C, nWanted, squareOf } = trial;
    const found = alikeTrajectories(series, C, { nWanted });
    naive(trial, () => true).forEach((expected, f) => {
      assert.deepEqual(
        found[f].map((other) => squareOf(f, other)),
        expected.map((other) => squareOf(f, other)),
        `seed ${seed}, feature ${f}`,
      );
      assert.equal(new Set([f, ...found[f]]).size, found[f].length + 1);
    });
    assert.deepEqual(alikeTrajectories(series, C, { nWanted }), found, "always the same");
  }
});

Deno.test("a feature that takes no part has none, and is nobody's", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const trial = draw(seed, 0.125);
    const takesPart = (f: number) => f % 3 !== seed % 3;
    const { series, C, nWanted, squareOf } = trial;
    const found = alikeTrajectories(series, C, { nWanted, takesPart });
    naive(trial, takesPart).forEach((expected, f) => {
      assert.deepEqual(
        found[f].map((other) => squareOf(f, other)),
        expected.map((other) => squareOf(f, other)),
        `seed ${seed}, feature ${f}`,
      );
      assert(found[f].every(takesPart));
    });
  }
});

Deno.test("trajectories that differ by the same everywhere are found", () => {
  for (let seed = 0; seed < nSeeds; seed++) {
    const random = randomFrom(seed);
    const C = 1 + Math.floor(12 * random());
    const shape = Array.from({ length: C }, () => random());
    const shifts = Array.from({ length: 30 }, () => random());
    const series = Float32Array.from(shifts.flatMap((shift) => shape.map((y) => y + shift)));
    const found = alikeTrajectories(series, C, { nWanted: 3 });
    shifts.forEach((shift, f) => {
      const expected = [...shifts.keys()].filter((other) => other !== f)
        .sort((a, b) => Math.abs(shifts[a] - shift) - Math.abs(shifts[b] - shift)).slice(0, 3);
      assert.deepEqual(found[f], expected, `seed ${seed}, feature ${f}`);
    });
  }
});

Deno.test("one trajectory has no others, and few have as many as there are", () => {
  assert.deepEqual(alikeTrajectories(new Float32Array([0.5, 1]), 2), [[]]);
  assert.deepEqual(alikeTrajectories(new Float32Array([0, 1]), 1), [[1], [0]]);
  assert.deepEqual(alikeTrajectories(new Float32Array(0), 3), []);
});
