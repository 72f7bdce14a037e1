/**
 * Matches in many threads and in bounded memory; equal to {@linkcode matchFeatures} bit for bit.
 *
 * @module
 */

import {
  type Activations,
  type Block,
  checkTokens,
  ones,
  type Pair,
  rowBlocks,
  sideBySide,
  sourceSide,
  targetSide,
} from "./blocks.ts";
import { askAll, type Crew, endCrew, shared, startCrew } from "./crew.ts";
import { type Comparison, joinMatches } from "./dots.ts";
import type { Match } from "./match.ts";
import { type MatchPlan, planMatch } from "./match_plan.ts";
import { newTurns } from "./match_share.ts";
import type { Metric } from "./measures.ts";
import { type Allocate, type Arena, arena, hasSharedMemory } from "./memory.ts";
import { type ColumnSums, type Sparse, zeroSums } from "./sparse.ts";
import { settled, startWorker } from "./workers.ts";

/** What can be changed about a {@linkcode Matcher}. */
export interface MatcherOptions {
  /** Threads; with one, or without shared memory, all is done in this thread. */
  readonly workers?: number;
  /** Most bytes to use, in all threads together. */
  readonly memory?: number;
  /** How alike two features are: the cosine if left out. */
  readonly metric?: Metric;
}

/** Matches one pair of checkpoints after another. */
export interface Matcher {
  /**
   * Matches two checkpoints.
   *
   * @param pair Their activations. Where the source is the same object as before, it is not read again,
   *   if the memory allows.
   * @returns The matches of both sides.
   * @throws {RangeError} If they have not the same number of tokens, or the memory is too little.
   */
  match(pair: Pair): Promise<Match>;
  /** Ends the threads. */
  close(): void;
}

/** The source of the last match, ready for the next. */
interface Kept {
  readonly source: Activations;
  readonly blockRows: number;
  /** Its side of every block. */
  readonly sides: readonly Sparse[];
  readonly sums: ColumnSums;
}

/**
 * Starts the threads of a matcher.
 *
 * Every sum runs in token order in one thread, so that matches do not depend on the number of threads,
 * on the memory, or on how activations are read.
 *
 * The error of a thread, or its death, is the error of the match and the end of the matcher.
 *
 * @param options What can be changed.
 * @param start Starts a worker.
 * @returns The matcher; close it when done.
 *
 * @example One thread
 * ```ts
 * import assert from "node:assert/strict";
 * import { activationsOf } from "./blocks.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * const matcher = createMatcher({ workers: 1 });
 * const source = activationsOf(sparsify(new Float32Array([1, 0, 0, 2]), 2));
 * const target = activationsOf(sparsify(new Float32Array([0, 3, 4, 0]), 2));
 *
 * assert.deepEqual([...(await matcher.match({ source, target })).best], [1, 0]);
 *
 * matcher.close();
 * ```
 */
export function createMatcher(
  { workers = 1, memory = 2 ** 31, metric = "cosine" }: MatcherOptions = {},
  start: () => Worker = () => startWorker(new URL("./match_worker.ts", import.meta.url)),
): Matcher {
  const crews = new Map<number, Crew>(); // by number of threads
  const isBinary = metric === "iou";
  let kept: Kept | undefined;
  // Memory that is used again, of one way or the other.
  let sums: Float64Array = new Float64Array(0);
  let lasting: Arena[] = [];

  return {
    async match(pair) {
      checkTokens(pair);
      const source = isBinary ? ones(pair.source) : pair.source;
      const target = isBinary ? ones(pair.target) : pair.target;
      const isSmall = source.nnz * (target.nnz / target.nRows) < smallMatch;
      const nThreads = hasSharedMemory() && !isSmall ? workers : 1;
      const plan = planMatch({
        nSource: source.nCols,
        nTarget: target.nCols,
        nTokens: source.nRows,
        nnzSource: source.nnz,
        nnzTarget: target.nnz,
        workers: nThreads,
        memory,
      });
      const crew = crews.get(nThreads) ?? startCrew(nThreads, start);
      crews.set(nThreads, crew);
      const isKept = kept?.source === pair.source && kept.blockRows === plan.blockRows;
      if (!isKept || !plan.keepsSource) kept = undefined;
      const reader = blockReader({ source, target }, metric, plan, kept);
      let match: Match;
      if (plan.way === "blocks") {
        lasting = [];
        const length = Math.ceil(source.nCols / plan.nPasses) * target.nCols;
        if (sums.length < length) sums = shared().float64(length);
        match = await matchByBlocks(reader, plan, crew, sums);
      } else {
        sums = new Float64Array(0);
        match = await matchByRows(reader, plan, crew, lasting);
      }
      kept = plan.keepsSource ? { ...reader.kept(), source: pair.source } : undefined;
      return match;
    },
    close() {
      for (const crew of crews.values()) endCrew(crew, new Error("the matcher is closed"));
    },
  };
}

/** Multiply-adds that are done before other threads have started. */
const smallMatch = 5e7;

/** Reads the blocks of a pair, as often as it is asked. */
interface BlockReader {
  readonly pair: Pair;
  /** Whole once the blocks have been read once. */
  readonly comparison: Comparison;
  /** All blocks in order, each laid where `slot` says. */
  blocks(slot: () => Promise<Allocate>): AsyncGenerator<Block>;
  /** What the next match may use, after all blocks have been read. */
  kept(): Omit<Kept, "source">;
}

function blockReader(
  pair: Pair,
  metric: Metric,
  { blockRows, keepsSource }: MatchPlan,
  before: Omit<Kept, "source"> | undefined,
): BlockReader {
  let kept = before;
  const comparison = {
    metric,
    nTokens: pair.source.nRows,
    source: before?.sums ?? zeroSums(pair.source.nCols),
    target: zeroSums(pair.target.nCols),
  };
  let isFirst = true;
  return {
    pair,
    comparison,
    async *blocks(slot) {
      // A second reading must not add to the sums of the first.
      const target = isFirst ? comparison.target : zeroSums(pair.target.nCols);
      const source = isFirst ? comparison.source : zeroSums(pair.source.nCols);
      isFirst = false;
      const targets = rowBlocks(pair.target.parts(), blockRows);
      if (kept !== undefined) {
        for await (const [side, rows] of sideBySide(kept.sides, targets)) {
          yield { source: side, target: targetSide(rows, target, await slot()) };
        }
        return;
      }
      const sides: Sparse[] = [];
      const sources = rowBlocks(pair.source.parts(), blockRows);
      for await (const [ours, theirs] of sideBySide(sources, targets)) {
        const memory = await slot();
        const side = sourceSide(ours, source, keepsSource ? shared() : memory);
        if (keepsSource) sides.push(side);
        yield { source: side, target: targetSide(theirs, target, memory) };
      }
      if (keepsSource) kept = { blockRows, sides, sums: source };
    },
    kept: () => kept!,
  };
}

// Keeps the sums of all pairs of features, or of a group of source features at a time.
async function matchByBlocks(
  reader: BlockReader,
  { nPasses, blockRows }: MatchPlan,
  crew: Crew,
  memory: Float64Array,
): Promise<Match> {
  const { nCols: nSource, nRows } = reader.pair.source;
  const { nCols: nTarget } = reader.pair.target;
  const { slots, stopped } = crew;
  const perPass = Math.ceil(nSource / nPasses);
  let match: Match | undefined;
  for (let from = 0; from < nSource; from += perPass) {
    const to = Math.min(nSource, from + perPass);
    const turns = newTurns([from, to], Math.ceil(nRows / blockRows), stopped, shared());
    // Asks the system for every page of new memory here, in order, while workers start: threads that
    // ask at once, and at random, wait for each other far longer.
    const sums = memory.subarray(0, (to - from) * nTarget).fill(0);
    const dots = { metric: reader.comparison.metric, nTarget, first: from, sums };
    const busy = slots.map(() => Promise.resolve<unknown>(undefined));
    let number = 0;
    const slot = async () => {
      await busy[number % slots.length];
      slots[number % slots.length].clear();
      return slots[number % slots.length];
    };
    try {
      for await (const block of reader.blocks(slot)) {
        const added = askAll(crew, { act: "add", dots, block, number, turns });
        added.catch(() => {}); // thrown where it is waited for
        busy[number++ % slots.length] = added;
      }
    } finally {
      await settled(busy); // else the next match would write where they read
    }
    const matches = await askAll(crew, {
      act: "finish",
      dots,
      comparison: reader.comparison,
      turns,
    });
    match = joinMatches(match === undefined ? matches : [match, ...matches]);
  }
  return match!;
}

// Keeps all blocks, the target's side of each in an arena of its own.
async function matchByRows(
  reader: BlockReader,
  { blockRows }: MatchPlan,
  crew: Crew,
  lasting: Arena[],
): Promise<Match> {
  const { source: { nCols: nSource, nRows }, target: { nnz } } = reader.pair;
  const nBytes = 4 * (blockRows + 4) + 8 * Math.ceil(1.05 * nnz * blockRows / nRows);
  let number = 0;
  const next = () => {
    const memory = lasting[number] ??= arena(hasSharedMemory(), nBytes);
    number++;
    memory.clear();
    return Promise.resolve(memory);
  };
  const blocks = await Array.fromAsync(reader.blocks(next));
  const turns = newTurns([0, nSource], 0, crew.stopped, shared());
  return joinMatches(
    await askAll(crew, { act: "match", blocks, comparison: reader.comparison, turns }),
  );
}
