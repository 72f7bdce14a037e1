import assert from "node:assert/strict";
import * as arrow from "npm:apache-arrow@21.2.0";
import { openTable, writeTable } from "../src/arrow.ts";
import { activationsOf } from "../src/blocks.ts";
import { type ByteSink, bytesInMemory, type ByteSource } from "../src/files.ts";
import { decoderCosines, inDegrees, matchFeatures, mutualMatches } from "../src/match.ts";
import { matchCheckpoint, type Trials } from "../src/match_checkpoint.ts";
import {
  type MatchInfo,
  readLink,
  readMatch,
  readMatchInfo,
  writeLink,
  writeMatch,
  writeReverse,
} from "../src/match_table.ts";
import { createMatcher } from "../src/matcher.ts";
import { type Metric, metrics } from "../src/measures.ts";
import { exchanged, rotated, rotations, significance } from "../src/nulls.ts";
import { markedShares, pairScores, replicas } from "../src/pair_scores.ts";
import { pairSums } from "../src/pair_sums.ts";
import { concatenate, type Sparse, sparsify } from "../src/sparse.ts";
import { tokenSet } from "../src/token_set.ts";
import { randomDense } from "./_naive.ts";

// Twelve sequences of five tokens; the first feature is dense, others are dead, or have no runner-up.
const source = activationsOfSome(9, 0.03, 5);
const target = activationsOfSome(7, 0.05, 6);
const [decoder, targetDecoder] = [randomDense(9 * 4, 0.9, 7), randomDense(7 * 4, 0.9, 8)];
const tokens = tokenSet({
  ids: Uint32Array.from({ length: 60 }, (_, n) => n * n % 11),
  contextSize: 5,
  norms: Float32Array.from({ length: 60 }, (_, n) => n % 9 === 0 ? 99 : 1),
  padding: 4,
});
const trials: Trials = { nRotations: 3, nExchanges: 2, nReplicas: 5, seed: 1 };

function activationsOfSome(nFeatures: number, density: number, seed: number): Sparse {
  const some = randomDense(60 * nFeatures, density, seed).map(Math.abs);
  for (let n = 0; n < 60; n++) some[n * nFeatures] ||= 1 + n % (seed + 2);
  return sparsify(some, nFeatures);
}

const infoOf = (metric: Metric): MatchInfo => ({
  format: 1,
  fingerprint: "abc",
  step: 8,
  reference: 64,
  n_tokens: 60,
  metric,
  left_out: [],
});

async function made(metric: Metric, tried: Trials | undefined) {
  const matcher = createMatcher({ metric });
  const comparison = { source: activationsOf(source, 13), decoder, tokens, matcher, metric };
  try {
    return await matchCheckpoint(comparison, activationsOf(target, 17), targetDecoder, tried);
  } finally {
    matcher.close();
  }
}
type Made = Awaited<ReturnType<typeof made>>;

function bytesOf(write: (sink: ByteSink) => void): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  write({ write: (bytes) => void parts.push(bytes.slice()) });
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

const file = (write: (sink: ByteSink) => void): ByteSource =>
  bytesInMemory("match.arrow", bytesOf(write));

const forward = ({ matched, replicas }: Made, metric: Metric) => (sink: ByteSink) =>
  writeMatch(sink, matched, replicas, infoOf(metric));

const backward = ({ matched }: Made, metric: Metric) => (sink: ByteSink) =>
  writeReverse(sink, matched.match, infoOf(metric));

// Typed arrays as their names and values: NaN is NaN, whatever its sign.
function plain(of: unknown): unknown {
  if (ArrayBuffer.isView(of)) return [of.constructor.name, ...of as Float32Array];
  if (typeof of !== "object" || of === null) return of;
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, plain(value)]));
}

for (const metric of metrics) {
  for (const [what, tried] of [["with", trials], ["without", undefined]] as const) {
    Deno.test(`a match by ${metric} ${what} trials is read back bit for bit`, async () => {
      const made_ = await made(metric, tried);
      const { match } = made_.matched;
      assert(match.best.includes(-1) && match.runnerUp.includes(-1), "something is absent");
      const read = await readMatch(file(forward(made_, metric)), file(backward(made_, metric)));
      assert.deepEqual(plain(read), plain(made_));
      assert.deepEqual(await readMatchInfo(file(forward(made_, metric))), infoOf(metric));
    });
  }

  Deno.test(`a link by ${metric} is read back bit for bit`, async () => {
    const link = matchFeatures(source, target, metric);
    const [there, back] = [writeLink, writeReverse].map((write) =>
      file((sink) => write(sink, link, infoOf(metric)))
    );
    assert.deepEqual(await readLink(there, back), link);
  });

  Deno.test(`matchCheckpoint() by ${metric} puts together what its parts say`, async () => {
    const match = matchFeatures(source, target, metric);
    const pair = { source: activationsOf(source), target: activationsOf(target) };
    const groupEnds = Array.from({ length: 12 }, (_, s) => 5 * s + 5);
    const sums = await pairSums(pair, match, { groupEnds, marks: tokens.marks, nMarks: 3 });
    const [first, padding, outlier] = markedShares(sums);
    const best = async (of: typeof pair.target) =>
      matchFeatures(source, concatenate(await Array.fromAsync(of.parts())), metric).similarity;
    const byRotation = rotations(tokens.starts, 3, 1).map((n) => best(rotated(pair.target, n)));
    const byExchange = [1, 2].map((seed) => best(exchanged(pair.target, tokens.ids, seed)));
    const expected = {
      matched: {
        match,
        best: pairScores(sums, match, "best"),
        runnerUp: pairScores(sums, match, "runnerUp"),
        support: sums.support.tokens(0.9),
        markShares: { first, padding, outlier },
        decoderCosine: decoderCosines(match.best, decoder, targetDecoder),
        nulls: {
          rotated: await Promise.all(byRotation),
          sameToken: await Promise.all(byExchange),
        },
      },
      replicas: replicas(sums, match, { metric, nReplicas: 5, seed: 1 }),
    };
    assert.deepEqual(plain(await made(metric, trials)), plain(expected));
  });
}

// A whole table, as any reader of Arrow sees it.
const seen = (write: (sink: ByteSink) => void) => arrow.tableFromIPC(bytesOf(write));

function typesOf(table: arrow.Table): Record<string, string> {
  return Object.fromEntries(table.schema.fields.map(({ name, type, nullable }) => {
    if (!arrow.DataType.isFixedSizeList(type)) return [name, `${type}${nullable ? "?" : ""}`];
    const item = type.children[0];
    return [name, `[${item.type}${item.nullable ? "?" : ""}; ${type.listSize}]`];
  }));
}

const degrees = {
  margin: "Float32?",
  mutual: "Bool",
  in_degree: "Uint32",
  near: "[Uint32; 5]",
  dead: "Bool",
  n_active: "Uint32",
};
const scores = (prefix: string) => ({
  [`${prefix}cosine`]: "Float32?",
  [`${prefix}pearson`]: "Float32?",
  [`${prefix}iou`]: "Float32?",
  [`${prefix}weighted_jaccard`]: "Float32?",
  [`${prefix}n_both`]: "Uint32",
});
const types = {
  feature: "Uint32",
  match: "Uint32?",
  ...scores(""),
  runner_up: "Uint32?",
  ...scores("runner_up_"),
  ...degrees,
  decoder_cosine: "Float32?",
  support: "Uint32",
  first_share: "Float32?",
  padding_share: "Float32?",
  outlier_share: "Float32?",
  p_value: "Float64?",
  q_value: "Float64?",
};

Deno.test("a match file has the columns that it says, those of trials where there are any", async () => {
  const [tried, plain] = [await made("cosine", trials), await made("cosine", undefined)];
  assert.deepEqual(Object.entries(typesOf(seen(forward(plain, "cosine")))), Object.entries(types));
  assert.deepEqual(typesOf(seen(forward(tried, "cosine"))), {
    ...types,
    null_similarity: "[Float32?; 3]",
    token_null_similarity: "[Float32?; 2]",
    replicas: "[Float32?; 5]",
  });
  assert.deepEqual(typesOf(seen(backward(plain, "iou"))), {
    feature: "Uint32",
    match: "Uint32?",
    iou: "Float32?",
    in_degree: "Uint32",
    near: "[Uint32; 5]",
    dead: "Bool",
    n_active: "Uint32",
  });
  assert.deepEqual(typesOf(seen((sink) => writeLink(sink, plain.matched.match, infoOf("iou")))), {
    feature: "Uint32",
    match: "Uint32?",
    iou: "Float32?",
    runner_up: "Uint32?",
    runner_up_iou: "Float32?",
    ...degrees,
  });
});

Deno.test("a match file says what each column means, and null of what is absent", async () => {
  const { matched, replicas } = await made("cosine", trials);
  const { match, nulls } = matched;
  const table = seen(forward({ matched, replicas }, "cosine"));
  const column = (name: string) =>
    [...table.getChild(name)!].map((value) => value instanceof arrow.Vector ? [...value] : value);
  const orNull = (of: ArrayLike<number>) =>
    Array.from(of, (x) => x === -1 || Number.isNaN(x) ? null : x);
  assert.deepEqual(column("match"), orNull(match.best));
  assert.deepEqual(column("cosine"), orNull(match.similarity));
  assert.deepEqual(column("runner_up"), orNull(match.runnerUp));
  assert.deepEqual(column("runner_up_cosine"), orNull(match.runnerUpSimilarity));
  assert.deepEqual(column("runner_up_pearson"), orNull(matched.runnerUp.pearson));
  assert.deepEqual(column("first_share"), orNull(matched.markShares.first));
  const { p, q } = significance(match, nulls.rotated);
  assert.deepEqual([column("p_value"), column("q_value")], [p, q].map(orNull));
  assert.deepEqual(column("mutual"), [...mutualMatches(match)].map(Boolean));
  assert.deepEqual(column("dead"), [...match.sourceCounts].map((n) => n === 0));
  assert(column("dead").includes(true) && column("p_value").includes(null), "some are");
  const counts = inDegrees(match);
  assert.deepEqual(column("in_degree"), [...match.best].map((j) => counts[j] ?? 0));
  const margins = [...match.best].map((j, i) => {
    const second = match.runnerUp[i] < 0 ? 0 : match.runnerUpSimilarity[i];
    return j < 0 ? null : Math.fround(match.similarity[i] - second);
  });
  assert.deepEqual(column("margin"), margins, "the margin of one alone is its similarity");
  for (const [name, of] of [["null_similarity", nulls.rotated], ["replicas", replicas]] as const) {
    const rows = match.best.keys().map((i) => orNull(of.map((values) => values[i])));
    assert.deepEqual(column(name), [...rows], name);
  }
});

Deno.test("without trials no match has a p-value, and there are no columns of them", async () => {
  const write = forward(await made("iou", undefined), "iou");
  assert.deepEqual([...seen(write).getChild("p_value")!], Array(9).fill(null));
  const { names } = await openTable(file(write));
  assert(!names.includes("null_similarity") && !names.includes("replicas"), `${names}`);
});

Deno.test("a match file of another format, or without rows, is refused", async () => {
  const write = (info: unknown) =>
    file((sink) =>
      writeTable(sink, { a: "uint8" }, { a: { values: [1] } }, {
        match: JSON.stringify(info),
      })
    );
  await assert.rejects(readMatchInfo(write({ ...infoOf("iou"), format: 2 })), {
    name: "DataError",
    message: 'Cannot read metadata "match" of match.arrow: expected format 1, got 2; ' +
      "delete the file and make it again",
  });
  await assert.rejects(readMatchInfo(write({ ...infoOf("iou"), n_tokens: "60" })), {
    name: "DataError",
    message: /expected a count "n_tokens", got "60"/,
  });
  const info = write(infoOf("iou"));
  await assert.rejects(readMatch(info, info), {
    name: "DataError",
    message: 'Cannot read column "feature" in match.arrow: expected such a column, got a',
  });
});
