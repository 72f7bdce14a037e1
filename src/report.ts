/**
 * A whole summary as one page that a browser can open anywhere.
 *
 * @module
 */

import { count } from "./axes.ts";
import {
  appearingCountsFigure,
  appearingFigure,
  chanceFigure,
  decoderHistogramFigure,
  distanceMatrixFigure,
  type Figure,
  lossFigure,
  matchedFractionFigure,
  similarityHistogramFigure,
} from "./figures.ts";
import { facts, findings } from "./findings.ts";
import { html, type Markup, page, raw, scriptJson } from "./html.ts";
import { randomFrom, sample } from "./random.ts";
import { type Appearing, checkpointTable, featureTable } from "./report_tables.ts";
import { appearingFeatures, type Summary } from "./summary.ts";
import boot from "./boot.js" with { type: "text" };
import style from "./report.css" with { type: "text" };

/** What a report shows, and with what it is drawn. */
export interface ReportOptions {
  /** Text of plotly.js. */
  readonly plotly: string;
  /** What made the page: a name and a version. */
  readonly generatedBy: string;
  /**
   * Step of which appearing features are shown one by one; if left out, the checkpoint, other than
   * the first one and the reference, at which most appear.
   */
  readonly appearingAt?: number;
  /** How many of them are shown. */
  readonly nSampled?: number;
  /** Seed of their choice. */
  readonly seed?: number;
  /** Distance below which a feature is present. */
  readonly threshold?: number;
}

/**
 * Writes a summary as a page of figures, tables and sentences, which holds all that it needs.
 *
 * The same summary and options give the same bytes.
 *
 * @param summary A matched sweep.
 * @param options What to show.
 * @returns The HTML.
 * @throws {RangeError} If no checkpoint has the step `appearingAt`, or there is none beside the
 *   reference.
 */
export async function reportPage(summary: Summary, options: ReportOptions): Promise<string> {
  const { plotly, generatedBy, nSampled = 10, seed = 0, threshold = 0.5 } = options;
  const { name, hook } = summary;
  const appearing = summary.checkpoints.map(({ step }) => ({
    step,
    features: appearingFeatures(summary, step, threshold),
  }));
  const appearingAt = options.appearingAt ?? busiest(summary, appearing);

  const body = html`
    <header>
      <p class="lead">SAE features through training</p>
      <h1>${name}</h1>
      ${facts(summary)}
    </header>
    <main>
      ${findings(summary, appearing, threshold)}

      <section aria-labelledby="reading">
        <h2 id="reading">How to read this</h2>
        ${reading(summary, threshold)}
      </section>

      <section aria-labelledby="figures">
        <h2 id="figures">Through training</h2>
        ${scaleChoice}
        ${[
          matchedFractionFigure(summary),
          chanceFigure(summary, threshold),
          similarityHistogramFigure(summary),
          decoderHistogramFigure(summary),
          distanceMatrixFigure(summary),
          appearingCountsFigure(summary, threshold),
        ].filter((figure) => figure !== undefined).map(figureMarkup)}
        ${appearingAt === undefined ? noneAppear : appearingSection(summary, appearingAt, {
          features: appearingFeatures(summary, appearingAt, threshold),
          nSampled,
          seed,
          threshold,
        })}
        ${figureMarkup(lossFigure(summary))}
      </section>

      <section aria-labelledby="checkpoints">
        <h2 id="checkpoints">All checkpoints</h2>
        ${checkpointTable(summary, appearing)}
      </section>
    </main>
    <footer>
      <p>Made by ${generatedBy}. The figures are drawn by plotly.js, which is part of this file; nothing
      is loaded from anywhere.</p>
    </footer>
    ${plotlyStyles}
  `;
  return await page({
    title: `${name}: SAE features of ${hook} through training`,
    generator: generatedBy,
    body,
    style,
    scripts: [plotly, boot],
    styleAttributes: plotlyStyleAttributes,
  });
}

// plotly.js adds style sheets of its own while it runs, which the policy of the page refuses, unless
// it finds that these elements exist. What it needs of them is in report.css.
const plotlyStyles = raw(
  '<div id="plotly.js-style-global" class="no-inline-styles" hidden></div>\n' +
    '<div id="9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53" hidden></div>',
);

// It empties the style attribute of colour bars, and asks every browser in turn for sharp cells in
// heat maps.
const plotlyStyleAttributes: readonly string[] = [
  "",
  [
    "optimizeSpeed",
    "-moz-crisp-edges",
    "-o-crisp-edges",
    "-webkit-optimize-contrast",
    "optimize-contrast",
    "crisp-edges",
    "pixelated",
  ].map((value) => `image-rendering: ${value}; `).join(""),
];

function reading({ reference, checkpoints }: Summary, threshold: number): Markup {
  const hasNulls = checkpoints.some(({ nulls }) => nulls.rotated.length > 0);
  const terms: readonly (readonly [string, string])[] = [
    [
      "Feature",
      "One unit of a sparse autoencoder. Every checkpoint of the language model has an autoencoder " +
      `of its own; those of step ${count(reference)}, the reference, are followed.`,
    ],
    [
      "Match",
      "The feature of another checkpoint whose activations on the same tokens are most like those " +
      "of a feature of the reference. Two features may have the same match.",
    ],
    [
      "Cosine",
      "Cosine similarity of the activations of a feature and its match over all tokens: 1 if they " +
      "fire on the same tokens in the same proportions, 0 if never together.",
    ],
    ["Distance", "1 − cosine."],
    [
      "Dead, no match",
      "A feature is dead if it fires on none of these tokens. It has no match; nor has a feature " +
      "that fires on no token where any feature of the other checkpoint does.",
    ],
    [
      "Present, appears",
      `A feature is present at a checkpoint if its match is nearer than ${threshold}. It appears at ` +
      "a step if it is absent at every earlier checkpoint, and present there and at every later one.",
    ],
    ...(hasNulls
      ? [
        [
          "Chance, same token",
          "What matches are worth: the same search with the checkpoint’s tokens rotated by whole " +
          "sequences finds chance alone; with its activations exchanged among positions of the same " +
          "token, what the token alone gives in any context.",
        ] as const,
      ]
      : []),
  ];
  return html`<dl class="reading">${
    terms.map(([term, text]) =>
      html`
        <dt>${term}</dt>
        <dd>${text}</dd>
      `
    )
  }</dl>`;
}

const noneAppear = html`
  <p>No feature appears for good at a checkpoint other than the first one and the reference.</p>
`;

const scaleChoice = html`
  <noscript><p>The figures need JavaScript. The tables below hold their numbers.</p></noscript>
  <fieldset id="step-scale" hidden>
    <legend>Training steps:</legend>
    <label><input type="radio" name="scale" value="symlog" checked> logarithmic, with 0</label>
    <label><input type="radio" name="scale" value="even"> evenly spaced checkpoints</label>
    <label><input type="radio" name="scale" value="linear"> linear</label>
  </fieldset>
`;

function figureMarkup({ id, title, caption, data, layout, scales }: Figure): Markup {
  return html`
    <section aria-labelledby="${id}-title">
      <h3 id="${id}-title">${title}</h3>
      <figure data-figure="${id}" aria-labelledby="${id}-title">
        <figcaption>${caption}</figcaption>
        <div class="plot" id="${id}"></div>
        <script type="application/json">${scriptJson({ data, layout, scales })}</script>
      </figure>
    </section>
  `;
}

// The step, neither the first nor the reference, at which most features appear, if any do.
function busiest({ reference }: Summary, appearing: readonly Appearing[]): number | undefined {
  const between = appearing.slice(1).filter(({ step, features }) =>
    step !== reference && features.length > 0
  );
  return between.toSorted((a, b) => b.features.length - a.features.length)[0]?.step;
}

interface AppearingOptions {
  readonly features: readonly number[];
  readonly nSampled: number;
  readonly seed: number;
  readonly threshold: number;
}

function appearingSection(
  summary: Summary,
  step: number,
  { features, nSampled, seed, threshold }: AppearingOptions,
): Markup {
  if (features.length === 0) return html`<p>No feature appears at step ${count(step)}.</p>`;
  const chosen = sample(features, nSampled, randomFrom(seed));
  const howMany = features.length < nSampled
    ? `Features that appear at step ${count(step)}: only ${count(features.length)} of the ` +
      `${count(nSampled)} that were asked for; all are shown.`
    : `Features that appear at step ${count(step)}: ${count(features.length)}. Shown are ` +
      `${count(chosen.length)} of them, drawn with seed ${seed}.`;
  return html`
    ${figureMarkup(appearingFigure(summary, step, chosen, threshold))}
    <p>${howMany}</p>
    ${featureTable(summary, chosen, threshold)}
  `;
}
