import assert from "node:assert/strict";
import { emergence } from "../src/emergence.ts";
import { emergenceFollower, type EmergenceInterval } from "../src/emergence_replicas.ts";
import { randomFrom } from "../src/random.ts";
import { assertNear, naiveEmergence, trials } from "./_trajectories.ts";

// The interval of one feature, by replicas of its whole trajectory.
function emergenceInterval(
  steps: number[],
  replicas: Float32Array[],
  threshold: number,
  level?: number,
): EmergenceInterval {
  const follower = emergenceFollower(threshold);
  steps.forEach((step, c) => follower.add(step, replicas.map((of) => of.subarray(c, c + 1))));
  const never = { low: Infinity, high: Infinity, neverShare: 1 };
  const none = { low: NaN, high: NaN, neverShare: NaN };
  return follower.intervals(level)[0] ?? (replicas.length > 0 ? never : none); // of no checkpoint
}

// The value of a rank, from 1 on, linear between neighbours; the ends where there is no such rank.
function atRank(sorted: readonly number[], rank: number): number {
  const [n, r] = [sorted.length, Math.min(sorted.length, Math.max(1, rank))];
  const [below, above] = [sorted[Math.floor(r) - 1], sorted[Math.min(n, Math.floor(r) + 1) - 1]];
  return below === above ? below : below + (r - Math.floor(r)) * (above - below) || below;
}

Deno.test("emergenceFollower() equals its definition: never is later than every step", () => {
  for (const { random, steps, y, threshold, seed } of trials()) {
    const replicas = Array.from(
      { length: 1 + Math.floor(20 * random()) },
      () => y.map((v) => v + 0.3 * (random() - 0.5)),
    );
    const level = random();
    const found = replicas.map((replica) => naiveEmergence(steps, replica, threshold));
    const nNever = found.filter(Number.isNaN).length;
    const sorted = found.map((step) => Number.isNaN(step) ? Infinity : step).sort((a, b) => a - b);

    const { low, high, neverShare } = emergenceInterval(steps, replicas, threshold, level);

    assertNear(low, atRank(sorted, ((sorted.length + 1) * (1 - level)) / 2), seed);
    assertNear(high, atRank(sorted, ((sorted.length + 1) * (1 + level)) / 2), seed);
    assert.equal(neverShare, nNever / replicas.length, seed);
    assert(low <= high, seed);
  }
});

Deno.test("emergenceFollower() holds all of the time between a stranger and a match that stays", () => {
  let nWhole = 0;
  for (const { random, steps, y, threshold, seed } of trials()) {
    const replicas = Array.from({ length: 9 }, () => y.map((v) => v + 0.3 * (random() - 0.5)));
    const isStranger = steps.map(() => random() < 0.5);
    const follower = emergenceFollower(threshold);
    steps.forEach((step, c) =>
      follower.add(step, replicas.map((of) => of.subarray(c, c + 1)), () => isStranger[c])
    );
    if (steps.length === 0) continue;

    const bounds = replicas.map((replica) => {
      const at = naiveEmergence(steps, replica, threshold);
      const c = steps.findIndex((step) => step >= at);
      const isOpen = c > 0 && at > steps[0] && isStranger[c - 1];
      if (isOpen) nWhole++;
      return Number.isNaN(at) ? [Infinity, Infinity] : isOpen ? [steps[c - 1], steps[c]] : [at, at];
    });
    const [lows, highs] = [0, 1].map((end) => bounds.map((of) => of[end]).sort((a, b) => a - b));
    const [{ low, high, neverShare }] = follower.intervals(0.6);
    assertNear(low, atRank(lows, 2), seed);
    assertNear(high, atRank(highs, 8), seed);
    assert.equal(neverShare, highs.filter((step) => step === Infinity).length / 9, seed);
  }
  assert(nWhole > 50, `${nWhole} replicas with a stranger before`);
});

Deno.test("emergenceFollower() is wider at a higher level, and does not depend on the order", () => {
  for (const { random, steps, y, threshold, seed } of trials()) {
    const replicas = Array.from({ length: 20 }, () => y.map((v) => v + 0.3 * (random() - 0.5)));
    const at = (level: number) => emergenceInterval(steps, replicas, threshold, level);
    const [narrow, wide] = [at(0.5), at(0.9)];
    assert(wide.low <= narrow.low && narrow.high <= wide.high, seed);
    assert.deepEqual(emergenceInterval(steps, replicas.toReversed(), threshold, 0.9), wide, seed);
  }
});

// Similarity is logistic in log(1 + step), shifted by the mean of what each of 40 sequences adds.
Deno.test("emergenceFollower() covers a planted emergence about as often as its level says", () => {
  const many = Array.from({ length: 25 }, (_, c) => Math.round(1.5 ** c) - 1).filter((s, c, all) =>
    c === 0 || s > all[c - 1]
  );
  const nSequences = 40;
  let covered = 0;
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const truth = 20 + 200 * random();
    const offsets = Array.from({ length: nSequences }, () => 0.6 * (random() - 0.5));
    const trajectory = (drawn: number[]) => {
      const offset = drawn.reduce((a, b) => a + b) / drawn.length;
      return Float32Array.from(many, (s) => {
        const z = 3 * (Math.log1p(s) - Math.log1p(truth)) + offset;
        return 1 / (1 + Math.exp(-z));
      });
    };
    const replicas = Array.from(
      { length: 200 },
      () => trajectory(offsets.map(() => offsets[Math.floor(nSequences * random())])),
    );
    // Without noise, 0.5 is passed at the truth, but for the line between two checkpoints.
    const exact = emergence(many, trajectory([0]), 0.5);
    const { low, high } = emergenceInterval(many, replicas, 0.5, 0.95);
    if (low <= exact && exact <= high) covered++;
  }
  assert(covered >= 90 && covered <= 99, `${covered} of 100`);
});

const intervals: Record<string, [number[][], number[]]> = {
  "NaN of no replicas": [[], [NaN, NaN, NaN]],
  "one step where all agree": [[[0, 1], [0, 1]], [Math.sqrt(8) - 1, Math.sqrt(8) - 1, 0]],
  "open above where some never emerge": [[[0, 0.5], [0.2, 0.4]], [Infinity, Infinity, 0.5]],
  "infinite where none emerges": [[[0, 0], [NaN, NaN]], [Infinity, Infinity, 1]],
};

for (const [claim, [replicas, expected]] of Object.entries(intervals)) {
  Deno.test(`emergenceFollower() is ${claim}`, () => {
    const found = emergenceInterval([0, 7], replicas.map((r) => Float32Array.from(r)), 0.5);
    const { low, high, neverShare } = found;
    [low, high, neverShare].forEach((value, i) => assertNear(value, expected[i]));
  });
}

Deno.test("emergenceFollower() throws at a level outside 0 to 1", () => {
  assert.throws(() => emergenceInterval([0], [Float32Array.of(1)], 0.5, 90), {
    name: "RangeError",
    message: "Cannot take an interval of level 90: expected a share from 0 to 1, got 90",
  });
});

Deno.test("emergenceFollower() throws at a threshold that is not above 0", () => {
  assert.throws(() => emergenceFollower(0), {
    name: "RangeError",
    message: "Cannot tell when features emerge: expected a threshold above 0, got 0",
  });
});
