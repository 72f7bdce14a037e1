/**
 * Whether features keep what they fire on, and what they write, as figures: activations against
 * decoder directions.
 *
 * K = classes of features.
 *
 * @module
 */

import {
  count,
  type Figure,
  noValueColour,
  palette,
  plainFigure,
  quietAxis,
  stepFigure,
  stepLabel,
  type Trace,
} from "./axes.ts";
import { comparedCheckpoints, countMap } from "./heatmaps.ts";
import { endLabels, fractionAxis } from "./lines.ts";
import type { CheckpointSummary, Summary } from "./summary.ts";

/**
 * Bars of features that are parted into the same classes, stacked, with the names of the classes to
 * the right of the last bar.
 *
 * @param names Of the classes, from below: `[K]`.
 * @param colours Of the classes: `[K]`.
 * @param counts Features of every class in every bar, not all 0: `[bars][K]`.
 * @param places What a bar is, for who hovers it: `[bars]`.
 * @returns Traces without places and widths, one a class, and the layout they need.
 */
export function stackedBars(
  names: readonly string[],
  colours: readonly string[],
  counts: readonly (readonly number[])[],
  places: readonly string[],
): { readonly traces: readonly Trace[]; readonly layout: Trace } {
  const last = counts[counts.length - 1];
  const upTo = (k: number) => last.slice(0, k).reduce((sum, n) => sum + n, 0);
  const all = upTo(names.length);
  return {
    traces: names.map((name, k) => ({
      type: "bar",
      name,
      marker: { color: colours[k] },
      y: counts.map((bar) => bar[k] / all),
      customdata: counts.map((bar, b) => [places[b], bar[k]]),
      hovertemplate: `%{customdata[0]}: ${name}<br>` +
        "features: %{customdata[1]:,} (%{y:.1%} of all)<extra></extra>",
    })),
    layout: {
      margin: { l: 76, r: 104, t: 12, b: 56 },
      barmode: "stack",
      yaxis: fractionAxis,
      annotations: endLabels(
        { yref: "y", range: [0, 1], lineHeight: 0.06 },
        names.map((text, k) => ({
          text,
          colour: palette.includes(colours[k]) ? colours[k] : quietText,
          height: (upTo(k) + upTo(k + 1)) / 2 / all,
        })),
      ),
    },
  };
}

// Of names whose own colour is a grey too light to be read.
const quietText = "#75797e";

const fates = ["kept", "rotated", "direction only", "lost", "no match"];

/**
 * What a feature shares with its match, at every checkpoint but the reference: what it fires on and
 * the direction it writes to ("kept"), the first alone ("rotated"), the second alone ("direction
 * only"), or neither ("lost").
 *
 * Alike is a cosine of 1 − threshold or more, at float32, whatever the measure of the matches. The
 * match is the one by activations: a feature whose direction lives on in another feature than its
 * match counts as lost.
 *
 * @param summary A matched sweep.
 * @param threshold Distance within which activations, or directions, are alike.
 * @returns The figure.
 * @throws {RangeError} If there is no checkpoint beside the reference.
 */
export function rotationFigure(summary: Summary, threshold = 0.5): Figure {
  const { nFeatures } = summary;
  const compared = comparedCheckpoints(summary);
  const counts = compared.map((checkpoint) => countFates(checkpoint, Math.fround(1 - threshold)));
  const { traces, layout } = stackedBars(
    fates,
    [palette[0], palette[4], palette[2], "#979ca2", noValueColour],
    counts,
    compared.map(({ step }) => `step ${count(step)}`),
  );
  return stepFigure({
    id: "rotation",
    title: "Features that turn without changing",
    caption:
      `The ${count(nFeatures)} features of the reference, by what their matches share with ` +
      `them within a distance of ${threshold}: what they fire on and the direction they write to ` +
      "(kept), what they fire on alone (rotated), the direction alone, or neither (lost). " +
      "Matching by decoder directions alone would call a rotated feature dead, though it fires " +
      "as before.",
    steps: compared.map(({ step }) => step),
    traces: traces.map((trace) => ({ at: "bars", trace })),
    height: 400,
    layout,
    xaxis: { showgrid: false },
  });
}

// How many features have each fate.
function countFates({ best, decoderCosine }: CheckpointSummary, height: number): number[] {
  const counts = fates.map(() => 0);
  best.cosine.forEach((cosine, feature) => {
    const [isAlike, isAligned] = [cosine >= height, decoderCosine[feature] >= height];
    const fate = isAlike ? (isAligned ? 0 : 1) : isAligned ? 2 : 3;
    counts[Number.isNaN(cosine) ? 4 : fate]++;
  });
  return counts;
}

const nBins = 40;

/**
 * Activations against decoder directions: how many features have a match with a given cosine of
 * either, at one checkpoint at a time, which a slider chooses. The middle one is shown first.
 *
 * The colour is log(count + 1), the same at every checkpoint, and its bar names true counts. A
 * feature without a match is in no cell.
 *
 * @param summary A matched sweep.
 * @returns The figure.
 * @throws {RangeError} If there is no checkpoint beside the reference.
 */
export function cosineMapFigure(summary: Summary): Figure {
  const compared = comparedCheckpoints(summary);
  const maps = compared.map(countCosines);
  const largest = Math.max(1, ...maps.flat(2));
  const shown = Math.floor(compared.length / 2);
  return plainFigure({
    id: "cosine-map",
    title: "Activations against decoder directions",
    caption:
      "The features of the reference, by how much their matches fire like them, and how much " +
      "they write to the same direction. On the upper right are features that are there; on the " +
      "lower right those that fire as ever, but write elsewhere. The slider chooses the " +
      "checkpoint. A feature without a match is in no cell.",
    traces: maps.map((counts, c) => ({
      ...countMap(counts, largest),
      visible: c === shown,
      x0: 0.5 / nBins,
      dx: 1 / nBins,
      y0: -1 + 1 / nBins,
      dy: 2 / nBins,
      customdata: counts,
      hovertemplate:
        `step ${count(compared[c].step)}<br>cosine of activations: about %{x:.2f}<br>` +
        "of decoder directions: about %{y:.2f}<br>features: %{customdata:,}<extra></extra>",
    })),
    height: 560,
    layout: {
      margin: { l: 76, r: 24, t: 12, b: 150 },
      xaxis: cosineAxis("cosine of activations", [0, 1]),
      yaxis: cosineAxis("cosine of decoder directions", [-1, 1]),
      sliders: [{
        active: shown,
        pad: { t: 64, b: 8 },
        currentvalue: { prefix: "step ", xanchor: "left" },
        steps: compared.map(({ step }, c) => ({
          label: stepLabel(step),
          method: "restyle",
          args: ["visible", maps.map((_, other) => other === c)],
        })),
      }],
    },
  });
}

function cosineAxis(text: string, range: readonly [number, number]) {
  return { title: { text, standoff: 8 }, ...quietAxis, range, showgrid: false };
}

// Rows of decoder cosines, from below, and columns of activation cosines.
function countCosines({ best, decoderCosine }: CheckpointSummary): number[][] {
  const counts = Array.from({ length: nBins }, () => Array<number>(nBins).fill(0));
  best.cosine.forEach((cosine, feature) => {
    if (Number.isNaN(cosine) || Number.isNaN(decoderCosine[feature])) return;
    counts[binOf((decoderCosine[feature] + 1) / 2)][binOf(cosine)]++;
  });
  return counts;
}

// The last bin is closed; float32 may round a cosine to just beyond either end.
function binOf(share: number): number {
  return Math.min(nBins - 1, Math.max(0, Math.floor(nBins * share)));
}
