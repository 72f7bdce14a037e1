// The marks of an audit on a report's figures, in an installed browser.

import assert from "node:assert/strict";
import { stepAxis, type StepScale, stepScales } from "../../src/axes.ts";
import { writeReport } from "../../src/write_report.ts";
import { steps, syntheticSummary } from "../_summaries.ts";
import {
  addressOf,
  assertQuiet,
  openDrawn,
  pageTest,
  temporaryFolder,
  testThatSomethingRan,
} from "./_pages.ts";

testThatSomethingRan();

const marked = [512, 95000];

pageTest("a mark stays above its checkpoint on every scale of steps", async (page) => {
  const about = {
    kind: "final early",
    severity: "error",
    parts: [],
    sentence: "A sentence",
  } as const;
  const report = await writeReport(syntheticSummary(), await temporaryFolder(), {
    audit: {
      findings: [{ ...about, steps: marked }],
      info: { format: 1, fingerprint: "f", looked_at: "tensors", steps },
    },
  });
  await openDrawn(page, addressOf(report));
  const ofScale = async (scale: StepScale) => {
    await page.click(`#step-scale input[value="${scale}"]`);
    // Of every figure with marks: where they are, and how many triangles and lines are drawn.
    return await page.evaluate<[number[], number, number][]>(`
      Array.from(document.querySelectorAll(".plot"), (plot) => {
        const at = plot.data.findIndex(({ name }) => name === "audit");
        if (at < 0) return [];
        const count = (selector) => plot.querySelectorAll(".xy99 " + selector).length;
        return [[plot.data[at].x, count(".points path"), count(".yerror path, path.yerror")]];
      }).flat()
    `);
  };
  for (const scale of stepScales) {
    const { points } = stepAxis(steps, scale);
    const places = marked.map((step) => points[steps.indexOf(step)]);
    const figures = await ofScale(scale);
    assert(figures.length >= 8);
    for (const [x, nTriangles, nLines] of figures) {
      assert.deepEqual([x, nTriangles, nLines], [places, 2, 2], scale);
    }
  }
  await assertQuiet(page);
});
