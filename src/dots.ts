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
import { countNear, emptyMatch, isBetter, type Match, offer, sumsOf, thresholds } from "./match.ts";
import { commonSumOf, measure, type Metric } from "./measures.ts";
import { addDistant, addProducts, addSmaller } from "./products.ts";
import type { ColumnSums } from "./sparse.ts";

/** What the features of two checkpoints are compared by. */
export interface Comparison {
  /** How alike two features are. */
  readonly metric: Metric;
  /** Number of tokens. */
  readonly nTokens: number;
  /** Sums over all tokens, of the source: `[S]`. */
  readonly source: ColumnSums;
  /** Sums over all tokens, of the target: `[T]`. */
  readonly target: ColumnSums;
}

/** What some source features have in common with the target so far. */
export interface Dots {
  /** Which sums are made. */
  readonly metric: Metric;
  /** Number of target features, T. */
  readonly nTarget: number;
  /** The first of the source features; the others follow. */
  readonly first: number;
  /** Σₙ aₙᵢ bₙⱼ, or of what the measure wants, over the tokens seen, a row of T a source feature. */
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
  { metric, nTarget, first, sums }: Dots,
  block: Block,
  [from, to]: Range,
): void {
  const add = addOf(metric);
  for (let i = from; i < to; i++) {
    const row = sums.subarray((i - first) * nTarget, (i - first + 1) * nTarget);
    add(row, i, block);
  }
}

// For "iou", activations come as ones, and their products are counts.
function addOf(metric: Metric): typeof addProducts {
  return commonSumOf[metric] === "smaller" ? addSmaller : addProducts;
}

/**
 * The matches of some source features, from the sums over all tokens.
 *
 * @param dots The sums.
 * @param comparison What they are compared by.
 * @param next Gives the next range of features, until there is none.
 * @returns The matches of these features, and for every target the best of these features.
 */
export function matchOfDots(
  { nTarget, first, sums }: Dots,
  comparison: Comparison,
  next: () => Range | undefined,
): Match {
  const match = emptyMatch(comparison.source.counts, comparison.target.counts);
  const judge = judgeOf(match, comparison);
  for (let range = next(); range !== undefined; range = next()) {
    for (let i = range[0]; i < range[1]; i++) {
      const row = sums.subarray((i - first) * nTarget, (i - first + 1) * nTarget);
      judge(i, row);
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
 * @param comparison What they are compared by.
 * @param next Gives the next range of features, until there is none.
 * @returns The matches of these features, and for every target the best of these features.
 */
export function matchOfBlocks(
  blocks: readonly Block[],
  comparison: Comparison,
  next: () => Range | undefined,
): Match {
  const { metric, source, target } = comparison;
  const match = emptyMatch(source.counts, target.counts);
  const judge = judgeOf(match, comparison);
  const add = addOf(metric);
  const row = new Float64Array(target.counts.length);
  const touched = new Uint32Array(row.length); // targets with a sum, as far as there is room
  for (let range = next(); range !== undefined; range = next()) {
    for (let i = range[0]; i < range[1]; i++) {
      if (add === addProducts) {
        let nTouched = 0;
        for (const block of blocks) nTouched = addDistant(row, touched, nTouched, i, block);
        judge(i, row, nTouched <= touched.length ? touched.subarray(0, nTouched) : undefined);
      } else {
        for (const block of blocks) add(row, i, block);
        judge(i, row);
      }
      row.fill(0);
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
    match.nearTargets.forEach((n, e) => first.nearTargets[e] += n);
    match.nearSources.forEach((n, e) => first.nearSources[e] += n);
    for (let i = 0; i < first.best.length; i++) {
      if (match.best[i] < 0) continue;
      first.best[i] = match.best[i];
      first.similarity[i] = match.similarity[i];
      first.runnerUp[i] = match.runnerUp[i];
      first.runnerUpSimilarity[i] = match.runnerUpSimilarity[i];
    }
    for (let j = 0; j < first.reverse.length; j++) {
      const [i, similarity] = [match.reverse[j], match.reverseSimilarity[j]];
      if (i < 0 || !isBetter(similarity, i, first.reverseSimilarity[j], first.reverse[j])) continue;
      first.reverse[j] = i;
      first.reverseSimilarity[j] = similarity;
    }
  }
  return first;
}

// Lets target features compete for source feature i by what they have in common: all of them, or
// those that were touched.
type Judge = (i: number, row: Float64Array, touched?: Uint32Array) => void;

function judgeOf(match: Match, comparison: Comparison): Judge {
  if (comparison.metric === "cosine") return cosineJudge(match, comparison);
  const { metric, nTokens, source, target } = comparison;
  return (i, row, touched) => {
    const from = sumsOf(source, i);
    const one = (j: number) => {
      if (!(row[j] > 0)) return;
      const of = Math.fround(measure(metric, row[j], from, sumsOf(target, j), nTokens));
      offer(match, i, j, of);
      countNear(match, i, j, of);
    };
    if (touched) once(touched, row, one);
    else for (let j = 0; j < row.length; j++) one(j);
  };
}

// Features may be written down twice: what was seen to is zero.
function once(touched: Uint32Array, row: Float64Array, see: (j: number) => void): void {
  for (const j of touched) {
    see(j);
    row[j] = 0;
  }
}

/** Of the largest distance that is counted, and a little less: no smaller cosine is near. */
const leastNear = 1 - thresholds[thresholds.length - 1] - 1e-6;

// Most pairs are neither among the two best of i, nor have i as their best, nor are near, which a
// product shows sooner than the division that defines the cosine; NaN is for none yet, and less than
// nothing.
function cosineJudge(match: Match, { source, target }: Comparison): Judge {
  const norms = target.squares.map(Math.sqrt);
  // More than what rounding to float32, and the products themselves, can take away.
  const nearInverses = norms.map((norm) => (1 + 2 ** -20) / norm);
  const { runnerUpSimilarity, reverseSimilarity } = match;
  const one = (i: number, j: number, dot: number, norm: number) => {
    const atMost = dot * nearInverses[j];
    const isNear = atMost >= norm * leastNear;
    if (
      !isNear && atMost < norm * runnerUpSimilarity[i] && atMost < norm * reverseSimilarity[j]
    ) return;
    const cosine = Math.fround(dot / (norm * norms[j]));
    offer(match, i, j, cosine);
    if (isNear) countNear(match, i, j, cosine);
  };
  return (i, row, touched) => {
    const norm = Math.sqrt(source.squares[i]);
    if (touched) {
      once(touched, row, (j) => {
        if (row[j] > 0) one(i, j, row[j], norm);
      });
    } else {
      for (let j = 0; j < row.length; j = j + 1 | 0) if (row[j] > 0) one(i, j, row[j], norm);
    }
  };
}
