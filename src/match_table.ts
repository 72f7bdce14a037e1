/**
 * The matches of a checkpoint on disk: one file a side.
 *
 * S = features of the reference, T = features of the checkpoint.
 *
 * @module
 */

import { openTable, writeTable } from "./arrow.ts";
import type { ColumnTypes } from "./columns.ts";
import { DataError } from "./errors.ts";
import type { ByteSink, ByteSource } from "./files.ts";
import { inDegrees, type Match, mutualMatches, thresholds } from "./match.ts";
import { readInfo, type TableInfo } from "./metadata.ts";
import { type Nulls, significance } from "./nulls.ts";

/** A match, and what goes with it. */
export interface Matched {
  /** Reference features against a checkpoint's. */
  readonly match: Match;
  /** Decoder cosine of every match, NaN where there is none: `[S]`. */
  readonly decoderCosine: Float32Array;
  /** How well features match by chance; none for the reference itself, or where none was asked for. */
  readonly nulls: Nulls;
}

/** What a match file says of itself, as JSON under the key `match` of its schema. */
export interface MatchInfo extends TableInfo {
  /** Step of the checkpoint. */
  readonly step: number;
  /** Step of the reference. */
  readonly reference: number;
  /** Tokens on which the two were compared. */
  readonly n_tokens: number;
}

const nearType = `fixed_size_list<uint32>[${thresholds.length}]` as const;

const matchTypes = {
  feature: "uint32",
  match: "uint32?",
  cosine: "float32?",
  runner_up: "uint32?",
  runner_up_cosine: "float32?",
  mutual: "bool",
  in_degree: "uint32",
  near: nearType,
  decoder_cosine: "float32?",
  dead: "bool",
  n_active: "uint32",
  p_value: "float64?",
  q_value: "float64?",
} as const;

const reverseTypes = {
  feature: "uint32",
  match: "uint32?",
  cosine: "float32?",
  in_degree: "uint32",
  near: nearType,
  dead: "bool",
  n_active: "uint32",
} as const;

/**
 * Writes a match: one row a feature of the reference.
 *
 * @param sink Where the bytes go.
 * @param matched The match, and what goes with it.
 * @param info What it is.
 */
export function writeMatch(
  sink: ByteSink,
  { match, decoderCosine, nulls }: Matched,
  info: MatchInfo,
): void {
  const degrees = inDegrees(match);
  const { p, q } = significance(match, nulls.rotated);
  const [rotated, sameToken] = [nulls.rotated, nulls.sameToken].map(sideBySide);
  writeTable(sink, {
    ...matchTypes,
    ...nullTypes("null_cosine", nulls.rotated),
    ...nullTypes("token_null_cosine", nulls.sameToken),
  }, {
    feature: { values: Uint32Array.from(match.best.keys()) },
    match: { values: match.best },
    cosine: { values: match.similarity },
    runner_up: { values: match.runnerUp },
    runner_up_cosine: { values: match.runnerUpSimilarity },
    mutual: { values: mutualMatches(match) },
    in_degree: { values: Uint32Array.from(match.best, (j) => j < 0 ? 0 : degrees[j]) },
    near: { values: match.nearTargets },
    decoder_cosine: { values: decoderCosine },
    dead: { values: match.sourceCounts.map((n) => n === 0 ? 1 : 0) },
    n_active: { values: match.sourceCounts },
    p_value: { values: p },
    q_value: { values: q },
    null_cosine: { values: rotated },
    token_null_cosine: { values: sameToken },
  }, { match: JSON.stringify(info) });
}

// A column of as many values a row as there are repetitions; none where there are none.
function nullTypes(name: string, { length }: readonly Float32Array[]): ColumnTypes {
  return length === 0 ? {} : { [name]: `fixed_size_list<float32>[${length}]?` };
}

// R of [S] to [S, R].
function sideBySide(of: readonly Float32Array[]): Float32Array {
  const [R, S] = [of.length, of[0]?.length ?? 0];
  return Float32Array.from({ length: R * S }, (_, e) => of[e % R][Math.floor(e / R)]);
}

// [S, R] to R of [S].
function apart(values: ArrayLike<number>, nRows: number): Float32Array[] {
  const R = values.length / nRows;
  return Array.from(
    { length: R },
    (_, r) => Float32Array.from({ length: nRows }, (_, i) => values[i * R + r]),
  );
}

/**
 * Writes the other side of a match: one row a feature of the checkpoint.
 *
 * @param sink Where the bytes go.
 * @param match The match.
 * @param info What it is.
 */
export function writeReverse(sink: ByteSink, match: Match, info: MatchInfo): void {
  writeTable(sink, reverseTypes, {
    feature: { values: Uint32Array.from(match.reverse.keys()) },
    match: { values: match.reverse },
    cosine: { values: match.reverseSimilarity },
    in_degree: { values: inDegrees(match) },
    near: { values: match.nearSources },
    dead: { values: match.targetCounts.map((n) => n === 0 ? 1 : 0) },
    n_active: { values: match.targetCounts },
  }, { match: JSON.stringify(info) });
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
 * @returns The match, and what goes with it.
 * @throws {DataError} If a file is broken.
 */
export async function readMatch(
  forward: ByteSource,
  reverse: ByteSource,
): Promise<Matched> {
  const of = await readColumns(forward, Object.keys(matchTypes), [
    "null_cosine",
    "token_null_cosine",
  ]);
  const back = await readColumns(reverse, Object.keys(reverseTypes));
  return {
    match: {
      best: Int32Array.from(of.match),
      similarity: Float32Array.from(of.cosine),
      runnerUp: Int32Array.from(of.runner_up),
      runnerUpSimilarity: Float32Array.from(of.runner_up_cosine),
      reverse: Int32Array.from(back.match),
      reverseSimilarity: Float32Array.from(back.cosine),
      sourceCounts: Uint32Array.from(of.n_active),
      targetCounts: Uint32Array.from(back.n_active),
      nearTargets: Uint32Array.from(of.near),
      nearSources: Uint32Array.from(back.near),
    },
    decoderCosine: Float32Array.from(of.decoder_cosine),
    nulls: {
      rotated: apart(of.null_cosine ?? [], of.feature.length),
      sameToken: apart(of.token_null_cosine ?? [], of.feature.length),
    },
  };
}

// Some columns, and others where the table has them.
async function readColumns(
  source: ByteSource,
  names: readonly string[],
  others: readonly string[] = [],
): Promise<Record<string, ArrayLike<number>>> {
  const table = await openTable(source);
  const there = [...names, ...others.filter((name) => table.names.includes(name))];
  for await (const batch of table.batches()) {
    return Object.fromEntries(there.map((name) => [name, batch.column(name)]));
  }
  throw new DataError("read", { where: source.name, expected: "a batch of rows", got: "none" });
}
