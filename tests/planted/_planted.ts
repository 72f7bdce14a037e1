// A sweep of which everything is known: activations drawn by a plan, with a seed, and no model.
//
// One kind of feature is drawn, and all others are made of it. A pattern says on which tokens a
// feature should fire, each with probability r (its rate), and how strongly: 1 + U, U uniform. A copy
// of strength s fires where the pattern does with probability s, and elsewhere with probability
// x = r (1 − s) / (1 − r). So it fires as often as the pattern, and
//
//   cosine(pattern, copy) = E[ab] / √(E[a²] E[b²]) = r s E[(1 + U)²] / (r E[(1 + U)²]) = s
//
// exactly, over infinitely many sequences. Every token keeps one luck and one size in all copies of a
// pattern: what fires at a strength still fires at a higher one, and the cosine of two copies of
// strengths s and t is 1 − |s − t|. The reference holds the pattern itself.
//
// Tokens of a sequence depend on each other in three ways: sequences repeat their own tokens; a
// pattern fires in half of the sequences four times as often as in the others; and in half of
// the sequences a copy is stronger than s, in the others as much weaker.
//
// N = tokens, C = checkpoints, S = features of the reference.

import { type Activations, activationsOf } from "../../src/blocks.ts";
import { randomFrom } from "../../src/random.ts";
import { type Sparse, transpose } from "../../src/sparse.ts";

/** Training steps of the checkpoints, the reference last. */
export const steps: readonly number[] = [0, 8, 64, 256, 512, 1000, 2000, 4000];
/** Tokens: 96 sequences of 64. */
export const nSequences = 96;
export const contextSize = 64;
const N = nSequences * contextSize;
const C = steps.length;
const vocabulary = 200;

/** What was planted. */
export type Kind =
  | "token" // of the token alone, there from the start
  | "mixed" // half of the token, half of chance, there from the start
  | "context" // not of the token, there from the start
  | "rising" // its copy grows through the threshold
  | "born" // has no copy before a checkpoint, and a strong one from there on
  | "transient" // there, away, and there again
  | "splitMain" // three fifths of a feature that splits, whose other two fifths are
  | "splitRest" // this one
  | "merged" // becomes one of two features, of three and of two fifths
  | "dead" // never fires
  | "unrelated"; // only the reference has it

/** A feature of the reference, and what it is at every checkpoint. */
export interface Planted {
  readonly kind: Kind;
  /** Its number in the reference. */
  readonly feature: number;
  /** Features of each checkpoint that are made of it or it of them, the most alike first: `[C]`. */
  readonly partners: readonly (readonly number[])[];
  /** Population cosine with the most alike feature of each checkpoint, NaN for dead ones: `[C]`. */
  readonly cosines: Float32Array;
}

/** A line of features, one a checkpoint, that should be one lineage. */
export interface Line {
  readonly kind: Kind | "dying";
  /** Checkpoint at which it begins, and that at which it is gone, C for none. */
  readonly birth: number;
  readonly death: number;
  /** Feature at each checkpoint from birth on: `[death − birth]`. */
  readonly features: readonly number[];
}

/** A checkpoint of the plan. */
export interface PlantedCheckpoint {
  readonly step: number;
  readonly activations: Activations;
  /** A random direction each; the same one for all copies of a pattern: `[features, nDirections]`. */
  readonly decoder: Float32Array;
}

/** A whole sweep. */
export interface PlantedSweep {
  readonly ids: Uint32Array;
  readonly checkpoints: readonly PlantedCheckpoint[];
  /** Every feature of the reference: `[S]`. */
  readonly planted: readonly Planted[];
  /** Every line of features of more than chance. */
  readonly lines: readonly Line[];
  /** What must happen at each checkpoint: `[C]`. */
  readonly events: Readonly<Record<"births" | "deaths" | "splits" | "merges", readonly number[]>>;
}

/** Entries of a decoder direction. */
export const nDirections = 16;
/** How many features of each kind the reference has; born ones at each of checkpoints 2 to 6. */
// deno-fmt-ignore
export const howMany = {
  token: 10, mixed: 4, context: 8, rising: 24, bornAtEach: 3, transient: 4, split: 3, merged: 3,
  dead: 10, unrelated: 420, dyingAtEach: 2,
} as const;
/** Features that split, or are merged, at these checkpoints. */
const splitAt = [2, 3, 5];
/** Strength of a copy of which nothing else is said: from and to. */
const strong = [0.85, 0.97] as const;
/** Share of a feature that its larger part has. */
const mainPart = 0.6;
/** How much stronger a copy is in half of the sequences, and weaker in the others, at most. */
const most = 0.15;

// Where a feature should fire, and what it does there.
interface Pattern {
  readonly isOn: Uint8Array; // [N]
  readonly sizes: Float32Array; // [N]
  readonly luck: Float32Array; // [N]
  readonly rates: Float32Array; // of every sequence
  readonly swing: Int8Array; // 1 or −1 for every sequence
  readonly rate: number; // mean of rates
  readonly direction: Float32Array; // [nDirections]
}

// One feature of a checkpoint, before it has a number.
interface Column {
  readonly rows: number[];
  readonly values: number[];
  readonly rate: number;
  readonly direction: Float32Array;
}

/**
 * Draws a sweep.
 *
 * @param seed Of everything.
 * @returns The sweep, and what is true of it.
 */
export function plantedSweep(seed: number): PlantedSweep {
  const random = randomFrom(seed * 7919 + 1);
  const uniform = (from: number, to: number) => from + (to - from) * random();
  const ids = drawIds(random);
  const draw = drawerOf(random, ids);

  // A track is a feature of the reference or of some checkpoints, without numbers as yet.
  const tracks: Track[] = [];
  const add = (kind: Track["kind"], pattern: Pattern, strengths: readonly number[]): Track => {
    const track = { kind, pattern, strengths };
    tracks.push(track);
    return track;
  };
  // Strong at checkpoints from <= c < to, NaN elsewhere; the pattern itself in the reference.
  const there = (from = 0, to = C) =>
    steps.map((_, c) => c < from || c >= to ? NaN : c === C - 1 ? 1 : uniform(...strong));

  const sets = tokenSets(random, howMany.token + howMany.mixed);
  sets.forEach((set, k) => {
    const kind = k < howMany.token ? "token" : "mixed";
    add(kind, draw.ofTokens(set, kind === "token" ? 1 : 0.5), there());
  });
  times(howMany.context, () => add("context", draw.ofContext(uniform(0.03, 0.06)), there()));
  times(howMany.rising, () => {
    const [middle, slope] = [Math.log1p(15 * (600 / 15) ** random()), uniform(0.8, 1)];
    const strengths = steps.map((step, c) =>
      c === C - 1 ? 1 : 0.2 + 0.75 / (1 + Math.exp(-slope * (Math.log1p(step) - middle)))
    );
    add("rising", draw.ofContext(uniform(0.03, 0.06)), strengths);
  });
  for (let c = 2; c < C - 1; c++) {
    times(howMany.bornAtEach, () => add("born", draw.ofContext(uniform(0.03, 0.06)), there(c)));
  }
  times(howMany.transient, () => {
    const away = there().map((s, c) => c === 3 || c === 4 ? 0.2 : s);
    add("transient", draw.ofContext(uniform(0.03, 0.06)), away);
  });
  // What comes of what: the part of a family is [its whole, its halves].
  const families: Family[] = [];
  for (const at of splitAt) {
    const whole = draw.ofContext(0.06);
    const [main, rest] = draw.parts(whole, mainPart);
    families.push({
      at,
      whole: add("whole", whole, ones(0, at)),
      main: add("splitMain", main, there(at)),
      rest: add("splitRest", rest, there(at)),
    });
  }
  for (const at of splitAt) {
    const whole = draw.ofContext(0.06);
    const [main, rest] = draw.parts(whole, mainPart);
    families.push({
      at,
      whole: add("merged", whole, there(at)),
      main: add("part", main, ones(0, at)),
      rest: add("part", rest, ones(0, at)),
    });
  }
  for (let c = 1; c < C - 1; c++) {
    times(
      howMany.dyingAtEach,
      () => add("dying", draw.ofContext(uniform(0.03, 0.06)), there(0, c)),
    );
  }

  // Columns of every checkpoint, in the order of the tracks that it has, then those of chance.
  const columns = steps.map((_, c) => {
    const of = tracks.filter(({ strengths }) => !Number.isNaN(strengths[c]))
      .map(({ pattern, strengths }) => copy(pattern, strengths[c]));
    const nChance = c === C - 1 ? howMany.unrelated : 400 + 8 * c;
    times(nChance, () => of.push(draw.chance(uniform(0.015, 0.06))));
    const dead = { rows: [], values: [], rate: 0, direction: draw.direction() };
    times(howMany.dead, () => of.push(dead));
    return of;
  });
  const orders = columns.map(({ length }) => permutation(random, length)); // column to its number
  const numbers = new Map(tracks.map((track) => [track, new Int32Array(C).fill(-1)]));
  for (let c = 0; c < C; c++) {
    tracks.filter(({ strengths }) => !Number.isNaN(strengths[c]))
      .forEach((track, k) => numbers.get(track)![c] = orders[c][k]);
  }

  return {
    ids,
    checkpoints: steps.map((step, c) => checkpointOf(step, columns[c], orders[c])),
    ...truthOf({ tracks, families, numbers, columns, orders }),
  };
}
