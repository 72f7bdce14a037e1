import assert from "node:assert/strict";
import { randomFrom } from "../src/random.ts";

/** A feature through training. */
interface Trial {
  readonly random: () => number;
  readonly steps: number[];
  readonly y: Float32Array;
  readonly threshold: number;
  readonly seed: string;
}

/** A hundred times: up to twelve checkpoints, similarities that rise or do not, some of them NaN. */
export function* trials(): Generator<Trial> {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const size = Math.floor(13 * random());
    const steps: number[] = [];
    let step = Math.floor(3 * random());
    for (let c = 0; c < size; c++, step += 1 + Math.floor(2 ** c * random())) steps.push(step);
    const slope = 2 * random() - 0.5;
    const y = Float32Array.from(
      steps,
      (_, c) =>
        random() < 0.15 ? NaN : Math.min(1, Math.max(0, slope * (c / size) + 0.5 * random())),
    );
    yield { random, steps, y, threshold: 0.05 + 0.8 * random(), seed: `seed ${seed}` };
  }
}

/** Asserts that two numbers differ by no more than rounding. */
export function assertNear(actual: number, expected: number, message?: string) {
  const isNear = Object.is(actual, expected) ||
    Math.abs(actual - expected) <= 1e-9 * (1 + Math.abs(expected));
  assert(isNear, `${message ?? ""} expected ${expected}, got ${actual}`);
}

/** Where a line over log(1 + step) from (s0, y0) to (s1, y1) has a height. */
export function onLine(s0: number, y0: number, s1: number, y1: number, height: number): number {
  const [x0, x1] = [Math.log(1 + s0), Math.log(1 + s1)];
  return Math.exp(((y1 - height) * x0 + (height - y0) * x1) / (y1 - y0)) - 1;
}

/** The first checkpoint of which it holds that it and all later ones are at or above the threshold. */
export function naiveEmergence(
  steps: number[],
  similarities: Float32Array,
  threshold: number,
): number {
  const y = Array.from(similarities, (v) => Number.isNaN(v) ? 0 : v);
  const t = Math.fround(threshold);
  const first = steps.findIndex((_, c) => y.slice(c).every((v) => v >= t));
  if (first < 0) return NaN;
  return first === 0 ? steps[0] : onLine(steps[first - 1], y[first - 1], steps[first], y[first], t);
}
