/**
 * The patterns that cut text into words, as Python's and JavaScript's packages read them alike.
 *
 * @module
 */

import { refuseMember } from "./errors.ts";

/** A step of a tokenizer.json. */
export type Step = Readonly<Record<string, unknown>> & { readonly type: string };

/**
 * The words of GPT-2, as a pattern. White space is Unicode's, as in Python's package; JavaScript's
 * own pattern has U+FEFF, and not U+0085.
 */
export const byteLevelWords =
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** A number, as Rust knows it: of Unicode 17 too, which patterns do not have yet. */
export const number: string = "[\\p{N}\\u{11DE0}-\\u{11DE9}\\u{16FF4}-\\u{16FF6}]"
  .replace(/\\u\{(\w+)\}/g, (_, hex) => String.fromCodePoint(parseInt(hex, 16)));

/**
 * A step that makes a word of every match, and of what is between.
 *
 * @param regex The pattern.
 * @returns The step.
 */
export function isolated(regex: string): Step {
  return { type: "Split", pattern: { Regex: regex }, behavior: "Isolated", invert: false };
}

/**
 * A step that cuts in one of five ways, as one whose matches are the words: JavaScript's package
 * knows no other, and gives the cuts of a text that is to be removed as words.
 *
 * @param step The Split of a tokenizer.json.
 * @param at Its place there.
 * @param where What to call the file in a message.
 * @returns The step.
 * @throws {DataError} If the pattern or the way is not known to mean the same in both packages.
 *
 * @example Words that end in a stroke
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const step = { type: "Split", pattern: { String: "-" }, behavior: "MergedWithPrevious" };
 * const { pattern } = splitOf(step, "pre_tokenizer", "tokenizer.json");
 *
 * assert.deepEqual(pattern, { Regex: "(?:(?!\\-)[\\s\\S])*(?:\\-)|(?:(?!\\-)[\\s\\S])+" });
 * ```
 */
export function splitOf(step: Step, at: string, where: string): Step {
  const { String: text, Regex: regex } = Object(step.pattern);
  if (typeof text !== "string" && typeof regex !== "string") {
    return refuseMember(where, `${at}.pattern`, "a String or a Regex", step.pattern);
  }
  const P = typeof text === "string"
    ? text.replace(/[\\^$.*+?()[\]{}|/&-]/g, "\\$&")
    : safeRegex(regex, `${at}.pattern.Regex`, where);
  if (P === "") refuseMember(where, `${at}.pattern`, "a pattern", P);
  const { behavior, invert = false } = step;
  const before = `(?:(?!${P})[\\s\\S])`;
  const pieces: Readonly<Record<string, string>> = {
    Isolated: P,
    Contiguous: `(?:${P})+`,
    MergedWithPrevious: `${before}*(?:${P})|${before}+`,
    MergedWithNext: `(?:${P})${before}*|${before}+`,
  };
  if (behavior === "Removed") return { ...isolated(P), behavior, invert: Boolean(invert) };
  const piece = pieces[String(behavior)];
  if (piece === undefined || (invert && behavior !== "Isolated")) {
    const known = "Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext";
    const got = invert && piece !== undefined ? `${behavior}, inverted` : behavior;
    refuseMember(where, `${at}.behavior`, known, got);
  }
  return isolated(piece);
}

const category = "\\\\[pP]\\{(?:L[ulmot]?|M[nce]?|N[dlo]?|P|S|Z)\\}";
const sign = "\\\\[sSrntdD\\\\'.+*?()[\\]{}|/^$-]";
const grammar = new RegExp(
  `^(?:${category}|${sign}|\\[\\^?(?:${category}|${sign}|[^\\\\[\\]&^])+\\]` +
    "|\\(\\?[:=!]|[)|?*+]|\\{\\d+(?:,\\d*)?\\}|[^\\\\()[\\]{}|?*+.^$])*$",
  "u",
);

// A regular expression whose every part means the same to Oniguruma and to JavaScript.
function safeRegex(regex: string, at: string, where: string): string {
  // Without regard to case: Unicode folds U+017F to s, U+212A to k.
  const folds: Readonly<Record<string, string>> = { s: "ſ", k: "\u212a" };
  const cased = regex.replace(/\(\?i:([a-z'|]+)\)/gi, (group, body: string) => {
    if (/ff|fi|fl|st|ss/i.test(body)) return group; // one sign folds to two letters
    const either = (x: string) => `[${x}${x.toUpperCase()}${folds[x] ?? ""}]`;
    return `(?:${body.toLowerCase().replace(/[a-z]/g, either)})`;
  });
  if (grammar.test(cased) && !/[?*+]\+|[\d,]\}\+/.test(cased)) return cased;
  return refuseMember(where, at, "a pattern that is the same in JavaScript", regex);
}
