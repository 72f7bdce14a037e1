/**
 * An installed Chrome or Chromium without a window: the one file that starts a program.
 *
 * It is told what to do over two pipes, so that no port is opened and no network is needed, and it ends
 * when they close, even if this program is killed. Its profile is a folder of its own, made anew.
 *
 * @see {@link https://chromedevtools.github.io/devtools-protocol/ | Chrome DevTools Protocol}
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { Readable, Writable } from "node:stream";
import { DataError, show } from "./errors.ts";
import type { DevtoolsEvent } from "./faults.ts";
import { exists } from "./files.ts";

/** A browser that runs, and does what it is told in its protocol. */
export interface Devtools {
  /**
   * Tells it something.
   *
   * @param method A method of the protocol.
   * @param params What it takes.
   * @param sessionId The page that is meant; left out, the browser.
   * @returns What it answers, whose type is the caller's word.
   * @throws {DataError} If it refuses, has ended, or does not answer within a minute.
   */
  send<T>(method: string, params?: object, sessionId?: string): Promise<T>;
  /** Hands every event to a function. */
  listen(listener: (event: DevtoolsEvent) => void): void;
  /** Ends it, by force if it does not end by itself, and removes its profile. */
  close(): Promise<void>;
}

// What comes through the pipe: the answer to the message of this id, or an event.
interface Answer extends Partial<DevtoolsEvent> {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Where Chrome and Chromium are installed, in the order in which they are taken. */
export const chromiumPaths: readonly string[] = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];

/**
 * The first of some paths at which there is a browser.
 *
 * @param paths Where to look.
 * @returns Its path.
 * @throws {DataError} If there is none.
 */
export async function findChromium(paths: readonly string[] = chromiumPaths): Promise<string> {
  for (const path of paths) if (await exists(path)) return path;
  throw new DataError("find a browser in", {
    where: paths.join(", "),
    expected: "Chrome or Chromium",
    got: "nothing there",
    fix: "install one of them",
  });
}

const quiet: readonly string[] = [
  "--headless",
  "--disable-gpu",
  "--disable-dev-shm-usage", // containers give it 64 MB, too little for a large picture
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-extensions",
  "--disable-sync",
  "--host-resolver-rules=MAP * ~NOTFOUND", // no name is looked up, whatever a page asks for
  "--no-first-run",
  "--force-color-profile=srgb",
  "--font-render-hinting=none",
  "--hide-scrollbars",
  "--mute-audio",
];

/**
 * Starts a browser that reaches no network, in UTC and with nothing of the caller's environment.
 *
 * @param program Path of a Chrome or Chromium.
 * @returns The browser; close it when done.
 * @throws {DataError} If it does not start.
 */
export async function startChromium(program: string): Promise<Devtools> {
  const profile = await mkdtemp(`${tmpdir()}/browser-`);
  const removeProfile = () => rm(profile, { recursive: true, force: true, maxRetries: 20 });
  // Chromium refuses to run as root within its sandbox. Who made the folder is who we are.
  const isRoot = (await stat(profile)).uid === 0;
  const flags = [...quiet, ...(isRoot ? ["--no-sandbox"] : []), `--user-data-dir=${profile}`];
  const child = await start(program, flags, profile).catch(async (cause) => {
    await removeProfile();
    throw refused(program, cause.message, cause);
  });
  const ended = endOf(child);
  const { send, listen } = connect(child, ended, program);
  const close = async () => {
    send("Browser.close").catch(() => {}); // it may be gone before it answers
    const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
    await ended;
    clearTimeout(timer);
    await removeProfile();
  };
  try {
    await send("Browser.getVersion");
  } catch (error) {
    await close();
    throw error;
  }
  return { send, listen, close };
}

async function start(
  program: string,
  flags: readonly string[],
  home: string,
): Promise<ChildProcess> {
  const child = spawn(program, [...flags, "--remote-debugging-pipe", "about:blank"], {
    env: { HOME: home, TZ: "UTC" },
    stdio: ["ignore", "ignore", "pipe", "pipe", "pipe"], // the last two, 3 and 4, are for messages
  });
  await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
  return child;
}

function refused(program: string, got: string, cause?: unknown): DataError {
  return new DataError("run", { where: program, expected: "a browser that answers", got }, {
    cause,
  });
}

// Why the program ended, once it has, with the last that it printed.
function endOf(child: ChildProcess): Promise<string> {
  let printed = "";
  child.stderr!.on("data", (bytes) => printed = (printed + bytes).slice(-2000));
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      const last = printed.trim().split("\n").at(-1);
      resolve(`exit ${signal ?? code}${last ? `, ${show(last)}` : ""}`);
    });
  });
}

// A message is JSON that ends with a NUL. What has no answer when the program ends, fails.
function connect(
  child: ChildProcess,
  ended: Promise<string>,
  program: string,
): Omit<Devtools, "close"> {
  const [input, output] = child.stdio.slice(3) as [Writable, Readable];
  const waiting = new Map<number, (answer: Answer) => void>();
  const listeners: ((event: DevtoolsEvent) => void)[] = [];
  let nSent = 0;
  let end: string | undefined;

  const receive = (answer: Answer) => {
    const { id, method, params = {}, sessionId = "" } = answer;
    if (id !== undefined) waiting.get(id)?.(answer);
    else for (const listener of listeners) listener({ method: method!, params, sessionId });
  };
  const decoder = new TextDecoder();
  let rest = "";
  output.on("data", (bytes: Uint8Array) => {
    const [first, ...others] = decoder.decode(bytes, { stream: true }).split("\0");
    rest += first;
    for (const next of others) {
      receive(JSON.parse(rest));
      rest = next;
    }
  });
  input.on("error", () => {}); // the program has ended, which is told below
  ended.then((got) => {
    end = got;
    for (const answer of waiting.values()) answer({ error: { message: got } });
  });

  return {
    send: <T>(method: string, params: object = {}, sessionId?: string) =>
      new Promise<T>((resolve, reject) => {
        if (end !== undefined) return reject(refused(program, end));
        const id = ++nSent;
        const settle = ({ result, error }: Answer) => {
          waiting.delete(id);
          clearTimeout(timer);
          if (error === undefined) resolve(result as T);
          else reject(refused(program, `${error.message} (${method})`));
        };
        const timer = setTimeout(() => settle({ error: { message: "silence" } }), 60_000);
        waiting.set(id, settle);
        input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
      }),
    listen: (listener) => void listeners.push(listener),
  };
}
