/**
 * When features emerge in replicas of a sweep, and so how sure that step is.
 *
 * S = features, B = replicas.
 *
 * @module
 */

import { between } from "./emergence.ts";
import { quantile } from "./statistics.ts";

/** An interval for the step at which a feature emerges. */
export interface EmergenceInterval {
  /** Lower end; NaN if there are no replicas, Infinity if hardly any emerges. */
  readonly low: number;
  /** Upper end; NaN if there are no replicas, Infinity if too many never emerge to close it. */
  readonly high: number;
  /** Share of the replicas in which the feature never emerges; NaN if there are none. */
  readonly neverShare: number;
}

/** Follows many features through replicas of a sweep, one checkpoint after another. */
export interface EmergenceFollower {
  /**
   * Takes the similarities at the next step, NaN where there is no match, B of `[S]`, and which of the
   * features have a match there that is no better than chance; none if left out.
   */
  add(
    step: number,
    replicas: readonly Float32Array[],
    isStranger?: (feature: number) => boolean,
  ): void;
  /** The interval of every feature, from what was taken so far: `[S]`. */
  intervals(level?: number): readonly EmergenceInterval[];
}

/**
 * Begins to follow features.
 *
 * [x₍ₐ₎, x₍B+1−ₐ₎] of {@linkcode emergence} over the replicas, sorted; a = (B + 1) (1 − level) / 2, linear
 * between neighbours and at least 1; never = ∞
 *
 * A replica in which the feature never emerges says that it may emerge after the last checkpoint: it
 * counts as later than every step, and the interval is open above (Infinity) if there are enough of
 * them. Draw replicas by sequence, not by token: tokens of a sequence are dependent.
 *
 * Matches stay as they are in all replicas. One that is no better than chance is the luckiest of many
 * strangers, and stays so in each: a line drawn from it to the next checkpoint says nothing. Between
 * a stranger and a match above the threshold the feature may have emerged at any time, and the
 * interval holds the whole of it.
 *
 * Keeps 20 bytes a feature and replica, however many checkpoints there are.
 *
 * @param threshold Above 0.
 * @returns A follower that has seen no step.
 * @throws {RangeError} If the threshold, or later the level, is out of range.
 * @see {@link https://doi.org/10.1214/ss/1177013815 | Efron and Tibshirani 1986}.
 *
 * @example Three of four replicas agree
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const follower = emergenceFollower(0.5);
 * follower.add(0, [0, 0, 0, 0].map((y) => Float32Array.of(y)));
 * follower.add(8, [0.5, 0.5, 0.5, 0].map((y) => Float32Array.of(y)));
 *
 * assert.deepEqual(follower.intervals(0.9), [{ low: 8, high: Infinity, neverShare: 0.25 }]);
 * ```
 */
export function emergenceFollower(threshold: number): EmergenceFollower {
  const height = Math.fround(threshold);
  if (!(height > 0)) {
    throw new RangeError(
      `Cannot tell when features emerge: expected a threshold above 0, got ${threshold}`,
    );
  }
  // Steps between which each has come to stay, the same where a line tells; NaN where it is not there.
  let after: readonly Float64Array[] = [];
  let by: readonly Float64Array[] = [];
  let before: Seen | undefined;

  // When a feature that is at y now, and was at another height before, has come to stay.
  const came = (step: number, y: number, b: number, i: number): readonly [number, number] => {
    if (!(y >= height)) return [NaN, NaN];
    if (before === undefined) return [step, step];
    const earlier = before.replicas[b][i] || 0; // of no match
    if (earlier >= height) return [after[b][i], by[b][i]];
    if (before.isStranger(i)) return [before.step, step];
    const at = between(before.step, step, (height - earlier) / (y - earlier));
    return [at, at];
  };

  return {
    add(step, replicas, isStranger = () => false) {
      const bounds = replicas.map((similarities) =>
        [0, 1].map(() => new Float64Array(similarities.length))
      );
      replicas.forEach((similarities, b) =>
        similarities.forEach((y, i) => [bounds[b][0][i], bounds[b][1][i]] = came(step, y, b, i))
      );
      [after, by] = [bounds.map(([low]) => low), bounds.map(([, high]) => high)];
      before = { step, replicas, isStranger };
    },
    intervals(level = 0.95) {
      if (!(level >= 0 && level <= 1)) {
        throw new RangeError(
          `Cannot take an interval of level ${level}: expected a share from 0 to 1, got ${level}`,
        );
      }
      const sorted = (bounds: readonly Float64Array[], i: number) =>
        Float64Array.from(bounds, (of) => Number.isNaN(of[i]) ? Infinity : of[i]).sort();
      const tail = tailOf(by.length, level);
      return Array.from({ length: by[0]?.length ?? 0 }, (_, i) => {
        const [lows, highs] = [sorted(after, i), sorted(by, i)];
        return {
          low: quantile(lows, tail),
          high: quantile(highs, 1 - tail),
          neverShare: highs.filter((step) => step === Infinity).length / highs.length,
        };
      });
    },
  };
}

/** The checkpoint before. */
interface Seen {
  readonly step: number;
  readonly replicas: readonly Float32Array[];
  readonly isStranger: (feature: number) => boolean;
}

// Where, as a quantile, the order statistic is that a new value is below with probability (1 − level) / 2.
function tailOf(nReplicas: number, level: number): number {
  const rank = ((nReplicas + 1) * (1 - level)) / 2;
  return nReplicas < 2 ? 0 : Math.min(1, Math.max(0, (rank - 1) / (nReplicas - 1)));
}
