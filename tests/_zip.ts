// Zip files made by hand, honest or not.

import { crc32, deflateRawSync } from "node:zlib";

/** A record to write, and what the directory says of it where that is not the truth. */
export interface Written {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly isDeflated?: boolean;
  /** What the directory says instead. */
  readonly says?: {
    readonly byteLength?: number;
    readonly stored?: number;
    readonly crc?: number;
    readonly method?: number;
    readonly flags?: number;
    readonly from?: number;
    readonly localName?: string;
  };
}

/** The bytes of a zip of the records, one after another. */
export function zipOf(records: readonly Written[]): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [], directory: Uint8Array[] = [];
  let at = 0;
  const put = (
    to: Uint8Array[],
    ...fields: readonly (readonly [number, number] | Uint8Array)[]
  ) => {
    for (const field of fields) to.push(field instanceof Uint8Array ? field : little(...field));
  };
  for (const { name, bytes, isDeflated = false, says = {} } of records) {
    const data = isDeflated ? new Uint8Array(deflateRawSync(bytes)) : bytes;
    const { method = isDeflated ? 8 : 0, flags = 0, crc = crc32(bytes) } = says;
    const { byteLength = bytes.length, stored = data.length, from = at, localName = name } = says;
    const [text, local] = [name, localName].map((of) => new TextEncoder().encode(of));
    const sizes = [[crc, 4], [stored, 4], [byteLength, 4]] as const;
    const before = parts.length;
    put(parts, [0x04034b50, 4], [20, 2], [flags, 2], [method, 2], [0, 4], ...sizes);
    put(parts, [local.length, 2], [0, 2], local, data);
    put(directory, [0x02014b50, 4], [20, 2], [20, 2], [flags, 2], [method, 2], [0, 4], ...sizes);
    put(directory, [text.length, 2], [0, 2], [0, 2], [0, 2], [0, 2], [0, 4], [from, 4], text);
    at += parts.slice(before).reduce((sum, part) => sum + part.length, 0);
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const n = records.length;
  put(parts, ...directory, [0x06054b50, 4], [0, 4], [n, 2], [n, 2], [size, 4], [at, 4], [0, 2]);
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function little(value: number, nBytes: number): Uint8Array {
  return Uint8Array.from({ length: nBytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

/** The bytes of a `.npy` file. */
export function npyOf(header: string, elements: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(header.padEnd(117) + "\n");
  const bytes = new Uint8Array(10 + text.length + elements.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 255, text.length >> 8]);
  bytes.set(text, 10);
  bytes.set(elements, 10 + text.length);
  return bytes;
}

/** The header that NumPy writes. */
export function npyHeader(descr: string, shape: readonly number[], order = "False"): string {
  const tuple = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  return `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${tuple}, }`;
}
