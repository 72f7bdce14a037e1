/**
 * Runs of Weights & Biases from the files that its client writes where it is offline.
 *
 * A `.wandb` file is a log in LevelDB's framing: after 7 bytes of its own, blocks of 32 KiB, in them
 * pieces of records, each with a CRC-32, a length and the place of the piece in its record. A record
 * is protobuf. The CRC-32 is that of zlib over kind and bytes, neither Castagnoli's nor masked as in
 * LevelDB itself.
 *
 * @see {@link https://github.com/google/leveldb/blob/main/doc/log_format.md | LevelDB's log format}
 * @see {@link https://github.com/wandb/wandb/blob/main/wandb/proto/wandb_internal.proto | the records}
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { parseWandbJson, type WandbRun, withoutOwn } from "./wandb.ts";

const blockBytes = 32768;
const pieceHeaderBytes = 7;
const magic = [0x3a, 0x57, 0x26, 0x42, 0xe1, 0xbe, 0]; // ":W&B", 0xBEE1, version 0

/**
 * Reads the run of a `.wandb` file.
 *
 * The summary is what the client wrote: 0.31 after every log, 0.17 at the end, so that there it is
 * empty for a run that was killed.
 *
 * Cost: one pass over the file, a megabyte in memory and the longest record.
 *
 * @param source The file.
 * @returns The run; its state is "finished", "failed" or, without a record of its end, "running".
 * @throws {DataError} If a piece is cut off, has another CRC-32 or is out of order, or a record is not
 *   protobuf, or there is none of a run.
 */
export async function readWandbFile(source: ByteSource): Promise<WandbRun> {
  const run = {
    id: undefined as string | undefined,
    name: "",
    tags: [] as string[],
    state: "running",
    config: {},
    summary: {},
    historyKeys: new Set<string>(),
  };
  for await (const { bytes, where } of readRecords(source)) {
    for (const { field, value } of fieldsOf(bytes, where)) {
      if (!(value instanceof Uint8Array)) continue;
      if (field === recordFields.config) applyItems(run.config, value, where);
      if (field === recordFields.summary) applyItems(run.summary, value, where);
      if (field === recordFields.history) {
        for (const { path } of itemsOf(value, 1, where)) run.historyKeys.add(path.join("."));
      }
      if (field === recordFields.exit) run.state = isFailure(value, where) ? "failed" : "finished";
      if (field !== recordFields.run) continue;
      run.tags = []; // every record of a run has all of them
      for (const { field, value: part } of fieldsOf(value, where)) {
        if (!(part instanceof Uint8Array)) continue;
        if (field === runFields.id) run.id = textOf(part, where);
        if (field === runFields.name) run.name = textOf(part, where);
        if (field === runFields.tag) run.tags.push(textOf(part, where));
        if (field === runFields.config) applyItems(run.config, part, where);
        if (field === runFields.summary) applyItems(run.summary, part, where);
      }
    }
  }
  if (run.id === undefined) {
    refuse(source.name, "a record of a run", "none");
  }
  return {
    ...run,
    id: run.id,
    name: run.name || run.id,
    config: withoutOwn(run.config),
    summary: withoutOwn(run.summary),
    historyKeys: [...run.historyKeys].sort(),
  };
}

// Numbers of the fields of a Record, a RunRecord, and an item.
const recordFields = { history: 2, summary: 3, config: 5, run: 17, exit: 18 };
const runFields = { id: 1, config: 4, summary: 5, name: 8, tag: 10 };
const itemFields = { key: 1, nestedKey: 2, valueJson: 16 };

interface LogRecord {
  readonly bytes: Uint8Array;
  readonly where: string;
}

const kinds = { full: 1, first: 2, middle: 3, last: 4 };

// The records of a file, their pieces put together.
async function* readRecords(source: ByteSource): AsyncGenerator<LogRecord> {
  const { name, byteLength } = source;
  const step = 32 * blockBytes;
  let pieces: Uint8Array[] = [];
  for (let start = 0; start < byteLength || start === 0; start += step) {
    const chunk = await source.read(start, Math.min(start + step, byteLength));
    if (start === 0 && !magic.every((byte, i) => chunk[i] === byte)) {
      refuse(name, 'a .wandb file, which begins with ":W&B"', show(latin(chunk.subarray(0, 7))));
    }
    for (let at = start === 0 ? magic.length : 0; at < chunk.length;) {
      const nLeft = blockBytes - at % blockBytes;
      if (nLeft < pieceHeaderBytes) { // too little for a piece: the rest of a block is unused
        at += nLeft;
        continue;
      }
      const { kind, bytes } = pieceAt(chunk, at, nLeft, `byte ${start + at} of ${name}`);
      const isBegun = kind === kinds.middle || kind === kinds.last;
      if (isBegun !== pieces.length > 0) {
        refuse(
          `byte ${start + at} of ${name}`,
          isBegun ? "the first piece of a record" : "another piece of a record",
          `a piece of kind ${kind}`,
        );
      }
      pieces.push(bytes);
      at += pieceHeaderBytes + bytes.length;
      if (kind !== kinds.full && kind !== kinds.last) continue;
      yield {
        bytes: joined(pieces),
        where: `the record that ends at byte ${start + at} of ${name}`,
      };
      pieces = [];
    }
  }
  if (pieces.length > 0) refuseCut(name, "another piece of the last record");
}

// The piece at a place of a chunk that begins with a block.
function pieceAt(
  chunk: Uint8Array,
  at: number,
  nLeft: number,
  where: string,
): { readonly kind: number; readonly bytes: Uint8Array } {
  if (at + pieceHeaderBytes > chunk.length) refuseCut(where, `${pieceHeaderBytes} bytes`);
  const view = new DataView(chunk.buffer, chunk.byteOffset + at);
  const [crc, length, kind] = [view.getUint32(0, true), view.getUint16(4, true), view.getUint8(6)];
  if (kind < kinds.full || kind > kinds.last) {
    refuse(where, "a piece of kind 1 to 4", `kind ${kind}`);
  }
  if (length > nLeft - pieceHeaderBytes) {
    refuse(where, `at most ${nLeft - pieceHeaderBytes} bytes in the block`, `${length}`);
  }
  const end = at + pieceHeaderBytes + length;
  if (end > chunk.length) refuseCut(where, `${length} bytes`);
  const found = crc32(chunk.subarray(at + pieceHeaderBytes - 1, end));
  if (found !== crc) refuse(where, `CRC-32 ${hex(crc)}`, hex(found));
  return { kind, bytes: chunk.subarray(at + pieceHeaderBytes, end) };
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  if (pieces.length === 1) return pieces[0];
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

interface Field {
  readonly field: number;
  // Bytes of text or of a message; or an integer, as far as 53 bits hold it; else undefined.
  readonly value: Uint8Array | number | undefined;
}

// The fields of a protobuf message.
function* fieldsOf(message: Uint8Array, where: string): Generator<Field> {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (at >= message.length) refuse(where, "a whole integer", "the end of the message");
      const byte = message[at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    return refuse(where, "an integer of at most 10 bytes", "a longer one");
  };
  const skip = (nBytes: number): Uint8Array => {
    if (nBytes > message.length - at) {
      refuse(where, `at most ${message.length - at} bytes in a field`, `${nBytes}`);
    }
    at += nBytes;
    return message.subarray(at - nBytes, at);
  };
  while (at < message.length) {
    const tag = varint();
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field === 0) refuse(where, "a field of number 1 or more", "0");
    if (wireType === 0) yield { field, value: varint() };
    else if (wireType === 2) yield { field, value: skip(varint()) };
    else if (wireType === 1 || wireType === 5) {
      skip(wireType === 1 ? 8 : 4);
      yield { field, value: undefined };
    } else refuse(where, "a field of wire type 0, 1, 2 or 5", `wire type ${wireType}`);
  }
}

interface Item {
  readonly path: readonly string[];
  readonly json: string;
}

// The items of a configuration, a summary or a step of history.
function* itemsOf(message: Uint8Array, itemField: number, where: string): Generator<Item> {
  for (const { field, value } of fieldsOf(message, where)) {
    if (field !== itemField || !(value instanceof Uint8Array)) continue;
    let [key, json] = ["", ""];
    const nested: string[] = [];
    for (const { field, value: part } of fieldsOf(value, where)) {
      if (!(part instanceof Uint8Array)) continue;
      if (field === itemFields.key) key = textOf(part, where);
      if (field === itemFields.nestedKey) nested.push(textOf(part, where));
      if (field === itemFields.valueJson) json = textOf(part, where);
    }
    yield { path: nested.length > 0 ? nested : [key], json };
  }
}

// Sets what a message updates, then deletes what it removes.
function applyItems(target: object, message: Uint8Array, where: string): void {
  for (const { path, json } of itemsOf(message, 1, where)) {
    const place = path.slice(0, -1).reduce(
      (place, key) => within(place, key) ?? put(place, key, {}),
      target,
    );
    put(place, path[path.length - 1], parseWandbJson(json, where));
  }
  for (const { path } of itemsOf(message, 2, where)) {
    const place = path.slice(0, -1).reduce<object | undefined>(
      (place, key) => place && within(place, key),
      target,
    );
    if (place !== undefined) Reflect.deleteProperty(place, path[path.length - 1]);
  }
}

// The object that is a member of another; a list is none.
function within(place: object, key: string): object | undefined {
  const member: unknown = Object.getOwnPropertyDescriptor(place, key)?.value;
  return typeof member === "object" && member !== null && !Array.isArray(member)
    ? member
    : undefined;
}

// Sets a member, be it one called "__proto__", and returns its value.
function put<V>(place: object, key: string, value: V): V {
  const isPlain = { enumerable: true, configurable: true, writable: true };
  Object.defineProperty(place, key, { value, ...isPlain });
  return value;
}

// Whether a record of the end has another exit code than 0.
function isFailure(message: Uint8Array, where: string): boolean {
  return [...fieldsOf(message, where)].some(({ field, value }) => field === 1 && value !== 0);
}

function textOf(bytes: Uint8Array, where: string): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new DataError("read", { where, expected: "UTF-8 text", got: "other bytes" }, { cause });
  }
}

function latin(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, "0");
}

function refuseCut(where: string, expected: string): never {
  throw new DataError("read", {
    where,
    expected,
    got: "the end of the file",
    fix: "copy the file again when the run has ended, or leave it out",
  });
}

function refuse(where: string, expected: string, got: string): never {
  throw new DataError("read", { where, expected, got });
}
