/**
 * The special tokens that the files beside a tokenizer name.
 *
 * @module
 */

import { refuseMember } from "./errors.ts";
import { exists, openFile, readJsonObject, resolveFrom } from "./files.ts";

/**
 * Reads the special tokens that the files beside a tokenizer name.
 *
 * @param folder Where `tokenizer_config.json` and `special_tokens_map.json` are, if they are.
 * @param keys What they are for: "bos_token".
 * @returns Those that are named, by what they are for; the first file goes before the second.
 * @throws {DataError} If a file is broken, or one is not a text.
 *
 * @example The first token of the small model
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(await readNamed("fixtures/tiny", ["bos_token"]), { bos_token: "<|doc|>" });
 * ```
 */
export async function readNamed(
  folder: string,
  keys: readonly string[],
): Promise<Readonly<Record<string, string>>> {
  const named: Record<string, string> = {};
  for (const file of ["special_tokens_map.json", "tokenizer_config.json"]) {
    const path = resolveFrom(folder, file);
    if (!await exists(path)) continue;
    const json = await readJsonObject(await openFile(path));
    for (const key of keys) {
      const value = json[key];
      if (value === undefined || value === null) continue;
      const token = typeof value === "string" ? value : Object(value).content;
      if (typeof token !== "string") refuseMember(path, key, "a token", value);
      named[key] = token;
    }
  }
  return named;
}
