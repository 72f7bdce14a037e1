// What tests of pages share: a browser, a report to open in it, and questions to a page.

import assert from "node:assert/strict";
import { type Browser, openBrowser, type Page } from "../../src/browser.ts";
import { findChromium } from "../../src/devtools.ts";
import { extractSweep } from "../../src/extract_sweep.ts";
import { matchSweep } from "../../src/match_sweep.ts";
import type { Summary } from "../../src/summary.ts";
import { readSweep } from "../../src/sweep.ts";

const reason = await findChromium().then(() => undefined, (error: Error) => error.message);

/** A test with a browser and an empty page of its own, skipped where there is no browser. */
export function pageTest(
  name: string,
  act: (page: Page, browser: Browser) => Promise<void>,
): void {
  if (reason !== undefined) {
    return Deno.test({ name: `${name} (skipped: ${reason})`, ignore: true, fn: () => {} });
  }
  Deno.test(name, async () => {
    await using browser = await openBrowser();
    await act(await browser.newPage(), browser);
  });
}

/** A lane in which every test was skipped has tested nothing. Once in every file. */
export function testThatSomethingRan(): void {
  Deno.test("there is a browser to open pages in", () => assert.equal(reason, undefined));
}

/** A matched sweep, and the folder that it is in. */
export interface Matched {
  readonly out: string;
  readonly summary: Summary;
}

let matched: Promise<Matched> | undefined;

/** The sweep of fixtures/tiny on few tokens, made once for all tests of a file. */
export function tiny(): Promise<Matched> {
  return matched ??= (async () => {
    const out = await temporaryFolder();
    const sweep = await readSweep(
      new URL("../../fixtures/tiny/sweep.json", import.meta.url).pathname,
    );
    await extractSweep(sweep, out, { totalTokens: 16_384, qualityTokens: 2048 });
    return { out, summary: await matchSweep(sweep, out, { nullRotations: 2, nullExchanges: 1 }) };
  })();
}

/** A folder that is removed when the tests of the file are done. */
export async function temporaryFolder(): Promise<string> {
  const folder = await Deno.makeTempDir();
  addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
  return folder;
}

/** The address of a file. */
export function addressOf(path: string): string {
  return new URL(path, "file:///").href;
}

/** Opens a report, and waits until all of its figures are drawn. */
export async function openDrawn(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await until(page, "document.documentElement.dataset.figures === 'drawn'");
}

/** Waits until an expression holds in the page. */
export async function until(page: Page, expression: string): Promise<void> {
  const holds = await page.evaluate<boolean>(`new Promise((done) => {
    const end = performance.now() + 5000;
    const look = () => {
      if (${expression}) done(true);
      else if (performance.now() > end) done(false);
      else setTimeout(look, 20);
    };
    look();
  })`);
  assert(holds, `${expression}, after 5 s`);
}

/** Leaves the page and comes back; what was filled in is filled in again by the browser. */
export async function leaveAndComeBack(page: Page): Promise<void> {
  const address = await page.evaluate<string>("location.href");
  await page.goto("about:blank");
  await page.evaluate("void setTimeout(() => history.back())");
  const isBack = `location.href === ${JSON.stringify(address)} &&
    document.readyState === "complete"`;
  // The page that is asked may go away before it answers.
  for (let i = 0; i < 100; i++) {
    if (await page.evaluate<boolean>(isBack).catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`not back at ${address} after 5 s`);
}

/** Asserts that the page has nothing to complain of. */
export async function assertQuiet(page: Page): Promise<void> {
  // Whatever waits for its turn has had it after two frames.
  await page.evaluate(
    "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))",
  );
  assert.deepEqual(page.messages, []);
}

/** Asserts that a reader need not scroll sideways, and names what is too wide. */
export async function assertNoOverflow(page: Page): Promise<void> {
  const { scrollWidth, innerWidth, wide } = await page.evaluate<{
    readonly scrollWidth: number;
    readonly innerWidth: number;
    readonly wide: readonly string[];
  }>(`({
    scrollWidth: document.documentElement.scrollWidth,
    innerWidth,
    wide: Array.from(document.querySelectorAll("body *")).filter((element) => {
      if (element.getBoundingClientRect().right <= innerWidth) return false;
      for (let around = element.parentElement; around !== null; around = around.parentElement) {
        if (around !== document.body && getComputedStyle(around).overflowX !== "visible") return false;
      }
      return true;
    }).map(({ tagName, id, className }) => tagName + "#" + id + "." + (className.baseVal ?? className)),
  })`);
  assert(scrollWidth <= innerWidth, `${scrollWidth} > ${innerWidth}: ${wide.slice(0, 5)}`);
}

/** What is drawn of every figure of a page. */
export interface Drawn {
  readonly name: string;
  /** Drawings of the SVG, one on top of the other. */
  readonly nSvgs: number;
  /** Lines, sets of bars and heat maps. */
  readonly nTraces: number;
  readonly width: number;
  readonly height: number;
  /** Labels of the horizontal axis, from left to right. */
  readonly ticks: readonly string[];
}

/** What is drawn of every figure of a page. */
export async function drawnFigures(page: Page): Promise<readonly Drawn[]> {
  return await page.evaluate(`Array.from(
    document.querySelectorAll("figure[data-figure]"),
    (figure) => {
      const { width, height } = figure.querySelector(".main-svg")?.getBoundingClientRect() ??
        { width: 0, height: 0 };
      return {
        name: figure.dataset.figure,
        nSvgs: figure.querySelectorAll(".main-svg").length,
        nTraces: figure.querySelectorAll(".cartesianlayer :is(.trace, .hm)").length,
        width,
        height,
        ticks: Array.from(figure.querySelectorAll(".xtick text"))
          .map((tick) => ({ label: tick.textContent, x: tick.getBoundingClientRect().x }))
          .sort((a, b) => a.x - b.x)
          .map(({ label }) => label),
      };
    },
  )`);
}

/** The text of an element. */
export async function textOf(page: Page, selector: string): Promise<string> {
  return await page.evaluate(`document.querySelector(${JSON.stringify(selector)}).textContent`);
}
