/**
 * What an audit looks at, what it finds, and the words for it.
 *
 * @module
 */

import type { Fingerprint } from "./fingerprints.ts";

/** One checkpoint, as an audit sees it. */
export interface AuditedCheckpoint {
  /** Training step of the language model. */
  readonly step: number;
  /** Its tensors; where only a list of files is at hand, its files of weights. */
  readonly parts: readonly Fingerprint[];
  /** Names of all its files of weights, in which a shard may be missing. */
  readonly files: readonly string[];
  /** Why its weights could not be read, if they could not: a sentence. */
  readonly fault?: string;
}

/** Every kind of finding. */
export const findingKinds = [
  "final early",
  "partly final",
  "identical",
  "partly identical",
  "out of order",
  "discontinuous",
  "missing shards",
  "unreadable",
  "not finite",
  "shape",
  "dtype",
  "tensors",
  "size",
] as const;

/** What is wrong. */
export type FindingKind = typeof findingKinds[number];

/** Something wrong with some checkpoints. */
export interface Finding {
  /** What is wrong. */
  readonly kind: FindingKind;
  /** An error cannot be what training wrote at this step; a warning may be, and is to be looked at. */
  readonly severity: "error" | "warning";
  /** Steps that it is wrong with, ascending. */
  readonly steps: readonly number[];
  /** Names of the tensors, or files, that it is wrong with; empty where it is all of them. */
  readonly parts: readonly string[];
  /** All of this in a sentence, without a full stop. */
  readonly sentence: string;
}

/**
 * Steps in words.
 *
 * @param steps Ascending.
 * @returns Up to eight of them; of more, how many there are, and the first and the last.
 *
 * @example One, some, many
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(stepWords([5]), "Step 5");
 * assert.equal(stepWords([0, 1, 2]), "Steps 0, 1 and 2");
 * assert.equal(stepWords(Array(76).fill(0).map((_, c) => 10 * c)), "76 steps, from 0 to 750,");
 * ```
 */
export function stepWords(steps: readonly number[]): string {
  if (steps.length === 1) return `Step ${steps[0]}`;
  if (steps.length > 8) return `${steps.length} steps, from ${steps[0]} to ${steps.at(-1)},`;
  return `Steps ${steps.slice(0, -1).join(", ")} and ${steps.at(-1)}`;
}

/**
 * Names in words.
 *
 * @param names Of tensors or files.
 * @returns Up to three of them, and how many more there are.
 *
 * @example Four names
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(nameWords(["a", "b", "c", "d"]), "a, b, c and 1 more");
 * ```
 */
export function nameWords(names: readonly string[]): string {
  const more = names.length - 3;
  return names.slice(0, 3).join(", ") + (more > 0 ? ` and ${more} more` : "");
}

/**
 * Puts things into groups.
 *
 * @param things What to group.
 * @param keyOf What all of a group have in common.
 * @returns The groups, in the order in which each begins; things in their order.
 */
export function groupsBy<T>(things: readonly T[], keyOf: (thing: T) => string): T[][] {
  const groups = new Map<string, T[]>();
  for (const thing of things) {
    const key = keyOf(thing), group = groups.get(key);
    if (group) group.push(thing);
    else groups.set(key, [thing]);
  }
  return [...groups.values()];
}

/**
 * What to call the parts of checkpoints.
 *
 * @param parts Some parts.
 * @returns "tensors", or "files" if none is known to be a tensor.
 */
export function partNoun(parts: readonly Fingerprint[]): "tensors" | "files" {
  return parts.some(({ shape }) => shape !== undefined) ? "tensors" : "files";
}
