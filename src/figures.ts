/**
 * Summaries to plotly figures, as data: curves here, heat maps in `heatmaps.ts`.
 *
 * @module
 */

import { count, type Figure, palette, quietAxis, stepFigure, type StepTrace } from "./axes.ts";
import { comparedCheckpoints } from "./heatmaps.ts";
import { endLabels, fractionAxis, line, note } from "./lines.ts";
import { thresholds } from "./match.ts";
import { appearances, type CheckpointSummary, countMatched, type Summary } from "./summary.ts";

export type { Figure, ScaleUpdate, StepScale, Trace } from "./axes.ts";
export { chanceFigure } from "./chance_figure.ts";
export { cosineMapFigure, rotationFigure } from "./frame_figures.ts";
export { lifecycleFlowFigure, lifecycleStripFigure } from "./lifecycle_figures.ts";
export { agreementFigure, birthsDeathsFigure, survivalFigure } from "./lineage_figures.ts";
export {
  appearingFigure,
  decoderHistogramFigure,
  distanceMatrixFigure,
  similarityHistogramFigure,
} from "./heatmaps.ts";

/**
 * The fraction of the reference's features that have a match nearer than each of the
 * {@linkcode thresholds}, at every checkpoint but the reference, and the fraction that chance alone
 * would give, dotted. Of all features: a dead one counts below the line, never above it.
 *
 * @param summary A matched sweep.
 * @returns The figure.
 */
export function matchedFractionFigure(summary: Summary): Figure {
  const { nFeatures } = summary;
  const compared = comparedCheckpoints(summary);
  const fractions = thresholds.map((threshold) =>
    compared.map(({ match }) => countMatched(match, threshold) / nFeatures)
  );
  const hasChance = compared.every(({ nulls }) => nulls.rotated.length > 0);
  return stepFigure({
    id: "matched-fraction",
    title: "Fraction of features already there",
    caption:
      `Of the ${
        count(nFeatures)
      } features of the reference, the fraction with a match nearer than ` +
      "the distance at the end of each line. A feature without a match, dead ones among them, is " +
      "never counted as matched." +
      (hasChance
        ? " Dotted, in the same colours: the same with the checkpoint’s tokens rotated by whole " +
          "sequences, which is what chance gives."
        : ""),
    steps: compared.map(({ step }) => step),
    traces: [
      ...(hasChance ? chanceLines(compared, nFeatures) : []),
      ...thresholds.map((threshold, t) => ({
        at: "points" as const,
        trace: {
          ...line(palette[t]),
          name: `distance < ${threshold}`,
          y: fractions[t],
          customdata: compared.map(({ step, match }) => [step, countMatched(match, threshold)]),
          hovertemplate: `step %{customdata[0]:,}<br>match nearer than ${threshold}: ` +
            "%{customdata[1]:,} features (%{y:.1%} of all)<extra></extra>",
        },
      })),
    ],
    height: 420,
    layout: {
      margin: { l: 76, r: 64, t: 12, b: 56 },
      yaxis: fractionAxis,
      annotations: endLabels(
        { yref: "y", range: [0, 1], lineHeight: 0.055 },
        thresholds.map((threshold, t) => ({
          text: `< ${threshold}`,
          height: fractions[t][fractions[t].length - 1],
          colour: palette[t],
        })),
      ),
    },
  });
}

// The fraction that chance alone brings below each threshold, the mean over its repetitions.
function chanceLines(compared: readonly CheckpointSummary[], nFeatures: number): StepTrace[] {
  return thresholds.map((threshold, t) => ({
    at: "points",
    trace: {
      type: "scatter",
      mode: "lines",
      line: { color: palette[t], width: 1.5, dash: "dot" },
      name: `distance < ${threshold}, chance`,
      y: compared.map(({ nulls: { rotated } }) =>
        rotated.reduce((sum, similarity) => sum + countMatched({ similarity }, threshold), 0) /
        rotated.length / nFeatures
      ),
      customdata: compared.map(({ step }) => step),
      hovertemplate: `step %{customdata:,}<br>nearer than ${threshold} by chance: %{y:.1%} of all` +
        "<extra></extra>",
    },
  }));
}

/**
 * How many features of the reference appear at each checkpoint: absent before it, present from it on.
 * The first checkpoint has none before it, and counts the features that are present throughout.
 *
 * @param summary A matched sweep.
 * @param threshold Distance below which a feature is present.
 * @returns The figure.
 */
export function appearingCountsFigure(summary: Summary, threshold = 0.5): Figure {
  const steps = summary.checkpoints.map(({ step }) => step);
  const at = appearances(summary, threshold);
  return stepFigure({
    id: "appearing-counts",
    title: "When features appear for good",
    caption: `The number of features that have no match nearer than ${threshold} before a ` +
      "checkpoint, and one there and at every later checkpoint. The first bar counts features " +
      "present throughout; the last one, those present at the last checkpoint alone.",
    steps,
    traces: [{
      at: "bars",
      trace: {
        type: "bar",
        marker: { color: palette[1] },
        y: steps.map((step) => at.filter((appearance) => appearance === step).length),
        customdata: steps,
        hovertemplate: "step %{customdata:,}<br>features that appear: %{y:,}<extra></extra>",
      },
    }],
    height: 320,
    layout: {
      yaxis: {
        title: { text: "features", standoff: 8 },
        ...quietAxis,
        rangemode: "tozero",
        tickformat: ",~d",
      },
    },
  });
}

interface Panel {
  readonly title: string;
  readonly tickformat: string;
  // Lines with a name at their end, or one without.
  readonly lines: readonly { readonly name: string; readonly values: readonly number[] }[];
  readonly isFromZero: boolean;
}

/**
 * How the SAEs trained and how good they are, in panels over the same steps, in order of step: the
 * losses that the sweep file gives, and mean squared error, L0, explained variance and dead features as
 * measured on the tokens of the sweep.
 *
 * A loss that no checkpoint has is not drawn; if there are none at all the panel says so.
 *
 * @param summary A matched sweep.
 * @returns The figure.
 */
export function lossFigure({ checkpoints }: Summary): Figure {
  const panels = lossPanels(checkpoints);
  const pitch = 1 / panels.length;
  const drawn = panels.map((panel, p) => {
    const [top, bottom] = [1 - p * pitch - 0.22 * pitch, 1 - (p + 1) * pitch + 0.06 * pitch];
    return drawPanel(panel, checkpoints, p === 0 ? "" : `${p + 1}`, [bottom, top]);
  });
  return stepFigure({
    id: "losses",
    title: "How good the SAEs are",
    caption:
      "Every checkpoint has an SAE of its own. The losses on top are those of its training, " +
      "as the sweep file gives them; the panels below are measured on tokens of the sweep.",
    steps: checkpoints.map(({ step }) => step),
    traces: drawn.flatMap(({ traces }) => traces),
    height: 150 * panels.length,
    layout: {
      margin: { l: 76, r: 64, t: 4, b: 56 },
      ...Object.fromEntries(drawn.map(({ name, axis }) => [name, axis])),
      annotations: drawn.flatMap(({ annotations }) => annotations),
    },
    xaxis: { anchor: `y${panels.length}` },
  });
}

function lossPanels(checkpoints: readonly CheckpointSummary[]): Panel[] {
  const losses = (["overall", "mse", "l1"] as const)
    .map((name) => ({ name, values: checkpoints.map((c) => c.losses[name] ?? NaN) }))
    .filter(({ values }) => values.some(Number.isFinite));
  const measured = (title: string, tickformat: string, of: (c: CheckpointSummary) => number) => ({
    title,
    tickformat,
    lines: [{ name: "", values: checkpoints.map(of) }],
    isFromZero: true,
  });
  return [
    {
      title: losses.length > 0
        ? "Training losses, from the sweep file"
        : "Training losses: the sweep file gives none",
      tickformat: "~g",
      lines: losses,
      isFromZero: true,
    },
    measured("Mean squared error, measured", "~g", (c) => c.quality.mse),
    measured("Features that fire on a token (L0), measured", "~g", (c) => c.quality.l0),
    {
      ...measured("Explained variance, measured", "~g", (c) => c.quality.explainedVariance),
      isFromZero: false,
    },
    measured("Dead features, measured", ",~d", (c) => c.quality.nDead),
  ];
}

// The traces, the vertical axis and the texts of one panel; `index` is plotly's suffix of the axis.
function drawPanel(
  { title, tickformat, lines, isFromZero }: Panel,
  checkpoints: readonly CheckpointSummary[],
  index: string,
  domain: readonly [number, number],
) {
  const traces: StepTrace[] = lines.map(({ name, values }, l) => ({
    at: "points",
    trace: {
      ...line(palette[lines.length === 1 ? 1 : 2 * l]),
      name: name || title,
      y: values.map((value) => Number.isFinite(value) ? value : null),
      yaxis: `y${index}`,
      customdata: checkpoints.map(({ step }) => step),
      hovertemplate: `step %{customdata:,}<br>${name || "measured"}: %{y:.5~g}<extra></extra>`,
    },
  }));
  const all = lines.flatMap(({ values }) => values).filter(Number.isFinite);
  const named = lines.filter(({ name }) => name !== "").map(({ name, values }, l) => ({
    text: name,
    height: values.findLast(Number.isFinite)!,
    colour: palette[lines.length === 1 ? 1 : 2 * l],
  }));
  return {
    name: `yaxis${index}`,
    traces,
    axis: {
      ...quietAxis,
      domain,
      tickformat,
      nticks: 5,
      rangemode: isFromZero ? "tozero" : "normal",
      showticklabels: all.length > 0,
    },
    annotations: [
      {
        ...note,
        text: title,
        font: { color: "#75797e" },
        xref: "paper",
        x: 0,
        xanchor: "left",
        yref: "paper",
        y: domain[1],
        yanchor: "bottom",
        yshift: 4,
      },
      ...endLabels(
        { yref: `y${index}`, range: [Math.min(0, ...all), Math.max(...all)], lineHeight: 0.17 },
        named,
      ),
    ],
  };
}
