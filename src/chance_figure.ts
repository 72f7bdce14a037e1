/**
 * Matches beside what chance makes of them, as a figure.
 *
 * @module
 */

import { type Figure, palette, stepFigure, type StepTrace } from "./axes.ts";
import { comparedCheckpoints } from "./heatmaps.ts";
import { endLabels, fractionAxis, line } from "./lines.ts";
import { countMatched, type Summary } from "./summary.ts";

/**
 * The fraction of features with a match nearer than a threshold; the fraction that the token alone
 * would give, the context being another's; and the fraction that chance alone would give.
 *
 * @param summary A matched sweep.
 * @param threshold Distance that a counted match is strictly below.
 * @returns The figure; nothing where no chance was tried.
 */
export function chanceFigure(summary: Summary, threshold = 0.5): Figure | undefined {
  const compared = comparedCheckpoints(summary);
  const fraction = (similarity: Float32Array) =>
    countMatched({ similarity }, threshold) / summary.nFeatures;
  const curves = [
    { name: "matched", colour: palette[0], of: compared.map(({ match }) => [match.similarity]) },
    {
      name: "same token",
      colour: palette[2],
      of: compared.map(({ nulls }) => nulls.sameToken),
    },
    { name: "chance", colour: "#75797e", of: compared.map(({ nulls }) => nulls.rotated) },
    {
      name: "second seed",
      colour: palette[4],
      of: compared.map(() => summary.ceiling ? [summary.ceiling.match.similarity] : []),
    },
  ].filter(({ of }) => of.some((repetitions) => repetitions.length > 0));
  if (curves.length < 2) return undefined;

  const drawn = curves.map(({ of, ...curve }) => {
    const fractions = of.map((repetitions) => repetitions.map(fraction));
    return { ...curve, fractions, means: fractions.map(mean) };
  });
  return stepFigure({
    id: "chance",
    title: "How much of it is chance, and how much the token",
    caption:
      `The fraction of the reference’s features with a match nearer than ${threshold}; the ` +
      "same where each checkpoint’s activations are exchanged among positions of the same token " +
      "(what is above that line is context), and where they are rotated by whole sequences (what " +
      "is above that line is not chance). Means over the repetitions; bands from the least to the " +
      `most.${
        summary.ceiling
          ? " The second seed is another SAE of the reference’s step: the best to be expected."
          : ""
      }`,
    steps: compared.map(({ step }) => step),
    traces: drawn.flatMap(({ name, colour, fractions, means }) => [
      ...band(colour, fractions),
      {
        at: "points",
        trace: {
          ...line(colour),
          name,
          y: means,
          customdata: compared.map(({ step }) => step),
          hovertemplate: `step %{customdata:,}<br>${name}: %{y:.1%} of all<extra></extra>`,
        },
      } satisfies StepTrace,
    ]),
    height: 380,
    layout: {
      margin: { l: 76, r: 96, t: 12, b: 56 },
      yaxis: fractionAxis,
      annotations: endLabels(
        { yref: "y", range: [0, 1], lineHeight: 0.06 },
        drawn.map(({ name, colour, means }) => ({
          text: name,
          colour,
          height: means.findLast(Number.isFinite) ?? 0,
        })),
      ),
    },
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

// The area between the least and the most, where there are several.
function band(colour: string, fractions: readonly (readonly number[])[]): StepTrace[] {
  if (fractions.every((of) => of.length < 2)) return [];
  const edge = (y: readonly number[], fill: string): StepTrace => ({
    at: "points",
    trace: {
      type: "scatter",
      mode: "lines",
      line: { width: 0, color: colour },
      fill,
      fillcolor: `${colour}33`,
      hoverinfo: "skip",
      y,
    },
  });
  return [
    edge(fractions.map((of) => Math.min(...of)), "none"),
    edge(fractions.map((of) => Math.max(...of)), "tonexty"),
  ];
}
