// A sweep of which everything is known, in memory: the plan, and what is true of it.
//
// C = checkpoints, S = features of the reference. How activations are drawn, and why the cosines
// below are exact, stands in _draw.ts.

import { type Activations, activationsOf } from "../../src/blocks.ts";
import { randomFrom } from "../../src/random.ts";
import { transpose } from "../../src/sparse.ts";
import {
  chanceColumn,
  chanceCosine,
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

/** Training steps of the checkpoints, the reference last. */
export const steps: readonly number[] = [0, 8, 64, 256, 512, 1000, 2000, 4000];
const C = steps.length;
const last = C - 1;

/** How many features of each kind there are. */
// deno-fmt-ignore
const howMany = {
  token: 10, mixed: 4, context: 8, rising: 24, transient: 4, dead: 10,
  born: 3, dying: 2, // at each of checkpoints 2 to 6, and 1 to 6
  unrelated: 420, // of the reference
} as const;
/** Checkpoints at which a feature splits, and two are merged. */
const turns: readonly number[] = [2, 3, 5];
/** Share of a feature that the larger of its two parts has. */
const mainPart = 0.6;
/** Strengths of copies of which nothing else is said, and of what splits or is merged. */
const strong = [0.85, 0.97] as const;
const stronger = [0.95, 0.99] as const;
/** Strength of a transient feature where it is away. */
const weak = 0.2;

/** What a feature of the reference is. */
export type Kind =
  | "token" // of the token alone, there from the start
  | "mixed" // fires on half of the places of its tokens, there from the start
  | "context" // not of the token, there from the start
  | "rising" // its copies grow through the threshold
  | "born" // has no copy before a checkpoint, and a strong one from there on
  | "transient" // there, away at 256 and 512, and there again
  | "split, main part" // a feature splits at a checkpoint: into this one, of three fifths,
  | "split, other part" // and this one, of the rest
  | "merged" // two features of three and two fifths of it become one at a checkpoint
  | "dead" // never fires
  | "unrelated"; // only the reference has it

/** A feature of the reference, and what it is at every checkpoint. */
export interface Planted {
  readonly kind: Kind;
  /** Features of each checkpoint that have to do with it, the most alike first: `[C]`. */
  readonly partners: readonly (readonly number[])[];
  /** Cosine, in the population, with the most alike feature of each checkpoint: `[C]`. */
  readonly cosines: Float32Array;
}

/** Features of consecutive checkpoints that should be one lineage. */
export interface Line {
  readonly kind: Kind | Other;
  /** Checkpoint at which it begins, 0 if it may be older. */
  readonly birth: number;
  /** First checkpoint without it, -1 if it lives at the last. */
  readonly death: number;
  /** Its feature at each checkpoint from its birth on. */
  readonly features: readonly number[];
}

/** What has no place in the reference: what splits, what is merged, and what dies. */
type Other = "whole" | "main half" | "other half" | "dying";

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
  /** How many of each there are at every checkpoint, those of chance among them: `[C]`. */
  readonly events: Readonly<Record<"births" | "deaths" | "splits" | "merges", readonly number[]>>;
}

// A pattern through training: its strength at each checkpoint, NaN where there is no copy.
interface Track {
  readonly kind: Kind | Other;
  readonly pattern: Pattern;
  readonly strengths: readonly number[];
  // Number of its copy at each checkpoint, -1 where there is none.
  readonly numbers: Int32Array;
}

// A feature and its two parts; what of them is there before a checkpoint is not there after it.
interface Family {
  readonly whole: Track;
  readonly main: Track;
  readonly other: Track;
  readonly at: number;
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
  const chance = (c: number) => all[c]?.nChance ?? 0;
  return {
    ids,
    checkpoints: all.map(({ checkpoint }) => checkpoint),
    planted: plantedOf(tracks, families, all),
    lines,
    events: {
      births: steps.map((_, c) =>
        c === 0 ? 0 : chance(c) + lines.filter(({ birth }) => birth === c).length
      ),
      deaths: steps.map((_, c) =>
        c === 0 ? 0 : chance(c - 1) + lines.filter(({ death }) => death === c).length
      ),
      splits: steps.map((_, c) =>
        families.filter(({ whole, at }) => whole.kind === "whole" && at === c).length
      ),
      merges: steps.map((_, c) =>
        families.filter(({ whole, at }) => whole.kind === "merged" && at === c).length
      ),
    },
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
  for (let c = 2; c < last; c++) times(howMany.born, () => add("born", context(), there(c)));
  for (let c = 1; c < last; c++) times(howMany.dying, () => add("dying", context(), there(0, c)));
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

// What is true of every feature of the reference. A part and its whole have cosine √share.
function plantedOf(
  tracks: readonly Track[],
  families: readonly Family[],
  all: readonly { readonly columns: readonly Column[]; readonly numbers: readonly number[] }[],
): Planted[] {
  const partnersOf = (track: Track, c: number): [number, number][] => {
    if (track.numbers[c] >= 0) return [[track.numbers[c], track.strengths[c]]];
    return families.flatMap(({ whole, main, other }): [number, number][] => {
      const [large, small] = [Math.sqrt(mainPart), Math.sqrt(1 - mainPart)];
      if (track === main) return [[whole.numbers[c], large]];
      if (track === other) return [[whole.numbers[c], small]];
      return track === whole ? [[main.numbers[c], large], [other.numbers[c], small]] : [];
    });
  };
  const { columns, numbers } = all[last];
  const planted: Planted[] = Array(columns.length);
  columns.forEach(({ rate }, k) => {
    const track = tracks.find(({ numbers: of }) => of[last] === numbers[k]);
    const partners = steps.map((_, c) => track ? partnersOf(track, c) : []);
    planted[numbers[k]] = {
      kind: track ? track.kind as Kind : rate === 0 ? "dead" : "unrelated",
      partners: partners.map((of) => of.map(([number]) => number)),
      cosines: Float32Array.from(partners, (of, c) => {
        const largest = Math.max(...all[c].columns.map((column) => column.rate));
        return rate === 0 ? NaN : of[0]?.[1] ?? chanceCosine(rate, largest);
      }),
    };
  });
  return planted;
}

// Cuts tracks where neighbours are less alike than 0.5, and joins what goes on under another name:
// a feature that splits goes on as its main part, and the main half of a merged one as that.
function linesOf(tracks: readonly Track[], families: readonly Family[]): Line[] {
  const lines: Line[] = [];
  const heirs = new Map(
    families.map(({ whole, main }): [Track, Track] =>
      whole.kind === "whole" ? [whole, main] : [main, whole]
    ),
  );
  const inherits = new Set(heirs.values());
  for (const track of tracks) {
    if (inherits.has(track)) continue;
    const heir = heirs.get(track);
    const strengths = track.strengths.map((s, c) =>
      Number.isNaN(s) && heir ? heir.strengths[c] : s
    );
    const numbers = track.numbers.map((f, c) => f < 0 && heir ? heir.numbers[c] : f);
    for (let birth = 0, c = 0; c < C; c++) {
      if (numbers[c] < 0) {
        birth = c + 1;
        continue;
      }
      const goesOn = c < last && 1 - Math.abs(strengths[c + 1] - strengths[c]) > 0.5;
      if (goesOn) continue;
      const death = c === last ? -1 : c + 1;
      lines.push({ kind: track.kind, birth, death, features: [...numbers.slice(birth, c + 1)] });
      birth = c + 1;
    }
  }
  return lines;
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
