// Figures of the overview as ways into the site: what a mark counts is what the table then lists.

import assert from "node:assert/strict";
import type { Page } from "../../src/browser.ts";
import { shard, siteTable } from "../../src/site_shards.ts";
import { writeReport } from "../../src/write_report.ts";
import {
  addressOf,
  assertQuiet,
  pageTest,
  temporaryFolder,
  testThatSomethingRan,
  textOf,
  tiny,
  until,
} from "./_pages.ts";
import { goTo, hashOf, shown } from "./_site_pages.ts";

testThatSomethingRan();

let written: Promise<string> | undefined;

/** Writes the report of fixtures/tiny with its views, and the table of its features. */
async function writePage(): Promise<string> {
  const { summary } = await tiny();
  const folder = await temporaryFolder();
  const label = Array.from({ length: summary.nFeatures }, (_, f) => `feature ${f}`);
  const { nTokens } = summary.checkpoints[0].quality;
  const table = siteTable(summary, { label, detailed: [], distance: 0.5, nTokens });
  await Deno.mkdir(`${folder}/report/data`, { recursive: true });
  await Deno.writeTextFile(`${folder}/report/data/table.js`, shard("table", table));
  return await writeReport(summary, folder, { hasSite: true, appearingAt: 512 });
}

async function openFigures(page: Page): Promise<void> {
  written ??= writePage();
  await page.goto(addressOf(await written));
  await shown(page, "overview");
  await until(page, "document.querySelectorAll('.plot.is-linked').length === 6");
}

/** Clicks as plotly.js does once the mouse is over a mark: one of a line, or one at values of the axes. */
async function clickMark(
  page: Page,
  id: string,
  mark: { readonly curve: number; readonly point: number } | {
    readonly x: number;
    readonly y: number;
  },
): Promise<void> {
  const hovered = "x" in mark
    ? `{ xval: ${mark.x}, yval: ${mark.y} }`
    : `[{ curveNumber: ${mark.curve}, pointNumber: ${mark.point} }]`;
  await page.evaluate(`new Promise((done, fail) => {
    const plot = document.getElementById("${id}");
    plot._hoverdata = undefined;
    // What comes too soon after a hover waits for its turn.
    setTimeout(() => Plotly.Fx.hover(plot, ${hovered}, "xy"), 60);
    setTimeout(() => {
      if (plot._hoverdata === undefined) return fail(new Error("nothing there"));
      plot.emit("plotly_click", { points: plot._hoverdata });
      done();
    }, 160);
  })`);
}

/** Where a figure draws bars: their middles. */
function bars(page: Page, id: string, curve = 0): Promise<{ x: number; y: number }[]> {
  return page.evaluate(`(({ x, y }) => y.map((height, k) => ({ x: x[k], y: height / 2 })))(
    document.getElementById("${id}").data[${curve}])`);
}

/** The number of features that the table lists. */
async function counted(page: Page): Promise<number> {
  await shown(page, "features");
  return Number(/^[\d,]+/.exec(await textOf(page, "#features-count"))![0].replaceAll(",", ""));
}

async function backToFigures(page: Page): Promise<void> {
  await goTo(page, "#/");
  await shown(page, "overview");
}

pageTest("a bar of features that appear lists as many as it is high", async (page) => {
  const { summary } = await tiny();
  await openFigures(page);
  const places = await bars(page, "appearing-counts");
  const heights = places.map(({ y }) => 2 * y);
  assert.equal(heights.length, summary.checkpoints.length);
  const busy = heights.flatMap((n, c) => n > 0 ? [c] : []);
  assert(busy.length >= 2, `${heights}`);
  for (const c of busy) {
    await clickMark(page, "appearing-counts", places[c]);
    await until(page, `location.hash === "#/features?appears=${summary.checkpoints[c].step}"`);
    assert.equal(await counted(page), heights[c]);
    await backToFigures(page);
  }
  await assertQuiet(page);
});

pageTest("a point of the matched fraction lists as many as it counts", async (page) => {
  await openFigures(page);
  const lines = await page.evaluate<{ name: string; customdata: [number, number][] }[]>(
    `document.getElementById("matched-fraction").data.map(({ name, customdata }) =>
      ({ name, customdata }))`,
  );
  const isChance = ({ name }: { name: string }) => name.endsWith("chance");
  assert(lines.some(isChance));
  const curve = lines.findIndex(({ name }) => name === "distance < 0.5");
  for (const [c, [step, n]] of lines[curve].customdata.entries()) {
    await clickMark(page, "matched-fraction", { curve, point: c });
    await until(page, `location.hash === "#/features?at=${step}&similarity=0.5.."`);
    assert.equal(await counted(page), n, `step ${step}`);
    await backToFigures(page);
  }
  await clickMark(page, "matched-fraction", { curve: lines.findIndex(isChance), point: 0 });
  assert.equal(await hashOf(page), "#/");
  await assertQuiet(page);
});

pageTest("a cell of similarities lists its features, and those beside them", async (page) => {
  await openFigures(page);
  const cells = await page.evaluate<[number, string, number][][]>(
    `document.getElementById("similarity-histogram").data[0].customdata
      .map((row) => row.map(([step, bin, n]) => [step, bin, n]))`,
  );
  const x = await page.evaluate<number[]>(
    `Array.from(document.getElementById("similarity-histogram").data[0].x)`,
  );
  let nClicked = 0;
  for (const [row, cellsOfRow] of cells.entries()) {
    const column = cellsOfRow.findIndex(([, , n]) => n > 0);
    if (column < 0 || row % 6 > 0) continue;
    const [step, bin, n] = cellsOfRow[column];
    const place = { x: (x[column] + x[column + 1]) / 2, y: (row + 0.5) / cells.length };
    await clickMark(page, "similarity-histogram", place);
    const found = await counted(page);
    const hash = await hashOf(page);
    const [at, low, high] = /\?at=(\d+)&similarity=([\d.]+)\.\.([\d.]+)$/.exec(hash)!.slice(1)
      .map(Number);
    const [from, to] = bin.split(" to ").map(Number);
    assert.equal(at, step);
    assert(low <= from + 1e-3 && from - low < 0.011, `${hash} of ${bin}`);
    assert(high >= to - 1e-3 && high - to < 0.011, `${hash} of ${bin}`);
    assert(found >= n, `${found} of ${n} in ${bin}`);
    nClicked++;
    await backToFigures(page);
  }
  assert(nClicked >= 3, `${nClicked}`);
  await assertQuiet(page);
});

pageTest("a row of distances leads to its feature, by a real click", async (page) => {
  await openFigures(page);
  for (const id of ["distance-matrix", "appearing-512"]) {
    await page.click(`[id="${id}"] .nsewdrag`);
    await until(page, "location.hash.startsWith('#/feature/')");
    assert.match(await hashOf(page), /^#\/feature\/\d+\?step=\d+$/);
    await backToFigures(page);
  }
});

pageTest("births list what emerges in their time, and deaths nothing", async (page) => {
  const { summary } = await tiny();
  const steps = summary.checkpoints.map(({ step }) => step);
  await openFigures(page);
  const names = await page.evaluate<string[]>(
    `document.getElementById("births-deaths").data.map(({ name }) => name)`,
  );
  const tallest = async (name: string) => {
    const all = (await bars(page, "births-deaths", names.indexOf(name)))
      .map((bar, k) => ({ ...bar, k }));
    return all.reduce((best, bar) => Math.abs(bar.y) > Math.abs(best.y) ? bar : best);
  };
  const died = await tallest("die");
  await clickMark(page, "births-deaths", { x: died.x, y: died.y });
  assert.equal(await hashOf(page), "");
  const born = await tallest("born");
  assert(born.y > 0 && died.y < 0);
  await clickMark(page, "births-deaths", { x: born.x, y: born.y });
  await until(
    page,
    `location.hash === "#/features?emergence=${steps[born.k - 1]}..${steps[born.k]}"`,
  );
  await counted(page);
  await assertQuiet(page);
});
