/**
 * The rows of a column of Parquet, from the values and levels of its pages.
 *
 * @see {@link https://parquet.apache.org/docs/file-format/nestedencoding/ | Levels}
 *
 * @module
 */

import { DataError } from "./errors.ts";
import type { Values } from "./parquet_page.ts";

/** What the levels of a column mean. */
export interface Levels {
  /** Whether its rows are lists. */
  readonly isList: boolean;
  /** The level of a value that is there. */
  readonly whole: number;
  /** The level of an element that is there, be it null. */
  readonly inList: number;
}

/** The values of a page, and where they stand. */
export interface Page {
  /** What is there, nulls left out. */
  readonly values: Values;
  /** How much of the path to each value is there; none if all of it always is. */
  readonly defined: Int32Array;
  /** 0 where a row begins; none if each value is a row. */
  readonly repeated: Int32Array;
}

/**
 * Puts values into rows.
 *
 * @param pages The values of a column without lists, or with one, in file order: a list may go on
 *   in the next page.
 * @param levels What the numbers beside them mean.
 * @returns An array for a list; null for a null, in a list too.
 */
export async function* rowsOf(
  pages: AsyncGenerator<Page>,
  { isList, whole, inList }: Levels,
): AsyncGenerator<unknown> {
  let row: unknown[] | null | undefined;
  for await (const { values, defined, repeated } of pages) {
    let next = 0;
    const nSlots = defined.length || repeated.length || values.length;
    for (let i = 0; i < nSlots; i++) {
      const level = defined.length > 0 ? defined[i] : whole;
      const value = level === whole ? values[next++] : null;
      if (!isList) {
        yield value;
        continue;
      }
      if (repeated[i] === 0) {
        if (row !== undefined) yield row;
        row = level < inList - 1 ? null : [];
      }
      if (level >= inList) row?.push(value);
    }
  }
  if (row !== undefined) yield row;
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Bytes as the text that they are, in a list too; a byte order mark is part of it.
 *
 * @param value What stands in a row.
 * @param where What to call the row in a message.
 * @returns Text for bytes; any other value as it is.
 * @throws {DataError} If bytes are not UTF-8.
 *
 * @example A letter
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(textIn(Uint8Array.of(0x61), "row 0"), "a");
 * ```
 */
export function textIn(value: unknown, where: string): unknown {
  if (Array.isArray(value)) {
    return value.some((one) => one instanceof Uint8Array)
      ? value.map((one) => textIn(one, where))
      : value;
  }
  if (!(value instanceof Uint8Array)) return value;
  try {
    return utf8.decode(value);
  } catch (cause) {
    const got = `bytes ${
      [...value.subarray(0, 8)].map((b) => b.toString(16).padStart(2, "0")).join(" ")
    }`;
    throw new DataError("read", { where, expected: "UTF-8 text", got }, { cause });
  }
}
