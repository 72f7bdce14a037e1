// The report of fixtures/tiny as a reader sees it: opened from the disk, in an installed browser.

import assert from "node:assert/strict";
import type { Page } from "../../src/browser.ts";
import { writeReport } from "../../src/write_report.ts";
import {
  addressOf,
  assertNoOverflow,
  assertQuiet,
  drawnFigures,
  leaveAndComeBack,
  openDrawn,
  pageTest,
  temporaryFolder,
  testThatSomethingRan,
  textOf,
  tiny,
  until,
} from "./_pages.ts";

testThatSomethingRan();

let written: Promise<string> | undefined;

async function openReport(page: Page): Promise<void> {
  written ??= tiny().then(({ summary, out }) => writeReport(summary, out));
  await openDrawn(page, addressOf(await written));
}

pageTest("the report draws every figure, and complains of nothing", async (page) => {
  await openReport(page);
  const figures = await drawnFigures(page);
  const names = new Set(figures.map(({ name }) => name.replace(/-\d+$/, "")));
  assert.equal(names.size, figures.length);
  for (const name of ["matched-fraction", "chance", "distance-matrix", "appearing", "losses"]) {
    assert(names.has(name), name);
  }
  for (const { name, nSvgs, nTraces, width, height, ticks } of figures) {
    assert(nSvgs > 0 && nTraces > 0, `${name}: ${nSvgs} drawings, ${nTraces} traces`);
    assert(width === 1032 && height >= 300, `${name} is ${width} × ${height}`);
    assert(ticks.length >= 3, `${name} has ticks ${ticks}`);
  }
  await assertQuiet(page);
});

pageTest(
  "the report lays its figures out anew on another scale, by mouse and by keyboard",
  async (page) => {
    await openReport(page);
    const ticks = async () => (await drawnFigures(page)).map(({ ticks }) => ticks.join(" "));
    const decades = "0 1 10 100 1k";
    const first = await ticks();
    const isOfSteps = first.map((labels) => labels === decades);
    const nOfSteps = isOfSteps.filter((is) => is).length;
    assert(nOfSteps >= 8, `${first.join("; ")}`);
    // Labels of the figures of steps; the other ones have not changed.
    const ofSteps = async () => {
      const now = await ticks();
      isOfSteps.forEach((is, f) => is || assert.equal(now[f], first[f]));
      return now.filter((_, f) => isOfSteps[f]);
    };

    const count = (label: string) =>
      `Array.from(document.querySelectorAll(".xtick text"))
        .filter(({ textContent }) => textContent === "${label}").length`;
    await page.click('#step-scale input[value="even"]');
    await until(page, `${count("64")} === ${nOfSteps}`);
    const evenly = "0 1 4 16 64 128 256 512 1k 2k"; // with the reference or without
    assert.deepEqual(new Set(await ofSteps()), new Set([evenly, `${evenly} 4k`]));

    await page.press("ArrowDown");
    await until(page, `${count("2k")} === ${nOfSteps} && ${count("64")} === 0`);
    assert.equal(await page.evaluate("document.querySelector(':checked').value"), "linear");
    for (const label of await ofSteps()) assert.match(label, /^0 (500 )?1k (1\.5k )?2k /);

    await page.click('#step-scale label:has([value="symlog"])');
    await until(page, `${count("100")} === ${nOfSteps}`);
    assert.deepEqual(await ticks(), first);
    await assertQuiet(page);
  },
);

pageTest("the report keeps the scale that the browser restores", async (page) => {
  await openReport(page);
  await page.click('#step-scale input[value="even"]');
  await leaveAndComeBack(page);
  await until(page, "document.documentElement.dataset.figures === 'drawn'");
  const chosen = await page.evaluate("document.querySelector(':checked').value");
  const { ticks } = (await drawnFigures(page)).find(({ name }) => name === "matched-fraction")!;
  assert.deepEqual([chosen, ticks[2]], ["even", "4"]);
  await assertQuiet(page);
});

const views = {
  "in a window": {},
  "in the dark": { dark: true },
  "on a telephone": { width: 400, height: 800, mobile: true },
  "on a telephone in the dark": { width: 400, height: 800, mobile: true, dark: true },
  "in a narrow window": { width: 400, height: 600 },
  "on a wide screen": { width: 2560, height: 1440 },
  "on paper": { width: 794, height: 1123, print: true },
};

for (const [where, view] of Object.entries(views)) {
  pageTest(`the report fits ${where}, figures and all`, async (page) => {
    await page.emulate(view);
    await openReport(page);
    await assertNoOverflow(page);
    const inner = await page.evaluate<number>("document.querySelector('main h2').clientWidth");
    for (const { name, width } of await drawnFigures(page)) {
      assert(Math.abs(width - inner) < 1, `${name} is ${width} wide, of ${inner}`);
    }
    await assertQuiet(page);
  });
}

pageTest("the report follows the window when it is made narrow", async (page) => {
  await openReport(page);
  await page.emulate({ width: 400, height: 800 });
  await until(page, "document.querySelector('#losses .main-svg').clientWidth <= 368");
  await assertNoOverflow(page);
  await page.emulate({});
  await until(page, "document.querySelector('#losses .main-svg').clientWidth === 1032");
  await assertQuiet(page);
});

pageTest("the report is dark in the dark, and white on paper even then", async (page) => {
  await openReport(page);
  const colours = () =>
    page.evaluate(`(({ backgroundColor, color }) => [backgroundColor, color])(
      getComputedStyle(document.body))`);
  const light = await colours();
  await page.emulate({ dark: true });
  assert.deepEqual(await colours(), ["rgb(21, 24, 27)", "rgb(228, 231, 234)"]);
  assert.notDeepEqual(await colours(), light);
  await page.emulate({ dark: true, print: true });
  assert.deepEqual(await colours(), ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]);
});

pageTest("the report on paper has its figures and none of its buttons", async (page) => {
  await openReport(page);
  await page.emulate({ width: 794, height: 1123, print: true });
  const shown = (selector: string) =>
    page.evaluate(`Array.from(document.querySelectorAll(${JSON.stringify(selector)}))
      .filter((element) => element.checkVisibility()).length`);
  assert.equal(await shown("#step-scale, .modebar"), 0);
  const figures = await drawnFigures(page);
  assert.equal(await shown("figure .main-svg:first-child"), figures.length);
});

const hostile: Readonly<Record<string, string>> = {
  "a script": "<script>alert(1)</script>",
  "an end of a script and of the title": "</script></title><img src=x onerror=alert(2)>",
  "an ampersand, quotes and an entity": `a && b "c" 'd' &lt;e&gt;`,
  "a comment": "<!--<script>",
  "text from right to left": "א\u202eב \u2067ג\u2069",
  "a NUL": "a\0b",
  "emoji and a lone half": "👩‍🔬 \ud800",
};

for (const [what, name] of Object.entries(hostile)) {
  pageTest(`the report shows a sweep named with ${what} as it is`, async (page) => {
    const folder = await temporaryFolder();
    const { summary } = await tiny();
    await openDrawn(page, addressOf(await writeReport({ ...summary, name, hook: name }, folder)));
    // HTML has no NUL, and UTF-8 no half of a character.
    const expected = name.replaceAll("\0", "\ufffd").toWellFormed();
    assert.equal(await textOf(page, "h1"), expected);
    assert.equal(
      await textOf(page, "title"),
      `${expected}: SAE features of ${expected} through training`,
    );
    assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 0);
    for (const { name, nTraces } of await drawnFigures(page)) assert(nTraces > 0, name);
    await assertQuiet(page);
  });
}
