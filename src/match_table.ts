/**
 * The matches of a checkpoint on disk: one file a side.
 *
 * S = features of the reference, T = features of the checkpoint, R = repetitions, B = replicas.
 *
 * @module
 */

import { openTable, writeTable } from "./arrow.ts";
import type { Column, ColumnTypes } from "./columns.ts";
import { DataError } from "./errors.ts";
import type { ByteSink, ByteSource } from "./files.ts";
import { inDegrees, type Match, mutualMatches, thresholds } from "./match.ts";
import { type Metric, metrics } from "./measures.ts";
import { readInfo, type TableInfo } from "./metadata.ts";
import { type Nulls, significance } from "./nulls.ts";
import type { PairScores } from "./pair_scores.ts";
import { type TokenMark, tokenMarks } from "./token_set.ts";

/** A match, and what goes with it. */
export interface Matched {
  /** Reference features against a checkpoint's. */
  readonly match: Match;
  /** The matches by every measure. */
  readonly best: PairScores;
  /** The runners-up by every measure. */
  readonly runnerUp: PairScores;
  /** How many tokens carry nine tenths of a match's Σₙ aₙ bₙ, 0 where there is none: `[S]`. */
  readonly support: Uint32Array;
  /** Share of Σₙ aₙ bₙ that marked tokens give, NaN where there is no match: `[S]` for each mark. */
  readonly markShares: Readonly<Record<TokenMark, Float32Array>>;
  /** Decoder cosine of every match, NaN where there is none: `[S]`. */
  readonly decoderCosine: Float32Array;
  /** How well features match by chance; none for the reference itself, or where none was asked for. */
  readonly nulls: Nulls;
}

/** What a match file says of itself, as JSON under the key `match` of its schema. */
export interface MatchInfo extends TableInfo {
  /** Step of the checkpoint. */
  readonly step: number;
  /** Step of the reference, or of the checkpoint that follows. */
  readonly reference: number;
  /** Tokens on which the two were compared. */
  readonly n_tokens: number;
  /** How alike two features are: the measure of the argmax. */
  readonly metric: Metric;
  /** Marks of tokens that were left out. */
  readonly left_out: readonly TokenMark[];
}

// A name, a type and values.
type Columns = Readonly<Record<string, readonly [ColumnTypes[string], Column["values"]]>>;

function write(sink: ByteSink, columns: Columns, info: MatchInfo): void {
  const part = <V>(of: (column: Columns[string]) => V) =>
    Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, of(column)]));
  writeTable(sink, part(([type]) => type), part(([, values]) => ({ values })), {
    match: JSON.stringify(info),
  });
}

const nearType = `fixed_size_list<uint32>[${thresholds.length}]` as const;

/**
 * Writes a match: one row a feature of the reference.
 *
 * @param sink Where the bytes go.
 * @param matched The match, and what goes with it.
 * @param replicas Similarities on tokens drawn anew: B of `[S]`.
 * @param info What it is.
 */
export function writeMatch(
  sink: ByteSink,
  matched: Matched,
  replicas: readonly Float32Array[],
  info: MatchInfo,
): void {
  const { match, best, runnerUp, nulls } = matched;
  const { p, q } = significance(match, nulls.rotated);
  write(sink, {
    feature: ["uint32", Uint32Array.from(match.best.keys())],
    match: ["uint32?", match.best],
    ...scoreColumns("", { ...best, [info.metric]: match.similarity }),
    runner_up: ["uint32?", match.runnerUp],
    ...scoreColumns("runner_up_", { ...runnerUp, [info.metric]: match.runnerUpSimilarity }),
    ...degreeColumns(match),
    decoder_cosine: ["float32?", matched.decoderCosine],
    support: ["uint32", matched.support],
    ...Object.fromEntries(
      tokenMarks.map((mark) => [`${mark}_share`, ["float32?", matched.markShares[mark]]]),
    ),
    p_value: ["float64?", p],
    q_value: ["float64?", q],
    ...listColumn("null_similarity", nulls.rotated),
    ...listColumn("token_null_similarity", nulls.sameToken),
    ...listColumn("replicas", replicas),
  }, info);
}

function scoreColumns(prefix: string, scores: PairScores): Columns {
  return {
    ...Object.fromEntries(
      metrics.map((metric) => [`${prefix}${metric}`, ["float32?", scores[metric]]]),
    ),
    [`${prefix}n_both`]: ["uint32", scores.nBoth],
  };
}

function degreeColumns(match: Match): Columns {
  const degrees = inDegrees(match);
  return {
    margin: [
      "float32?",
      match.similarity.map((of, i) => of - (match.runnerUpSimilarity[i] || 0)), // of no runner-up
    ],
    mutual: ["bool", mutualMatches(match)],
    in_degree: ["uint32", Uint32Array.from(match.best, (j) => j < 0 ? 0 : degrees[j])],
    near: [nearType, match.nearTargets],
    dead: ["bool", match.sourceCounts.map((n) => n === 0 ? 1 : 0)],
    n_active: ["uint32", match.sourceCounts],
  };
}

// A column of as many values a row as there are repetitions; none where there are none.
function listColumn(name: string, of: readonly Float32Array[]): Columns {
  const [R, S] = [of.length, of[0]?.length ?? 0];
  if (R === 0) return {};
  const values = Float32Array.from({ length: R * S }, (_, e) => of[e % R][Math.floor(e / R)]);
  return { [name]: [`fixed_size_list<float32>[${R}]?`, values] };
}

/**
 * Writes the match of a checkpoint with the one before it: one row a feature of the checkpoint.
 *
 * @param sink Where the bytes go.
 * @param match The match.
 * @param info What it is.
 */
export function writeLink(sink: ByteSink, match: Match, info: MatchInfo): void {
  write(sink, {
    feature: ["uint32", Uint32Array.from(match.best.keys())],
    match: ["uint32?", match.best],
    [info.metric]: ["float32?", match.similarity],
    runner_up: ["uint32?", match.runnerUp],
    [`runner_up_${info.metric}`]: ["float32?", match.runnerUpSimilarity],
    ...degreeColumns(match),
  }, info);
}

/**
 * Writes the other side of a match: one row a feature of the checkpoint.
 *
 * @param sink Where the bytes go.
 * @param match The match.
 * @param info What it is.
 */
export function writeReverse(sink: ByteSink, match: Match, info: MatchInfo): void {
  write(sink, {
    feature: ["uint32", Uint32Array.from(match.reverse.keys())],
    match: ["uint32?", match.reverse],
    [info.metric]: ["float32?", match.reverseSimilarity],
    in_degree: ["uint32", inDegrees(match)],
    near: [nearType, match.nearSources],
    dead: ["bool", match.targetCounts.map((n) => n === 0 ? 1 : 0)],
    n_active: ["uint32", match.targetCounts],
  }, info);
}

/**
 * Reads what a match file says of itself.
 *
 * @param source The file.
 * @returns Its description.
 * @throws {DataError} If it is not a match file of this format.
 */
export function readMatchInfo(source: ByteSource): Promise<MatchInfo> {
  return readInfo<MatchInfo>(source, "match", ["step", "reference", "n_tokens"]);
}

/**
 * Reads both sides of a match.
 *
 * @param forward The file that {@linkcode writeMatch} wrote.
 * @param reverse The file that {@linkcode writeReverse} wrote.
 * @returns The match and what goes with it, and the replicas: B of `[S]`.
 * @throws {DataError} If a file is broken.
 */
export async function readMatch(
  forward: ByteSource,
  reverse: ByteSource,
): Promise<{ readonly matched: Matched; readonly replicas: readonly Float32Array[] }> {
  const { metric } = await readMatchInfo(forward);
  const of = await readColumns(forward);
  const scores = (prefix: string): PairScores => ({
    nBoth: Uint32Array.from(of(`${prefix}n_both`)),
    cosine: Float32Array.from(of(`${prefix}cosine`)),
    pearson: Float32Array.from(of(`${prefix}pearson`)),
    iou: Float32Array.from(of(`${prefix}iou`)),
    weighted_jaccard: Float32Array.from(of(`${prefix}weighted_jaccard`)),
  });
  const share = (mark: TokenMark) => Float32Array.from(of(`${mark}_share`));
  const S = of("feature").length;
  const matched: Matched = {
    match: matchOf(of, await readColumns(reverse), metric),
    best: scores(""),
    runnerUp: scores("runner_up_"),
    support: Uint32Array.from(of("support")),
    markShares: {
      first: share("first"),
      padding: share("padding"),
      outlier: share("outlier"),
    },
    decoderCosine: Float32Array.from(of("decoder_cosine")),
    nulls: {
      rotated: apart(of("null_similarity", []), S),
      sameToken: apart(of("token_null_similarity", []), S),
    },
  };
  return { matched, replicas: apart(of("replicas", []), S) };
}

/**
 * Reads both sides of the match of a checkpoint with the one before it.
 *
 * @param forward The file that {@linkcode writeLink} wrote.
 * @param reverse The file that {@linkcode writeReverse} wrote.
 * @returns The match.
 * @throws {DataError} If a file is broken.
 */
export async function readLink(forward: ByteSource, reverse: ByteSource): Promise<Match> {
  const { metric } = await readMatchInfo(forward);
  return matchOf(await readColumns(forward), await readColumns(reverse), metric);
}

type Reader = (name: string, absent?: ArrayLike<number>) => ArrayLike<number>;

function matchOf(of: Reader, back: Reader, metric: Metric): Match {
  return {
    best: Int32Array.from(of("match")),
    similarity: Float32Array.from(of(metric)),
    runnerUp: Int32Array.from(of("runner_up")),
    runnerUpSimilarity: Float32Array.from(of(`runner_up_${metric}`)),
    reverse: Int32Array.from(back("match")),
    reverseSimilarity: Float32Array.from(back(metric)),
    sourceCounts: Uint32Array.from(of("n_active")),
    targetCounts: Uint32Array.from(back("n_active")),
    nearTargets: Uint32Array.from(of("near")),
    nearSources: Uint32Array.from(back("near")),
  };
}

// [S, R] to R of [S].
function apart(values: ArrayLike<number>, nRows: number): Float32Array[] {
  const R = values.length / nRows;
  return Array.from(
    { length: R },
    (_, r) => Float32Array.from({ length: nRows }, (_, i) => values[i * R + r]),
  );
}

// The columns of a table by name; one with a value for where it is absent may be.
async function readColumns(source: ByteSource): Promise<Reader> {
  const table = await openTable(source);
  for await (const batch of table.batches()) {
    return (name, absent) =>
      absent !== undefined && !table.names.includes(name) ? absent : batch.column(name);
  }
  throw new DataError("read", { where: source.name, expected: "a batch of rows", got: "none" });
}
