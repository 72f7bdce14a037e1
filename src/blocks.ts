/**
 * Activations of two checkpoints, a block of tokens at a time.
 *
 * S = source features (the reference's), T = target features, N = tokens, R = tokens of a block.
 *
 * @module
 */

import { type Allocate, ownMemory } from "./memory.ts";
import {
  type ColumnSums,
  columnSums,
  concatenate,
  indexArray,
  sliceRows,
  type Sparse,
  transpose,
} from "./sparse.ts";

/** Activations that are read in parts, from the first token each time. */
export interface Activations {
  /** Number of tokens, N. */
  readonly nRows: number;
  /** Number of features. */
  readonly nCols: number;
  /** Number of activations. */
  readonly nnz: number;
  /** Consecutive rows in token order, in parts of any size. */
  parts(): AsyncIterable<Sparse> | Iterable<Sparse>;
}

/** The activations of two checkpoints on the same tokens. */
export interface Pair {
  /** The checkpoint whose features are followed: `[N, S]`. */
  readonly source: Activations;
  /** The other one: `[N, T]`. */
  readonly target: Activations;
}

/**
 * Refuses a pair of other tokens, as far as their number tells.
 *
 * @param pair The pair.
 * @throws {RangeError} If the two have not the same number of tokens.
 */
export function checkTokens({ source, target }: Pair): void {
  if (source.nRows === target.nRows) return;
  throw new RangeError(
    `Cannot match features on ${source.nRows} tokens with features on ${target.nRows}: ` +
      "extract both checkpoints with the same --total-tokens",
  );
}

/** The same tokens of both checkpoints. */
export interface Block {
  /** When each source feature fires: `[S, R]`. */
  readonly source: Sparse;
  /** Which target features fire at each token: `[R, T]`. */
  readonly target: Sparse;
}

/**
 * A matrix in memory as activations that are read in parts.
 *
 * @param matrix A row a token.
 * @param size Rows of a part.
 * @returns The activations.
 */
export function activationsOf(matrix: Sparse, size: number = matrix.nRows): Activations {
  return {
    nRows: matrix.nRows,
    nCols: matrix.nCols,
    nnz: matrix.values.length,
    *parts() {
      for (let from = 0; from < matrix.nRows; from += size) {
        yield sliceRows(matrix, from, Math.min(matrix.nRows, from + size));
      }
    },
  };
}

/**
 * The same activations without their sizes: 1 wherever a feature fires.
 *
 * @param activations The activations.
 * @returns The ones.
 */
export function ones(activations: Activations): Activations {
  return {
    ...activations,
    async *parts() {
      for await (const part of activations.parts()) {
        yield { ...part, values: new Float32Array(part.values.length).fill(1) };
      }
    },
  };
}

/**
 * Cuts parts anew, into blocks of equally many rows, or of as many as is said.
 *
 * @param parts Consecutive rows, in parts of any size.
 * @param size Rows of a block, or of each by its number; the last may have fewer.
 * @returns The blocks.
 *
 * @example From three and one to two and two
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const parts = [sparsify(new Float32Array([1, 2, 3]), 1), sparsify(new Float32Array([4]), 1)];
 *
 * const blocks = await Array.fromAsync(rowBlocks(parts, 2));
 *
 * assert.deepEqual(blocks.map(({ values }) => [...values]), [[1, 2], [3, 4]]);
 * ```
 */
export async function* rowBlocks(
  parts: AsyncIterable<Sparse> | Iterable<Sparse>,
  size: number | ((block: number) => number),
): AsyncGenerator<Sparse> {
  const sizeOf = typeof size === "number" ? () => size : size;
  let kept: Sparse[] = []; // fewer rows together than the block has
  let [nKept, block] = [0, 0];
  for await (const part of parts) {
    let from = 0;
    while (from < part.nRows && part.nRows - from >= sizeOf(block) - nKept) {
      const to = from + sizeOf(block++) - nKept;
      const rows = sliceRows(part, from, to);
      yield nKept === 0 ? rows : concatenate([...kept, rows]);
      [kept, nKept, from] = [[], 0, to];
    }
    if (from < part.nRows) {
      kept.push(sliceRows(part, from, part.nRows));
      nKept += part.nRows - from;
    }
  }
  if (nKept > 0) yield concatenate(kept);
}

/**
 * Walks through two sequences together, reading both at the same time.
 *
 * @param left A sequence.
 * @param right Another, as long.
 * @returns Their members, side by side.
 * @throws {RangeError} If one ends before the other.
 *
 * @example Two and two
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const pairs = await Array.fromAsync(sideBySide([1, 2], ["a", "b"]));
 *
 * assert.deepEqual(pairs, [[1, "a"], [2, "b"]]);
 * ```
 */
export async function* sideBySide<L, R>(
  left: AsyncIterable<L> | Iterable<L>,
  right: AsyncIterable<R> | Iterable<R>,
): AsyncGenerator<[L, R]> {
  const [lefts, rights] = [iteratorOf(left), iteratorOf(right)];
  while (true) {
    const [l, r] = await Promise.all([lefts.next(), rights.next()]);
    if (l.done && r.done) return;
    if (l.done || r.done) throw new RangeError("Cannot walk side by side: one has fewer blocks");
    yield [l.value, r.value];
  }
}

function iteratorOf<T>(of: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  return Symbol.asyncIterator in of ? of[Symbol.asyncIterator]() : of[Symbol.iterator]();
}

/**
 * Turns some rows of the source into the source's side of a block, and adds up its sums.
 *
 * @param rows The same tokens as those of the target: `[R, S]`.
 * @param sums What to add to. They are changed.
 * @param allocate Where the result lies.
 * @returns When each feature fires: `[S, R]`.
 */
export function sourceSide(rows: Sparse, sums: ColumnSums, allocate: Allocate = ownMemory): Sparse {
  const side = transpose(rows, allocate);
  const { offsets, values } = side;
  for (let i = 0; i < side.nRows; i++) {
    let [sum, squares] = [sums.sums[i], sums.squares[i]];
    for (let e = offsets[i]; e < offsets[i + 1]; e++) {
      sum += values[e];
      squares += values[e] * values[e];
    }
    sums.sums[i] = sum;
    sums.squares[i] = squares;
    sums.counts[i] += offsets[i + 1] - offsets[i];
  }
  return side;
}

/**
 * Copies some rows of the target to where all that work on them can see them, and adds up its sums.
 *
 * @param rows The same tokens as those of the source: `[R, T]`.
 * @param sums What to add to. They are changed.
 * @param allocate Where the result lies.
 * @returns The rows.
 */
export function targetSide(rows: Sparse, sums: ColumnSums, allocate: Allocate = ownMemory): Sparse {
  columnSums(rows, sums);
  const { nRows, nCols, columns, values } = rows;
  const side = {
    nRows,
    nCols,
    offsets: allocate.uint32(nRows + 1),
    columns: indexArray(nCols, columns.length, allocate),
    values: allocate.float32(values.length),
  };
  side.offsets.set(rows.offsets);
  side.columns.set(columns);
  side.values.set(values);
  return side;
}
