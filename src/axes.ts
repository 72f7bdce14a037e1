/**
 * Figures whose horizontal axis is the training of the language model.
 *
 * C = checkpoints drawn, a column each.
 *
 * @module
 */

/** A plotly trace, as data. */
export type Trace = Readonly<Record<string, unknown>>;

/**
 * How training steps are laid out: `symlog` at log₁₀(1 + step), so that step 0 has a place; `even`, a
 * column a checkpoint; `linear`, at the step itself.
 */
export type StepScale = "symlog" | "even" | "linear";

/** Every scale, the first one being that in which figures are drawn. */
export const stepScales: readonly StepScale[] = ["symlog", "even", "linear"];

/** Where columns lie on one scale. */
export interface StepAxis {
  /** Of the checkpoints, ascending: `[C]`. */
  readonly points: readonly number[];
  /** Of the borders between columns, ascending: `[C + 1]`. Columns touch and never overlap. */
  readonly edges: readonly number[];
  /** Range and ticks, as plotly's `layout.xaxis` takes them. */
  readonly axis: Readonly<Record<string, unknown>>;
}

/** What a figure looks like on one scale. */
export interface ScaleUpdate {
  /** Attributes of the traces, a value for each trace, as `Plotly.restyle` takes them. */
  readonly traces: Readonly<Record<string, readonly unknown[]>>;
  /** Attributes of the horizontal axis. */
  readonly axis: Readonly<Record<string, unknown>>;
}

/** A plotly figure, as data. */
export interface Figure {
  /** Name within a page, of lower-case letters and hyphens. */
  readonly id: string;
  /** What is drawn, in a few words. */
  readonly title: string;
  /** What the figure shows, for a reader who has not seen the code. */
  readonly caption: string;
  /** plotly traces. */
  readonly data: readonly Trace[];
  /** plotly layout. */
  readonly layout: Readonly<Record<string, unknown>>;
  /** What to change in `data` and `layout` for another scale of training steps, if it has them. */
  readonly scales: Readonly<Record<StepScale, ScaleUpdate>>;
  /** Steps of the checkpoints drawn, ascending, if the horizontal axis is training: `[C]`. */
  readonly steps?: readonly number[];
}

/** A place between two checkpoints: the column of the first, and the share of the way on. */
export type Way = readonly [column: number, share: number];

/** A trace that does not know yet where its columns lie. */
export interface StepTrace {
  /**
   * Whether it draws at the checkpoints, in the middle of columns, bars there, a map of cells, or
   * narrow bars at the checkpoints; or where each of its points lies on the way from one of these
   * narrow bars to the next, null being a gap.
   */
  readonly at: "points" | "centres" | "bars" | "cells" | "posts" | readonly (Way | null)[];
  /** All but its horizontal coordinates. */
  readonly trace: Trace;
}

/**
 * Lays out training steps.
 *
 * A border lies midway between two checkpoints on the scale; the outermost columns are symmetric.
 *
 * @param steps Steps of the checkpoints, ascending: `[C]`, C > 0.
 * @param scale How to lay them out.
 * @returns Where the columns lie.
 *
 * @example Three checkpoints
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(stepAxis([0, 10, 30], "linear").edges, [-5, 5, 20, 40]);
 * assert.deepEqual(stepAxis([0, 9, 99], "symlog").points, [0, 1, 2]);
 * ```
 */
export function stepAxis(steps: readonly number[], scale: StepScale): StepAxis {
  const points = steps.map((step, column) =>
    scale === "linear" ? step : scale === "even" ? column : Math.log10(1 + step)
  );
  const middles = points.slice(1).map((point, c) => (points[c] + point) / 2);
  const [first, last] = [points[0], points[points.length - 1]];
  const left = middles.length > 0 ? first - (middles[0] - first) : first - 0.5;
  const right = middles.length > 0 ? last + (last - middles[middles.length - 1]) : last + 0.5;
  const edges = [left, ...middles, right];
  return { points, edges, axis: { range: [left, right], ...ticks(steps, points, scale) } };
}

function ticks(steps: readonly number[], points: readonly number[], scale: StepScale): Trace {
  if (scale === "linear") {
    return { tickmode: "auto", tickformat: "~s", tickvals: null, ticktext: null };
  }
  const decades = [0, ...Array.from({ length: 8 }, (_, power) => 10 ** power)]
    .filter((step) => step >= steps[0] && step <= steps[steps.length - 1]);
  const isDecades = scale === "symlog" && decades.length >= 3;
  return {
    tickmode: "array",
    tickformat: "",
    tickvals: isDecades ? decades.map((step) => Math.log10(1 + step)) : points,
    ticktext: (isDecades ? decades : steps).map(stepLabel),
  };
}

/**
 * A training step in as few characters as say it exactly.
 *
 * @param step A step.
 * @returns Digits, with a k for thousands.
 *
 * @example Nothing is rounded
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual([512, 1500, 1501, 143000].map(stepLabel), ["512", "1.5k", "1501", "143k"]);
 * ```
 */
export function stepLabel(step: number): string {
  return step >= 1000 && step % 100 === 0 ? `${step / 1000}k` : `${step}`;
}

/**
 * A whole number with its thousands apart.
 *
 * @param value A number ≥ 0.
 * @returns Digits and commas.
 *
 * @example A vocabulary
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(count(50304), "50,304");
 * ```
 */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** Colours that can be told apart without red and green, and seen on white and on black. */
export const palette: readonly string[] = ["#7a68c0", "#3a7fb5", "#1f968b", "#5c9e33", "#c28a12"];

/** The grey of what has no value. */
export const noValueColour = "#c4c4c4";

const font = { family: "system-ui, sans-serif", size: 13, color: "#333333" };

const commonLayout: Trace = {
  font,
  margin: { l: 76, r: 24, t: 12, b: 56 },
  paper_bgcolor: "#ffffff",
  plot_bgcolor: "#ffffff",
  showlegend: false,
  dragmode: false,
  hovermode: "closest",
  hoverlabel: {
    bgcolor: "#222222",
    bordercolor: "#222222",
    font: { ...font, color: "#ffffff" },
    align: "left",
  },
};

/** What {@linkcode plainFigure} puts together. */
export interface PlainFigureParts extends Pick<Figure, "id" | "title" | "caption" | "layout"> {
  /** Whole traces. */
  readonly traces: readonly Trace[];
  /** Height in pixels; the width is that of the page. */
  readonly height: number;
}

/**
 * A figure without training steps: another scale of them changes nothing.
 *
 * @param parts What to put together; the layout is what goes beyond the common one.
 * @returns The figure.
 */
export function plainFigure(
  { id, title, caption, traces, height, layout }: PlainFigureParts,
): Figure {
  const none: ScaleUpdate = { traces: {}, axis: {} };
  return {
    id,
    title,
    caption,
    data: traces,
    layout: { ...commonLayout, height, ...layout },
    scales: { symlog: none, even: none, linear: none },
  };
}

/** What {@linkcode stepFigure} puts together. */
export interface StepFigureParts extends Pick<Figure, "id" | "title" | "caption"> {
  /** Steps of the checkpoints, ascending: `[C]`. */
  readonly steps: readonly number[];
  /** Traces without horizontal coordinates. */
  readonly traces: readonly StepTrace[];
  /** Height in pixels; the width is that of the page. */
  readonly height: number;
  /** Layout beyond the common one, without the horizontal axis. */
  readonly layout: Readonly<Record<string, unknown>>;
  /** What the horizontal axis has beyond the common one. */
  readonly xaxis?: Readonly<Record<string, unknown>>;
}

/**
 * A figure on the first scale, and what to change for the others.
 *
 * @param parts What to put together.
 * @returns The figure.
 */
export function stepFigure(
  { id, title, caption, steps, traces, height, layout, xaxis }: StepFigureParts,
): Figure {
  const update = (scale: StepScale): ScaleUpdate => {
    const columns = stepAxis(steps, scale);
    const placed = traces.map(({ at }) => coordinates(columns, at));
    const hasBars = placed.some(({ width }) => width);
    return {
      traces: {
        x: placed.map(({ x }) => x),
        ...(hasBars ? { width: placed.map(({ width }) => width ?? null) } : {}),
      },
      axis: columns.axis,
    };
  };
  const scales = { symlog: update("symlog"), even: update("even"), linear: update("linear") };
  const columns = stepAxis(steps, stepScales[0]);
  return {
    id,
    title,
    caption,
    data: traces.map(({ at, trace }) => ({ ...trace, ...coordinates(columns, at) })),
    layout: {
      ...commonLayout,
      height,
      ...layout,
      xaxis: {
        title: { text: "training step of the language model", standoff: 10 },
        automargin: true,
        ...quietAxis,
        ...columns.axis,
        ...xaxis,
      },
    },
    scales,
    steps,
  };
}

/** What all axes have in common. */
export const quietAxis: Readonly<Record<string, unknown>> = {
  gridcolor: "#e6e6e6",
  zeroline: false,
  ticks: "outside",
  ticklen: 4,
  tickcolor: "#999999",
};

function coordinates(
  columns: StepAxis,
  at: StepTrace["at"],
): { x: readonly (number | null)[]; width?: readonly number[] } {
  const { points, edges } = columns;
  if (at === "points") return { x: points };
  if (at === "cells") return { x: edges };
  if (at === "centres" || at === "bars") {
    const widths = edges.slice(1).map((edge, c) => edge - edges[c]);
    const x = widths.map((width, c) => edges[c] + width / 2);
    return at === "centres" ? { x } : { x, width: widths.map((width) => 0.8 * width) };
  }
  const halves = halfPosts(columns);
  if (at === "posts") return { x: points, width: halves.map((half) => 2 * half) };
  return {
    x: at.map((way) => {
      if (way === null) return null;
      const [c, share] = way;
      const [left, right] = [points[c] + halves[c], points[c + 1] - halves[c + 1]];
      return Number((left + share * (right - left)).toPrecision(6)); // many points, few digits
    }),
  };
}

// Half the widths of narrow bars: all alike, but where checkpoints are too near for that.
function halfPosts({ points, edges }: StepAxis): number[] {
  const usual = 0.009 * (edges[edges.length - 1] - edges[0]);
  return points.map((point, c) =>
    Math.min(usual, 0.4 * (point - edges[c]), 0.4 * (edges[c + 1] - point))
  );
}
