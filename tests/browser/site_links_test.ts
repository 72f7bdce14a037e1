// Figures of the overview as ways into the site: what a mark counts is what the table then lists.

import assert from "node:assert/strict";
import { readPlotly } from "../../src/plotly.ts";
import {
  appearingCountsFigure,
  appearingFigure,
  birthsDeathsFigure,
  distanceMatrixFigure,
  type Figure,
  matchedFractionFigure,
  similarityHistogramFigure,
} from "../../src/figures.ts";
import { framesOf } from "../../src/frames.ts";
import { html, page as pageOf, scriptJson } from "../../src/html.ts";
import type { Page } from "../../src/browser.ts";
import { siteViews } from "../../src/site_markup.ts";
import { shard, siteTable } from "../../src/site_shards.ts";
import boot from "../../src/boot.js" with { type: "text" };
import links from "../../src/site_links.js" with { type: "text" };
import reportStyle from "../../src/report.css" with { type: "text" };
import siteStyle from "../../src/site.css" with { type: "text" };
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
import { goTo, hashOf, scripts, shown } from "./_site_pages.ts";

testThatSomethingRan();

let written: Promise<string> | undefined;

/** Writes a page of some figures of fixtures/tiny and of the views, and its table. */
async function writePage(): Promise<string> {
  const { summary } = await tiny();
  const steps = summary.checkpoints.map(({ step }) => step);
  const figures: readonly Figure[] = [
    distanceMatrixFigure(summary),
    similarityHistogramFigure(summary),
    matchedFractionFigure(summary),
    appearingCountsFigure(summary),
    appearingFigure(summary, 512, [3, 5, 8]),
    birthsDeathsFigure(steps, framesOf(summary)!.events),
  ];
  const text = await pageOf({
    title: "Figures",
    generator: "by hand",
    body: html`
      ${siteViews()}
      <main>
        <fieldset id="step-scale"><input type="radio" name="scale" value="symlog" checked></fieldset>
        ${figures.map(({ id, caption, data, layout, scales }) =>
          html`
            <figure data-figure="${id}">
              <figcaption>${caption}</figcaption>
              <div class="plot" id="${id}"></div>
              <script type="application/json">${scriptJson({ data, layout, scales })}</script>
            </figure>
          `
        )}
      </main>
      <div id="plotly.js-style-global" class="no-inline-styles" hidden></div>
      <div id="9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53" hidden></div>
    `,
    style: `${reportStyle}\n${siteStyle}`,
    // Before what draws the figures, so that a feature does not wait for them.
    scripts: [...scripts, links, await readPlotly(), boot],
    loadsScripts: true,
    styleAttributes: [
      "",
      [
        "optimizeSpeed",
        "-moz-crisp-edges",
        "-o-crisp-edges",
        "-webkit-optimize-contrast",
        "optimize-contrast",
        "crisp-edges",
        "pixelated",
      ].map((value) => `image-rendering: ${value}; `).join(""),
    ],
  });
  const folder = await temporaryFolder();
  await Deno.mkdir(`${folder}/data`);
  await Deno.writeTextFile(`${folder}/index.html`, text);
  const label = Array.from({ length: summary.nFeatures }, (_, f) => `feature ${f}`);
  const { nTokens } = summary.checkpoints[0].quality;
  const table = siteTable(summary, { label, detailed: [], distance: 0.5, nTokens });
  await Deno.writeTextFile(`${folder}/data/table.js`, shard("table", table));
  return `${folder}/index.html`;
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
