/**
 * What matched features have in common, on the tokens: every sum of which a measure is made, for the
 * winner and the runner-up of every source feature, in one more pass over the activations.
 *
 * S = source features, N = tokens, R = tokens of a block, G = groups of sequences.
 *
 * @module
 */

import { checkTokens, type Pair, rowBlocks, sideBySide } from "./blocks.ts";
import type { Match } from "./match.ts";
import { type ColumnSums, type Sparse, transpose, zeroSums } from "./sparse.ts";
import { type Support, supportMeter } from "./support.ts";

/** Sums over the tokens on which a source feature and its partner both fire. */
export interface PartnerSums {
  /** Number of these tokens, 0 where there is no partner: `[S]`. */
  readonly nBoth: Uint32Array;
  /** Σₙ aₙ bₙ: `[S]`. */
  readonly products: Float64Array;
  /** Σₙ min(aₙ, bₙ): `[S]`. */
  readonly smaller: Float64Array;
}

/** All sums of the pairs of a match. */
export interface PairSums {
  /** With the best target feature. */
  readonly best: PartnerSums;
  /** With the second best. */
  readonly runnerUp: PartnerSums;
  /** Over all tokens, of the source: `[S]`. */
  readonly source: ColumnSums;
  /** Over all tokens, of the target: `[T]`. */
  readonly target: ColumnSums;
  /** How many tokens carry the products with the best. */
  readonly support: Support;
  /** Σₙ aₙ bₙ with the best over the tokens of each mark alone: `[S]` for every mark. */
  readonly marked: readonly Float64Array[];
  /** The sums of every group of sequences, in order. */
  readonly groups: readonly GroupSums[];
}

/** Sums over the tokens of one group of sequences; what is left out of a replica, or taken twice. */
export interface GroupSums {
  /** Number of its tokens. */
  readonly nTokens: number;
  /** With the best target feature. */
  readonly best: PartnerSums;
  /** Of the source: `[S]`. */
  readonly source: ColumnSums;
  /** Of the target: `[T]`. */
  readonly target: ColumnSums;
}

/** What {@linkcode pairSums} is told beside the match. */
export interface PairSumsOptions {
  /** One past the last token of every group of sequences, ascending, the last being N: `[G]`. */
  readonly groupEnds?: readonly number[];
  /** Which marks a token has, a bit each: `[N]`. */
  readonly marks?: Uint8Array | undefined;
  /** Number of marks. */
  readonly nMarks?: number;
}

/** Most tokens of a block. */
const blockRows = 8192;

/**
 * Adds up what every source feature has in common with its best and its second-best target.
 *
 * Every sum over all tokens runs in token order in double precision.
 *
 * Takes a transpose of both sides, and about as many steps as the target has activations and the
 * source twice; 40 bytes a source feature and group, 20 a target feature and group, beside the blocks.
 *
 * @param pair Activations of both checkpoints.
 * @param match Their match.
 * @param options Groups of sequences, and marks of tokens.
 * @returns The sums.
 * @throws {RangeError} If the two, or the marks, have not the same number of tokens, or groups do not
 *   end one after another, the last with the last token.
 */
export async function pairSums(
  { source, target }: Pair,
  match: Pick<Match, "best" | "runnerUp">,
  { groupEnds = [source.nRows], marks, nMarks = 0 }: PairSumsOptions = {},
): Promise<PairSums> {
  checkTokens({ source, target });
  checkEnds(groupEnds, source.nRows);
  if (marks && marks.length !== source.nRows) {
    throw new RangeError(
      `Cannot add up marked tokens: expected marks of ${source.nRows}, got ${marks.length}`,
    );
  }
  const S = source.nCols;
  const all = {
    best: noSums(S),
    runnerUp: noSums(S),
    source: zeroSums(S),
    target: zeroSums(target.nCols),
  };
  const support = supportMeter(S);
  const marked = Array.from({ length: nMarks }, () => new Float64Array(S));
  const groups: GroupSums[] = [];
  const common = commonScratch(blockRows);
  const suitors = suitorsOf(match, target.nCols);

  const cuts = cutsOf(groupEnds);
  const sources = rowBlocks(source.parts(), (b) => cuts[b].nRows);
  const targets = rowBlocks(target.parts(), (b) => cuts[b].nRows);
  let [block, first] = [0, 0];
  for await (const [ours, theirs] of sideBySide(sources, targets)) {
    const { group } = cuts[block++];
    groups[group] ??= {
      nTokens: groupEnds[group] - (groupEnds[group - 1] ?? 0),
      best: noSums(S),
      source: zeroSums(S),
      target: zeroSums(target.nCols),
    };
    const into = groups[group];
    const [from, to] = [transpose(ours), transpose(theirs)];
    addSums(from, all.source, into.source);
    addSums(to, all.target, into.target);
    for (let j = 0; j < to.nRows; j++) {
      if (suitors.offsets[j] === suitors.offsets[j + 1] || to.offsets[j] === to.offsets[j + 1]) {
        continue;
      }
      common.begin(to, j);
      for (let p = suitors.offsets[j]; p < suitors.offsets[j + 1]; p++) {
        const i = suitors.features[p];
        common.meet(from, i);
        if (match.best[i] !== j) {
          common.addTo(all.runnerUp, i);
          continue;
        }
        common.addTo(all.best, i, into.best);
        support.add(i, common.products());
        if (marks) common.addMarked(marked, i, marks, first);
      }
      common.end(to, j);
    }
    first += ours.nRows;
  }
  return { ...all, support, marked, groups };
}

function checkEnds(groupEnds: readonly number[], nRows: number): void {
  const last = groupEnds[groupEnds.length - 1] ?? 0;
  const isAscending = groupEnds.every((end, g) => end > (groupEnds[g - 1] ?? 0));
  if (last === nRows && (isAscending || nRows === 0)) return;
  throw new RangeError(
    `Cannot add up groups of tokens: expected ends that increase to ${nRows}, ` +
      `got ${groupEnds.join(", ")}`,
  );
}

function noSums(nSource: number): PartnerSums {
  return {
    nBoth: new Uint32Array(nSource),
    products: new Float64Array(nSource),
    smaller: new Float64Array(nSource),
  };
}

// Blocks that end where groups end, and are not too large.
function cutsOf(
  groupEnds: readonly number[],
): { readonly group: number; readonly nRows: number }[] {
  return groupEnds.flatMap((end, group) => {
    const nRows = end - (groupEnds[group - 1] ?? 0);
    const nBlocks = Math.ceil(nRows / blockRows);
    return Array.from({ length: nBlocks }, (_, b) => ({
      group,
      nRows: Math.min(blockRows, nRows - b * blockRows),
    }));
  });
}

// The source features that have each target feature as their best or second best, which are two.
function suitorsOf({ best, runnerUp }: Pick<Match, "best" | "runnerUp">, nTarget: number) {
  const offsets = new Uint32Array(nTarget + 1);
  for (const partners of [best, runnerUp]) for (const j of partners) if (j >= 0) offsets[j + 1]++;
  for (let j = 0; j < nTarget; j++) offsets[j + 1] += offsets[j];
  const next = offsets.slice(0, nTarget);
  const features = new Uint32Array(offsets[nTarget]);
  for (const partners of [best, runnerUp]) {
    partners.forEach((j, i) => j >= 0 && (features[next[j]++] = i));
  }
  return { offsets, features };
}

// Adds the sums of every feature, a row each, to two sums at once.
function addSums({ nRows, offsets, values }: Sparse, all: ColumnSums, some: ColumnSums): void {
  for (let f = 0; f < nRows; f++) {
    const [from, to] = [offsets[f], offsets[f + 1]];
    if (from === to) continue;
    let [sum, squares, part, squaresOfPart] = [all.sums[f], all.squares[f], 0, 0];
    for (let e = from; e < to; e++) {
      const value = values[e];
      sum += value;
      part += value;
      squares += value * value;
      squaresOfPart += value * value;
    }
    all.sums[f] = sum;
    all.squares[f] = squares;
    all.counts[f] += to - from;
    some.sums[f] += part;
    some.squares[f] += squaresOfPart;
    some.counts[f] += to - from;
  }
}

// The tokens of a block on which a source feature and another both fire, in order.
function commonScratch(nRows: number) {
  const firing = new Float32Array(nRows); // of the target feature, by row; else 0
  const rows = new Uint32Array(nRows);
  const products = new Float64Array(nRows);
  const smaller = new Float32Array(nRows);
  let n = 0;
  return {
    /** Lays out target feature j, which many source features may have as a partner. */
    begin({ offsets, columns, values }: Sparse, j: number) {
      for (let e = offsets[j]; e < offsets[j + 1]; e++) firing[columns[e]] = values[e];
    },
    /** Takes it away again. */
    end({ offsets, columns }: Sparse, j: number) {
      for (let e = offsets[j]; e < offsets[j + 1]; e++) firing[columns[e]] = 0;
    },
    /** Finds its tokens with source feature i. */
    meet({ offsets, columns, values }: Sparse, i: number) {
      let found = 0;
      const end = offsets[i + 1];
      for (let e = offsets[i]; e < end; e++) {
        const row = columns[e];
        const b = firing[row];
        if (b === 0) continue;
        const a = values[e];
        rows[found] = row;
        products[found] = a * b;
        smaller[found] = a < b ? a : b;
        found = found + 1 | 0;
      }
      n = found;
    },
    products: () => products.subarray(0, n),
    /** Adds what was found to the sums of feature i over all tokens, and over those of a group. */
    addTo(all: PartnerSums, i: number, group?: PartnerSums) {
      if (n === 0) return;
      let [sum, least, part, leastOfPart] = [all.products[i], all.smaller[i], 0, 0];
      for (let e = 0; e < n; e++) {
        sum += products[e];
        part += products[e];
        least += smaller[e];
        leastOfPart += smaller[e];
      }
      all.products[i] = sum;
      all.smaller[i] = least;
      all.nBoth[i] += n;
      if (group === undefined) return;
      group.products[i] += part;
      group.smaller[i] += leastOfPart;
      group.nBoth[i] += n;
    },
    /** Adds the products on marked tokens. */
    addMarked(marked: readonly Float64Array[], i: number, marks: Uint8Array, first: number) {
      for (let e = 0; e < n; e++) {
        const of = marks[first + rows[e]];
        if (of === 0) continue;
        for (let m = 0; m < marked.length; m++) if (of >> m & 1) marked[m][i] += products[e];
      }
    },
  };
}
