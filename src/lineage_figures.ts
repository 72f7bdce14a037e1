/**
 * What becomes of lineages through training, as figures: births and deaths, and survival.
 *
 * C = checkpoints, a column each.
 *
 * @module
 */

import { count, type Figure, palette, quietAxis, stepFigure, type StepTrace } from "./axes.ts";
import type { LineageEvents } from "./lineages.ts";
import { endLabels, fractionAxis, line } from "./lines.ts";
import type { Survival } from "./statistics.ts";

const [bornColour, deadColour, sharedColour] = [palette[1], palette[4], palette[0]];

/**
 * How many lineages are born and die at every checkpoint, and how many features split and merge:
 * bars above and below zero, and marks on them.
 *
 * Nothing is drawn at the first checkpoint, where what lives may be older, and no mark of none.
 *
 * @param steps Steps of the checkpoints, increasing: `[C]`, C > 0.
 * @param events What happens at each: `[C]`.
 * @returns The figure.
 * @throws {RangeError} If events and steps are not equally many, or there are none.
 *
 * @example Two are born at step 8, one dies
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const [alive, continued, births, deaths, none] = [[4, 5], [0, 3], [0, 2], [0, 1], [0, 0]]
 *   .map((counts) => Uint32Array.from(counts));
 * const events = { alive, continued, births, deaths, splits: none, merges: none };
 *
 * const [born, dead] = birthsDeathsFigure([0, 8], events).data;
 *
 * assert.deepEqual([born.y, dead.y], [[null, 2], [null, -1]]);
 * ```
 */
export function birthsDeathsFigure(steps: readonly number[], events: LineageEvents): Figure {
  if (steps.length === 0 || events.alive.length !== steps.length) {
    throw new RangeError(
      "Cannot draw births and deaths: expected events of as many checkpoints as steps, " +
        `got ${events.alive.length} of ${steps.length} steps`,
    );
  }
  const { alive, continued, births, deaths, splits, merges } = events;
  const drawn = [
    { name: "born", colour: bornColour, sign: 1, of: births },
    { name: "die", colour: deadColour, sign: -1, of: deaths },
    { name: "split", colour: sharedColour, sign: 1, of: splits, symbol: "triangle-up" },
    { name: "merge", colour: sharedColour, sign: -1, of: merges, symbol: "triangle-down" },
  ].map((series) => ({
    ...series,
    heights: Array.from(
      series.of,
      (n, k) => k === 0 || (n === 0 && series.symbol) ? null : series.sign > 0 ? n : 0 - n,
    ),
  }));
  const customdata = steps.map((step, k) =>
    [step, births, deaths, splits, merges, continued, alive]
      .map((of) => typeof of === "number" ? of : of[k])
  );
  const highest = Math.max(1, ...births, ...deaths);
  return stepFigure({
    id: "births-deaths",
    title: "Which features are born, and which die",
    caption: "Features of neighbouring checkpoints that are each other’s best match, and near " +
      "enough, are one lineage. Above zero, lineages that begin at a checkpoint; below zero, " +
      "those that the checkpoint before still had. Triangles: of the births and deaths, how " +
      "many features of the checkpoint before are the best match of several (split), and how " +
      "many of this one are that of several before (merge). A feature that is missed once dies " +
      "and is born again. At the first checkpoint " +
      `${count(alive[0])} features fire, of an age that is not known.`,
    steps,
    traces: drawn.map(({ name, colour, heights, symbol }): StepTrace => ({
      at: symbol ? "centres" : "bars",
      trace: {
        ...(symbol
          ? {
            type: "scatter",
            mode: "markers",
            marker: { color: colour, symbol, size: 8, line: { color: "#ffffff", width: 1 } },
          }
          : { type: "bar", marker: { color: colour } }),
        name,
        y: heights,
        customdata,
        hovertemplate: "step %{customdata[0]:,}<br>born: %{customdata[1]:,}, of " +
          "%{customdata[6]:,} alive<br>die: %{customdata[2]:,}<br>continue: " +
          "%{customdata[5]:,}<br>split: %{customdata[3]:,}<br>merge: %{customdata[4]:,}" +
          "<extra></extra>",
      },
    })),
    height: 380,
    layout: {
      margin: { l: 76, r: 64, t: 12, b: 56 },
      barmode: "relative",
      yaxis: {
        title: { text: "lineages that die | are born", standoff: 8 },
        ...quietAxis,
        zeroline: true,
        zerolinecolor: "#999999",
        range: [-1.05 * highest, 1.05 * highest],
        ...unsignedTicks(highest),
      },
      annotations: endLabels(
        { yref: "y", range: [-highest, highest], lineHeight: 0.065 },
        [drawn[1], drawn[3], drawn[2], drawn[0]].map(({ name, colour, heights }) => ({
          text: name,
          colour,
          height: heights[heights.length - 1] ?? 0,
        })), // from below: there are no more splits than births, or merges than deaths
      ),
    },
  });
}

// Ticks on both sides of zero, whole numbers without a sign: at most five on each.
function unsignedTicks(highest: number): Readonly<Record<string, unknown>> {
  const power = 10 ** Math.floor(Math.log10(highest));
  const unit = Math.max(1, [0.2, 0.5, 1, 2].map((u) => u * power).find((u) => highest / u <= 5)!);
  const up = Array.from(
    { length: Math.floor(highest / unit) },
    (_, t) => Math.round(unit * (t + 1)),
  );
  const values = [...up.map((value) => -value).reverse(), 0, ...up];
  return {
    tickmode: "array",
    tickvals: values,
    ticktext: values.map((value) => count(Math.abs(value))),
  };
}

/**
 * The share of lineages that live past each checkpoint, with a band of 1.96 standard errors.
 *
 * @param steps Steps of the checkpoints, increasing: `[C]`, C > 0.
 * @param curve The curve over them, as of {@linkcode lineageSurvival}; without an end it is even.
 * @returns The figure.
 * @throws {RangeError} If a time of the curve is no step after the first.
 *
 * @example A quarter ends at step 8
 * ```ts
 * import assert from "node:assert/strict";
 * import { survival } from "./statistics.ts";
 *
 * const figure = survivalFigure([0, 8, 64], survival([8, 64, 64, 64], [1, 0, 0, 0]));
 *
 * assert.deepEqual(figure.data[2].y, [1, 0.75, 0.75]);
 * ```
 */
export function survivalFigure(steps: readonly number[], curve: Survival): Figure {
  const { times, shares, standardErrors, atRisk, ended } = curve;
  const stray = times.find((time) => steps.indexOf(time) < 1);
  if (stray !== undefined) {
    throw new RangeError(
      `Cannot draw survival at ${stray}: expected a step of a checkpoint after the first, ` +
        `got ${steps.join(", ")}`,
    );
  }
  // At every step, the last time that is not after it; -1 before the first.
  const last = steps.map((step) => times.findLastIndex((time) => time <= step));
  const shareAt = last.map((t) => t < 0 ? 1 : shares[t]);
  const marginAt = last.map((t) => t < 0 ? 0 : 1.96 * standardErrors[t]); // NaN at share 0
  const edge = (sign: number, fill: string): StepTrace => ({
    at: "points",
    trace: {
      type: "scatter",
      mode: "lines",
      line: { width: 0, color: palette[1], shape: "hv" },
      fill,
      fillcolor: `${palette[1]}33`,
      hoverinfo: "skip",
      y: shareAt.map((share, k) =>
        Number.isNaN(marginAt[k]) ? null : Math.min(1, Math.max(0, share + sign * marginAt[k]))
      ),
    },
  });
  const shape = line(palette[1]);
  return stepFigure({
    id: "survival",
    title: "How long features live",
    caption:
      "The share of the first checkpoint’s lineages that would live past a step if at each " +
      "checkpoint old and young ones died alike: the product of the shares that continue " +
      "(Kaplan and Meier over the training step; a lineage counts from its birth on, one alive " +
      "at the end is censored). A lineage ends where its feature has no mutual best match that " +
      "is near enough at the next checkpoint, be it by noise. The band is 1.96 standard errors " +
      "to each side, as if lineages were independent; there is none where nothing is left.",
    steps,
    traces: [edge(-1, "none"), edge(1, "tonexty"), {
      at: "points",
      trace: {
        ...shape,
        line: { color: palette[1], width: 2, shape: "hv" },
        name: "live on",
        y: shareAt,
        customdata: steps.map((step, k) => {
          const t = last[k];
          return [
            step,
            Number.isNaN(marginAt[k]) ? "" : ` ± ${(100 * marginAt[k]).toFixed(1)}%`,
            t >= 0 && times[t] === step
              ? `${count(ended[t])} of ${count(atRisk[t])} end here`
              : "none ends here",
          ];
        }),
        hovertemplate: "step %{customdata[0]:,}<br>live past it: %{y:.1%}%{customdata[1]}" +
          "<br>%{customdata[2]}<extra></extra>",
      },
    }],
    height: 320,
    layout: {
      yaxis: {
        ...fractionAxis,
        title: { text: "share of lineages that live on", standoff: 8 },
        range: [0, 1.02],
      },
    },
  });
}

/**
 * How far the two frames agree: of the features of the reference that have a match both directly and
 * by way of neighbours, the share for which it is the same feature.
 *
 * @param steps Training steps of the checkpoints: `[C]`.
 * @param agreement How many have both, and how many the same: `[C]`.
 * @param reference Step of the reference, at which all agree.
 * @returns The figure.
 */
export function agreementFigure(
  steps: readonly number[],
  agreement: readonly { readonly nBoth: number; readonly nSame: number }[],
  reference: number,
): Figure {
  const before = steps.map((step, k) => ({ step, ...agreement[k] }))
    .filter(({ step }) => step < reference);
  return stepFigure({
    id: "frame-agreement",
    title: "Directly, and by way of neighbours",
    caption:
      "Each feature of the reference has a match at a checkpoint directly, and one that is " +
      "reached by going back from match to match of neighbouring checkpoints. The line is the " +
      "share of features for which both are the same. Where they part, a feature changes by small " +
      "steps into one that no longer is the most like it, or a weak match on the way leads astray.",
    steps: before.map(({ step }) => step),
    traces: [{
      at: "points",
      trace: {
        ...line(palette[1]),
        name: "same feature",
        y: before.map(({ nBoth, nSame }) => nBoth > 0 ? nSame / nBoth : null),
        customdata: before.map(({ step, nBoth, nSame }) => [step, nSame, nBoth]),
        hovertemplate: "step %{customdata[0]:,}<br>the same: %{customdata[1]:,} of " +
          "%{customdata[2]:,} (%{y:.1%})<extra></extra>",
      },
    }],
    height: 300,
    layout: {
      yaxis: {
        ...fractionAxis,
        title: { text: "share that agree", standoff: 8 },
        range: [0, 1.02],
      },
    },
  });
}
