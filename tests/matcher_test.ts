// However a match is cut up, it is the match of its definition, bit for bit.

import assert from "node:assert/strict";
import { activationsOf, rowBlocks } from "../src/blocks.ts";
import { type Match, matchFeatures } from "../src/match.ts";
import { createMatcher, type MatcherOptions } from "../src/matcher.ts";
import { type MatchPlan, planMatch } from "../src/match_plan.ts";
import { randomFrom } from "../src/random.ts";
import { concatenate, type Sparse, sparsify, transpose } from "../src/sparse.ts";
import { startWorker } from "../src/workers.ts";
import { randomDense } from "./_naive.ts";

async function matchWith(
  options: MatcherOptions,
  source: Sparse,
  target: Sparse,
  size?: number,
): Promise<Match> {
  const matcher = createMatcher(options);
  try {
    return await matcher.match({
      source: activationsOf(source, size),
      target: activationsOf(target, size),
    });
  } finally {
    matcher.close();
  }
}

function random(nTokens: number, nFeatures: number, density: number, seed: number): Sparse {
  return sparsify(randomDense(nTokens * nFeatures, density, seed), nFeatures);
}

// A matrix too wide to be made dense: about `l0` entries a row, values often equal.
function randomWide(nTokens: number, nFeatures: number, l0: number, seed: number): Sparse {
  const next = randomFrom(seed);
  const rows = Array.from({ length: nTokens }, () => {
    const columns = new Set<number>();
    while (columns.size < l0) columns.add(Math.floor(nFeatures * next() ** 4));
    return [...columns].sort((a, b) => a - b);
  });
  const columns = rows.flat();
  return {
    nRows: nTokens,
    nCols: nFeatures,
    offsets: Uint32Array.from({ length: nTokens + 1 }, (_, r) => r * l0),
    columns: nFeatures <= 0x10000 ? Uint16Array.from(columns) : Uint32Array.from(columns),
    values: Float32Array.from(columns, () => Math.ceil(3 * next())),
  };
}

function sizeOf(source: Sparse, target: Sparse, workers: number, memory: number) {
  return {
    nSource: source.nCols,
    nTarget: target.nCols,
    nTokens: source.nRows,
    nnzSource: source.values.length,
    nnzTarget: target.values.length,
    workers,
    memory,
  };
}

// The least memory, in steps of 64 KiB, with which a plan is as wanted.
function memoryFor(
  source: Sparse,
  target: Sparse,
  workers: number,
  isWanted: (plan: MatchPlan) => boolean,
): number {
  for (let memory = 2 ** 26; memory < 2 ** 31; memory += 2 ** 16) {
    try {
      if (isWanted(planMatch(sizeOf(source, target, workers, memory)))) return memory;
    } catch (error) {
      assert(error instanceof RangeError, "only too little memory is refused");
    }
  }
  return assert.fail("no memory gives such a plan");
}

Deno.test("rowBlocks() gives all rows in order, however they are cut before and after", async () => {
  const rows = random(23, 5, 0.5, 1);
  for (let size = 1; size <= 24; size++) {
    for (let wanted = 1; wanted <= 24; wanted++) {
      const blocks = await Array.fromAsync(rowBlocks(activationsOf(rows, size).parts(), wanted));
      assert.deepEqual(concatenate(blocks), rows);
      assert(blocks.slice(0, -1).every(({ nRows }) => nRows === wanted), "blocks are full");
    }
  }
});

Deno.test("a match in one thread equals the definition on random activations", async () => {
  for (let seed = 0; seed < 60; seed++) {
    const [S, T, N] = [1 + seed % 9, 1 + seed % 7, 1 + seed];
    const [source, target] = [random(N, S, 0.4, seed), random(N, T, 0.4, seed + 1e3)];
    const expected = matchFeatures(source, target);
    for (const size of [1, 3, N]) {
      assert.deepEqual(await matchWith({ workers: 1 }, source, target, size), expected);
    }
  }
});

// Large enough for other threads: 5,000 tokens of 150 by 150 activations.
const wide = [randomWide(5000, 700, 150, 1), randomWide(5000, 900, 150, 2)] as const;
const wideMatch = matchFeatures(...wide);

for (const workers of [1, 2, 3]) {
  Deno.test(`${workers} threads give the bits of the definition, with ties`, async () => {
    assert(new Set(wideMatch.similarity).size > 100, "there is something to compare");
    assert.deepEqual(await matchWith({ workers }, ...wide, 700), wideMatch);
  });
}

Deno.test("features that do not fit are matched in groups, with the same bits", async () => {
  const [source, target] = [randomWide(14000, 16, 12, 3), randomWide(14000, 70000, 300, 4)];
  const expected = matchFeatures(source, target);
  for (const workers of [1, 2]) {
    const passes = memoryFor(source, target, workers, ({ nPasses }) => nPasses === 4);
    const large = memoryFor(source, target, workers, (p) => p.way === "blocks" && p.nPasses === 1);
    for (const memory of [passes, large]) {
      assert.deepEqual(await matchWith({ workers, memory }, source, target), expected);
    }
  }
});

Deno.test("by rows, few and many touched targets are found alike", async () => {
  const source = randomWide(4000, 1000, 40, 5);
  const target = randomWide(4000, 66000, 40, 6);
  const memory = memoryFor(source, target, 2, ({ way }) => way === "rows");
  assert.deepEqual(
    await matchWith({ workers: 2, memory }, source, target),
    matchFeatures(source, target),
  );
});

Deno.test("one source is matched with several targets, as if with each alone", async () => {
  const matcher = createMatcher({ workers: 2 });
  let nReadings = 0;
  const kept = activationsOf(wide[0], 999);
  const source = { ...kept, parts: () => (nReadings++, kept.parts()) };
  try {
    for (const seed of [7, 8, 9]) {
      const target = randomWide(5000, 900, 150, seed);
      assert.deepEqual(
        await matcher.match({ source, target: activationsOf(target, 1234) }),
        matchFeatures(wide[0], target),
      );
    }
    const few = randomWide(5000, 50, 2, 10); // other blocks
    assert.deepEqual(
      await matcher.match({ source, target: activationsOf(few) }),
      matchFeatures(wide[0], few),
    );
  } finally {
    matcher.close();
  }
  assert.equal(nReadings, 2, "once for each size of block");
});

Deno.test("a matcher that changes from sums to rows and back gives the same bits", async () => {
  const [source, target] = [randomWide(4000, 1000, 40, 5), randomWide(4000, 66000, 40, 6)];
  const memory = 320 * 2 ** 20;
  assert.equal(planMatch(sizeOf(source, target, 1, memory)).way, "rows");
  assert.equal(planMatch(sizeOf(...wide, 1, memory)).way, "blocks");
  const matcher = createMatcher({ workers: 1, memory });
  const pairs = [[source, target], wide, [source, target], [source, target], wide] as const;
  for (const [s, t] of pairs) {
    const match = await matcher.match({ source: activationsOf(s), target: activationsOf(t) });
    assert.deepEqual(match, matchFeatures(s, t));
  }
  matcher.close();
});

Deno.test("without shared memory a match runs in this thread", async () => {
  const scope = globalThis as { SharedArrayBuffer?: unknown };
  const { SharedArrayBuffer } = scope;
  delete scope.SharedArrayBuffer;
  try {
    assert.deepEqual(await matchWith({ workers: 2 }, ...wide), wideMatch);
  } finally {
    scope.SharedArrayBuffer = SharedArrayBuffer;
  }
});

Deno.test("activations of thousands of features a token are matched", async () => {
  const [source, target] = [random(300, 3000, 0.9, 1), random(300, 2000, 0.02, 2)];
  assert.deepEqual(await matchWith({ workers: 2 }, source, target), matchFeatures(source, target));
  assert.deepEqual(await matchWith({ workers: 2 }, target, source), matchFeatures(target, source));
});

Deno.test("features of another sign, and that never meet, have no match", async () => {
  const source = transpose(sparsify(new Float32Array([1, 1, 0, -1, 0, 2]), 2));
  const target = transpose(sparsify(new Float32Array([-1, 0, 0, 3, 1, 0]), 2));
  assert.deepEqual(await matchWith({}, source, target), matchFeatures(source, target));
});

Deno.test("an error in reading is the error of the match", async () => {
  const source = activationsOf(wide[0]);
  const parts = async function* () {
    yield* activationsOf(wide[1], 2000).parts();
    await Promise.reject(new Error("the disk is gone"));
  };
  const target = { ...activationsOf(wide[1]), parts };
  const matcher = createMatcher({ workers: 2 });
  await assert.rejects(matcher.match({ source, target }), { message: "the disk is gone" });
  const again = { source, target: activationsOf(wide[1], 2000) };
  assert.deepEqual(await matcher.match(again), wideMatch, "which harms no match after it");
  matcher.close();
});

Deno.test("the death of a thread is the error of the match, and leaves nobody waiting", async () => {
  const url = new URL("./_dying_match_worker.ts", import.meta.url);
  let nStarted = 0;
  const matcher = createMatcher(
    { workers: 2 },
    () =>
      nStarted++ === 0
        ? new Worker(url, { type: "module" })
        : startWorker(new URL("../src/match_worker.ts", import.meta.url)),
  );
  const pair = { source: activationsOf(wide[0], 1024), target: activationsOf(wide[1], 1024) };
  const message = "Cannot run a worker of the match: expected it to live, got " +
    'Uncaught (in promise) "a broken thread"; use --workers 1 to see where it fails';
  await assert.rejects(matcher.match(pair), { name: "DataError", message });
  await assert.rejects(matcher.match(pair), { name: "DataError", message });
  matcher.close();
});

Deno.test("a matcher that is closed at work leaves nobody waiting", async () => {
  const matcher = createMatcher({ workers: 3 });
  const pair = { source: activationsOf(wide[0], 1024), target: activationsOf(wide[1], 1024) };
  const match = matcher.match(pair);
  setTimeout(() => matcher.close(), 20); // before its threads have started
  await assert.rejects(match, { message: "the matcher is closed" });
});

Deno.test("a match of other tokens, or in too little memory, is refused", async () => {
  await assert.rejects(matchWith({}, random(2, 1, 1, 1), random(3, 1, 1, 1)), {
    name: "RangeError",
    message: "Cannot match features on 2 tokens with features on 3: " +
      "extract both checkpoints with the same --total-tokens",
  });
  await assert.rejects(matchWith({ memory: 1e6 }, ...wide), {
    name: "RangeError",
    message: /^Cannot match 700 with 900 features in 0 MiB: expected at least \d+ MiB; give more/,
  });
});

Deno.test("planMatch() works with the least that it says, and not with less", () => {
  for (const width of [512, 8192, 131072, 1048576]) {
    for (const nTokens of [1000, 640000, 1e8]) {
      for (const l0 of [5, 47, 500]) {
        for (const workers of [1, 2, 64]) {
          const nnz = l0 * nTokens;
          const size = {
            ...{ nSource: width, nTarget: width, nTokens, nnzSource: nnz, nnzTarget: nnz },
            ...{ workers, memory: 1 },
          };
          let least = 0;
          assert.throws(() => planMatch(size), ({ message }: Error) => {
            least = Number(/at least (\d+) MiB/.exec(message)![1]);
            return true;
          });
          planMatch({ ...size, memory: least * 2 ** 20 });
          assert.throws(() => planMatch({ ...size, memory: (least - 1) * 2 ** 20 }));
        }
      }
    }
  }
});

Deno.test("planMatch() keeps sums where they fit, tokens where those do, and else neither", () => {
  const at = (width: number, nTokens: number, memory: number) => {
    const nnz = 47 * nTokens;
    return planMatch({
      ...{ nSource: width, nTarget: width, nTokens, nnzSource: nnz, nnzTarget: nnz },
      ...{ workers: 2, memory },
    });
  };
  const G = 2 ** 30;
  assert.deepEqual(at(8192, 640000, 2 * G), {
    ...{ way: "blocks", blockRows: 16384, nPasses: 1, keepsSource: true },
  });
  assert.equal(at(16384, 640000, 2 * G).nPasses, 2);
  assert.equal(at(131072, 640000, 2 * G).way, "rows");
  assert.equal(at(131072, 1e7, 4 * G).way, "blocks");
  assert(at(131072, 1e7, 4 * G).nPasses < 50, "in tens of passes");
});
