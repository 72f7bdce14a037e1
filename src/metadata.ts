/**
 * What a table says of itself: one JSON object in the metadata of its schema.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { openTable } from "./arrow.ts";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";

/** A file that something was made from. */
export interface SourceFile {
  /** Its path, as the sweep names it. */
  readonly path: string;
  /** SHA-256 of its bytes, in hexadecimal. */
  readonly sha256: string;
}

/** What every table of ours says. */
export interface TableInfo {
  /** Version of the format. */
  readonly format: 1;
  /** Names all inputs and options that the values depend on. */
  readonly fingerprint: string;
}

/**
 * Reads what a table says of itself.
 *
 * @param source An Arrow file.
 * @param key Where the JSON stands in the metadata.
 * @param counts Members that must be counts.
 * @returns The object, these members checked.
 * @throws {DataError} If it is missing, or of another format.
 */
export async function readInfo<I extends TableInfo>(
  source: ByteSource,
  key: string,
  counts: readonly (keyof I & string)[],
): Promise<I> {
  const text = (await openTable(source)).metadata[key];
  const refuse = (expected: string, got: unknown): never => {
    throw new DataError("read metadata", {
      where: `"${key}" of ${source.name}`,
      expected,
      got: show(got),
      fix: "delete the file and make it again",
    });
  };
  let info: Record<string, unknown> | null;
  try {
    info = JSON.parse(text ?? "null");
  } catch {
    return refuse("JSON", text);
  }
  if (info?.format !== 1) return refuse("format 1", info?.format);
  if (typeof info.fingerprint !== "string") refuse('text "fingerprint"', info.fingerprint);
  for (const name of counts) {
    if (!Number.isSafeInteger(info[name])) refuse(`a count "${name}"`, info[name]);
  }
  return info as unknown as I;
}

/**
 * Refuses a finished table that was made from other inputs than are asked for.
 *
 * @param path The table.
 * @param info What it says of itself.
 * @param fingerprint What is asked for.
 * @throws {DataError} If the two differ.
 */
export function checkMadeFrom(path: string, info: TableInfo, fingerprint: string): void {
  if (info.fingerprint === fingerprint) return;
  throw new DataError("reuse", {
    where: path,
    expected: `a file made from inputs ${fingerprint}`,
    got: `one made from ${info.fingerprint}`,
    fix: "use another --out, or --force to make it again",
  });
}

/**
 * A short name of some bytes.
 *
 * @param bytes The bytes.
 * @returns The first 16 hexadecimal digits of their SHA-256.
 */
export function shortHash(bytes: Int32Array | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
