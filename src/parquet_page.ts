/**
 * What stands in an unpacked page of Parquet.
 *
 * Lengths and counts are the file's, and may be lies: no loop runs longer for them than the page
 * has bytes or the caller asked for values.
 *
 * @see {@link https://parquet.apache.org/docs/file-format/data-pages/encodings/ | The encodings}
 *
 * @module
 */

/** Bytes, and how far they are read. */
export interface Cursor {
  /** The bytes. */
  readonly bytes: Uint8Array;
  /** Where the next one is. */
  at: number;
}

/** Values of one column; a text is its bytes. */
export type Values =
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array
  | readonly Uint8Array[];

/** How the values of a column are stored. */
export interface Storage {
  /** Parquet's own type: "INT32". */
  readonly type: string;
  /** Bytes of a value of type FIXED_LEN_BYTE_ARRAY. */
  readonly size: number;
}

function take({ bytes, at }: Cursor, size: number): Uint8Array {
  if (size >= 0 && at + size <= bytes.length) return bytes.subarray(at, at + size);
  throw new Error(`${size} bytes of a page that has ${bytes.length - at} more`);
}

function next(cursor: Cursor, size: number): Uint8Array {
  const part = take(cursor, size);
  cursor.at += size;
  return part;
}

const uint32 = (cursor: Cursor) => new DataView(next(cursor, 4).slice().buffer).getUint32(0, true);

function varint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const [byte] = next(cursor, 1);
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  throw new Error("a number of more than ten bytes");
}

const zigzag = (cursor: Cursor): bigint => {
  const value = varint(cursor);
  return (value >> 1n) ^ -(value & 1n);
};

/**
 * Reads numbers in runs, of one value or of packed bits: RLE.
 *
 * @param cursor Where they begin.
 * @param width Bits of a number, at most 24.
 * @param count How many.
 * @returns The numbers; the cursor stands behind the last run.
 * @throws {Error} If the bytes do not suffice.
 *
 * @example Three sevens, then 0 to 7
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const bytes = Uint8Array.of(6, 7, 3, 0b10001000, 0b11000110, 0b11111010);
 *
 * assert.deepEqual([...readRuns({ bytes, at: 0 }, 3, 11)], [7, 7, 7, 0, 1, 2, 3, 4, 5, 6, 7]);
 * ```
 */
export function readRuns(cursor: Cursor, width: number, count: number): Int32Array {
  if (!(width <= 24)) throw new Error(`numbers of ${width} bits`);
  const values = new Int32Array(count);
  for (let n = 0; n < count;) {
    const header = Number(varint(cursor));
    const length = Math.floor(header / 2);
    if (header % 2 === 0) {
      const value = next(cursor, (width + 7) >> 3).reduceRight((high, byte) => high << 8 | byte, 0);
      values.fill(value, n, Math.min(count, n + length));
      n += length;
      continue;
    }
    const end = Math.min(count, n + 8 * length);
    const nBytes = Math.min(length * width, cursor.bytes.length - cursor.at);
    if (8 * nBytes < (end - n) * width) throw new Error("packed numbers that are cut");
    const packed = next(cursor, nBytes);
    for (let bits = 0, nBits = 0, b = 0; n < end; n++) {
      for (; nBits < width; nBits += 8) bits |= packed[b++] << nBits;
      values[n] = bits & ((1 << width) - 1);
      bits >>>= width;
      nBits -= width;
    }
  }
  return values;
}

/**
 * Reads levels behind their length, as the first version of a page has them.
 *
 * @param cursor Where the length is.
 * @param most The largest level; of 0 nothing is stored.
 * @param count How many.
 * @returns The levels, none if `most` is 0.
 * @throws {Error} If the bytes do not suffice.
 */
export function readLevels(cursor: Cursor, most: number, count: number): Int32Array {
  if (most === 0) return new Int32Array();
  const bytes = next(cursor, uint32(cursor));
  return readRuns({ bytes, at: 0 }, bitsOf(most), count);
}

/**
 * Bits that a level needs.
 *
 * @param most The largest level.
 * @returns The bits.
 */
export function bitsOf(most: number): number {
  return 32 - Math.clz32(most);
}

/**
 * Reads the values of a page.
 *
 * @param cursor Where they begin.
 * @param encoding Parquet's name of how.
 * @param storage What they are.
 * @param count How many.
 * @param dictionary The values that others are numbers of, if there are such.
 * @returns The values.
 * @throws {Error} If the bytes do not suffice, or the encoding is not known.
 *
 * @example Two numbers of a dictionary
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const cursor = { bytes: Uint8Array.of(1, 3, 0b10), at: 0 };
 * const storage = { type: "INT32", size: 0 };
 * const values = readValues(cursor, "RLE_DICTIONARY", storage, 2, Int32Array.of(10, 20));
 *
 * assert.deepEqual([...values], [10, 20]);
 * ```
 */
export function readValues(
  cursor: Cursor,
  encoding: string,
  storage: Storage,
  count: number,
  dictionary?: Values,
): Values {
  switch (encoding) {
    case "PLAIN":
      return readPlain(cursor, storage, count);
    case "PLAIN_DICTIONARY":
    case "RLE_DICTIONARY": {
      if (dictionary === undefined) throw new Error("numbers of a dictionary that is not there");
      const width = count === 0 ? 0 : next(cursor, 1)[0];
      const numbers = readRuns(cursor, width, count);
      if (numbers.some((n) => n >= dictionary.length)) throw new Error("a word of no dictionary");
      if (Array.isArray(dictionary)) return Array.from(numbers, (n) => dictionary[n]);
      const words = dictionary as Exclude<Values, readonly Uint8Array[]>;
      const values = new (words.constructor as new (length: number) => typeof words)(count);
      for (let i = 0; i < count; i++) values[i] = words[numbers[i]];
      return values;
    }
    case "DELTA_BINARY_PACKED":
      if (storage.type === "INT32") {
        return Int32Array.from(readDeltas(cursor, count), (v) => Number(BigInt.asIntN(32, v)));
      }
      return readDeltas(cursor, count);
    case "DELTA_LENGTH_BYTE_ARRAY":
      return Array.from(readDeltas(cursor, count), (length) => next(cursor, Number(length)));
    case "DELTA_BYTE_ARRAY": {
      const [shared, rest] = [readDeltas(cursor, count), readDeltas(cursor, count)];
      let before = new Uint8Array();
      return Array.from(shared, (length, i) => {
        const start = take({ bytes: before, at: 0 }, Number(length));
        const end = next(cursor, Number(rest[i]));
        before = new Uint8Array(start.length + end.length);
        before.set(start);
        before.set(end, start.length);
        return before;
      });
    }
    default:
      throw new Error(`values of encoding ${encoding}`);
  }
}

function readPlain(cursor: Cursor, { type, size }: Storage, count: number): Values {
  const buffer = (width: number) => next(cursor, count * width).slice().buffer;
  switch (type) {
    case "INT32":
      return new Int32Array(buffer(4));
    case "INT64":
      return new BigInt64Array(buffer(8));
    case "FLOAT":
      return new Float32Array(buffer(4));
    case "DOUBLE":
      return new Float64Array(buffer(8));
    case "BYTE_ARRAY":
      return Array.from({ length: count }, () => next(cursor, uint32(cursor)));
    case "FIXED_LEN_BYTE_ARRAY":
      return Array.from({ length: count }, () => next(cursor, size));
    default:
      throw new Error(`values of type ${type}`);
  }
}

// Blocks of differences, in parts of one width each. Sums wrap at 2^64: of INT32 the lower half is
// right then too.
function readDeltas(cursor: Cursor, count: number): BigInt64Array {
  const values = new BigInt64Array(count);
  const [block, nParts] = [Number(varint(cursor)), Number(varint(cursor))];
  varint(cursor); // the count, again
  const part = block / nParts;
  if (!(part >= 8 && part % 8 === 0 && block <= 1 << 20)) {
    throw new Error(`parts of ${part} values`);
  }
  let value = zigzag(cursor);
  if (count > 0) values[0] = value;
  for (let n = 1; n < count;) {
    const least = zigzag(cursor);
    for (const width of next(cursor, nParts)) {
      if (n >= count) break;
      if (width > 64) throw new Error(`differences of ${width} bits`);
      const packed = next(cursor, part * width / 8);
      const mask = (1n << BigInt(width)) - 1n;
      let bits = 0n, nBits = 0, b = 0;
      for (let i = 0; i < part && n < count; i++) {
        for (; nBits < width; nBits += 8) bits |= BigInt(packed[b++]) << BigInt(nBits);
        value = BigInt.asIntN(64, value + least + (bits & mask));
        values[n++] = value;
        bits >>= BigInt(width);
        nBits -= width;
      }
    }
  }
  return values;
}
