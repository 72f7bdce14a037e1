/**
 * The tables of a report, and the way that its numbers are written.
 *
 * @module
 */

import { count } from "./axes.ts";
import { html, type Markup } from "./html.ts";
import { thresholds } from "./match.ts";
import { type CheckpointSummary, countMatched, distances, type Summary } from "./summary.ts";

/**
 * A fraction in percent.
 *
 * @param fraction A number, mostly in [0, 1].
 * @returns With one digit after the point; a dash if it is no number.
 */
export function percent(fraction: number): string {
  return Number.isFinite(fraction) ? `${(100 * fraction).toFixed(1)}%` : "–";
}

/**
 * A number with so many digits after the point.
 *
 * @param value A number.
 * @param digits How many digits.
 * @returns The digits; a dash if it is no number.
 */
export function plain(value: number | undefined, digits: number): string {
  return value !== undefined && Number.isFinite(value) ? value.toFixed(digits) : "–";
}

/**
 * The share of the features that a null alone would match, the mean over its repetitions.
 *
 * @param of Similarities of every repetition.
 * @param threshold Distance below which a feature is present.
 * @param nFeatures Features of the reference.
 * @returns A fraction; NaN without repetitions.
 */
export function nullFraction(
  of: readonly Float32Array[],
  threshold: number,
  nFeatures: number,
): number {
  const counts = of.map((similarity) => countMatched({ similarity }, threshold));
  return counts.reduce((sum, count) => sum + count, 0) / of.length / nFeatures;
}

/** The features that appear at a checkpoint. */
export interface Appearing {
  /** Step of the checkpoint. */
  readonly step: number;
  /** Features of the reference, ascending. */
  readonly features: readonly number[];
}

interface Column {
  readonly title: string;
  readonly of: (checkpoint: CheckpointSummary, index: number) => string;
}

/**
 * A row for every checkpoint: what was matched, how good the SAE is, and how it trained.
 *
 * @param summary A matched sweep.
 * @param appearing What appears at each of its checkpoints, in their order.
 * @param threshold Distance below which a feature is present.
 * @returns The table.
 */
export function checkpointTable(
  { checkpoints, reference, nFeatures }: Summary,
  appearing: readonly Appearing[],
  threshold: number,
): Markup {
  const byNull = (of: readonly Float32Array[]) => nullFraction(of, threshold, nFeatures);
  const hasNulls = checkpoints.some(({ nulls }) =>
    nulls.rotated.length + nulls.sameToken.length > 0
  );
  const groups: readonly { readonly title: string; readonly columns: readonly Column[] }[] = [
    {
      title: "Matched nearer than",
      columns: [
        ...thresholds.map((threshold) => ({
          title: `${threshold}`,
          of: ({ match }: CheckpointSummary) => percent(countMatched(match, threshold) / nFeatures),
        })),
        { title: "no match", of: ({ match }) => count(match.best.filter((j) => j < 0).length) },
        { title: "appear", of: (_, index) => count(appearing[index].features.length) },
        { title: "mean decoder cosine", of: ({ decoderCosine }) => plain(mean(decoderCosine), 3) },
      ],
    },
    ...(hasNulls
      ? [{
        title: `Nearer than ${threshold}`,
        columns: [
          {
            title: "by chance",
            of: ({ nulls }: CheckpointSummary) => percent(byNull(nulls.rotated)),
          },
          {
            title: "by the token",
            of: ({ nulls }: CheckpointSummary) => percent(byNull(nulls.sameToken)),
          },
          {
            title: "beyond it",
            of: ({ match, nulls }: CheckpointSummary) =>
              percent(countMatched(match, threshold) / nFeatures - byNull(nulls.sameToken)),
          },
        ],
      }]
      : []),
    {
      title: "Measured",
      columns: [
        { title: "L0", of: ({ quality }) => plain(quality.l0, 1) },
        { title: "L1", of: ({ quality }) => plain(quality.l1, 2) },
        { title: "MSE", of: ({ quality }) => plain(quality.mse, 2) },
        { title: "explained variance", of: ({ quality }) => plain(quality.explainedVariance, 3) },
        { title: "dead", of: ({ quality }) => count(quality.nDead) },
        { title: "dense", of: ({ quality }) => count(quality.nDense) },
      ],
    },
    {
      title: "Losses in training",
      columns: [
        { title: "overall", of: ({ losses }) => plain(losses.overall, 2) },
        { title: "MSE", of: ({ losses }) => plain(losses.mse, 2) },
        { title: "L1", of: ({ losses }) => plain(losses.l1, 2) },
      ],
    },
  ];
  // The class draws a rule before the first column of every group.
  const columns = groups.flatMap((group) =>
    group.columns.map((column, c) => ({ ...column, border: c === 0 ? "group" : "" }))
  );
  return html`
    <div class="scroll" role="region" tabindex="0" aria-label="Table of checkpoints">
      <table>
        <caption><span>Fractions are of the ${count(
          nFeatures,
        )} features of the reference, whose row is shaded; dense
    features fire on more than a tenth of the tokens; a dash is a number that is not there.</span></caption>
        <thead>
          <tr><td></td>${groups.map(({ title, columns }) =>
            html`<th class="group" scope="colgroup" colspan="${columns.length}">${title}</th>`
          )}</tr>
          <tr><th scope="col">step</th>${columns.map(({ title, border }) =>
            html`<th class="${border}" scope="col">${title}</th>`
          )}</tr>
        </thead>
        <tbody>
    ${checkpoints.map((checkpoint, index) =>
      html`
        <tr class="${checkpoint.step === reference ? "reference" : ""}">
        <th scope="row">${count(checkpoint.step)}</th>${columns.map(({ of, border }) =>
          html`<td class="${border}">${of(checkpoint, index)}</td>`
        )}</tr>
      `
    )}</tbody>
      </table>
    </div>
  `;
}

/**
 * A row for every feature, a column for every checkpoint: the number of its match, and its distance.
 *
 * @param summary A matched sweep.
 * @param features Features of the reference, from the top.
 * @param threshold Distance below which a feature is present.
 * @returns The table.
 */
export function featureTable(
  { checkpoints }: Summary,
  features: readonly number[],
  threshold: number,
): Markup {
  const columns = checkpoints.map(({ match }) => ({ match, distance: distances(match) }));
  return html`
    <div class="scroll" role="region" tabindex="0" aria-label="Table of appearing features">
      <table>
        <caption><span>The features of the figure above: at every step, the number of each one’s match and, in
    brackets, its distance. Bold where the feature is present.</span></caption>
        <thead>
          <tr><th scope="col">feature</th>${checkpoints.map(({ step }) =>
            html`<th scope="col">${count(step)}</th>`
          )}</tr>
        </thead>
        <tbody>
    ${features.map((feature) =>
      html`
        <tr><th scope="row">${feature}</th>${columns.map(({ match, distance }) =>
          html`<td class="${distance[feature] < threshold ? "present" : "absent"}">${
            match.best[feature] < 0
              ? "no match"
              : `${match.best[feature]} (${plain(distance[feature], 2)})`
          }</td>`
        )}</tr>
      `
    )}</tbody>
      </table>
    </div>
  `;
}

// Of the numbers among the values.
function mean(values: Float32Array): number {
  const numbers = values.filter(Number.isFinite);
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}
