import { randomFrom } from "../src/random.ts";
import type { Sparse } from "../src/sparse.ts";

/** Dense activations, of which about `density` are nonzero, and a quarter of these negative. */
export function randomDense(length: number, density: number, seed: number): Float32Array {
  const random = randomFrom(seed);
  return Float32Array.from({ length }, () => random() < density ? random() - 0.25 : 0);
}

/** The rows of a sparse matrix as plain arrays. */
export function toRows({ nRows, nCols, offsets, columns, values }: Sparse): number[][] {
  return Array.from({ length: nRows }, (_, r) => {
    const row: number[] = Array(nCols).fill(0);
    for (let e = offsets[r]; e < offsets[r + 1]; e++) row[columns[e]] = values[e];
    return row;
  });
}

/** Rows become columns. */
export function turned(rows: readonly number[][], nCols: number): number[][] {
  return Array.from({ length: nCols }, (_, c) => rows.map((row) => row[c]));
}

/** Matches as plain arrays. */
export interface NaiveMatch {
  readonly best: number[];
  readonly cosine: number[];
  readonly runnerUp: number[];
  readonly runnerUpCosine: number[];
  readonly reverse: number[];
  readonly reverseCosine: number[];
}

/** The definition of the match, as on a blackboard; a row is a feature over all tokens. */
export function naiveMatch(
  source: readonly number[][],
  target: readonly number[][],
): NaiveMatch {
  const forward = source.map((s) => ranked(s, target));
  const backward = target.map((t) => ranked(t, source));
  return {
    best: forward.map(([first]) => first?.index ?? -1),
    cosine: forward.map(([first]) => first?.cosine ?? NaN),
    runnerUp: forward.map(([, second]) => second?.index ?? -1),
    runnerUpCosine: forward.map(([, second]) => second?.cosine ?? NaN),
    reverse: backward.map(([first]) => first?.index ?? -1),
    reverseCosine: backward.map(([first]) => first?.cosine ?? NaN),
  };
}

// Features with a cosine above 0, the most similar first, ties by index.
function ranked(
  feature: readonly number[],
  others: readonly number[][],
): { index: number; cosine: number }[] {
  return others
    .map((other, index) => ({ index, cosine: Math.fround(cosineOf(feature, other)) }))
    .filter(({ cosine }) => cosine > 0)
    .sort((a, b) => b.cosine - a.cosine || a.index - b.index);
}

/** cos(a, b) = a · b / (‖a‖ ‖b‖) */
export function cosineOf(a: readonly number[], b: readonly number[]): number {
  return dot(a, b) / (Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b)));
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, n) => sum + x * b[n], 0);
}
