// What is true of a planted sweep, from its plan alone: nothing here looks at an activation.
//
// C = checkpoints, S = features of the reference.

import { chanceCosine, type Column, type Pattern } from "./_draw.ts";

/** Training steps of the checkpoints, the reference last. */
export const steps: readonly number[] = [0, 8, 64, 256, 512, 1000, 2000, 4000];
const C = steps.length;
const last = C - 1;

/** Share of a feature that the larger of its two parts has. */
export const mainPart = 0.6;

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
  /** Whether it has a copy there; else its partners are a part of it, or it is one of theirs: `[C]`. */
  readonly isCopied: readonly boolean[];
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
export type Other = "whole" | "main half" | "other half" | "dying";

/** How many of each there are at every checkpoint, those of chance among them: `[C]`. */
export type Events = Readonly<
  Record<"births" | "deaths" | "splits" | "merges", readonly number[]>
>;

/** A pattern through training. */
export interface Track {
  readonly kind: Kind | Other;
  readonly pattern: Pattern;
  /** Strength of its copy at each checkpoint, NaN where there is none: `[C]`. */
  readonly strengths: readonly number[];
  /** Number of this copy among the features of the checkpoint, -1 where there is none: `[C]`. */
  readonly numbers: Int32Array;
}

/** A feature and its two parts: at a checkpoint it becomes them, or they become it. */
export interface Family {
  readonly whole: Track;
  readonly main: Track;
  readonly other: Track;
  readonly at: number;
}

/** What is true of every feature of the reference. A part and its whole have cosine √share. */
export function plantedOf(
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
      isCopied: steps.map((_, c) => (track?.numbers[c] ?? -1) >= 0),
      cosines: Float32Array.from(partners, (of, c) => {
        const largest = Math.max(...all[c].columns.map((column) => column.rate));
        return rate === 0 ? NaN : of[0]?.[1] ?? chanceCosine(rate, largest);
      }),
    };
  });
  return planted;
}

/**
 * The lineages: tracks, cut where neighbours are less alike than 0.5, and joined where one goes on
 * as another: a feature that splits as its main part, the main half of a merged one as that.
 */
export function linesOf(tracks: readonly Track[], families: readonly Family[]): Line[] {
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

/** What happens at every checkpoint; the features of chance live at one checkpoint each. */
export function eventsOf(
  lines: readonly Line[],
  families: readonly Family[],
  nChance: readonly number[],
): Events {
  const at = (counts: (c: number) => number) => steps.map((_, c) => c === 0 ? 0 : counts(c));
  const turned = (kind: Other | Kind) => (c: number) =>
    families.filter(({ whole, at }) => whole.kind === kind && at === c).length;
  return {
    births: at((c) => nChance[c] + lines.filter(({ birth }) => birth === c).length),
    deaths: at((c) => nChance[c - 1] + lines.filter(({ death }) => death === c).length),
    splits: at(turned("whole")),
    merges: at(turned("merged")),
  };
}
