/**
 * What becomes of features, as figures: their lifecycles, and how they move towards the reference.
 *
 * F = features of the reference, C = checkpoints but the reference, in order of step.
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
  type StepTrace,
  type Way,
} from "./axes.ts";
import { type Lifecycle, lifecycle, lifecycles } from "./emergence.ts";
import { stackedBars } from "./frame_figures.ts";
import { comparedCheckpoints } from "./heatmaps.ts";
import { fractionAxis } from "./lines.ts";
import type { Summary } from "./summary.ts";

const classes: readonly (Lifecycle | "dead")[] = [...lifecycles, "dead"];

// Similarities at which features are classed: 0.05, 0.1, … 0.95.
const heights = Array.from({ length: 19 }, (_, h) => (h + 1) / 20);

/**
 * How many features have each {@linkcode lifecycle}, dead ones last, for thresholds of similarity
 * from 0.05 to 0.95: how much of a class is the choice of a threshold.
 *
 * The classes are those of `features.arrow`. Takes 19 looks at a trajectory of C a feature.
 *
 * @param summary A matched sweep.
 * @param threshold Distance within which a feature is there elsewhere; a line shows it.
 * @returns The figure.
 * @throws {RangeError} If there is no checkpoint beside the reference.
 */
export function lifecycleStripFigure(summary: Summary, threshold = 0.5): Figure {
  const { nFeatures } = summary;
  const counts = countLifecycles(summary);
  const { traces, layout } = stackedBars(
    classes,
    [...palette, "#979ca2", noValueColour],
    counts,
    heights.map((height) => `similarity of ${height} or more`),
  );
  return plainFigure({
    id: "lifecycle-strip",
    title: "What becomes of features, by the threshold",
    caption: `What each of the ${count(nFeatures)} features of the reference does in training, ` +
      "if it counts as there from a given similarity to its match on: it is there from the " +
      "start; it comes to stay early, midway or late (thirds over log(1 + step)); it is " +
      "transient, and gone again after it was there; or it is never there. Classes that change " +
      "much from bar to bar are made by the threshold. The line is the one chosen, a distance of " +
      `${threshold}.`,
    traces: traces.map((trace) => ({ ...trace, x: heights, width: 0.04 })),
    height: 420,
    layout: {
      ...layout,
      xaxis: {
        title: { text: "similarity from which a feature is there", standoff: 10 },
        ...quietAxis,
        range: [0.02, 0.98],
        dtick: 0.2,
        tickformat: ".1f",
        showgrid: false,
      },
      shapes: [{
        type: "line",
        x0: 1 - threshold,
        x1: 1 - threshold,
        yref: "paper",
        y0: 0,
        y1: 1,
        line: { color: "#222222", width: 2 },
      }],
    },
  });
}

// How many features have each class at each height: `[19][classes]`.
function countLifecycles(summary: Summary): number[][] {
  const compared = comparedCheckpoints(summary);
  const steps = compared.map(({ step }) => step);
  const { match } = summary.checkpoints.find(({ step }) => step === summary.reference)!;
  const counts = heights.map(() => classes.map(() => 0));
  match.sourceCounts.forEach((nActive, feature) => {
    const isDead = nActive === 0;
    const similarities = Float32Array.from(compared, (c) => c.match.similarity[feature]);
    heights.forEach((height, h) => {
      const name = lifecycle(steps, similarities, height, { isDead }) ?? "dead";
      counts[h][classes.indexOf(name)]++;
    });
  });
  return counts;
}

interface Band {
  readonly name: string;
  readonly floor: number;
  readonly colour: string;
}

// From below; a band reaches up to the floor of the one before. Similarities are above 0.
const bands: readonly Band[] = [
  { name: "0.9 or more", floor: 0.9, colour: palette[0] },
  { name: "0.7 to 0.9", floor: 0.7, colour: palette[1] },
  { name: "0.5 to 0.7", floor: 0.5, colour: palette[2] },
  { name: "0.3 to 0.5", floor: 0.3, colour: palette[3] },
  { name: "below 0.3", floor: 0, colour: palette[4] },
  { name: "no match", floor: NaN, colour: noValueColour },
];

/**
 * How features move towards the reference: at every checkpoint but the reference they stand stacked
 * in bands of similarity to their matches, and ribbons show how many go from which band to which.
 *
 * A floor belongs to its band, at float32. Dead features stand with those that have no match.
 *
 * Takes C counts of F features, and draws at most 36 (C − 1) ribbons, of fewer points if C > 30.
 *
 * @param summary A matched sweep.
 * @returns The figure.
 * @throws {RangeError} If there is no checkpoint beside the reference.
 */
export function lifecycleFlowFigure(summary: Summary): Figure {
  const { nFeatures } = summary;
  const compared = comparedCheckpoints(summary);
  const steps = compared.map(({ step }) => step);
  const bandsOf = compared.map(({ match }) => Array.from(match.similarity, bandOf));
  const counts = bandsOf.map((of) => bands.map((_, b) => of.filter((band) => band === b).length));
  const ribbons = bandsOf.slice(1).flatMap((to, c) => ribbonsBetween(bandsOf[c], to, c));
  const { traces: posts, layout } = stackedBars(
    bands.map(({ name }) => name),
    bands.map(({ colour }) => colour),
    counts,
    steps.map((step) => `step ${count(step)}`),
  );
  return stepFigure({
    id: "lifecycle-flow",
    title: "How features move towards the reference",
    caption: `The ${count(nFeatures)} features of the reference, stacked at every checkpoint by ` +
      "how similar their match there is, the most similar below. A ribbon holds the features " +
      "that go from a band of one bar to a band of the next, in the colour of the first. Where " +
      "the first is the lower one, they lose likeness again. Dead features have no match.",
    steps,
    traces: [
      ...bands.map((_, b) =>
        ribbonTrace(ribbons.filter(({ from }) => from === b), b, steps.length)
      ),
      ...posts.map((trace) => ({ at: "posts" as const, trace })),
      hoverTrace(ribbons, steps, nFeatures),
    ],
    height: 480,
    layout: { ...layout, hoverdistance: 60, yaxis: { ...fractionAxis, showgrid: false } },
    xaxis: { showgrid: false },
  });
}

function bandOf(similarity: number): number {
  const band = bands.findIndex(({ floor }) => similarity >= Math.fround(floor));
  return band < 0 ? bands.length - 1 : band;
}

// Features that go from a band at column c to one at the next, and where they stand on either side.
interface Ribbon {
  readonly column: number;
  readonly from: number;
  readonly to: number;
  readonly nFeatures: number;
  // Fractions of the stack below it.
  readonly left: number;
  readonly right: number;
  readonly thickness: number;
}

function ribbonsBetween(before: readonly number[], after: readonly number[], column: number) {
  const nBands = bands.length;
  const pairs = Array<number>(nBands * nBands).fill(0);
  before.forEach((from, feature) => pairs[from * nBands + after[feature]]++);
  const transposed = pairs.map((_, p) => pairs[(p % nBands) * nBands + Math.floor(p / nBands)]);
  const [lefts, rights] = [cumulated(pairs), cumulated(transposed)];
  return pairs.flatMap((nFeatures, p): Ribbon[] => {
    if (nFeatures === 0) return [];
    const [from, to] = [Math.floor(p / nBands), p % nBands];
    return [{
      column,
      from,
      to,
      nFeatures,
      left: lefts[p] / before.length,
      right: rights[to * nBands + from] / before.length,
      thickness: nFeatures / before.length,
    }];
  });
}

// Sums of the first 0, 1, 2, … values.
function cumulated(values: readonly number[]): number[] {
  const sums = [0];
  for (const value of values) sums.push(sums[sums.length - 1] + value);
  return sums;
}

// Where the lower edge of a ribbon is at a share of its way, level at both ends.
function lowerEdge({ left, right }: Ribbon, share: number): number {
  return left + (right - left) * share * share * (3 - 2 * share);
}

// Ribbons of one colour: forth along the lower edge and back along the upper one, a gap after each.
function ribbonTrace(ribbons: readonly Ribbon[], band: number, nColumns: number): StepTrace {
  const nShares = Math.max(2, Math.min(12, Math.round(360 / nColumns)));
  const shares = Array.from({ length: nShares }, (_, s) => s / (nShares - 1));
  const colour = bands[band].colour;
  return {
    at: ribbons.flatMap(({ column }): (Way | null)[] => [
      ...shares.map((share): Way => [column, share]),
      ...shares.toReversed().map((share): Way => [column, share]),
      null,
    ]),
    trace: {
      type: "scatter",
      mode: "lines",
      line: { width: 0, color: colour },
      fill: "toself",
      fillcolor: `${colour}73`,
      hoverinfo: "skip",
      y: ribbons.flatMap((ribbon) => [
        ...shares.map((share) => digits(lowerEdge(ribbon, share))),
        ...shares.toReversed().map((share) => digits(lowerEdge(ribbon, share) + ribbon.thickness)),
        null,
      ]),
    },
  };
}

// Invisible points all over the ribbons, as a filled path has no place to hover of its own.
function hoverTrace(
  ribbons: readonly Ribbon[],
  steps: readonly number[],
  nFeatures: number,
): StepTrace {
  const places = ribbons.flatMap((ribbon) => {
    const nRows = Math.ceil(ribbon.thickness / 0.06);
    return [0.2, 0.5, 0.8].flatMap((share) =>
      Array.from({ length: nRows }, (_, row) => ({
        ribbon,
        share,
        height: lowerEdge(ribbon, share) + ((row + 0.5) / nRows) * ribbon.thickness,
      }))
    );
  });
  return {
    at: places.map(({ ribbon: { column }, share }): Way => [column, share]),
    trace: {
      type: "scatter",
      mode: "markers",
      opacity: 0,
      y: places.map(({ height }) => digits(height)),
      customdata: places.map(({ ribbon: { column, from, to, nFeatures: n } }) => [
        steps[column],
        bands[from].name,
        steps[column + 1],
        bands[to].name,
        n,
        digits(n / nFeatures),
      ]),
      hovertemplate: "step %{customdata[0]:,}: %{customdata[1]}<br>" +
        "step %{customdata[2]:,}: %{customdata[3]}<br>" +
        "features: %{customdata[4]:,} (%{customdata[5]:.1%} of all)<extra></extra>",
    },
  };
}

function digits(value: number): number {
  return Number(value.toFixed(5));
}
