/**
 * Names of places in a transformer, as TransformerLens writes them.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";

/** What can be read within a block. */
export const hookPoints = [
  "hook_resid_pre",
  "hook_resid_mid",
  "hook_resid_post",
  "hook_attn_out",
  "hook_mlp_out",
  "attn.hook_z",
] as const;

/** A place within a block. */
export type HookPoint = typeof hookPoints[number];

/** A place in a transformer. */
export interface Hook {
  /** The whole name: "blocks.3.hook_resid_pre". */
  readonly name: string;
  /** The block, from 0. */
  readonly layer: number;
  /** The place within the block. */
  readonly point: HookPoint;
}

/**
 * Takes a hook name apart.
 *
 * @param name "blocks.3.hook_resid_pre".
 * @param where The file that holds it.
 * @returns Its block and its place within.
 * @throws {DataError} If it is not a hook of a block that this package knows.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseHook("blocks.3.hook_resid_pre", "cfg.json"), {
 *   name: "blocks.3.hook_resid_pre",
 *   layer: 3,
 *   point: "hook_resid_pre",
 * });
 * ```
 */
export function parseHook(name: unknown, where: string): Hook {
  const [, layer, rest] = /^blocks\.(\d{1,4})\.(.+)$/.exec(String(name)) ?? [];
  const point = hookPoints.find((known) => known === rest);
  if (typeof name !== "string" || point === undefined) {
    throw new DataError("find hook", {
      where: `${show(name)} of ${where}`,
      expected: `blocks.<layer>.${hookPoints.join(", .")}`,
      got: "another name",
    });
  }
  return { name, layer: Number(layer), point };
}
