/**
 * Paths to bytes and back: the one file that reads and writes the disk.
 *
 * Reads are positional and keep no handle open between them. Writes go to a file beside the
 * final one, which is renamed when it is whole.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { DataError, show } from "./errors.ts";

/** Bytes that can be read in part, and that know what to be called in a message. */
export interface ByteSource {
  /** A path or a URL. */
  readonly name: string;
  /** Number of bytes. */
  readonly byteLength: number;
  /** Reads the bytes `start <= i < end` into a buffer of their own. */
  read(start: number, end: number): Promise<Uint8Array<ArrayBuffer>>;
}

/** Where bytes go, in order. Writing returns when the bytes are handed to the system. */
export interface ByteSink {
  /** Appends bytes. */
  write(bytes: Uint8Array): void;
}

/**
 * Opens a file for reading in parts.
 *
 * @param path Where it is.
 * @returns Its bytes; no handle stays open between reads.
 * @throws {DataError} If it is missing, is not a file, or may not be read.
 */
export async function openFile(path: string): Promise<ByteSource> {
  const info = await stat(path).catch((cause) => {
    throw new DataError("open", { where: path, expected: "a file", got: reason(cause) }, { cause });
  });
  if (!info.isFile()) {
    throw new DataError("open", { where: path, expected: "a file", got: "a folder" });
  }
  return { name: path, byteLength: info.size, read: (start, end) => readPart(path, start, end) };
}

async function readPart(
  path: string,
  start: number,
  end: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - start);
  try {
    await using file = await open(path, "r");
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await file.read(bytes, at, bytes.length - at, start + at);
      if (bytesRead === 0) throw new Error(`only ${start + at} bytes`);
      at += bytesRead;
    }
  } catch (cause) {
    throw new DataError("read", {
      where: path,
      expected: `bytes ${start} to ${end}`,
      got: reason(cause),
    }, { cause });
  }
  return bytes;
}

/**
 * Bytes in memory, as if they were a file.
 *
 * @param name What to call them in a message.
 * @param bytes The bytes; not copied until read.
 * @returns The source.
 *
 * @example Reading a part
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const source = bytesInMemory("three", new Uint8Array([1, 2, 3]));
 *
 * assert.deepEqual([...await source.read(1, 3)], [2, 3]);
 * ```
 */
export function bytesInMemory(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    byteLength: bytes.length,
    read: (start, end) => Promise.resolve(Uint8Array.from(bytes.subarray(start, end))),
  };
}

/**
 * All bytes of a source as text.
 *
 * @param source A UTF-8 file.
 * @returns Its text.
 * @throws {DataError} If it is not UTF-8.
 */
export async function readText(source: ByteSource): Promise<string> {
  const bytes = await source.read(0, source.byteLength);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError(
      "read",
      { where: source.name, expected: "UTF-8 text", got: "other bytes" },
      {
        cause,
      },
    );
  }
}

/**
 * A source parsed as a JSON object.
 *
 * @param source A JSON file.
 * @returns Its top-level object, unchecked within.
 * @throws {DataError} If it is not JSON, or its top level is not an object.
 */
export async function readJsonObject(source: ByteSource): Promise<Record<string, unknown>> {
  const text = await readText(source);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DataError("read", {
      where: source.name,
      expected: "JSON",
      got: show(text.slice(0, 40)),
    }, { cause });
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new DataError("read", {
      where: source.name,
      expected: "a JSON object",
      got: show(value),
    });
  }
  return value as Record<string, unknown>;
}

/**
 * The SHA-256 of a file, read in parts of 4 MiB.
 *
 * @param source The file.
 * @returns 64 hexadecimal digits.
 */
export async function sha256(source: ByteSource): Promise<string> {
  const hash = createHash("sha256");
  for (let at = 0; at < source.byteLength; at += 1 << 22) {
    hash.update(await source.read(at, Math.min(source.byteLength, at + (1 << 22))));
  }
  return hash.digest("hex");
}

/**
 * Whether something lies at a path.
 *
 * @param path Where to look.
 * @returns Whether a file or folder is there.
 */
export async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false);
}

/**
 * Removes some files of a folder.
 *
 * @param folder Its path; nothing happens where there is none.
 * @param isRemoved Whether to remove the file of a name.
 */
export async function removeFiles(
  folder: string,
  isRemoved: (name: string) => boolean,
): Promise<void> {
  for (const name of await listNames(folder)) if (isRemoved(name)) await rm(`${folder}/${name}`);
}

/**
 * The names in a folder, sorted.
 *
 * @param folder Where to look.
 * @returns Names, without the folder; none if there is no such folder.
 */
export async function listNames(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

/**
 * Writes a file beside its final name, then renames it, so that a file under its final name is
 * always whole. On an error nothing is left.
 *
 * @param path The final name; its folder is made if it is missing.
 * @param fill Writes the contents; may be slow, may throw.
 * @returns What `fill` returned.
 * @throws {DataError} If the disk refuses.
 */
export async function writeFile<T>(
  path: string,
  fill: (sink: ByteSink) => T | Promise<T>,
): Promise<T> {
  const beside = `${path}.partial`;
  const file = await orRefuse(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    return openSync(beside, "w");
  });
  try {
    let result: T;
    try {
      result = await fill({
        write: (bytes) => orRefuseSync(path, () => writeAll(file, bytes)),
      });
    } finally {
      closeSync(file);
    }
    await orRefuse(path, () => rename(beside, path));
    return result;
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
}

async function orRefuse<T>(path: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    throw refused(path, cause);
  }
}

function orRefuseSync<T>(path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    throw refused(path, cause);
  }
}

function refused(path: string, cause: unknown): DataError {
  return new DataError("write", {
    where: path,
    expected: "a folder that can be written",
    got: reason(cause),
  }, { cause });
}

// What the system said, in a few words.
function reason(cause: unknown): string {
  const { code, message } = cause as { code?: string; message?: string };
  const words: Readonly<Record<string, string>> = {
    ENOENT: "nothing there",
    EACCES: "permission denied",
    EPERM: "permission denied",
    ENOSPC: "a full disk",
    EISDIR: "a folder",
    ENOTDIR: "a file where a folder should be",
    EMFILE: "too many open files",
    EROFS: "a read-only disk",
    EEXIST: "a file where a folder should be",
  };
  return (code && words[code]) ?? message ?? String(cause);
}

/**
 * A path relative to a folder, unless it is absolute.
 *
 * @param folder The folder of the file that names the path.
 * @param path As written in that file.
 * @returns The path to open.
 */
export function resolveFrom(folder: string, path: string): string {
  return path.startsWith("/") || /^[A-Za-z]:[\\/]/.test(path) ? path : join(folder, path);
}
