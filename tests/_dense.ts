import assert from "node:assert/strict";
import { type Activations, activationsOf, type Pair } from "../src/blocks.ts";
import type { Match } from "../src/match.ts";
import { sliceRows, type Sparse, transpose } from "../src/sparse.ts";

/** A pair in memory, cut into parts of as many rows as are told, over and over again. */
export function pairOf(source: Sparse, target: Sparse, sizes: readonly number[]): Pair {
  const cut = (matrix: Sparse): Activations => ({
    ...activationsOf(matrix),
    *parts() {
      for (let from = 0, to, i = 0; from < matrix.nRows; from = to, i++) {
        to = Math.min(from + sizes[i % sizes.length], matrix.nRows);
        yield sliceRows(matrix, from, to);
      }
    },
  });
  return { source: cut(source), target: cut(target) };
}

/**
 * Asserts that two matches of the same pair differ by no more than a tolerance in any cosine, and in
 * an index only where the two features are as similar, within the tolerance.
 *
 * No match counts as a cosine of 0: a device may find 1e-9 where there is nothing.
 *
 * @returns The largest difference of two cosines.
 */
export function assertNear(
  actual: Match,
  expected: Match,
  source: Sparse,
  target: Sparse,
  tolerance: number,
  message = "",
): number {
  const [s, t] = [transpose(source), transpose(target)];
  assert.deepEqual(actual.sourceCounts, expected.sourceCounts, message);
  assert.deepEqual(actual.targetCounts, expected.targetCounts, message);
  let largest = 0;
  const failures: string[] = [];
  for (const [index, cosine, from, to] of sides(s, t)) {
    for (let i = 0; i < from.nRows; i++) {
      const [got, wanted] = [actual[cosine][i], expected[cosine][i]].map(orZero);
      const [j, k] = [actual[index][i], expected[index][i]];
      // What the feature that was found has, in double.
      const found = j === k ? wanted : j < 0 ? 0 : cosineOfRows(from, i, to, j);
      const difference = Math.max(Math.abs(got - wanted), Math.abs(found - wanted));
      largest = Math.max(largest, difference);
      const isAbsent = j < 0 === Number.isNaN(actual[cosine][i]);
      if (difference <= tolerance && isAbsent) continue;
      failures.push(`${index}[${i}] is ${j} with ${got}, expected ${k} with ${wanted}`);
    }
  }
  const first = failures.slice(0, 5).join("; ");
  assert(failures.length === 0, `${message}: ${failures.length} differ by ${largest}: ${first}`);
  return largest;
}

function sides(s: Sparse, t: Sparse) {
  return [
    ["best", "similarity", s, t],
    ["runnerUp", "runnerUpSimilarity", s, t],
    ["reverse", "reverseSimilarity", t, s],
  ] as const;
}

function orZero(cosine: number): number {
  return Number.isNaN(cosine) ? 0 : cosine;
}

// The cosine of a row of one matrix with a row of another, in double.
function cosineOfRows(a: Sparse, i: number, b: Sparse, j: number): number {
  const row = new Map<number, number>();
  let [dot, a2, b2] = [0, 0, 0];
  for (let e = a.offsets[i]; e < a.offsets[i + 1]; e++) {
    row.set(a.columns[e], a.values[e]);
    a2 += a.values[e] ** 2;
  }
  for (let e = b.offsets[j]; e < b.offsets[j + 1]; e++) {
    dot += (row.get(b.columns[e]) ?? 0) * b.values[e];
    b2 += b.values[e] ** 2;
  }
  return dot / Math.sqrt(a2 * b2);
}

/** The least memory in which a pair is matched: tiles of one feature, chunks of 256 tokens. */
export function leastMemory({ source: { nCols: nSource, nRows: nTokens } }: Pair): number {
  return 12 * nSource + 8 * Math.min(nTokens, 256) * (nSource + 1);
}
