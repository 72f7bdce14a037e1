/**
 * Bytes behind an address, in whole or in part.
 *
 * @module
 */

import { show } from "./errors.ts";
import type { ByteSource } from "./files.ts";
import { type NetworkOptions, refuse, request, shortUrl } from "./network.ts";

/** Which bytes to get. */
export interface ByteRange {
  /** First byte. */
  readonly start: number;
  /** One past the last byte. */
  readonly end: number;
  /** Bytes of the whole; a server that says another number is refused. */
  readonly byteLength: number;
}

/**
 * Gets bytes in order, each once; after a cut from the byte where it was cut.
 *
 * @param url Where they are.
 * @param range Which.
 * @param write Is given the bytes as they come.
 * @param options How requests are made.
 * @throws {DataError} If they are refused, cannot be reached, or are not as many as they should be.
 */
export async function getBytes(
  url: string,
  { start, end, byteLength }: ByteRange,
  write: (bytes: Uint8Array) => void,
  options: NetworkOptions = {},
): Promise<void> {
  let at = start;
  if (at === end) return;
  const ask = () => {
    const isAll = at === 0 && end === byteLength;
    const headers = {
      "accept-encoding": "identity",
      ...(isAll ? {} : { range: `bytes=${at}-${end - 1}` }),
    };
    return { url, headers };
  };
  await request(ask, options, async (response, chunks) => {
    let toSkip = checkExtent(url, response, { start: at, end, byteLength });
    for await (const chunk of chunks) {
      const bytes = chunk.subarray(Math.min(toSkip, chunk.length));
      toSkip -= chunk.length - bytes.length;
      if (at + bytes.length > end) {
        refuse(url, { expected: `${end - start} bytes`, got: "more" });
      }
      write(bytes);
      at += bytes.length;
    }
    if (at === end) return { value: undefined };
    return { failure: `${at - start} of ${end - start} bytes` };
  }, () => at);
}

// How many bytes of the answer to pass over: those before `start`, of a server without ranges.
function checkExtent(
  url: string,
  { status, headers }: Response,
  { start, end, byteLength }: ByteRange,
): number {
  if (status === 206) {
    const said = headers.get("content-range") ?? "";
    const expected = `bytes ${start}-${end - 1}/${byteLength}`;
    if (said !== expected) refuse(url, { expected, got: show(said) });
    return 0;
  }
  if (status !== 200) refuse(url, { expected: "status 200 or 206", got: `${status}` });
  if (end !== byteLength) {
    refuse(url, { expected: "a server that gives ranges of bytes", got: "the whole" });
  }
  const said = headers.get("content-length");
  const isPacked = (headers.get("content-encoding") ?? "identity") !== "identity";
  if (said !== null && !isPacked && Number(said) !== byteLength) {
    refuse(url, { expected: `${byteLength} bytes`, got: said });
  }
  return start;
}

/**
 * A file behind an address, read in parts, each by a request of its own.
 *
 * @param url Where it is.
 * @param byteLength Its size, which the server must confirm.
 * @param options How requests are made.
 * @returns Its bytes, of which none has been asked for yet; its name has no query.
 */
export function openUrl(
  url: string,
  byteLength: number,
  options: NetworkOptions = {},
): ByteSource {
  return {
    name: shortUrl(url),
    byteLength,
    async read(start, end) {
      const bytes = new Uint8Array(end - start);
      let at = 0;
      await getBytes(url, { start, end, byteLength }, (part) => {
        bytes.set(part, at);
        at += part.length;
      }, options);
      return bytes;
    },
  };
}
