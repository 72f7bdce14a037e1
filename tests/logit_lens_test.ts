// What a direction does to the logits: against PyTorch, the definition, and laws.

import assert from "node:assert/strict";
import { logitLens, readUnembedding, type Unembedding } from "../src/logit_lens.ts";
import { randomFrom } from "../src/random.ts";
import { encodeSafetensors, type Tensor } from "../src/safetensors.ts";

type Rows = readonly (readonly number[])[];
type Side = Readonly<Record<"ids" | "logits" | "centred", Rows>>;
type Expected =
  & Readonly<Record<"promoted" | "suppressed", Side>>
  & Readonly<Record<"directions" | "counts" | "tokens" | "ranks", Rows>>
  & { readonly means: readonly number[] };

// The ranks alone.
const ranksOf = (ranked: ArrayLike<number>, directions: Float32Array, unembedding: Unembedding) =>
  logitLens(directions, unembedding, { nTop: 1, nBins: 1, ranked }).ranks;

const expected: Readonly<Record<string, Expected>> = JSON.parse(
  await Deno.readTextFile("fixtures/logit_lens/expected.json"),
);

// |a − b| ≤ 1e-6 + 1e-6 |b|: a few roundings to float32.
function assertClose(found: ArrayLike<number>, wanted: readonly number[]): void {
  assert.equal(found.length, wanted.length);
  wanted.forEach((b, e) => {
    assert(Math.abs(found[e] - b) <= 1e-6 + 1e-6 * Math.abs(b), `${found[e]} is ${b} at ${e}`);
  });
}

for (const [folder, golden] of Object.entries(expected)) {
  const directions = Float32Array.from(golden.directions.flat());
  const read = () => readUnembedding(`fixtures/${folder}`);

  Deno.test(`logitLens() of ${folder} is what PyTorch computes`, async () => {
    const unembedding = await read();
    const options = { nTop: 10, nBins: 20 };
    const plain = logitLens(directions, unembedding, options);
    const centred = logitLens(directions, unembedding, { ...options, isCentred: true });
    for (const side of ["promoted", "suppressed"] as const) {
      assert.deepEqual([...plain[side].ids], golden[side].ids.flat());
      assert.deepEqual(centred[side].ids, plain[side].ids);
      assertClose(plain[side].logits, golden[side].logits.flat());
      assertClose(centred[side].logits, golden[side].centred.flat());
    }
    assertClose(plain.means, [...golden.means]);
    assert.deepEqual([...plain.counts], golden.counts.flat());
    assert.deepEqual([centred.means, centred.counts], [plain.means, plain.counts]);
  });

  Deno.test(`logitLens() of ${folder} ranks as PyTorch sorts`, async () => {
    const ranks = ranksOf(golden.tokens.flat(), directions, await read());
    assert.deepEqual([...ranks], golden.ranks.flat());
  });

  Deno.test(`a constant added to a direction changes no logit of ${folder}`, async () => {
    const unembedding = await read();
    const lens = logitLens(directions, unembedding, { nTop: 3 });
    const moved = logitLens(directions.map((x) => x + 0.5), unembedding, { nTop: 3 });
    assert.deepEqual(moved.promoted.ids, lens.promoted.ids);
    assertClose(moved.promoted.logits, [...lens.promoted.logits]);
  });
}

// Small integers tie often, and their sums have no rounding.
function randomCase(seed: number) {
  const random = randomFrom(seed);
  const upTo = (n: number) => 1 + Math.floor(random() * n);
  const [K, vocabulary, width] = [upTo(10) - 1, upTo(40), upTo(9)];
  const number = seed % 2 === 0 ? () => upTo(5) - 3 : () => random() - 0.5;
  const floats = (n: number) => Float32Array.from({ length: n }, number);
  const unembedding = { vocabulary, width, weights: floats(vocabulary * width) };
  return { directions: floats(K * width), unembedding, nTop: upTo(vocabulary), nBins: upTo(7) };
}

// As on a blackboard: all logits of a direction, and its tokens from the highest to the lowest.
function lensOf(directions: Float32Array, k: number, unembedding: Unembedding) {
  const { vocabulary, width, weights } = unembedding;
  const logits = Array.from({ length: vocabulary }, (_, v) => {
    let sum = 0;
    for (let d = 0; d < width; d++) sum += directions[k * width + d] * weights[v * width + d];
    return Math.fround(sum);
  });
  const ids = [...logits.keys()];
  return {
    logits,
    falling: ids.toSorted((a, b) => logits[b] - logits[a] || a - b),
    rising: ids.toSorted((a, b) => logits[a] - logits[b] || a - b),
  };
}

Deno.test("logitLens() and its ranks are their definition on 120 random inputs", () => {
  for (let seed = 0; seed < 120; seed++) {
    const { directions, unembedding, nTop, nBins } = randomCase(seed);
    const K = directions.length / unembedding.width;
    const lens = logitLens(directions, unembedding, { nTop, nBins });
    assert.equal(lens.means.length, K, `seed ${seed}`);
    for (let k = 0; k < K; k++) {
      const what = `direction ${k} of seed ${seed}`;
      const { logits, falling, rising } = lensOf(directions, k, unembedding);
      for (const [side, order] of [["promoted", falling], ["suppressed", rising]] as const) {
        const { ids, logits: values } = lens[side];
        const [start, end, top] = [k * nTop, (k + 1) * nTop, order.slice(0, nTop)];
        assert.deepEqual([...ids.slice(start, end)], top, what);
        assert.deepEqual([...values.slice(start, end)], top.map((id) => logits[id]), what);
      }
      const mean = logits.reduce((sum, x) => sum + x, 0) / logits.length;
      assert.equal(lens.means[k], mean, what);

      const [low, high] = [logits[rising[0]], logits[falling[0]]];
      const counts = Array.from({ length: nBins }, () => 0);
      for (const x of logits) {
        const share = high > low ? (x - low) * (nBins / (high - low)) : 0;
        counts[Math.min(nBins - 1, Math.floor(share))]++;
      }
      assert.deepEqual([...lens.counts.slice(k * nBins, (k + 1) * nBins)], counts, what);
    }
    const tokens = Array.from({ length: K }, () => [...Array(unembedding.vocabulary).keys()]);
    const ranks = ranksOf(tokens.flat(), directions, unembedding);
    const wanted = tokens.flatMap((all, k) => {
      const { falling } = lensOf(directions, k, unembedding);
      return all.map((id) => falling.indexOf(id));
    });
    assert.deepEqual([...ranks], wanted, `seed ${seed}`);
  }
});

const tiny = () => readUnembedding("fixtures/tiny/models/step4000");
const eight = Float32Array.from(expected["tiny/models/step4000"].directions.flat());

Deno.test("logitLens() of a direction does not depend on what else is asked", async () => {
  const unembedding = await tiny();
  const together = logitLens(eight, unembedding, { nTop: 4 });
  for (let k = 0; k < 8; k++) {
    const alone = logitLens(eight.subarray(64 * k, 64 * k + 64), unembedding, { nTop: 4 });
    assert.deepEqual(alone.promoted.logits, together.promoted.logits.slice(4 * k, 4 * k + 4));
    assert.deepEqual(alone.counts, together.counts.slice(50 * k, 50 * k + 50));
    assert.equal(alone.means[0], together.means[k]);
  }
});

Deno.test("logitLens() of a direction turned round swaps its sides, doubled doubles", async () => {
  const unembedding = await tiny();
  const { promoted, suppressed, counts } = logitLens(eight, unembedding);
  const turned = logitLens(eight.map((x) => -x), unembedding);
  assert.deepEqual([turned.promoted.ids, turned.suppressed.ids], [suppressed.ids, promoted.ids]);
  const doubled = logitLens(eight.map((x) => 2 * x), unembedding);
  assert.deepEqual(doubled.promoted.logits, promoted.logits.map((x) => 2 * x));
  assert.deepEqual(doubled.counts, counts);
});

Deno.test("logitLens() ranks the promoted tokens from 0 on", async () => {
  const unembedding = await tiny();
  const { promoted } = logitLens(eight, unembedding, { nTop: 5 });
  const ranks = ranksOf(promoted.ids, eight, unembedding);
  assert.deepEqual([...ranks], Array.from({ length: 40 }, (_, e) => e % 5));
});

const plain: Unembedding = { vocabulary: 3, width: 2, weights: new Float32Array(6).fill(1) };

Deno.test("a direction of zeros has logits 0, in the order of ids, and in one bin", () => {
  const { promoted, suppressed, means, counts } = logitLens(new Float32Array(2), plain, {
    nTop: 3,
    nBins: 2,
  });
  assert.deepEqual([...promoted.ids, ...suppressed.ids], [0, 1, 2, 0, 1, 2]);
  assert.deepEqual([...promoted.logits, ...means, ...counts], [0, 0, 0, 0, 3, 0]);
});

const one = new Float32Array([1, 1]);
const refused: Readonly<Record<string, readonly [() => unknown, string]>> = {
  "no token": [
    () => logitLens(one, plain, { nTop: 0 }),
    "Cannot find the top tokens: expected 1 to 3 of them, got 0",
  ],
  "more tokens than there are": [
    () => logitLens(one, plain),
    "Cannot find the top tokens: expected 1 to 3 of them, got 10",
  ],
  "no bin": [
    () => logitLens(one, plain, { nTop: 1, nBins: 0 }),
    "Cannot count logits: expected at least one bin, got 0",
  ],
  "directions of another width": [
    () => logitLens(new Float32Array(5), plain, { nTop: 1 }),
    "Cannot read directions: expected rows of 2 numbers, got 5 numbers",
  ],
  "a direction that is no number": [
    () => logitLens(new Float32Array([0, 0, 0, NaN]), plain, { nTop: 1 }),
    "Cannot read direction 1: expected finite numbers, got NaN",
  ],
  "tokens that are not equally many of each direction": [
    () => ranksOf([0, 1, 2], new Float32Array(4), plain),
    "Cannot rank tokens of 2 directions: expected as many of each, got 3 tokens",
  ],
  "tokens of no direction": [
    () => ranksOf([0], new Float32Array(0), plain),
    "Cannot rank tokens of 0 directions: expected as many of each, got 1 tokens",
  ],
  "a token beyond the vocabulary": [
    () => ranksOf([3], one, plain),
    "Cannot rank a token: expected an id below 3, got 3",
  ],
  "a token that is no id": [
    () => ranksOf([-1], one, plain),
    "Cannot rank a token: expected an id below 3, got -1",
  ],
};

for (const [what, [act, message]] of Object.entries(refused)) {
  Deno.test(`${what}: refused`, () => {
    assert.throws(act, { name: "RangeError", message });
  });
}

// Reads the unembedding of a model of 3 tokens and width 2 with some tensors.
async function readOf(tensors: Record<string, number[]>, more = {}): Promise<Unembedding> {
  const folder = await Deno.makeTempDir();
  // deno-fmt-ignore
  const config = {
    model_type: "gpt_neox", hidden_size: 2, num_attention_heads: 1, num_hidden_layers: 1,
    intermediate_size: 2, vocab_size: 3, rotary_pct: 1, ...more,
  };
  const entries = Object.entries(tensors).map(([name, data]): [string, Tensor] => [
    name,
    { shape: data.length === 2 ? [2] : [data.length / 2, 2], data: Float32Array.from(data) },
  ]);
  try {
    await Deno.writeTextFile(`${folder}/config.json`, JSON.stringify(config));
    const bytes = encodeSafetensors(Object.fromEntries(entries));
    await Deno.writeFile(`${folder}/model.safetensors`, bytes);
    return await readUnembedding(folder);
  } catch (error) {
    (error as Error).message = (error as Error).message.replaceAll(folder, "f");
    throw error;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const [norm, embedIn, embedOut] = [
  "gpt_neox.final_layer_norm.weight",
  "gpt_neox.embed_in.weight",
  "embed_out.weight",
];
const [gain, first, second] = [[2, 4], [1, 1, 0, 1, 1, 0], [3, 0, 0, 0, 0, 3]];
const foldedFirst = [-1, 1, -2, 2, 1, -1], foldedSecond = [3, -3, 0, 0, -6, 6];
const isTied = { tie_word_embeddings: true };
const read: Readonly<Record<string, readonly [Record<string, number[]>, object, number[]]>> = {
  "its own matrix": [{ [norm]: gain, [embedIn]: first, [embedOut]: second }, {}, foldedSecond],
  "its own matrix, though tied": [
    { [norm]: gain, [embedIn]: first, [embedOut]: second },
    isTied,
    foldedSecond,
  ],
  "its embedding, if tied": [{ [norm]: gain, [embedIn]: first }, isTied, foldedFirst],
  "its embedding, if tied, of the blocks alone": [
    { "final_layer_norm.weight": gain, "embed_in.weight": first },
    isTied,
    foldedFirst,
  ],
};

for (const [what, [tensors, config, weights]] of Object.entries(read)) {
  Deno.test(`readUnembedding() folds the final norm into ${what}`, async () => {
    const found = await readOf(tensors, config);
    assert.deepEqual(found, { vocabulary: 3, width: 2, weights: Float32Array.from(weights) });
  });
}

const broken: Readonly<Record<string, readonly [Record<string, number[]>, object, string]>> = {
  "a model without output matrix": [
    { [norm]: gain, [embedIn]: first },
    {},
    'Cannot read tensor "embed_out.weight" in f: expected a tensor of that name, got ' +
    `"${norm}", "${embedIn}"`,
  ],
  "a model without final norm": [
    { [embedOut]: second },
    {},
    'Cannot read tensor "final_layer_norm.weight" in f: expected a tensor of that name, got ' +
    '"embed_out.weight"',
  ],
  "a matrix of another vocabulary": [
    { [norm]: gain, [embedOut]: [...second, 1, 1] },
    {},
    'Cannot read tensor "embed_out.weight" in f/model.safetensors: expected shape [3, 2], ' +
    "got shape [4, 2]",
  ],
  "a matrix that is not finite": [
    { [norm]: gain, [embedOut]: [0, 0, 0, Infinity, 0, 0] },
    {},
    'Cannot read tensor "embed_out.weight" in f: expected finite numbers, ' +
    "got Infinity at element 3",
  ],
};

for (const [what, [tensors, config, message]] of Object.entries(broken)) {
  Deno.test(`readUnembedding() refuses ${what}`, async () => {
    await assert.rejects(readOf(tensors, config), { name: "DataError", message });
  });
}
