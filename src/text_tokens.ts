/**
 * Sequences of a model's context, filled with the tokens of texts.
 *
 * T = ids of a sequence, the context.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import type { TextTokenizer } from "./tokenizer.ts";
import { readJsonColumn, readParquetColumn, type TokenOptions, type Tokens } from "./tokens.ts";

/** How texts become sequences. */
export interface SequenceOptions {
  /** Ids of a sequence, T. */
  readonly contextSize: number;
  /** The id at the start of every sequence; none if left out. */
  readonly bos?: number | undefined;
  /** The id between two texts in a sequence; none if left out. */
  readonly separator?: number | undefined;
  /** Whether a sequence goes on with the next text: true if left out. */
  readonly concatenate?: boolean;
}

/**
 * Begins to fill sequences with the ids of texts, as SAELens does.
 *
 * Concatenated, texts follow one another, and a text that does not fit goes on in the next
 * sequence; what is left at the end is dropped. Apart, every text gives one sequence at most: its
 * start, if it is long enough. `bos` and `separator` are not put before an id that is the same: a
 * text that begins with `bos` has it once.
 *
 * @param options How.
 * @returns A function that takes the ids of a text, and gives the sequences that they completed.
 * @throws {RangeError} If T is not a positive integer, or 1 and filled by `bos`.
 * @see {@link https://github.com/jbloomAus/SAELens | SAELens}, `concat_and_batch_sequences` with
 *   `begin_batch_token_id` and `sequence_separator_token_id`.
 *
 * @example Two texts in sequences of four
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const fill = sequenceFiller({ contextSize: 4, bos: 0, separator: 9 });
 *
 * assert.deepEqual(fill([1, 2]), []);
 * assert.deepEqual(fill([3, 4, 5]).map((ids) => [...ids]), [[0, 1, 2, 9], [0, 3, 4, 5]]);
 * ```
 */
export function sequenceFiller(
  { contextSize: T, bos, separator, concatenate = true }: SequenceOptions,
): (ids: readonly number[]) => Int32Array[] {
  if (!Number.isSafeInteger(T) || T < 1) {
    throw new RangeError(`Cannot fill sequences of ${T} tokens: it must be a positive integer`);
  }
  if (T === 1 && bos !== undefined) {
    throw new RangeError("Cannot fill sequences of 1 token: its first one is there already");
  }
  if (!concatenate) {
    return (ids) => {
      const all = bos === undefined || ids[0] === bos ? ids : [bos, ...ids.slice(0, T - 1)];
      return ids.length > 0 && all.length >= T ? [Int32Array.from(all.slice(0, T))] : [];
    };
  }
  let sequence: number[] = [];
  return (ids) => {
    const full: Int32Array[] = [];
    for (let at = 0; at < ids.length;) {
      const before = sequence.length === 0 ? bos : separator;
      // Only where a text or a sequence begins is the loop entered.
      if (before !== undefined && ids[at] !== before) sequence.push(before);
      while (at < ids.length && sequence.length < T) sequence.push(ids[at++]);
      if (sequence.length < T) break;
      full.push(Int32Array.from(sequence));
      sequence = [];
    }
    return full;
  };
}

/** What to take of a file of texts. */
export interface TextTokenOptions extends TokenOptions {
  /** Whether every sequence begins with the tokenizer's first token: true if left out. */
  readonly prependBos?: boolean;
  /** The id between two texts; "bos" if left out, null for none. */
  readonly separator?: "bos" | "eos" | number | null;
  /** Whether a sequence goes on with the next text: true if left out. */
  readonly concatenate?: boolean;
}

/** Tokens, and how they were made. */
export interface TextTokens extends Tokens {
  /** What they depend on beside the texts. */
  readonly madeWith: {
    /** SHA-256 of the tokenizer.json. */
    readonly tokenizer: string;
    /** The column, or key, of the texts. */
    readonly column: string;
    /** The id at the start of every sequence, null for none. */
    readonly bos: number | null;
    /** The id between two texts, null for none. */
    readonly separator: number | null;
    /** Whether a sequence goes on with the next text. */
    readonly concatenate: boolean;
    /** Number of texts that were read. */
    readonly nTexts: number;
  };
}

/**
 * Reads texts, and makes the tokens of a sweep of them.
 *
 * The ids are those that SAELens 6 makes of the same texts: none is added to a text itself, also
 * where the tokenizer's template would; special tokens that are written in a text are found.
 *
 * Cost: of the file, only the texts that are needed; 100,000 tokens a second and more.
 *
 * @param source .parquet with a column of strings, or .jsonl of objects with one, or of strings.
 * @param tokenizer Makes ids.
 * @param options What to take; the column is "text" if left out.
 * @returns Whole sequences, and of them the first `totalTokens`.
 * @throws {RangeError} If a size is not a positive integer, or an id is not one.
 * @throws {DataError} If a row is no text, they fill no sequence, or a token has no id.
 *
 * @example Lines of text
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesInMemory } from "./files.ts";
 * import { readTokenizer } from "./tokenizer.ts";
 *
 * const lines = new TextEncoder().encode('{"text": "Once upon"}\n{"text": "a time"}\n');
 * const tokenizer = await readTokenizer("fixtures/tiny");
 * const source = bytesInMemory("texts.jsonl", lines);
 * const options = { contextSize: 4, totalTokens: 4 };
 * const { ids } = await readTextTokens(source, tokenizer, options);
 *
 * assert.equal(ids[0], tokenizer.bos);
 * ```
 */
export async function readTextTokens(
  source: ByteSource,
  tokenizer: TextTokenizer,
  options: TextTokenOptions,
): Promise<TextTokens> {
  const { column = "text", contextSize, totalTokens, concatenate = true } = options;
  if (!Number.isSafeInteger(totalTokens) || totalTokens < 1) {
    const message = `Cannot read tokens with totalTokens ${totalTokens}`;
    throw new RangeError(`${message}: it must be a positive integer`);
  }
  const { prependBos = true, separator: between = "bos" } = options;
  const bos = prependBos ? idOf(tokenizer, "bos") : undefined;
  const separator = between === null || !concatenate ? undefined : idOf(tokenizer, between);
  const fill = sequenceFiller({ contextSize, bos, separator, concatenate });

  const nWanted = Math.ceil(totalTokens / contextSize);
  const sequences: Int32Array[] = [];
  let nTexts = 0, nIds = 0;
  for await (const text of textsOf(source, column)) {
    const made = tokenizer.encode(text, `row ${nTexts++} in ${source.name}`);
    nIds += made.length;
    sequences.push(...fill(made).slice(0, nWanted - sequences.length));
    if (sequences.length === nWanted) break;
  }
  if (sequences.length === 0) {
    throw new DataError("read tokens of", {
      where: source.name,
      expected: `texts that fill a sequence of ${contextSize} tokens`,
      got: `${nTexts} ${nTexts === 1 ? "text" : "texts"} of ${nIds} tokens in all`,
    });
  }
  const ids = new Int32Array(sequences.length * contextSize);
  sequences.forEach((sequence, i) => ids.set(sequence, i * contextSize));
  return {
    contextSize,
    nSequences: sequences.length,
    nTokens: Math.min(totalTokens, ids.length),
    ids,
    madeWith: {
      tokenizer: tokenizer.sha256,
      column,
      bos: bos ?? null,
      separator: separator ?? null,
      concatenate,
      nTexts,
    },
  };
}

function idOf(tokenizer: TextTokenizer, which: "bos" | "eos" | number): number {
  if (typeof which === "number") {
    if (Number.isSafeInteger(which) && which >= 0 && which <= 0x7fffffff) return which;
    throw new RangeError(`Cannot separate texts by token ${which}: expected an id from 0 on`);
  }
  const id = tokenizer[which];
  if (id !== undefined) return id;
  throw new DataError("find", {
    where: `the ${which} token of ${tokenizer.source.name}`,
    expected: `"${which}_token" in tokenizer_config.json beside it, or "<|endoftext|>"`,
    got: "neither",
  });
}

// The texts of a file, in its order.
async function* textsOf(source: ByteSource, column: string): AsyncGenerator<string> {
  const isParquet = source.name.toLowerCase().endsWith(".parquet");
  const rows = isParquet ? readParquetColumn(source, column) : readJsonColumn(source, column);
  const refuse = (where: string, expected: string, got: string, cause?: unknown) =>
    new DataError("read texts of", { where, expected, got }, { cause });
  if (!isParquet && !source.name.toLowerCase().endsWith(".jsonl")) {
    throw refuse(source.name, "a name that ends in .parquet, .jsonl", show(source.name));
  }
  let row = 0;
  try {
    for await (const text of rows) {
      if (typeof text !== "string") {
        throw refuse(`row ${row} in ${source.name}`, "a text", show(text));
      }
      row++;
      yield text;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const expected = isParquet ? "a Parquet file" : "UTF-8 text";
    throw refuse(source.name, expected, show((cause as Error).message), cause);
  }
}
