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
  /** Takes the similarities at the next step, NaN where there is no match: B of `[S]`. */
  add(step: number, replicas: readonly Float32Array[]): void;
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
 * Matches stay as they are in all replicas. Of a feature that is at one checkpoint without any kin at
 * the one before, the match there is the luckiest of many strangers: such intervals are narrow, and a
 * little early, though between the two checkpoints (`deno task test:planted` measures both).
 *
 * Keeps 12 bytes a feature and replica, however many checkpoints there are.
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
  let since: readonly Float64Array[] = []; // step from which each is there, NaN where it is not
  let before: { readonly step: number; readonly replicas: readonly Float32Array[] } | undefined;

  // When a feature that is at y now, and was at another height before, is there to stay.
  const sinceWhen = (step: number, y: number, earlier: number, was: number) => {
    if (!(y >= height)) return NaN;
    if (before === undefined) return step;
    if (earlier >= height) return was;
    return between(before.step, step, (height - (earlier || 0)) / (y - (earlier || 0)));
  };

  return {
    add(step, replicas) {
      since = replicas.map((similarities, b) =>
        Float64Array.from(
          similarities,
          (y, i) => sinceWhen(step, y, before?.replicas[b][i] ?? NaN, since[b]?.[i] ?? NaN),
        )
      );
      before = { step, replicas };
    },
    intervals(level = 0.95) {
      if (!(level >= 0 && level <= 1)) {
        throw new RangeError(
          `Cannot take an interval of level ${level}: expected a share from 0 to 1, got ${level}`,
        );
      }
      return Array.from({ length: since[0]?.length ?? 0 }, (_, i) => {
        const steps = Float64Array.from(since, (of) => Number.isNaN(of[i]) ? Infinity : of[i]);
        const sorted = steps.sort();
        const tail = tailOf(sorted.length, level);
        return {
          low: quantile(sorted, tail),
          high: quantile(sorted, 1 - tail),
          neverShare: sorted.filter((step) => step === Infinity).length / sorted.length,
        };
      });
    },
  };
}

// Where, as a quantile, the order statistic is that a new value is below with probability (1 − level) / 2.
function tailOf(nReplicas: number, level: number): number {
  const rank = ((nReplicas + 1) * (1 - level)) / 2;
  return nReplicas < 2 ? 0 : Math.min(1, Math.max(0, (rank - 1) / (nReplicas - 1)));
}
