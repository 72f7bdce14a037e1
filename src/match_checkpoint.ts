/**
 * One checkpoint against the reference: the match, what chance makes of it, and how sure it is.
 *
 * @module
 */

import type { Activations } from "./blocks.ts";
import { decoderCosines, type Match } from "./match.ts";
import type { Matched } from "./match_table.ts";
import type { Matcher } from "./matcher.ts";
import type { Metric } from "./measures.ts";
import { exchanged, type Nulls, rotated, rotations } from "./nulls.ts";
import { groupEnds, markedShares, nGroups, pairScores, replicas } from "./pair_scores.ts";
import { pairSums } from "./pair_sums.ts";
import { tokenMarks, type TokenSet } from "./token_set.ts";

/** What a checkpoint is compared with, and on what. */
export interface Comparison {
  /** Activations of the reference on the tokens that are compared. */
  readonly source: Activations;
  /** Decoder of the reference, row-major: `[S, D]`. */
  readonly decoder: Float32Array;
  /** The tokens. */
  readonly tokens: TokenSet;
  /** What matches. */
  readonly matcher: Matcher;
  /** How alike two features are: the measure of the matcher. */
  readonly metric: Metric;
}

/** How often something is tried, and by which seed. */
export interface Trials {
  /** Rotations of the tokens. */
  readonly nRotations: number;
  /** Exchanges of tokens among positions of the same token id. */
  readonly nExchanges: number;
  /** Replicas of the similarities. */
  readonly nReplicas: number;
  /** Seed of all. */
  readonly seed: number;
}

/**
 * Matches a checkpoint with the reference, and measures the matches.
 *
 * @param comparison The reference.
 * @param target Activations of the checkpoint on the same tokens.
 * @param decoder Its decoder, row-major: `[T, D]`.
 * @param trials How often chance is tried, and how many replicas are drawn; none for a match of the
 *   reference with itself.
 * @returns The match and what goes with it, and its replicas.
 */
export async function matchCheckpoint(
  comparison: Comparison,
  target: Activations,
  decoder: Float32Array,
  trials: Trials | undefined,
): Promise<{ readonly matched: Matched; readonly replicas: readonly Float32Array[] }> {
  const { source, tokens, matcher, metric } = comparison;
  const match = await matcher.match({ source, target });
  const sums = await pairSums({ source, target }, match, {
    groupEnds: groupEnds(tokens.starts, nGroups),
    marks: tokens.marks,
    nMarks: tokenMarks.length,
  });
  const [first, padding, outlier] = markedShares(sums);
  const matched: Matched = {
    match,
    best: pairScores(sums, match, "best"),
    runnerUp: pairScores(sums, match, "runnerUp"),
    support: sums.support.tokens(0.9),
    markShares: { first, padding, outlier },
    decoderCosine: decoderCosines(match.best, comparison.decoder, decoder),
    nulls: trials ? await nullsOf(comparison, target, trials) : { rotated: [], sameToken: [] },
  };
  return {
    matched,
    replicas: trials ? replicas(sums, match, { metric, ...trials }) : [],
  };
}

// The best similarity of every source feature where only chance can make it.
async function nullsOf(
  { source, tokens, matcher }: Comparison,
  target: Activations,
  { nRotations, nExchanges, seed }: Trials,
): Promise<Nulls> {
  const best = async (target: Activations): Promise<Match["similarity"]> =>
    (await matcher.match({ source, target })).similarity;
  const nulls = { rotated: [] as Float32Array[], sameToken: [] as Float32Array[] };
  for (const nRows of rotations(tokens.starts, nRotations, seed)) {
    nulls.rotated.push(await best(rotated(target, nRows)));
  }
  for (let k = 0; k < nExchanges; k++) {
    nulls.sameToken.push(await best(exchanged(target, tokens.ids, seed + k)));
  }
  return nulls;
}
