/**
 * The bytes of one file of a hub, appended to what is there, and hashed as they come.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { openFile } from "./files.ts";
import type { HubFile } from "./hub_name.ts";

/** Writes the bytes of a file from one on. */
export type Fill = (start: number, write: (bytes: Uint8Array) => void) => Promise<void>;

/** What came of filling a file. */
export interface Filled {
  /** The hash found, in the words of {@linkcode hashOf}, if it is another; the file is gone then. */
  readonly found: string | undefined;
  /** Whether bytes of an earlier run were among them. */
  readonly wasPart: boolean;
}

/**
 * What the bytes of a file must hash to.
 *
 * @param file The file.
 * @returns Its SHA-256, or of a file within git what git calls it: the SHA-1 of its length and bytes.
 */
export function hashOf({ sha256, oid }: HubFile): string {
  return sha256 === undefined ? `git's id ${oid}` : `sha256 ${sha256}`;
}

/**
 * Appends to a file what it lacks.
 *
 * @param path The file; what it has already is hashed, and taken as its first bytes.
 * @param file What it is to be.
 * @param fill Gets the bytes that it lacks. If it fails, those stay that came before.
 * @returns Whether the hash is right.
 */
export async function fillBlob(path: string, file: HubFile, fill: Fill): Promise<Filled> {
  const part = await openFile(path).catch(() => undefined);
  const start = part === undefined || part.byteLength > file.size ? 0 : part.byteLength;
  const hash = createHash(file.sha256 === undefined ? "sha1" : "sha256");
  if (file.sha256 === undefined) hash.update(`blob ${file.size}\0`);
  for (let at = 0; at < start; at += 1 << 22) {
    hash.update(await part!.read(at, Math.min(start, at + (1 << 22))));
  }
  const out = openSync(path, start === 0 ? "w" : "a");
  try {
    await fill(start, (bytes) => {
      hash.update(bytes);
      for (let at = 0; at < bytes.length;) at += writeSync(out, bytes, at);
    });
  } finally {
    closeSync(out);
  }
  const digest = hash.digest("hex");
  const kind = file.sha256 === undefined ? "oid" : "sha256";
  const wasPart = start > 0;
  if (digest === file[kind]) return { found: undefined, wasPart };
  await rm(path);
  return { found: hashOf({ ...file, [kind]: digest }), wasPart };
}
