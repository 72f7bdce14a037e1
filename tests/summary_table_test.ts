import assert from "node:assert/strict";
import { openRows, openTable } from "../src/arrow.ts";
import { bytesInMemory, type ByteSource } from "../src/files.ts";
import { matchFeatures } from "../src/match.ts";
import { type Sparse, sparsify } from "../src/sparse.ts";
import type { Summary } from "../src/summary.ts";
import { writeFeatures, writeSummary } from "../src/summary_table.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";

function written(write: (sink: { write(bytes: Uint8Array): void }) => void): ByteSource {
  const parts: Uint8Array[] = [];
  write({ write: (bytes) => void parts.push(bytes.slice()) });
  return bytesInMemory("table", new Uint8Array(parts.flatMap((part) => [...part])));
}

async function texts(source: ByteSource, column: string): Promise<unknown[]> {
  return await Array.fromAsync((await openRows(source)).rows(column, 1));
}

async function numbers(source: ByteSource, column: string): Promise<number[]> {
  for await (const batch of (await openTable(source)).batches()) {
    return Array.from(batch.column(column));
  }
  return assert.fail("no batch");
}

const byHand = summaryOf([
  checkpointWith(0, [0.9, 0.1, NaN, 0.1, NaN]),
  checkpointWith(7, [0.9, 0.9, 0.1, 0.9, NaN]),
  checkpointWith(63, [0.9, 0.9, 0.1, 0.4, NaN]),
  checkpointWith(127, [1, 1, 1, 1, NaN]),
]);

Deno.test("features.arrow says how each feature came to be, without the reference's own step", async () => {
  const file = written((sink) => writeFeatures(sink, byHand, 0.5));
  const classes = ["from the start", "early", "never", "transient", "dead"];
  assert.deepEqual(await texts(file, "lifecycle"), classes);
  const emergence = await numbers(file, "emergence");
  assert.equal(emergence[0], 0);
  assert(emergence[1] > 0 && emergence[1] < 7, `${emergence[1]}`);
  assert.deepEqual(emergence.slice(2), [NaN, NaN, NaN]);
});

Deno.test("features.arrow of a reference alone knows no lifecycle", async () => {
  const alone = summaryOf([checkpointWith(5, [1, NaN])]);
  const file = written((sink) => writeFeatures(sink, alone));
  assert.deepEqual(await texts(file, "lifecycle"), ["unknown", "dead"]);
});

Deno.test("features.arrow is written at any distance", () => {
  for (const distance of [0, 0.5, 1, 2]) written((sink) => writeFeatures(sink, byHand, distance));
});

Deno.test("summary.arrow has the null beside the curve, and null where none was tried", async () => {
  const plain = syntheticSummary(50);
  const [first, ...others] = plain.checkpoints;
  const nulls = { rotated: [new Float32Array(50).fill(0.6)], sameToken: [] };
  const summary: Summary = { ...plain, checkpoints: [{ ...first, nulls }, ...others] };
  const file = written((sink) => writeSummary(sink, summary));
  const chance = await numbers(file, "chance_matched_0.5");
  assert.deepEqual(chance, [1, ...others.map(() => NaN)]);
  assert((await numbers(file, "token_matched_0.5")).every(Number.isNaN));
  const significant = await numbers(file, "n_significant");
  assert(significant[0] >= 0);
  assert.deepEqual(significant.slice(1), others.map(() => -1));
});

// Features by what they are on a few tokens.
function features(...of: readonly (readonly number[])[]): Sparse {
  const dense = of[0].flatMap((_, n) => of.map((feature) => feature[n]));
  return sparsify(Float32Array.from(dense), of.length);
}

// Checkpoints that are really matched, with their neighbours as well, at steps 0, 8, 16 and so on.
function matched(at: readonly Sparse[], reference = at.length - 1): Summary {
  const source = at[reference];
  const checkpoints = at.map((target, c) => ({
    ...checkpointWith(8 * c, Array(source.nCols).fill(0)),
    match: matchFeatures(source, target),
  }));
  return {
    ...summaryOf(checkpoints),
    reference: 8 * reference,
    nFeatures: source.nCols,
    links: at.slice(1).map((later, c) => matchFeatures(later, at[c])),
  };
}

// Its first feature goes back to another than it is matched with; its last is dead.
const sweep = matched([
  features([1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 0]),
  features([1, 0, 0, 2], [0, 1, 0, 0]),
  features([1, 0, 0, 0], [0, 3, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]),
  features([0, 0, 1, 0], [1, 0, 0, 0]),
], 2);

const few = features([1, 0.1, 0], [0, 0, 1]);
const more = features([1, 0, 0], [1, 0.2, 0], [0, 0, 1]); // of which two are like the first of few

const byCheckpoint: Record<string, [Summary, Record<string, number[]>]> = {
  "a sweep": [sweep, {
    "n_unmatched": [1, 2, 0, 1],
    "n_unmatched_reverse": [1, 1, 0, 0],
    "n_mutual": [2, 2, 3, 2],
    "share_unique": [1, 1, 1, 1],
    "n_split": [0, 0, 0, 0],
    "n_merged": [0, 0, 0, 0],
    "births": [-1, 0, 2, 0],
    "deaths": [-1, 1, 1, 1],
    "splits": [-1, 0, 0, 0],
    "merges": [-1, 0, 0, 0],
    "chain_both": [2, 2, 3, 0],
    "chain_agrees": [1, 2, 3, 0],
    "same_as": [-1, -1, -1, -1],
  }],
  "one that becomes two": [matched([few, more]), {
    "n_unmatched": [0, 0],
    "n_unmatched_reverse": [0, 0],
    "n_mutual": [2, 3],
    "share_unique": [2 / 3, 1],
    "n_split": [1, 2], // the two are near each other as well
    "n_merged": [0, 2],
    "births": [-1, 1],
    "deaths": [-1, 0],
    "splits": [-1, 1],
    "merges": [-1, 0],
    "chain_both": [3, 3],
    "chain_agrees": [3, 3],
  }],
  "two that become one": [matched([more, few]), {
    "n_mutual": [2, 2],
    "share_unique": [1, 1],
    "n_split": [0, 0],
    "n_merged": [1, 0],
    "births": [-1, 0],
    "deaths": [-1, 1],
    "splits": [-1, 0],
    "merges": [-1, 1],
  }],
  "the same weights": [matched([features([1, 0], [0, 1]), features([2, 0], [0, 2])]), {
    "same_as": [-1, 0],
    "births": [-1, 0],
    "deaths": [-1, 0],
  }],
  "no neighbours": [{ ...sweep, links: [] }, {
    "births": [-1, -1, -1, -1],
    "chain_both": [-1, -1, -1, -1],
    "same_as": [-1, -1, -1, -1],
    "n_mutual": [2, 2, 3, 2],
  }],
  "no feature that fires": [matched([features([0], [0]), features([0], [0])]), {
    "n_unmatched": [0, 0],
    "n_unmatched_reverse": [0, 0],
    "share_unique": [NaN, NaN],
    "same_as": [-1, -1],
  }],
};

for (const [what, [summary, columns]] of Object.entries(byCheckpoint)) {
  Deno.test(`summary.arrow counts what was counted by hand: ${what}`, async () => {
    const file = written((sink) => writeSummary(sink, summary));
    for (const [name, expected] of Object.entries(columns)) {
      assert.deepEqual(await numbers(file, name), expected, name);
    }
  });
}

Deno.test("summary.arrow has the mean share of every mark, of the features that have one", async () => {
  const [first, ...others] = sweep.checkpoints;
  const none = new Float32Array(4).fill(NaN);
  const markShares = {
    first: Float32Array.of(0.25, NaN, 0.75, NaN),
    padding: none,
    outlier: Float32Array.of(1, 0, 0, 0),
  };
  const summary = { ...sweep, checkpoints: [{ ...first, markShares }, ...others] };
  const file = written((sink) => writeSummary(sink, summary));
  const shares = ["first_share", "padding_share", "outlier_share"];
  const at0 = await Promise.all(shares.map(async (name) => (await numbers(file, name))[0]));
  assert.deepEqual(at0, [0.5, NaN, 0.25]);
});

Deno.test("features.arrow says how sure emergence is; an open end and a dead feature are null", async () => {
  const intervals = [
    { low: 2, high: 5, neverShare: 0 },
    { low: 1, high: Infinity, neverShare: 0.5 },
    { low: Infinity, high: Infinity, neverShare: 1 },
    { low: 0, high: 0, neverShare: 0 },
    { low: 3, high: 4, neverShare: 1 }, // dead
  ];
  const summary = { ...byHand, emergence: { threshold: 0.5, intervals } };
  const file = written((sink) => writeFeatures(sink, summary));
  assert.deepEqual(await numbers(file, "emergence_low"), [2, 1, NaN, 0, NaN]);
  assert.deepEqual(await numbers(file, "emergence_high"), [5, NaN, NaN, 0, NaN]);
  assert.deepEqual(await numbers(file, "emergence_never"), [0, 0.5, 1, 0, NaN]);
  const untried = written((sink) => writeFeatures(sink, byHand));
  assert.deepEqual(await numbers(untried, "emergence_never"), Array(5).fill(NaN));
});

Deno.test("features.arrow has the share of the token, and its class", async () => {
  const tokenShare = Float64Array.of(0.7, 0.5, -0.1, NaN, 0.9);
  const file = written((sink) => writeFeatures(sink, { ...byHand, tokenShare }));
  assert.deepEqual(await numbers(file, "token_share"), [...tokenShare]);
  const classes = ["token", "mixed", "context", "unknown", "dead"];
  assert.deepEqual(await texts(file, "token_class"), classes);
});

Deno.test("features.arrow has q-values where chance was tried, a list a feature", async () => {
  const [first, ...others] = byHand.checkpoints;
  const nulls = { rotated: [new Float32Array(5).fill(0.5)], sameToken: [] };
  const summary = { ...byHand, checkpoints: [{ ...first, nulls }, ...others] };
  const file = written((sink) => writeFeatures(sink, summary));
  // One of three live features is above all of three nulls: p is 1/4, 1 and 1.
  const at0 = [0.75, 1, NaN, 1, NaN];
  assert.deepEqual(await numbers(file, "q_value"), at0.flatMap((q) => [q, NaN, NaN, NaN]));
});

Deno.test("features.arrow follows features back by neighbours, if these were matched", async () => {
  const file = written((sink) => writeFeatures(sink, sweep));
  const least = Math.fround(1 / Math.sqrt(5));
  // deno-fmt-ignore
  assert.deepEqual(await numbers(file, "chained_match"), [
     1,  0,  0, -1,
     2,  1,  1, -1,
    -1, -1,  2, -1,
    -1, -1, -1, -1,
  ]);
  // deno-fmt-ignore
  assert.deepEqual(await numbers(file, "chained_similarity"), [
    least, least, 1, NaN,
    1, 1, 1, NaN,
    NaN, NaN, 1, NaN,
    NaN, NaN, NaN, NaN,
  ]);
  const alone = written((sink) => writeFeatures(sink, { ...sweep, links: [] }));
  const { names } = await openTable(alone);
  assert(names.includes("q_value") && !names.includes("chained_match"), `${names}`);
});

Deno.test("features.arrow is written at any distance with neighbours as well", () => {
  for (const distance of [0, 0.5, 1, 2]) {
    written((sink) => writeFeatures(sink, sweep, distance));
  }
});
