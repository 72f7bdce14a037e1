/**
 * Sparse matrices in compressed-row form, the only matrix this package keeps.
 *
 * @module
 */

import { type Allocate, ownMemory } from "./memory.ts";

/**
 * A sparse matrix `[nRows, nCols]` in compressed-row form.
 *
 * The entries of row `r` are `offsets[r] <= e < offsets[r + 1]`.
 */
export interface Sparse {
  /** Number of rows. */
  readonly nRows: number;
  /** Number of columns. */
  readonly nCols: number;
  /** Where each row starts, then the number of entries: length `nRows + 1`. */
  readonly offsets: Uint32Array;
  /** Column of each entry, ascending within a row: length `nnz`. */
  readonly columns: Uint16Array | Uint32Array;
  /** Value of each entry, never zero: length `nnz`. */
  readonly values: Float32Array;
}

/**
 * An array for indices below a bound: 16 bits where they are enough, else 32.
 *
 * @param bound One more than the largest index.
 * @param length Number of elements.
 * @param allocate Where they lie.
 * @returns The array.
 */
export function indexArray(
  bound: number,
  length: number,
  allocate: Allocate = ownMemory,
): Uint16Array | Uint32Array {
  return bound <= 0x10000 ? allocate.uint16(length) : allocate.uint32(length);
}

/**
 * Keeps the entries of a dense matrix whose size is not below a threshold.
 *
 * Zero is never kept. NaN is: it is for the caller to find.
 *
 * Reads `dense` once, eight entries at a time where all are zero.
 *
 * @param dense Row-major values: length `nRows * nCols`.
 * @param nCols Number of columns.
 * @param threshold Entries with |a| below it are dropped.
 * @returns The kept entries.
 * @throws {RangeError} If `dense` is not a whole number of rows.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { offsets, columns } = sparsify(new Float32Array([0, 2, 0, 3, 0, 1]), 3);
 *
 * assert.deepEqual([...offsets], [0, 1, 3]);
 * assert.deepEqual([...columns], [1, 0, 2]);
 * ```
 */
export function sparsify(dense: Float32Array, nCols: number, threshold = 0): Sparse {
  const nRows = dense.length / nCols;
  if (!Number.isInteger(nRows)) {
    throw new RangeError(
      `Cannot read a matrix of ${nCols} columns from ${dense.length} values: ` +
        `the length must be a multiple of ${nCols}`,
    );
  }
  const bits = new Int32Array(dense.buffer, dense.byteOffset, dense.length);
  const offsets = new Uint32Array(nRows + 1);
  let columns = indexArray(nCols, Math.max(64, dense.length >> 5));
  let values = new Float32Array(columns.length);
  let nnz = 0;
  for (let r = 0; r < nRows; r++) {
    const [start, end] = [r * nCols, (r + 1) * nCols];
    if (nnz + nCols > columns.length) {
      [columns, values] = [grown(columns, nnz + nCols, nCols), grownFloats(values, nnz + nCols)];
    }
    for (let e = start; e < end;) {
      // Zeros of either sign may be skipped; only +0 is all bits zero, and -0 is dropped below.
      const isFull = e + 8 <= end;
      if (
        isFull &&
        (bits[e] | bits[e + 1] | bits[e + 2] | bits[e + 3] |
            bits[e + 4] | bits[e + 5] | bits[e + 6] | bits[e + 7]) === 0
      ) {
        e += 8;
        continue;
      }
      for (const stop = isFull ? e + 8 : end; e < stop; e++) {
        const value = dense[e];
        if (value === 0 || Math.abs(value) < threshold) continue;
        columns[nnz] = e - start;
        values[nnz++] = value;
      }
    }
    offsets[r + 1] = nnz;
  }
  return { nRows, nCols, offsets, columns: columns.slice(0, nnz), values: values.slice(0, nnz) };
}

function grown(
  from: Uint16Array | Uint32Array,
  least: number,
  bound: number,
): Uint16Array | Uint32Array {
  const to = indexArray(bound, Math.max(least, 2 * from.length));
  to.set(from);
  return to;
}

function grownFloats(from: Float32Array, least: number): Float32Array<ArrayBuffer> {
  const to = new Float32Array(Math.max(least, 2 * from.length));
  to.set(from);
  return to;
}

/**
 * Turns rows into columns: from by-token to by-feature, and back.
 *
 * @param matrix A matrix `[R, C]`.
 * @param allocate Where the result lies.
 * @returns The same entries as `[C, R]`, columns ascending.
 *
 * @example Twice is nothing
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const matrix = sparsify(new Float32Array([0, 2, 3, 0]), 2);
 *
 * assert.deepEqual(transpose(transpose(matrix)), matrix);
 * ```
 */
export function transpose(
  { nRows, nCols, offsets, columns, values }: Sparse,
  allocate: Allocate = ownMemory,
): Sparse {
  const out = {
    nRows: nCols,
    nCols: nRows,
    offsets: allocate.uint32(nCols + 1),
    columns: indexArray(nRows, columns.length, allocate),
    values: allocate.float32(values.length),
  };
  out.offsets.fill(0);
  // Count, then prefix-sum, then place: after placing, next[c] has reached offsets[c + 1].
  for (let e = 0; e < columns.length; e++) out.offsets[columns[e] + 1]++;
  for (let c = 0; c < nCols; c++) out.offsets[c + 1] += out.offsets[c];
  const next = out.offsets.slice(0, nCols);
  for (let r = 0; r < nRows; r++) {
    for (let e = offsets[r]; e < offsets[r + 1]; e++) {
      const to = next[columns[e]]++;
      out.columns[to] = r;
      out.values[to] = values[e];
    }
  }
  return out;
}

/** Sums over the rows of a matrix. */
export interface ColumnSums {
  /** Number of entries of each column: `[C]`. */
  readonly counts: Uint32Array;
  /** Their sum: `[C]`. */
  readonly sums: Float64Array;
  /** Sum of their squares: `[C]`. */
  readonly squares: Float64Array;
}

/**
 * Sums of every column, in row order and in double precision.
 *
 * @param matrix A matrix `[R, C]`.
 * @param of What to add to: the sums over the rows above. They are changed.
 * @returns The sums.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { counts, sums, squares } = columnSums(sparsify(new Float32Array([3, 0, 4, 0]), 2));
 *
 * assert.deepEqual([[...counts], [...sums], [...squares]], [[2, 0], [7, 0], [25, 0]]);
 * ```
 */
export function columnSums(
  { nCols, columns, values }: Sparse,
  of: ColumnSums = zeroSums(nCols),
): ColumnSums {
  const { counts, sums, squares } = of;
  for (let e = 0; e < columns.length; e++) {
    counts[columns[e]]++;
    sums[columns[e]] += values[e];
    squares[columns[e]] += values[e] * values[e];
  }
  return of;
}

/**
 * Sums over no rows.
 *
 * @param nCols Number of columns.
 * @returns Zeros.
 */
export function zeroSums(nCols: number): ColumnSums {
  return {
    counts: new Uint32Array(nCols),
    sums: new Float64Array(nCols),
    squares: new Float64Array(nCols),
  };
}

/**
 * Some consecutive rows.
 *
 * @param matrix A matrix `[R, C]`.
 * @param from The first row.
 * @param to One past the last row.
 * @returns The rows; entries are shared, not copied.
 */
export function sliceRows(
  { nCols, offsets, columns, values }: Sparse,
  from: number,
  to: number,
): Sparse {
  const [first, last] = [offsets[from], offsets[to]];
  return {
    nRows: to - from,
    nCols,
    offsets: offsets.subarray(from, to + 1).map((offset) => offset - first),
    columns: columns.subarray(first, last),
    values: values.subarray(first, last),
  };
}

/**
 * Joins matrices, one below the other.
 *
 * @param parts Matrices of the same width.
 * @param nCols Their width, where there may be none.
 * @returns All their rows, in order.
 *
 * @example Cutting and joining
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const matrix = sparsify(new Float32Array([0, 2, 3, 0, 1, 1]), 2);
 *
 * assert.deepEqual(concatenate([sliceRows(matrix, 0, 1), sliceRows(matrix, 1, 3)]), matrix);
 * ```
 */
export function concatenate(
  parts: readonly Sparse[],
  nCols: number = parts[0].nCols,
): Sparse {
  const nRows = parts.reduce((sum, part) => sum + part.nRows, 0);
  const nnz = parts.reduce((sum, part) => sum + part.columns.length, 0);
  const offsets = new Uint32Array(nRows + 1);
  const columns = indexArray(nCols, nnz);
  const values = new Float32Array(nnz);
  let [row, entry] = [0, 0];
  for (const part of parts) {
    for (let r = 0; r < part.nRows; r++) offsets[++row] = entry + part.offsets[r + 1];
    columns.set(part.columns, entry);
    values.set(part.values, entry);
    entry += part.columns.length;
  }
  return { nRows, nCols, offsets, columns, values };
}
