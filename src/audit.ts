/**
 * Whether checkpoints are what their steps say.
 *
 * Published families have served the last weights at early steps, the same weights at several, and
 * weights of another training; their users found out by chance. From hashes alone, which a hub gives
 * without a download, equal weights and missing files are found; from fingerprints of tensors, those
 * that are not equal but out of place as well.
 *
 * @module
 */

import { equalWeights } from "./audit_equal.ts";
import { type AuditedCheckpoint, type Finding, findingKinds } from "./audit_findings.ts";
import { oddForms } from "./audit_form.ts";
import { pathFindings } from "./audit_order.ts";

/**
 * Audits the checkpoints of a family.
 *
 * First what is not made like the others, then what is equal, then, with what is left, the path:
 * see {@linkcode oddForms}, {@linkcode equalWeights} and {@linkcode pathFindings}. A checkpoint that
 * is wrong in one way is not asked about the next, so that it does not cast doubt on its neighbours.
 *
 * Cost: with sketches of T tensors at C checkpoints, 128 · T · C² multiply-adds.
 *
 * @param checkpoints In any order.
 * @returns What was found: errors first, then by step; nothing for a family that is as it should be.
 * @throws {RangeError} If two checkpoints have the same step.
 *
 * @example Step 1 is step 0
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const at = (step: number, hash: string) => ({
 *   step,
 *   parts: [{ name: "model.safetensors", nBytes: 4096, hash }],
 *   files: ["model.safetensors"],
 * });
 * const [{ sentence }] = audit([at(0, "a"), at(1, "a"), at(2, "b")]);
 *
 * assert.equal(
 *   sentence,
 *   "Steps 0 and 1 have the same weights, bit for bit, and follow each other",
 * );
 * ```
 */
export function audit(checkpoints: readonly AuditedCheckpoint[]): Finding[] {
  const ordered = checkpoints.toSorted((a, b) => a.step - b.step);
  const twice = ordered.find(({ step }, c) => step === ordered[c + 1]?.step);
  if (twice) {
    throw new RangeError(
      `Cannot audit checkpoints: expected each step once, got step ${twice.step} twice`,
    );
  }
  const forms = oddForms(ordered);
  const broken = new Set(
    forms.filter(({ severity }) => severity === "error").flatMap(({ steps }) => steps),
  );
  const equal = equalWeights(ordered, broken);
  const path = pathFindings(
    ordered.filter(({ step, parts }) =>
      parts.length > 0 && !broken.has(step) && !equal.suspects.has(step)
    ),
  );
  const rank = ({ severity, steps, kind }: Finding) =>
    [severity === "error" ? 0 : 1, steps[0], findingKinds.indexOf(kind)] as const;
  return [...forms, ...equal.findings, ...path].sort((a, b) => {
    const [x, y] = [rank(a), rank(b)];
    return x[0] - y[0] || x[1] - y[1] || x[2] - y[2];
  });
}
