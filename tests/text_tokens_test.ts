import assert from "node:assert/strict";
import { bytesInMemory, type ByteSource, openFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { readTextTokens, sequenceFiller, type SequenceOptions } from "../src/text_tokens.ts";
import { readTokenizer } from "../src/tokenizer.ts";

const folder = new URL("../fixtures/text/", import.meta.url).pathname;
const expected = JSON.parse(await Deno.readTextFile(`${folder}expected.json`));
const tokenizer = await readTokenizer(`${folder}gpt_neox`);
const bos = tokenizer.bos!;

const lines = (values: readonly unknown[], name = "x.jsonl"): ByteSource =>
  bytesInMemory(
    name,
    new TextEncoder().encode(values.map((value) => JSON.stringify(value)).join("\n")),
  );

const settings: Readonly<Record<string, (bos: number) => Omit<SequenceOptions, "contextSize">>> = {
  "concatenated": (bos) => ({ bos, separator: bos }),
  "no bos": (bos) => ({ separator: bos }),
  "no separator": (bos) => ({ bos }),
  "joined": () => ({}),
  "apart": (bos) => ({ bos, separator: bos, concatenate: false }),
  "apart, no bos": () => ({ concatenate: false }),
};

for (const [name, sizes] of Object.entries<Record<string, object>>(expected.sequences)) {
  const short = expected.ids[name].slice(0, 29).filter((ids: number[]) => ids.length < 90);
  const first = name === "llama" ? 1 : 0;
  for (const [size, bySetting] of Object.entries(sizes)) {
    Deno.test(`sequenceFiller() fills as sae-lens ${expected.sae_lens}: ${name}, ${size}`, () => {
      for (const [setting, sequences] of Object.entries(bySetting)) {
        const fill = sequenceFiller({ contextSize: Number(size), ...settings[setting](first) });
        const found = short.flatMap(fill).map((ids: Int32Array) => [...ids]);
        assert.deepEqual(found, sequences, setting);
      }
    });
  }
}

// On a blackboard: what is to come, one id after another.
function naive(texts: readonly number[][], options: SequenceOptions): number[][] {
  const { contextSize: T, bos, separator } = options;
  const rows: number[][] = [[]];
  const row = () => rows.at(-1)!;
  const put = (id: number) => {
    row().push(id);
    if (row().length === T) rows.push([]);
  };
  for (const text of texts) {
    for (const [i, id] of text.entries()) {
      if (i === 0 && row().length > 0 && separator !== undefined && id !== separator) {
        put(separator);
      }
      if (row().length === 0 && bos !== undefined && id !== bos) put(bos);
      put(id);
    }
  }
  return rows.slice(0, -1);
}

Deno.test("sequenceFiller() equals its definition on random texts", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const below = (n: number) => Math.floor(random() * n);
    const texts = Array.from(
      { length: below(20) },
      () => Array.from({ length: below(12) }, () => below(4)),
    );
    const options = {
      contextSize: 2 + below(6),
      bos: below(2) ? 0 : undefined,
      separator: below(2) ? below(3) : undefined,
    };
    const fill = sequenceFiller(options);
    const found = texts.flatMap((ids) => fill(ids)).map((ids) => [...ids]);
    assert.deepEqual(found, naive(texts, options), `seed ${seed}`);
  }
});

Deno.test("sequenceFiller() refuses sizes that no text can fill", () => {
  for (const contextSize of [0, -1, 1.5, NaN]) {
    assert.throws(() => sequenceFiller({ contextSize }), {
      name: "RangeError",
      message: `Cannot fill sequences of ${contextSize} tokens: it must be a positive integer`,
    });
  }
  assert.throws(() => sequenceFiller({ contextSize: 1, bos: 0 }), {
    name: "RangeError",
    message: "Cannot fill sequences of 1 token: its first one is there already",
  });
  assert.deepEqual(sequenceFiller({ contextSize: 1 })([5, 6]), [
    Int32Array.of(5),
    Int32Array.of(6),
  ]);
});

Deno.test("readTextTokens() makes what SAELens makes of a file of lines", async () => {
  const texts = expected.texts.slice(0, 29)
    .filter((_: string, i: number) => expected.ids.gpt_neox[i].length < 90);
  const options = { contextSize: 7, totalTokens: 1e6 };
  for (const values of [texts, texts.map((text: string) => ({ id: 1, text }))]) {
    const { ids, nSequences, madeWith } = await readTextTokens(lines(values), tokenizer, options);
    const sequences = expected.sequences.gpt_neox["7"].concatenated;
    assert.deepEqual([...ids], sequences.flat());
    assert.equal(nSequences, sequences.length);
    assert.deepEqual(madeWith, {
      tokenizer: tokenizer.sha256,
      column: "text",
      bos,
      separator: bos,
      concatenate: true,
      nTexts: texts.length,
    });
  }
  const apart = { ...options, prependBos: false, concatenate: false };
  const { ids, madeWith } = await readTextTokens(lines(texts), tokenizer, apart);
  assert.deepEqual([...ids], expected.sequences.gpt_neox["7"]["apart, no bos"].flat());
  assert.deepEqual([madeWith.bos, madeWith.separator], [null, null]);
  const joined = { ...options, prependBos: false, separator: null };
  const all = await readTextTokens(lines(texts), tokenizer, joined);
  assert.deepEqual([...all.ids], expected.sequences.gpt_neox["7"].joined.flat());
});

Deno.test("readTextTokens() reads a Parquet column of text, a byte order mark too", async () => {
  const texts = (JSON.parse(await Deno.readTextFile(`${folder}parquet.json`)).columns["text"]
    .text as (string | null)[]).slice(0, 4);
  const source = await openFile(`${folder}parquet/text.parquet`);
  const options = { contextSize: 3, totalTokens: 6 };
  const { ids } = await readTextTokens(source, tokenizer, options);
  assert.deepEqual(ids, (await readTextTokens(lines(texts), tokenizer, options)).ids);
});

Deno.test("readTextTokens() takes no more texts than the tokens need", async () => {
  const source = lines([{ text: "the cat sat on the mat" }, { text: "the dog" }, { text: 5 }]);
  const options = { contextSize: 4, totalTokens: 6 };
  const { nTokens, nSequences, ids, madeWith } = await readTextTokens(source, tokenizer, options);
  assert.deepEqual([nTokens, nSequences, ids.length], [6, 2, 8]);
  assert.equal(madeWith.nTexts, 1);
});

const llama = await readTokenizer(`${folder}llama`);
const text = (value: unknown) => lines([{ text: "the cat sat on the mat" }, { text: value }]);
const refused: Readonly<Record<string, [act: () => Promise<unknown>, message: string]>> = {
  "a number for a text": [
    () => readTextTokens(text(5), tokenizer, { contextSize: 4, totalTokens: 1e6 }),
    "Cannot read texts of row 1 in x.jsonl: expected a text, got 5",
  ],
  "half of a surrogate pair": [
    () => readTextTokens(text("\ud800"), tokenizer, { contextSize: 4, totalTokens: 1e6 }),
    "Cannot make tokens of row 1 in x.jsonl: " +
    "expected whole characters, got half of a surrogate pair",
  ],
  "a null in a Parquet column": [
    async () => {
      const source = await openFile(`${folder}parquet/text.parquet`);
      return readTextTokens({ ...source, name: "x.parquet" }, tokenizer, {
        contextSize: 4,
        totalTokens: 1e6,
      });
    },
    "Cannot read texts of row 4 in x.parquet: expected a text, got null",
  ],
  "another ending": [
    () => readTextTokens(lines(["a"], "x.txt"), tokenizer, { contextSize: 4, totalTokens: 4 }),
    'Cannot read texts of x.txt: expected a name that ends in .parquet, .jsonl, got "x.txt"',
  ],
  "a Parquet file of another kind": [
    () => {
      const source = lines(["<!DOCTYPE html>"], "x.parquet");
      return readTextTokens(source, tokenizer, { contextSize: 4, totalTokens: 4 });
    },
    "Cannot read texts of x.parquet: expected a Parquet file, " +
    'got "parquet file invalid (footer != PAR1)"',
  ],
  "a table without the column": [
    () => readTextTokens(lines([{ a: 1 }]), tokenizer, { contextSize: 4, totalTokens: 4 }),
    'Cannot read tokens of row 0 in x.jsonl: expected column "text", got "a"',
  ],
  "too little text": [
    () => readTextTokens(lines(["a", ""]), tokenizer, { contextSize: 64, totalTokens: 64 }),
    "Cannot read tokens of x.jsonl: expected texts that fill a sequence of 64 tokens, " +
    "got 2 texts of 1 tokens in all",
  ],
  "a first token that no one names": [
    () => readTextTokens(lines(["a"]), llama, { contextSize: 4, totalTokens: 4 }),
    `Cannot find the bos token of ${folder}llama/tokenizer.json: ` +
    'expected "bos_token" in tokenizer_config.json beside it, or "<|endoftext|>", got neither',
  ],
};
for (const [name, [act, message]] of Object.entries(refused)) {
  Deno.test(`readTextTokens() refuses ${name}`, async () => {
    await assert.rejects(act, { name: "DataError", message });
  });
}

Deno.test("readTextTokens() refuses a number of tokens, and an id, that is none", async () => {
  await assert.rejects(readTextTokens(lines([]), tokenizer, { contextSize: 4, totalTokens: 0 }), {
    name: "RangeError",
    message: "Cannot read tokens with totalTokens 0: it must be a positive integer",
  });
  const options = { contextSize: 4, totalTokens: 4, separator: -1 };
  await assert.rejects(readTextTokens(lines([]), tokenizer, options), {
    name: "RangeError",
    message: "Cannot separate texts by token -1: expected an id from 0 on",
  });
});
