/**
 * Pages in an installed browser, used as a reader uses them: for pictures of figures, and for tests.
 *
 * @module
 */

import { type Devtools, findChromium, startChromium } from "./devtools.ts";
import { DataError, show } from "./errors.ts";
import { describe, faultIn, type RemoteObject } from "./faults.ts";

/** How a page is looked at; what is left out is as in a new page. */
export interface View {
  /** Of the window, in CSS pixels; 1,280. */
  readonly width?: number;
  /** Of the window, in CSS pixels; 800. */
  readonly height?: number;
  /** Whether the reader prefers dark pages. */
  readonly dark?: boolean;
  /** Whether the page is laid out as for paper. */
  readonly print?: boolean;
  /** Whether it is on a telephone, with touch and a viewport of its own. */
  readonly mobile?: boolean;
}

/** What a screenshot shows. */
export interface ScreenshotOptions extends Pick<View, "width" | "height"> {
  /** Whether all of the page is shown, not only what is in the window. */
  readonly fullPage?: boolean;
  /** Pixels of the picture in a CSS pixel. */
  readonly deviceScaleFactor?: number;
}

/** A page of a browser. */
export interface Page {
  /**
   * What a page without faults never says, since it was opened: errors and warnings on the console,
   * exceptions, refusals of its content security policy, files that do not load, dialogs.
   */
  readonly messages: readonly string[];
  /**
   * Opens a page and waits until it has loaded.
   *
   * @throws {DataError} If it cannot be opened.
   */
  goto(url: string): Promise<void>;
  /**
   * The value of a JavaScript expression in the page, or of the promise that it is.
   *
   * @returns What JSON can hold of it; its type is the caller's word.
   * @throws {DataError} If it throws.
   */
  evaluate<T>(expression: string): Promise<T>;
  /**
   * Moves the mouse to the middle of the first element of a CSS selector, and clicks.
   *
   * @throws {DataError} If there is none, or it cannot be seen there.
   */
  click(selector: string): Promise<void>;
  /** Types text, a key for every character. */
  type(text: string): Promise<void>;
  /**
   * Presses and releases a key.
   *
   * @param key A character, or the name of a key: "Enter", "Tab", "ArrowDown".
   * @throws {RangeError} If the key is not known.
   */
  press(key: string): Promise<void>;
  /** Changes how the page is looked at, and waits until it has been laid out. */
  emulate(view: View): Promise<void>;
  /** The bytes of a PNG. */
  screenshot(options?: ScreenshotOptions): Promise<Uint8Array<ArrayBuffer>>;
  /** Closes the page. */
  close(): Promise<void>;
}

/** A browser that runs. */
export interface Browser {
  /** Opens an empty page. */
  newPage(): Promise<Page>;
  /** Ends the program, by force if it does not end by itself, and removes its profile. */
  close(): Promise<void>;
  /** As `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a browser without a window, which reaches no network.
 *
 * @param options What to start: the path of a Chrome or Chromium; left out, one that is installed.
 * @returns The browser; close it when done.
 * @throws {DataError} If there is none, or it does not start.
 */
export async function openBrowser(
  { program }: { readonly program?: string } = {},
): Promise<Browser> {
  const devtools = await startChromium(program ?? await findChromium());
  const { close } = devtools;
  return { newPage: () => openPage(devtools), close, [Symbol.asyncDispose]: close };
}

async function openPage({ send: sendTo, listen }: Devtools): Promise<Page> {
  const { targetId } = await sendTo<{ targetId: string }>("Target.createTarget", {
    url: "about:blank",
  });
  const { sessionId } = await sendTo<{ sessionId: string }>("Target.attachToTarget", {
    targetId,
    flatten: true,
  });
  const send = <T>(method: string, params: object = {}) => sendTo<T>(method, params, sessionId);

  const messages: string[] = [];
  listen((event) => {
    if (event.sessionId !== sessionId) return;
    const fault = faultIn(event);
    if (fault !== undefined) messages.push(fault);
    if (event.method === "Page.javascriptDialogOpening") {
      send("Page.handleJavaScriptDialog", { accept: false }).catch(() => {});
    }
  });
  for (const domain of ["Page", "Runtime", "Log"]) await send(`${domain}.enable`);
  await send("Emulation.setFocusEmulationEnabled", { enabled: true });

  const evaluate = async <T>(expression: string): Promise<T> => {
    const { result, exceptionDetails } = await send<Evaluated>("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails === undefined) return result.value as T;
    throw new DataError("evaluate", {
      where: `${show(expression)} in a page`,
      expected: "a value",
      got: describe(exceptionDetails.exception).split("\n")[0],
    });
  };
  let view: View = {};
  const look = async (next: View, deviceScaleFactor = 1) => {
    const { width = 1280, height = 800, dark = false, print = false, mobile = false } = next;
    await send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor, mobile });
    await send("Emulation.setTouchEmulationEnabled", { enabled: mobile });
    await send("Emulation.setEmulatedMedia", {
      media: print ? "print" : "screen",
      features: [
        { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
        { name: "prefers-reduced-motion", value: "reduce" },
      ],
    });
    // plotly.js waits 100 ms for the last of several changes of size before it draws.
    await evaluate("new Promise((done) => setTimeout(done, 250))");
  };
  await look(view);

  const press = async (key: string) => {
    const [windowsVirtualKeyCode, text] = keyOf(key);
    const event = { key, windowsVirtualKeyCode };
    await send("Input.dispatchKeyEvent", { type: "keyDown", ...event, ...(text && { text }) });
    await send("Input.dispatchKeyEvent", { type: "keyUp", ...event });
  };
  return {
    messages,
    evaluate,
    press,
    async goto(url) {
      const { errorText } = await send<{ errorText?: string }>("Page.navigate", { url });
      if (errorText !== undefined) {
        throw new DataError("open", { where: url, expected: "a page", got: errorText });
      }
      await evaluate(loaded);
    },
    async click(selector) {
      const found = await evaluate<Place | string>(place(selector));
      if (typeof found === "string") {
        throw new DataError("click", {
          where: `${show(selector)} in a page`,
          expected: "an element that can be seen",
          got: found,
        });
      }
      const mouse = { ...found, button: "left", clickCount: 1 };
      for (const type of ["mouseMoved", "mousePressed", "mouseReleased"]) {
        await send("Input.dispatchMouseEvent", { type, ...mouse });
      }
    },
    async type(text) {
      for (const character of text) await press(character);
    },
    async emulate(next) {
      view = next;
      await look(view);
    },
    async screenshot({ fullPage = false, deviceScaleFactor = 1, ...size } = {}) {
      await look({ ...view, ...size }, deviceScaleFactor);
      const { cssContentSize } = await send<{ cssContentSize: object }>("Page.getLayoutMetrics");
      const { data } = await send<{ data: string }>("Page.captureScreenshot", {
        format: "png",
        ...(fullPage && { captureBeyondViewport: true, clip: { ...cssContentSize, scale: 1 } }),
      });
      await look(view);
      return Uint8Array.fromBase64(data);
    },
    close: () => sendTo("Target.closeTarget", { targetId }),
  };
}

interface Evaluated {
  readonly result: RemoteObject;
  readonly exceptionDetails?: { readonly exception: RemoteObject };
}

type Place = Readonly<Record<"x" | "y", number>>;

// Code on Windows' keyboards, and the text that the key types, if any.
// deno-fmt-ignore
const keys: Readonly<Record<string, readonly [code: number, text?: string]>> = {
  Backspace: [8], Tab: [9], Enter: [13, "\r"], Escape: [27], Delete: [46],
  PageUp: [33], PageDown: [34], End: [35], Home: [36],
  ArrowLeft: [37], ArrowUp: [38], ArrowRight: [39], ArrowDown: [40],
};

function keyOf(key: string): readonly [code: number, text?: string] {
  if ([...key].length === 1) {
    return [/^[a-z0-9 ]$/i.test(key) ? key.toUpperCase().charCodeAt(0) : 0, key];
  }
  if (Object.hasOwn(keys, key)) return keys[key];
  throw new RangeError(
    `Cannot press key ${JSON.stringify(key)} in a page: expected a character or one of ` +
      `${Object.keys(keys).join(", ")}`,
  );
}

// In the page: what waits for its turn when a page has loaded has had it after two frames.
const loaded = `new Promise((done) => {
  const wait = () => requestAnimationFrame(() => requestAnimationFrame(() => done()));
  document.readyState === "complete" ? wait() : addEventListener("load", wait);
})`;

// In the page: the middle of an element, or why there is nothing to click on.
function place(selector: string): string {
  return `(() => {
    const element = document.querySelector(${JSON.stringify(selector)});
    if (element === null) return "nothing";
    element.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    const box = element.getBoundingClientRect();
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const top = document.elementFromPoint(x, y);
    return element.contains(top) ? { x, y } : (top?.outerHTML.slice(0, 60) ?? "nothing") + " above";
  })()`;
}
