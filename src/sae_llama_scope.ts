/**
 * An SAE of Llama Scope: hyperparams.json and checkpoints/final.safetensors.
 *
 * p = W_enc (s x) + b_enc, a = p where p > θ s; s x̂ = W_dec a + b_dec; s = √D / mean ‖x‖
 *
 * W_enc is `[F, D]`, W_dec `[D, F]`, θ is jump_relu_threshold, one number in units of the input as it
 * was, and mean ‖x‖ is dataset_average_activation_norm.in. b_dec is subtracted from s x where
 * apply_decoder_bias_to_pre_encoder says so. top_k was reached on average by the choice of θ.
 *
 * @see {@link https://arxiv.org/abs/2410.20526 | He et al. 2024}
 *
 * @module
 */

import { DataError, refuseMember, show } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject } from "./files.ts";
import { parseHook } from "./hooks.ts";
import { checkFinite, getEntry, readEntries, readFloats } from "./safetensors.ts";
import {
  countMember,
  finiteFloats,
  type SaeStatement,
  type StoredSae,
  turned,
} from "./sae_form.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * Whether an SAE of Llama Scope lies in a folder.
 *
 * @param folder Where to look.
 * @returns Whether hyperparams.json and checkpoints are there.
 */
export async function isLlamaScope(folder: string): Promise<boolean> {
  return await exists(`${folder}/hyperparams.json`) && await exists(`${folder}/checkpoints`);
}

async function readHyperparams(
  folder: string,
): Promise<{ readonly source: ByteSource; readonly json: Json; readonly statement: SaeStatement }> {
  const source = await openFile(`${folder}/hyperparams.json`);
  const json = await readJsonObject(source);
  const statement = {
    where: source.name,
    hook: parseHook(json.hook_point_in, source.name),
    contextSize: undefined,
    checkpointIndex: undefined,
  };
  return { source, json, statement };
}

/**
 * What hyperparams.json says of an SAE of Llama Scope.
 *
 * @param folder Where it is.
 * @returns Its hook; no context size is said.
 * @throws {DataError} If the file is missing or broken.
 */
export async function stateLlamaScope(folder: string): Promise<SaeStatement> {
  return (await readHyperparams(folder)).statement;
}

/**
 * Reads an SAE of Llama Scope.
 *
 * @param folder Where it is.
 * @returns The SAE.
 * @throws {DataError} If a file is missing or broken, a weight is not finite, or it is a transcoder.
 */
export async function readLlamaScope(folder: string): Promise<StoredSae> {
  const { source: config, json, statement } = await readHyperparams(folder);
  const need = (key: string, isRight: boolean, expected: string): void => {
    if (!isRight) refuseMember(config.name, key, expected, json[key]);
  };
  const out = json.hook_point_out ?? json.hook_point_in;
  need(
    "hook_point_out",
    out === json.hook_point_in,
    `${json.hook_point_in}, what an SAE gives back`,
  );
  need("act_fn", (json.act_fn ?? "jumprelu") === "jumprelu", "jumprelu");
  need("use_glu_encoder", !json.use_glu_encoder, "false");
  need(
    "norm_activation",
    (json.norm_activation ?? "dataset-wise") === "dataset-wise",
    "dataset-wise",
  );
  const theta = json.jump_relu_threshold;
  need("jump_relu_threshold", typeof theta === "number" && Number.isFinite(theta), "a number");
  const { in: norm } = Object(json.dataset_average_activation_norm) as Json;
  need(
    "dataset_average_activation_norm",
    typeof norm === "number" && norm > 0 && Number.isFinite(norm),
    "a length above 0 of its input, as in",
  );

  const source = await openFile(`${folder}/checkpoints/final.safetensors`);
  const entries = await readEntries(source);
  const floats = (name: string, ...shape: number[]) =>
    finiteFloats(entries, name, source.name, shape);
  const count = (key: string) => countMember(json[key], config.name, key);
  const [D, F] = [count("d_model"), count("d_sae")];
  const encoder = getEntry(entries, "encoder.weight", source.name, [F, D]);
  checkFinite(await readFloats(encoder), source.name, encoder.name);
  const decoder = turned(await floats("decoder.weight", D, F), F);
  const strange = [...entries.keys()].find((name) => /glu|skip|log_jump/.test(name));
  if (strange !== undefined) {
    const expected = "encoder and decoder alone";
    throw new DataError("read", { where: source.name, expected, got: `also ${show(strange)}` });
  }

  const scale = Math.sqrt(D) / Number(norm);
  const topK = json.top_k;
  return {
    statement,
    dIn: D,
    dSae: F,
    isProcessed: false, // an RMS norm removes no mean, so TransformerLens does not either
    normalization: { kind: "expected_average_only_in", scale },
    subtractsDecoderBias: json.apply_decoder_bias_to_pre_encoder === true,
    isFolded: false,
    activation: { kind: "jumprelu", threshold: new Float32Array(F).fill(Number(theta) * scale) },
    encoder,
    isEncoderTransposed: true,
    encoderValues: undefined,
    encoderScale: new Float32Array(F).fill(1),
    encoderBias: await floats("encoder.bias", F),
    decoder,
    decoderBias: json.use_decoder_bias === false
      ? new Float32Array(D)
      : await floats("decoder.bias", D),
    expectedL0: typeof topK === "number" && topK > 0 ? { value: topK, source: "top_k" } : undefined,
    files: [config, source],
  };
}
