/**
 * The head of a report: what the sweep is, and what came out, in numbers.
 *
 * @module
 */

import { count } from "./axes.ts";
import { sameCheckpoints } from "./frames.ts";
import { comparedCheckpoints } from "./heatmaps.ts";
import { html, type Markup } from "./html.ts";
import { metricNames } from "./measures.ts";
import { featurePaths } from "./paths.ts";
import { type Appearing, nullFraction, percent, plain } from "./report_tables.ts";
import { quantile } from "./statistics.ts";
import { countMatched, type Summary } from "./summary.ts";
import { type TokenClass, tokenClass } from "./token_share.ts";

/**
 * What a sweep is, in a few terms.
 *
 * @param summary A matched sweep.
 * @returns A list.
 */
export function facts({ hook, reference, nFeatures, centred, checkpoints }: Summary): Markup {
  const { quality } = checkpoints.find(({ step }) => step === reference)!;
  const rows: readonly (readonly [string, string | Markup])[] = [
    ["Residual stream at", html`<code>${hook}</code>`],
    ["Reference", `step ${count(reference)}`],
    ["Features followed", count(nFeatures)],
    ["Checkpoints", count(checkpoints.length)],
    ["Tokens", count(quality.nTokens)],
    ["Tokens reconstructed", count(quality.nMeasured)],
    ["Mean over d_model", centred ? "removed" : "kept"],
  ];
  return html`<dl class="facts">${
    rows.map(([term, value]) =>
      html`
        <div>
          <dt>${term}</dt>
          <dd>${value}</dd>
        </div>
      `
    )
  }</dl>`;
}

// How many of the first checkpoint's matches the token alone, and chance alone, would give.
function chance(summary: Summary, threshold: number): Markup | string {
  const [first] = comparedCheckpoints(summary);
  const { rotated, sameToken } = first.nulls;
  if (rotated.length === 0 || sameToken.length === 0) return "";
  const of = (null_: readonly Float32Array[]) => nullFraction(null_, threshold, summary.nFeatures);
  const matched = countMatched(first.match, threshold) / summary.nFeatures;
  return html`
    <li><strong>${percent(of(sameToken))}</strong> would at step ${count(first.step)} by the token
      alone, its context being another’s: what the first checkpoint has beyond it is ${percent(
        matched - of(sameToken),
      )}. Chance alone gives ${percent(of(rotated))}.</li>
  `;
}

// Which features are the token's and there from the start, which depend on context and came later.
function origins(summary: Summary, threshold: number): Markup | string {
  const classes = Array.from(summary.tokenShare, tokenClass);
  if (classes.every((name) => name === null)) return "";
  const paths = featurePaths(summary, threshold);
  const are = (name: TokenClass) => [...paths.keys()].filter((f) => classes[f] === name);
  const [token, mixed, context] = [are("token"), are("mixed"), are("context")];
  const early = (of: number[]) =>
    of.filter((f) => paths[f].lifecycle === "from the start" || paths[f].lifecycle === "early");
  const came = context.filter((f) => paths[f].emergence > summary.checkpoints[0].step);
  const middle = quantile(came.map((f) => paths[f].emergence).sort((a, b) => a - b), 0.5);
  return html`
    <li><strong>${percent(
      token.length / summary.nFeatures,
    )}</strong> are features of the token, which
      alone explains two thirds or more of their variance; ${percent(
        early(token).length / token.length,
      )} of these are there from the start or early.</li>
    <li><strong>${percent(context.length / summary.nFeatures)}</strong> are features of the context:
      the token explains less than a third; ${percent(
        early(context).length / context.length,
      )} of these are there from the start or early${came.length > 0
        ? `, and of those that came later half had come by step ${count(Math.round(middle))}`
        : ""}. ${percent(mixed.length / summary.nFeatures)} of all are between.</li>
  `;
}

// How sure the steps are at which features emerge.
function certainty({ emergence: { intervals }, checkpoints, reference }: Summary): Markup | string {
  const { sourceCounts } = checkpoints.find(({ step }) => step === reference)!.match;
  const first = checkpoints[0].step;
  const came = intervals.filter(({ low, high }, f) =>
    sourceCounts[f] > 0 && Number.isFinite(low) && high > first
  );
  if (came.length === 0) return "";
  const closed = came.filter(({ high }) => Number.isFinite(high));
  const widths = closed.map(({ low, high }) => Math.log2((1 + high) / (1 + low)));
  return html`
    <li><strong>${plain(
      quantile(widths.sort((a, b) => a - b), 0.5),
      2,
    )} doublings</strong> of 1 + step
      is half of the 95 % intervals of when a feature emerges at most wide, on sequences drawn anew;
      ${count(came.length - closed.length)} of ${count(came.length)} are open above.</li>
  `;
}

/**
 * What a reader must know before anything else: checkpoints that are the same weights.
 *
 * @param summary A matched sweep.
 * @returns A warning for each; nothing if there is none.
 */
export function warnings(summary: Summary): Markup {
  return html`${
    sameCheckpoints(summary).map(({ before, step }) =>
      html`
        <p class="warning" role="note"><strong>Step ${count(before)} and step ${count(step)} are the
          same.</strong> Their features are so alike that they must be of the same weights: look
          whether a checkpoint was published under another’s name.</p>
      `
    )
  }`;
}

/**
 * What came out, in a few numbers.
 *
 * @param summary A matched sweep.
 * @param appearing The features that appear at each checkpoint.
 * @param threshold Distance below which a feature is present.
 * @returns A list.
 */
export function findings(
  summary: Summary,
  appearing: readonly Appearing[],
  threshold: number,
): Markup {
  const { checkpoints, reference, nFeatures } = summary;
  const compared = comparedCheckpoints(summary);
  const [first, last] = [compared[0], compared[compared.length - 1]];
  const fraction = ({ match }: typeof first) => percent(countMatched(match, threshold) / nFeatures);
  const between = appearing.slice(1).filter(({ step }) => step !== reference);
  const nBetween = between.reduce((sum, { features }) => sum + features.length, 0);
  const { quality } = checkpoints.find(({ step }) => step === reference)!;
  return html`
    <ul class="findings" aria-label="Features of the reference, in numbers">
      <li><strong>${fraction(first)} → ${fraction(last)}</strong> of the reference’s features have a
        match nearer than ${threshold}: from step ${count(first.step)} to step ${count(
          last.step,
        )}.</li>
      ${chance(summary, threshold)}
      ${origins(summary, threshold)}
      ${certainty(summary)}
      <li><strong>${count(appearing[0].features.length)}</strong> present throughout: at every
      checkpoint, from step ${count(checkpoints[0].step)} on.</li>
      <li><strong>${count(
        nBetween,
      )}</strong> that appear for good at a checkpoint other than the first
      one and the reference.</li>
      <li><strong>${count(
        quality.nDead,
      )}</strong> dead: without an activation on these tokens, and so
      without a match anywhere.</li>
    </ul>
  `;
}

/**
 * What the words of a report mean.
 *
 * @param summary A matched sweep.
 * @param threshold Distance below which a feature is present.
 * @returns A list of terms.
 */
export function reading({ reference, checkpoints, metric }: Summary, threshold: number): Markup {
  const hasNulls = checkpoints.some(({ nulls }) => nulls.rotated.length > 0);
  const terms: readonly (readonly [string, string])[] = [
    [
      "Feature",
      "One unit of a sparse autoencoder. Every checkpoint of the language model has an autoencoder " +
      `of its own; those of step ${count(reference)}, the reference, are followed.`,
    ],
    [
      "Match",
      "The feature of another checkpoint whose activations on the same tokens are most like those " +
      "of a feature of the reference. Two features may have the same match.",
    ],
    [
      "Similarity",
      `Here the ${metricNames[metric]} of a feature and its match over all tokens: 1 if they ` +
      "fire on the same tokens in the same proportions, 0 if never together.",
    ],
    ["Distance", "1 − similarity."],
    [
      "Dead, no match",
      "A feature is dead if it fires on none of these tokens. It has no match; nor has a feature " +
      "that fires on no token where any feature of the other checkpoint does.",
    ],
    [
      "Present, appears",
      `A feature is present at a checkpoint if its match is nearer than ${threshold}. It appears at ` +
      "a step if it is absent at every earlier checkpoint, and present there and at every later one.",
    ],
    [
      "From the start, early, late, transient",
      "What becomes of a feature, by where its similarity is at or above the threshold: at every " +
      "checkpoint; from some step on for good, by thirds over log(1 + step); or at some checkpoint " +
      "and not at a later one.",
    ],
    ...(hasNulls
      ? [
        [
          "Chance, same token",
          "What matches are worth: the same search with the checkpoint’s tokens rotated by whole " +
          "sequences finds chance alone; with its activations exchanged among positions of the same " +
          "token, what the token alone gives in any context. A q-value is the share of chance among " +
          "matches at least as good.",
        ] as const,
      ]
      : []),
  ];
  return html`<dl class="reading">${
    terms.map(([term, text]) =>
      html`
        <dt>${term}</dt>
        <dd>${text}</dd>
      `
    )
  }</dl>`;
}
