/**
 * One feature of the reference in detail, as its page reads it.
 *
 * C = checkpoints, D = width of the residual stream, J = directions, M = tokens whose ranks are
 * followed.
 *
 * @module
 */

import { type Centre, chooseCentres, type Window, windowAround } from "./contexts.ts";
import { type Correlated, densities } from "./firing.ts";
import { logitLens, type Unembedding } from "./logit_lens.ts";
import { randomFrom } from "./random.ts";
import type { Maybe, SiteContext, SiteFeature, SiteLogits } from "./site_data.ts";

/** What is shown of a feature, as its activations at the reference decide. */
export interface ShownFeature {
  /** The feature of the reference. */
  readonly feature: number;
  /** The tokens around which text is shown. */
  readonly centres: readonly Centre[];
  /** The text around each. */
  readonly windows: readonly Window[];
  /** Features of the reference that fire together with it. */
  readonly correlated: readonly Correlated[];
  /** Dimensions that its decoder direction uses most. */
  readonly neurons: SiteFeature["neurons"];
  /** In every window, what is lost on the next token without it; where it was measured. */
  readonly lossEffects?: readonly (readonly Maybe[])[];
}

/** What the match of a feature does at one checkpoint. */
export interface FeatureAt {
  /** The match, -1 of none. */
  readonly match: number;
  /** Its activations in every window; null of no match. */
  readonly contexts: readonly Float32Array[] | null;
  /** Its activations, counted by doublings. */
  readonly density: Uint32Array;
  /** What its decoder direction writes to the logits; null where that was not asked for. */
  readonly logits: SiteLogits | null;
  /** Ranks of the tokens that the reference promotes most, from 1: `[M]`. */
  readonly ranks: readonly Maybe[];
}

/** The tokens of a sweep, and how to read them. */
export interface ReadableTokens {
  /** The id of every token. */
  readonly ids: ArrayLike<number>;
  /** Positions of a sequence. */
  readonly contextSize: number;
  /** What a token id reads as. */
  readonly textOf: (id: number) => string;
}

/**
 * Chooses the text that is shown of a feature.
 *
 * @param feature The feature of the reference.
 * @param firing Tokens on which it fires, ascending, and its activations there.
 * @param tokens The tokens of the sweep, and a seed: what is drawn of a feature depends on the seed
 *   and on the feature, and not on what else is chosen.
 * @returns The text, by its centres.
 */
export function chooseText(
  feature: number,
  firing: { readonly tokens: ArrayLike<number>; readonly values: Float32Array },
  { ids, contextSize, seed }: Pick<ReadableTokens, "ids" | "contextSize"> & {
    readonly seed: number;
  },
): Pick<ShownFeature, "centres" | "windows"> {
  const random = randomFrom(seed ^ Math.imul(feature + 1, 0x9e3779b1));
  const centres = chooseCentres(firing.tokens, firing.values, { contextSize, random });
  const windows = centres.map(({ token }) =>
    windowAround(token, { nTokens: ids.length, contextSize })
  );
  return { centres, windows };
}

/**
 * The dimensions that a direction uses most.
 *
 * @param direction A row of a decoder: `[D]`.
 * @param nWanted How many.
 * @returns Dimensions of the largest weights by size, ties by number; weights of 0 are left out.
 *
 * @example Three quarters of a direction are in one dimension
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const [first] = alignedNeurons(new Float32Array([1, -3]));
 *
 * assert.deepEqual(first, { neuron: 1, weight: -3, share: 0.75 });
 * ```
 */
export function alignedNeurons(direction: Float32Array, nWanted = 10): SiteFeature["neurons"] {
  const l1 = direction.reduce((sum, weight) => sum + Math.abs(weight), 0);
  return Array.from(
    direction,
    (weight, neuron) => ({ neuron, weight, share: Math.abs(weight) / l1 }),
  )
    .filter(({ weight }) => weight !== 0)
    .sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight) || a.neuron - b.neuron)
    .slice(0, nWanted);
}

/** What some directions write to the logits. */
export interface SiteLens {
  /** Of every direction: `[J]`. */
  readonly logits: readonly SiteLogits[];
  /** Ids of the tokens that each promotes most, the most first: `[J]` of `[M]`. */
  readonly top: readonly (readonly number[])[];
  /** Ranks of the tokens that were asked for, from 1: `[J]` of `[M]`. */
  readonly ranks: readonly (readonly number[])[];
}

/**
 * The logit lens of some directions: logits less their mean over all tokens.
 *
 * @param directions Rows of a decoder: `[J, D]`.
 * @param unembedding The model's.
 * @param textOf What a token id reads as.
 * @param options Tokens a side, bins of the histogram, and M; or the ids of the tokens to rank, equally
 *   many of each direction, `[J]` of `[M]`.
 * @returns Tokens, values and histograms; see {@linkcode logitLens} for their cost.
 */
export function siteLens(
  directions: Float32Array,
  unembedding: Unembedding,
  textOf: (id: number) => string,
  { nTop = 10, nBins = 40, nRanked = 8, ranked }: {
    readonly nTop?: number;
    readonly nBins?: number;
    readonly nRanked?: number;
    readonly ranked?: readonly (readonly number[])[];
  } = {},
): SiteLens {
  const n = Math.min(nTop, unembedding.vocabulary);
  const options = { nTop: n, nBins, isCentred: true, ranked: ranked?.flat() ?? [] };
  const lens = logitLens(directions, unembedding, options);
  const J = directions.length / unembedding.width;
  const each = <V>(of: (j: number) => V) => Array.from({ length: J }, (_, j) => of(j));
  const side = ({ ids, logits }: typeof lens.promoted, j: number) =>
    Array.from({ length: n }, (_, k) => ({
      token: textOf(ids[j * n + k]),
      value: logits[j * n + k],
    }));
  const logits = each((j): SiteLogits => {
    const [promoted, suppressed] = [side(lens.promoted, j), side(lens.suppressed, j)];
    const [low, high] = [suppressed[0].value, promoted[0].value];
    const edges = Array.from({ length: nBins + 1 }, (_, b) => low + ((high - low) * b) / nBins);
    const counts = [...lens.counts.subarray(j * nBins, (j + 1) * nBins)];
    return { promoted, suppressed, histogram: { edges, counts } };
  });
  const top = each((j) => [...lens.promoted.ids.subarray(j * n, j * n + Math.min(n, nRanked))]);
  const M = ranked?.[0]?.length ?? 0;
  const ranks = each((j) =>
    ranked
      ? Array.from(lens.ranks.subarray(j * M, (j + 1) * M), (rank) => rank + 1)
      : top[j].map((_, rank) => rank + 1)
  );
  return { logits, top, ranks };
}

/**
 * The page's data of one feature.
 *
 * @param shown What is shown of it.
 * @param at What its match does at every checkpoint: `[C]`.
 * @param parts The tokens of the sweep, the ids of the tokens that are ranked, and its neighbourhood.
 * @returns The data.
 */
export function featureDetail(
  { feature, centres, windows, correlated, neurons, lossEffects }: ShownFeature,
  at: readonly FeatureAt[],
  { ids, contextSize, textOf, ranked, ego }: ReadableTokens & {
    readonly ranked: readonly number[];
    readonly ego: SiteFeature["ego"];
  },
): SiteFeature {
  const contexts = windows.map(({ start, end }, w): SiteContext => ({
    group: centres[w].group,
    sequence: Math.floor(start / contextSize),
    position: start % contextSize,
    centre: centres[w].token - start,
    tokens: Array.from({ length: end - start }, (_, n) => textOf(ids[start + n])),
    activations: at.map(({ contexts }) => contexts && [...contexts[w]]),
    ...(lossEffects && { lossEffect: lossEffects[w] }),
  }));
  return {
    feature,
    contexts,
    density: densities(at.map(({ density }) => density)),
    logits: at.map(({ logits }) => logits),
    ranks: { tokens: ranked.map(textOf), ranks: at.map(({ ranks }) => ranks) },
    ego,
    correlated,
    neurons,
  };
}
