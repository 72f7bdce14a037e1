/**
 * Checkpoints whose weights are those of another step, bit for bit.
 *
 * @module
 */

import {
  type AuditedCheckpoint,
  type Finding,
  groupsBy,
  nameWords,
  partNoun,
  stepWords,
} from "./audit_findings.ts";
import type { Fingerprint } from "./fingerprints.ts";

/** What equal hashes tell. */
export interface EqualWeights {
  /** What was found. */
  readonly findings: readonly Finding[];
  /** Steps whose weights may be those of another, and which so tell nothing about the path. */
  readonly suspects: ReadonlySet<number>;
}

/**
 * Finds equal weights at different steps, by hashes alone.
 *
 * Two checkpoints are identical if all their parts are. A part that is the same at two steps, and
 * another at a step between them, has come back to what it was, bit for bit, which training does not
 * do; those of fewer than 64 elements or 128 bytes, which might, do not count. A part that does not
 * change from a step to the next is no finding: masks never change, frozen weights do not, and in
 * 16 bits the first steps may round away to nothing.
 *
 * @param checkpoints In order of step. A checkpoint of missing shards belongs here too: a shard that
 *   is there can be another step's.
 * @param incomplete Steps of which parts are missing: never identical as a whole.
 * @returns What was found.
 *
 * @example The last weights, served at the first step
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const at = (step: number, hash: string) => ({
 *   step,
 *   parts: [{ name: "model.safetensors", nBytes: 4096, hash }],
 *   files: ["model.safetensors"],
 * });
 * const { findings } = equalWeights([at(0, "c"), at(1, "a"), at(2, "b"), at(3, "c")]);
 *
 * assert.deepEqual(findings.map(({ kind, steps }) => [kind, steps]), [["final early", [0]]]);
 * ```
 */
export function equalWeights(
  checkpoints: readonly AuditedCheckpoint[],
  incomplete: ReadonlySet<number> = new Set(),
): EqualWeights {
  const whole = checkpoints.filter(({ step, parts }) => parts.length > 0 && !incomplete.has(step));
  const groups = groupsBy(whole, ({ parts }) => JSON.stringify(parts.map((p) => [p.name, p.hash])))
    .filter((group) => group.length > 1);
  const last = whole.at(-1);
  const findings: Finding[] = [], suspects = new Set<number>(), copies = new Set<number>();
  for (const group of groups) {
    const steps = group.map(({ step }) => step);
    const isFinal = group.includes(last!);
    const followEachOther = whole.indexOf(group.at(-1)!) - whole.indexOf(group[0]) < group.length;
    const others = isFinal ? steps.slice(0, -1) : steps.slice(1);
    for (const step of others) copies.add(step);
    for (const step of isFinal || followEachOther ? others : steps) suspects.add(step);
    findings.push(
      isFinal ? finalEarly(others, last!.step) : {
        kind: "identical",
        severity: followEachOther ? "warning" : "error",
        steps,
        parts: [],
        sentence: `${stepWords(steps)} have the same weights, bit for bit` +
          (followEachOther ? ", and follow each other" : ""),
      },
    );
  }
  const returned = returnedParts(checkpoints.filter(({ step }) => !copies.has(step)), last?.step);
  for (const { steps } of returned) for (const step of steps) suspects.add(step);
  return { findings: [...findings, ...returned], suspects };
}

function finalEarly(steps: readonly number[], last: number): Finding {
  return {
    kind: "final early",
    severity: "error",
    steps,
    parts: [],
    sentence: `${stepWords(steps)} ${steps.length > 1 ? "have" : "has"} the weights of the last ` +
      `checkpoint, step ${last}, bit for bit`,
  };
}

/** A part at some steps, between which it is another. */
interface Returned {
  readonly name: string;
  readonly steps: readonly number[];
  readonly isFinal: boolean;
}

// Parts of checkpoints that came back to what they were; steps whose parts are those of the last
// checkpoint together, by their parts, and other parts together, by their steps.
function returnedParts(
  checkpoints: readonly AuditedCheckpoint[],
  last: number | undefined,
): Finding[] {
  const names = new Set(
    checkpoints.flatMap(({ parts }) => parts.filter(counts).map((p) => p.name)),
  );
  const returned = [...names].flatMap((name) => returns(checkpoints, name, last));
  const noun = partNoun(checkpoints.flatMap(({ parts }) => parts));
  const early = checkpoints.flatMap(({ step, parts }) => {
    const own = returned.filter(({ isFinal, steps }) => isFinal && steps.includes(step));
    return own.length === 0
      ? []
      : [{ step, nParts: parts.length, names: own.map(({ name }) => name) }];
  });
  return [
    ...groupsBy(early, ({ names }) => JSON.stringify(names)).map((group): Finding => {
      const [{ names, nParts }] = group;
      const steps = group.map(({ step }) => step);
      return {
        kind: "partly final",
        severity: "error",
        steps,
        parts: names,
        sentence: `${stepWords(steps)} ${steps.length > 1 ? "have" : "has"} ${names.length} of ` +
          `${nParts} ${noun} from the last checkpoint, step ${last}, bit for bit: ` +
          nameWords(names),
      };
    }),
    ...groupsBy(returned.filter(({ isFinal }) => !isFinal), ({ steps }) => `${steps}`)
      .map((group): Finding => {
        const [{ steps }] = group, names = group.map(({ name }) => name);
        return {
          kind: "partly identical",
          severity: "error",
          steps,
          parts: names,
          sentence: `${stepWords(steps)} have ${noun} in common, bit for bit, that are others at ` +
            `steps between: ${nameWords(names)}`,
        };
      }),
  ];
}

function counts({ nBytes, shape }: Fingerprint): boolean {
  return nBytes >= 128 && (shape?.reduce((n, d) => n * d, 1) ?? 64) >= 64;
}

// The steps of each value of a part that has more than one run; of the last one's, all other runs.
function returns(
  checkpoints: readonly AuditedCheckpoint[],
  name: string,
  last: number | undefined,
): Returned[] {
  const runs: { readonly hash: string; readonly steps: number[] }[] = [];
  for (const { step, parts } of checkpoints) {
    const hash = parts.find((part) => part.name === name && counts(part))?.hash;
    if (hash === undefined) continue;
    if (runs.at(-1)?.hash === hash) runs.at(-1)!.steps.push(step);
    else runs.push({ hash, steps: [step] });
  }
  return groupsBy(runs, ({ hash }) => hash).filter((same) => same.length > 1).map((same) => {
    const isFinal = same.at(-1)!.steps.includes(last!);
    const steps = (isFinal ? same.slice(0, -1) : same).flatMap(({ steps }) => steps);
    return { name, steps, isFinal };
  });
}
