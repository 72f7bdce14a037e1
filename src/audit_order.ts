/**
 * Checkpoints whose weights are in nobody else's place, but not in their own either.
 *
 * @module
 */

import {
  type AuditedCheckpoint,
  type Finding,
  groupsBy,
  nameWords,
  stepWords,
} from "./audit_findings.ts";
import {
  breaks,
  type Distances,
  distancesOf,
  exchanged,
  misplaced,
  offPath,
} from "./audit_path.ts";
import type { Fingerprint } from "./fingerprints.ts";

/**
 * Finds what is out of order or breaks the path, from distances between checkpoints.
 *
 * In turn, each on what the one before left: {@linkcode misplaced} and {@linkcode exchanged}, of all
 * tensors together; {@linkcode misplaced}, of every matrix of 1,024 elements or more, since one part
 * of a checkpoint may be another step's; {@linkcode offPath}; {@linkcode breaks}. Vectors are not
 * asked alone: one that has a few large elements may well come back near to where it was.
 *
 * @param checkpoints In order of step, whole, and no two of them the same. Only tensors count that
 *   have a sketch and the same shape in all of them.
 * @returns What was found.
 */
export function pathFindings(checkpoints: readonly AuditedCheckpoint[]): Finding[] {
  const tensors = commonTensors(checkpoints);
  if (tensors.length === 0) return [];
  const sketches = checkpoints.map((_, c) => tensors.map((of) => of[c].sketch!));
  let path: Path = {
    steps: checkpoints.map(({ step }) => step),
    distances: distancesOf(sketches),
  };
  const found: Finding[] = [];
  for (const find of [strays, pairs, (of: Path) => partStrays(of, tensors, checkpoints), offs]) {
    const more = find(path);
    found.push(...more);
    path = without(path, more.flatMap(({ steps }) => steps));
  }
  return [...found, ...jumps(path)];
}

/** Some checkpoints, and how far they are apart. */
interface Path {
  readonly steps: readonly number[];
  readonly distances: Distances;
}

function without({ steps, distances }: Path, left: readonly number[]): Path {
  const keeps = steps.map((step) => !left.includes(step));
  return {
    steps: steps.filter((_, c) => keeps[c]),
    distances: distances.filter((_, c) => keeps[c]).map((row) => row.filter((_, c) => keeps[c])),
  };
}

// The tensors that are there at every checkpoint, each as it is at all of them.
function commonTensors(checkpoints: readonly AuditedCheckpoint[]): Fingerprint[][] {
  const byName = groupsBy(checkpoints.flatMap(({ parts }) => parts), ({ name }) => name);
  return byName.filter((of) =>
    of.length === checkpoints.length &&
    of.every(({ sketch, shape }) => sketch && `${shape}` === `${of[0].shape}`)
  );
}

function strays({ steps, distances }: Path): Finding[] {
  return misplaced(distances).map(({ at, near, distance, own }) => ({
    kind: "out of order",
    severity: "error",
    steps: [steps[at]],
    parts: [],
    sentence: `Step ${steps[at]} is ${short(distance)} from step ${steps[near]}, and ` +
      `${short(own)} from the nearer of its neighbours`,
  }));
}

function pairs({ steps, distances }: Path): Finding[] {
  return exchanged(distances).map((at) => {
    const pair = [steps[at], steps[at + 1]];
    return warning(
      "out of order",
      pair,
      `${stepWords(pair)} are in each other's place: the way ` +
        "through them is shorter the other way round",
    );
  });
}

// Of the checkpoints on the path, those of which single matrices are out of order, by their names.
function partStrays(
  { steps }: Path,
  tensors: readonly (readonly Fingerprint[])[],
  checkpoints: readonly AuditedCheckpoint[],
): Finding[] {
  const kept = [...checkpoints.keys()].filter((c) => steps.includes(checkpoints[c].step));
  const names = new Map<number, string[]>(steps.map((step) => [step, []]));
  for (const of of tensors.filter(isMatrix)) {
    const distances = distancesOf(kept.map((c) => [of[c].sketch!]));
    for (const { at } of misplaced(distances)) names.get(steps[at])!.push(of[0].name);
  }
  const odd = steps.filter((step) => names.get(step)!.length > 0);
  return groupsBy(odd, (step) => JSON.stringify(names.get(step))).map((steps) => {
    const parts = names.get(steps[0])!;
    const [are, their] = steps.length > 1 ? ["are", "their"] : ["is", "its"];
    return {
      kind: "out of order",
      severity: "warning",
      steps,
      parts,
      sentence: `${stepWords(steps)} ${are} nearer to far steps than to both ${their} neighbours ` +
        `in ${parts.length} of ${tensors.length} tensors: ${nameWords(parts)}`,
    };
  });
}

function isMatrix([{ shape }]: readonly Fingerprint[]): boolean {
  return shape!.length > 1 && shape!.reduce((n, d) => n * d, 1) >= 1024;
}

function offs({ steps, distances }: Path): Finding[] {
  return offPath(distances).map((at) =>
    warning(
      "discontinuous",
      [steps[at]],
      `Step ${steps[at]} is off the path: ${short(distances[at][at - 1])} from step ` +
        `${steps[at - 1]} and ${short(distances[at][at + 1])} from step ${steps[at + 1]}, which ` +
        `are ${short(distances[at - 1][at + 1])} apart`,
    )
  );
}

function jumps(path: Path): Finding[] {
  const { steps, distances } = without(
    path,
    path.steps.filter((_, c) => path.distances[c][c - 1] === 0),
  );
  const gaps = steps.slice(1).map((_, c) => distances[c][c + 1]);
  return breaks(steps, gaps).map(({ before, distance, expected }) =>
    warning(
      "discontinuous",
      [steps[before + 1]],
      `Step ${steps[before + 1]} does not follow from step ${steps[before]}: it is ` +
        `${short(distance)} away, where the gaps around let expect ${short(expected)}`,
    )
  );
}

function warning(kind: Finding["kind"], steps: readonly number[], sentence: string): Finding {
  return { kind, severity: "warning", steps, parts: [], sentence };
}

function short(distance: number): string {
  return `${Number(distance.toPrecision(2))}`;
}
