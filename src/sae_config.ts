/**
 * What an SAE's cfg.json says, in any spelling that SAELens has used from version 2 to 6.
 *
 * @see {@link https://github.com/decoderesearch/SAELens | SAELens}
 *
 * @module
 */

import { refuseMember } from "./errors.ts";
import { type Hook, parseHook } from "./hooks.ts";

type Json = Readonly<Record<string, unknown>>;

/** What may be done to the input of an SAE. */
export type NormalizationKind =
  | "none"
  | "layer_norm"
  | "constant_norm_rescale"
  | "expected_average_only_in";

/** What {@linkcode parseSaeConfig} finds in cfg.json: everything but the weights. */
export interface SaeConfig {
  /** Where the SAE's input is read. */
  readonly hook: Hook;
  /** Positions of a training sequence. */
  readonly contextSize: number;
  /** Whether it was trained on values as TransformerLens' default loading gives them. */
  readonly isProcessed: boolean;
  /** The kind of activation. */
  readonly activation: "relu" | "tanh-relu" | "jumprelu" | "gated" | "topk" | "batchtopk";
  /** Features kept by "topk". */
  readonly k: number | undefined;
  /** The kind of normalisation of the input. */
  readonly normalization: NormalizationKind;
  /** Whether b_dec is subtracted from the input. */
  readonly subtractsDecoderBias: boolean;
  /** Whether the decoder's row lengths are folded into the activations. */
  readonly isFolded: boolean;
  /** Index in Pythia's schedule of checkpoints. */
  readonly checkpointIndex: number | undefined;
}

/**
 * Reads cfg.json of any SAELens version.
 *
 * An SAE from before SAELens 3.19.2 (2024-09-04), or of no version, was trained through
 * TransformerLens' default loading, hence centred, unless `center_writing_weights` says otherwise.
 *
 * @param cfg The parsed file.
 * @param where Its name.
 * @returns The SAE in words.
 * @throws {DataError} If it is of a kind that is not known here; nothing is approximated.
 */
export function parseSaeConfig(
  cfg: Readonly<Record<string, unknown>>,
  where: string,
): SaeConfig {
  const meta = (cfg.metadata ?? cfg) as Json; // version 6 keeps what concerns the model apart
  const kwargs = (meta.model_from_pretrained_kwargs ?? {}) as Json;
  const activationKwargs = (cfg.activation_fn_kwargs ?? {}) as Json;
  const contextSize = meta.context_size;
  if (!Number.isSafeInteger(contextSize) || (contextSize as number) < 1) {
    refuseMember(where, "context_size", "a number of tokens", contextSize);
  }
  if ((meta.hook_head_index ?? cfg.hook_point_head_index ?? null) !== null) {
    refuseMember(
      where,
      "hook_head_index",
      "null, all heads",
      meta.hook_head_index ?? cfg.hook_point_head_index,
    );
  }
  const activation = parseActivation(cfg, where);
  const version = meta.sae_lens_training_version ?? meta.sae_lens_version;
  const centring = kwargs.center_writing_weights;
  return {
    activation,
    hook: parseHook(meta.hook_name ?? meta.hook_point, where),
    contextSize: contextSize as number,
    isProcessed: typeof centring === "boolean" ? centring : isBefore(version, [3, 19, 2]),
    k: activation === "topk" ? count(cfg.k ?? activationKwargs.k, where, "k") : undefined,
    normalization: parseNormalization(cfg.normalize_activations, where),
    subtractsDecoderBias: cfg.apply_b_dec_to_input !== false,
    isFolded: cfg.scale_sparsity_penalty_by_decoder_norm === true ||
      (cfg.rescale_acts_by_decoder_norm ?? activation === "batchtopk") === true,
    checkpointIndex: kwargs.checkpoint_index === undefined || kwargs.checkpoint_index === null
      ? undefined
      : count(kwargs.checkpoint_index, where, "checkpoint_index"),
  };
}

function parseActivation(cfg: Json, where: string): SaeConfig["activation"] {
  const architecture = cfg.architecture ?? "standard";
  const name = cfg.activation_fn_str ?? cfg.activation_fn ?? "relu";
  if (architecture === "standard") {
    if (name === "relu" || name === "tanh-relu" || name === "topk") return name;
    refuseMember(where, "activation_fn", "relu, tanh-relu, topk", name);
  }
  if (architecture === "jumprelu" || architecture === "gated" || architecture === "topk") {
    return architecture;
  }
  if (architecture === "batchtopk" || architecture === "matryoshka_batchtopk") return "batchtopk";
  refuseMember(
    where,
    "architecture",
    "standard, gated, jumprelu, topk, batchtopk, matryoshka_batchtopk",
    architecture,
  );
}

function parseNormalization(value: unknown, where: string): NormalizationKind {
  if (value === undefined || value === null || value === false || value === "none") return "none";
  if (value === true || value === "expected_average_only_in") return "expected_average_only_in";
  if (value === "layer_norm" || value === "constant_norm_rescale") return value;
  refuseMember(
    where,
    "normalize_activations",
    "none, expected_average_only_in, constant_norm_rescale, layer_norm",
    value,
  );
}

function count(value: unknown, where: string, key: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    refuseMember(where, key, "a count", value);
  }
  return value as number;
}

// Whether a version is below another; no version is below all.
function isBefore(version: unknown, limit: readonly number[]): boolean {
  const parts = String(version ?? "0").match(/\d+/g)?.map(Number) ?? [0];
  const differing = limit.findIndex((part, i) => (parts[i] ?? 0) !== part);
  return differing >= 0 && (parts[differing] ?? 0) < limit[differing];
}
