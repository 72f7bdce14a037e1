// The browser itself, on pages small enough to see what must come of them.

import assert from "node:assert/strict";
import { openBrowser } from "../../src/browser.ts";
import { findChromium, startChromium } from "../../src/devtools.ts";
import { pageTest, testThatSomethingRan, textOf } from "./_pages.ts";

testThatSomethingRan();

const pageOf = (body: string) => `data:text/html,${encodeURIComponent(`<!doctype html>${body}`)}`;

Deno.test("findChromium() takes the first path at which something is, or says where it looked", async () => {
  assert.equal(await findChromium(["/not/there", Deno.execPath(), "/"]), Deno.execPath());
  await assert.rejects(findChromium(["/not/there", "/nor/there"]), {
    name: "DataError",
    message: "Cannot find a browser in /not/there, /nor/there: expected Chrome or Chromium, " +
      "got nothing there; install one of them",
  });
});

Deno.test("openBrowser() says in one sentence why a program is no browser", async () => {
  await assert.rejects(openBrowser({ program: "deno" }), {
    name: "DataError",
    message: /^Cannot run deno: expected a browser that answers, got exit 1, "/,
  });
  await assert.rejects(openBrowser({ program: "/not/there" }), {
    name: "DataError",
    message: /^Cannot run \/not\/there: expected a browser that answers, got /,
  });
});

pageTest(
  "close() removes the profile, and nothing can be asked from then on",
  async (page, browser) => {
    await page.goto("chrome://version");
    const profile = (await textOf(page, "#profile_path")).replace(/\/Default$/, "");
    assert((await Deno.stat(profile)).isDirectory);
    await browser.close();
    await assert.rejects(Deno.stat(profile), Deno.errors.NotFound);
    await assert.rejects(page.evaluate("1"), { name: "DataError", message: /got exit 0/ });
  },
);

pageTest("a browser that dies is an error of what is asked, and can be closed", async () => {
  const { send, close } = await startChromium(await findChromium());
  await assert.rejects(send("Browser.crash"), {
    name: "DataError",
    message: /^Cannot run .*: expected a browser that answers, got exit .* \(Browser\.crash\)$/,
  });
  await close();
});

pageTest("a page that dies is an error of what is asked", async (page, browser) => {
  await assert.rejects(page.goto("chrome://crash"), { name: "DataError" });
  assert.equal(await (await browser.newPage()).evaluate("6 * 7"), 42, "other pages live on");
});

const faults: Readonly<Record<string, readonly [body: string, message: RegExp]>> = {
  "an error on the console": [`<script>console.error("a", 1)</script>`, /^console error: a 1$/],
  "an exception": [`<script>throw new TypeError("b")</script>`, /^exception: TypeError: b/],
  "a promise that fails": [`<script>Promise.reject(Error("c"))</script>`, /^exception: Error: c/],
  "a refused style": [
    `<meta http-equiv="Content-Security-Policy" content="style-src 'none'"><p style="top: 0">`,
    /^error: .*Content Security Policy/,
  ],
  "a refused script": [
    `<meta http-equiv="Content-Security-Policy" content="script-src 'none'"><script>1</script>`,
    /^error: .*Content Security Policy/,
  ],
  "a file from the network": [`<img src="http://192.0.2.1.invalid/">`, /^error: .*ERR_NAME_NOT/],
  "a dialog": [`<script>alert("d")</script>`, /^alert: d$/],
};

for (const [what, [body, message]] of Object.entries(faults)) {
  pageTest(`page.messages has ${what}`, async (page) => {
    await page.goto(pageOf(body));
    assert.equal(page.messages.length, 1, page.messages.join("\n"));
    assert.match(page.messages[0], message);
  });
}

pageTest("page.messages has nothing of a page without faults", async (page) => {
  await page.goto(pageOf(`<script>console.log("fine")</script>`));
  assert.deepEqual(page.messages, []);
});

pageTest("goto() and evaluate() say what went wrong", async (page) => {
  await assert.rejects(page.goto("file:///not/there.html"), {
    message: "Cannot open file:///not/there.html: expected a page, got net::ERR_FILE_NOT_FOUND",
  });
  await assert.rejects(page.evaluate("nothing.there"), {
    message: 'Cannot evaluate "nothing.there" in a page: expected a value, ' +
      "got ReferenceError: nothing is not defined",
  });
  assert.equal(await page.evaluate("Promise.resolve('done')"), "done");
});

pageTest("click(), type() and press() do what a reader's hands do", async (page) => {
  await page.goto(pageOf(`<div style="height: 3000px"></div><input><button>+</button><script>
    trusted = [];
    for (const name of ["click", "keydown", "input"]) {
      addEventListener(name, (event) => trusted.push(event.isTrusted));
    }
    document.querySelector("button").onclick = ({ target }) => target.textContent += "+";
  </script>`));
  await page.click("input");
  await page.type("aé<😀x");
  await page.press("Backspace");
  assert.equal(await page.evaluate("document.querySelector('input').value"), "aé<😀");
  await page.press("Tab");
  await page.press("Enter");
  await page.press(" ");
  await page.click("button");
  assert.equal(await textOf(page, "button"), "++++");
  assert.equal(await page.evaluate("trusted.every((isTrusted) => isTrusted)"), true);
  await assert.rejects(page.press("Entre"), {
    name: "RangeError",
    message: /^Cannot press key "Entre" in a page: expected a character or one of Backspace, /,
  });
});

pageTest("click() refuses what is not there, or lies under something else", async (page) => {
  await page.goto(pageOf(
    `<button>below</button><p style="position: fixed; inset: 0; margin: 0">above`,
  ));
  await assert.rejects(page.click("#x"), {
    message: 'Cannot click "#x" in a page: expected an element that can be seen, got nothing',
  });
  await assert.rejects(page.click("button"), { message: /, got <p style=.* above$/ });
});

pageTest(
  "emulate() changes how a page is looked at, and the next one changes it back",
  async (page) => {
    await page.goto(pageOf(`<meta name="viewport" content="width=device-width">`));
    const look = () =>
      page.evaluate(`[innerWidth, innerHeight, ...["(prefers-color-scheme: dark)", "print",
      "(pointer: coarse)"].map((query) => matchMedia(query).matches)]`);
    await page.emulate({ width: 400, height: 700, dark: true, print: true, mobile: true });
    assert.deepEqual(await look(), [400, 700, true, true, true]);
    await page.emulate({});
    assert.deepEqual(await look(), [1280, 800, false, false, false]);
  },
);

pageTest(
  "screenshot() is as large as is asked for, and leaves the view as it was",
  async (page) => {
    await page.goto(pageOf(`<body style="margin: 0; height: 2000px">`));
    const sizeOf = (png: Uint8Array) => {
      const view = new DataView(png.buffer);
      return [view.getUint32(16), view.getUint32(20)];
    };
    assert.deepEqual(sizeOf(await page.screenshot()), [1280, 800]);
    const small = { width: 300, height: 200, deviceScaleFactor: 2 };
    assert.deepEqual(sizeOf(await page.screenshot(small)), [600, 400]);
    assert.deepEqual(sizeOf(await page.screenshot({ ...small, fullPage: true })), [600, 4000]);
    assert.deepEqual(await page.evaluate("[innerWidth, innerHeight]"), [1280, 800]);
  },
);
