/**
 * Statistics of many features: false discoveries, monotone fits, quantiles, survival.
 *
 * n = number of values.
 *
 * @module
 */

/**
 * The q-value of every p-value: the smallest share of false discoveries at which it is a discovery,
 * by Benjamini and Hochberg.
 *
 * q₍ᵢ₎ = min over j ≥ i of m p₍ⱼ₎ / j, p₍₁₎ ≤ … ≤ p₍ₘ₎
 *
 * A NaN is no test: it stays NaN and does not count in m. Equal p-values have equal q-values. The
 * bound on the share holds for tests that are independent or positively dependent.
 *
 * Takes a sort of n numbers, and 4 n bytes of scratch.
 *
 * @param pValues Probabilities in [0, 1], or NaN: `[n]`.
 * @returns q-values in [0, 1], each at least its p-value: `[n]`.
 * @see {@link https://doi.org/10.1111/j.2517-6161.1995.tb02031.x | Benjamini and Hochberg 1995};
 *   scipy.stats.false_discovery_control, which refuses NaN.
 *
 * @example A dead feature is no test
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const q = falseDiscovery(new Float64Array([0.5, NaN, 0.125]));
 *
 * assert.deepEqual([...q], [0.5, NaN, 0.25]);
 * ```
 */
export function falseDiscovery(pValues: Float64Array): Float64Array {
  const order = Uint32Array.from(pValues.keys())
    .filter((i) => !Number.isNaN(pValues[i]))
    .sort((a, b) => pValues[a] - pValues[b]);
  const qValues = new Float64Array(pValues.length).fill(NaN);
  let least = 1;
  for (let rank = order.length; rank > 0; rank--) {
    // The factor is exactly 1 at the last rank: no q-value is below its p-value.
    least = Math.min(least, pValues[order[rank - 1]] * (order.length / rank));
    qValues[order[rank - 1]] = least;
  }
  return qValues;
}

/**
 * The increasing sequence nearest to a sequence, by pooling adjacent violators.
 *
 * argmin over x₀ ≤ x₁ ≤ … of Σᵢ wᵢ (xᵢ − yᵢ)²
 *
 * Where the values already increase they stay; elsewhere a run takes its weighted mean. A NaN is a
 * missing value: it stays NaN, and the fit is that of the others.
 *
 * Takes a few times n additions, and 20 n bytes of scratch.
 *
 * @param values y, in order: `[n]`.
 * @param weights w, each above 0; equal if left out: `[n]`.
 * @returns x: `[n]`.
 * @throws {RangeError} If there are not as many weights as values, or one is not above 0.
 * @see {@link https://doi.org/10.18637/jss.v032.i05 | De Leeuw, Hornik and Mair 2009};
 *   scipy.optimize.isotonic_regression.
 *
 * @example A dip is shared with what stands before it
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([...isotonic([0, 3, 1, 4])], [0, 2, 2, 4]);
 * ```
 */
export function isotonic(values: ArrayLike<number>, weights?: ArrayLike<number>): Float64Array {
  const n = values.length;
  if (weights && weights.length !== n) {
    throw new RangeError(
      `Cannot fit ${n} values: expected ${n} weights, got ${weights.length}`,
    );
  }
  // Pools, left to right: mean, weight, and the index after the last value.
  const means = new Float64Array(n);
  const masses = new Float64Array(n);
  const ends = new Uint32Array(n);
  let nPools = 0;
  for (let i = 0; i < n; i++) {
    let mass = weights ? weights[i] : 1;
    if (!(mass > 0)) {
      throw new RangeError(`Cannot fit value ${i}: expected a weight above 0, got ${mass}`);
    }
    let mean = values[i];
    if (Number.isNaN(mean)) continue;
    // Before and after, the means of the pools increase. Equal ones stay apart: a fit of a fit is
    // the same to the last bit.
    while (nPools > 0 && means[nPools - 1] > mean) {
      nPools--;
      const both = masses[nPools] + mass;
      mean = (masses[nPools] * means[nPools] + mass * mean) / both;
      mass = both;
    }
    means[nPools] = mean;
    masses[nPools] = mass;
    ends[nPools++] = i + 1;
  }
  const fit = new Float64Array(n).fill(NaN);
  for (let pool = 0, i = 0; pool < nPools; pool++) {
    for (; i < ends[pool]; i++) if (!Number.isNaN(values[i])) fit[i] = means[pool];
  }
  return fit;
}

/**
 * A quantile of sorted values, linear between neighbours, as numpy's default.
 *
 * x₍ₖ₎ + f (x₍ₖ₊₁₎ − x₍ₖ₎), k = ⌊q (n − 1)⌋, f = q (n − 1) − k
 *
 * Values may be infinite at the ends: between a finite neighbour and an infinite one it is infinite.
 *
 * @param sorted x, ascending, without NaN: `[n]`.
 * @param q Share of the values below, in [0, 1].
 * @returns The quantile; NaN of no values.
 * @throws {RangeError} If q is not in [0, 1].
 * @see {@link https://www.jstor.org/stable/2684934 | Hyndman and Fan 1996}, definition 7.
 *
 * @example The median of an even number
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(quantile([1, 2, 4, 8], 0.5), 3);
 * ```
 */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  if (!(q >= 0 && q <= 1)) {
    throw new RangeError(`Cannot take quantile ${q}: expected a share from 0 to 1, got ${q}`);
  }
  if (sorted.length === 0) return NaN;
  const at = q * (sorted.length - 1);
  const below = Math.floor(at);
  const low = sorted[below];
  const high = sorted[Math.ceil(at)];
  return low === high ? low : low + (at - below) * (high - low); // ∞ − ∞ is not a number
}

/** How long things live: a step at every duration at which one of them ends. */
export interface Survival {
  /** Durations at which at least one ends, ascending: `[K]`. */
  readonly times: Float64Array;
  /** Share that lives longer than each: `[K]`. */
  readonly shares: Float64Array;
  /** Standard error of each share, NaN once the share is 0: `[K]`. */
  readonly standardErrors: Float64Array;
  /** How many were under observation just before each: `[K]`. */
  readonly atRisk: Uint32Array;
  /** How many of these end at each: `[K]`. */
  readonly ended: Uint32Array;
}

/**
 * The survival curve of things of which some outlive the observation and some are met late, by
 * Kaplan and Meier; standard errors by Greenwood.
 *
 * S(t) = Π over tₖ ≤ t of (1 − dₖ / rₖ), se(t)² = S(t)² Σ over tₖ ≤ t of dₖ / (rₖ (rₖ − dₖ))
 *
 * dₖ end at tₖ, of rₖ under observation: those with entry < tₖ ≤ duration. Before the first time the
 * share is 1. What is alive when observation stops is censored on the right: it is at risk up to and
 * at its duration. What comes under observation late enters late (truncation on the left): it says
 * nothing about times before. An entry that is not before the duration is never at risk, nor is a NaN.
 *
 * For lineages of features, by age: the duration is that from birth; a lineage still alive at the
 * last checkpoint is censored; one alive at the first checkpoint was born before it (censored on the
 * left) and has no known age, so it is left out. By time of training nothing is left out: the
 * duration is the step of death, the entry that of birth. With few at risk at an early time the
 * curve may fall to 0 and stays there, whatever is met later: look at `atRisk`.
 *
 * Takes three sorts of n numbers, and 24 n bytes of scratch.
 *
 * @param durations Time of the end, or of the last look: `[n]`.
 * @param isObserved 1 where the end was seen, 0 where it is censored: `[n]`.
 * @param entries Time from which each is observed; from the start if left out: `[n]`.
 * @returns The curve.
 * @throws {RangeError} If the arrays have not the same length.
 * @see {@link https://doi.org/10.1080/01621459.1958.10501452 | Kaplan and Meier 1958}; without entries
 *   it is scipy.stats.ecdf of CensoredData at the uncensored times.
 *
 * @example One of four is still alive at 3
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { times, shares } = survival([1, 3, 2, 2], [1, 0, 1, 1]);
 *
 * assert.deepEqual([...times], [1, 2]);
 * assert.deepEqual([...shares], [0.75, 0.25]);
 * ```
 */
export function survival(
  durations: ArrayLike<number>,
  isObserved: ArrayLike<number>,
  entries?: ArrayLike<number>,
): Survival {
  const n = durations.length;
  if (isObserved.length !== n || (entries && entries.length !== n)) {
    throw new RangeError(
      `Cannot draw the survival of ${n} durations: expected ${n} of each, ` +
        `got ${isObserved.length} flags` + (entries ? ` and ${entries.length} entries` : ""),
    );
  }
  const entryOf = (i: number) => entries ? entries[i] : -Infinity;
  const lives = Array.from({ length: n }, (_, i) => i).filter((i) => entryOf(i) < durations[i]);
  const starts = Float64Array.from(lives, entryOf).sort();
  const stops = Float64Array.from(lives, (i) => durations[i]).sort();
  const ends = Float64Array.from(lives.filter((i) => isObserved[i]), (i) => durations[i]).sort();

  const times = ends.filter((time, e) => e === 0 || time !== ends[e - 1]);
  const shares = new Float64Array(times.length);
  const standardErrors = new Float64Array(times.length);
  const atRisk = new Uint32Array(times.length);
  const ended = new Uint32Array(times.length);
  let share = 1, variance = 0, started = 0, stopped = 0, e = 0;
  times.forEach((time, k) => {
    while (started < starts.length && starts[started] < time) started++;
    while (stops[stopped] < time) stopped++;
    for (; ends[e] === time; e++) ended[k]++;
    atRisk[k] = started - stopped;
    share *= 1 - ended[k] / atRisk[k];
    variance += ended[k] / (atRisk[k] * (atRisk[k] - ended[k])); // infinite when all end
    shares[k] = share;
    standardErrors[k] = share * Math.sqrt(variance);
  });
  return { times, shares, standardErrors, atRisk, ended };
}
