/**
 * What matches are worth: how well features match by chance.
 *
 * S = source features (the reference's), T = target features, N = tokens, R = repetitions.
 *
 * @module
 */

import type { Activations } from "./blocks.ts";
import type { Match } from "./match.ts";
import { randomFrom } from "./random.ts";
import { concatenate, indexArray, sliceRows, type Sparse } from "./sparse.ts";
import { falseDiscovery } from "./statistics.ts";

/** The best cosine of every source feature where only chance can make it. */
export interface Nulls {
  /** With the target's tokens rotated by whole sequences: R of `[S]`, NaN where there is no match. */
  readonly rotated: readonly Float32Array[];
  /** With the target's tokens exchanged among positions of the same token id: R of `[S]`. */
  readonly sameToken: readonly Float32Array[];
}

/**
 * The same activations, some tokens later: each feature keeps how often and how strongly it fires,
 * and loses what it fires on.
 *
 * @param activations What to rotate: `[N, F]`.
 * @param nRows Row `n` becomes row `n − nRows`, the first ones the last.
 * @returns The rotated activations, read as they are asked for; the rows before are read twice.
 *
 * @example By one
 * ```ts
 * import assert from "node:assert/strict";
 * import { activationsOf } from "./blocks.ts";
 * import { concatenate, sparsify } from "./sparse.ts";
 *
 * const later = rotated(activationsOf(sparsify(new Float32Array([1, 2, 3]), 1)), 1);
 *
 * assert.deepEqual([...concatenate(await Array.fromAsync(later.parts())).values], [2, 3, 1]);
 * ```
 */
export function rotated(activations: Activations, nRows: number): Activations {
  return {
    ...activations,
    async *parts() {
      yield* rowsBetween(activations.parts(), nRows, activations.nRows);
      yield* rowsBetween(activations.parts(), 0, nRows);
    },
  };
}

async function* rowsBetween(
  parts: AsyncIterable<Sparse> | Iterable<Sparse>,
  from: number,
  to: number,
): AsyncGenerator<Sparse> {
  let first = 0;
  for await (const part of parts) {
    const last = first + part.nRows;
    if (last > from && first < to) {
      yield sliceRows(part, Math.max(0, from - first), Math.min(part.nRows, to - first));
    }
    if (last >= to) return;
    first = last;
  }
}

/**
 * By how many tokens to rotate: whole sequences, all different, none by nothing.
 *
 * @param starts First token of every sequence, ascending, then N.
 * @param wanted How many.
 * @param seed Seed of the choice.
 * @returns At most `wanted`, ascending; fewer where there are fewer sequences.
 */
export function rotations(
  starts: ArrayLike<number>,
  wanted: number,
  seed: number,
): number[] {
  const random = randomFrom(seed);
  const nOthers = starts.length - 2;
  const chosen = new Set<number>();
  while (chosen.size < Math.min(wanted, nOthers)) {
    chosen.add(starts[1 + Math.floor(random() * nOthers)]);
  }
  return [...chosen].sort((a, b) => a - b);
}

/** Activations of a window in which tokens are exchanged, about: 100 or 134 MB. */
const windowEntries = 2 ** 24;

/**
 * The same activations, exchanged at random among positions of the same token id: what depends on the
 * token alone stays, and what depends on its context is lost.
 *
 * Positions are exchanged within windows of about 2²⁴ activations. A token id that stands once in a
 * window keeps its row, which makes the null a little too good, never too bad.
 *
 * @param activations What to exchange: `[N, F]`.
 * @param ids Token id of every row: `[N]`.
 * @param seed Seed of the exchange.
 * @returns The exchanged activations, a window at a time.
 */
export function exchanged(
  activations: Activations,
  ids: ArrayLike<number>,
  seed: number,
): Activations {
  return {
    ...activations,
    async *parts() {
      const random = randomFrom(seed);
      let first = 0;
      for await (const window of windowsOf(activations.parts())) {
        yield takeRows(window, exchange(ids, first, window.nRows, random));
        first += window.nRows;
      }
    },
  };
}

async function* windowsOf(
  parts: AsyncIterable<Sparse> | Iterable<Sparse>,
): AsyncGenerator<Sparse> {
  let [kept, nnz]: [Sparse[], number] = [[], 0];
  for await (const part of parts) {
    kept.push(part);
    nnz += part.values.length;
    if (nnz < windowEntries) continue;
    yield concatenate(kept);
    [kept, nnz] = [[], 0];
  }
  if (kept.length > 0) yield concatenate(kept);
}

// For every row of a window the row that takes its place.
function exchange(
  ids: ArrayLike<number>,
  first: number,
  nRows: number,
  random: () => number,
): Uint32Array {
  // Positions by token id: count, then prefix-sum, then place.
  let largest = 0;
  for (let r = 0; r < nRows; r++) largest = Math.max(largest, ids[first + r]);
  const starts = new Uint32Array(largest + 2);
  for (let r = 0; r < nRows; r++) starts[ids[first + r] + 1]++;
  for (let id = 0; id <= largest; id++) starts[id + 1] += starts[id];
  const next = starts.slice();
  const places = new Uint32Array(nRows);
  for (let r = 0; r < nRows; r++) places[next[ids[first + r]]++] = r;

  const takers = places.slice();
  for (let id = 0; id <= largest; id++) shuffle(takers, starts[id], starts[id + 1], random);
  const rows = new Uint32Array(nRows);
  for (let k = 0; k < nRows; k++) rows[places[k]] = takers[k];
  return rows;
}

// Fisher and Yates, between two positions.
function shuffle(of: Uint32Array, from: number, to: number, random: () => number): void {
  for (let k = to - 1; k > from; k--) {
    const other = from + Math.floor(random() * (k - from + 1));
    [of[k], of[other]] = [of[other], of[k]];
  }
}

function takeRows({ nCols, offsets, columns, values }: Sparse, rows: Uint32Array): Sparse {
  const out = {
    nRows: rows.length,
    nCols,
    offsets: new Uint32Array(rows.length + 1),
    columns: indexArray(nCols, columns.length),
    values: new Float32Array(values.length),
  };
  let entry = 0;
  rows.forEach((row, r) => {
    const [from, to] = [offsets[row], offsets[row + 1]];
    out.columns.set(columns.subarray(from, to), entry);
    out.values.set(values.subarray(from, to), entry);
    out.offsets[r + 1] = entry += to - from;
  });
  return out;
}

/** Features whose null cosines are taken together, at least, if there are as many. */
const stratumSize = 100;

/**
 * Whether each match is better than chance: the share of matches at least as good among those of
 * rotated tokens, and what of all matches as good as this one, or better, is expected to be chance.
 *
 * p = (1 + #{null ≥ cosine}) / (1 + #null), over the null cosines of the source features that fire
 * about as often, a hundred or more of them, since how well a feature matches by chance depends on
 * that; then Benjamini and Hochberg over the features. No match under the null counts as 0.
 *
 * @param match The match.
 * @param nulls Best cosines with rotated tokens: R of `[S]`.
 * @returns p and q of every source feature: `[S]`, NaN where it has no match.
 * @see {@link https://doi.org/10.1111/j.2517-6161.1995.tb02031.x | Benjamini and Hochberg 1995}
 */
export function significance(
  { similarity, sourceCounts }: Pick<Match, "similarity" | "sourceCounts">,
  nulls: readonly Float32Array[],
): { readonly p: Float64Array; readonly q: Float64Array } {
  const p = new Float64Array(similarity.length).fill(NaN);
  if (nulls.length > 0) {
    const live = Uint32Array.from(similarity.keys()).filter((i) => sourceCounts[i] > 0)
      .sort((a, b) => sourceCounts[a] - sourceCounts[b] || a - b);
    const nStrata = Math.max(1, Math.floor(live.length / stratumSize));
    for (let s = 0; s < nStrata; s++) {
      const [from, to] = [s, s + 1].map((k) => Math.floor((k * live.length) / nStrata));
      rankAgainst(p, similarity, live.subarray(from, to), nulls);
    }
  }
  return { p, q: falseDiscovery(p) };
}

/**
 * Which features have a match that is no better than chance, or none: q ≥ 0.05.
 *
 * @param match The match.
 * @param nulls Best cosines with rotated tokens: R of `[S]`; if there are none, nothing is known.
 * @returns The test of a source feature.
 */
export function strangersIn(
  match: Pick<Match, "similarity" | "sourceCounts">,
  nulls: readonly Float32Array[],
): (feature: number) => boolean {
  const { q } = significance(match, nulls);
  return (feature) => nulls.length > 0 && !(q[feature] < 0.05);
}

function rankAgainst(
  p: Float64Array,
  similarity: Float32Array,
  features: Uint32Array,
  nulls: readonly Float32Array[],
): void {
  const sorted = Float32Array.from(
    nulls.flatMap((of) => Array.from(features, (i) => Number.isNaN(of[i]) ? 0 : of[i])),
  ).sort();
  for (const i of features) {
    if (Number.isNaN(similarity[i])) continue;
    p[i] = (1 + sorted.length - lowerBound(sorted, similarity[i])) / (1 + sorted.length);
  }
}

// How many of some sorted values are below another.
function lowerBound(sorted: Float32Array, value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
