/**
 * The columns of our tables, as data: their types, and which of their values are absent.
 *
 * @module
 */

/** The types of single values. */
export type ItemType =
  | "bool"
  | "uint8"
  | "uint16"
  | "uint32"
  | "int32"
  | "float32"
  | "float64"
  | "utf8";

/** The types of columns, in Arrow's names. */
export type ColumnType =
  | ItemType
  | `list<${"uint16" | "uint32" | "float32"}>`
  | `fixed_size_list<${"uint32" | "float32"}>[${number}]`;

/** Column names to types, in order; a "?" after the type allows nulls. */
export type ColumnTypes = Readonly<
  Record<string, ColumnType | `${Exclude<ColumnType, "bool" | "utf8" | `list<${string}`>}?`>
>;

/** A number per row, and which of them are absent. */
export interface Column {
  /** One a row; `n` a row for lists of n. Text in "utf8" columns. */
  readonly values: ArrayLike<number> | readonly string[];
  /** Where each row's list starts, then the number of elements; lists only. */
  readonly offsets?: ArrayLike<number>;
}

/** Some rows of a table. */
export type Columns = Readonly<Record<string, Column>>;

/** Text that travels with a table, in its schema. */
export type Metadata = Readonly<Record<string, string>>;

/** A {@linkcode ColumnType}, taken apart. */
export interface ParsedType {
  /** One value a row, a list of any length, or a list of `size`. */
  readonly kind: "plain" | "list" | "fixed";
  /** Type of a value. */
  readonly item: ItemType;
  /** Length of a fixed-size list, else 1. */
  readonly size: number;
  /** Whether values may be absent. */
  readonly isNullable: boolean;
}

/**
 * Takes the name of a column type apart.
 *
 * @param text A {@linkcode ColumnType}, with "?" where values may be absent.
 * @returns Its parts.
 *
 * @example Usage
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseType("fixed_size_list<float32>[3]?"), {
 *   kind: "fixed",
 *   item: "float32",
 *   size: 3,
 *   isNullable: true,
 * });
 * ```
 */
export function parseType(text: string): ParsedType {
  const isNullable = text.endsWith("?");
  const [, list, item, size] = /^(?:(list|fixed_size_list)<)?(\w+)>?(?:\[(\d+)\])?\??$/.exec(text)!;
  return {
    kind: list === undefined ? "plain" : list === "list" ? "list" : "fixed",
    item: item as ItemType,
    size: Number(size ?? 1),
    isNullable,
  };
}

/**
 * Whether a value of a nullable column is absent: NaN, or -1 in a column of integers, which no
 * similarity and no index is.
 *
 * @param item Type of the values.
 * @returns The test.
 */
export function absence(item: ItemType): (value: number) => boolean {
  return item.startsWith("float") ? Number.isNaN : (value) => value === -1;
}

/**
 * Packs eight rows a byte, the first in the lowest bit.
 *
 * @param values The rows.
 * @param isSet Which of them are 1.
 * @returns The bits; those after the last row are 0.
 */
export function packBits(values: ArrayLike<number>, isSet: (value: number) => boolean): Uint8Array {
  const bits = new Uint8Array(Math.ceil(values.length / 8));
  for (let r = 0; r < values.length; r++) if (isSet(values[r])) bits[r >> 3] |= 1 << (r & 7);
  return bits;
}
