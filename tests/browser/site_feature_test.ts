// The page of a feature as a reader uses it: opened from the disk, in an installed browser.

import assert from "node:assert/strict";
import { assertQuiet, pageTest, testThatSomethingRan, textOf, until } from "./_pages.ts";
import { hostile } from "./_site_data.ts";
import { goTo, openSite, shown, site } from "./_site_pages.ts";

testThatSomethingRan();

const { table } = site;

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

pageTest("a token tells its activation to whoever points at it", async (page) => {
  await openSite(page, "#/feature/20");
  await shown(page, "feature 20");
  const { contexts: [{ activations, centre }] } = site.features.find((of) => of.feature === 20)!;
  const value = activations[table.reference]![centre];
  const token = ".contexts li:first-child .is-centre";
  // Scrolling hides what was told, so it has to be over.
  await page.evaluate(`new Promise((done) => {
    document.querySelector("${token}").scrollIntoView({ block: "center", inline: "center" });
    setTimeout(done, 100);
  })`);
  await page.click(token);
  const told = await page.evaluate<readonly [boolean, string]>(
    `(({ hidden, textContent }) => [hidden, textContent])(document.querySelector("#site-tip"))`,
  );
  assert.equal(told[0], false);
  assert(told[1].startsWith(`${Number(value.toPrecision(3))} at step 143,000, `), told[1]);
  await assertQuiet(page);
});

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

pageTest("a feature of which little is known shows that little", async (page) => {
  const [{ feature }] = site.features;
  const each = <T>(value: T) => table.steps.map(() => value);
  const bare = {
    ...site.features[0],
    contexts: [],
    density: { edges: [], counts: each([]) },
    logits: each(null),
    ranks: { tokens: [], ranks: each([]) },
    ego: { features: each([]), links: [] },
    correlated: [],
    neurons: [],
  };
  const script = `sae("feature-${feature}", ${JSON.stringify(bare)});`;
  const shards = new Map(site.shards).set(`feature-${feature}`, script);
  await openSite(page, `#/feature/${feature}`, { ...site, shards });
  await shown(page, `feature ${feature}`);
  const titles = await page.evaluate<string[]>(`Array.from(document.querySelectorAll(".part h2"))
    .filter((title) => title.checkVisibility()).map(({ textContent }) => textContent)`);
  assert.deepEqual(titles, [
    "Its match through training",
    "Fires together with",
    "Dimensions it uses",
    "Features of like trajectory",
  ]);
  const dead = table.lifecycle.indexOf("dead");
  await goTo(page, `#/feature/${dead}`);
  await shown(page, `feature ${dead}`);
  assert.equal(await textOf(page, "[data-part=paths]"), "It has no match at any checkpoint.");
  await assertQuiet(page);
});

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
