import assert from "node:assert/strict";
import { stepsOf } from "../src/tokenizer_steps.ts";

const folder = new URL("../fixtures/text/", import.meta.url).pathname;
const readJson = async (path: string) => JSON.parse(await Deno.readTextFile(`${folder}${path}`));
const base = await readJson("gpt2/tokenizer.json");
const unigram = await readJson("unigram/tokenizer.json");
const llama = await readJson("llama/tokenizer.json");
const byteLevel = { type: "ByteLevel" };
const split = (pattern: unknown, more: object = {}) => ({
  pre_tokenizer: {
    type: "Sequence",
    pretokenizers: [{ type: "Split", pattern, behavior: "Isolated", ...more }, byteLevel],
  },
});
const addedToken = base.added_tokens[0];
const without = (vocab: object, token: string) =>
  Object.fromEntries(Object.entries(vocab).filter(([key]) => key !== token));
const at = "pre_tokenizer.pretokenizers[0]";
const alike = "a pattern that is the same in JavaScript";
const ways = "Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext";
const words = "one of ByteLevel, Digits, Metaspace, Sequence, Split, WhitespaceSplit";
const normalizers = "one of NFC, Prepend, Replace, Sequence";
const refused: Record<string, [json: object, key: string, expected: string, got: string]> = {
  "Lowercase": [
    { normalizer: { type: "Lowercase" } },
    "normalizer.type",
    normalizers,
    '"Lowercase"',
  ],
  "NFKC in a Sequence": [
    { normalizer: { type: "Sequence", normalizers: [{ type: "NFKC" }] } },
    "normalizer.normalizers[0].type",
    normalizers,
    '"NFKC"',
  ],
  "NFC beside another": [
    {
      normalizer: {
        type: "Sequence",
        normalizers: [{ type: "NFC" }, { type: "Prepend", prepend: "a" }],
      },
    },
    "normalizer.normalizers[0]",
    "NFC alone",
    '"a Sequence of more"',
  ],
  "a Replace of a pattern": [
    { normalizer: { type: "Replace", pattern: { Regex: "a" }, content: "b" } },
    "normalizer.pattern.String",
    "a text",
    "nothing",
  ],
  "BertPreTokenizer": [
    { pre_tokenizer: { type: "BertPreTokenizer" } },
    "pre_tokenizer.type",
    words,
    '"BertPreTokenizer"',
  ],
  "a Sequence of no list": [
    { pre_tokenizer: { type: "Sequence" } },
    "pre_tokenizer.pretokenizers",
    "a list",
    "nothing",
  ],
  "a pattern that never goes back": [
    split({ Regex: "\\p{L}++" }),
    `${at}.pattern.Regex`,
    alike,
    '"\\\\p{L}++"',
  ],
  "a pattern that looks behind": [
    split({ Regex: "(?<=a)b" }),
    `${at}.pattern.Regex`,
    alike,
    '"(?<=a)b"',
  ],
  "a word character": [split({ Regex: "\\w+" }), `${at}.pattern.Regex`, alike, '"\\\\w+"'],
  "a letter that folds to two": [
    split({ Regex: "(?i:'st)" }),
    `${at}.pattern.Regex`,
    alike,
    `"(?i:'st)"`,
  ],
  "an intersection": [
    split({ Regex: "[\\p{L}&&[^a]]" }),
    `${at}.pattern.Regex`,
    alike,
    '"[\\\\p{L}&&[^a]]"',
  ],
  "no pattern": [split({}), `${at}.pattern`, "a String or a Regex", "{}"],
  "an empty pattern": [split({ String: "" }), `${at}.pattern`, "a pattern", '""'],
  "another way": [
    split({ String: "a" }, { behavior: "Odd" }),
    `${at}.behavior`,
    ways,
    '"Odd"',
  ],
  "the wrong way": [
    split({ String: "a" }, { behavior: "Contiguous", invert: true }),
    `${at}.behavior`,
    ways,
    '"Contiguous, inverted"',
  ],
  "another sign for a space": [
    { pre_tokenizer: { type: "Metaspace", replacement: "_" } },
    "pre_tokenizer.replacement",
    '"▁"',
    '"_"',
  ],
  "another scheme": [
    { pre_tokenizer: { type: "Metaspace", prepend_scheme: "last" } },
    "pre_tokenizer.prepend_scheme",
    "always, never or first",
    '"last"',
  ],
  "the first of many": [
    {
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [{ type: "Digits" }, { type: "Metaspace", prepend_scheme: "first" }],
      },
    },
    "pre_tokenizer.pretokenizers[1].prepend_scheme",
    "always or never, after another step",
    '"first"',
  ],
  "WordPiece": [
    { model: { type: "WordPiece", vocab: {} } },
    "model.type",
    '"BPE" or "Unigram"',
    '"WordPiece"',
  ],
  "dropout": [{ model: { ...base.model, dropout: 0.1 } }, "model.dropout", "null", "0.1"],
  "a suffix": [
    { model: { ...base.model, end_of_word_suffix: "</w>" } },
    "model.end_of_word_suffix",
    "null",
    '"</w>"',
  ],
  "a byte without a token": [
    { model: { ...base.model, vocab: without(base.model.vocab, "Ġ"), merges: [] } },
    "model.vocab",
    "a token for each byte",
    '"none for 32"',
  ],
  "a byte without a token to fall back on": [
    { ...llama, model: { ...llama.model, vocab: without(llama.model.vocab, "<0x0A>") } },
    "model.vocab",
    "a token for each byte",
    '"none for 10"',
  ],
  "no bytes": [
    { pre_tokenizer: { type: "WhitespaceSplit" } },
    "model.byte_fallback",
    "true, or ByteLevel",
    "false",
  ],
  "an id that is none": [
    { model: { ...base.model, vocab: { ...base.model.vocab, a: -1 } } },
    "model.vocab",
    "an id for each token",
    "-1",
  ],
  "a merge to no token": [
    { model: { ...base.model, merges: [["a", "Ā"]] } },
    "model.merges[0]",
    "two tokens that make a third",
    '["a","Ā"]',
  ],
  "an added token that eats spaces": [
    { added_tokens: [{ ...addedToken, lstrip: true }] },
    "added_tokens[0].lstrip",
    "false",
    "true",
  ],
  "an added token of whole words": [
    { added_tokens: [{ ...addedToken, single_word: true }] },
    "added_tokens[0].single_word",
    "false",
    "true",
  ],
  "an added token of nothing": [
    { added_tokens: [{ ...addedToken, content: "" }] },
    "added_tokens[0].content",
    "a text",
    '""',
  ],
  "an end after the text": [
    { post_processor: { type: "TemplateProcessing", single: [{ Sequence: {} }, { A: 1 }] } },
    "post_processor.single",
    "nothing after the text",
    '{"A":1}',
  ],
  "BertProcessing": [
    { post_processor: { type: "BertProcessing" } },
    "post_processor.type",
    "ByteLevel or TemplateProcessing",
    '"BertProcessing"',
  ],
  "Unigram of bytes": [
    { ...unigram, model: { ...unigram.model, byte_fallback: true } },
    "model.byte_fallback",
    "false",
    "true",
  ],
  "Unigram without a Metaspace": [
    { ...unigram, pre_tokenizer: null },
    "model.type",
    '"BPE", or a Metaspace before it',
    '"Unigram"',
  ],
  "Unigram whose unknown token is text": [
    { ...unigram, added_tokens: [] },
    "model.unk_id",
    "the id of an added token",
    '"<unk>"',
  ],
};
for (const [name, [json, key, wanted, got]] of Object.entries(refused)) {
  Deno.test(`stepsOf() refuses ${name}`, () => {
    assert.throws(() => stepsOf({ ...base, ...json }, "tokenizer.json"), {
      name: "DataError",
      message: `Cannot read "${key}" in tokenizer.json: expected ${wanted}, got ${got}`,
    });
  });
}
