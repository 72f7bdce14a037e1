import { randomFrom } from "../src/random.ts";
import { sliceRows, type Sparse, sparsify } from "../src/sparse.ts";

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
  readonly similarity: number[];
  readonly runnerUp: number[];
  readonly runnerUpSimilarity: number[];
  readonly reverse: number[];
  readonly reverseSimilarity: number[];
}

type Measure = (a: readonly number[], b: readonly number[]) => number;

/** The definition of the match, as on a blackboard; a row is a feature over all tokens. */
export function naiveMatch(
  source: readonly number[][],
  target: readonly number[][],
  measureOf: Measure = cosineOf,
): NaiveMatch {
  const forward = source.map((s) => ranked(s, target, measureOf));
  const backward = target.map((t) => ranked(t, source, measureOf));
  return {
    best: forward.map(([first]) => first?.index ?? -1),
    similarity: forward.map(([first]) => first?.similarity ?? NaN),
    runnerUp: forward.map(([, second]) => second?.index ?? -1),
    runnerUpSimilarity: forward.map(([, second]) => second?.similarity ?? NaN),
    reverse: backward.map(([first]) => first?.index ?? -1),
    reverseSimilarity: backward.map(([first]) => first?.similarity ?? NaN),
  };
}

// Features with a similarity above 0, the most similar first, ties by index.
function ranked(
  feature: readonly number[],
  others: readonly number[][],
  measureOf: Measure,
): { index: number; similarity: number }[] {
  return others
    .map((other, index) => ({ index, similarity: Math.fround(measureOf(feature, other)) }))
    .filter(({ similarity }) => similarity > 0)
    .sort((a, b) => b.similarity - a.similarity || a.index - b.index);
}

/** cos(a, b) = a · b / (‖a‖ ‖b‖) */
export function cosineOf(a: readonly number[], b: readonly number[]): number {
  return dot(a, b) / (Math.sqrt(dot(a, a)) * Math.sqrt(dot(b, b)));
}

/** The correlation of two features. */
export function pearsonOf(a: readonly number[], b: readonly number[]): number {
  const centred = (x: readonly number[]) => x.map((v) => v - total(x) / x.length);
  return cosineOf(centred(a), centred(b));
}

/** The tokens that both fire on, of those that either does. */
export function iouOf(a: readonly number[], b: readonly number[]): number {
  const [both, either] = [a.filter((x, n) => x && b[n]), a.filter((x, n) => x || b[n])];
  return both.length / either.length;
}

/** Σ min(a, b) / Σ max(a, b) */
export function weightedJaccardOf(a: readonly number[], b: readonly number[]): number {
  const of = (choose: typeof Math.min) => total(a.map((x, n) => choose(x, b[n])));
  return of(Math.min) / of(Math.max);
}

function total(of: readonly number[]): number {
  return of.reduce((sum, x) => sum + x, 0);
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, n) => sum + x * b[n], 0);
}

/** Activations as SAEs have them, never negative, in parts as they come from a file. */
export function drawInParts(seed: number) {
  const random = randomFrom(seed);
  const [nTokens, nFeatures] = [10 + Math.floor(40 * random()), 2 + Math.floor(10 * random())];
  const rows = sparsify(randomDense(nTokens * nFeatures, 0.4, seed).map(Math.abs), nFeatures);
  const cut = Math.floor(nTokens * random());
  return {
    random,
    rows,
    parts: [sliceRows(rows, 0, cut), sliceRows(rows, cut, nTokens)],
    features: turned(toRows(rows), nFeatures),
  };
}
