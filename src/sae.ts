/**
 * Sparse autoencoders as SAELens saves them, every version from 2 to 6, in one normal form.
 *
 * D = d_in, F = d_sae.
 *
 * @see {@link https://github.com/decoderesearch/SAELens | SAELens}
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject } from "./files.ts";
import { type Hook, parseHook } from "./hooks.ts";
import { checkFinite, getEntry, readEntries, readFloats, type TensorEntry } from "./safetensors.ts";

/** How pre-activations become activations. */
export type SaeActivation =
  /** max(p, 0). */
  | { readonly kind: "relu" }
  /** tanh(max(p, 0)). */
  | { readonly kind: "tanh-relu" }
  /** p where p > threshold and p > 0, else 0; the threshold is `[F]`. */
  | { readonly kind: "jumprelu"; readonly threshold: Float32Array }
  /** max(p, 0) of the k largest p of a token, else 0. */
  | { readonly kind: "topk"; readonly k: number }
  /** max(q · exp(r_mag) + b_mag, 0) where q + b_gate > 0, else 0, q being p without a bias. */
  | {
    readonly kind: "gated";
    readonly gateBias: Float32Array;
    readonly magnitudeBias: Float32Array;
    readonly magnitudeLog: Float32Array;
  };

/** What is done to x before the SAE sees it. */
export type Normalization =
  | { readonly kind: "none" }
  /** (x − mean) / (standard deviation of a sample + 1e-5), over D. */
  | { readonly kind: "layer_norm" }
  /** x √D / ‖x‖. */
  | { readonly kind: "constant_norm_rescale" }
  /** x · scale, with one scale for all tokens. */
  | { readonly kind: "expected_average_only_in"; readonly scale: number };

/** A sparse autoencoder, read. Activations are those of the SAE as its cfg.json says it is used. */
export interface Sae {
  /** Its folder. */
  readonly where: string;
  /** Where its input is read. */
  readonly hook: Hook;
  /** Width of its input, D. */
  readonly dIn: number;
  /** Number of features, F. */
  readonly dSae: number;
  /** Positions of a training sequence. */
  readonly contextSize: number;
  /** Whether it was trained on values as TransformerLens' default loading gives them (centred). */
  readonly isProcessed: boolean;
  /** What is done to its input. */
  readonly normalization: Normalization;
  /** Whether b_dec is subtracted from the input. */
  readonly subtractsDecoderBias: boolean;
  /** Whether activations count in units of the decoder row's length (`fold_W_dec_norm`). */
  readonly isFolded: boolean;
  /** How pre-activations become activations. */
  readonly activation: SaeActivation;
  /** `W_enc`, `[D, F]`, in its file. */
  readonly encoder: TensorEntry;
  /** What each column of `W_enc` is multiplied by: the lengths of the decoder rows if folded, else 1: `[F]`. */
  readonly encoderScale: Float32Array;
  /** Encoder bias, scaled as well; zeros where the activation has biases of its own: `[F]`. */
  readonly encoderBias: Float32Array;
  /** Decoder, so that x̂ = a · decoder + decoderBias in the SAE's own units, row-major: `[F, D]`. */
  readonly decoder: Float32Array;
  /** Decoder bias: `[D]`. */
  readonly decoderBias: Float32Array;
  /** Step of the language model by its index in Pythia's schedule, where cfg.json has one. */
  readonly checkpointIndex: number | undefined;
  /** The files it was read from. */
  readonly files: readonly ByteSource[];
}

type Json = Readonly<Record<string, unknown>>;

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
  readonly normalization: Normalization["kind"];
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
    refuse(where, "context_size", "a number of tokens", contextSize);
  }
  if ((meta.hook_head_index ?? cfg.hook_point_head_index ?? null) !== null) {
    refuse(
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
    refuse(where, "activation_fn", "relu, tanh-relu, topk", name);
  }
  if (architecture === "jumprelu" || architecture === "gated" || architecture === "topk") {
    return architecture;
  }
  if (architecture === "batchtopk" || architecture === "matryoshka_batchtopk") return "batchtopk";
  refuse(
    where,
    "architecture",
    "standard, gated, jumprelu, topk, batchtopk, matryoshka_batchtopk",
    architecture,
  );
}

function parseNormalization(value: unknown, where: string): Normalization["kind"] {
  if (value === undefined || value === null || value === false || value === "none") return "none";
  if (value === true || value === "expected_average_only_in") return "expected_average_only_in";
  if (value === "layer_norm" || value === "constant_norm_rescale") return value;
  refuse(
    where,
    "normalize_activations",
    "none, expected_average_only_in, constant_norm_rescale, layer_norm",
    value,
  );
}

function count(value: unknown, where: string, key: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse(where, key, "a count", value);
  return value as number;
}

function refuse(where: string, key: string, expected: string, got: unknown): never {
  throw new DataError("read", { where: `"${key}" in ${where}`, expected, got: show(got) });
}

// Whether a version is below another; no version is below all.
function isBefore(version: unknown, limit: readonly number[]): boolean {
  const parts = String(version ?? "0").match(/\d+/g)?.map(Number) ?? [0];
  const differing = limit.findIndex((part, i) => (parts[i] ?? 0) !== part);
  return differing >= 0 && (parts[differing] ?? 0) < limit[differing];
}

/**
 * Reads an SAE from its folder: cfg.json and sae_weights.safetensors.
 *
 * Folding by decoder norm is `n = max(‖W_dec row‖, 1e-8)`, `W_enc·n`, `b_enc·n`, `threshold·n`,
 * `W_dec/n`. The scale of `expected_average_only_in` is taken from activation_scaler.json (version
 * 6) or activations_store_state.safetensors (version 5); without one the SAE is refused, since its
 * activations would be wrong.
 *
 * Cost: reads all weights once, keeps the decoder: 4·F·D bytes.
 *
 * @param folder Where it is.
 * @returns The SAE.
 * @throws {DataError} If a file is missing or broken, the kind is unknown, or a weight is not finite.
 */
export async function readSae(folder: string): Promise<Sae> {
  const cfgSource = await openFile(`${folder}/cfg.json`);
  const cfg = await readJsonObject(cfgSource);
  const config = parseSaeConfig(cfg, cfgSource.name);
  const source = await openFile(`${folder}/sae_weights.safetensors`);
  const entries = await readEntries(source);

  const shape = entries.get("W_enc")?.shape ?? [];
  const [D, F] = [cfg.d_in ?? shape[0], cfg.d_sae ?? shape[1]] as number[];
  const encoder = getEntry(entries, "W_enc", source.name, [D, F]);
  const floats = async (name: string, ...shape: number[]) => {
    const values = await readFloats(getEntry(entries, name, source.name, shape));
    checkFinite(values, source.name, name);
    return values;
  };
  checkFinite(await readFloats(encoder), source.name, "W_enc");
  const decoder = await floats("W_dec", F, D);
  const { normalization, file: scaleFile } = await readNormalization(folder, config.normalization);
  const inputScale = normalization.kind === "expected_average_only_in" ? normalization.scale : 1;

  // n of each feature; what is stored divided by n, and multiplied where it is added before the activation.
  const norms = config.isFolded
    ? decoderNorms(decoder, D, inputScale)
    : new Float32Array(F).fill(1);
  const scaled = (values: Float32Array) => values.map((value, f) => value * norms[f]);
  const tuning = entries.has("scaling_factor") ? await floats("scaling_factor", F) : undefined;
  decoder.forEach((w, e) => {
    const f = Math.floor(e / D);
    decoder[e] = (w / norms[f]) * (tuning ? tuning[f] : 1);
  });

  const has = (name: string) => entries.has(name);
  const activation = async (): Promise<SaeActivation> => {
    switch (config.activation) {
      case "relu":
      case "tanh-relu":
        return { kind: config.activation };
      case "topk":
        if (config.k! < 1 || config.k! > F) refuse(cfgSource.name, "k", `1 to ${F}`, config.k);
        return { kind: "topk", k: config.k! };
      case "jumprelu": {
        const threshold = has("threshold") || !has("log_threshold")
          ? await floats("threshold", F)
          : (await floats("log_threshold", F)).map(Math.exp);
        return { kind: "jumprelu", threshold: scaled(threshold) };
      }
      case "batchtopk": {
        // In training the k largest of a batch; used with the running mean of the least kept.
        const [threshold] = await floats("topk_threshold");
        return { kind: "jumprelu", threshold: new Float32Array(F).fill(threshold) };
      }
      case "gated":
        return {
          kind: "gated",
          gateBias: scaled(await floats("b_gate", F)),
          magnitudeBias: scaled(await floats("b_mag", F)),
          magnitudeLog: await floats("r_mag", F),
        };
    }
  };
  return {
    where: folder,
    hook: config.hook,
    dIn: D,
    dSae: F,
    contextSize: config.contextSize,
    isProcessed: config.isProcessed,
    normalization,
    subtractsDecoderBias: config.subtractsDecoderBias,
    isFolded: config.isFolded,
    activation: await activation(),
    encoder,
    encoderScale: norms,
    encoderBias: config.activation === "gated"
      ? new Float32Array(F)
      : scaled(await floats("b_enc", F)),
    decoder,
    decoderBias: await floats("b_dec", D),
    checkpointIndex: config.checkpointIndex,
    files: [cfgSource, source, ...scaleFile],
  };
}

// Lengths of the decoder's rows, in units of the scaled input; SAELens' floor of 1e-8 keeps a zero row finite.
function decoderNorms(decoder: Float32Array, D: number, inputScale: number): Float32Array {
  return Float32Array.from({ length: decoder.length / D }, (_, f) => {
    let sum = 0;
    for (let e = f * D; e < (f + 1) * D; e++) sum += decoder[e] * decoder[e];
    return Math.max(Math.sqrt(sum) / inputScale, 1e-8);
  });
}

async function readNormalization(
  folder: string,
  kind: Normalization["kind"],
): Promise<{ readonly normalization: Normalization; readonly file: ByteSource[] }> {
  if (kind !== "expected_average_only_in") return { normalization: { kind }, file: [] };

  const [json, state] = ["activation_scaler.json", "activations_store_state.safetensors"];
  let scale: unknown;
  let file: ByteSource | undefined;
  if (await exists(`${folder}/${json}`)) {
    file = await openFile(`${folder}/${json}`);
    scale = (await readJsonObject(file)).scaling_factor;
  } else if (await exists(`${folder}/${state}`)) {
    file = await openFile(`${folder}/${state}`);
    const entries = await readEntries(file);
    [scale] = await readFloats(getEntry(entries, "estimated_norm_scaling_factor", file.name, []));
  }
  if (file === undefined || typeof scale !== "number" || !(scale > 0) || !Number.isFinite(scale)) {
    throw new DataError("scale the input of", {
      where: folder,
      expected: `a scaling factor in ${json} or ${state}`,
      got: file === undefined ? "neither file" : show(scale),
      fix: 'if it is folded into the weights already, set "normalize_activations" to "none"',
    });
  }
  return { normalization: { kind, scale }, file: [file] };
}
