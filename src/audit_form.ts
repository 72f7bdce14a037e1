/**
 * Checkpoints that are not made like the others of their family.
 *
 * @module
 */

import {
  type AuditedCheckpoint,
  type Finding,
  type FindingKind,
  groupsBy,
  nameWords,
  stepWords,
} from "./audit_findings.ts";
import type { Fingerprint } from "./fingerprints.ts";
import { showShape } from "./safetensors.ts";

// One thing that is wrong with one part, or the whole, of one checkpoint.
interface Oddity {
  readonly kind: FindingKind;
  readonly severity: Finding["severity"];
  readonly step: number;
  readonly name: string | undefined;
  // What is wrong, after the steps and before the names.
  readonly text: string;
}

/**
 * Finds missing shards, weights that cannot be read, numbers that are not finite, and tensors of
 * other shapes, dtypes and names than most checkpoints have; of files, other sizes.
 *
 * "Most" is the commonest form of a part; of two that are as common, that of the later checkpoint.
 * Sizes of files differ if one is more than a hundredth larger: headers differ by less.
 *
 * @param checkpoints In order of step.
 * @returns What was found, steps with the same fault together.
 *
 * @example A shard that was never uploaded
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const files = ["model-00001-of-00002.safetensors"];
 *
 * assert.deepEqual(oddForms([{ step: 5, parts: [], files }]).map(({ sentence }) => sentence), [
 *   "Step 5 lacks shards: model-00002-of-00002.safetensors",
 * ]);
 * ```
 */
export function oddForms(checkpoints: readonly AuditedCheckpoint[]): Finding[] {
  const usual = usualForms(checkpoints);
  const odd = checkpoints.flatMap((checkpoint) => [
    ...faults(checkpoint),
    ...(checkpoint.parts.length > 0 ? differences(checkpoint, usual, checkpoints) : []),
  ]);
  const byFault = groupsBy(odd, ({ kind, step, text }) => JSON.stringify([kind, step, text]));
  const told = byFault.map((group) => ({
    ...group[0],
    names: group.flatMap(({ name }) => name ?? []),
  }));
  return groupsBy(told, ({ kind, text, names }) => JSON.stringify([kind, text, names])).map(
    (group): Finding => {
      const [{ kind, severity, text, names }] = group;
      const steps = group.map(({ step }) => step);
      return {
        kind,
        severity,
        steps,
        parts: names,
        sentence: `${stepWords(steps)} ${steps.length > 1 ? plural(text) : text}` +
          (names.length > 0 ? `: ${nameWords(names)}` : ""),
      };
    },
  );
}

function plural(text: string): string {
  return text.replace(/^lacks/, "lack").replace(/^has/, "have");
}

// Missing shards, no weights at all, or weights that cannot be read; and numbers that are not finite.
function faults({ step, parts, files, fault }: AuditedCheckpoint): Oddity[] {
  const missing = missingShards(files);
  if (missing.length > 0) {
    const about = {
      kind: "missing shards",
      severity: "error",
      step,
      text: "lacks shards",
    } as const;
    return missing.map((name) => ({ ...about, name }));
  }
  const broken = (text: string): Oddity[] => [
    { kind: "unreadable", severity: "error", step, name: undefined, text },
  ];
  if (fault !== undefined) return broken(`cannot be read: ${fault}`);
  if (parts.length === 0) return broken("has no weights");
  return parts.filter(({ sketch }) => sketch?.some((sum) => !Number.isFinite(sum))).map((
    { name },
  ) => ({
    kind: "not finite",
    severity: "error",
    step,
    name,
    text: "has numbers that are not finite in",
  }));
}

/**
 * The shards that the names of others speak of.
 *
 * @param files Names such as `model-00001-of-00003.safetensors`.
 * @returns Names that are missing.
 */
export function missingShards(files: readonly string[]): string[] {
  const shards = files.flatMap((name) => {
    const [, stem, , total, end] = /^(.*-)(\d+)-of-(\d+)(\.\w+)$/.exec(name) ?? [];
    return stem === undefined ? [] : [{ stem, total, end }];
  });
  return groupsBy(shards, (shard) => JSON.stringify(shard)).flatMap(([{ stem, total, end }]) =>
    Array.from(
      { length: Number(total) },
      (_, i) => `${stem}${String(i + 1).padStart(total.length, "0")}-of-${total}${end}`,
    ).filter((name) => !files.includes(name))
  );
}

type Form = Pick<Fingerprint, "dtype" | "shape" | "nBytes">;

// Of every part that more than half of the checkpoints have, its commonest form.
function usualForms(checkpoints: readonly AuditedCheckpoint[]): Map<string, Form> {
  const read = checkpoints.filter(({ parts }) => parts.length > 0);
  const byName = groupsBy(read.flatMap(({ parts }) => parts), ({ name }) => name);
  return new Map(
    byName.filter((parts) => 2 * parts.length > read.length).map((parts) => {
      const forms = groupsBy(
        parts,
        ({ dtype, shape, nBytes }) =>
          shape === undefined ? `${nBytes}` : JSON.stringify([dtype, shape]),
      );
      const later = forms.toReversed().sort((a, b) =>
        b.length - a.length || parts.indexOf(b.at(-1)!) - parts.indexOf(a.at(-1)!)
      );
      return [parts[0].name, later[0][0]];
    }),
  );
}

function differences(
  { step, parts, files }: AuditedCheckpoint,
  usual: ReadonlyMap<string, Form>,
  { length: nCheckpoints }: readonly AuditedCheckpoint[],
): Oddity[] {
  const found: Oddity[] = [];
  const odd = (kind: FindingKind, severity: Finding["severity"], name: string, text: string) =>
    found.push({ kind, severity, step, name, text });
  for (const { name, dtype, shape, nBytes } of parts) {
    const most = usual.get(name);
    if (most === undefined) {
      if (shape && nCheckpoints > 2) odd("tensors", "error", name, "has tensors that most lack");
    } else if (shape && most.shape && showShape(shape) !== showShape(most.shape)) {
      const where = `has shape ${showShape(shape)}, where most have ${showShape(most.shape)}, in`;
      odd("shape", "error", name, where);
    } else if (dtype !== most.dtype) {
      odd("dtype", "warning", name, `has dtype ${dtype}, where most have ${most.dtype}, in`);
    } else if (!shape && Math.abs(nBytes - most.nBytes) > 0.01 * most.nBytes) {
      odd("size", "warning", name, `has ${nBytes} bytes, where most have ${most.nBytes}, in`);
    }
  }
  const isWhole = missingShards(files).length === 0;
  for (const [name, { shape }] of usual) {
    if (!isWhole || !shape || parts.some((part) => part.name === name)) continue;
    odd("tensors", "error", name, "lacks tensors that most have");
  }
  return found;
}
