// A sweep of which everything is known, in memory: the plan, and what is true of it.
//
// C = checkpoints, S = features of the reference. How activations are drawn, and why cosines
// are known exactly, stands in _draw.ts; what follows from the plan, in _truth.ts.

import { type Activations, activationsOf } from "../../src/blocks.ts";
import { randomFrom } from "../../src/random.ts";
import { transpose } from "../../src/sparse.ts";
import {
  chanceColumn,
  type Column,
  contextPattern,
  copyOf,
  deadColumn,
  drawIds,
  nDirections,
  nTokens,
  parts,
  type Pattern,
  shuffled,
  tokenPattern,
  tokenSets,
} from "./_draw.ts";
import {
  type Events,
  eventsOf,
  type Family,
  type Line,
  linesOf,
  mainPart,
  type Planted,
  plantedOf,
  steps,
  type Track,
} from "./_truth.ts";

const C = steps.length;
const last = C - 1;

/** How many features of each kind there are. */
// deno-fmt-ignore
const howMany = {
  token: 10, mixed: 4, context: 8, rising: 24, transient: 6, dead: 10,
  born: 5, dying: 2, // at each of checkpoints 1 to 6
  unrelated: 420, // of the reference
} as const;
/** Checkpoints at which a feature splits, and two are merged. */
const turns: readonly number[] = [2, 3, 5];
/** Strengths of copies of which nothing else is said, and of what splits or is merged. */
const strong = [0.85, 0.97] as const;
const stronger = [0.95, 0.99] as const;
/** Strength of a transient feature where it is away. */
const weak = 0.2;

/** A checkpoint. */
export interface PlantedCheckpoint {
  readonly step: number;
  readonly activations: Activations;
  /** Copies of a pattern have the same direction: `[features, nDirections]`. */
  readonly decoder: Float32Array;
}

/** A sweep, and what is true of it. */
export interface PlantedSweep {
  readonly ids: Uint32Array;
  readonly checkpoints: readonly PlantedCheckpoint[];
  /** Every feature of the reference, by its number: `[S]`. */
  readonly planted: readonly Planted[];
  /** All lineages, but for those of chance, which live at one checkpoint each. */
  readonly lines: readonly Line[];
  readonly events: Events;
}

/**
 * Draws a sweep.
 *
 * @param seed Of everything in it.
 * @returns The sweep, and what is true of it.
 */
export function plantedSweep(seed: number): PlantedSweep {
  const random = randomFrom(7919 * seed + 1);
  const ids = drawIds(random);
  const { tracks, families } = drawTracks(ids, random);

  const all = steps.map((step, c) => {
    const here = tracks.filter(({ strengths }) => !Number.isNaN(strengths[c]));
    const nChance = c === last ? howMany.unrelated : 400 + 8 * c;
    const columns = [
      ...here.map(({ pattern, strengths }) => copyOf(pattern, strengths[c])),
      ...times(nChance, () => chanceColumn(uniform(random, 0.015, 0.06), random)),
      ...times(howMany.dead, () => deadColumn(random)),
    ];
    const numbers = shuffled(columns.length, random);
    here.forEach((track, k) => track.numbers[c] = numbers[k]);
    const checkpoint = { step, ...laidOut(columns, numbers) };
    return { columns, numbers, nChance, checkpoint };
  });

  const lines = linesOf(tracks, families);
  return {
    ids,
    checkpoints: all.map(({ checkpoint }) => checkpoint),
    planted: plantedOf(tracks, families, all),
    lines,
    events: eventsOf(lines, families, all.map(({ nChance }) => nChance)),
  };
}

function drawTracks(ids: Uint32Array, random: () => number) {
  const tracks: Track[] = [];
  const add = (kind: Track["kind"], pattern: Pattern, strengths: readonly number[]): Track => {
    tracks.push({ kind, pattern, strengths, numbers: new Int32Array(C).fill(-1) });
    return tracks[tracks.length - 1];
  };
  const context = () => contextPattern(uniform(random, 0.03, 0.06), random);
  // A strong copy at the checkpoints from <= c < to, none elsewhere; the pattern in the reference.
  const there = (from = 0, to = C, [low, high]: readonly [number, number] = strong) =>
    steps.map((_, c) => c < from || c >= to ? NaN : c === last ? 1 : uniform(random, low, high));

  tokenSets(howMany.token + howMany.mixed, random).forEach((set, k) => {
    const [kind, share] = k < howMany.token ? ["token", 1] as const : ["mixed", 0.5] as const;
    add(kind, tokenPattern(set, share, ids, random), there());
  });
  times(howMany.context, () => add("context", context(), there()));
  times(howMany.rising, () => {
    const middle = Math.log1p(15) + random() * (Math.log1p(1000) - Math.log1p(15));
    const slope = uniform(random, 0.8, 1);
    const strengths = steps.map((step, c) =>
      c === last ? 1 : 0.2 + 0.75 / (1 + Math.exp(-slope * (Math.log1p(step) - middle)))
    );
    add("rising", context(), strengths);
  });
  for (let c = 1; c < last; c++) {
    times(howMany.born, () => add("born", context(), there(c)));
    times(howMany.dying, () => add("dying", context(), there(0, c)));
  }
  times(howMany.transient, () => {
    const isAway = (c: number) => c === steps.indexOf(256) || c === steps.indexOf(512);
    add("transient", context(), there().map((s, c) => isAway(c) ? weak : s));
  });

  const families = turns.flatMap((at): Family[] => {
    const before = steps.map((_, c) => c < at ? 1 : NaN);
    const [splitting, merging] = times(2, () => contextPattern(0.06, random));
    const [main, other] = parts(splitting, mainPart, random);
    const halves = parts(merging, mainPart, random);
    return [{
      at,
      whole: add("whole", splitting, before),
      main: add("split, main part", main, there(at, C, stronger)),
      other: add("split, other part", other, there(at, C, stronger)),
    }, {
      at,
      whole: add("merged", merging, there(at, C, stronger)),
      main: add("main half", halves[0], before),
      other: add("other half", halves[1], before),
    }];
  });
  return { tracks, families };
}

// Columns under their numbers, a row a token.
function laidOut(columns: readonly Column[], numbers: readonly number[]) {
  const inOrder: Column[] = Array(columns.length);
  columns.forEach((column, k) => inOrder[numbers[k]] = column);
  const offsets = new Uint32Array(columns.length + 1);
  inOrder.forEach(({ tokens }, f) => offsets[f + 1] = offsets[f] + tokens.length);
  const byFeature = {
    nRows: columns.length,
    nCols: nTokens,
    offsets,
    columns: Uint16Array.from(inOrder.flatMap(({ tokens }) => tokens)),
    values: Float32Array.from(inOrder.flatMap(({ values }) => values)),
  };
  const decoder = new Float32Array(columns.length * nDirections);
  inOrder.forEach(({ direction }, f) => decoder.set(direction, f * nDirections));
  return { activations: activationsOf(transpose(byFeature)), decoder };
}

function uniform(random: () => number, low: number, high: number): number {
  return low + (high - low) * random();
}

function times<T>(n: number, make: () => T): T[] {
  return Array.from({ length: n }, make);
}
