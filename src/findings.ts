/**
 * The head of a report: what the sweep is, and what came out, in numbers.
 *
 * @module
 */

import { count } from "./axes.ts";
import { comparedCheckpoints } from "./heatmaps.ts";
import { html, type Markup } from "./html.ts";
import { type Appearing, percent } from "./report_tables.ts";
import { countMatched, type Summary } from "./summary.ts";

/**
 * What a sweep is, in a few terms.
 *
 * @param summary A matched sweep.
 * @returns A list.
 */
export function facts({ hook, reference, nFeatures, centred, checkpoints }: Summary): Markup {
  const { quality } = checkpoints.find(({ step }) => step === reference)!;
  const rows: readonly (readonly [string, string | Markup])[] = [
    ["Residual stream at", html`<code>${hook}</code>`],
    ["Reference", `step ${count(reference)}`],
    ["Features followed", count(nFeatures)],
    ["Checkpoints", count(checkpoints.length)],
    ["Tokens", count(quality.nTokens)],
    ["Tokens reconstructed", count(quality.nMeasured)],
    ["Mean over d_model", centred ? "removed" : "kept"],
  ];
  return html`<dl class="facts">${
    rows.map(([term, value]) =>
      html`
        <div>
          <dt>${term}</dt>
          <dd>${value}</dd>
        </div>
      `
    )
  }</dl>`;
}

// How many of the first checkpoint's matches the token alone, and chance alone, would give.
function chance(summary: Summary, threshold: number): Markup | string {
  const [first] = comparedCheckpoints(summary);
  const { rotated, sameToken } = first.nulls;
  const mean = (of: readonly Float32Array[]) =>
    percent(
      of.reduce((sum, similarity) => sum + countMatched({ similarity }, threshold), 0) / of.length /
        summary.nFeatures,
    );
  if (rotated.length === 0 || sameToken.length === 0) return "";
  return html`
    <li><strong>${mean(sameToken)}</strong> would at step ${count(
      first.step,
    )} by the token alone, its
      context being another’s; ${mean(rotated)} by chance.</li>
  `;
}

/**
 * What came out, in a few numbers.
 *
 * @param summary A matched sweep.
 * @param appearing The features that appear at each checkpoint.
 * @param threshold Distance below which a feature is present.
 * @returns A list.
 */
export function findings(
  summary: Summary,
  appearing: readonly Appearing[],
  threshold: number,
): Markup {
  const { checkpoints, reference, nFeatures } = summary;
  const compared = comparedCheckpoints(summary);
  const [first, last] = [compared[0], compared[compared.length - 1]];
  const fraction = ({ match }: typeof first) => percent(countMatched(match, threshold) / nFeatures);
  const between = appearing.slice(1).filter(({ step }) => step !== reference);
  const nBetween = between.reduce((sum, { features }) => sum + features.length, 0);
  const { quality } = checkpoints.find(({ step }) => step === reference)!;
  return html`
    <ul class="findings" aria-label="Features of the reference, in numbers">
      <li><strong>${fraction(first)} → ${fraction(last)}</strong> of the reference’s features have a
        match nearer than ${threshold}: from step ${count(first.step)} to step ${count(
          last.step,
        )}.</li>
      ${chance(summary, threshold)}
      <li><strong>${count(appearing[0].features.length)}</strong> present throughout: at every
      checkpoint, from step ${count(checkpoints[0].step)} on.</li>
      <li><strong>${count(
        nBetween,
      )}</strong> that appear for good at a checkpoint other than the first
      one and the reference.</li>
      <li><strong>${count(
        quality.nDead,
      )}</strong> dead: without an activation on these tokens, and so
      without a match anywhere.</li>
    </ul>
  `;
}
