// What tests of the views share: a page of a synthetic site, and ways around in it.

import { html, page as pageOf } from "../../src/html.ts";
import type { Page } from "../../src/browser.ts";
import { siteViews } from "../../src/site_markup.ts";
import charts from "../../src/site_charts.js" with { type: "text" };
import core from "../../src/site_core.js" with { type: "text" };
import curves from "../../src/site_curves.js" with { type: "text" };
import feature from "../../src/site_feature.js" with { type: "text" };
import filter from "../../src/site_filter.js" with { type: "text" };
import table from "../../src/site_table.js" with { type: "text" };
import text from "../../src/site_text.js" with { type: "text" };
import reportStyle from "../../src/report.css" with { type: "text" };
import siteStyle from "../../src/site.css" with { type: "text" };
import { addressOf, temporaryFolder, until } from "./_pages.ts";
import { type SyntheticSite, syntheticSite } from "./_site_data.ts";

/** Scripts of the views, in the order in which they run. */
export const scripts: readonly string[] = [core, filter, table, curves, charts, text, feature];

/**
 * Writes a page with the views and a small overview, and its data beside it.
 *
 * @returns The path of the page.
 */
export async function writeSite(folder: string, { shards }: SyntheticSite): Promise<string> {
  const text = await pageOf({
    title: "A synthetic sweep",
    generator: "by hand",
    body: html`
      ${siteViews()}
      <header>
        <h1>A synthetic sweep</h1>
      </header>
      <main>
        <p><a href="#late">Down</a></p>
        <div class="plot" id="far"></div>
        <h2 id="late">Late</h2>
      </main>
    `,
    style: `${reportStyle}\n${siteStyle}\n#far { height: 3000px; }`,
    scripts,
    loadsScripts: true,
  });
  await Deno.mkdir(`${folder}/data`, { recursive: true });
  await Deno.writeTextFile(`${folder}/index.html`, text);
  for (const [name, script] of shards) {
    await Deno.writeTextFile(`${folder}/data/${name}.js`, script);
  }
  return `${folder}/index.html`;
}

/** The site that is opened if no other is named. */
export const site = syntheticSite({
  nFeatures: 600,
  nSteps: 12,
  detailed: [0, 1, 2, 3, 4, 5, 6, 7, 20],
  seed: 3,
});
let written: Promise<string> | undefined;

/** Opens an address of a site. */
export async function openSite(page: Page, hash: string, of: SyntheticSite = site): Promise<void> {
  if (of !== site) {
    return await page.goto(addressOf(await writeSite(await temporaryFolder(), of)) + hash);
  }
  written ??= temporaryFolder().then((folder) => writeSite(folder, site));
  await page.goto(addressOf(await written) + hash);
}

/** Waits until a view is there, and the feature in it. */
export const shown = (page: Page, what: string) =>
  until(page, `document.documentElement.dataset.shown === ${JSON.stringify(what)}`);
/** Where the reader is. */
export const hashOf = (page: Page) => page.evaluate<string>("location.hash");
/** Goes to an address of the same page. */
export const goTo = (page: Page, hash: string) =>
  page.evaluate(`{ location.hash = ${JSON.stringify(hash)}; }`);
/** Features in the rows of the table that are in the page, from the top. */
export const numbersInSight = (page: Page) =>
  page.evaluate<number[]>(`Array.from(document.querySelectorAll(".features-row:not([hidden])"))
    .sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex"))
    .map((row) => Number(row.querySelector("a").textContent))`);
