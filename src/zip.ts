/**
 * Where the records of a zip file lie, and their bytes, stored or deflated.
 *
 * A zip ends in a directory: the name, the place and the lengths of every record, which stands in
 * the file behind a header of its own. Both must agree, records must not overlap, and what is
 * inflated must have the length and the checksum that the directory says: a small file cannot fill
 * the memory.
 *
 * @see {@link https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT | The zip format}
 *
 * @module
 */

import { crc32 } from "node:zlib";
import { DataError, show } from "./errors.ts";
import type { ByteSource } from "./files.ts";

/** One record of a zip. */
export interface ZipRecord {
  /** Its name. */
  readonly name: string;
  /** First byte in the file. */
  readonly start: number;
  /** One past its last byte in the file. */
  readonly end: number;
  /** Number of its bytes, once inflated. */
  readonly byteLength: number;
  /** Whether the bytes in the file are deflated; else they are the record's own. */
  readonly isDeflated: boolean;
  /** CRC-32 of the record's own bytes; checked where they are deflated. */
  readonly crc: number;
}

/** What to do about a file whose end record is missing. */
export interface ZipOptions {
  /** Said where there is no zip at all. */
  readonly fix?: string;
}

// The largest directory: some 20,000 records, and little enough that a hostile one cannot fill the
// memory.
const maxDirectoryBytes = 4 << 20;

// All records may always inflate to so many bytes, and those of a large file to so many times its
// length: weights deflate to a tenth less, zeros to a thousandth.
const [maxFreeBytes, maxRatio] = [16 << 20, 20];

/**
 * Finds the records of a zip file. None is read.
 *
 * @param source The file; 64-bit lengths are known, several disks and encryption are not.
 * @param options What to do about a file that is no zip.
 * @returns The records by name, in the order of the directory.
 * @throws {DataError} If the file is no zip or a part of one, or records overlap, share a name, are
 *   compressed in another way, or are said to inflate to more than 16 MiB and 20 times the file.
 */
export async function readZip(
  source: ByteSource,
  options: ZipOptions = {},
): Promise<Map<string, ZipRecord>> {
  const cut = () => refusal(source, "a whole zip file", "a part or another", "get the file again");
  const readView = async (start: number, length: number): Promise<DataView<ArrayBuffer>> => {
    if (!(length >= 0 && length <= maxDirectoryBytes && start + length <= source.byteLength)) {
      throw cut();
    }
    return new DataView((await source.read(start, start + length)).buffer);
  };

  const [first, length] = await findDirectory(source, readView, options);
  const directory = await readView(first, length);
  const records = new Map<string, ZipRecord>();
  const spans: { readonly name: string; readonly from: number; readonly end: number }[] = [];
  for (let at = 0; at < directory.byteLength;) {
    if (at + 46 > directory.byteLength || directory.getUint32(at, true) !== 0x02014b50) throw cut();
    const nameEnd = at + 46 + directory.getUint16(at + 28, true);
    const extraEnd = nameEnd + directory.getUint16(at + 30, true);
    const next = extraEnd + directory.getUint16(at + 32, true);
    if (next > directory.byteLength) throw cut();
    const name = text(directory, at + 46, nameEnd);
    const [byteLength, stored, from] = longSizes(directory, at, [nameEnd, extraEnd]);

    const local = await readView(from, 30 + nameEnd - at - 46);
    const isSame = local.getUint32(0, true) === 0x04034b50 &&
      local.getUint16(26, true) === nameEnd - at - 46 && text(local, 30, local.byteLength) === name;
    const start = from + local.byteLength + local.getUint16(28, true);
    if (!isSame || start + stored > source.byteLength) throw cut();
    const method = directory.getUint16(at + 10, true);
    const record = { name, start, end: start + stored, byteLength, isDeflated: method === 8 };
    checkRecord(source, record, { method, flags: directory.getUint16(at + 8, true) });
    if (records.has(name)) throw refusal(source, "every name once", `${show(name)} twice`);
    records.set(name, { ...record, crc: directory.getUint32(at + 16, true) });
    spans.push({ name, from, end: record.end });
    at = next;
  }
  const most = Math.max(maxFreeBytes, maxRatio * source.byteLength);
  let inflated = 0;
  for (const { isDeflated, byteLength } of records.values()) if (isDeflated) inflated += byteLength;
  if (!(inflated <= most)) throw refusal(source, `at most ${most} bytes in it`, `${inflated}`);
  spans.sort((a, b) => a.from - b.from);
  for (const [i, { name, end }] of spans.entries()) {
    const after = spans[i + 1] ?? { name: "the directory", from: first };
    if (end <= after.from) continue;
    throw refusal(source, "records one after another", `${show(name)} into ${show(after.name)}`);
  }
  return records;
}

function refusal(source: ByteSource, expected: string, got: string, fix = ""): DataError {
  return new DataError("read", { where: source.name, expected, got, fix });
}

function text(view: DataView<ArrayBuffer>, start: number, end: number): string {
  return new TextDecoder().decode(view.buffer.slice(start, end));
}

function checkRecord(
  source: ByteSource,
  { name, start, end, byteLength, isDeflated }: Omit<ZipRecord, "crc">,
  { method, flags }: { readonly method: number; readonly flags: number },
): void {
  const need = (isRight: boolean, expected: string, got: string): void => {
    const where = `${show(name)} in ${source.name}`;
    if (!isRight) throw new DataError("read record", { where, expected, got });
  };
  need((flags & 1) === 0, "bytes that anyone can read", "encrypted ones");
  need(method === 0 || method === 8, "method 0 (stored) or 8 (deflate)", `method ${method}`);
  const stored = end - start;
  need(isDeflated || stored === byteLength, `${byteLength} bytes as they are`, `${stored}`);
}

type ReadView = (start: number, length: number) => Promise<DataView<ArrayBuffer>>;

// Start and length of the zip directory, as its end record says, or the 64-bit one before that.
async function findDirectory(
  source: ByteSource,
  readView: ReadView,
  { fix = "get the file again" }: ZipOptions,
): Promise<[number, number]> {
  const length = Math.min(source.byteLength, 20 + 22 + 0xffff);
  const tail = await readView(source.byteLength - length, length);
  for (let at = length - 22; at >= 0; at--) {
    const isEnd = tail.getUint32(at, true) === 0x06054b50 &&
      at + 22 + tail.getUint16(at + 20, true) === length;
    if (isEnd && at >= 20 && tail.getUint32(at - 20, true) === 0x07064b50) {
      const long = await readView(Number(tail.getBigUint64(at - 12, true)), 56);
      return [Number(long.getBigUint64(48, true)), Number(long.getBigUint64(40, true))];
    }
    if (isEnd) return [tail.getUint32(at + 16, true), tail.getUint32(at + 12, true)];
  }
  throw refusal(source, "a whole zip file", "none", fix);
}

// Length, stored length and place of a record: where 32 bits do not do, 64 in field 1 of the extra.
function longSizes(view: DataView, at: number, [extra, end]: [number, number]): number[] {
  const sizes = [24, 20, 42].map((field) => view.getUint32(at + field, true));
  for (let field = extra; field + 4 <= end; field += 4 + view.getUint16(field + 2, true)) {
    if (view.getUint16(field, true) !== 1) continue;
    let from = field + 4;
    return sizes.map((size) => {
      if (size !== 0xffffffff || from + 8 > end) return size;
      from += 8;
      return Number(view.getBigUint64(from - 8, true));
    });
  }
  return sizes;
}

/**
 * The bytes of a record.
 *
 * Cost: its bytes once, and once more as they are stored where it is deflated.
 *
 * @param source The file.
 * @param record Of that file.
 * @returns The record's own bytes, inflated.
 * @throws {DataError} If they do not inflate to the length that the directory says, or their
 *   checksum is another.
 */
export async function readRecord(
  source: ByteSource,
  { name, start, end, byteLength, isDeflated, crc }: ZipRecord,
): Promise<Uint8Array<ArrayBuffer>> {
  const refuse = (expected: string, got: string, cause?: unknown): never => {
    const where = `${show(name)} in ${source.name}`;
    throw new DataError("read record", { where, expected, got, fix: "get the file again" }, {
      cause,
    });
  };
  const stored = await source.read(start, end);
  if (!isDeflated) return stored; // torch.save may leave out checksums
  const bytes = new Uint8Array(byteLength);
  let at = 0;
  const parts = new Blob([stored]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  try {
    for await (const part of parts) {
      if (at + part.length > byteLength) return refuse(`${byteLength} bytes`, "more");
      bytes.set(part, at);
      at += part.length;
    }
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    return refuse("deflated bytes", "others", cause);
  }
  if (at !== byteLength) return refuse(`${byteLength} bytes`, `${at}`);
  const found = crc32(bytes);
  if (found !== crc) return refuse(`checksum ${crc}`, `${found}`);
  return bytes;
}
