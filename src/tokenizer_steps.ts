/**
 * The steps of a Hugging Face tokenizer.json, in the words of the package for JavaScript.
 *
 * That package gives other ids than Python's where it reads a step in another way: white space and
 * digits of ASCII, a Metaspace that does not split, three ways of merging that are one. Here each
 * step is written as a pattern that both read alike; a step for which there is none is refused.
 *
 * @see {@link https://huggingface.co/docs/tokenizers/components | The steps}
 *
 * @module
 */

import { refuseMember } from "./errors.ts";
import { byteLevelWords, isolated, number, splitOf, type Step } from "./split_patterns.ts";

type Json = Readonly<Record<string, unknown>>;

/** A text that is one token wherever it stands. */
export interface AddedToken {
  /** The text. */
  readonly content: string;
  /** Its id. */
  readonly id: number;
  /** Whether it is looked for in the normalized text, normalized itself. */
  readonly normalized: boolean;
}

/** What makes ids of a text, in order. */
export interface Steps {
  /** Cut out first; those that are normalized after the next step. */
  readonly added: readonly AddedToken[];
  /** What is done to the text between them; NFC stands alone. */
  readonly normalizers: readonly Step[];
  /** Cut text into words. */
  readonly words: readonly Step[];
  /** Makes tokens of words. */
  readonly model: Json;
}

/**
 * Writes a tokenizer so that JavaScript's package gives Python's ids.
 *
 * Known: the normalizers NFC, Prepend, Replace (of a text) and Sequence; the pre-tokenizers
 * ByteLevel, Digits, Metaspace, Sequence, Split and WhitespaceSplit; the models BPE, with a token
 * for each byte, and Unigram, behind Metaspace. What the post-processor adds before a text is left
 * out, as SAELens does; one that adds something after it is refused.
 *
 * @param json A tokenizer.json.
 * @param where What to call it in a message.
 * @returns The same tokenizer in other words.
 * @throws {DataError} If a step is not known, named by its place in the file.
 *
 * @example A step for which there is no pattern
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const refused = { normalizer: { type: "Lowercase" } };
 *
 * assert.throws(() => stepsOf(refused, "tokenizer.json"), {
 *   message: 'Cannot read "normalizer.type" in tokenizer.json: ' +
 *     'expected one of NFC, Prepend, Replace, Sequence, got "Lowercase"',
 * });
 * ```
 */
export function stepsOf(json: Json, where: string): Steps {
  const normalizers = flat(json.normalizer, "normalizer", "normalizers", where);
  const nfc = normalizers.find(({ step }) => step.type === "NFC");
  if (nfc && normalizers.length > 1) refuseMember(where, nfc.at, "NFC alone", "a Sequence of more");
  const words = flat(json.pre_tokenizer, "pre_tokenizer", "pretokenizers", where);
  const steps = {
    normalizers: normalizers.map(({ step, at }) => normalizerOf(step, at, where)),
    words: words.flatMap(({ step, at }, i) => wordsOf(step, at, where, i)),
  };
  const model = asObject(json.model, "model", where);
  const added = addedOf(json, where);
  checkModel(model, words.map(({ step }) => step.type), where, added);
  checkAfter(json.post_processor, "post_processor", where);
  return { added, ...steps, model };
}

interface Placed {
  readonly step: Step;
  readonly at: string;
}

// The steps of a Sequence, and of those in it, in order; none for null.
function flat(step: unknown, at: string, list: string, where: string): readonly Placed[] {
  if (step === null || step === undefined) return [];
  const json = asObject(step, at, where) as Step;
  if (json.type !== "Sequence") return [{ step: json, at }];
  const steps = json[list];
  if (!Array.isArray(steps)) return refuseMember(where, `${at}.${list}`, "a list", steps);
  return steps.flatMap((one, i) => flat(one, `${at}.${list}[${i}]`, list, where));
}

function asObject(value: unknown, at: string, where: string): Json {
  if (value !== Object(value) || Array.isArray(value)) refuseMember(where, at, "an object", value);
  return value as Json;
}

function normalizerOf(step: Step, at: string, where: string): Step {
  const text = (key: string, value: unknown): string =>
    typeof value === "string" ? value : refuseMember(where, `${at}.${key}`, "a text", value);
  switch (step.type) {
    case "NFC":
      return { type: "NFC" };
    case "Prepend":
      return { type: "Prepend", prepend: text("prepend", step.prepend) };
    case "Replace": {
      const pattern = text("pattern.String", Object(step.pattern).String);
      if (pattern === "") refuseMember(where, `${at}.pattern.String`, "a text", pattern);
      // "$" would stand for a part of the match.
      const content = text("content", step.content).replaceAll("$", "$$$$");
      return { type: "Replace", pattern: { String: pattern }, content };
    }
    default:
      return refuseMember(where, `${at}.type`, "one of NFC, Prepend, Replace, Sequence", step.type);
  }
}

function wordsOf(step: Step, at: string, where: string, i: number): readonly Step[] {
  switch (step.type) {
    case "ByteLevel": {
      const { add_prefix_space: hasPrefix = true, use_regex: hasPattern = true } = step;
      // A space for a space, and one in front of the first sign if that is none.
      const prefix = { type: "Metaspace", replacement: " ", prepend_scheme: "always" };
      return [
        ...(hasPrefix ? [prefix] : []),
        ...(hasPattern ? [isolated(byteLevelWords)] : []),
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ];
    }
    case "Digits":
      return [isolated(step.individual_digits ? number : `${number}+`)];
    case "WhitespaceSplit":
      return [{ ...isolated("\\s+"), behavior: "Removed" }];
    case "Split":
      return [splitOf(step, at, where)];
    case "Metaspace": {
      const { replacement = "▁", add_prefix_space: hasPrefix, split = true } = step;
      const scheme = hasPrefix === false ? "never" : step.prepend_scheme ?? "always";
      if (replacement !== "▁") refuseMember(where, `${at}.replacement`, '"▁"', replacement);
      if (!["always", "never", "first"].includes(scheme as string)) {
        refuseMember(where, `${at}.prepend_scheme`, "always, never or first", scheme);
      }
      if (scheme === "first" && i > 0) {
        refuseMember(where, `${at}.prepend_scheme`, "always or never, after another step", scheme);
      }
      const space = { type: "Metaspace", replacement, prepend_scheme: scheme };
      return [space, ...(split ? [isolated("▁[^▁]*")] : [])];
    }
    default: {
      const known = "one of ByteLevel, Digits, Metaspace, Sequence, Split, WhitespaceSplit";
      return refuseMember(where, `${at}.type`, known, step.type);
    }
  }
}

function addedOf(json: Json, where: string): readonly AddedToken[] {
  const list = json.added_tokens ?? [];
  if (!Array.isArray(list)) return refuseMember(where, "added_tokens", "a list", list);
  return list.map((token, i) => {
    const at = `added_tokens[${i}]`;
    const { content, id, special, normalized = !special, ...more } = asObject(token, at, where);
    if (typeof content !== "string" || content === "" || !content.isWellFormed()) {
      return refuseMember(where, `${at}.content`, "a text", content);
    }
    if (typeof id !== "number" || id !== id >>> 0) {
      return refuseMember(where, `${at}.id`, "an id", id);
    }
    for (const key of ["lstrip", "rstrip", "single_word"]) {
      if (more[key]) refuseMember(where, `${at}.${key}`, "false", more[key]);
    }
    return { content, id, normalized: Boolean(normalized) };
  });
}

function checkModel(
  model: Json,
  words: readonly string[],
  where: string,
  added: readonly AddedToken[],
): void {
  const { type } = model;
  const refuse = (key: string, expected: string, got: unknown) =>
    refuseMember(where, `model.${key}`, expected, got);
  if (type === "Unigram") {
    const { vocab, unk_id: unknown } = model;
    if (model.byte_fallback) refuse("byte_fallback", "false", true);
    if (!Array.isArray(vocab)) return refuse("vocab", "a list of [token, score]", vocab);
    const tokens = vocab.map((pair) => Object(pair)[0]);
    const unknownToken = tokens[unknown as number];
    if (typeof unknownToken !== "string") refuse("unk_id", "the id of a token", unknown);
    if (!added.some((t) => t.content === unknownToken && !t.normalized)) {
      refuse("unk_id", "the id of an added token", unknownToken);
    }
    // A word begins with a token that is known, so that unknown ones of two words do not meet.
    if (!words.includes("Metaspace")) refuse("type", '"BPE", or a Metaspace before it', type);
    if (!tokens.includes("▁")) refuse("vocab", 'the token "▁"', "none");
    return;
  }
  if (type !== "BPE") return refuse("type", '"BPE" or "Unigram"', type);
  for (const key of ["dropout", "continuing_subword_prefix", "end_of_word_suffix"]) {
    if (model[key]) refuse(key, "null", model[key]);
  }
  const vocab = asObject(model.vocab, "model.vocab", where);
  const wrong = Object.values(vocab).find((id) => id !== (id as number) >>> 0);
  if (wrong !== undefined) refuse("vocab", "an id for each token", wrong);
  const isByteLevel = words.at(-1) === "ByteLevel";
  if (!isByteLevel && !model.byte_fallback) refuse("byte_fallback", "true, or ByteLevel", false);
  for (let byte = 0; byte < 256; byte++) {
    const token = isByteLevel ? byteSign(byte) : `<0x${hex(byte)}>`;
    if (!Object.hasOwn(vocab, token)) refuse("vocab", "a token for each byte", `none for ${byte}`);
  }
  if (!Array.isArray(model.merges)) return refuse("merges", "a list", model.merges);
  for (const [i, merge] of model.merges.entries()) {
    const parts = typeof merge === "string" ? merge.split(" ") : merge;
    const isPair = Array.isArray(parts) && parts.length === 2 &&
      [...parts, parts.join("")].every((t) => typeof t === "string" && Object.hasOwn(vocab, t));
    if (!isPair) refuse(`merges[${i}]`, "two tokens that make a third", merge);
  }
}

const hex = (byte: number) => byte.toString(16).toUpperCase().padStart(2, "0");

// The sign that stands for a byte in a byte-level vocabulary.
const signs: string[] = [];
for (let byte = 0, next = 256; byte < 256; byte++) {
  const isShown = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  signs.push(String.fromCharCode(isShown ? byte : next++));
}
const byteSign = (byte: number) => signs[byte];

function checkAfter(processor: unknown, at: string, where: string): void {
  for (const { step, at: place } of flat(processor, at, "processors", where)) {
    if (step.type === "ByteLevel") continue;
    if (step.type !== "TemplateProcessing" || !Array.isArray(step.single)) {
      refuseMember(where, `${place}.type`, "ByteLevel or TemplateProcessing", step.type);
    }
    const last = (step.single as unknown[]).at(-1);
    if (!Object.hasOwn(Object(last), "Sequence")) {
      refuseMember(where, `${place}.single`, "nothing after the text", last);
    }
  }
}
