/**
 * Features through training in the files of SAEDashboard, from which Neuronpedia makes its pages:
 * every checkpoint is a source of its own, and feature i is feature i of the reference in all of
 * them.
 *
 * C = checkpoints, F = features of the reference.
 *
 * @see {@link https://github.com/jbloomAus/SAEDashboard | SAEDashboard}, whose
 *   `NeuronpediaDashboardBatch` reads a batch, 0.8.0.
 *
 * @module
 */

import { writeFile } from "./files.ts";
import type { Maybe, SiteContext, SiteFeature, SiteLogits, SitePaths } from "./site_data.ts";

/** What is exported, and what the features do not say of themselves. */
export interface NeuronpediaAbout {
  /** Neuronpedia's name of the model: "pythia-70m-deduped". */
  readonly modelId: string;
  /** Layer of the SAEs. */
  readonly layer: number;
  /** What the name of every source has between layer and step: "res". */
  readonly set: string;
  /** Where the tokens are from. */
  readonly dataset: string;
  /** Number of tokens. */
  readonly nTokens: number;
  /** Positions of a sequence. */
  readonly contextSize: number;
  /** Steps of the checkpoints: `[C]`. */
  readonly steps: readonly number[];
  /** Index of the reference among them. */
  readonly reference: number;
  /** Paths that have the features' matches, rates and largest activations. */
  readonly paths: readonly Pick<SitePaths, "from" | "match" | "rate" | "max">[];
  /** Into how many ranges activations are cut; as many as the texts were drawn from. */
  readonly nGroups?: number;
}

/** A batch of features of one source, in SAEDashboard's words. */
export interface NeuronpediaBatch {
  /** Neuronpedia's name of the model. */
  readonly model_id: string;
  /** Layer of the SAE. */
  readonly layer: number;
  /** The source, less the layer: "res-step16000". */
  readonly sae_set: string;
  /** None: the step is in the set. */
  readonly sae_id_suffix: null;
  /** Features that have a match at this checkpoint. */
  readonly features: readonly NeuronpediaFeature[];
}

/** A feature, in SAEDashboard's words. Lists are empty where nothing is known. */
export interface NeuronpediaFeature {
  /** The feature of the reference. */
  readonly feature_index: number;
  /** Dimensions of the residual that the decoder direction uses most; of the reference alone. */
  readonly neuron_alignment_indices: readonly number[];
  /** The direction's weights in them. */
  readonly neuron_alignment_values: readonly Maybe[];
  /** Their shares of the direction's L1. */
  readonly neuron_alignment_l1: readonly Maybe[];
  /** Empty: neurons are not read. */
  readonly correlated_neurons_indices: readonly number[];
  /** Empty. */
  readonly correlated_neurons_l1: readonly Maybe[];
  /** Empty. */
  readonly correlated_neurons_pearson: readonly Maybe[];
  /** Features that fire together with it; of the reference alone. */
  readonly correlated_features_indices: readonly number[];
  /** Cosines of their activations, which is what SAEDashboard keeps under this name. */
  readonly correlated_features_l1: readonly Maybe[];
  /** Pearson's correlations of their activations, null where one never varies. */
  readonly correlated_features_pearson: readonly Maybe[];
  /** Tokens that it suppresses most, the most first. */
  readonly neg_str: readonly string[];
  /** Their logits. */
  readonly neg_values: readonly Maybe[];
  /** Tokens that it promotes most, the most first. */
  readonly pos_str: readonly string[];
  /** Their logits. */
  readonly pos_values: readonly Maybe[];
  /** Share of the tokens on which it fires. */
  readonly frac_nonzero: Maybe;
  /** Middles of the bins of its activations; these bins are not equally wide. */
  readonly freq_hist_data_bar_values: readonly Maybe[];
  /** How many activations are in each. */
  readonly freq_hist_data_bar_heights: readonly number[];
  /** How many logits are in each of their bins. */
  readonly logits_hist_data_bar_heights: readonly number[];
  /** Middles of the bins of its logits. */
  readonly logits_hist_data_bar_values: readonly Maybe[];
  /** Number of sequences. */
  readonly n_prompts_total: number;
  /** Positions of a sequence. */
  readonly n_tokens_in_prompt: number;
  /** Where the tokens are from. */
  readonly dataset: string;
  /** Empty: SAEDashboard has it for attention alone. */
  readonly decoder_weights_dist: readonly Maybe[];
  /** Pieces of text. */
  readonly activations: readonly NeuronpediaActivation[];
  /** Empty: the direction is in the SAE. */
  readonly vector: readonly Maybe[];
}

/** A piece of text, in SAEDashboard's words. */
export interface NeuronpediaActivation {
  /** The range of activations that its token in question is in; -1 for one of the strongest. */
  readonly bin_min: Maybe;
  /** Where the range ends; the feature's largest activation for one of the strongest. */
  readonly bin_max: Maybe;
  /** Share of the tokens in the range, which is not known; -1 for one of the strongest. */
  readonly bin_contains: Maybe;
  /** Texts of the tokens. */
  readonly tokens: readonly string[];
  /** Activations on them. */
  readonly values: readonly Maybe[];
  /** Index among them of the token in question. */
  readonly qualifying_token_index: number;
}

/**
 * A batch of features as they are at one checkpoint, in the form of SAEDashboard's batch-N.json.
 *
 * All values are those of the match at this checkpoint, numbers to five decimals. Features without
 * a match there are left out, as SAEDashboard leaves out dead ones. What is known of the reference
 * alone, neighbours and dimensions, is given there alone. The texts are the same at all
 * checkpoints: the strongest (`bin_min` −1) are the reference's strongest, in its order; each of
 * the others is in the range of activations that the match itself has on the token in question, the
 * highest range first.
 *
 * @param c Index of the checkpoint.
 * @param features Features in detail.
 * @param about What is exported.
 * @returns The batch.
 * @throws {RangeError} If there is no such checkpoint, or no path of a feature.
 *
 * @example A source is named for its step
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const batch = neuronpediaBatch(1, [], {
 *   modelId: "pythia-70m-deduped",
 *   layer: 3,
 *   set: "res",
 *   dataset: "pile",
 *   nTokens: 4096,
 *   contextSize: 512,
 *   steps: [0, 16000],
 *   reference: 1,
 *   paths: [],
 * });
 *
 * assert.equal(batch.sae_set, "res-step16000");
 * ```
 */
export function neuronpediaBatch(
  c: number,
  features: readonly SiteFeature[],
  about: NeuronpediaAbout,
): NeuronpediaBatch {
  const C = about.steps.length;
  if (!(c in about.steps)) {
    throw new RangeError(`Cannot export checkpoint ${c}: expected 0 to ${C - 1}, got ${c}`);
  }
  return {
    model_id: about.modelId,
    layer: about.layer,
    sae_set: setOf(about, c),
    sae_id_suffix: null,
    features: features.flatMap((feature) => featureAt(c, feature, about) ?? []),
  };
}

function setOf({ set, steps }: Pick<NeuronpediaAbout, "set" | "steps">, c: number): string {
  return `${set}-step${steps[c]}`;
}

function featureAt(
  c: number,
  { feature, contexts, density, logits, correlated, neurons }: SiteFeature,
  about: NeuronpediaAbout,
): NeuronpediaFeature | undefined {
  const path = about.paths.find(({ from, match }) =>
    from <= feature && feature < from + match.length
  );
  if (path === undefined) {
    throw new RangeError(`Cannot export feature ${feature}: expected a path of it, got none`);
  }
  const at = (series: readonly (readonly Maybe[])[]) => series[feature - path.from][c];
  if (at(path.match) === null) return undefined;

  const isReference = c === about.reference;
  const [near, axes] = isReference ? [correlated, neurons] : [[], []];
  const { promoted, suppressed, histogram } = logits[c] ?? noLogits;
  return {
    feature_index: feature,
    neuron_alignment_indices: axes.map(({ neuron }) => neuron),
    neuron_alignment_values: axes.map(({ weight }) => rounded(weight)),
    neuron_alignment_l1: axes.map(({ share }) => rounded(share)),
    correlated_neurons_indices: [],
    correlated_neurons_l1: [],
    correlated_neurons_pearson: [],
    correlated_features_indices: near.map(({ feature }) => feature),
    correlated_features_l1: near.map(({ cosine }) => rounded(cosine)),
    correlated_features_pearson: near.map(({ pearson }) => rounded(pearson)),
    neg_str: suppressed.map(({ token }) => token),
    neg_values: suppressed.map(({ value }) => rounded(value)),
    pos_str: promoted.map(({ token }) => token),
    pos_values: promoted.map(({ value }) => rounded(value)),
    frac_nonzero: rounded(at(path.rate)),
    freq_hist_data_bar_values: middles(density.edges),
    freq_hist_data_bar_heights: density.counts[c],
    logits_hist_data_bar_heights: histogram.counts,
    logits_hist_data_bar_values: middles(histogram.edges),
    n_prompts_total: Math.ceil(about.nTokens / about.contextSize),
    n_tokens_in_prompt: about.contextSize,
    dataset: about.dataset,
    decoder_weights_dist: [],
    activations: activationsAt(c, contexts, at(path.max), about.nGroups ?? 5),
    vector: [],
  };
}

const noLogits: SiteLogits = {
  promoted: [],
  suppressed: [],
  histogram: { edges: [], counts: [] },
};

function activationsAt(
  c: number,
  contexts: readonly SiteContext[],
  max: Maybe,
  nGroups: number,
): NeuronpediaActivation[] {
  const edge = (g: number) => rounded(max === null ? null : (max * g) / nGroups);
  const texts = contexts.flatMap(({ group, tokens, activations, centre }) => {
    const values = activations[c];
    if (values === null) return [];
    const isTop = group === "top";
    const share = max ? values[centre] / max : 0;
    const g = Math.min(nGroups - 1, Math.max(0, Math.floor(share * nGroups)));
    const text: NeuronpediaActivation = {
      bin_min: isTop ? -1 : edge(g),
      bin_max: isTop ? rounded(max) : edge(g + 1),
      bin_contains: isTop ? -1 : null,
      tokens,
      values: values.map(rounded),
      qualifying_token_index: centre,
    };
    return [{ text, rank: isTop ? nGroups : g }];
  });
  return texts.sort((a, b) => b.rank - a.rank).map(({ text }) => text); // stable within a range
}

// To five decimals; neither a number that JSON cannot say, nor −0.
function rounded(value: Maybe): Maybe {
  return value === null || !Number.isFinite(value) ? null : Math.round(value * 1e5) / 1e5 + 0;
}

function middles(edges: readonly number[]): Maybe[] {
  return edges.slice(1).map((edge, b) => rounded((edges[b] + edge) / 2));
}

/**
 * Writes a batch of every checkpoint: `neuronpedia/<layer>-<set>-step<N>/batch-<n>.json`.
 *
 * @param out Folder to write in.
 * @param features Features in detail.
 * @param about What is exported, and the number of the batch, from 0, where features come in parts.
 * @returns The paths, in order of the checkpoints.
 * @throws {RangeError} If the name of the set is no plain file name, or a feature has no path.
 * @throws {DataError} If the disk refuses.
 */
export async function writeNeuronpedia(
  out: string,
  features: readonly SiteFeature[],
  { batch = 0, ...about }: NeuronpediaAbout & { readonly batch?: number },
): Promise<string[]> {
  if (!/^\w[\w.-]*$/.test(about.set)) {
    throw new RangeError(
      `Cannot export to set ${JSON.stringify(about.set)}: expected letters, digits, "_.-", ` +
        "got another character",
    );
  }
  const paths: string[] = [];
  for (const c of about.steps.keys()) {
    const text = JSON.stringify(neuronpediaBatch(c, features, about));
    const path = `${out}/neuronpedia/${about.layer}-${setOf(about, c)}/batch-${batch}.json`;
    await writeFile(path, (sink) => sink.write(new TextEncoder().encode(text)));
    paths.push(path);
  }
  return paths;
}
