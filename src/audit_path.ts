/**
 * Whether checkpoints, in order of step, lie along one path through the space of weights.
 *
 * C = checkpoints in order of step. Distances are Euclidean, between whole models or single tensors.
 * Nothing here asks for a distance of a certain size: only distances of one family are compared with
 * each other, since training goes fast and slow.
 *
 * @module
 */

import { sketchDistance } from "./fingerprints.ts";
import { quantile } from "./statistics.ts";

/** Distances between all checkpoints: C of `[C]`, symmetric. */
export type Distances = readonly Float64Array[];

/**
 * Distances between all checkpoints, from sketches of the same tensors.
 *
 * d(a, b)² = Σ over the tensors t of ‖yₜ(a) − yₜ(b)‖²
 *
 * Cost: T · C² / 2 · 128 multiply-adds for T tensors.
 *
 * @param sketches Of every checkpoint, those of its tensors, in one order: C of T of `[128]`.
 * @returns C of `[C]`.
 *
 * @example A tensor that moves by 3 and one that moves by 4
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const at = (x: number) => Float64Array.of(x);
 *
 * assert.equal(distancesOf([[at(0), at(0)], [at(3), at(4)]])[0][1], 5);
 * ```
 */
export function distancesOf(sketches: readonly (readonly Float64Array[])[]): Distances {
  const distances = sketches.map(() => new Float64Array(sketches.length));
  for (let a = 0; a < sketches.length; a++) {
    for (let b = 0; b < a; b++) {
      let sum = 0;
      sketches[a].forEach((sketch, t) => sum += sketchDistance(sketch, sketches[b][t]) ** 2);
      distances[a][b] = distances[b][a] = Math.sqrt(sum);
    }
  }
  return distances;
}

/** A checkpoint out of order, and the one that it is near. */
export interface Misplaced {
  /** The checkpoint: an index of C. */
  readonly at: number;
  /** Another, not its neighbour. */
  readonly near: number;
  /** Distance to it. */
  readonly distance: number;
  /** Distance to the nearer of its neighbours. */
  readonly own: number;
}

/**
 * Checkpoints out of order: each is nearer to a far one than to both its neighbours, by half, and
 * farther from both of these than they are from each other.
 *
 * own = min(d(c, c − 1), d(c, c + 1)); d(c, f) < ½ · own for an f that is neither; own > d(c − 1, c + 1)
 *
 * On a path that leads anywhere at all, neighbours are nearer than others; where training only
 * jitters about one place, all are as near. A sketch's error alone does not make a half of a whole:
 * that would be more than seven standard deviations. The second condition keeps a checkpoint that is
 * calm between restless ones, as after the learning rate fell. The first checkpoint has one neighbour,
 * and so has the last; the next gap stands for the way past it. The checkpoint with the smallest
 * ratio is taken away and the rest asked again, so that good ones beside bad ones are not blamed; the
 * ends are asked only when no other is found, since their one neighbour may be the bad one.
 *
 * @param distances Between all checkpoints: C of `[C]`; at 0 two are the same, and not out of order.
 * @param factor Nearer by this factor.
 * @returns The worst first.
 *
 * @example The fourth of five belongs to the beginning
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const places = [0, 10, 20, 1, 30];
 * const distances = places.map((a) => Float64Array.from(places, (b) => Math.abs(a - b)));
 *
 * assert.deepEqual(misplaced(distances), [{ at: 3, near: 0, distance: 1, own: 19 }]);
 * ```
 */
export function misplaced(distances: Distances, factor = 0.5): Misplaced[] {
  const found: Misplaced[] = [];
  let left = [...distances.keys()];
  while (true) {
    const odd = left.map((at, i) => farther(distances, left, at, i))
      .filter(({ near, distance, own }) => near >= 0 && distance < factor * own)
      .sort((a, b) => a.distance / a.own - b.distance / b.own);
    const worst = odd.find(({ at }) => at !== left[0] && at !== left.at(-1)) ?? odd[0];
    if (worst === undefined) return found;
    found.push(worst);
    left = left.filter((at) => at !== worst.at);
  }
}

// The nearest of those left that are not neighbours of the checkpoint at `left[i]`; none if it lies
// between its neighbours.
function farther(distances: Distances, left: readonly number[], at: number, i: number): Misplaced {
  const row = distances[at];
  const [a = left[i + 2], b = left[i - 2]] = [left[i - 1], left[i + 1]];
  const around = [left[i - 1], left[i + 1]].filter((of) => of !== undefined);
  const own = Math.min(...around.map((of) => row[of]));
  let near = -1;
  for (const [j, other] of left.entries()) {
    if (Math.abs(i - j) > 1 && !(row[other] >= (row[near] ?? Infinity))) near = other;
  }
  const isBetween = near < 0 || !(own > distances[a][b]);
  return { at, near: isBetween ? -1 : near, distance: row[near] ?? Infinity, own };
}

/**
 * Neighbours in each other's place: exchanging the two makes the way through them shorter, by a
 * tenth at least.
 *
 * d(a, c) + d(c, b) + d(b, d) < 0.9 · (d(a, b) + d(b, c) + d(c, d)) for a, b, c, d in order of step
 *
 * The first two and the last two are not judged: where the learning rate falls, the last checkpoint
 * comes to lie amid those before it, and nearer to each than they are to each other.
 *
 * @param distances Between all checkpoints: C of `[C]`.
 * @returns The first of each pair, ascending; pairs do not overlap.
 *
 * @example The middle two of four
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const places = [0, 2, 1, 3];
 * const distances = places.map((a) => Float64Array.from(places, (b) => Math.abs(a - b)));
 *
 * assert.deepEqual(exchanged(distances), [1]);
 * ```
 */
export function exchanged(distances: Distances): number[] {
  const found: number[] = [];
  for (let b = 1; b + 2 < distances.length; b++) {
    const [a, c, d] = [b - 1, b + 1, b + 2];
    const between = distances[b][c];
    const way = distances[a][b] + between + distances[c][d];
    if (distances[a][c] + between + distances[b][d] < 0.9 * way) found.push(b++);
  }
  return found;
}

/**
 * Checkpoints off the path: the way over one is more than three times as long as the way past it.
 *
 * d(c − 1, c) + d(c, c + 1) > 3 · d(c − 1, c + 1)
 *
 * The ratio is 1 on a straight path, √2 at most on average where every step of the way goes into a
 * direction of its own, and 2 where checkpoints only jitter about one place.
 *
 * @param distances Between all checkpoints: C of `[C]`.
 * @returns Indices of C, ascending; the first and the last checkpoint have no way past them.
 *
 * @example The third of five
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const places = [[0, 0], [1, 0], [2, 9], [3, 0], [4, 0]];
 * const distances = places.map(([x, y]) =>
 *   Float64Array.from(places, ([u, v]) => Math.hypot(x - u, y - v))
 * );
 *
 * assert.deepEqual(offPath(distances), [2]);
 * ```
 */
export function offPath(distances: Distances): number[] {
  const found: number[] = [];
  for (let c = 1; c + 1 < distances.length; c++) {
    const over = distances[c][c - 1] + distances[c][c + 1];
    if (over > 3 * distances[c - 1][c + 1]) found.push(c);
  }
  return found;
}

/** A gap between two neighbours that is wider than those around it let expect. */
export interface Break {
  /** The first of the two: an index of C. */
  readonly before: number;
  /** Their distance. */
  readonly distance: number;
  /** The distance on the trend. */
  readonly expected: number;
}

/**
 * Gaps that break the trend of distances between neighbours.
 *
 * v(c) = ln(d(c, c + 1) / (u(c + 1) − u(c))), u = log₁₀(1 + step)
 *
 * v is how fast weights move, a decade of steps being the unit of time, so that uneven steps do not
 * matter much. Its trend is Tukey's running median: of five gaps, of three at one from an end, and at
 * an end the median of the end itself, the value next to it, and where the line through the next two
 * would be two gaps on. Two wild gaps of five do not move it, and a steady rise or fall of any
 * steepness is its own trend. A gap breaks it if v lies above by more than ln 4, and by more than six
 * times the scale of what lies off the trend, 1.4826 times the median of |v − trend|.
 *
 * @param steps Of the checkpoints, ascending: `[C]`.
 * @param gaps Distances between neighbours, above 0: `[C − 1]`.
 * @returns The breaks, in order of step; none of fewer than five gaps, which have no trend.
 * @see Tukey, Exploratory Data Analysis, 1977, chapter 7: the medians, and the rule for the ends.
 *
 * @example Weights that begin somewhere else
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const [first, ...others] = breaks([0, 1, 3, 7, 15, 31], [90, 1, 2, 3, 4]);
 *
 * assert.deepEqual([first.before, others.length], [0, 0]);
 * ```
 */
export function breaks(steps: readonly number[], gaps: readonly number[]): Break[] {
  if (gaps.length < 5) return [];
  const widths = gaps.map((_, c) => Math.log10((1 + steps[c + 1]) / (1 + steps[c])));
  const speeds = gaps.map((gap, c) => Math.log(gap / widths[c]));
  const trend = runningMedians(speeds);
  const off = speeds.map((speed, c) => speed - trend[c]);
  const least = Math.max(Math.log(4), 6 * 1.4826 * median(off.map(Math.abs)));
  return off.flatMap((above, c) =>
    above > least
      ? [{ before: c, distance: gaps[c], expected: Math.exp(trend[c]) * widths[c] }]
      : []
  );
}

// Tukey's: medians of five, of three next to an end, and at an end by the line through the next two.
function runningMedians(values: readonly number[]): number[] {
  const last = values.length - 1;
  const smooth = values.map((_, i) => {
    const reach = Math.min(2, i, last - i);
    return median(values.slice(i - reach, i + reach + 1));
  });
  const end = (at: number, a: number, b: number) =>
    median([values[at], smooth[a], 3 * smooth[a] - 2 * smooth[b]]);
  smooth[0] = end(0, 1, 2);
  smooth[last] = end(last, last - 1, last - 2);
  return smooth;
}

function median(values: readonly number[]): number {
  return quantile(values.toSorted((a, b) => a - b), 0.5);
}
