/**
 * Text to token ids, equal to those of Python's `tokenizers`: the one file that knows
 * @huggingface/tokenizers.
 *
 * Its decoding loses bytes that are no whole character; `token_text.ts` is for that.
 *
 * @module
 */

import { Tokenizer } from "npm:@huggingface/tokenizers@0.2.0";
import { dirname } from "node:path";
import { composed } from "./compose.ts";
import { DataError, show } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject, resolveFrom, sha256 } from "./files.ts";
import { readNamed } from "./named_tokens.ts";
import { type AddedToken, type Steps, stepsOf } from "./tokenizer_steps.ts";

/** Makes ids of texts. */
export interface TextTokenizer {
  /** The tokenizer.json. */
  readonly source: ByteSource;
  /** SHA-256 of its bytes, in hexadecimal. */
  readonly sha256: string;
  /**
   * The id before the first token; where none is named the end of a document, as in
   * TransformerLens; undefined if that is not there either.
   */
  readonly bos: number | undefined;
  /** The id after the last token; undefined if none is named and there is no "<|endoftext|>". */
  readonly eos: number | undefined;
  /**
   * The ids of a text, none added before or after. Special tokens that are written in the text are
   * found, as in Python.
   *
   * @param text The text.
   * @param where What to call it in a message.
   * @throws {DataError} If the text has half of a surrogate pair, for which Python has no ids.
   */
  encode(text: string, where: string): readonly number[];
}

/**
 * Reads a tokenizer, to make ids of texts.
 *
 * The ids are those of `Tokenizer.from_file(path).encode(text, add_special_tokens=False).ids`; a
 * tokenizer that may give others is refused by the name of its step.
 *
 * @param path A tokenizer.json, or its folder. `tokenizer_config.json` and `special_tokens_map.json`
 *   beside it, if there, name the first and the last token.
 * @returns The tokenizer.
 * @throws {DataError} If a file is missing, broken, or has a step that is not known.
 *
 * @example The ids of two words
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const tokenizer = await readTokenizer("fixtures/tiny");
 * const ids = tokenizer.encode("<|doc|>a", "a text");
 *
 * assert.equal(ids[0], tokenizer.bos);
 * ```
 */
export async function readTokenizer(path: string): Promise<TextTokenizer> {
  const inside = resolveFrom(path, "tokenizer.json");
  const source = await openFile(await exists(inside) ? inside : path);
  const steps = stepsOf(await readJsonObject(source), source.name);
  const { tokenIds, normalize, toWords, toTokens } = buildSteps(steps, source.name);
  for (const { content, id } of steps.added) tokenIds.set(content, id);

  const named = await readNamed(dirname(source.name), ["bos_token", "eos_token"]);
  const eos = tokenIds.get(named.eos_token ?? "<|endoftext|>");
  const bos = named.bos_token === undefined ? eos : tokenIds.get(named.bos_token);
  const raw = finder(steps.added.filter(({ normalized }) => !normalized), (text) => text);
  const normal = finder(steps.added.filter(({ normalized }) => normalized), normalize);
  const addIds = (ids: number[], text: string, isFirst: boolean) => {
    for (const [i, part] of normal.cut(text).entries()) {
      if (i % 2 === 1) ids.push(normal.ids.get(part)!);
      else if (part !== "") {
        for (const id of toTokens(toWords(part, isFirst && i === 0))) ids.push(id);
      }
    }
  };
  return {
    source,
    sha256: await sha256(source),
    bos,
    eos,
    encode(text, where) {
      const refuse = (expected: string, got: string, cause?: unknown): never => {
        throw new DataError("make tokens of", { where, expected, got }, { cause });
      };
      if (!text.isWellFormed()) refuse("whole characters", "half of a surrogate pair");
      const ids: number[] = [];
      try {
        for (const [i, piece] of raw.cut(text).entries()) {
          if (i % 2 === 1) ids.push(raw.ids.get(piece)!);
          else if (piece !== "") addIds(ids, normalize(piece), i === 0);
        }
      } catch (cause) {
        refuse("words that the package can take", show((cause as Error).message), cause);
      }
      return ids;
    },
  };
}

// Cuts a text at the added tokens: the leftmost first, of those the longest. The pieces at odd
// places are tokens.
function finder(added: readonly AddedToken[], normalize: (text: string) => string) {
  const ids = new Map(added.map(({ content, id }) => [normalize(content), id]));
  const longest = [...ids.keys()].sort((a, b) => b.length - a.length);
  const any = longest.map((text) => text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&")).join("|");
  const pattern = new RegExp(`(${any})`, "u");
  return { ids, cut: (text: string) => added.length === 0 ? [text] : text.split(pattern) };
}

function buildSteps({ normalizers, words, model }: Steps, where: string) {
  try {
    const built = new Tokenizer({
      added_tokens: [],
      normalizer: { type: "Sequence", normalizers },
      pre_tokenizer: { type: "Sequence", pretokenizers: words },
      model,
      decoder: null,
      post_processor: null,
    }, {});
    const { tokens_to_ids: tokenIds, unk_token_id: unknown } = built.model!;
    const normalize = (text: string) => built.normalizer!.normalize(text);
    const isNfc = normalizers.some(({ type }) => type === "NFC");
    return {
      tokenIds: new Map(tokenIds),
      normalize: isNfc ? composed : normalize,
      toWords: (text: string, isFirst: boolean) =>
        built.pre_tokenizer!.pre_tokenize(text, { section_index: isFirst ? 0 : 1 }),
      toTokens: (words: string[]) =>
        built.model!._call(words).map((token) => tokenIds.get(token) ?? unknown!),
    };
  } catch (cause) {
    throw new DataError("read", {
      where,
      expected: "a tokenizer.json",
      got: show((cause as Error).message),
    }, { cause });
  }
}
