/**
 * Parquet files, one column of them, page by page: the one file that knows hyparquet.
 *
 * A page is what Parquet compresses at once, 1 MiB of values as a rule, while a row group may be a
 * whole file. hyparquet decodes the group; here its footer and its compressors are used alone, to
 * hold one page at a time.
 *
 * @module
 */

import type { CompressionCodec, PageHeader, SchemaTree } from "npm:hyparquet@1.31.5";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import {
  bitsOf,
  type Cursor,
  readLevels,
  readRuns,
  readValues,
  type Storage,
  type Values,
} from "./parquet_page.ts";
import { type Levels, type Page, rowsOf, textIn } from "./parquet_rows.ts";

/** A Parquet file, opened to read one column. */
export interface ParquetRows {
  /** Names of its columns. */
  readonly names: readonly string[];
  /**
   * The rows of a column, in file order: an array of numbers for a list, text for a string, null
   * for null. Bytes are read when their rows are asked for.
   */
  rows(column: string): AsyncGenerator<unknown>;
}

/**
 * Opens a Parquet file, to read the rows of one column.
 *
 * Text must be UTF-8; a byte order mark is part of it. Nested lists and structs are refused.
 *
 * Cost: one page in memory, and what it unpacks to; of the file, parts of 1 MiB.
 *
 * @param source The file: any page version, encoding and compression that hyparquet reads.
 * @returns The names of its columns, and the rows of one.
 * @throws {Error} hyparquet's, in its words, if the file cannot be read.
 * @throws {DataError} If the column is nested, a text is not UTF-8, or a page cannot be.
 * @see {@link https://parquet.apache.org/docs/file-format/ | The format}
 */
export async function openParquet(source: ByteSource): Promise<ParquetRows> {
  const { parquetMetadataAsync, parquetSchema } = await import("npm:hyparquet@1.31.5");
  const read = readerOf(source);
  const metadata = await parquetMetadataAsync({
    byteLength: source.byteLength,
    slice: (start, end = source.byteLength) => read(start, end).then(({ buffer }) => buffer),
  });
  const schema = parquetSchema(metadata);
  return {
    names: schema.children.map(({ element }) => element.name),
    async *rows(column) {
      const path = leafPath(schema, column, source.name);
      const inFile = path.slice(1).map(({ element }) => element.name).join(".");
      let first = 0;
      for (const { columns, num_rows } of metadata.row_groups) {
        if (num_rows === 0n) continue;
        const chunk = columns.find(({ meta_data }) =>
          meta_data?.path_in_schema.join(".") === inFile
        );
        const { meta_data } = chunk ?? {};
        if (meta_data === undefined || chunk?.file_path !== undefined) {
          throw new Error(`no values of column ${show(column)} in a row group`);
        }
        const { dictionary_page_offset, data_page_offset, total_compressed_size } = meta_data;
        const start = Number(dictionary_page_offset || data_page_offset);
        const [from, end] = [Math.min(start, Number(data_page_offset)), Number(num_rows)];
        const chunkEnd = from + Number(total_compressed_size);
        const pages = pagesOf(read, from, chunkEnd, columnOf(path, meta_data.codec));
        let row = 0;
        for await (const value of rowsOf(pages, columnOf(path, meta_data.codec))) {
          yield textIn(value, `row ${first + row} in ${source.name}`);
          if (++row === end) break;
        }
        if (row < end) throw new Error(`${row} of the ${end} rows of a group`);
        first += end;
      }
    },
  };
}

type Read = (start: number, end: number) => Promise<Uint8Array<ArrayBuffer>>;

// hyparquet follows a broken file to bytes that are not there, and leaves a part unseen if another
// one fails first.
function readerOf(source: ByteSource): Read {
  const within = async (start: number, end: number) => {
    if (0 <= start && start <= end && end <= source.byteLength) {
      return await source.read(start, end);
    }
    throw new Error(`bytes ${start} to ${end}`);
  };
  return (start, end) => {
    const bytes = within(start, end);
    bytes.catch(() => {});
    return bytes;
  };
}

// From the root to the one leaf of a column.
function leafPath(root: SchemaTree, column: string, where: string): SchemaTree[] {
  const path = [root];
  let node = root.children.find(({ element }) => element.name === column);
  for (; node !== undefined; node = node.children[0]) {
    path.push(node);
    if (node.children.length > 1) break;
  }
  const nLists = path.filter(({ element }) => element.repetition_type === "REPEATED").length;
  if (path.length > 1 && path.at(-1)!.children.length === 0 && nLists <= 1) return path;
  const got = nLists > 1 ? "lists of lists" : "a struct";
  throw new DataError("read", {
    where: `column ${show(column)} in ${where}`,
    expected: "values, or lists of them",
    got,
  });
}

/** What the schema says of a column. */
interface Column extends Storage, Levels {
  readonly codec: CompressionCodec;
  /** Whether its numbers are from 0 on. */
  readonly isUnsigned: boolean;
}

function columnOf(path: readonly SchemaTree[], codec: CompressionCodec): Column {
  const { type = "none", type_length: size = 0, converted_type = "", logical_type } = path.at(-1)!
    .element;
  const types = path.slice(1).map(({ element }) => element.repetition_type);
  const depth = (of: typeof types) => of.filter((type) => type !== "REQUIRED").length;
  const list = types.indexOf("REPEATED");
  return {
    type,
    size,
    codec,
    isUnsigned: converted_type.startsWith("UINT_") ||
      (logical_type?.type === "INTEGER" && !logical_type.isSigned),
    isList: list !== -1,
    whole: depth(types),
    inList: depth(types.slice(0, list + 1)),
  };
}

// No writer makes such a page; unpacked, it would fill the memory.
const mostBytes = 1 << 29, mostValues = 1 << 26;
const partBytes = 1 << 20;

// The data pages of a column chunk, one after another.
async function* pagesOf(
  read: Read,
  start: number,
  end: number,
  column: Column,
): AsyncGenerator<Page> {
  const { parquetHeader } = await import("npm:hyparquet@1.31.5/src/column.js");
  const { decompressPage } = await import("npm:hyparquet@1.31.5/src/datapage.js");
  const { compressors } = await import("npm:hyparquet-compressors@1.1.2");
  const unpack = (bytes: Uint8Array, size: number) =>
    decompressPage(bytes, size, column.codec, compressors);
  let dictionary: Values | undefined;
  let part = new Uint8Array(), partStart = start;
  // The bytes from `at` on: `size` of them, or more where they are read already.
  const bytesAt = async (at: number, size: number) => {
    if (at + size > partStart + part.length) {
      part = await read(at, Math.min(end, Math.max(at + size, at + partBytes)));
      partStart = at;
    }
    return part.subarray(at - partStart);
  };
  for (let at = start; at < end;) {
    const { header, length } = await headerAt(at, end, bytesAt, parquetHeader);
    const size = header.compressed_page_size;
    at += length;
    checkPage(header, end - at);
    const bytes = (await bytesAt(at, size)).subarray(0, size);
    at += size;
    const { dictionary_page_header: words } = header;
    if (words !== undefined) {
      const cursor = { bytes: unpack(bytes, header.uncompressed_page_size), at: 0 };
      dictionary = readValues(cursor, "PLAIN", column, words.num_values);
    } else if (header.data_page_header ?? header.data_page_header_v2) {
      yield decodePage(header, bytes, column, dictionary, unpack);
    }
  }
}

function decodePage(
  header: PageHeader,
  bytes: Uint8Array,
  column: Column,
  dictionary: Values | undefined,
  unpack: (bytes: Uint8Array, size: number) => Uint8Array,
): Page {
  const { data_page_header: one, data_page_header_v2: two, uncompressed_page_size: size } = header;
  const { num_values: n, encoding } = (one ?? two)!;
  const mostRepeated = column.isList ? 1 : 0;
  let repeated: Int32Array = new Int32Array(), defined = repeated, cursor: Cursor;
  if (two === undefined) {
    cursor = { bytes: unpack(bytes, size), at: 0 };
    repeated = readLevels(cursor, mostRepeated, n);
    defined = readLevels(cursor, column.whole, n);
  } else {
    // Levels are not packed, and their lengths stand in the header.
    const first = two.repetition_levels_byte_length;
    const both = first + two.definition_levels_byte_length;
    if (!(0 <= first && first <= both && both <= bytes.length)) throw new Error("levels too long");
    const levels = (start: number, end: number, most: number) =>
      readRuns({ bytes: bytes.subarray(start, end), at: 0 }, bitsOf(most), n);
    if (mostRepeated > 0) repeated = levels(0, first, mostRepeated);
    if (column.whole > 0) defined = levels(first, both, column.whole);
    const packed = bytes.subarray(both);
    cursor = { bytes: two.is_compressed ? unpack(packed, size - both) : packed, at: 0 };
  }
  const nThere = defined.reduce((sum, level) => sum + (level === column.whole ? 1 : 0), 0);
  const count = column.whole > 0 ? nThere : n;
  const values = readValues(cursor, encoding, column, count, dictionary);
  return { values: column.isUnsigned ? unsigned(values) : values, defined, repeated };
}

function unsigned(values: Values): Values {
  if (values instanceof Int32Array) return new Uint32Array(values.buffer);
  return values instanceof BigInt64Array ? new BigUint64Array(values.buffer) : values;
}

// A header has no length of its own: it is read again, from more bytes, where it does not end.
async function headerAt(
  at: number,
  end: number,
  bytesAt: (at: number, size: number) => Promise<Uint8Array>,
  parse: (reader: { view: DataView; offset: number }) => PageHeader,
): Promise<{ readonly header: PageHeader; readonly length: number }> {
  for (let size = Math.min(end - at, 1 << 10);; size = Math.min(end - at, 8 * size)) {
    const bytes = await bytesAt(at, size);
    const reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
    try {
      return { header: parse(reader), length: reader.offset };
    } catch (error) {
      if (bytes.length >= end - at || size > 1 << 24) throw error;
    }
  }
}

function checkPage(header: PageHeader, bytesLeft: number): void {
  const { compressed_page_size: size, uncompressed_page_size: whole } = header;
  const { data_page_header: one, data_page_header_v2: two, dictionary_page_header: words } = header;
  const nValues = (one ?? two ?? words)?.num_values ?? 0;
  if (!(size >= 0 && size <= bytesLeft)) throw new Error(`a page of ${size} bytes`);
  if (!(whole >= 0 && whole <= mostBytes)) throw new Error(`a page that unpacks to ${whole} bytes`);
  if (!(nValues >= 0 && nValues <= mostValues)) throw new Error(`a page of ${nValues} values`);
}
