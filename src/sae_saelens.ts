/**
 * An SAE as SAELens saves it, every version from 2 to 6: cfg.json and sae_weights.safetensors.
 *
 * a = φ(n ((normalise(x) − b_dec) · W_enc + b_enc)), x̂ = a · W_dec / n + b_dec
 *
 * n is the length of the row of W_dec where cfg.json asks for it, else 1. D = d_in, F = d_sae.
 *
 * @see {@link https://github.com/decoderesearch/SAELens | SAELens}
 *
 * @module
 */

import { DataError, refuseMember, show } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject } from "./files.ts";
import { checkFinite, getEntry, readEntries, readFloats } from "./safetensors.ts";
import { type NormalizationKind, parseSaeConfig } from "./sae_config.ts";
import {
  decoderNorms,
  type ExpectedL0,
  finiteFloats,
  type Normalization,
  type SaeActivation,
  type SaeStatement,
  type StoredSae,
} from "./sae_form.ts";

/**
 * What cfg.json says of an SAE.
 *
 * @param folder Where it is.
 * @returns Its hook, context size and checkpoint.
 * @throws {DataError} If the file is missing or broken.
 */
export async function stateSaelens(folder: string): Promise<SaeStatement> {
  const source = await openFile(`${folder}/cfg.json`);
  const { hook, contextSize, checkpointIndex } = parseSaeConfig(
    await readJsonObject(source),
    source.name,
  );
  return { where: source.name, hook, contextSize, checkpointIndex };
}

/**
 * Reads an SAE that SAELens saved.
 *
 * The scale of `expected_average_only_in` is taken from activation_scaler.json (version 6) or
 * activations_store_state.safetensors (version 5); without one the SAE is refused, since its
 * activations would be wrong. A number of features is expected to fire where cfg.json has k or
 * sparsity.safetensors lies beside it.
 *
 * @param folder Where it is.
 * @returns The SAE.
 * @throws {DataError} If a file is missing or broken, the kind is unknown, or a weight is not finite.
 */
export async function readSaelens(folder: string): Promise<StoredSae> {
  const statement = await stateSaelens(folder);
  const cfgSource = await openFile(`${folder}/cfg.json`);
  const cfg = await readJsonObject(cfgSource);
  const config = parseSaeConfig(cfg, cfgSource.name);
  const source = await openFile(`${folder}/sae_weights.safetensors`);
  const entries = await readEntries(source);

  const shape = entries.get("W_enc")?.shape ?? [];
  const [D, F] = [cfg.d_in ?? shape[0], cfg.d_sae ?? shape[1]] as number[];
  const encoder = getEntry(entries, "W_enc", source.name, [D, F]);
  const floats = (name: string, ...shape: number[]) =>
    finiteFloats(entries, name, source.name, shape);
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
    statement,
    dIn: D,
    dSae: F,
    isProcessed: config.isProcessed,
    normalization,
    subtractsDecoderBias: config.subtractsDecoderBias,
    isFolded: config.isFolded,
    activation: await activation(),
    encoder,
    isEncoderTransposed: false,
    encoderValues: undefined,
    encoderScale: norms,
    encoderBias: config.activation === "gated"
      ? new Float32Array(F)
      : scaled(await floats("b_enc", F)),
    decoder,
    decoderBias: await floats("b_dec", D),
    expectedL0: await readExpectedL0(
      folder,
      config.k ?? cfg.k ?? Object(cfg.activation_fn_kwargs).k,
      F,
    ),
    files: [cfgSource, source, ...scaleFile],
  };
}

// The sparsity that was measured, log10 of each feature's rate, before the k of training. It is none
// of the SAE's files: no activation depends on it.
async function readExpectedL0(
  folder: string,
  k: unknown,
  F: number,
): Promise<ExpectedL0 | undefined> {
  const file = "sparsity.safetensors";
  if (await exists(`${folder}/${file}`)) {
    const source = await openFile(`${folder}/${file}`);
    const logs = await readFloats(
      getEntry(await readEntries(source), "sparsity", source.name, [F]),
    );
    return { value: logs.reduce((sum, log) => sum + 10 ** log, 0), source: file };
  }
  return typeof k === "number" && k > 0 ? { value: k, source: "k" } : undefined;
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
