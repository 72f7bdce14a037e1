import assert from "node:assert/strict";
import type { Finding } from "../src/audit_findings.ts";
import { auditMarks, markSteps } from "../src/audit_report.ts";
import type { Audit } from "../src/audit_table.ts";
import { stepAxis, stepScales } from "../src/axes.ts";
import {
  appearingCountsFigure,
  cosineMapFigure,
  distanceMatrixFigure,
  type Figure,
  lifecycleFlowFigure,
  lossFigure,
  similarityHistogramFigure,
} from "../src/figures.ts";
import { reportPage } from "../src/report.ts";
import { steps, syntheticSummary } from "./_summaries.ts";

const hostile = "step 5 </script><img src=x onerror=alert(1)> has tensors that most lack";
const findings: Finding[] = [
  { kind: "final early", severity: "error", steps: [128, 512], parts: [], sentence: "A sentence" },
  { kind: "tensors", severity: "error", steps: [512], parts: ["<img>"], sentence: hostile },
  { kind: "discontinuous", severity: "warning", steps: [5], parts: [], sentence: "Elsewhere" },
];
const audit: Audit = {
  findings,
  info: { format: 1, fingerprint: "f", looked_at: "tensors", steps },
};
const options = { plotly: "/* plotly */", generatedBy: "a test" };

// deno-lint-ignore no-explicit-any
const read = (figure: Figure): any => JSON.parse(JSON.stringify(figure));

const figures: Readonly<Record<string, (summary: ReturnType<typeof syntheticSummary>) => Figure>> =
  {
    appearingCountsFigure,
    distanceMatrixFigure,
    lifecycleFlowFigure,
    lossFigure,
    similarityHistogramFigure,
  };

Deno.test("auditMarks() says at every step what was found there", () => {
  assert.deepEqual(auditMarks(audit), [
    { step: 5, text: "discontinuous" },
    { step: 128, text: "final early" },
    { step: 512, text: "final early, tensors" },
  ]);
  assert.deepEqual(auditMarks(undefined), []);
});

for (const [name, draw] of Object.entries(figures)) {
  Deno.test(`markSteps() marks ${name}() at its own checkpoints, on every scale`, () => {
    const plain = draw(syntheticSummary()), marked = markSteps(plain, auditMarks(audit));
    assert.deepEqual(read(marked), marked);
    assert.equal(marked.data.length, plain.data.length + 1);
    assert.deepEqual(marked.data.slice(0, -1), plain.data);
    const { customdata, x, y } = read(marked).data.at(-1);
    assert.deepEqual(customdata, [[128, "final early"], [512, "final early, tensors"]]);
    assert.deepEqual(y, [1, 1]);
    assert.deepEqual(x, marked.scales.symlog.traces.x.at(-1));
    for (const scale of stepScales) {
      const { points } = stepAxis(plain.steps!, scale);
      const { traces, axis } = marked.scales[scale];
      const at = [128, 512].map((step) => points[plain.steps!.indexOf(step)]);
      assert.deepEqual(traces.x.at(-1), at);
      assert.deepEqual(axis, plain.scales[scale].axis);
      for (const [key, values] of Object.entries(traces)) {
        assert.equal(values.length, marked.data.length, key);
        assert.deepEqual(values.slice(0, -1), plain.scales[scale].traces[key]);
      }
    }
    assert.match(marked.caption, / A triangle marks a step that the audit found something at\.$/);
  });
}

Deno.test("markSteps() leaves figures alone that draw none of the steps, or no steps", () => {
  const summary = syntheticSummary();
  const figure = lossFigure(summary);
  assert.equal(markSteps(figure, [{ step: 5, text: "elsewhere" }]), figure);
  const map = cosineMapFigure(summary);
  assert.equal(markSteps(map, auditMarks(audit)), map);
});

Deno.test("a report shows what the audit found, as text, in a table and in every figure", async () => {
  const page = await reportPage(syntheticSummary(), { ...options, audit });
  const table =
    page.split("Table of what the audit found")[1].split("<tbody>")[1].split("</table>")[0];
  const cells = [...table.matchAll(/<t[hd][^>]*>([^<]*)</g)].map(([, cell]) => cell);
  assert.deepEqual(cells, [
    ...["final early", "error", "2", "A sentence"],
    ...["tensors", "error", "1"],
    "step 5 &lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; has tensors that most lack",
    ...["discontinuous", "warning", "1", "Elsewhere"],
  ]);
  assert.doesNotMatch(page, /<img/);
  assert.match(
    page.replace(/\s+/g, " "),
    /3 checkpoints are not what their steps say, or may not be/,
  );
  const drawn = [...page.matchAll(/<script type="application\/json">([\s\S]*?)<\/script>/g)]
    .map(([, json]) => JSON.parse(json));
  const withSteps = drawn.filter(({ layout }) => /training step/.test(layout.xaxis?.title?.text));
  assert(withSteps.length >= 8);
  for (const { data, layout } of withSteps) {
    assert.equal(data.at(-1).name, "audit");
    assert.equal(layout.yaxis99.overlaying, "y");
  }
});

Deno.test("a report of a sweep that was not audited says nothing of it", async () => {
  const page = await reportPage(syntheticSummary(), options);
  assert.doesNotMatch(page, /audit/i);
  const well = await reportPage(syntheticSummary(), {
    ...options,
    audit: { ...audit, findings: [] },
  });
  assert.match(
    well.replace(/\s+/g, " "),
    /models of 11 checkpoints were looked at, .* Nothing was found\./,
  );
  assert.doesNotMatch(well, /yaxis99|class="warning"/);
});
