// The views of the site as a reader uses them: opened from the disk, in an installed browser.

import assert from "node:assert/strict";
import type { Page } from "../../src/browser.ts";
import {
  addressOf,
  assertQuiet,
  leaveAndComeBack,
  pageTest,
  temporaryFolder,
  testThatSomethingRan,
  textOf,
  until,
} from "./_pages.ts";
import { hostile, type SyntheticSite, syntheticSite, writeSite } from "./_site_data.ts";

testThatSomethingRan();

const site = syntheticSite({
  nFeatures: 600,
  nSteps: 12,
  detailed: [0, 1, 2, 3, 4, 5, 6, 7, 20],
  seed: 3,
});
const { table } = site;
let written: Promise<string> | undefined;

async function openSite(page: Page, hash: string, of: SyntheticSite = site): Promise<void> {
  if (of !== site) {
    return await page.goto(addressOf(await writeSite(await temporaryFolder(), of)) + hash);
  }
  written ??= temporaryFolder().then((folder) => writeSite(folder, site));
  await page.goto(addressOf(await written) + hash);
}

const shown = (page: Page, what: string) =>
  until(page, `document.documentElement.dataset.shown === ${JSON.stringify(what)}`);
const hashOf = (page: Page) => page.evaluate<string>("location.hash");
const goTo = (page: Page, hash: string) =>
  page.evaluate(`{ location.hash = ${JSON.stringify(hash)}; }`);
const numbersInSight = (page: Page) =>
  page.evaluate<number[]>(`Array.from(document.querySelectorAll(".features-row:not([hidden])"))
    .sort((a, b) => a.getAttribute("aria-rowindex") - b.getAttribute("aria-rowindex"))
    .map((row) => Number(row.querySelector("a").textContent))`);

/** Features that pass, by a definition that knows nothing of the page. */
function expected(passes: (feature: number) => boolean): number[] {
  return table.label.map((_, feature) => feature).filter(passes);
}

const within = (value: number | null, low: number, high: number) =>
  value !== null && value >= low && value <= high;
const at512 = table.steps.indexOf(512);

const filters: Readonly<Record<string, readonly [hash: string, passes: (f: number) => boolean]>> = {
  "nothing": ["", () => true],
  "a lifecycle": ["lifecycle=late", (f) => table.lifecycle[f] === "late"],
  "two lifecycles": [
    "lifecycle=from+the+start,dead",
    (f) => ["from the start", "dead"].includes(table.lifecycle[f]),
  ],
  "a class": ["class=mixed", (f) => table.tokenClass[f] === "mixed"],
  "steps of emergence": ["emergence=10..1000", (f) => within(table.emergence[f], 10, 1000)],
  "a similarity": ["similarity=0.6..", (f) => within(table.similarity[f], 0.6, 1)],
  "a similarity at a step": [
    "at=512&similarity=0.3..0.4",
    (f) => within(table.hundredths![f][at512], 30, 39),
  ],
  "the last bin at a step": [
    "at=512&similarity=0.9..1",
    (f) => within(table.hundredths![f][at512], 90, 100),
  ],
  "a rate": ["rate=0.1..1", (f) => within(100 * table.rate[f], 0.1, 1)],
  "a q": ["below=0.05", (f) => table.q[f] !== null && table.q[f]! < 0.05],
  "mutual": ["only=mutual", (f) => (table.mutual[f] ?? 0) > 0.5],
  "split and merged": ["only=split,merged", (f) => table.split[f] >= 2 && table.merged[f] >= 2],
  "detail": ["only=detailed", (f) => table.detailed.includes(f)],
  "a text": ["q=+the", (f) => table.label[f].includes(" the")],
  "a number": ["q=84", (f) => f === 84 || table.label[f].includes("84")],
  "all at once": [
    "q=a&lifecycle=late,middle&class=token&below=0.5",
    (f) =>
      /a/i.test(table.label[f]) && ["late", "middle"].includes(table.lifecycle[f]) &&
      table.tokenClass[f] === "token" && table.q[f]! < 0.5,
  ],
};

pageTest("the table counts what a filter lets through, and lists it", async (page) => {
  await openSite(page, "#/features");
  for (const [name, [hash, passes]] of Object.entries(filters)) {
    await goTo(page, `#/features${hash === "" ? "" : `?${hash}`}`);
    await until(
      page,
      `location.hash.endsWith(${JSON.stringify(hash)}) &&
      document.documentElement.dataset.shown === "features"`,
    );
    const features = expected(passes);
    assert.equal(await textOf(page, "#features-count"), `${features.length} of 600 features`, name);
    const inSight = await numbersInSight(page);
    assert.deepEqual(inSight, features.slice(0, inSight.length), name);
    assert(features.length < 600 || inSight.length < 60, "few rows are in the page");
    const nRows = await page.evaluate(
      "Number(document.querySelector('#features-grid').ariaRowCount)",
    );
    assert.equal(nRows, features.length + 1);
  }
  await assertQuiet(page);
});

pageTest("every column sorts the table both ways, features without a value last", async (page) => {
  await openSite(page, "#/features");
  const keys = await page.evaluate<string[]>(
    "Array.from(document.querySelectorAll('[data-sort]'), ({ dataset }) => dataset.sort)",
  );
  assert.equal(keys.length, 15);
  const values: Readonly<Record<string, readonly (number | string | null)[]>> = {
    emergence: table.emergence,
    q: table.q,
    rate: table.rate,
    label: table.label,
    lifecycle: table.lifecycle,
  };
  for (const key of keys) {
    for (const falls of [false, true]) {
      await goTo(page, `#/features?sort=${falls ? "-" : ""}${key}`);
      await until(
        page,
        `document.querySelector("[data-sort=${key}]").ariaSort ===
        "${falls ? "descending" : "ascending"}"`,
      );
      if (!(key in values)) continue;
      const of = (f: number) => values[key][f];
      const order = expected(() => true).toSorted((f, g) => {
        const [a, b] = [of(f), of(g)];
        if (a === b) return f - g;
        if (a === null) return 1;
        if (b === null) return -1;
        return (a < b ? -1 : 1) * (falls ? -1 : 1);
      });
      const inSight = await numbersInSight(page);
      assert.deepEqual(inSight, order.slice(0, inSight.length), `${key}, ${falls}`);
    }
  }
  await assertQuiet(page);
});

pageTest("controls write the address, and going back undoes them", async (page) => {
  await openSite(page, "#/features");
  await page.click('[name=lifecycle][value="late"]');
  await until(page, "location.hash === '#/features?lifecycle=late'");
  await page.click("[data-sort=similarity] button");
  await until(page, "location.hash === '#/features?sort=-similarity&lifecycle=late'");
  await shown(page, "features");
  await page.press("Escape");
  await page.evaluate("document.querySelector('#features-grid').focus()");
  await page.press("/");
  await page.type("the");
  await until(page, "location.hash === '#/features?q=the&sort=-similarity&lifecycle=late'");
  await shown(page, "features");
  const passes = (f: number) => table.label[f].includes("the") && table.lifecycle[f] === "late";
  const counted = `${expected(passes).length} of 600 features`;
  assert.equal(await textOf(page, "#features-count"), counted);
  await leaveAndComeBack(page);
  await shown(page, "features");
  assert.equal(await textOf(page, "#features-count"), counted);
  assert.equal(await page.evaluate("document.querySelector('#filter-text').value"), "the");
  assert(await page.evaluate(`document.querySelector('[name=lifecycle][value="late"]').checked`));
  await page.evaluate("history.back()");
  await until(page, "location.hash === '#/features?lifecycle=late'");
  await shown(page, "features");
  assert.equal(await page.evaluate("document.querySelector('#filter-text').value"), "");
  await page.click("#filter-reset");
  await until(page, "location.hash === '#/features'");
  await assertQuiet(page);
});

pageTest("a figure filters the table by an event or a call", async (page) => {
  await openSite(page, "");
  await page.evaluate(`document.dispatchEvent(new CustomEvent("sae:filter", {
    detail: { at: 512, similarity: [0.3, 0.4], lifecycle: ["late"], mutual: true },
  }))`);
  await until(page, "location.hash.startsWith('#/features')");
  assert.equal(
    await hashOf(page),
    "#/features?lifecycle=late&at=512&similarity=0.3..0.4&only=mutual",
  );
  await page.evaluate("site.applyFilter({ text: 'the' })");
  await until(page, "location.hash === '#/features?q=the'");
  await assertQuiet(page);
});

pageTest(
  "from the table to a feature, along its steps, to the next and back, by keys",
  async (page) => {
    await openSite(page, "#/features?lifecycle=late&sort=-similarity");
    await shown(page, "features");
    const order = await numbersInSight(page);
    await page.press("ArrowDown");
    await page.press("ArrowDown");
    await page.press("ArrowUp");
    await page.press("Enter");
    await shown(page, `feature ${order[1]}`);
    assert.equal(await textOf(page, "#feature-title"), `Feature ${order[1]} late`);
    assert.match(await textOf(page, "#feature-place"), /^2 of \d+ in the table$/);
    assert.match(await textOf(page, "#feature-undetailed"), /deno task features --features \d+/);

    await page.evaluate("document.querySelector('#scrub').focus()");
    await page.press("ArrowLeft");
    await until(page, `location.hash === '#/feature/${order[1]}?step=${table.steps.at(-2)}'`);
    assert.equal(Number((await textOf(page, "#scrub-step")).replace(",", "")), table.steps.at(-2));

    await page.evaluate("document.querySelector('#feature-title').focus()");
    await page.press("ArrowRight");
    await shown(page, `feature ${order[2]}`);
    assert.equal(await hashOf(page), `#/feature/${order[2]}?step=${table.steps.at(-2)}`);
    await page.click("#feature-previous");
    await shown(page, `feature ${order[1]}`);
    await page.press("Escape");
    await shown(page, "features");
    assert.equal(await hashOf(page), "#/features?lifecycle=late&sort=-similarity");
    const active = "document.querySelector('.features-row[aria-selected=true] a').textContent";
    assert.equal(await page.evaluate(active), String(order[1]));
    await page.press("Escape");
    await shown(page, "overview");
    await assertQuiet(page);
  },
);

pageTest("every checkpoint of a feature is drawn from its own numbers", async (page) => {
  const feature = 20;
  const [{ similarity, max }] = site.paths;
  const { contexts, ego, ranks } = site.features.find((of) => of.feature === feature)!;
  await openSite(page, `#/feature/${feature}`);
  await shown(page, `feature ${feature}`);
  for (const [c, step] of table.steps.entries()) {
    await page.evaluate(`{
      const scrub = document.querySelector("#scrub");
      scrub.value = ${c};
      scrub.dispatchEvent(new Event("input"));
    }`);
    const told = await textOf(page, "#scrub-values");
    const value = similarity[feature][c];
    assert.match(
      told,
      value === null ? /^no match$/ : new RegExp(`similarity ${value.toFixed(2)}`),
    );
    const levels = await page.evaluate<number[]>(`Array.from(
      document.querySelectorAll(".contexts li:first-child")[0].querySelectorAll("p bdi"),
      ({ className }) => Number(className.match(/heat-(\\d)/)?.[1] ?? 0))`);
    const expectedLevels = contexts[0].activations[c]?.map((a) =>
      a > 0 ? Math.min(9, Math.ceil(9 * a / max[feature][c]!)) : 0
    );
    assert.deepEqual(levels, expectedLevels ?? contexts[0].tokens.map(() => 0), `step ${step}`);
    const marked = await page.evaluate(`document.querySelector(".kwic th.is-now").textContent`);
    assert.equal(Number((marked as string).replace(",", "")), step);
  }
  const n = (selector: string) => page.evaluate(`document.querySelectorAll("${selector}").length`);
  assert.equal(await n(".small-chart"), 9);
  assert.equal(await n(".kwic tbody tr"), 12);
  await page.click(".more");
  assert.equal(await n(".kwic tbody tr"), contexts.length);
  assert.equal(await n(".ribbon"), ego.links.length);
  assert.equal(await n(".node"), ego.features.flat().length);
  assert.equal(await n(".rank"), ranks.tokens.length);
  assert.equal(await n(".ridge"), table.steps.length);
  await assertQuiet(page);
});

pageTest("one vertical line runs through all curves, and a click stays there", async (page) => {
  await openSite(page, "#/feature/20");
  await shown(page, "feature 20");
  const act = (type: string) =>
    page.evaluate(`{
      const svg = document.querySelector(".small-chart svg");
      const x = Number(svg.querySelectorAll(".dot")[3].getAttribute("cx"));
      const clientX = svg.getBoundingClientRect().left + x + 1;
      svg.dispatchEvent(new PointerEvent("${type}", { clientX, bubbles: true }));
    }`);
  await act("pointermove");
  const lines = await page.evaluate<string[]>(
    `Array.from(document.querySelectorAll(".is-hovered .hover"), (l) => l.getAttribute("x1"))`,
  );
  assert.equal(lines.length, 9);
  assert.equal(new Set(lines).size, 1);
  await act("click");
  await until(page, `location.hash.startsWith("#/feature/20?step=")`);
  await assertQuiet(page);
});

pageTest(
  "who leaves a feature or a search while it is still moving is not called back",
  async (page) => {
    await openSite(page, "#/feature/20");
    await shown(page, "feature 20");
    await page.evaluate("document.querySelector('#scrub').focus()");
    await page.press("ArrowLeft");
    await page.press("Escape");
    await shown(page, "features");
    await page.press("/");
    await page.type("th");
    await goTo(page, "#/");
    await new Promise((resolve) => setTimeout(resolve, 400));
    assert.equal(await hashOf(page), "#/");
    await shown(page, "overview");
    await assertQuiet(page);
  },
);

/** What the page makes of a text: signs for what cannot be seen, and nothing else is changed. */
function visible(text: string): string {
  return text.toWellFormed().replaceAll("\0", "␀").replaceAll("\r", "␍").replaceAll("\t", "⇥")
    .replace(/[\n\u2028]/g, "↵");
}

pageTest("hostile text is shown as it is, wherever a token stands", async (page) => {
  await openSite(page, "#/features");
  await shown(page, "features");
  const labels = await page.evaluate<string[]>(
    `Array.from(document.querySelectorAll(".features-row .cell-label bdi"), (e) => e.textContent)`,
  );
  for (const text of hostile) assert(labels.includes(visible(text)), JSON.stringify(text));
  for (const feature of [0, 1, 2, 3, 4, 5, 6, 7]) {
    await goTo(page, `#/feature/${feature}`);
    await shown(page, `feature ${feature}`);
    const { contexts, ranks, logits } = site.features[feature];
    const texts = (selector: string) =>
      page.evaluate<string[]>(`Array.from(document.querySelectorAll(${JSON.stringify(selector)}),
        (e) => e.textContent)`);
    assert.equal(await textOf(page, "#feature-label bdi"), visible(hostile[feature]));
    assert.deepEqual(
      await texts(".contexts bdi"),
      contexts.flatMap(({ tokens }) => tokens).map(visible),
    );
    assert.deepEqual(
      new Set(await texts(".rank-label bdi")),
      new Set(ranks.tokens.map(visible)),
    );
    assert.deepEqual(
      await texts(".logits.raised bdi"),
      logits.at(-1)!.promoted.map(({ token }) => visible(token)),
    );
    const isolated = await page.evaluate<string[]>(`Array.from(document.querySelectorAll("bdi"),
      (e) => getComputedStyle(e).unicodeBidi)`);
    assert.deepEqual(new Set(isolated), new Set(["isolate"]));
  }
  assert.equal(await page.evaluate("document.querySelectorAll('img').length"), 0);
  await assertQuiet(page);
});

pageTest(
  "anchors of the overview work, and the overview is found again where it was left",
  async (page) => {
    await openSite(page, "");
    await page.click('a[href="#late"]');
    await until(page, "scrollY > 1500");
    const top = await page.evaluate("scrollY");
    await goTo(page, "#/features");
    await shown(page, "features");
    assert.equal(
      await page.evaluate("document.querySelector('header').checkVisibility()"),
      false,
    );
    await page.evaluate("history.back()");
    await shown(page, "overview");
    await until(page, `Math.abs(scrollY - ${top}) < 2`);
    assert.equal(await page.evaluate("document.title"), "A synthetic sweep");
    await assertQuiet(page);
  },
);

pageTest(
  "an address of no feature, and a shard that is missing, are told in a sentence",
  async (page) => {
    const poor = { ...site, shards: new Map(site.shards) };
    poor.shards.delete("paths-1");
    await openSite(page, "#/feature/900", poor);
    await until(page, "!document.querySelector('#site-fault').hidden");
    assert.equal(
      await textOf(page, "#site-fault"),
      'Cannot show this feature: expected a number from 0 to 599 in the address, got "#/feature/900"',
    );
    await assertQuiet(page);
    await goTo(page, "#/feature/200");
    await until(page, "document.querySelector('#site-fault').textContent.includes('paths-1')");
    assert.match(await textOf(page, "#site-fault"), /^Cannot load data\/paths-1\.js: expected /);
    await goTo(page, "#/feature/20");
    await shown(page, "feature 20");
    assert(await page.evaluate("document.querySelector('#site-fault').hidden"));
  },
);

const looks = {
  "in a window": {},
  "on a telephone": { width: 400, height: 800, mobile: true },
  "on a telephone in the dark": { width: 400, height: 800, mobile: true, dark: true },
  "on paper": { width: 794, height: 1123, print: true },
};

for (const [where, view] of Object.entries(looks)) {
  pageTest(`the views fit ${where}`, async (page) => {
    await page.emulate(view);
    for (const hash of ["#/feature/20?step=512", "#/feature/21", "#/features"]) {
      await openSite(page, hash);
      await until(page, "document.documentElement.dataset.shown !== undefined");
      const { scrollWidth, innerWidth } = await page.evaluate<Readonly<Record<string, number>>>(
        "({ scrollWidth: document.documentElement.scrollWidth, innerWidth })",
      );
      assert(scrollWidth <= innerWidth, `${hash}: ${scrollWidth} > ${innerWidth}`);
    }
    await assertQuiet(page);
  });
}
