// The table of features, and the ways between the views, as a reader uses them: opened from the disk, in
// an installed browser.

import assert from "node:assert/strict";
import {
  assertQuiet,
  leaveAndComeBack,
  pageTest,
  testThatSomethingRan,
  textOf,
  until,
} from "./_pages.ts";
import { syntheticSite } from "./_site_data.ts";
import { goTo, hashOf, numbersInSight, openSite, shown, site } from "./_site_pages.ts";

testThatSomethingRan();

const { table } = site;

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
  "where it appears": ["appears=512", (f) => table.appearsAt[f] === 512],
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

pageTest("what is typed before the table follows an earlier letter is kept", async (page) => {
  await openSite(page, "#/features");
  await page.evaluate(`{
    location.hash = "#/features?q=t";
    const field = document.querySelector("#filter-text");
    field.value = "the";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }`);
  await until(page, "location.hash === '#/features?q=the'");
  await shown(page, "features");
  assert.equal(await page.evaluate("document.querySelector('#filter-text').value"), "the");
  await page.evaluate("history.back()");
  await until(page, "location.hash === '#/features'");
  await shown(page, "features");
  assert.equal(await page.evaluate("document.querySelector('#filter-text').value"), "");
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

pageTest("six shards of paths are kept, those that were used last", async (page) => {
  const many = syntheticSite({ nFeatures: 80, nSteps: 5, detailed: [], seed: 1, perShard: 10 });
  await openSite(page, "#/features", many);
  await shown(page, "features");
  await page.evaluate(`{
    window.loaded = [];
    new MutationObserver((changes) => changes.forEach(({ addedNodes }) =>
      addedNodes.forEach(({ src }) => window.loaded.push(src.match(/paths-\\d/)[0]))))
      .observe(document.head, { childList: true });
  }`);
  for (const feature of [1, 11, 21, 31, 41, 51, 2, 61, 3, 12]) {
    await goTo(page, `#/feature/${feature}`);
    await shown(page, `feature ${feature}`);
  }
  const loaded = [0, 1, 2, 3, 4, 5, 6, 1].map((k) => `paths-${k}`);
  assert.deepEqual(await page.evaluate("window.loaded"), loaded);
  await assertQuiet(page);
});
