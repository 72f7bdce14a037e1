import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { html, page, raw, scriptJson } from "../src/html.ts";

const hostile: Readonly<Record<string, [text: string, escaped: string]>> = {
  "the end of a script": ["</script>", "&lt;/script&gt;"],
  "an element": ["<img onerror=alert(1)>", "&lt;img onerror=alert(1)&gt;"],
  "an entity": ["&lt;", "&amp;lt;"],
  "quotes": [`"'\``, "&quot;&#39;&#96;"],
  "a NUL": ["a\0b", "a\ufffdb"],
  "a line separator": ["a\u2028b", "a\u2028b"],
};

for (const [what, [text, escaped]] of Object.entries(hostile)) {
  Deno.test(`html escapes ${what}, as text and as an attribute`, () => {
    assert.equal(
      html`<p title="${text}">${text}</p>`.markup,
      `<p title="${escaped}">${escaped}</p>`,
    );
  });
}

Deno.test("html writes nothing for undefined, numbers as they are, and lists one after the other", () => {
  assert.equal(html`<p>${undefined}${0}${["a", [1, html`<br>`]]}</p>`.markup, "<p>0a1<br></p>");
});

Deno.test("html does not escape markup again", () => {
  assert.equal(html`${raw("<b>")}${html`${"&"}`}`.markup, "<b>&amp;");
});

Deno.test("html refuses an attribute without quotes", () => {
  assert.throws(() => html`<p title=${"a b"}>`, {
    name: "TypeError",
    message: 'Cannot write an attribute after "<p title=": expected quotes around it, got none',
  });
  assert.equal(html`<p>x = ${1}</p>`.markup, "<p>x = 1</p>");
});

Deno.test("scriptJson writes what JSON.parse reads back, and nothing that HTML would read", () => {
  const value = { "<!--": "</SCRIPT>", list: ["\u2028\u2029", '"', "\0"] };
  const { markup } = scriptJson(value);
  assert.deepEqual(JSON.parse(markup), value);
  assert.doesNotMatch(markup, /[<\u2028\u2029\0]/);
  assert.equal(scriptJson([NaN, Infinity]).markup, "[null,null]");
});

const parts = {
  title: "</title><script>alert(1)</script>",
  generator: '"><script>alert(2)</script>',
  body: html`<p>Text</p>`,
  style: "p { color: red }",
  scripts: ['"</script><!--"', "2;\r\n3"],
};

Deno.test("page() lets run its scripts and its style sheet, each by the hash of what is parsed", async () => {
  const text = await page(parts);
  const scripts = [...text.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/gi)].map(([, code]) => code);
  assert.deepEqual(scripts, ['"<\\/script><\\!--"', "2;\n3"]);
  assert.equal(new Function(`return ${scripts[0]}`)(), "</script><!--");
  const [, style] = /<style>([\s\S]*?)<\/style>/.exec(text)!;
  for (const [directive, codes] of [["script-src", scripts], ["style-src", [style]]] as const) {
    const hashes = codes.map((code) => createHash("sha256").update(code).digest("base64"));
    const sources = hashes.map((hash) => `'sha256-${hash}'`).join(" ");
    assert(text.includes(`; ${directive} ${sources};`), directive);
  }
});

Deno.test("page() allows no network, no eval and no inline style", async () => {
  const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(await page(parts))!;
  assert.match(policy, /^default-src 'none'; /);
  assert.match(policy, /style-src-attr 'none'/);
  assert.doesNotMatch(policy, /unsafe-inline|unsafe-eval|http|\*/);
});

Deno.test("page() lets its scripts load others only if it is told to", async () => {
  const policyOf = async (loadsScripts?: boolean) => {
    const text = await page({ ...parts, ...(loadsScripts !== undefined && { loadsScripts }) });
    return /Content-Security-Policy" content="([^"]*)"/.exec(text)![1];
  };
  assert.match(await policyOf(true), /; script-src 'strict-dynamic' 'sha256-/);
  const without = (await policyOf(true)).replace("'strict-dynamic' ", "");
  for (const loadsScripts of [false, undefined]) {
    assert.equal(await policyOf(loadsScripts), without);
  }
});

Deno.test("page() allows the style attributes it is given, by their hashes", async () => {
  const text = await page({ ...parts, styleAttributes: [""] });
  const empty = createHash("sha256").update("").digest("base64");
  assert(text.includes(`style-src-attr 'unsafe-hashes' 'sha256-${empty}';`));
});

Deno.test("page() escapes its title and generator", async () => {
  const text = await page(parts);
  assert.doesNotMatch(text, /<script>alert/);
  assert(text.includes("<title>&lt;/title&gt;&lt;script&gt;alert(1)&lt;/script&gt;</title>"));
});
