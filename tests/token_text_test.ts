// What a token reads as: against Python's tokenizers, the definition of UTF-8, and laws.

import assert from "node:assert/strict";
import { randomFrom } from "../src/random.ts";
import { readTokenTexts, textOf, type TokenTexts } from "../src/token_text.ts";

const fixtures = "fixtures/token_text";

interface Expected {
  readonly texts: readonly string[];
  readonly special: readonly number[];
  readonly sequences: readonly (readonly [readonly number[], string])[];
}

const expected: Readonly<Record<string, Expected>> = JSON.parse(
  await Deno.readTextFile(`${fixtures}/expected.json`),
);
const folderOf = (name: string) => name === "tiny" ? "fixtures/tiny" : `${fixtures}/${name}`;

for (const [name, { texts, special, sequences }] of Object.entries(expected)) {
  Deno.test(`readTokenTexts() of ${name} reads every token as in Python`, async () => {
    const tokens = await readTokenTexts(folderOf(name));
    assert.deepEqual(tokens.texts, texts);
    assert.deepEqual([...tokens.special], special);
  });

  Deno.test(`textOf() joins tokens of ${name} as in Python`, async () => {
    const tokens = await readTokenTexts(folderOf(name));
    for (const [ids, text] of sequences) assert.equal(textOf(tokens, ids), text, `${ids}`);
  });

  Deno.test(`textOf() of one token of ${name} is its text`, async () => {
    const tokens = await readTokenTexts(folderOf(name));
    for (const [id, text] of tokens.texts.entries()) assert.equal(textOf(tokens, [id]), text);
    assert.equal(textOf(tokens, []), "");
  });
}

Deno.test("readTokenTexts() takes a file or its folder", async () => {
  const [file, folder] = await Promise.all([
    readTokenTexts("fixtures/tiny/tokenizer.json"),
    readTokenTexts("fixtures/tiny"),
  ]);
  assert.deepEqual(file, folder);
});

Deno.test("readTokenTexts() finds padding and first token where a file names them", async () => {
  const named = await readTokenTexts(`${fixtures}/byte_level`);
  assert.deepEqual([named.bos, named.padding], [0, 330]);
  const half = await readTokenTexts("fixtures/tiny");
  assert.deepEqual([half.bos, half.padding], [0, undefined]);
  const none = await readTokenTexts(`${fixtures}/words`);
  assert.deepEqual([none.bos, none.padding], [undefined, undefined]);
});

// UTF-8 as on a blackboard: the shortest run of bytes that a strict decoder takes is a character.
function readableBytes(bytes: Uint8Array): string {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (let i = 0; i < bytes.length;) {
    let found: string | undefined, length = 1;
    for (; length <= 4 && i + length <= bytes.length; length++) {
      try {
        found = strict.decode(bytes.subarray(i, i + length));
        break;
      } catch {
        // Not yet a character.
      }
    }
    text += found ?? `\\x${bytes[i].toString(16).padStart(2, "0")}`;
    i += found === undefined ? 1 : length;
  }
  return text;
}

// Every byte as a token of its own.
function byteTokens(): TokenTexts {
  const all = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  return {
    texts: all.map(readableBytes),
    partial: new Map(all.entries().filter(([byte]) => byte >= 128)),
    special: new Set(),
    padding: undefined,
    bos: undefined,
  };
}

Deno.test("textOf() reads 2000 random runs of bytes as their definition", () => {
  const tokens = byteTokens(), random = randomFrom(5);
  // Bytes at the edges of the table of well-formed sequences come up often.
  // deno-fmt-ignore
  const edges = [
    0, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbb, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe2,
    0xed, 0xef, 0xf0, 0xf4, 0xf5, 0xff,
  ];
  for (let n = 0; n < 2000; n++) {
    const bytes = Uint8Array.from(
      { length: Math.floor(random() * 8) },
      () => edges[Math.floor(random() * edges.length)],
    );
    assert.equal(textOf(tokens, bytes), readableBytes(bytes), `${bytes}`);
  }
});

Deno.test("textOf() gives back every text that its bytes spell, byte by byte", () => {
  const tokens = byteTokens();
  const texts = ["שלום", "مرحبا", "👩‍👩‍👧", "\ufeffa\0b", "<script>", "\u{10ffff}\ud7ff\ue000"];
  for (
    const text of texts
  ) {
    assert.equal(textOf(tokens, new TextEncoder().encode(text)), text);
  }
});

Deno.test("textOf() reads an id of no token as nothing, and refuses what is no id", async () => {
  const tokens = await readTokenTexts("fixtures/tiny");
  assert.equal(textOf(tokens, [512, 40, 99999]), tokens.texts[40]);
  for (const id of [-1, 0.5, NaN]) {
    assert.throws(() => textOf(tokens, [id]), {
      name: "RangeError",
      message: `Cannot read a token: expected an id from 0 on, got ${id}`,
    });
  }
});

// Reads a tokenizer.json of a given text, and perhaps a tokenizer_config.json.
async function readText(text: string, config?: string): Promise<TokenTexts> {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/tokenizer.json`, text);
    if (config) await Deno.writeTextFile(`${folder}/tokenizer_config.json`, config);
    return await readTokenTexts(folder);
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(folder, "f");
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const ofDecoder = (decoder: unknown) => JSON.stringify({ model: { vocab: { a: 0 } }, decoder });

Deno.test("readTokenTexts() leaves an id of no token empty, and takes added tokens", async () => {
  const tokens = await readText(JSON.stringify({
    model: { vocab: { "Ġa": 4, "Ċ": 1, ["__proto__"]: 5 } },
    added_tokens: [{ id: 1, content: "<nl>", special: true }, { id: 2, content: "é" }],
    decoder: { type: "ByteLevel" },
  }));
  assert.deepEqual(tokens.texts, ["", "<nl>", "\\xe9", "", " a", "__proto__"]);
  assert.deepEqual([...tokens.special], [1]);
});

Deno.test("readTokenTexts() puts the content of a Replace in as it is", async () => {
  const decoder = { type: "Replace", pattern: { String: "a" }, content: "$&$1" };
  assert.deepEqual((await readText(ofDecoder(decoder))).texts, ["$&$1"]);
});

const broken: Readonly<Record<string, readonly [text: string, message: string, config?: string]>> =
  {
    "text that is no JSON": ["{", "Cannot read f/tokenizer.json: expected JSON, got"],
    "a list": ["[]", "Cannot read f/tokenizer.json: expected a JSON object, got []"],
    "no model": [
      "{}",
      'Cannot read "model.vocab" in f/tokenizer.json: expected tokens and their ids, got nothing',
    ],
    "an empty vocabulary": [
      '{"model":{"vocab":{}}}',
      'Cannot read "model.vocab" in f/tokenizer.json: expected a token, got {}',
    ],
    "added tokens that are no list": [
      '{"model":{"vocab":{"a":0}},"added_tokens":{}}',
      'Cannot read "added_tokens" in f/tokenizer.json: expected a list, got {}',
    ],
    "an added token without content": [
      '{"model":{"vocab":{"a":0}},"added_tokens":[null]}',
      "Cannot read the tokens of f/tokenizer.json: expected texts, got nothing",
    ],
    "a token of a Unigram vocabulary that is a number": [
      '{"model":{"vocab":[[7,0]]}}',
      "Cannot read the tokens of f/tokenizer.json: expected texts, got 7",
    ],
    "half a surrogate pair": [
      '{"model":{"vocab":{"\\ud800":0}}}',
      'Cannot read the tokens of f/tokenizer.json: expected texts, got "\\ud800"',
    ],
    "a negative id": [
      '{"model":{"vocab":{"a":-1}}}',
      "Cannot read the tokens of f/tokenizer.json: expected ids from 0 to 16777215, got -1",
    ],
    "an id that would fill the memory": [
      '{"model":{"vocab":{"a":4000000000}}}',
      "Cannot read the tokens of f/tokenizer.json: expected ids from 0 to 16777215, got 4000000000",
    ],
    "an id that is text": [
      '{"model":{"vocab":{"a":"0"}}}',
      'Cannot read the tokens of f/tokenizer.json: expected ids from 0 to 16777215, got "0"',
    ],
    "two tokens of one id": [
      '{"model":{"vocab":{"a":3,"b":3}}}',
      "Cannot read the tokens of f/tokenizer.json: expected every id once, got 3",
    ],
    "an unknown decoder": [
      ofDecoder({ type: "CTC" }),
      'Cannot read "decoder.type" in f/tokenizer.json: expected one of BPEDecoder, ByteFallback, ' +
      "ByteLevel, Fuse, Metaspace, Replace, Strip, WordPiece, Sequence of decoders, got " +
      '"CTC"',
    ],
    "a decoder named as a member that every object has": [
      ofDecoder({ type: "constructor" }),
      'Cannot read "decoder.type" in f/tokenizer.json: expected one of',
    ],
    "a decoder that is a number": [
      ofDecoder(1),
      'Cannot read "decoder.type" in f/tokenizer.json: expected one of',
    ],
    "a sequence without decoders": [
      ofDecoder({ type: "Sequence" }),
      'Cannot read "decoder.type" in f/tokenizer.json: expected one of',
    ],
    "a pattern": [
      ofDecoder({ type: "Sequence", decoders: [{ type: "Replace", pattern: { Regex: "(a+)+" } }] }),
      'Cannot read "decoder.decoders[0].pattern.String" in f/tokenizer.json: expected a string, ' +
      "got nothing",
    ],
    "a count that is text": [
      ofDecoder({ type: "Strip", content: "a", start: "1", stop: 0 }),
      'Cannot read "decoder.start" in f/tokenizer.json: expected a number, got "1"',
    ],
    "a change of the joined text": [
      ofDecoder({ type: "Sequence", decoders: [{ type: "Fuse" }, { type: "ByteLevel" }] }),
      'Cannot read "decoder.decoders[1].type" in f/tokenizer.json: expected one of Fuse, Strip, ' +
      'once tokens are joined, got "ByteLevel"',
    ],
    "a change of the bytes of a byte-level vocabulary": [
      ofDecoder({ type: "Sequence", decoders: [{ type: "ByteLevel" }, { type: "ByteFallback" }] }),
      'Cannot read "decoder.decoders[1].type" in f/tokenizer.json: expected one of Fuse, Strip, ' +
      'once tokens are joined, got "ByteFallback"',
    ],
    "a first token that is a number": [
      '{"model":{"vocab":{"a":0}}}',
      'Cannot read "bos_token" in f/tokenizer_config.json: expected a token, got 7',
      '{"bos_token":7}',
    ],
  };

for (const [what, [text, message, config]] of Object.entries(broken)) {
  Deno.test(`readTokenTexts() refuses ${what}`, async () => {
    await assert.rejects(readText(text, config), (error: Error) => {
      assert.equal(error.name, "DataError");
      assert(error.message.startsWith(message), error.message);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
  });
}

Deno.test("readTokenTexts() refuses a path where nothing is", async () => {
  await assert.rejects(readTokenTexts("fixtures/tiny/none.json"), {
    name: "DataError",
    message: "Cannot open fixtures/tiny/none.json: expected a file, got nothing there",
  });
});
