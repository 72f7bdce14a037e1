/**
 * Arrow IPC files, written batch by batch as the rows are made, and read the same way: the one file
 * that knows apache-arrow.
 *
 * Files are uncompressed, so that a reader may map them, and so that any Arrow reads them.
 *
 * @module
 */

import * as arrow from "npm:apache-arrow@21.2.0";
import type { FileHandle } from "node:fs/promises";
import {
  absence,
  type Column,
  type Columns,
  type ColumnTypes,
  type ItemType,
  type Metadata,
  packBits,
  parseType,
} from "./columns.ts";
import { DataError, show } from "./errors.ts";
import type { ByteSink, ByteSource } from "./files.ts";

const primitives = {
  bool: () => new arrow.Bool(),
  uint8: () => new arrow.Uint8(),
  uint16: () => new arrow.Uint16(),
  uint32: () => new arrow.Uint32(),
  int32: () => new arrow.Int32(),
  float32: () => new arrow.Float32(),
  float64: () => new arrow.Float64(),
  utf8: () => new arrow.Utf8(),
} as const;

const arrays = {
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  float64: Float64Array,
} as const;

function fieldOf(name: string, text: string): arrow.Field {
  const { kind, item, size, isNullable } = parseType(text);
  const inner = primitives[item]();
  if (kind === "plain") return new arrow.Field(name, inner, isNullable);
  const child = new arrow.Field("item", inner, kind === "fixed" && isNullable);
  return kind === "list"
    ? new arrow.Field(name, new arrow.List(child), false)
    : new arrow.Field(name, new arrow.FixedSizeList(size, child), false);
}

/** Writes the rows of one file. */
export interface TableWriter {
  /** Appends rows as one record batch. */
  write(columns: Columns): void;
  /** Ends the file. The metadata replaces what the file began with. */
  finish(metadata?: Metadata): void;
}

/**
 * Begins an Arrow IPC file.
 *
 * Nothing is kept: every batch is handed to the sink before `write` returns.
 *
 * @param sink Where the bytes go.
 * @param types The columns.
 * @param metadata Text for the schema; what is known only at the end goes to `finish`, and stands in
 *   the footer, which is where readers of files look.
 * @returns The writer.
 */
export function tableWriter(
  sink: ByteSink,
  types: ColumnTypes,
  metadata: Metadata = {},
): TableWriter {
  const fields = Object.entries(types).map(([name, type]) => fieldOf(name, type));
  const schemaWith = (text: Metadata) => new arrow.Schema(fields, new Map(Object.entries(text)));
  const schema = schemaWith(metadata);
  const writer = new SinkWriter(sink);
  writer.reset(undefined, schema);
  return {
    write(columns) {
      const children = fields.map(({ name }) => columnData(types[name], columns[name]));
      const nRows = children[0].length;
      const data = arrow.makeData({ type: new arrow.Struct(fields), length: nRows, children });
      writer.write(new arrow.RecordBatch(schema, data));
    },
    finish(last = metadata) {
      writer.finishWith(schemaWith(last));
    },
  };
}

// apache-arrow's writer queues without bound; this one hands every piece on at once.
class SinkWriter extends arrow.RecordBatchFileWriter {
  #sink: ByteSink;

  constructor(sink: ByteSink) {
    super();
    this.#sink = sink;
  }

  finishWith(schema: arrow.Schema): void {
    this._writeFooter(schema);
  }

  protected override _write(chunk: unknown): this {
    const view = chunk as Uint8Array; // the writer hands on views alone
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    if (bytes.length > 0) this.#sink.write(bytes);
    this._position += bytes.length;
    return this;
  }
}

function columnData(text: string, { values, offsets }: Column): arrow.Data {
  const { kind, item, size, isNullable } = parseType(text);
  if (kind === "plain") return plainData(item, values, isNullable);
  if (kind === "list") {
    const child = plainData(item, values, false);
    return arrow.makeData({
      type: new arrow.List(new arrow.Field("item", child.type, false)),
      length: offsets!.length - 1,
      nullCount: 0,
      valueOffsets: Int32Array.from(offsets!),
      child,
    });
  }
  const child = plainData(item, values, isNullable);
  return arrow.makeData({
    type: new arrow.FixedSizeList(size, new arrow.Field("item", child.type, isNullable)),
    length: values.length / size,
    nullCount: 0,
    child,
  });
}

function plainData(
  item: ItemType,
  values: Column["values"],
  isNullable: boolean,
): arrow.Data {
  if (item === "utf8") return arrow.vectorFromArray(values as string[], new arrow.Utf8()).data[0];
  const numbers = values as ArrayLike<number>;
  const length = numbers.length;
  const type = primitives[item]();
  if (item === "bool") {
    return arrow.makeData({
      type: new arrow.Bool(),
      length,
      nullCount: 0,
      data: packBits(numbers, (v) => v !== 0),
    });
  }
  const data = numbers instanceof arrays[item] ? numbers : arrays[item].from(numbers);
  if (!isNullable) return arrow.makeData({ type, length, nullCount: 0, data } as never);
  const isAbsent = absence(item);
  const nullBitmap = packBits(numbers, (v) => !isAbsent(v));
  const nullCount = Array.prototype.filter.call(numbers, isAbsent).length;
  const present = arrays[item].from(Array.from(numbers, (v) => isAbsent(v) ? 0 : v));
  return arrow.makeData({ type, length, nullCount, nullBitmap, data: present } as never);
}

/**
 * Writes a whole table as one record batch.
 *
 * @param sink Where the bytes go.
 * @param types The columns.
 * @param columns Their values.
 * @param metadata Text for the schema.
 */
export function writeTable(
  sink: ByteSink,
  types: ColumnTypes,
  columns: Columns,
  metadata: Metadata = {},
): void {
  const writer = tableWriter(sink, types, metadata);
  writer.write(columns);
  writer.finish();
}

/** A table that is read batch by batch. */
export interface TableReader {
  /** The file. */
  readonly source: ByteSource;
  /** Text of its schema. */
  readonly metadata: Metadata;
  /** Names of its columns. */
  readonly names: readonly string[];
  /** Its record batches, each read when it is asked for. */
  batches(): AsyncGenerator<Batch>;
}

/** Some rows of a table, read. */
export interface Batch {
  /** Number of rows. */
  readonly nRows: number;
  /**
   * The numbers of a column, where possible a view; the elements of all lists one after another.
   * Null is NaN, or -1 in a column of integers.
   */
  column(name: string): ArrayLike<number>;
  /** Where each list of a column starts, the first at 0, then the number of elements. */
  offsets(name: string): Int32Array;
}

/**
 * Opens an Arrow IPC file.
 *
 * @param source The file.
 * @returns Its metadata, and its batches on demand.
 * @throws {DataError} If it is not a whole Arrow file.
 */
export async function openTable(source: ByteSource): Promise<TableReader> {
  const open = () =>
    refusing(source, async () => {
      const reader: arrow.RecordBatchReader = await arrow.RecordBatchReader.from(
        fileHandle(source),
      );
      await reader.open({ autoDestroy: false });
      if (!reader.isAsync() || !reader.isFile()) throw new Error("batches without a footer");
      return reader;
    });
  await refusing(source, () => checkMagic(source));
  const { schema } = await open();
  return {
    source,
    metadata: Object.fromEntries(schema.metadata),
    names: schema.fields.map(({ name }) => name),
    async *batches() {
      const reader = await open();
      for (let i = 0; i < reader.numRecordBatches; i++) {
        yield await refusing(source, async () => {
          const batch = await reader.readRecordBatch(i);
          if (batch === null) throw new Error(`no record batch ${i}`);
          return batchOf(batch, source.name);
        });
      }
    },
  };
}

/**
 * Opens any table in Arrow's IPC format, a file or a stream, whoever wrote it, to read one column.
 *
 * @param source The file.
 * @returns The names of its columns, and the rows of one: a list is an array of at most `length`
 *   elements, null is null.
 * @throws {Error} apache-arrow's, in its words, if it cannot be read.
 */
export async function openRows(source: ByteSource): Promise<{
  readonly names: readonly string[];
  rows(column: string, length: number): AsyncGenerator<unknown>;
}> {
  const reader: arrow.RecordBatchReader = await arrow.RecordBatchReader.from(fileHandle(source));
  await reader.open();
  return {
    names: reader.schema.fields.map(({ name }) => name),
    async *rows(column, length) {
      for await (const batch of reader) {
        for (const row of batch.getChild(column)!) {
          yield row instanceof arrow.Vector
            ? Array.from({ length: Math.min(row.length, length) }, (_, i) => row.get(i))
            : row;
        }
      }
    },
  };
}

// A file begins and ends with its name; apache-arrow would read one that is cut as a stream.
async function checkMagic(source: ByteSource): Promise<void> {
  const magic = "ARROW1";
  const size = source.byteLength;
  if (size < 2 * magic.length) throw new Error(`${size} bytes`);
  for (const at of [0, size - magic.length]) {
    const bytes = await source.read(at, at + magic.length);
    if (String.fromCharCode(...bytes) !== magic) {
      throw new Error(`another ${at === 0 ? "beginning" : "end"}`);
    }
  }
}

// What apache-arrow takes for an open file: reads at a position, and a size. Damaged offsets would
// lead it round in circles, reading the same again, for ever.
function fileHandle(source: ByteSource): FileHandle {
  const read = new Set<string>();
  return {
    fd: 0,
    stat: () => Promise.resolve({ size: source.byteLength }),
    close: () => Promise.resolve(),
    async read(buffer: Uint8Array, offset: number, length: number, position: number) {
      const part = `${position} ${length}`;
      if (read.has(part)) throw new Error("offsets that lead in a circle");
      read.add(part);
      const end = position + length;
      if (!(0 <= position && position <= end && end <= source.byteLength)) {
        throw new Error(`bytes ${position} to ${end}`);
      }
      const bytes = await source.read(position, end);
      buffer.set(bytes, offset);
      return { bytesRead: bytes.length, buffer };
    },
  } as unknown as FileHandle;
}

async function refusing<T>(source: ByteSource, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError("read", {
      where: source.name,
      expected: "an Arrow file",
      got: cause instanceof Error ? cause.message : show(cause),
      fix: "delete the file and make it again",
    }, { cause });
  }
}

function batchOf(batch: arrow.RecordBatch, where: string): Batch {
  const columnOf = (name: string) => {
    const column = batch.getChild(name);
    if (column === null) {
      throw new DataError("read column", {
        where: `"${name}" in ${where}`,
        expected: "such a column",
        got: batch.schema.fields.map((field) => field.name).join(", "),
      });
    }
    return column.data[0];
  };
  const offsetsOf = (data: arrow.Data): Int32Array =>
    data.valueOffsets.subarray(0, data.length + 1);
  return {
    nRows: batch.numRows,
    column(name) {
      const data = columnOf(name);
      if (arrow.DataType.isFixedSizeList(data.type)) return numbersOf(data.children[0]);
      if (!arrow.DataType.isList(data.type)) return numbersOf(data);
      const offsets = offsetsOf(data);
      return numbersOf(data.children[0], offsets[0], offsets[data.length]);
    },
    offsets(name) {
      const data = columnOf(name);
      if (!arrow.DataType.isList(data.type)) {
        throw new DataError("read column", {
          where: `"${name}" in ${where}`,
          expected: "lists",
          got: `${data.type}`,
        });
      }
      const offsets = offsetsOf(data);
      return offsets[0] === 0 ? offsets : offsets.map((offset) => offset - offsets[0]);
    },
  };
}

function numbersOf(data: arrow.Data, from = 0, to = data.length): ArrayLike<number> {
  if (data.nullCount === 0 && !arrow.DataType.isBool(data.type)) {
    return data.values.subarray(from, to);
  }
  const absent = arrow.DataType.isFloat(data.type) ? NaN : -1;
  const vector = new arrow.Vector([data]);
  return Float64Array.from({ length: to - from }, (_, i) => Number(vector.get(from + i) ?? absent));
}
