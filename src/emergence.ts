/**
 * When a feature emerges in training, and what becomes of it: one trajectory at a time.
 *
 * A trajectory is the similarity of one feature of the reference to its match at every checkpoint,
 * NaN where it has none. It counts as 0 there: features that never fire together have cosine 0.
 *
 * All that is read between two checkpoints is read on a line over log(1 + step), as steps are often
 * spaced, and as step 0 allows. All comparisons are at float32, in which similarities are kept.
 *
 * Leave out the step of the reference itself: there the similarity is 1 by construction, and every
 * feature that fires would be there at the end.
 *
 * C = checkpoints, in order of step.
 *
 * @module
 */

import { isotonic } from "./statistics.ts";

/**
 * The step from which a feature is there to stay: its similarity is at or above the threshold then,
 * and at every later checkpoint.
 *
 * log(1 + e) = log(1 + s₋) + (t − y₋) / (y₊ − y₋) · (log(1 + s₊) − log(1 + s₋))
 *
 * where s₋ is the last step below the threshold t and s₊ the one after it, y₋ and y₊ the
 * similarities there. A feature that comes, goes and comes back emerges when it comes back. One that
 * is never below has emerged at the first step, or before training was looked at.
 *
 * Unlike {@linkcode appearances}, which keeps the notebook's rule, it reads between checkpoints,
 * takes a feature that was there before, and counts a similarity that equals the threshold.
 *
 * @param steps s, increasing: `[C]`.
 * @param similarities y, at most 1, NaN where there is no match: `[C]`.
 * @param threshold t, above 0.
 * @returns A step in [s₀, s_C₋₁], seldom a whole number; NaN if the last similarity is below the
 *   threshold, or there is no checkpoint.
 * @throws {RangeError} If steps and similarities are not equally many, steps do not increase from 0
 *   on, or the threshold is not above 0.
 *
 * @example Half way from 3 to 15 on a logarithmic axis is 7
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const similarities = new Float32Array([NaN, 0.25, 0.75, 0.875]);
 *
 * assert.equal(Math.round(emergence([0, 3, 15, 63], similarities, 0.5)), 7);
 * ```
 */
export function emergence(
  steps: ArrayLike<number>,
  similarities: Float32Array,
  threshold: number,
): number {
  checkTrajectory(steps, similarities);
  const height = Math.fround(threshold);
  if (!(height > 0)) {
    throw new RangeError(
      `Cannot tell when a feature emerges: expected a threshold above 0, got ${threshold}`,
    );
  }
  let c = similarities.length;
  while (c > 0 && similarities[c - 1] >= height) c--;
  if (c === similarities.length) return NaN;
  if (c === 0) return steps[0];
  const below = similarities[c - 1] || 0; // of no match
  return between(steps[c - 1], steps[c], (height - below) / (similarities[c] - below));
}

/** How a feature rises, without a threshold. */
export interface HalfRise {
  /** Step at which half of the rise is done, NaN without a rise. */
  readonly step: number;
  /** From a quarter to three quarters of the rise, in doublings of 1 + step; NaN without a rise. */
  readonly width: number;
  /** Rise of the fit from the first checkpoint to the last; 0 without one, NaN of no checkpoint. */
  readonly rise: number;
}

/**
 * Where and how steeply a feature rises, by a monotone fit: it needs no threshold, and a dip does
 * not undo what was reached.
 *
 * x = isotonic(y), step = x⁻¹(x₀ + ½ r), width = log₂(1 + x⁻¹(x₀ + ¾ r)) − log₂(1 + x⁻¹(x₀ + ¼ r)),
 * r = x_C₋₁ − x₀
 *
 * x⁻¹ is the first step at which the fit, drawn as lines over log(1 + step), reaches a height. The
 * checkpoints weigh the same however they are spaced. A rise of less than 2⁻²³ is float32's rounding
 * and none. A feature that is there from the start, or only falls, has no rise; look at `rise`
 * before `step`: half of a rise of 0.01 is seldom an event.
 *
 * @param steps Increasing: `[C]`.
 * @param similarities y, NaN where there is no match: `[C]`.
 * @returns The step, the width and the rise.
 * @throws {RangeError} If steps and similarities are not equally many, or steps do not increase from
 *   0 on.
 * @see {@linkcode isotonic}
 *
 * @example A rise in one go, from 3 to 15: half of two doublings between a quarter and three quarters
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { step, width, rise } = halfRise([0, 3, 15, 63], new Float32Array([0, 0, 1, 1]));
 *
 * assert.deepEqual([Math.round(step), Math.round(100 * width), rise], [7, 100, 1]);
 * ```
 */
export function halfRise(steps: ArrayLike<number>, similarities: Float32Array): HalfRise {
  checkTrajectory(steps, similarities);
  if (steps.length === 0) return { step: NaN, width: NaN, rise: NaN };
  const fit = isotonic(similarities.map((y) => Number.isNaN(y) ? 0 : y));
  const rise = fit[fit.length - 1] - fit[0];
  if (!(rise >= 2 ** -23)) return { step: NaN, width: NaN, rise: 0 };
  const reached = (share: number) => {
    const height = fit[0] + share * rise;
    const c = fit.findIndex((x) => x >= height);
    return between(steps[c - 1], steps[c], (height - fit[c - 1]) / (fit[c] - fit[c - 1]));
  };
  return {
    step: reached(0.5),
    width: Math.log2((1 + reached(0.75)) / (1 + reached(0.25))),
    rise,
  };
}

/** The classes of {@linkcode lifecycle}, in order. */
// deno-fmt-ignore
export const lifecycles = [
  "from the start", "early", "middle", "late", "transient", "never",
] as const;

/** What becomes of a feature in training; see {@linkcode lifecycle}. */
export type Lifecycle = typeof lifecycles[number];

/** What {@linkcode lifecycle} can be told. */
export interface LifecycleOptions {
  /** Step before which an emergence is early; a third of the way over log(1 + step). */
  readonly early?: number;
  /** Step from which an emergence is late; two thirds of the way over log(1 + step). */
  readonly late?: number;
  /** Whether the feature never fires in the reference; taken to be so if it has no match at all. */
  readonly isDead?: boolean;
}

/**
 * The class of a trajectory. A feature is there at a checkpoint if its similarity is at or above the
 * threshold. The first rule that applies decides, so that each trajectory has exactly one class:
 *
 * 1. null: the feature is dead in the reference, or there is no checkpoint.
 * 2. "never": it is there at no checkpoint.
 * 3. "from the start": it is there at every checkpoint.
 * 4. "transient": it is there at some checkpoint and not at some later one, whether it comes back or
 *    not.
 * 5. Else it is absent first and then there to stay, from {@linkcode emergence} e on: "early" if
 *    e < early, "late" if e ≥ late, "middle" between.
 *
 * One dip below the threshold makes a feature transient: near a threshold that is noise, so look at
 * several. Early and late are thirds of the range from the first to the last step over
 * log(1 + step), unless given.
 *
 * @param steps Increasing: `[C]`.
 * @param similarities At most 1, NaN where there is no match: `[C]`.
 * @param threshold Above 0.
 * @param options Where early ends and late begins; whether the feature is dead.
 * @returns The class, or null.
 * @throws {RangeError} As {@linkcode emergence} does, or if early ends after late begins.
 *
 * @example A third of the way from 0 to 63 is 3, two thirds are 15
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const classOf = (...similarities: number[]) =>
 *   lifecycle([0, 7, 63], Float32Array.from(similarities), 0.5);
 *
 * assert.equal(classOf(0.9, 0.8, 0.9), "from the start");
 * assert.equal(classOf(0.4, 0.8, 0.9), "early");
 * assert.equal(classOf(NaN, 0.5, 0.9), "middle");
 * assert.equal(classOf(NaN, 0.5, 0.2), "transient");
 * assert.equal(classOf(NaN, 0.2, 0.3), "never");
 * assert.equal(classOf(NaN, NaN, NaN), null);
 * ```
 */
export function lifecycle(
  steps: ArrayLike<number>,
  similarities: Float32Array,
  threshold: number,
  options: LifecycleOptions = {},
): Lifecycle | null {
  const step = emergence(steps, similarities, threshold);
  const [first, last] = [steps[0], steps[steps.length - 1]];
  const {
    early = between(first, last, 1 / 3),
    late = between(first, last, 2 / 3),
    isDead = similarities.every(Number.isNaN),
  } = options;
  if (early > late) {
    throw new RangeError(
      `Cannot class a feature: expected early to end by step ${late}, where late begins, ` +
        `got step ${early}`,
    );
  }
  if (isDead || steps.length === 0) return null;
  const isThere = Array.from(similarities, (y) => y >= Math.fround(threshold));
  const came = isThere.indexOf(true);
  const gone = isThere.lastIndexOf(false);
  if (came < 0) return "never";
  if (gone < 0) return "from the start";
  if (came < gone) return "transient";
  return step < early ? "early" : step >= late ? "late" : "middle";
}

/**
 * The similarity from which a feature within a distance is there.
 *
 * @param distance The distance; one of 1 would be no match at all.
 * @returns A similarity above 0.
 */
export function similarityWithin(distance: number): number {
  return Math.max(2 ** -23, 1 - distance);
}

/**
 * The step at a share of the way between two, over log(1 + step); exact at both ends.
 *
 * @param from The first step.
 * @param to The second.
 * @param share In [0, 1].
 * @returns A step between the two.
 */
export function between(from: number, to: number, share: number): number {
  if (share === 1) return to;
  const step = Math.expm1(Math.log1p(from) + share * (Math.log1p(to) - Math.log1p(from)));
  return Math.min(to, Math.max(from, step));
}

function checkTrajectory(steps: ArrayLike<number>, similarities: Float32Array): void {
  if (steps.length !== similarities.length) {
    throw new RangeError(
      `Cannot follow a feature over ${steps.length} steps: expected ${steps.length} similarities, ` +
        `got ${similarities.length}`,
    );
  }
  for (let c = 0; c < steps.length; c++) {
    if (c === 0 ? steps[c] >= 0 : steps[c] > steps[c - 1]) continue;
    throw new RangeError(
      "Cannot follow a feature over steps: expected steps that increase from 0 on, " +
        `got ${steps[c]} at checkpoint ${c}`,
    );
  }
}
