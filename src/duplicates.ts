/**
 * Checkpoints of a sweep that have the same weights, found without reading most of them.
 *
 * @module
 */

import { groupsBy, stepWords } from "./audit_findings.ts";
import { DataError } from "./errors.ts";
import { fingerprintWeights } from "./fingerprints.ts";
import type { Weights } from "./weights.ts";
import type { TensorEntry } from "./safetensors.ts";

/** The weights at a step. */
export interface WeightsAtStep {
  /** Training step. */
  readonly step: number;
  /** Where they lie. */
  readonly weights: Pick<Weights, "where" | "entries">;
}

// Bytes of every tensor that are read to tell it from others.
const probeBytes = 4096;

/**
 * The steps that have the same tensors, bit for bit, whatever files they lie in.
 *
 * In three passes, each over what the one before could not tell apart: names, dtypes and shapes, which
 * the headers give; up to 4 KiB from the middle of every tensor; and all of every tensor.
 *
 * Cost: 4 KiB a tensor of checkpoints that differ, one read of those that do not.
 *
 * @param checkpoints The weights at every step, in order of step.
 * @returns Groups of two or more steps, ascending; none if all differ.
 * @throws {DataError} If a file cannot be read.
 *
 * @example Two of three are the same
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesInMemory } from "./files.ts";
 * import { encodeSafetensors, readEntries } from "./safetensors.ts";
 *
 * const at = async (step: number, x: number) => {
 *   const bytes = encodeSafetensors({ w: { shape: [1], data: new Float32Array([x]) } });
 *   const entries = await readEntries(bytesInMemory("model.safetensors", bytes));
 *   return { step, weights: { where: `step${step}`, entries } };
 * };
 *
 * assert.deepEqual(await sameWeights([await at(0, 1), await at(1, 2), await at(2, 1)]), [[0, 2]]);
 * ```
 */
export async function sameWeights(checkpoints: readonly WeightsAtStep[]): Promise<number[][]> {
  let groups = [[...checkpoints]];
  for (const tell of [formsOf, probesOf, hashesOf]) {
    const next: WeightsAtStep[][] = [];
    for (const group of groups.filter(({ length }) => length > 1)) {
      const told = [];
      for (const checkpoint of group) {
        told.push({ checkpoint, as: await tell([...checkpoint.weights.entries.values()]) });
      }
      const same = groupsBy(told, ({ as }) => as);
      next.push(...same.map((group) => group.map(({ checkpoint }) => checkpoint)));
    }
    groups = next;
  }
  const steps = groups.filter(({ length }) => length > 1)
    .map((group) => group.map(({ step }) => step));
  return steps.sort((a, b) => a[0] - b[0]);
}

function formsOf(entries: readonly TensorEntry[]): string {
  return JSON.stringify(entries.map(({ name, dtype, shape }) => [name, dtype, shape]).sort());
}

async function probesOf(entries: readonly TensorEntry[]): Promise<string> {
  return await hashesOf(entries.map((entry) => {
    const { start, end } = entry;
    const from = Math.max(start, Math.floor((start + end - probeBytes) / 2));
    // Bytes, so that a part need not be one of whole elements.
    return { ...entry, dtype: "U8", start: from, end: Math.min(end, from + probeBytes) };
  }));
}

async function hashesOf(entries: readonly TensorEntry[]): Promise<string> {
  const named = new Map(entries.map((entry) => [entry.name, entry]));
  const found = await fingerprintWeights({ entries: named }, { hasSketch: false });
  return JSON.stringify(found.map(({ hash }) => hash));
}

/**
 * Refuses checkpoints that have the same weights.
 *
 * @param checkpoints The weights at every step, in order of step.
 * @throws {DataError} If two are the same, bit for bit; see {@linkcode sameWeights}.
 */
export async function refuseDuplicates(checkpoints: readonly WeightsAtStep[]): Promise<void> {
  const [same] = await sameWeights(checkpoints);
  if (same === undefined) return;
  const [first, last] = [same[0], same.at(-1)!].map((step) =>
    checkpoints.find((of) => of.step === step)!.weights.where
  );
  throw new DataError("extract", {
    where: stepWords(same).toLowerCase(),
    expected: "other weights at every step",
    got: `the same tensors, bit for bit, in ${first} and ${last}`,
    fix: "get the right ones, leave them out with --steps, or give --allow-duplicates",
  });
}
