/**
 * Sums of products of activations, and the best of them: the match without its threads.
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
import { addDistant, addProducts } from "./products.ts";
import type { ColumnSums } from "./sparse.ts";

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
  block: Block,
  [from, to]: Range,
): void {
  for (let i = from; i < to; i++) {
    const row = sums.subarray((i - first) * nTarget, (i - first + 1) * nTarget);
    addProducts(row, i, block);
  }
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
  const bounds = boundsOf(norms.target);
  for (let range = next(); range !== undefined; range = next()) {
    for (let i = range[0]; i < range[1]; i++) {
      const row = sums.subarray((i - first) * nTarget, (i - first + 1) * nTarget);
      offerRow(match, i, row, Math.sqrt(norms.source.squares[i]), bounds);
    }
  }
  return match;
}

/**
 * The matches of some source features with all blocks at hand, one feature at a time.
 *
 * Takes Σₙ nnz(aₙ) · nnz(bₙ) multiply-adds, and 12 T bytes of scratch.
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
  const bounds = boundsOf(norms.target);
  const row = new Float64Array(bounds.norms.length);
  const touched = new Uint32Array(row.length); // targets with a sum, as far as there is room
  for (let range = next(); range !== undefined; range = next()) {
    for (let i = range[0]; i < range[1]; i++) {
      let nTouched = 0;
      for (const block of blocks) nTouched = addDistant(row, touched, nTouched, i, block);
      const norm = Math.sqrt(norms.source.squares[i]);
      if (nTouched <= touched.length) {
        offerTouched(match, i, row, touched.subarray(0, nTouched), norm, bounds);
      } else {
        offerRow(match, i, row, norm, bounds);
        row.fill(0);
      }
    }
  }
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

/** What every target feature must be compared with. */
interface Bounds {
  /** Its length. */
  readonly norms: Float64Array;
  /** A little more than 1 / length. */
  readonly nearInverses: Float64Array;
}

function boundsOf({ squares }: ColumnSums): Bounds {
  const norms = squares.map(Math.sqrt);
  // More than what rounding to float32, and the products themselves, can take away.
  return { norms, nearInverses: norms.map((norm) => (1 + 2 ** -20) / norm) };
}

// Lets every target compete for source feature i, from its sums.
function offerRow(
  match: Match,
  i: number,
  row: Float64Array,
  norm: number,
  bounds: Bounds,
): void {
  for (let j = 0; j < row.length; j = j + 1 | 0) {
    if (row[j] > 0) offerDot(match, i, j, row[j], norm, bounds);
  }
}

// Lets some targets compete, and leaves zeros.
function offerTouched(
  match: Match,
  i: number,
  row: Float64Array,
  touched: Uint32Array,
  norm: number,
  bounds: Bounds,
): void {
  for (let t = 0; t < touched.length; t = t + 1 | 0) {
    const j = touched[t];
    const dot = row[j];
    row[j] = 0;
    if (dot > 0) offerDot(match, i, j, dot, norm, bounds);
  }
}

// Lets target j compete for source feature i, if it can win. Most are neither among the two best of
// i nor have i as their best, which a product shows sooner than the division that defines the
// cosine; NaN is for none yet, and less than nothing.
function offerDot(
  match: Match,
  i: number,
  j: number,
  dot: number,
  norm: number,
  { norms, nearInverses }: Bounds,
): void {
  const atMost = dot * nearInverses[j];
  if (atMost < norm * match.runnerUpCosine[i] && atMost < norm * match.reverseCosine[j]) return;
  offer(match, i, j, Math.fround(dot / (norm * norms[j])));
}
