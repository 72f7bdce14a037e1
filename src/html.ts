/**
 * HTML that escapes by default, and pages that need nothing but themselves.
 *
 * @module
 */

/** Text that is already HTML. Made by {@linkcode html}, {@linkcode raw} and {@linkcode scriptJson}. */
export interface Markup {
  /** The HTML. */
  readonly markup: string;
}

/** What may stand in a hole of {@linkcode html}. Nothing is written for `undefined`. */
export type Content = string | number | undefined | Markup | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;",
  "\0": "\ufffd",
};

/**
 * Writes HTML. What stands in a hole is escaped, as text and as a quoted attribute alike; markup is
 * not; a list is written one after the other.
 *
 * Not for holes in a `<script>` or `<style>`, whose text has rules of its own, nor for the scheme of a
 * link: `javascript:` is as good a text as any.
 *
 * @param parts The HTML around the holes.
 * @param holes What to write in them.
 * @returns The HTML.
 * @throws {TypeError} If an attribute has no quotes, and so cannot be escaped.
 *
 * @example A name that wants to be an element
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const items = ["<b>", "a & b"].map((item) => html`<li title="${item}">${item}</li>`);
 *
 * assert.equal(
 *   html`<ul>${items}</ul>`.markup,
 *   '<ul><li title="&lt;b&gt;">&lt;b&gt;</li><li title="a &amp; b">a &amp; b</li></ul>',
 * );
 * ```
 */
export function html(parts: TemplateStringsArray, ...holes: readonly Content[]): Markup {
  let markup = parts[0];
  holes.forEach((hole, i) => {
    if (/<[^<>]*=\s*$/.test(parts[i])) {
      throw new TypeError(
        `Cannot write an attribute after ${JSON.stringify(parts[i].slice(-40))}: ` +
          "expected quotes around it, got none",
      );
    }
    markup += written(hole) + parts[i + 1];
  });
  return { markup };
}

function written(content: Content): string {
  if (content === undefined) return "";
  if (typeof content === "string") return content.replace(/[&<>"'`\0]/g, (c) => entities[c]);
  if (typeof content === "number") return String(content);
  if ("markup" in content) return content.markup;
  return content.map(written).join("");
}

/**
 * Markup from text that is trusted to be HTML.
 *
 * @param markup HTML written by us, never anything that came out of a file.
 * @returns The same, no longer escaped.
 */
export function raw(markup: string): Markup {
  return { markup };
}

/**
 * JSON for a `<script type="application/json">`: no text in it can end the script.
 *
 * As everywhere in JSON, NaN and infinities become null, and typed arrays become objects: hand in plain
 * arrays.
 *
 * @param value What `JSON.stringify` takes.
 * @returns The JSON, every `<`, U+2028 and U+2029 written as an escape.
 *
 * @example Text that wants to end the script
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(scriptJson(["</script>", NaN]).markup, '["\\u003c/script>",null]');
 * ```
 */
export function scriptJson(value: unknown): Markup {
  const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return { markup: JSON.stringify(value).replace(/[<\u2028\u2029]/g, escaped) };
}

/** What {@linkcode page} puts together. */
export interface PageParts {
  /** Title of the window. */
  readonly title: string;
  /** What made the page: a name and a version. */
  readonly generator: string;
  /** Contents of `<body>`. */
  readonly body: Markup;
  /** The one style sheet. */
  readonly style: string;
  /** Scripts, run in this order after the body. */
  readonly scripts: readonly string[];
  /** Whether these scripts may load others, from beside the page; no if left out. */
  readonly loadsScripts?: boolean;
  /** Values of style attributes that the scripts may set; all others are refused. */
  readonly styleAttributes?: readonly string[];
}

/**
 * A page in one file, which asks the network for nothing.
 *
 * Its content security policy lets run only these scripts and this style sheet, each by its hash. It
 * allows neither `eval` nor inline styles, so that text which slipped through as HTML could do no more
 * than show itself. Scripts that load others hand on what they are allowed ('strict-dynamic').
 *
 * @param parts What to put together.
 * @returns The HTML; the same parts give the same bytes.
 *
 * @example The policy names the script by its hash
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const text = await page({
 *   title: "Empty",
 *   generator: "by hand",
 *   body: html`<p>Nothing</p>`,
 *   style: "",
 *   scripts: ["1"],
 * });
 *
 * assert.match(text, /script-src 'sha256-a4ayc\/80\/OGda4BO\/1o\/V0etpOqiLx1JwB5S3beHW0s='/);
 * ```
 */
export async function page(
  { title, generator, body, style, scripts, loadsScripts = false, styleAttributes = [] }: PageParts,
): Promise<string> {
  const codes = scripts.map(scriptText);
  const css = styleText(style);
  const policy = [
    "default-src 'none'",
    `script-src ${loadsScripts ? "'strict-dynamic' " : ""}${await sources(codes)}`,
    `style-src ${await sources([css])}`,
    styleAttributes.length > 0
      ? `style-src-attr 'unsafe-hashes' ${await sources(styleAttributes)}`
      : "style-src-attr 'none'",
    "img-src data: blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  // The empty icon keeps a browser from asking the server for one.
  return html`
    <!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <meta http-equiv="Content-Security-Policy" content="${raw(policy)}">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta name="generator" content="${generator}">
        <title>${title}</title>
        <link rel="icon" href="data:,">
        <style>${raw(css)}</style>
      </head>
      <body>
    ${body}
    ${codes.map((code) => html`<script>${raw(code)}</script>\n`)}</body>
    </html>
  `.markup.trim();
}

// The text as a parser of HTML hands it on: a carriage return would become a line feed, and the hash
// no longer be that of the text.
function parsed(text: string): string {
  return text.replace(/\r\n?/g, "\n").replaceAll("\0", "\ufffd");
}

// The same program, in whose strings and patterns no "</script" or "<!--" is left.
function scriptText(code: string): string {
  return parsed(code).replace(/<(?=\/script|!--)/gi, "<\\");
}

function styleText(css: string): string {
  return parsed(css).replace(/<(?=\/style)/gi, "\\3c ");
}

// Hashes as a content security policy names them.
async function sources(texts: readonly string[]): Promise<string> {
  const hashes = await Promise.all(texts.map(async (text) => {
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
    return `'sha256-${new Uint8Array(digest).toBase64()}'`;
  }));
  return hashes.join(" ") || "'none'";
}
