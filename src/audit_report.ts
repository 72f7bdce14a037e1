/**
 * What an audit found, in a report: a warning, a table, and marks on every figure over training.
 *
 * @module
 */

import type { Audit } from "./audit_table.ts";
import { count, type Figure, type ScaleUpdate, stepAxis, type StepScale } from "./axes.ts";
import { html, type Markup } from "./html.ts";

/** A step that figures mark, and why. */
export interface StepMark {
  /** Step of a checkpoint. */
  readonly step: number;
  /** What the reader is told when pointing at it. */
  readonly text: string;
}

/**
 * The steps that an audit found something at.
 *
 * @param audit An audit, if there was one.
 * @returns A mark for each step, ascending, with the kinds of what was found there.
 */
export function auditMarks(audit: Audit | undefined): StepMark[] {
  const kinds = new Map<number, Set<string>>();
  for (const { kind, steps } of audit?.findings ?? []) {
    for (const step of steps) kinds.set(step, (kinds.get(step) ?? new Set()).add(kind));
  }
  return [...kinds].sort(([a], [b]) => a - b)
    .map(([step, found]) => ({ step, text: [...found].join(", ") }));
}

const markColour = "#c2410c";

// plotly's name of the marks' own vertical axis, which no figure uses.
const markAxis = 99;

/**
 * Marks steps of a figure: a triangle above the checkpoint and a line down from it.
 *
 * The marks are a trace on a vertical axis of their own, from 0 to 1, so that they follow the
 * checkpoints to every scale of training steps as the other traces do.
 *
 * @param figure A figure.
 * @param marks Steps to mark; those that it does not draw are left out.
 * @returns The same figure with marks; itself where none of its checkpoints is marked.
 *
 * @example One of three checkpoints
 * ```ts
 * import assert from "node:assert/strict";
 * import { stepFigure } from "./axes.ts";
 *
 * const about = { id: "nothing", title: "", caption: "", height: 100, layout: {} };
 * const figure = stepFigure({ ...about, steps: [0, 9, 99], traces: [] });
 * const { scales } = markSteps(figure, [{ step: 9, text: "identical" }]);
 *
 * assert.deepEqual([scales.symlog.traces.x, scales.even.traces.x], [[[1]], [[1]]]);
 * ```
 */
export function markSteps(figure: Figure, marks: readonly StepMark[]): Figure {
  const { steps = [], data, layout, caption } = figure;
  const drawn = marks.filter(({ step }) => steps.includes(step));
  if (drawn.length === 0) return figure;
  const placesOn = (scale: StepScale) => {
    const { points } = stepAxis(steps, scale);
    return drawn.map(({ step }) => points[steps.indexOf(step)]);
  };
  const update = (scale: StepScale): ScaleUpdate => {
    const { traces, axis } = figure.scales[scale];
    const { x, ...others } = traces;
    const longer = Object.entries(others).map(([name, values]) => [name, [...values, null]]);
    return {
      traces: { x: [...x ?? [], placesOn(scale)], ...Object.fromEntries(longer) },
      axis,
    };
  };
  const trace = {
    type: "scatter",
    mode: "markers",
    name: "audit",
    x: placesOn("symlog"),
    y: drawn.map(() => 1),
    yaxis: `y${markAxis}`,
    cliponaxis: false,
    marker: { symbol: "triangle-down", size: 10, color: markColour },
    error_y: {
      type: "data",
      symmetric: false,
      array: drawn.map(() => 0),
      arrayminus: drawn.map(() => 1),
      color: markColour,
      thickness: 1,
      width: 0,
    },
    customdata: drawn.map(({ step, text }) => [step, text]),
    hovertemplate: "step %{customdata[0]:,}<br>the audit: %{customdata[1]}<extra></extra>",
  };
  const axis = { overlaying: "y", range: [0, 1], visible: false, fixedrange: true };
  return {
    ...figure,
    caption: `${caption} A triangle marks a step that the audit found something at.`,
    data: [...data, trace],
    layout: { ...layout, [`yaxis${markAxis}`]: axis },
    scales: { symlog: update("symlog"), even: update("even"), linear: update("linear") },
  };
}

/**
 * What a reader must know before anything else: how much the audit found.
 *
 * @param audit An audit, if there was one.
 * @returns A warning; nothing if nothing was found.
 */
export function auditWarning(audit: Audit | undefined): Markup | string {
  const steps = auditMarks(audit).map(({ step }) => step);
  if (steps.length === 0) return "";
  const are = steps.length === 1 ? "checkpoint is not what its step says" : "checkpoints are not " +
    "what their steps say";
  return html`
    <p class="warning" role="note"><strong>${count(steps.length)} ${are}, or may not be.</strong>
      They are marked in every figure; what was found is in the table “Audit”.</p>
  `;
}

/**
 * A row for everything that an audit found.
 *
 * @param audit An audit.
 * @returns A section of a report.
 */
export function auditSection({ findings, info }: Audit): Markup {
  const lookedAt = info.looked_at === "tensors"
    ? "every tensor: whether two are equal, and whether checkpoints lie along one path"
    : "the hashes of files alone: whether two are equal, and whether any is missing";
  return html`
    <section aria-labelledby="audit">
      <h2 id="audit">Audit</h2>
      <p>The language models of ${count(
        info.steps.length,
      )} checkpoints were looked at, by ${lookedAt}.
        ${findings.length === 0 ? "Nothing was found." : ""}</p>
      ${findings.length === 0 ? "" : findingsTable(findings)}
    </section>
  `;
}

function findingsTable(findings: Audit["findings"]): Markup {
  return html`
    <div class="scroll" role="region" tabindex="0" aria-label="Table of what the audit found">
      <table>
        <caption><span>An error cannot be what training wrote at that step; a warning may be, and is to be
    looked at.</span></caption>
        <thead>
          <tr>
            <th scope="col">what</th>
            <th scope="col">how sure</th>
            <th scope="col">steps</th>
            <th scope="col">in words</th>
          </tr>
        </thead>
        <tbody>
    ${findings.map(({ kind, severity, steps, sentence }) =>
      html`
        <tr>
          <th scope="row">${kind}</th>
          <td>${severity}</td>
          <td>${count(steps.length)}</td>
          <td>${sentence}</td>
        </tr>
      `
    )}</tbody>
      </table>
    </div>
  `;
}
