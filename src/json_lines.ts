/**
 * Lines of JSON, one value a line.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";

/** What a line holds. */
export interface JsonLine {
  /** The line, counted from 0, lines of white space left out: "row 3 in x.jsonl". */
  readonly where: string;
  /** Its value. */
  readonly value: unknown;
}

/**
 * Reads the values of a file of lines.
 *
 * Cost: parts of 1 MiB, and the longest line.
 *
 * @param source UTF-8 text; lines end in "\n" or "\r\n", and lines of white space are none.
 * @returns The values, in file order; bytes are read when their line is asked for.
 * @throws {TypeError} If the file is not UTF-8.
 * @throws {DataError} If a line is not JSON.
 *
 * @example Two lines
 * ```ts
 * import assert from "node:assert/strict";
 * import { bytesInMemory } from "./files.ts";
 *
 * const bytes = new TextEncoder().encode('{"a": 1}\n\n[2]\n');
 * const lines = await Array.fromAsync(readJsonLines(bytesInMemory("x.jsonl", bytes)));
 *
 * assert.deepEqual(lines.map(({ value }) => value), [{ a: 1 }, [2]]);
 * assert.equal(lines[1].where, "row 1 in x.jsonl");
 * ```
 */
export async function* readJsonLines(source: ByteSource): AsyncGenerator<JsonLine> {
  let row = 0;
  for await (const line of linesOf(source)) {
    if (line.trim() === "") continue;
    const where = `row ${row++} in ${source.name}`;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch (cause) {
      const got = show(line.slice(0, 40));
      throw new DataError("read tokens of", { where, expected: "JSON", got }, { cause });
    }
    yield { where, value };
  }
}

async function* linesOf(source: ByteSource): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for (let at = 0; at < source.byteLength; at += 1 << 20) {
    const end = Math.min(source.byteLength, at + (1 << 20));
    const text = decoder.decode(await source.read(at, end), { stream: end < source.byteLength });
    const whole = (rest + text).split("\n");
    rest = whole.pop()!;
    yield* whole;
  }
  yield rest;
}
