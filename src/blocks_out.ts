/**
 * The way of sparse activations out of a graph: not the dense matrix, but its blocks of 16
 * consecutive features that are not all zero, and where they lie.
 *
 * At an L0 of 45 of 8,192 features a twelfth of the matrix comes out, after a scan of it at the
 * speed of memory; where thousands fire, all of it, in twice the memory.
 *
 * N = tokens, F = d_sae, W = width of a block, K = blocks that are not all zero.
 *
 * @module
 */

import type { Builder, Value } from "./onnx.ts";
import { indexArray, type Sparse, sparsify } from "./sparse.ts";

/** What a graph gives of some tokens. */
export type Encoded = DenseEncoded | BlockEncoded;

/** Activations as a dense matrix. */
export interface DenseEncoded {
  /** What the SAE reconstructs, row-major: `[N, D]`. */
  readonly x: Float32Array;
  /** Activations, row-major: `[N, F]`. */
  readonly activations: Float32Array;
}

/** Activations as the blocks that are not all zero. */
export interface BlockEncoded {
  /** What the SAE reconstructs, row-major: `[N, D]`. */
  readonly x: Float32Array;
  /** Blocks, row-major: `[K, W]`. */
  readonly blocks: Float32Array;
  /** Which of the F/W blocks of which of the N rows each is, counted through, ascending: `[K]`. */
  readonly places: Int32Array;
}

/**
 * The number of features in a block: the largest power of two up to 16 that divides them all.
 *
 * @param nFeatures F.
 * @returns W; 1 where F is odd, which is right as well, and slow.
 */
export function blockWidth(nFeatures: number): number {
  let width = 16;
  while (nFeatures % width !== 0) width /= 2;
  return width;
}

/**
 * The blocks of a matrix that are not all zero, and their places, in a graph.
 *
 * A block is told by its sum, which NaN passes through, as it does not through a maximum; so no
 * value may be below zero, lest some cancel.
 *
 * @param b Grows the graph.
 * @param activations Values from zero up, or NaN: `[N, F]`.
 * @param nFeatures F.
 * @returns `blocks`, float32 `[K, W]`, and `places`, int32 `[K]`.
 */
export function blocksOf(
  b: Builder,
  activations: Value,
  nFeatures: number,
): { readonly blocks: Value; readonly places: Value } {
  const all = b.op("Reshape", [activations, b.ints(-1, blockWidth(nFeatures))]);
  const sums = b.op("ReduceSum", [all, b.ints(1)], { keepdims: 0n });
  const places = b.op("Squeeze", [b.op("NonZero", [sums]), b.ints(0)]);
  return {
    blocks: b.op("Gather", [all, places], { axis: 0n }),
    places: b.op("Cast", [places], { to: 6n }), // int32
  };
}

/**
 * The sparse rows of what a graph gave.
 *
 * Zero is never kept. NaN is: it is for the caller to find.
 *
 * Cost: reads the blocks once, and allocates 6 or 8 bytes a value of theirs.
 *
 * @param encoded What came out.
 * @param nFeatures F.
 * @param options Activations of a smaller size are dropped; only the first `nRows` rows are taken.
 * @returns The rows: `[nRows, F]`.
 *
 * @example Two rows of four features
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const x = new Float32Array(2);
 * const blocks = new Float32Array([0, 2, 0, 0, 3, 0, 0, 1]);
 * const rows = sparseRows({ x, blocks, places: new Int32Array([0, 1]) }, 4, { nRows: 2 });
 *
 * assert.deepEqual([...rows.offsets], [0, 1, 3]);
 * assert.deepEqual([...rows.columns], [1, 0, 3]);
 * assert.deepEqual([...rows.values], [2, 3, 1]);
 * ```
 */
export function sparseRows(
  encoded: Encoded,
  nFeatures: number,
  { nRows, threshold = 0 }: { readonly nRows: number; readonly threshold?: number },
): Sparse {
  if ("activations" in encoded) {
    return sparsify(encoded.activations.subarray(0, nRows * nFeatures), nFeatures, threshold);
  }
  const { blocks, places } = encoded;
  const width = blockWidth(nFeatures);
  const perRow = nFeatures / width;
  const offsets = new Uint32Array(nRows + 1);
  const columns = indexArray(nFeatures, blocks.length);
  const values = new Float32Array(blocks.length);
  let nnz = 0;
  for (let k = 0, row = 0, end = perRow; row < nRows; row++, end += perRow) {
    for (; k < places.length && places[k] < end; k++) {
      const column = (places[k] - (end - perRow)) * width;
      for (let e = k * width, c = 0; c < width; c++, e++) {
        const value = blocks[e];
        if (value === 0 || Math.abs(value) < threshold) continue;
        columns[nnz] = column + c;
        values[nnz++] = value;
      }
    }
    offsets[row + 1] = nnz;
  }
  return {
    nRows,
    nCols: nFeatures,
    offsets,
    columns: columns.slice(0, nnz),
    values: values.slice(0, nnz),
  };
}
