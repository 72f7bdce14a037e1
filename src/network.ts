/**
 * Requests over HTTP that outlast cut connections and busy servers: the one file that uses the
 * network.
 *
 * What passes (a cut, silence, 408, 429, 5xx) is tried again after a pause that doubles, or after
 * as long as the server asks for. All else is refused.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";

/** What is asked. */
export interface NetworkRequest {
  /** The address, of http or https. */
  readonly url: string;
  /** Headers to send along, to every server that the request is sent on to. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What to post; without it the address is read. */
  readonly body?: string;
}

/** What the answer to a refused request means. */
export interface Refusal {
  /** What was expected. */
  readonly expected: string;
  /** What was found. */
  readonly got: string;
  /** What to do; left out where no one thing is always right. */
  readonly fix?: string;
}

/** How requests are made. */
export interface NetworkOptions {
  /**
   * The header of this name, such as "Bearer hf_…": sent to the server that is asked, and to no
   * other that it redirects to; never in a message.
   */
  readonly authorization?: string | undefined;
  /** Failures in a row after which a request is given up. */
  readonly nTries?: number;
  /** Milliseconds of silence after which a connection counts as cut. */
  readonly silenceMs?: number;
  /** Waits some milliseconds. */
  readonly wait?: (ms: number) => Promise<void>;
  /** Told of each failure that is tried again. */
  readonly onRetry?: (url: string, failure: string, waitMs: number) => void;
  /** Says what a status means, where more is known than its number. */
  readonly explain?: (status: number, headers: Headers) => Refusal | undefined;
}

/** One try: its result, or what went wrong in passing, and how long the server wants us to wait. */
export type Try<T> =
  | { readonly value: T }
  | { readonly failure: string; readonly afterMs?: number };

const maxRedirects = 10;
const maxWaitMs = 300_000;
const maxJsonBytes = 1 << 26;

/**
 * How long to wait before a request is tried again: what the server asks for, else 0.5, 1, 2, 4 …
 * seconds, at most 30.
 *
 * @param failures Failures so far, from 1.
 * @param headers The answer's: `retry-after` in seconds or as a date, which is compared with the
 *   answer's own `date`, or the `t` of a hub's `ratelimit`.
 * @returns Milliseconds.
 *
 * @example Third failure, and a server that asks for two minutes
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(retryDelayMs(3), 2000);
 * assert.equal(retryDelayMs(3, new Headers({ "retry-after": "120" })), 120_000);
 * ```
 */
export function retryDelayMs(failures: number, headers?: Headers): number {
  return askedDelayMs(headers) ?? Math.min(30_000, 500 * 2 ** (failures - 1));
}

function askedDelayMs(headers: Headers | undefined): number | undefined {
  const asked = headers?.get("retry-after")?.trim() ??
    /\bt=(\d+)/.exec(headers?.get("ratelimit") ?? "")?.[1];
  if (asked === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(asked)) return Math.ceil(1000 * Number(asked));
  const ms = Date.parse(asked) - Date.parse(headers?.get("date") ?? "");
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}

/**
 * Gets a JSON document.
 *
 * @param asked Where it is; what to post, if anything.
 * @param options How requests are made.
 * @returns Its value, unchecked, and the address of the page after it, from the header `link`.
 * @throws {DataError} If it is refused, cannot be reached, is no JSON, or has over 64 MiB.
 */
export async function getJson(
  asked: NetworkRequest,
  options: NetworkOptions = {},
): Promise<{ readonly value: unknown; readonly next: string | undefined }> {
  const { url } = asked;
  const headers = { accept: "application/json", ...asked.headers };
  return await request({ ...asked, headers }, options, async (response, chunks) => {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    let size = 0;
    for await (const chunk of chunks) {
      size += chunk.length;
      if (size > maxJsonBytes) {
        refuse(url, { expected: `at most ${maxJsonBytes} bytes of JSON`, got: "more" });
      }
      parts.push(chunk);
    }
    const text = await new Blob(parts).text();
    const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
    const next = link === undefined ? undefined : new URL(link, url).href;
    try {
      return { value: { value: JSON.parse(text), next } };
    } catch (cause) {
      return () => refuse(url, { expected: "JSON", got: show(text.slice(0, 40)) }, cause);
    }
  });
}

/**
 * Makes a request, and makes it again as long as what goes wrong is in passing.
 *
 * @param asked What to ask, or what to ask at each try.
 * @param options How requests are made.
 * @param use Makes something of the answer, whose status is 2xx and whose body comes in chunks, of
 *   a cut one fewer. It returns what it made, or a failure, or what refuses the answer if it was
 *   not cut.
 * @param position Grows as `use` gets further: failures in a row are those without progress.
 * @returns What `use` made.
 * @throws {DataError} If the server refuses, sends us in a circle or somewhere less safe, or too
 *   many tries fail.
 */
export async function request<T>(
  asked: NetworkRequest | (() => NetworkRequest),
  options: NetworkOptions,
  use: (
    response: Response,
    chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  ) => Promise<Try<T> | (() => never)>,
  position: () => number = () => 0,
): Promise<T> {
  const { nTries = 6, wait = sleep } = options;
  let failures = 0;
  for (;;) {
    const before = position();
    const now = typeof asked === "function" ? asked() : asked;
    const result = await exchange(now, options, use);
    if ("value" in result) return result.value;
    failures = position() > before ? 1 : failures + 1;
    const { failure, afterMs = retryDelayMs(failures) } = result;
    if (failures >= nTries) {
      refuse(now.url, { expected: "an answer", got: `${failure}, ${failures} times` });
    }
    if (afterMs > maxWaitMs) {
      const got = `${failure} and the wish to wait ${Math.ceil(afterMs / 1000)} s`;
      refuse(now.url, { expected: "an answer", got, fix: "try again after that time" });
    }
    options.onRetry?.(shortUrl(now.url), failure, afterMs);
    await wait(afterMs);
  }
}

// One request, with its redirects, and the body of its answer.
async function exchange<T>(
  asked: NetworkRequest,
  options: NetworkOptions,
  use: Parameters<typeof request<T>>[2],
): Promise<Try<T>> {
  const { silenceMs = 60_000 } = options;
  const controller = new AbortController();
  const listen = () => setTimeout(() => controller.abort(), silenceMs);
  let timer = listen();
  let cut: string | undefined;
  const reasonOf = (cause: unknown) =>
    controller.signal.aborted ? `silence for ${silenceMs} ms` : show((cause as Error).message);
  async function* chunksOf({ body }: Response) {
    try {
      for await (const chunk of body ?? []) {
        clearTimeout(timer);
        timer = listen();
        yield chunk;
      }
    } catch (cause) {
      cut = reasonOf(cause);
    }
  }
  try {
    let response: Response;
    try {
      response = await follow(asked, options, controller.signal);
    } catch (cause) {
      if (cause instanceof DataError) throw cause;
      return { failure: reasonOf(cause) };
    }
    const { status, headers } = response;
    if (status === 408 || status === 429 || status >= 500) {
      const afterMs = askedDelayMs(headers);
      return { failure: `status ${status}`, ...(afterMs === undefined ? {} : { afterMs }) };
    }
    if (!response.ok) {
      const otherwise = { expected: "status 200", got: `${status}` };
      refuse(asked.url, options.explain?.(status, headers) ?? otherwise);
    }
    const result = await use(response, chunksOf(response));
    if (cut !== undefined && !("value" in result)) return { failure: cut };
    return typeof result === "function" ? result() : result;
  } finally {
    clearTimeout(timer);
    controller.abort(); // closes what was not read
  }
}

// Asks, and goes where it is sent; the authorization goes to the first server alone.
async function follow(
  asked: NetworkRequest,
  { authorization }: NetworkOptions,
  signal: AbortSignal,
): Promise<Response> {
  const { url: first, headers, body } = asked;
  const seen = new Set<string>();
  for (let url = new URL(first);;) {
    if (seen.has(url.href) || seen.size > maxRedirects) {
      const got = seen.has(url.href) ? "a circle of them" : "more";
      refuse(first, { expected: `at most ${maxRedirects} redirects`, got });
    }
    seen.add(url.href);
    const secret = authorization && url.origin === new URL(first).origin ? { authorization } : {};
    const post = body === undefined ? {} : { method: "POST", body };
    const all = { ...headers, ...secret };
    let response: Response;
    try {
      response = await fetch(url, { redirect: "manual", signal, headers: all, ...post });
    } catch (cause) {
      if ((cause as Error).name !== "NotCapable") throw cause;
      const fix = `allow it with --allow-net=${url.host}`;
      refuse(first, { expected: `permission to ask ${url.host}`, got: "none", fix }, cause);
    }
    if (![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    const to = response.headers.get("location") ?? "";
    const next = URL.canParse(to, url.href) ? new URL(to, url) : undefined;
    if (next === undefined || next.protocol !== "https:" && next.protocol !== url.protocol) {
      const got = show(next ? shortUrl(next.href) : to);
      refuse(first, { expected: "a redirect to an address as safe", got });
    }
    if (body !== undefined) refuse(first, { expected: "no redirect", got: shortUrl(next.href) });
    url = next;
  }
}

/**
 * Refuses an answer.
 *
 * @param url What was asked.
 * @param refusal What was expected, what was found, and what to do.
 * @param cause The error that led here.
 * @throws {DataError} Always; its message has the address without what may be secret.
 */
export function refuse(url: string, refusal: Refusal, cause?: unknown): never {
  throw new DataError("fetch", { where: shortUrl(url), ...refusal }, { cause });
}

/**
 * An address without what may be secret: a user's name, a signature.
 *
 * @param url An address.
 * @returns Its scheme, host and path.
 *
 * @example A signed address
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(shortUrl("https://me:pass@example.org/a/b?signature=1"), "https://example.org/a/b");
 * ```
 */
export function shortUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}

function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
