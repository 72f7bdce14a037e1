/**
 * Summaries to heat maps: histograms through training, and distances of single features.
 *
 * F = features of the reference, C = checkpoints drawn, B = bins.
 *
 * @module
 */

import { count, type Figure, noValueColour, quietAxis, stepFigure, type Trace } from "./axes.ts";
import { metricNames } from "./measures.ts";
import { featuresByEmergence } from "./paths.ts";
import {
  type CheckpointSummary,
  distances,
  featuresByStability,
  histogram,
  type Summary,
} from "./summary.ts";

/**
 * The checkpoints that the reference is compared with.
 *
 * @param summary A matched sweep.
 * @returns All but the reference, in order of step.
 * @throws {RangeError} If there is none.
 */
export function comparedCheckpoints({ checkpoints, reference }: Summary): CheckpointSummary[] {
  const compared = checkpoints.filter(({ step }) => step !== reference);
  if (compared.length === 0) {
    throw new RangeError(
      `Cannot draw a sweep of step ${reference} alone: expected a checkpoint beside the reference, ` +
        "got none",
    );
  }
  return compared;
}

/**
 * How alike the activations of the reference's features and of their matches are, at every checkpoint
 * but the reference: a map of histograms with the bins of `numpy.linspace(0, 1, 50)`.
 *
 * The colour is log(count + 1), and its bar names true counts. A feature without a match is in no bin.
 *
 * @param summary A matched sweep.
 * @returns The figure.
 */
export function similarityHistogramFigure(summary: Summary): Figure {
  return histogramFigure(summary, {
    id: "similarity-histogram",
    title: "How alike features are to their matches: activations",
    range: [0, 1],
    nBins: 49,
    axisTitle: metricNames[summary.metric],
    values: ({ match }) => match.similarity,
    meaning: "Each column is a checkpoint, and shows how many of the reference’s features have " +
      `a match there with a given ${metricNames[summary.metric]}: 1 is a feature that fires on ` +
      "the same tokens in the same proportions.",
  });
}

/**
 * How alike the decoder directions of the reference's features and of their matches are, at every
 * checkpoint but the reference: a map of histograms over [-1, 1], opposite directions among them.
 *
 * @param summary A matched sweep.
 * @returns The figure.
 */
export function decoderHistogramFigure(summary: Summary): Figure {
  return histogramFigure(summary, {
    id: "decoder-histogram",
    title: "How alike features are to their matches: decoder directions",
    range: [-1, 1],
    nBins: 98,
    axisTitle: "cosine of decoder directions",
    values: ({ decoderCosine }) => decoderCosine,
    meaning:
      "The same matches, compared by the direction that a feature writes to: 1 is the same " +
      "direction, 0 a right angle, −1 the opposite direction.",
  });
}

interface HistogramParts extends Pick<Figure, "id" | "title"> {
  readonly range: readonly [number, number];
  readonly nBins: number;
  readonly axisTitle: string;
  readonly values: (checkpoint: CheckpointSummary) => Float32Array;
  readonly meaning: string;
}

function histogramFigure(
  summary: Summary,
  { id, title, range: [low, high], nBins, axisTitle, values, meaning }: HistogramParts,
): Figure {
  const compared = comparedCheckpoints(summary);
  const nMissing = compared.map((checkpoint) => values(checkpoint).filter(Number.isNaN).length);
  // float32 may round a cosine to just above 1; it belongs to the last bin.
  const inRange = (cosine: number) => Math.min(high, Math.max(low, cosine));
  const counts = compared.map((checkpoint) =>
    histogram(values(checkpoint).map(inRange), [low, high], nBins)
  );
  const edges = Array.from({ length: nBins + 1 }, (_, b) => low + (b * (high - low)) / nBins);
  const bins = Array.from({ length: nBins }, (_, bin) => bin);
  const largest = Math.max(...counts.flatMap((column) => [...column]), 1);
  const trace = {
    ...countMap(bins.map((bin) => counts.map((column) => column[bin])), largest),
    y: edges.map((edge) => rounded(edge, 6)),
    customdata: bins.map((bin) =>
      counts.map((column, c) => [
        compared[c].step,
        `${edges[bin].toFixed(3)} to ${edges[bin + 1].toFixed(3)}`,
        column[bin],
        rounded(column[bin] / summary.nFeatures, 5),
        nMissing[c],
      ])
    ),
    hovertemplate: "step %{customdata[0]:,}<br>from %{customdata[1]}<br>" +
      "features: %{customdata[2]:,} (%{customdata[3]:.1%} of all)<br>" +
      "in no bin, for want of a match: %{customdata[4]:,}<extra></extra>",
  };
  return stepFigure({
    id,
    title,
    caption: `${meaning} ${missingSentence(nMissing, summary.nFeatures)}`,
    steps: compared.map(({ step }) => step),
    traces: [{ at: "cells", trace }],
    height: 460,
    layout: {
      yaxis: { title: { text: axisTitle, standoff: 8 }, ...quietAxis, range: [low, high] },
    },
    xaxis: { showgrid: false },
  });
}

/**
 * A map of counts: its colour is log(count + 1), and the bar beside it names true counts.
 *
 * @param counts A row of cells each, from below.
 * @param largest The count of the brightest colour, > 0.
 * @returns A trace without axes.
 */
export function countMap(counts: readonly (readonly number[])[], largest: number): Trace {
  return {
    type: "heatmap",
    z: counts.map((row) => row.map((count) => rounded(Math.log1p(count), 4))),
    zmin: 0,
    zmax: rounded(Math.log1p(largest), 4),
    colorscale: "Viridis",
    colorbar: colourBar("features", countTicks(largest)),
  };
}

function missingSentence(nMissing: readonly number[], nFeatures: number): string {
  const [least, most] = [Math.min(...nMissing), Math.max(...nMissing)];
  if (most === 0) return "Every feature has a match at every checkpoint.";
  const some = least === most ? count(most) : `between ${count(least)} and ${count(most)}`;
  const all = `${count(nFeatures)} features`;
  return `Without a match at a checkpoint, and so in no bin: ${some} of ${all}.`;
}

/**
 * The distance of every feature of the reference to its match at every checkpoint. Where there is no
 * match the ground shows, in grey.
 *
 * @param summary A matched sweep.
 * @param options Order of the rows, and the distance within which a feature has emerged; see
 *   {@linkcode featuresByEmergence} and {@linkcode featuresByStability}.
 * @returns The figure.
 */
export function distanceMatrixFigure(
  summary: Summary,
  { order = "emergence", threshold = 0.5 }: {
    readonly order?: "emergence" | "stability";
    readonly threshold?: number;
  } = {},
): Figure {
  const [features, top] = order === "stability"
    ? [featuresByStability(summary), "the most stable"]
    : [featuresByEmergence(summary, threshold), `the first to come within ${threshold} for good`];
  return stepFigure({
    id: "distance-matrix",
    title: "Every feature through training",
    caption:
      `Each of the ${count(features.length)} rows is a feature of the reference, ${top} on ` +
      "top. The brighter, the more its match at a checkpoint fires like it; grey is no match.",
    steps: summary.checkpoints.map(({ step }) => step),
    traces: [{ at: "cells", trace: distanceCells(summary, [...features]) }],
    height: 620,
    layout: {
      plot_bgcolor: noValueColour,
      yaxis: {
        title: { text: `features, ${top} on top`, standoff: 8 },
        ...rowAxis(features.length),
        tickformat: ",d",
      },
    },
    xaxis: { showgrid: false },
  });
}

/**
 * The distances of a few features at every checkpoint, a dot where the feature is present.
 *
 * @param summary A matched sweep.
 * @param step Step at which the features appear.
 * @param features Features of the reference, drawn from the top.
 * @param threshold Distance below which a feature is present.
 * @returns The figure.
 */
export function appearingFigure(
  summary: Summary,
  step: number,
  features: readonly number[],
  threshold = 0.5,
): Figure {
  const columns = summary.checkpoints.map(({ match }) => distances(match));
  const dots = features.map((feature, row) => ({
    type: "scatter",
    mode: "markers",
    marker: { color: "#ffffff", size: 7, line: { color: "#222222", width: 1 } },
    hoverinfo: "skip",
    y: columns.map((distance) => distance[feature] < threshold ? row : null),
  }));
  return stepFigure({
    id: `appearing-${step}`,
    title: `Features that appear at step ${count(step)}`,
    caption: `Each row is a feature of the reference that has no match nearer than ${threshold} ` +
      `before step ${count(step)}, and one at that step and ever after. A dot marks where it is ` +
      "present; the brighter, the nearer its match; grey is no match.",
    steps: summary.checkpoints.map((checkpoint) => checkpoint.step),
    traces: [
      { at: "cells", trace: distanceCells(summary, features) },
      ...dots.map((trace) => ({ at: "centres" as const, trace })),
    ],
    height: 120 + 26 * Math.max(features.length, 4),
    layout: {
      plot_bgcolor: noValueColour,
      yaxis: {
        title: { text: "feature", standoff: 8 },
        ...rowAxis(features.length),
        tickmode: "array",
        tickvals: features.map((_, row) => row),
        ticktext: features.map(String),
      },
    },
    xaxis: { showgrid: false },
  });
}

// A row a feature, from the top, numbered from 0.
function rowAxis(nRows: number): Trace {
  return { ...quietAxis, range: [nRows - 0.5, -0.5], showgrid: false };
}

function distanceCells({ checkpoints }: Summary, features: readonly number[]): Trace {
  const columns = checkpoints.map(({ step, match }) => ({
    step,
    match,
    distance: distances(match),
  }));
  return {
    type: "heatmap",
    y0: 0,
    dy: 1,
    z: features.map((feature) => columns.map(({ distance }) => rounded(distance[feature], 3))),
    // The distance once more: plotly would write a missing one as 0.
    customdata: features.map((feature) =>
      columns.map(({ step, match, distance }) => [
        feature,
        step,
        ...(match.best[feature] < 0
          ? ["none", "none"]
          : [match.best[feature], rounded(distance[feature], 3)]),
      ])
    ),
    hovertemplate: "feature %{customdata[0]} of the reference<br>step %{customdata[1]:,}<br>" +
      "match: %{customdata[2]}<br>distance: %{customdata[3]}<extra></extra>",
    zmin: 0,
    zmax: 1,
    colorscale: "Viridis",
    reversescale: true,
    colorbar: colourBar("distance", { tickvals: [0, 0.25, 0.5, 0.75, 1] }),
  };
}

function colourBar(title: string, ticks: Trace): Trace {
  return { title: { text: title }, thickness: 12, outlinewidth: 0, tickmode: "array", ...ticks };
}

// 0, 1, 3, 10, 30, … up to the largest count, where their colours are.
function countTicks(largest: number): Trace {
  const counts = [0];
  for (let decade = 1; decade <= largest; decade *= 10) counts.push(decade, 3 * decade);
  const shown = counts.filter((count) => count <= largest);
  return { tickvals: shown.map((c) => rounded(Math.log1p(c), 4)), ticktext: shown.map(count) };
}

// Null, which plotly draws as a gap, where there is no number.
function rounded(value: number, digits: number): number | null {
  return Number.isFinite(value) ? Number(value.toFixed(digits)) : null;
}
