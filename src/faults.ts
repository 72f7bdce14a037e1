/**
 * What a browser tells of a page, and which of it a page without faults never says.
 *
 * @see {@link https://chromedevtools.github.io/devtools-protocol/ | Chrome DevTools Protocol}
 * @module
 */

/** What a browser says without being asked. */
export interface DevtoolsEvent {
  /** Its name in the protocol. */
  readonly method: string;
  /** What it carries, as the protocol has it. */
  readonly params: Readonly<Record<string, unknown>>;
  /** The page that it is of; empty if it is of none. */
  readonly sessionId: string;
}

/** A JavaScript value of a page. */
export interface RemoteObject {
  /** The value, if JSON can hold it. */
  readonly value?: unknown;
  /** What it looks like, if it is an object; of an error, its stack. */
  readonly description?: string;
}

/**
 * A value of a page as text.
 *
 * @param object The value.
 * @returns What it looks like.
 */
export function describe({ description, value }: RemoteObject): string {
  return description ?? String(value);
}

/**
 * The fault of a page that an event tells of: an error or a warning on the console, an exception, a
 * refusal of its content security policy, a file that does not load, a dialog.
 *
 * @param event What the browser said.
 * @returns The fault in one text, or `undefined` if there is none.
 *
 * @example A dialog is a fault, and what is logged is not
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const of = (method: string, params: Record<string, unknown>) =>
 *   faultIn({ method, params, sessionId: "" });
 *
 * assert.equal(of("Page.javascriptDialogOpening", { type: "alert", message: "1" }), "alert: 1");
 * assert.equal(of("Runtime.consoleAPICalled", { type: "log", args: [{ value: 1 }] }), undefined);
 * ```
 */
export function faultIn({ method, params }: DevtoolsEvent): string | undefined {
  switch (method) {
    case "Runtime.consoleAPICalled": {
      const { type, args } = params as { type: string; args: readonly RemoteObject[] };
      if (!["error", "warning", "assert"].includes(type)) return undefined;
      return `console ${type}: ${args.map(describe).join(" ")}`;
    }
    case "Runtime.exceptionThrown": {
      const { text, exception } = params.exceptionDetails as {
        text: string;
        exception?: RemoteObject;
      };
      return `exception: ${exception === undefined ? text : describe(exception)}`;
    }
    case "Log.entryAdded": {
      const { level, text, url } = params.entry as { level: string; text: string; url?: string };
      if (level !== "error" && level !== "warning") return undefined;
      return `${level}: ${text}${url === undefined ? "" : ` (${url})`}`;
    }
    case "Page.javascriptDialogOpening":
      return `${params.type}: ${params.message}`;
  }
}
