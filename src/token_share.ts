/**
 * Which features the token alone explains, and which need what stands before it.
 *
 * F = features, N = tokens, K = distinct token ids among them.
 *
 * @module
 */

import type { Activations } from "./blocks.ts";
import { indexArray } from "./sparse.ts";

/** What a feature depends on: the token alone, the context, or some of both. */
export type TokenClass = "token" | "mixed" | "context";

/**
 * How much of the variance of every feature the id of the current token alone explains.
 *
 * share = 1 − (1 − R²) (N − 1) / (N − K), R² = 1 − Σₙ (aₙ − mean at the id of n)² / Σₙ (aₙ − mean)²
 *
 * It is 1 for a feature that is a function of the token. It is the adjusted R² of a least-squares
 * fit with one level an id: over all orders of the activations its mean is 0, so that one that
 * has nothing to do with the token has a share near 0, however many ids occur once. So it may be
 * below 0, a little where N is far above K, and is kept. R² itself would be near (K − 1) / (N − 1)
 * there. It speaks of these tokens: read it with care for a feature that fires on few of them.
 *
 * NaN for a feature that does not vary (a dead one among them), and for all if N ≤ K.
 *
 * Sums run in token order in double precision, about the means: the result is the same to the last
 * bit whatever the memory and the parts. Equal activations at equal ids leave exactly 0 within.
 *
 * Reads the activations once to count them, then once for as many features as `memory` has room
 * for, at 6 bytes an activation (8 if K > 65,536); one that needs more by itself is given it.
 * For 30 million activations of 640,000 tokens that is three readings.
 *
 * @param activations A row a token: `[N, F]`.
 * @param ids Id of each token: `[N]`.
 * @param options `memory`: bytes of scratch, 128 MiB if left out.
 * @returns Shares, at most 1: `[F]`.
 * @throws {RangeError} If there are not as many ids as tokens, or the memory is not above 0.
 * @see {@link https://doi.org/10.1073/pnas.21.9.554 | Kelley 1935}, whose ε² it is; `rsquared_adj`
 *   of statsmodels' OLS on one dummy variable an id.
 *
 * @example The first feature is the token 7, the second is its place
 * ```ts
 * import assert from "node:assert/strict";
 * import { activationsOf } from "./blocks.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const activations = activationsOf(sparsify(new Float32Array([3, 1, 0, 1, 3, 0, 0, 0]), 2));
 *
 * assert.deepEqual([...await tokenShares(activations, [7, 5, 7, 5])], [1, -0.5]);
 * ```
 */
export async function tokenShares(
  activations: Activations,
  ids: ArrayLike<number>,
  { memory = 2 ** 27 }: { readonly memory?: number } = {},
): Promise<Float64Array> {
  const { nRows, nCols } = activations;
  if (ids.length !== nRows) {
    throw new RangeError(
      `Cannot tell what tokens explain: expected ${nRows} ids, got ${ids.length}; ` +
        "give the id of every token that the activations are of",
    );
  }
  if (!(memory > 0)) {
    throw new RangeError(`Cannot tell what tokens explain: expected memory above 0, got ${memory}`);
  }
  const shares = new Float64Array(nCols).fill(NaN);
  const groups = groupTokens(ids);
  if (nRows <= groups.sizes.length) return shares;

  const counts = await countColumns(activations);
  const entryBytes = groups.of.BYTES_PER_ELEMENT + 4;
  // Beside the entries: of each token its group, of each group 20 bytes, of each feature 16.
  const fixed = groups.of.byteLength + 20 * groups.sizes.length + 16 * nCols;
  const passes = planPasses(counts, Math.floor((memory - fixed) / entryBytes));
  const room = passes.reduce((most, { nEntries }) => Math.max(most, nEntries), 0);
  const entries = {
    groups: indexArray(groups.sizes.length, room),
    values: new Float32Array(room),
    ends: new Uint32Array(nCols),
  };
  const scratch = scratchFor(groups);
  for (const pass of passes) {
    await collect(activations, groups, counts, pass, entries);
    for (let f = pass.from; f < pass.to; f++) {
      const [start, end] = [entries.ends[f] - counts[f], entries.ends[f]];
      const [of, values] = [
        entries.groups.subarray(start, end),
        entries.values.subarray(start, end),
      ];
      shares[f] = shareOf(of, values, groups, scratch);
    }
  }
  return shares;
}

/**
 * What a feature depends on, by thirds of its variance: "token" if the token alone explains two
 * thirds or more of it, "context" if less than one third, "mixed" between.
 *
 * The thirds are a convention, for counting and colouring; no gap in the shares is implied.
 * "context" is what the current token does not explain: earlier tokens, position, and noise.
 *
 * @param share One of {@linkcode tokenShares}; it may be below 0.
 * @returns The class; null of NaN.
 *
 * @example Two thirds belong to the token, one third to both
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const classes = [1, 2 / 3, 1 / 3, -0.01, NaN].map(tokenClass);
 *
 * assert.deepEqual(classes, ["token", "token", "mixed", "context", null]);
 * ```
 */
export function tokenClass(share: number): TokenClass | null {
  if (Number.isNaN(share)) return null;
  if (share >= 2 / 3) return "token";
  return share < 1 / 3 ? "context" : "mixed";
}

// Tokens of the same id are a group; groups are numbered as they first come.
interface Groups {
  // Group of each token: [N].
  readonly of: Uint16Array | Uint32Array;
  // Tokens of each group: [K].
  readonly sizes: Uint32Array;
}

function groupTokens(ids: ArrayLike<number>): Groups {
  const groupOf = new Map<number, number>();
  for (let n = 0; n < ids.length; n++) {
    if (!groupOf.has(ids[n])) groupOf.set(ids[n], groupOf.size);
  }
  const of = indexArray(groupOf.size, ids.length);
  const sizes = new Uint32Array(groupOf.size);
  for (let n = 0; n < of.length; n++) {
    of[n] = groupOf.get(ids[n])!;
    sizes[of[n]]++;
  }
  return { of, sizes };
}

async function countColumns(activations: Activations): Promise<Uint32Array> {
  const counts = new Uint32Array(activations.nCols);
  for await (const { columns } of activations.parts()) {
    for (let e = 0; e < columns.length; e++) counts[columns[e]]++;
  }
  return counts;
}

// The features of one reading, and how often they fire.
interface Pass {
  readonly from: number;
  readonly to: number;
  readonly nEntries: number;
}

// As many features a pass as there is room for, at least one that fires; none if none fires.
function planPasses(counts: Uint32Array, room: number): Pass[] {
  const passes: Pass[] = [];
  let [from, nEntries] = [0, 0];
  counts.forEach((count, f) => {
    if (nEntries > 0 && nEntries + count > room) {
      passes.push({ from, to: f, nEntries });
      [from, nEntries] = [f, 0];
    }
    nEntries += count;
  });
  return nEntries > 0 ? [...passes, { from, to: counts.length, nEntries }] : passes;
}

// Entries of some features, all of a feature together, in token order.
interface Entries {
  readonly groups: Uint16Array | Uint32Array;
  readonly values: Float32Array;
  // One past the last entry of each feature of the pass: [F].
  readonly ends: Uint32Array;
}

// Reads the rows, and writes the entries of a pass over those of the one before.
async function collect(
  activations: Activations,
  { of }: Groups,
  counts: Uint32Array,
  { from, to }: Pass,
  entries: Entries,
): Promise<void> {
  const { groups, values, ends } = entries;
  for (let f = from, start = 0; f < to; start += counts[f++]) ends[f] = start;
  let n = 0;
  for await (const part of activations.parts()) {
    const { nRows, offsets, columns } = part;
    for (let r = 0; r < nRows; r++, n++) {
      for (let e = offsets[r]; e < offsets[r + 1]; e++) {
        const f = columns[e];
        if (f < from) continue;
        if (f >= to) break; // columns ascend within a row
        const at = ends[f]++;
        groups[at] = of[n];
        values[at] = part.values[e];
      }
    }
  }
}

// What is kept of each group, zero between features, and the groups in which the feature fires.
interface Scratch {
  readonly means: Float64Array;
  readonly fired: Uint32Array;
  readonly touched: Uint32Array;
}

function scratchFor({ sizes: { length } }: Groups): Scratch {
  return {
    means: new Float64Array(length),
    fired: new Uint32Array(length),
    touched: new Uint32Array(length),
  };
}

// The share of one feature, from the tokens on which it fires: their groups and its activations.
function shareOf(
  groups: Uint16Array | Uint32Array,
  values: Float32Array,
  { of: { length: N }, sizes }: Groups,
  { means, fired, touched }: Scratch,
): number {
  let sum = 0;
  let nTouched = 0;
  for (let e = 0; e < values.length; e++) {
    const k = groups[e];
    if (fired[k]++ === 0) touched[nTouched++] = k;
    means[k] += values[e];
    sum += values[e];
  }
  // Where the feature is silent it is 0, and as far from a mean as the mean is from 0.
  const mean = sum / N;
  let total = (N - values.length) * mean * mean;
  let within = 0;
  for (let t = 0; t < nTouched; t++) {
    const k = touched[t];
    means[k] /= sizes[k];
    within += (sizes[k] - fired[k]) * means[k] * means[k];
  }
  for (let e = 0; e < values.length; e++) {
    const [fromAll, fromGroup] = [values[e] - mean, values[e] - means[groups[e]]];
    total += fromAll * fromAll;
    within += fromGroup * fromGroup;
  }
  for (let t = 0; t < nTouched; t++) means[touched[t]] = fired[touched[t]] = 0;
  return total > 0 ? 1 - (within / total) * ((N - 1) / (N - sizes.length)) : NaN;
}
