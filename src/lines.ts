/**
 * Lines of a figure, and their names at their ends.
 *
 * @module
 */

import { quietAxis } from "./axes.ts";

/** What all notes on a figure have in common. */
export const note: Readonly<Record<string, unknown>> = { showarrow: false, align: "left" };

/** A vertical axis of the fraction of the reference's features. */
export const fractionAxis: Readonly<Record<string, unknown>> = {
  title: { text: "fraction of the reference’s features", standoff: 8 },
  ...quietAxis,
  range: [0, 1],
  tickformat: ".0%",
};

/**
 * A line with a point at every checkpoint.
 *
 * @param colour Its colour.
 * @returns What a trace needs beside its values.
 */
export function line(colour: string): Readonly<Record<string, unknown>> {
  return {
    type: "scatter",
    mode: "lines+markers",
    line: { color: colour, width: 2 },
    marker: { color: colour, size: 6 },
  };
}

/**
 * Names of lines, to the right of their ends, moved apart where they would lie on each other.
 *
 * @param axis The vertical axis, its range, and the height of a name as a part of the range.
 * @param labels The names, and where their lines end.
 * @returns Annotations.
 */
export function endLabels(
  { yref, range: [low, high], lineHeight }: {
    readonly yref: string;
    readonly range: readonly [number, number];
    readonly lineHeight: number;
  },
  labels: readonly { readonly text: string; readonly height: number; readonly colour: string }[],
): Readonly<Record<string, unknown>>[] {
  const heights = spread(labels.map(({ height }) => height), lineHeight * (high - low), high);
  return labels.map(({ text, colour }, l) => ({
    ...note,
    text,
    font: { color: colour },
    xref: "paper",
    x: 1,
    xanchor: "left",
    xshift: 4,
    yref,
    y: heights[l],
    yanchor: "middle",
  }));
}

// Moves heights apart until neighbours are a gap apart and none is above `high`, keeping their order.
function spread(heights: readonly number[], gap: number, high: number): number[] {
  const order = [...heights.keys()].sort((a, b) => heights[a] - heights[b] || a - b);
  const placed = [...heights];
  let floor = -Infinity;
  for (const label of order) floor = (placed[label] = Math.max(placed[label], floor)) + gap;
  let ceiling = high;
  for (const label of order.reverse()) {
    ceiling = (placed[label] = Math.min(placed[label], ceiling)) - gap;
  }
  return placed;
}
