import assert from "node:assert/strict";
import boot from "../src/boot.js" with { type: "text" };
import { readPlotly } from "../src/plotly.ts";
import { reportPage } from "../src/report.ts";
import { checkpointWith, summaryOf, syntheticSummary } from "./_summaries.ts";

const options = { plotly: "/* plotly */", generatedBy: "a test" };

// Appears: feature 0 at step 0, features 1 to 4 at step 9; feature 5 is dead.
const byHand = summaryOf([
  checkpointWith(0, [0.75, 0.25, 0.25, 0.25, NaN, NaN]),
  checkpointWith(9, [0.75, 0.75, 0.75, 0.75, 0.75, NaN]),
  checkpointWith(99, [1, 1, 1, 1, 1, NaN]),
]);

// The text between tags, as a reader sees it.
function words(page: string): string {
  return page.replace(/<(script|style)[\s\S]*?<\/\1>/g, "").replace(/<[^>]*>/g, " ").replace(
    /\s+/g,
    " ",
  );
}

Deno.test("reportPage() writes the same bytes for the same summary and options", async () => {
  assert.equal(
    await reportPage(syntheticSummary(), options),
    await reportPage(syntheticSummary(), options),
  );
});

Deno.test("reportPage() shows hostile text as text", async () => {
  const hostile =
    "</script></title><script>alert(1)</script><img src=x onerror=alert(2)>&\"'\u2028\0";
  const summary = summaryOf(byHand.checkpoints, { name: hostile, hook: hostile });
  const text = await reportPage(summary, { ...options, generatedBy: hostile });
  const plain = await reportPage(byHand, options);
  const tags = (page: string) => page.match(/<\/?[a-z][a-z0-9]*/gi);
  assert.deepEqual(tags(text), tags(plain));
  assert.doesNotMatch(text, /<img|<script>alert|\0/);
  const shown = "&lt;img src=x onerror=alert(2)&gt;&amp;&quot;&#39;\u2028\ufffd";
  assert.equal(text.split(shown).length - 1, 6); // title twice, h1, hook, generator, footer
});

Deno.test("reportPage() asks the network for nothing", async () => {
  const text = await reportPage(byHand, options);
  assert.doesNotMatch(text, /\b(?:src|href|action)="(?!data:)/);
  assert.doesNotMatch(text, /@import|url\(/);
  assert.doesNotMatch(text, /\sstyle="|\son[a-z]+="/);
});

Deno.test("reportPage() says what it found in numbers", async () => {
  const text = words(await reportPage(byHand, options));
  assert.match(text, /16\.7% → 83\.3% of the reference’s features have a match nearer than 0\.5/);
  assert.match(text, /from step 0 to step 9\./);
  assert.match(text, / 1 present throughout: /);
  assert.match(text, / 4 that appear for good at a checkpoint other than/);
  assert.match(text, / 1 dead: /);
});

Deno.test("reportPage() samples the features that appear, by a seed", async () => {
  const ids = (page: string) =>
    [
      ...page.split("Table of appearing features")[1].split("</table>")[0].matchAll(
        /<th scope="row">(\d+)</g,
      ),
    ].map(([, id]) => Number(id));
  const two = await reportPage(byHand, { ...options, nSampled: 2, seed: 1 });
  assert.equal(ids(two).length, 2);
  assert.match(
    words(two),
    /Features that appear at step 9: 4\. Shown are 2 of them, drawn with seed 1\./,
  );
  const ten = await reportPage(byHand, options);
  assert.deepEqual(ids(ten), [1, 2, 3, 4]);
  assert.match(
    words(ten),
    /appear at step 9: only 4 of the 10 that were asked for; all are shown\./,
  );
});

Deno.test("reportPage() shows the step that is asked for", async () => {
  const text = words(await reportPage(byHand, { ...options, appearingAt: 99 }));
  assert.match(text, /No feature appears at step 99\./);
  await assert.rejects(reportPage(byHand, { ...options, appearingAt: 5 }), {
    name: "RangeError",
    message: "Cannot find what appears at step 5: expected one of 0, 9, 99, got 5",
  });
});

Deno.test("reportPage() says so where nothing appears between", async () => {
  const { checkpoints: [first, , last] } = byHand;
  const text = words(await reportPage(summaryOf([first, last]), options));
  assert.match(text, /No feature appears for good at a checkpoint other than/);
});

Deno.test("reportPage() has a row for every checkpoint, with dashes for what is not there", async () => {
  const text = await reportPage(byHand, options);
  const table = text.split("Table of checkpoints")[1].split("</table>")[0];
  const rows = [...table.matchAll(/<tr class="[^"]*">([\s\S]*?)<\/tr>/g)].map(([, row]) =>
    [...row.matchAll(/<t[hd][^>]*>([^<]*)</g)].map(([, cell]) => cell)
  );
  // deno-fmt-ignore
  assert.deepEqual(rows[1], [
    "9", "0.0%", "83.3%", "83.3%", "83.3%", "83.3%", "1", "4", "0.750",
    "4.0", "9.00", "11.00", "0.750", "1", "1", "–", "–", "–",
  ]);
  assert.equal(rows.length, 3);
});

Deno.test("the boot script draws every figure and lays it out anew on another scale", async () => {
  const text = await reportPage(byHand, options);
  const json = [...text.matchAll(/<script type="application\/json">([\s\S]*?)<\/script>/g)];
  const heights = [...text.matchAll(/class="plot" id="[^"]+" data-height="(\d+)"/g)];
  const plots = heights.map(([, height], f) => ({ f, style: { height: "" }, dataset: { height } }));
  const figures = json.map(([, figure], f) => ({
    querySelector: (selector: string) => selector === ".plot" ? plots[f] : { textContent: figure },
  }));
  const calls: unknown[][] = [];
  let choose = (_: unknown) => {};
  const tokens = { tickvals: [0.5], ticktext: ["1B"], "title.text": "tokens" };
  const choice = {
    hidden: true,
    dataset: { tokens: JSON.stringify(tokens) },
    addEventListener: (_: string, listener: typeof choose) => choose = listener,
    querySelector: () => ({ value: "symlog" }),
  };
  const document = {
    querySelectorAll: () => figures,
    querySelector: () => choice,
    documentElement: { dataset: {} as Record<string, string> },
    dispatchEvent: ({ type }: Event) => events.push(type),
  };
  const events: string[] = [];
  const Plotly = {
    newPlot: ({ f }: typeof plots[number], data: unknown) => calls.push(["newPlot", f, data]),
    update: ({ f }: typeof plots[number], ...call: unknown[]) => calls.push(["update", f, ...call]),
  };
  const turns: (() => void)[] = [];
  const later = (turn: () => void) => turns.push(turn);
  const performance = { mark: (name: string) => events.push(name) };
  const outside = {
    document,
    Plotly,
    performance,
    setTimeout: later,
    requestAnimationFrame: later,
  };
  new Function(...Object.keys(outside), boot)(...Object.values(outside));

  assert.deepEqual(calls.map(([name, plot]) => [name, plot]), [["newPlot", 0]], "one at once");
  assert.deepEqual([document.documentElement.dataset.figures, events], ["waiting", []]);
  assert(plots.every(({ style: { height } }) => /^\d+px$/.test(height)), "places are kept");
  while (turns.length > 0) turns.shift()!();
  assert.deepEqual([document.documentElement.dataset.figures, events], ["drawn", [
    "figures-drawn",
    "figures-drawn",
  ]]);

  assert.equal(figures.length, 11);
  assert.deepEqual(
    calls.map(([name, plot]) => [name, plot]),
    figures.map((_, f) => ["newPlot", f]),
  );
  assert.equal(choice.hidden, false);
  calls.length = 0;
  choose({ target: { value: "even" } });
  const histogram = 5; // of similarities
  const [name, plot, traces, layout] = calls[histogram] as [string, number, object, object];
  assert.deepEqual([name, plot, traces], ["update", histogram, { x: [[-0.5, 0.5, 1.5]] }]);
  assert.deepEqual(layout, {
    "xaxis.range": [-0.5, 1.5],
    "xaxis.tickmode": "array",
    "xaxis.tickformat": "",
    "xaxis.tickvals": [0, 1],
    "xaxis.ticktext": ["0", "9"],
    "xaxis.title.text": "training step of the language model",
  });
  const nAll = calls.length;
  choose({ target: { value: "tokens" } });
  const [, , placed, ticks] = calls[nAll + histogram] as [string, number, object, object];
  assert.deepEqual(placed, { x: [[-0.5, 0.5, 1.5]] });
  assert.deepEqual(ticks, {
    "xaxis.range": [-0.5, 1.5],
    "xaxis.tickmode": "array",
    "xaxis.tickformat": "",
    "xaxis.tickvals": [0.5],
    "xaxis.ticktext": ["1B"],
    "xaxis.title.text": "tokens",
  });
});

Deno.test("readPlotly() has the library that the page relies on", async () => {
  const text = await readPlotly();
  assert.match(text.slice(0, 200), /plotly\.js \(cartesian - minified\) v4\.1\.1/);
  // How report.ts keeps it from adding style sheets.
  assert(text.includes('"plotly.js-style-"'));
  assert(text.includes(".no-inline-styles"));
  assert(text.includes("9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53"));
});
