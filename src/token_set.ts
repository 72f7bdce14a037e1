/**
 * The tokens on which checkpoints are compared: all of them, or those that no mark leaves out.
 *
 * N = tokens of the sweep, K = tokens that are kept.
 *
 * @module
 */

import type { Activations } from "./blocks.ts";
import { concatenate, indexArray, type Sparse } from "./sparse.ts";

/** Marks of tokens that dominate uncentred similarities, by the bit that each has. */
export const tokenMarks = ["first", "padding", "outlier"] as const;

/** A mark of a token; see {@linkcode tokenSet}. */
export type TokenMark = typeof tokenMarks[number];

/** Tokens that are compared. */
export interface TokenSet {
  /** Token ids of those that are kept: `[K]`. */
  readonly ids: Uint32Array;
  /** First kept token of every sequence that has one, then K. */
  readonly starts: Uint32Array;
  /** Marks of those that are kept, bit m for `tokenMarks[m]`: `[K]`. */
  readonly marks: Uint8Array;
  /** 1 where a token of the sweep is kept: `[N]`. */
  readonly isKept: Uint8Array;
}

/** What {@linkcode tokenSet} makes a set of. */
export interface TokenSetParts {
  /** Token ids: `[N]`. */
  readonly ids: Uint32Array;
  /** Positions of a sequence. */
  readonly contextSize: number;
  /** Norms of what the reference's SAE reads: `[N]`. */
  readonly norms: Float32Array;
  /** Id of padding, if there is any. */
  readonly padding?: number | undefined;
  /** Id of a token that begins texts, wherever it stands, if there is any. */
  readonly bos?: number | undefined;
  /** A token is an outlier if its norm is above so many medians. */
  readonly outlierNorm?: number;
  /** Marks whose tokens are left out; none by default. */
  readonly leaveOut?: readonly TokenMark[];
}

/**
 * Marks tokens, and leaves some out.
 *
 * A token is "first" if it stands first in its sequence, where language models put an attention
 * sink whatever the token is, or if it is the BOS token; "padding" if it has that id; and "outlier" if
 * the norm of the reference's residual there is more than `outlierNorm` times the median: one set for
 * all checkpoints, so that their curves are of the same tokens.
 *
 * @param parts What to mark them by.
 * @returns The set.
 * @throws {RangeError} If no token is left.
 *
 * @example The first of every sequence of two
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const { ids, starts } = tokenSet({
 *   ids: new Uint32Array([5, 6, 7, 8]),
 *   contextSize: 2,
 *   norms: new Float32Array([1, 1, 1, 1]),
 *   leaveOut: ["first"],
 * });
 *
 * assert.deepEqual([[...ids], [...starts]], [[6, 8], [0, 1, 2]]);
 * ```
 */
export function tokenSet(
  { ids, contextSize, norms, padding, bos, outlierNorm = 10, leaveOut = [] }: TokenSetParts,
): TokenSet {
  const limit = outlierNorm * norms.toSorted()[norms.length >> 1];
  const isMarked: { readonly [M in TokenMark]: (n: number) => boolean } = {
    first: (n) => n % contextSize === 0 || ids[n] === bos,
    padding: (n) => ids[n] === padding,
    outlier: (n) => norms[n] > limit,
  };
  const marks = Uint8Array.from(
    ids,
    (_, n) => tokenMarks.reduce((bits, mark, m) => bits | (isMarked[mark](n) ? 1 << m : 0), 0),
  );
  const out = leaveOut.reduce((bits, mark) => bits | 1 << tokenMarks.indexOf(mark), 0);
  const isKept = marks.map((of) => (of & out) === 0 ? 1 : 0);
  const starts: number[] = [];
  let nKept = 0;
  for (let n = 0, last = -1; n < ids.length; n++) {
    if (isKept[n] === 0) continue;
    const sequence = Math.floor(n / contextSize);
    if (sequence !== last) starts.push(nKept);
    last = sequence;
    nKept++;
  }
  if (nKept === 0) {
    throw new RangeError(
      `Cannot compare ${ids.length} tokens without those marked ${leaveOut.join(", ")}: ` +
        "expected some that are left, got none",
    );
  }
  const kept = <A extends Uint32Array | Uint8Array>(of: A) => of.filter((_, n) => isKept[n]) as A;
  return {
    ids: kept(ids),
    starts: Uint32Array.from([...starts, nKept]),
    marks: kept(marks),
    isKept,
  };
}

/**
 * The activations on the tokens of a set alone.
 *
 * @param activations Of all tokens: `[N, F]`.
 * @param set The tokens.
 * @returns Of those that are kept, read as they are asked for; their number of activations is an
 *   estimate: `[K, F]`. The same object where all are kept.
 */
export function onTokens(activations: Activations, { isKept, ids }: TokenSet): Activations {
  const nRows = ids.length;
  if (nRows === activations.nRows) return activations;
  return {
    nRows,
    nCols: activations.nCols,
    nnz: Math.ceil(activations.nnz * nRows / activations.nRows),
    async *parts() {
      let first = 0;
      for await (const part of activations.parts()) {
        yield keepRows(part, isKept.subarray(first, first + part.nRows));
        first += part.nRows;
      }
    },
  };
}

function keepRows(part: Sparse, isKept: Uint8Array): Sparse {
  const { nCols, offsets, columns, values } = part;
  const nRows = isKept.reduce((sum, of) => sum + of, 0);
  if (nRows === part.nRows) return part;
  if (nRows === 0) return concatenate([], nCols);
  let nnz = 0;
  isKept.forEach((of, r) => nnz += of * (offsets[r + 1] - offsets[r]));
  const out = {
    nRows,
    nCols,
    offsets: new Uint32Array(nRows + 1),
    columns: indexArray(nCols, nnz),
    values: new Float32Array(nnz),
  };
  let [row, entry] = [0, 0];
  for (let r = 0; r < part.nRows; r++) {
    if (isKept[r] === 0) continue;
    out.columns.set(columns.subarray(offsets[r], offsets[r + 1]), entry);
    out.values.set(values.subarray(offsets[r], offsets[r + 1]), entry);
    out.offsets[++row] = entry += offsets[r + 1] - offsets[r];
  }
  return out;
}
