/**
 * The kernels of the match: sums of products of activations, and the best of them.
 *
 * Every sum runs in token order in double precision, in one thread, so that it is the same however
 * the tokens are cut into blocks and the features into shares.
 *
 * S = source features (the reference's), T = target features, R = tokens of a block.
 *
 * @module
 */

import type { Block } from "./blocks.ts";
import { emptyMatch, isBetter, type Match, offer } from "./match.ts";
import type { ColumnSums, Sparse } from "./sparse.ts";

/** Sums over all tokens, of both sides. */
export interface PairSums {
  /** Of the source: `[S]`. */
  readonly source: ColumnSums;
  /** Of the target: `[T]`. */
  readonly target: ColumnSums;
}

/** What some source features have in common with the target so far. */
export interface Dots {
  /** Number of target features, T. */
  readonly nTarget: number;
  /** The first of the source features; the others follow. */
  readonly first: number;
  /** Σₙ aₙᵢ bₙⱼ over the tokens seen, a row of T a source feature. */
  readonly sums: Float64Array;
}

/** Some consecutive source features: from <= i < to. */
export type Range = readonly [from: number, to: number];

/**
 * Adds the products of some source features on the tokens of a block.
 *
 * Takes Σₙ nnz(aₙ) · nnz(bₙ) multiply-adds, and reads 8 T bytes for every feature that fires.
 *
 * @param dots What to add to. It is changed.
 * @param block Both sides.
 * @param range The source features.
 */
export function addBlock(
  { nTarget, first, sums }: Dots,
  { source, target }: Block,
  [from, to]: Range,
): void {
  let seen = 0;
  for (let i = from; i < to; i++) {
    const start = source.offsets[i];
    const end = source.offsets[i + 1];
    if (start === end) continue;
    // Read from end to end, a row comes from memory far faster than at random.
    const row = sums.subarray((i - first) * nTarget, (i - first + 1) * nTarget);
    for (let j = 0; j < nTarget; j = j + 8 | 0) seen += row[j];
    addProducts(row, start, end, source, target);
  }
  checkSeen(seen);
}

/**
 * The matches of some source features, from the sums over all tokens.
 *
 * @param dots The sums.
 * @param norms Sums of squares over all tokens.
 * @param next Gives the next range of features, until there is none.
 * @returns The matches of these features, and for every target the best of these features.
 */
export function matchOfDots(
  { nTarget, first, sums }: Dots,
  norms: PairSums,
  next: () => Range | undefined,
): Match {
  const match = emptyMatch(norms.source.counts, norms.target.counts);
  const targetNorms = targetNormsOf(norms.target);
  for (let range = next(); range !== undefined; range = next()) {
    for (let i = range[0]; i < range[1]; i++) {
      const row = sums.subarray((i - first) * nTarget, (i - first + 1) * nTarget);
      offerRow(match, i, row, Math.sqrt(norms.source.squares[i]), targetNorms);
    }
  }
  return match;
}

/**
 * The match of some source features with all blocks at hand, one feature at a time.
 *
 * Takes Σₙ nnz(aₙ) · nnz(bₙ) multiply-adds, and 8 T bytes of scratch.
 *
 * @param blocks All blocks, in order.
 * @param norms Sums of squares over all tokens.
 * @param next Gives the next range of features, until there is none.
 * @returns The matches of these features, and for every target the best of these features.
 */
export function matchOfBlocks(
  blocks: readonly Block[],
  norms: PairSums,
  next: () => Range | undefined,
): Match {
  const match = emptyMatch(norms.source.counts, norms.target.counts);
  const targetNorms = targetNormsOf(norms.target);
  const nTarget = targetNorms.norms.length;
  const nnz = blocks.reduce((sum, { target }) => sum + target.values.length, 0);
  const l0 = nnz / blocks.reduce((sum, { target }) => sum + target.nRows, 0);
  const row = new Float64Array(nTarget);
  let seen = 0;
  for (let range = next(); range !== undefined; range = next()) {
    for (let i = range[0]; i < range[1]; i++) {
      if (norms.source.counts[i] === 0) continue;
      for (const { source, target } of blocks) {
        seen += addDistant(row, source.offsets[i], source.offsets[i + 1], source, target);
      }
      const norm = Math.sqrt(norms.source.squares[i]);
      if (norms.source.counts[i] * l0 < nTarget) {
        offerTouched(match, i, row, blocks, norm, targetNorms);
      } else {
        offerRow(match, i, row, norm, targetNorms);
        row.fill(0);
      }
    }
  }
  checkSeen(seen);
  return match;
}

/**
 * Joins the matches of shares that have no source feature in common.
 *
 * @param matches At least one.
 * @returns The match of all their features.
 */
export function joinMatches(matches: readonly Match[]): Match {
  const [first, ...others] = matches;
  for (const match of others) {
    for (let i = 0; i < first.best.length; i++) {
      if (match.best[i] < 0) continue;
      first.best[i] = match.best[i];
      first.cosine[i] = match.cosine[i];
      first.runnerUp[i] = match.runnerUp[i];
      first.runnerUpCosine[i] = match.runnerUpCosine[i];
    }
    for (let j = 0; j < first.reverse.length; j++) {
      const [i, cosine] = [match.reverse[j], match.reverseCosine[j]];
      if (i < 0 || !isBetter(cosine, i, first.reverseCosine[j], first.reverse[j])) continue;
      first.reverse[j] = i;
      first.reverseCosine[j] = cosine;
    }
  }
  return first;
}

// Uses what was read ahead of its use, which the engine would else leave out.
function checkSeen(seen: number): void {
  if (Number.isNaN(seen)) throw new RangeError("Cannot match activations: some are not numbers");
}

// Adds to every row[j] the products of a source feature's activations start <= e < end with those of
// target feature j, in token order. The loops below are where the time of a match goes. There is one
// for each width of index, since code that has seen both is compiled well for neither; arrays are
// arguments, since the engine does not keep the members of an object in registers; and "| 0" tells it
// that an index has 32 bits, which makes the loop a fifth faster.
function addProducts(
  row: Float64Array,
  start: number,
  end: number,
  { columns: tokens, values: firing }: Sparse,
  { offsets, columns, values }: Sparse,
): void {
  if (columns instanceof Uint16Array) {
    add16(row, start, end, tokens, firing, offsets, columns, values);
  } else {
    add32(row, start, end, tokens, firing, offsets, columns, values);
  }
}

function add16(
  row: Float64Array,
  start: number,
  end: number,
  tokens: Sparse["columns"],
  firing: Float32Array,
  offsets: Uint32Array,
  columns: Uint16Array,
  values: Float32Array,
): void {
  for (let e = start; e < end; e++) {
    const token = tokens[e];
    const value = firing[e];
    const last = offsets[token + 1] | 0;
    for (let k = offsets[token] | 0; k < last; k = k + 1 | 0) row[columns[k]] += value * values[k];
  }
}

function add32(
  row: Float64Array,
  start: number,
  end: number,
  tokens: Sparse["columns"],
  firing: Float32Array,
  offsets: Uint32Array,
  columns: Uint32Array,
  values: Float32Array,
): void {
  for (let e = start; e < end; e++) {
    const token = tokens[e];
    const value = firing[e];
    const last = offsets[token + 1] | 0;
    for (let k = offsets[token] | 0; k < last; k = k + 1 | 0) row[columns[k]] += value * values[k];
  }
}

// As addProducts, for a target far larger than the caches: looks at the ends of sixteen rows before
// it needs them, so that they come from memory together and not one after another. Returns what it
// saw, which the caller must use, or the looking is left out.
function addDistant(
  row: Float64Array,
  start: number,
  end: number,
  source: Sparse,
  target: Sparse,
): number {
  const { columns: tokens } = source;
  const { offsets, columns, values } = target;
  let seen = 0;
  for (let from = start; from < end; from += 16) {
    const to = Math.min(end, from + 16);
    for (let e = from; e < to; e++) {
      const first = offsets[tokens[e]];
      const last = offsets[tokens[e] + 1] - 1;
      if (first <= last) seen += columns[first] + columns[last] + values[first] + values[last];
    }
    addProducts(row, from, to, source, target);
  }
  return seen;
}

// Lets every target compete for source feature i, from its sums.
function offerRow(
  match: Match,
  i: number,
  row: Float64Array,
  norm: number,
  { norms, nearInverses }: TargetNorms,
): void {
  const { runnerUpCosine, reverseCosine } = match;
  const nearInverse = 1 / norm;
  for (let j = 0; j < row.length; j = j + 1 | 0) {
    const dot = row[j];
    if (!(dot > 0)) continue;
    // Most are neither among the two best of i nor the best of j, which a product shows sooner than
    // the division that defines the cosine; NaN is for none yet, and less than nothing.
    const atMost = dot * nearInverse * nearInverses[j];
    if (atMost < runnerUpCosine[i] && atMost < reverseCosine[j]) continue;
    offer(match, i, j, Math.fround(dot / (norm * norms[j])));
  }
}

/** Lengths of the target features, and what is a little more than their inverses. */
interface TargetNorms {
  readonly norms: Float64Array;
  readonly nearInverses: Float64Array;
}

function targetNormsOf({ squares }: ColumnSums): TargetNorms {
  const norms = squares.map(Math.sqrt);
  // More than what rounding to float32, and the products themselves, can take away.
  return { norms, nearInverses: norms.map((norm) => (1 + 2 ** -20) / norm) };
}

// The same where few targets have a sum, which are found by going through the rows again. Leaves
// zeros.
function offerTouched(
  match: Match,
  i: number,
  row: Float64Array,
  blocks: readonly Block[],
  norm: number,
  { norms }: TargetNorms,
): void {
  for (const { source, target } of blocks) {
    const { offsets, columns } = target;
    for (let e = source.offsets[i]; e < source.offsets[i + 1]; e++) {
      const token = source.columns[e];
      for (let k = offsets[token]; k < offsets[token + 1]; k++) {
        const j = columns[k];
        const dot = row[j];
        if (dot === 0) continue;
        row[j] = 0;
        if (dot > 0) offer(match, i, j, Math.fround(dot / (norm * norms[j])));
      }
    }
  }
}
