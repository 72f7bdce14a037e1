/**
 * A whole summary as one page that a browser can open anywhere.
 *
 * @module
 */

import { auditMarks, auditSection, auditWarning, markSteps } from "./audit_report.ts";
import type { Audit } from "./audit_table.ts";
import { count } from "./axes.ts";
import {
  agreementFigure,
  appearingCountsFigure,
  appearingFigure,
  birthsDeathsFigure,
  chanceFigure,
  cosineMapFigure,
  decoderHistogramFigure,
  distanceMatrixFigure,
  type Figure,
  lifecycleFlowFigure,
  lifecycleStripFigure,
  lossFigure,
  matchedFractionFigure,
  rotationFigure,
  similarityHistogramFigure,
  survivalFigure,
} from "./figures.ts";
import { facts, findings, reading, warnings } from "./findings.ts";
import { framesOf } from "./frames.ts";
import { lineageSurvival } from "./lineages.ts";
import { html, type Markup, page, raw, scriptJson } from "./html.ts";
import { randomFrom, sample } from "./random.ts";
import { type Appearing, checkpointTable, featureTable } from "./report_tables.ts";
import { scaleChoice } from "./scale_choice.ts";
import { appearingFeatures, type Summary } from "./summary.ts";
import boot from "./boot.js" with { type: "text" };
import style from "./report.css" with { type: "text" };
import { siteViews } from "./site_markup.ts";
import siteStyle from "./site.css" with { type: "text" };
import core from "./site_core.js" with { type: "text" };
import filter from "./site_filter.js" with { type: "text" };
import table from "./site_table.js" with { type: "text" };
import curves from "./site_curves.js" with { type: "text" };
import charts from "./site_charts.js" with { type: "text" };
import texts from "./site_text.js" with { type: "text" };
import feature from "./site_feature.js" with { type: "text" };
import links from "./site_links.js" with { type: "text" };

// In the order in which each needs those before it, and before plotly.js, for which no table waits.
const siteScripts: readonly string[] = [core, filter, table, curves, charts, texts, feature];

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
  readonly appearingAt?: number | undefined;
  /** How many of them are shown. */
  readonly nSampled?: number;
  /** Seed of their choice. */
  readonly seed?: number;
  /** Distance below which a feature is present. */
  readonly threshold?: number;
  /** Whether the page has views of single features, from the data that `writeSite` wrote. */
  readonly hasSite?: boolean;
  /** What `deno task audit` found; steps that it found something at are marked in every figure. */
  readonly audit?: Audit | undefined;
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
  const { plotly, generatedBy, nSampled = 10, seed = 0, threshold = 0.5, hasSite = false, audit } =
    options;
  const marks = auditMarks(audit);
  const draw: Draw = (figure) => figureMarkup(markSteps(figure, marks));
  const { name, hook } = summary;
  const appearing = summary.checkpoints.map(({ step }) => ({
    step,
    features: appearingFeatures(summary, step, threshold),
  }));
  const appearingAt = options.appearingAt ?? busiest(summary, appearing);

  const body = html`
    ${hasSite ? siteViews() : ""}
    <header>
      <p class="lead">SAE features through training</p>
      <h1>${name}</h1>
      ${facts(summary)}
    </header>
    <main>
      ${warnings(summary)}
      ${auditWarning(audit)}
      ${findings(summary, appearing, threshold)}

      <section aria-labelledby="reading">
        <h2 id="reading">How to read this</h2>
        ${reading(summary, threshold)}
      </section>

      ${scaleChoice(summary.checkpoints)}
      ${figureSections(summary, threshold).map(({ id, title, figures }) =>
        html`
          <section aria-labelledby="${id}">
            <h2 id="${id}">${title}</h2>
            ${figures.filter((figure) => figure !== undefined).map(draw)}
          </section>
        `
      )}
      <section aria-labelledby="appearing">
        <h2 id="appearing">Features that appear</h2>
        ${appearingAt === undefined ? noneAppear : appearingSection(summary, appearingAt, {
          features: appearingFeatures(summary, appearingAt, threshold),
          nSampled,
          seed,
          threshold,
          draw,
        })}
      </section>
      <section aria-labelledby="quality">
        <h2 id="quality">The autoencoders</h2>
        ${draw(lossFigure(summary))}
      </section>

      <section aria-labelledby="checkpoints">
        <h2 id="checkpoints">All checkpoints</h2>
        ${checkpointTable(summary, appearing, threshold)}
      </section>
      ${audit ? auditSection(audit) : ""}
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
    style: hasSite ? `${style}\n${siteStyle}` : style,
    scripts: hasSite ? [...siteScripts, links, plotly, boot] : [plotly, boot],
    loadsScripts: hasSite,
    styleAttributes: plotlyStyleAttributes,
  });
}

type Draw = (figure: Figure) => Markup;

interface FigureSection {
  readonly id: string;
  readonly title: string;
  readonly figures: readonly (Figure | undefined)[];
}

function figureSections(summary: Summary, threshold: number): FigureSection[] {
  const steps = summary.checkpoints.map(({ step }) => step);
  const frames = framesOf(summary, threshold);
  return [
    {
      id: "matched",
      title: "How much is there",
      figures: [matchedFractionFigure(summary), chanceFigure(summary, threshold)],
    },
    {
      id: "becoming",
      title: "What becomes of features",
      figures: [
        lifecycleFlowFigure(summary),
        lifecycleStripFigure(summary, threshold),
        distanceMatrixFigure(summary, { threshold }),
        appearingCountsFigure(summary, threshold),
      ],
    },
    {
      id: "alike",
      title: "How they are alike",
      figures: [
        similarityHistogramFigure(summary),
        decoderHistogramFigure(summary),
        rotationFigure(summary, threshold),
        cosineMapFigure(summary),
      ],
    },
    ...(frames
      ? [{
        id: "neighbours",
        title: "From checkpoint to checkpoint",
        figures: [
          birthsDeathsFigure(steps, frames.events),
          survivalFigure(steps, lineageSurvival(frames.lineages)),
          agreementFigure(steps, frames.agreement, summary.reference),
        ],
      }]
      : []),
  ];
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

const noneAppear = html`
  <p>No feature appears for good at a checkpoint other than the first one and the reference.</p>
`;

function figureMarkup({ id, title, caption, data, layout, scales }: Figure): Markup {
  return html`
    <section aria-labelledby="${id}-title">
      <h3 id="${id}-title">${title}</h3>
      <figure data-figure="${id}" aria-labelledby="${id}-title">
        <figcaption>${caption}</figcaption>
        <div class="plot" id="${id}" data-height="${Number(layout.height)}"></div>
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
  readonly draw: Draw;
}

function appearingSection(
  summary: Summary,
  step: number,
  { features, nSampled, seed, threshold, draw }: AppearingOptions,
): Markup {
  if (features.length === 0) return html`<p>No feature appears at step ${count(step)}.</p>`;
  const chosen = sample(features, nSampled, randomFrom(seed));
  const howMany = features.length < nSampled
    ? `Features that appear at step ${count(step)}: only ${count(features.length)} of the ` +
      `${count(nSampled)} that were asked for; all are shown.`
    : `Features that appear at step ${count(step)}: ${count(features.length)}. Shown are ` +
      `${count(chosen.length)} of them, drawn with seed ${seed}.`;
  return html`
    ${draw(appearingFigure(summary, step, chosen, threshold))}
    <p>${howMany}</p>
    ${featureTable(summary, chosen, threshold)}
  `;
}
