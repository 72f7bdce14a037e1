// What was found of what was planted, as a page and as text.

import { count, palette, plainFigure, quietAxis, stepLabel, type Trace } from "../../src/axes.ts";
import { html, page, raw, scriptJson } from "../../src/html.ts";
import { readPlotly } from "../../src/plotly.ts";
import style from "../../src/report.css" with { type: "text" };
import type { Discoveries, Emergence } from "./_measured.ts";
import { steps } from "./_truth.ts";

/** What all seeds together gave. */
export interface Numbers {
  readonly nSeeds: number;
  readonly claims: readonly {
    readonly claim: string;
    readonly found: number;
    readonly planted: number;
  }[];
  readonly discoveries: readonly Discoveries[];
  /** Of all discoveries, those of features that have nothing in common. */
  readonly shareFalse: number;
  /** Of p of features that have nothing in common, those below 0.05. */
  readonly shareBelow: number;
  /** Share of intervals that cover the truth; with chance: with the null's mean before a birth. */
  readonly coverage: Readonly<
    Record<"rising" | "born" | "pooled", number>
  >;
  /** Median width of the intervals of rising features, in doublings of 1 + step. */
  readonly width: number;
}

/** What is drawn beside the numbers. */
export interface Drawn {
  readonly rising: readonly Emergence[];
  readonly born: readonly Emergence[];
  readonly chanceP: readonly number[];
}

/** The numbers, line by line. */
export function tableOf(numbers: Numbers): string {
  const rows = rowsOf(numbers);
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join("\n");
}

function rowsOf(
  { claims, discoveries, shareFalse, shareBelow, coverage, width }: Numbers,
): [string, string][] {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const perStep = discoveries.map(({ n, nFalse }) => (100 * nFalse / n).toFixed(1)).join(" ");
  return [
    ...claims.map(({ claim, found, planted }): [string, string] => [
      claim,
      `${count(found)} of ${count(planted)}`,
    ]),
    ["false among matches with q < 0.05", percent(shareFalse)],
    ["… by checkpoint", `${perStep} %`],
    ["p < 0.05 where nothing is in common", percent(shareBelow)],
    ["truth in the 95 % interval: rising features", percent(coverage.rising)],
    ["median width of these intervals", `${width.toFixed(2)} doublings`],
    ["truth in the 95 % interval: born features", percent(coverage.born)],
    ["truth in the 95 % interval: both", percent(coverage.pooled)],
  ];
}

/** The page, which needs nothing but itself. */
export async function plantedPage(parts: Numbers & Drawn): Promise<string> {
  const { id, title, caption, data, layout } = figureOf(parts);
  const body = html`
    <header>
      <p class="lead">SAE features through training</p>
      <h1>What was planted, and what is found</h1>
    </header>
    <main>
      <h2 id="${id}-title">${title}</h2>
      <figure data-figure="${id}" aria-labelledby="${id}-title">
        <figcaption>${caption}</figcaption>
        <div class="plot" id="${id}"></div>
        <script type="application/json">${scriptJson({ data, layout })}</script>
      </figure>
      <h2>All numbers, over ${parts.nSeeds} seeds</h2>
      <div class="numbers">
        <table>
          <tbody>${rowsOf(parts).map(([name, value]) =>
            html`
              <tr>
                <th scope="row">${name}</th>
                <td>${value}</td>
              </tr>
            `
          )}</tbody>
        </table>
      </div>
    </main>
    ${plotlyStyles}
  `;
  return await page({
    title: "What was planted, and what is found",
    generator: "deno task test:planted",
    body,
    style: style + ownStyle,
    scripts: [await readPlotly(), draw],
    styleAttributes: [""],
  });
}

// The numbers stand in two columns.
const ownStyle = `
main > div.numbers { columns: 2; column-gap: 40px; }
.numbers table { min-width: 100%; }
.numbers th { text-align: left; font-weight: normal; white-space: normal; }
.plot .x2title, .plot .y2title { fill: var(--quiet) !important; }
`;

const draw = `
const figure = document.querySelector("figure[data-figure]");
const { data, layout } = JSON.parse(figure.querySelector("script").textContent);
Plotly.newPlot(figure.querySelector(".plot"), data, layout, { displayModeBar: false, responsive: true });
`;

// Which plotly.js fills with its style sheets, unless it finds them: the policy allows none.
const plotlyStyles = raw(
  '<div id="plotly.js-style-global" class="no-inline-styles" hidden></div>\n' +
    '<div id="9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53" hidden></div>',
);

function figureOf(
  { rising, born, chanceP, coverage, shareBelow, nSeeds }: Numbers & Drawn,
) {
  const [blue, red, grey] = [palette[1], palette[4], "#75797e"];
  const at = (step: number) => Math.log10(1 + step);
  const ends = [at(0), at(2000)];
  const points = (of: readonly Emergence[], color: string, name: string): Trace => ({
    type: "scatter",
    mode: "markers",
    name,
    x: of.map(({ truth }) => at(truth)),
    y: of.map(({ found }) => at(found)),
    error_y: {
      type: "data",
      symmetric: false,
      array: of.map(({ found, high }) => at(high) - at(found)),
      arrayminus: of.map(({ found, low }) => at(found) - at(low)),
      color: `${color}40`,
      thickness: 1,
      width: 0,
    },
    marker: { color, size: 4 },
    hoverinfo: "skip",
  });
  const inTenths = (share: number) => `${(100 * share).toFixed(1)}\u00a0%`;
  const early = born.reduce((sum, { truth, found }) => sum + at(truth) - at(found), 0) /
    born.length / Math.log10(2);
  const sorted = chanceP.toSorted((a, b) => a - b);
  const curve = Array.from({ length: 201 }, (_, k) => k / 1000);
  const below = curve.map((p) => sorted.findIndex((of) => of >= p) / sorted.length);
  const line = (
    x: readonly number[],
    y: readonly number[],
    axis: "" | "2",
    more: Trace,
  ): Trace => ({
    type: "scatter",
    mode: "lines",
    x,
    y,
    xaxis: `x${axis}`,
    yaxis: `y${axis}`,
    hoverinfo: "skip",
    ...more,
  });
  const ticks = {
    ...quietAxis,
    range: [-0.1, at(4000)],
    tickvals: steps.map(at),
    ticktext: steps.map(stepLabel),
  };
  const shares = { ...quietAxis, range: [0, 0.2], tickformat: ".0%", dtick: 0.05 };
  const title = (text: string): Trace => ({ text, standoff: 12, font: { size: 13 } });
  const note = (text: string, x: number): Trace => ({
    text,
    x,
    y: 1.02,
    xref: "paper",
    yref: "paper",
    xanchor: "left",
    yanchor: "bottom",
    showarrow: false,
    font: { size: 14 },
  });
  return plainFigure({
    id: "planted",
    title: "When features emerge, and how often chance is taken for a match",
    caption:
      `Activations of which everything is known, drawn with ${nSeeds} seeds. Left: the step ` +
      "at which a feature truly reaches a cosine of 0.5, and the step found on 6,144 tokens, with " +
      `its 95\u00a0% interval, which covers the truth for ${
        inTenths(coverage.rising)
      } of the features that rise. ` +
      "A feature that is born has no copy before, and the best of chance stands in: its step is " +
      `read ${early.toFixed(2)} doublings early, and its interval, which covers ${
        inTenths(coverage.born)
      }, is the time between two checkpoints. Right: the ` +
      "share of matches of features that have nothing in common whose p is " +
      `below each level; ${(100 * shareBelow).toFixed(1)} % are below 5 %. The mark is 5 ± 2 %.`,
    traces: [
      line(ends, ends, "", { line: { color: grey, width: 1 }, showlegend: false }),
      points(rising, blue, "rises"),
      points(born, red, "is born at a checkpoint"),
      line([0, 0.2], [0, 0.2], "2", { line: { color: grey, width: 1 }, showlegend: false }),
      line(curve, below, "2", { line: { color: blue, width: 2 }, showlegend: false }),
      line([0.05, 0.05], [0.03, 0.07], "2", { line: { color: red, width: 3 }, showlegend: false }),
    ],
    height: 440,
    layout: {
      margin: { l: 64, r: 24, t: 36, b: 56 },
      showlegend: true,
      legend: { x: 0.02, y: 0.98 },
      annotations: [note("Emergence", 0), note("Calibration of p", 0.62)],
      xaxis: { ...ticks, domain: [0, 0.52], title: title("true step") },
      yaxis: { ...ticks, title: title("step found") },
      xaxis2: { ...shares, domain: [0.62, 1], anchor: "y2", title: title("level") },
      yaxis2: { ...shares, anchor: "x2", title: title("share with p below it") },
    },
  });
}
