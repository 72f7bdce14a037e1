/**
 * What each token of a Hugging Face tokenizer.json reads as, byte for byte.
 *
 * Only the vocabulary, the added tokens and the decoder are used. The packages of Hugging Face give
 * text, in which every part of a character is the same U+FFFD; here it stays what it is.
 *
 * V = token ids, from 0 to the largest.
 *
 * @see {@link https://huggingface.co/docs/tokenizers/api/decoders | The decoders}
 *
 * @module
 */

import { dirname } from "node:path";
import { DataError, refuseMember, show } from "./errors.ts";
import { exists, openFile, readJsonObject, resolveFrom } from "./files.ts";
import { readNamed } from "./named_tokens.ts";

/** What the tokens of a tokenizer read as. */
export interface TokenTexts {
  /**
   * What each token reads as inside a text, by id: `[V]`. A space is a space; bytes that are no
   * whole character are written `\xe2\x82`; empty where no token has the id.
   */
  readonly texts: readonly string[];
  /** The bytes of the tokens that are no whole characters, by id. */
  readonly partial: ReadonlyMap<number, Uint8Array>;
  /** Ids of the added tokens that stand for no text, such as the end of a document. */
  readonly special: ReadonlySet<number>;
  /** The id that fills short sequences; undefined if none is named, or no token has its name. */
  readonly padding: number | undefined;
  /** The id before the first token; undefined if none is named, or no token has its name. */
  readonly bos: number | undefined;
}

/** What a token stands for: text, or bytes that may be part of a character. */
type Piece = string | Uint8Array;
type Json = Readonly<Record<string, unknown>>;

/**
 * Reads what each token of a tokenizer reads as.
 *
 * A token reads as it does after another one: `▁the`, and `the` of a WordPiece vocabulary, are
 * " the". What a decoder does to the start or the end of a whole text alone is left out. An added
 * token goes through the decoder like any other, as in the Python package.
 *
 * Decoders known: BPEDecoder, ByteFallback, ByteLevel, Fuse, Metaspace, Replace (of a text),
 * Sequence, Strip, WordPiece, and none. Nothing in a file is run, a pattern neither.
 *
 * @param path A tokenizer.json, or its folder. `tokenizer_config.json` and `special_tokens_map.json`
 *   beside it, if there, name the padding and the first token.
 * @returns The texts, and which tokens are none.
 * @throws {DataError} If a file is missing, broken, or of a decoder that is not known.
 * @see {@link https://github.com/huggingface/tokenizers | tokenizers}, whose `decode` is meant.
 *
 * @example A token of a byte-level vocabulary
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const tokens = await readTokenTexts("fixtures/tiny");
 *
 * assert.equal(tokens.texts[tokens.bos!], "<|doc|>");
 * assert.equal(textOf(tokens, [260, 261]), tokens.texts[260] + tokens.texts[261]);
 * ```
 */
export async function readTokenTexts(path: string): Promise<TokenTexts> {
  const inside = resolveFrom(path, "tokenizer.json");
  const source = await openFile(await exists(inside) ? inside : path);
  const json = await readJsonObject(source);
  const { tokens, special } = readVocabulary(json, source.name);
  const steps = stepsOf(json.decoder, source.name);
  const decode = (piece: Piece, step: Step) => typeof piece === "string" ? step(piece) : piece;
  const partial = new Map<number, Uint8Array>();
  const texts = tokens.map((token, id) => {
    const piece = token === undefined ? "" : steps.reduce(decode, token as Piece);
    if (typeof piece === "string") return piece;
    if (!isWhole(piece)) partial.set(id, piece);
    return readable(piece);
  });

  const named = await readNamed(dirname(source.name), ["pad_token", "bos_token"]);
  const idOf = (key: string) => {
    const id = named[key] === undefined ? -1 : tokens.indexOf(named[key]);
    return id === -1 ? undefined : id;
  };
  return { texts, partial, special, padding: idOf("pad_token"), bos: idOf("bos_token") };
}

/**
 * The text of consecutive tokens: a character that several tokens share is whole.
 *
 * The first token reads as if another stood before it: a leading space stays.
 *
 * @param tokens What each reads as.
 * @param ids Token ids, in order. An id that no token has reads as nothing: a model often has a few
 *   more rows than its tokenizer has tokens.
 * @returns The text; bytes that are no whole character are written `\xe2\x82`.
 * @throws {RangeError} If an id is not an integer from 0 on.
 *
 * @example Two halves of a letter
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const tokens = {
 *   texts: ["\\xc3", "\\xa9"],
 *   partial: new Map([[0, Uint8Array.of(0xc3)], [1, Uint8Array.of(0xa9)]]),
 *   special: new Set<number>(),
 *   padding: undefined,
 *   bos: undefined,
 * };
 *
 * assert.equal(textOf(tokens, [0, 1]), "é");
 * assert.equal(textOf(tokens, [1, 1]), "\\xa9\\xa9");
 * ```
 */
export function textOf({ texts, partial }: TokenTexts, ids: ArrayLike<number>): string {
  const encoder = new TextEncoder();
  const parts = Array.from(ids, (id) => {
    if (!(Number.isInteger(id) && id >= 0)) {
      throw new RangeError(`Cannot read a token: expected an id from 0 on, got ${id}`);
    }
    return partial.get(id) ?? encoder.encode(texts[id] ?? "");
  });
  const bytes = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  parts.reduce((to, part) => (bytes.set(part, to), to + part.length), 0);
  return readable(bytes);
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

// Bytes as text, with those that are no whole character written out.
function readable(bytes: Uint8Array): string {
  let text = "", from = 0;
  for (let i = 0; i < bytes.length;) {
    const length = characterLength(bytes, i);
    i += length || 1;
    if (length > 0) continue;
    const hex = bytes[i - 1].toString(16).padStart(2, "0");
    text += `${utf8.decode(bytes.subarray(from, i - 1))}\\x${hex}`;
    from = i;
  }
  return text + utf8.decode(bytes.subarray(from));
}

function isWhole(bytes: Uint8Array): boolean {
  let i = 0;
  for (let n = 1; n > 0 && i < bytes.length; i += n) n = characterLength(bytes, i);
  return i === bytes.length;
}

// How many bytes the character at i has, 0 if there is none: the table 3-7 of the Unicode standard.
function characterLength(bytes: Uint8Array, i: number): number {
  const first = bytes[i], second = bytes[i + 1];
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  // No longer form than is needed, no surrogate, nothing beyond U+10FFFF.
  const low = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  if (!(second >= low && second <= high)) return 0;
  for (let k = 2; k < length; k++) if ((bytes[i + k] & 0xc0) !== 0x80) return 0;
  return length;
}

// The tokens by id, undefined where there is none, and which of them are special.
function readVocabulary(
  { model, added_tokens: added = [] }: Json,
  where: string,
): { readonly tokens: readonly (string | undefined)[]; readonly special: ReadonlySet<number> } {
  const { vocab } = Object(model) as Json;
  if (Object(vocab) !== vocab) refuseMember(where, "model.vocab", "tokens and their ids", vocab);
  if (!Array.isArray(added)) refuseMember(where, "added_tokens", "a list", added);
  // A Unigram vocabulary is a list of [token, score].
  const own: [unknown, unknown][] = Array.isArray(vocab)
    ? vocab.map((pair, id) => [Object(pair)[0], id])
    : Object.entries(vocab as Json);
  const more = added.map((token) => Object(token) as Json);
  const all = [...own, ...more.map(({ content, id }): [unknown, unknown] => [content, id])];

  const refuse = (expected: string, got: unknown): never => {
    throw new DataError("read the tokens of", { where, expected, got: show(got) });
  };
  const tokens: (string | undefined)[] = [];
  let e = 0;
  for (const [token, id] of all) {
    if (typeof token !== "string" || !token.isWellFormed()) return refuse("texts", token);
    // A larger id is no vocabulary's, and would ask for a list of its length.
    if (typeof id !== "number" || id !== id >>> 0 || id >= 2 ** 24) {
      return refuse("ids from 0 to 16777215", id);
    }
    while (tokens.length <= id) tokens.push(undefined);
    if (e++ < own.length && tokens[id] !== undefined) refuse("every id once", id);
    tokens[id] = token;
  }
  if (tokens.length === 0) refuseMember(where, "model.vocab", "a token", vocab);
  return { tokens, special: new Set(more.filter((t) => t.special).map(({ id }) => id as number)) };
}

// What the steps of a decoder make of a token, in order.
function stepsOf(decoder: unknown, where: string): readonly Step[] {
  if (decoder === undefined || decoder === null) return [(token) => ` ${token}`];
  // Once the tokens are joined, only what cuts the ends of the whole text may follow.
  let isJoined = false;
  const visit = (json: Json, name: string): readonly Step[] => {
    const { type, decoders } = Object(json) as Json;
    if (type === "Sequence" && Array.isArray(decoders)) {
      return decoders.flatMap((one, i) => visit(one, `${name}.decoders[${i}]`));
    }
    const known = isJoined ? ["Fuse", "Strip"] : [...Object.keys(kinds), "Sequence of decoders"];
    if (typeof type !== "string" || !known.includes(type)) {
      const after = isJoined ? ", once tokens are joined" : "";
      return refuseMember(where, `${name}.type`, `one of ${known.join(", ")}${after}`, type);
    }
    const step = kinds[type]((key, like) => {
      const value = key.split(".").reduce((at, key) => Object(at)[key], json as unknown);
      if (typeof value === typeof like) return value as typeof like;
      return refuseMember(where, `${name}.${key}`, `a ${typeof like}`, value);
    });
    if (isJoined) return [];
    isJoined = type === "Fuse" || type === "ByteLevel";
    return [step];
  };
  return visit(decoder as Json, "decoder");
}

type Step = (token: string) => Piece;
/** A member of a decoder, by its path, which must be of the type of another value. */
type Member = <T>(key: string, like: T) => T;

const kinds: Readonly<Record<string, (member: Member) => Step>> = {
  BPEDecoder: (member) => replace(member("suffix", ""), " "),
  ByteFallback: () => (token) =>
    /^<0x[0-9a-f]{2}>$/i.test(token) ? Uint8Array.of(Number(token.slice(1, 5))) : token,
  ByteLevel: () => bytesOf,
  Fuse: () => (token) => token,
  Metaspace: (member) => replace(member("replacement", ""), " "),
  Replace: (member) => replace(member("pattern.String", ""), member("content", "")),
  Strip: (member) => {
    const [content, start, stop] = [member("content", ""), member("start", 0), member("stop", 0)];
    return (token) => {
      let [from, to] = [0, token.length];
      while (from < start && token[from] === content) from++;
      while (to > from && token.length - to < stop && token[to - 1] === content) to--;
      return token.slice(from, to);
    };
  },
  WordPiece: (member) => {
    const [prefix, isCleaned] = [member("prefix", ""), member("cleanup", true)];
    return (token) => {
      const text = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      return isCleaned ? cleanings.reduce((text, [a, b]) => text.replaceAll(a, b), text) : text;
    };
  },
};

const replace = (pattern: string, content: string): Step => (token) =>
  token.replaceAll(pattern, () => content);

// deno-fmt-ignore: in the order of the package, which applies them to one token at a time
const cleanings: readonly (readonly [string, string])[] = [
  [" .", "."], [" ?", "?"], [" !", "!"], [" ,", ","], [" ' ", "'"], [" n't", "n't"],
  [" 'm", "'m"], [" do not", " don't"], [" 's", "'s"], [" 've", "'ve"], [" 're", "'re"],
];

// The byte that each code point of a byte-level vocabulary stands for, -1 for those that are none:
// itself where Latin-1 has a sign that shows, else counted from 256 on.
const byteOf = new Int16Array(324).fill(-1);
for (let byte = 0, next = 256; byte < 256; byte++) {
  const isShown = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  byteOf[isShown ? byte : next++] = byte;
}

// The bytes of a token of a byte-level vocabulary; a token with another sign in it is itself.
function bytesOf(token: string): Piece {
  if (/^[\x21-\x7eĠ]*$/.test(token)) return token.replaceAll("Ġ", " "); // most tokens, at once
  const bytes = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = byteOf[token.charCodeAt(i)] ?? -1;
    if (byte === -1) return token;
    bytes[i] = byte;
  }
  return bytes;
}
