/**
 * Rows as they come, to batches as they are written, which do not depend on how the rows came.
 *
 * @module
 */

import type { EncodedRows } from "./encode_run.ts";
import { concatenate, sliceRows, type Sparse } from "./sparse.ts";

/** Most tokens of a batch. */
const maxRows = 16384;

/** Most activations of a batch, of two tokens or more: 25 or 34 MB. */
const maxEntries = 2 ** 22;

/** Takes rows in order. */
export interface RowBatches {
  /** The next rows. */
  add(encoded: EncodedRows): void;
  /** There are no more. */
  finish(): void;
}

/**
 * Joins and cuts rows into batches: a batch ends at 16,384 tokens, or before the token with which it
 * would hold more than 2²² activations. One token is never cut.
 *
 * @param write Takes each batch.
 * @param limits Where a batch ends.
 * @returns Takes the rows.
 *
 * @example Two tokens a batch
 * ```ts
 * import assert from "node:assert/strict";
 * import { sparsify } from "./sparse.ts";
 *
 * const sizes: number[] = [];
 * const batches = rowBatches(({ norms }) => sizes.push(norms.length), { rows: 2 });
 * batches.add({ rows: sparsify(new Float32Array(5), 1), norms: new Float32Array(5) });
 * batches.finish();
 *
 * assert.deepEqual(sizes, [2, 2, 1]);
 * ```
 */
export function rowBatches(
  write: (encoded: EncodedRows) => void,
  { rows: mostRows = maxRows, entries: mostEntries = maxEntries }: {
    readonly rows?: number;
    readonly entries?: number;
  } = {},
): RowBatches {
  const pendingNorms = new Float32Array(mostRows);
  let pending: Sparse[] = [];
  let [nRows, nEntries] = [0, 0];
  const flush = () => {
    if (nRows > 0) write({ rows: concatenate(pending), norms: pendingNorms.slice(0, nRows) });
    [pending, nRows, nEntries] = [[], 0, 0];
  };
  const take = (rows: Sparse, from: number, to: number) => {
    if (from < to) pending.push(sliceRows(rows, from, to));
  };
  return {
    add({ rows, norms }) {
      let from = 0;
      for (let row = 0; row < rows.nRows; row++) {
        const n = rows.offsets[row + 1] - rows.offsets[row];
        if (nRows === mostRows || (nRows > 0 && nEntries + n > mostEntries)) {
          take(rows, from, row);
          from = row;
          flush();
        }
        pendingNorms[nRows++] = norms[row];
        nEntries += n;
      }
      take(rows, from, rows.nRows);
    },
    finish: flush,
  };
}
