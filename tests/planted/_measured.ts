// What the package says of a planted sweep, beside what is true of it.

import { emergence, type Lifecycle, lifecycle, lifecycles } from "../../src/emergence.ts";
import { framesOf } from "../../src/frames.ts";
import { mutualMatches } from "../../src/match.ts";
import { significance } from "../../src/nulls.ts";
import { appearances, type Summary } from "../../src/summary.ts";
import { type TokenClass, tokenClass } from "../../src/token_share.ts";
import { matched, threshold } from "./_matched.ts";
import { type PlantedSweep, plantedSweep } from "./_planted.ts";
import { type Kind, steps } from "./_truth.ts";

/** One claim: how often it was to be made, and how often it was. */
export interface Tally {
  readonly planted: number;
  readonly found: number;
  /** What was missed, in words. */
  readonly missed: readonly string[];
}

/** When a feature emerges, in the population and in the sample. */
export interface Emergence {
  readonly kind: Kind;
  /** From the similarities of the population alone. */
  readonly truth: number;
  readonly found: number;
  readonly low: number;
  readonly high: number;
}

/** The matches of one checkpoint that are no chance, as far as q tells. */
export interface Discoveries {
  readonly step: number;
  readonly n: number;
  /** How many are of two features that have nothing to do with each other. */
  readonly nFalse: number;
  /** All matches, and how many of them are of two such features. */
  readonly nTested: number;
  readonly nChance: number;
}

/** Features of one kind at step 0: their mean similarity, and the share that is there. */
export interface AgainstToken {
  readonly kind: Kind;
  readonly similarity: number;
  readonly present: number;
  /** The same under the null that keeps the token. */
  readonly sameToken: number;
  readonly presentSameToken: number;
}

/** All of one sweep. */
export interface Measured {
  readonly tallies: Readonly<Record<string, Tally>>;
  readonly emergences: readonly Emergence[];
  readonly discoveries: readonly Discoveries[];
  /** p of every match of two features that have nothing to do with each other. */
  readonly chanceP: readonly number[];
  readonly againstToken: readonly AgainstToken[];
  /** Similarity of every copy, less that of the population. */
  readonly errors: readonly number[];
}

/** Draws a sweep, matches it, and looks for what was planted. */
export async function measured(seed: number): Promise<Measured> {
  const sweep = plantedSweep(seed);
  const summary = await matched(sweep, seed);
  const before = summary.checkpoints.slice(0, -1);
  const significances = before.map(({ match, nulls }) => significance(match, nulls.rotated));
  const isTrue = before.map(({ match: { best } }, c) =>
    Array.from(best, (j, i) => sweep.planted[i].partners[c].includes(j))
  );
  const chanceP = significances.flatMap(({ p }, c) =>
    [...p].filter((of, i) => !Number.isNaN(of) && !isTrue[c][i])
  );
  return {
    tallies: {
      ...matches(sweep, summary, significances.map(({ q }) => q)),
      ...classes(sweep, summary),
      ...neighbours(sweep, summary),
    },
    emergences: emergences(sweep, summary),
    discoveries: significances.map(({ q }, c) => {
      const tested = [...q.keys()].filter((i) => !Number.isNaN(q[i]));
      const found = tested.filter((i) => q[i] < 0.05);
      const nFalseOf = (those: readonly number[]) => those.filter((i) => !isTrue[c][i]).length;
      return {
        step: steps[c],
        n: found.length,
        nFalse: nFalseOf(found),
        nTested: tested.length,
        nChance: nFalseOf(tested),
      };
    }),
    chanceP,
    againstToken: againstToken(sweep, summary),
    errors: before.flatMap(({ match: { similarity } }, c) =>
      sweep.planted.flatMap(({ isCopied, cosines }, i) =>
        isCopied[c] ? [similarity[i] - cosines[c]] : []
      )
    ),
  };
}

// Every feature that has a partner at a checkpoint must have it as its match, and a significant one.
function matches(
  { planted }: PlantedSweep,
  { checkpoints }: Summary,
  q: readonly Float64Array[],
): Record<string, Tally> {
  const of = { match: tally(), mutual: tally(), significant: tally(), decoder: tally() };
  const dead = tally();
  const shared = tally();
  checkpoints.forEach(({ match, step, decoderCosine }, c) => {
    const isMutual = mutualMatches(match);
    planted.forEach(({ kind, partners, isCopied }, i) => {
      const where = `${kind} at ${step}`;
      if (kind === "dead") dead.add(match.best[i] === -1, where);
      const partner = partners[c][0];
      if (partner === undefined) return;
      of.match.add(match.best[i] === partner, `${where}: ${match.similarity[i]}`);
      if (c < q.length) of.significant.add(q[c][i] < 0.05, `${where}: q ${q[c][i]}`);
      if (isCopied[c]) {
        of.mutual.add(isMutual[i] === 1, where);
        of.decoder.add(decoderCosine[i] > 0.999, where);
      } else if (kind.startsWith("split")) {
        shared.add(match.best.filter((j) => j === partner).length >= 2, where);
      }
    });
  });
  return {
    "matches are the planted ones": of.match.done(),
    "matches have q < 0.05": of.significant.done(),
    "copies are mutual matches": of.mutual.done(),
    "decoder directions of copies are alike": of.decoder.done(),
    "parts share the whole as their match": shared.done(),
    "dead features have no match": dead.done(),
  };
}

// Classes of the sample against those of the plan; none where the population is near a border.
function classes(
  { planted }: PlantedSweep,
  summary: Summary,
): Record<string, Tally> {
  const before = summary.checkpoints.slice(0, -1);
  const those = steps.slice(0, -1);
  const at = appearances(summary, 1 - threshold);
  const [token, appearing] = [tally(), tally()];
  const lives = new Map<Lifecycle | null, ReturnType<typeof tally>>(
    [...lifecycles, null].map((life) => [life, tally()]),
  );
  const expected: Partial<Record<Kind, TokenClass>> = { token: "token", mixed: "mixed" };
  planted.forEach(({ kind, cosines }, i) => {
    const similarities = Float32Array.from(before, ({ match }) => match.similarity[i]);
    const isDead = before[0].match.sourceCounts[i] === 0;
    const truth = cosines.subarray(0, -1);
    if (isClear(those, truth)) {
      const found = lifecycle(those, similarities, threshold, { isDead });
      const planned = lifecycleOf(kind, emergence(those, truth, threshold), thirds);
      lives.get(planned)!.add(found === planned, `${kind}: ${found}, not ${planned}`);
    }
    const share = summary.tokenShare[i];
    const is = kind === "dead" ? null : expected[kind] ?? "context";
    token.add(tokenClass(share) === is, `${kind}: ${share}`);
    if (kind === "born") {
      const first = those[truth.findIndex((y) => y > threshold)];
      appearing.add(at[i] === first, `at ${at[i]}, not ${first}`);
    }
  });
  return {
    ...Object.fromEntries([...lives].map(([life, of]) => [
      life === null ? "dead features have no lifecycle" : `lifecycle "${life}" is found`,
      of.done(),
    ])),
    "born features appear at their checkpoint": appearing.done(),
    "token classes are right": token.done(),
  };
}

// How far from the threshold a population must be for its class to be asked for; and half a
// doubling of the step from where early and middle end.
const clearance = 0.15;
const thirds = [1, 2].map((k) => Math.expm1(k * Math.log1p(steps[steps.length - 2]) / 3));

function isClear(those: readonly number[], truth: Float32Array): boolean {
  if (truth.some((y) => Math.abs(y - threshold) < clearance)) return false;
  const step = emergence(those, truth, threshold);
  return thirds.every((end) => !(Math.abs(Math.log2((1 + step) / (1 + end))) < 0.5)); // NaN is far
}

// By the plan: `lifecycle` is not asked.
function lifecycleOf(
  kind: Kind,
  step: number,
  [early, middle]: readonly number[],
): Lifecycle | null {
  if (kind === "dead") return null;
  if (kind === "unrelated") return "never";
  if (kind === "transient") return "transient";
  if (kind !== "rising" && kind !== "born") return "from the start";
  return step < early ? "early" : step < middle ? "middle" : "late";
}

// Lineages, what happens to them, and the frame that they make.
function neighbours(
  { lines, planted, events }: PlantedSweep,
  summary: Summary,
): Record<string, Tally> {
  const frames = framesOf(summary, 1 - threshold)!;
  const { lineages, chained } = frames;
  const [births, deaths, whole, frame] = [tally(), tally(), tally(), tally()];
  for (const { kind, birth, death, features } of lines) {
    const all = features.map((f, k) => lineages.of[birth + k][f]);
    const where = `${kind} from ${birth} to ${death}`;
    whole.add(all.every((of) => of === all[0]), where);
    if (birth > 0) births.add(lineages.birth[all[0]] === birth, where);
    if (death > 0) deaths.add(lineages.death[all[all.length - 1]] === death, where);
  }
  const counts = Object.entries(events).map(([name, expected]) => {
    const found = frames.events[name as keyof typeof events];
    const of = tally();
    expected.forEach((n, c) => of.add(found[c] === n, `${found[c]} and not ${n} at ${steps[c]}`));
    return [`counts of ${name} are exact`, of.done()] as const;
  });
  planted.forEach(({ kind, partners }, i) => {
    // Followed back by neighbours, as long as there is a partner all the way.
    for (let c = partners.length - 1; c >= 0 && partners[c].length > 0; c--) {
      frame.add(partners[c][0] === chained.feature[c][i], `${kind} at ${steps[c]}`);
    }
  });
  return {
    "lineages are whole": whole.done(),
    "births are found": births.done(),
    "deaths are found": deaths.done(),
    ...Object.fromEntries(counts),
    "neighbours lead to the partner": frame.done(),
  };
}

function emergences({ planted }: PlantedSweep, summary: Summary): Emergence[] {
  const before = summary.checkpoints.slice(0, -1);
  const those = steps.slice(0, -1);
  return planted.flatMap(({ kind, cosines }, i) => {
    if (kind !== "rising" && kind !== "born") return [];
    const truth = cosines.subarray(0, -1);
    const similarities = Float32Array.from(before, ({ match }) => match.similarity[i]);
    const { low, high } = summary.emergence.intervals[i];
    return [{
      kind,
      truth: emergence(those, truth, threshold),
      found: emergence(those, similarities, threshold),
      low,
      high,
    }];
  });
}

function againstToken({ planted }: PlantedSweep, { checkpoints }: Summary): AgainstToken[] {
  const [{ match, nulls }] = checkpoints;
  return (["token", "context"] as const).map((kind) => {
    const those = [...planted.keys()].filter((i) => planted[i].kind === kind);
    const meanOf = (values: Float32Array) => mean(those.map((i) => values[i]));
    const shareOf = (values: Float32Array) =>
      mean(those.map((i) => values[i] >= threshold ? 1 : 0));
    return {
      kind,
      similarity: meanOf(match.similarity),
      present: shareOf(match.similarity),
      sameToken: mean(nulls.sameToken.map(meanOf)),
      presentSameToken: mean(nulls.sameToken.map(shareOf)),
    };
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// Counts what was to be found, and what was.
function tally() {
  let [planted, found] = [0, 0];
  const missed: string[] = [];
  return {
    add(isFound: boolean, what: string) {
      planted++;
      if (isFound) found++;
      else missed.push(what);
    },
    done: (): Tally => ({ planted, found, missed }),
  };
}
