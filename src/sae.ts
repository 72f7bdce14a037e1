/**
 * Sparse autoencoders as SAELens saves them, every version from 2 to 6, in one normal form.
 *
 * D = d_in, F = d_sae.
 *
 * @see {@link https://github.com/decoderesearch/SAELens | SAELens}
 *
 * @module
 */

import { DataError, refuseMember, show } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject } from "./files.ts";
import type { Hook } from "./hooks.ts";
import { checkFinite, getEntry, readEntries, readFloats, type TensorEntry } from "./safetensors.ts";
import { type NormalizationKind, parseSaeConfig } from "./sae_config.ts";

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
        if (config.k! < 1 || config.k! > F) {
          refuseMember(cfgSource.name, "k", `1 to ${F}`, config.k);
        }
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
  kind: NormalizationKind,
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
