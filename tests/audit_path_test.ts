import assert from "node:assert/strict";
import {
  breaks,
  type Distances,
  distancesOf,
  exchanged,
  misplaced,
  offPath,
} from "../src/audit_path.ts";
import { randomFrom } from "../src/random.ts";
import { normalFrom, rateAt } from "./_families.ts";

const schedule = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 2000, 4000, 8000, 16000, 32000];

function between(places: readonly (readonly number[])[]): Distances {
  return places.map((a) =>
    Float64Array.from(places, (b) => Math.hypot(...a.map((x, i) => x - b[i])))
  );
}

// Places in 128 dimensions: a drift, a random walk, and a jitter about both, as fast as the rate.
function pathOf(seed: number, { drift = 0, walk = 0, jitter = 0, steps = schedule }): number[][] {
  const normal = normalFrom(seed);
  const draw = () => Array.from({ length: 128 }, normal);
  const [direction, now] = [draw(), draw()];
  return steps.map((step, c) => {
    const gap = c === 0 ? 0 : step - steps[c - 1];
    const rate = rateAt(step - gap / 2, steps.at(-1)!);
    now.forEach((_, i) =>
      now[i] += rate * (drift * gap * direction[i] + walk * Math.sqrt(gap) * normal())
    );
    return now.map((x) => x + jitter * rate * normal());
  });
}

const gapsOf = (distances: Distances) => distances.slice(1).map((row, c) => row[c]);

const healthy: Readonly<Record<string, object>> = {
  "straight": { drift: 1e-4 },
  "at random": { walk: 3e-3 },
  "at random, with a drift": { drift: 1e-5, walk: 3e-3 },
  "with a drift and restless": { drift: 1e-4, jitter: 0.1 },
  "at random and restless": { walk: 1e-2, jitter: 0.1 },
};

for (const [name, how] of Object.entries(healthy)) {
  Deno.test(`nothing is wrong with a path that goes ${name}`, () => {
    for (let seed = 0; seed < 20; seed++) {
      const distances = between(pathOf(seed, how));
      assert.deepEqual(misplaced(distances), [], `seed ${seed}`);
      assert.deepEqual(exchanged(distances), [], `seed ${seed}`);
      assert.deepEqual(offPath(distances), [], `seed ${seed}`);
      assert.deepEqual(breaks(schedule, gapsOf(distances)), [], `seed ${seed}`);
    }
  });
}

Deno.test("a checkpoint that stands in for another far away is found wherever it stands", () => {
  for (let seed = 0; seed < 20; seed++) {
    const path = pathOf(seed, { drift: 1e-5, walk: 3e-3 });
    const normal = normalFrom(seed);
    const at = seed % 10; // the first checkpoint among them
    const near = path[15].map((x) => x + 1e-3 * normal());
    const [found, ...others] = misplaced(between(path.with(at, near)));
    assert.deepEqual([found.at, found.near, others], [at, 15, []], `seed ${seed}`);
  }
});

Deno.test("good checkpoints between bad ones are not blamed", () => {
  const path = pathOf(1, { drift: 1e-5, walk: 3e-3 });
  const normal = normalFrom(1);
  const bad = [3, 7, 9, 12];
  const near = path[16];
  const mixed = path.map((x, c) => bad.includes(c) ? near.map((y) => y + 1e-4 * normal()) : x);
  assert.deepEqual(misplaced(between(mixed)).map(({ at }) => at).sort((a, b) => a - b), bad);
});

Deno.test("misplaced() does as its definition says on random distances", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const places = Array.from({ length: 3 + seed % 5 }, () => [random(), random()]);
    const distances = between(places);
    const C = places.length;
    // The worst of all, by every definition written out.
    const candidates = places.flatMap((_, c) => {
      const own = Math.min(distances[c][c - 1] ?? Infinity, distances[c][c + 1] ?? Infinity);
      const past = c === 0
        ? distances[1][2]
        : c === C - 1
        ? distances[C - 2][C - 3]
        : distances[c - 1][c + 1];
      const far = places.flatMap((_, f) => Math.abs(f - c) > 1 ? [distances[c][f]] : []);
      const ratio = Math.min(...far) / own;
      const isEnd = Number(c === 0 || c === C - 1);
      return ratio < 0.5 && own > past ? [{ c, ratio, isEnd }] : [];
    });
    const worst = candidates.sort((a, b) => a.isEnd - b.isEnd || a.ratio - b.ratio)[0]?.c;
    assert.equal(misplaced(distances)[0]?.at, worst, `seed ${seed}`);
  }
});

Deno.test("exchanged() finds any two neighbours in each other's place, but at the ends", () => {
  for (let seed = 0; seed < 20; seed++) {
    const path = pathOf(seed, { drift: 1e-5, walk: 3e-3 });
    const at = 1 + seed % 14;
    const distances = between(path.with(at, path[at + 1]).with(at + 1, path[at]));
    assert.deepEqual(exchanged(distances), [at], `seed ${seed}`);
  }
});

Deno.test("offPath() finds a stranger, and not its neighbours", () => {
  for (let seed = 0; seed < 20; seed++) {
    const path = pathOf(seed, { drift: 1e-5, walk: 3e-3 });
    const at = 1 + seed % 15;
    const stranger = path[at].map((x, i) => -3 * x + i / 9);
    assert.deepEqual(offPath(between(path.with(at, stranger))), [at], `seed ${seed}`);
  }
});

Deno.test("breaks() finds where one training ends and another begins", () => {
  for (let seed = 0; seed < 20; seed++) {
    const how = { drift: 1e-5, walk: 3e-3 };
    const [one, two] = [pathOf(seed, how), pathOf(seed + 100, how)];
    const at = seed % 9;
    const gaps = gapsOf(between([...one.slice(0, at + 1), ...two.slice(at + 1)]));
    const found = breaks(schedule, gaps);
    assert.deepEqual(found.map(({ before }) => before), [at], `seed ${seed}`);
    assert(found[0].distance > 4 * found[0].expected);
  }
});

Deno.test("no unit matters: distances of another scale give the same", () => {
  const path = pathOf(3, { walk: 3e-3 });
  const odd = path.with(5, path[14].map((x) => x + 1e-3)).with(0, pathOf(4, {})[0]);
  const [small, large] = [1e-6, 1e6].map((scale) =>
    between(odd.map((x) => x.map((y) => y * scale)))
  );
  assert.deepEqual(misplaced(small).map(({ at }) => at), misplaced(large).map(({ at }) => at));
  assert.deepEqual(
    breaks(schedule, gapsOf(small)).map(({ before }) => before),
    breaks(schedule, gapsOf(large)).map(({ before }) => before),
  );
  assert(misplaced(small).length > 0);
});

Deno.test("a steady rise or fall of any steepness is its own trend", () => {
  for (const factor of [0.01, 0.5, 1, 3, 40]) {
    const steps = Array.from({ length: 9 }, (_, c) => 2 ** c - 1);
    const gaps = steps.slice(1).map((_, c) => factor ** c);
    assert.deepEqual(breaks(steps, gaps), [], `${factor}`);
    if (factor < 0.5 || factor > 3) continue; // too steep for a jump of a hundred to stand out
    assert.deepEqual(breaks(steps, gaps.with(4, 100 * gaps[4])).map(({ before }) => before), [4]);
  }
});

Deno.test("too few checkpoints tell nothing", () => {
  const two = between([[0], [5]]);
  assert.deepEqual([misplaced(two), exchanged(two), offPath(two)], [[], [], []]);
  assert.deepEqual(misplaced(between([[0]])), []);
  assert.deepEqual(breaks([0, 1, 2, 4, 8], [1, 1, 99, 1]), []);
});

Deno.test("distancesOf() adds up tensors by squares, both ways alike", () => {
  const random = randomFrom(5);
  const sketches = Array.from(
    { length: 6 },
    () => Array.from({ length: 3 }, () => Float64Array.from({ length: 128 }, random)),
  );
  const distances = distancesOf(sketches);
  sketches.forEach((a, i) =>
    sketches.forEach((b, j) => {
      const exact = Math.hypot(...a.flatMap((y, t) => [...y].map((x, k) => x - b[t][k])));
      assert(Math.abs(distances[i][j] - exact) < 1e-12);
    })
  );
});
