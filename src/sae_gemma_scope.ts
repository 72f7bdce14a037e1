/**
 * An SAE of Gemma Scope: params.npz alone, in a folder like layer_20/width_16k/average_l0_71.
 *
 * a = p where p > threshold and p > 0, p = x · W_enc + b_enc; x̂ = a · W_dec + b_dec
 *
 * W_enc is `[D, F]`, W_dec `[F, D]`. The file does not say where x is read, nor of which model; the
 * folder's name has the layer and the mean number of features that fire on a token.
 *
 * @see {@link https://arxiv.org/abs/2408.05147 | Lieberum et al. 2024}
 *
 * @module
 */

import { resolve } from "node:path";
import { DataError, show } from "./errors.ts";
import { exists, openFile } from "./files.ts";
import { readNpzArrays } from "./npz.ts";
import { type ExpectedL0, finiteLying, type SaeStatement, type StoredSae } from "./sae_form.ts";

const fileName = "params.npz";
const arrays = ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"];

/**
 * Whether an SAE of Gemma Scope lies in a folder.
 *
 * @param folder Where to look.
 * @returns Whether params.npz is there.
 */
export async function isGemmaScope(folder: string): Promise<boolean> {
  return await exists(`${folder}/${fileName}`);
}

/**
 * What the name of its folder says of an SAE of Gemma Scope.
 *
 * @param folder Where it is.
 * @returns Its layer, where the folder or one above is named for it.
 */
export function stateGemmaScope(folder: string): Promise<SaeStatement> {
  const layer = /(?:^|[/\\])layer_(\d{1,4})(?=[/\\]|$)/.exec(resolve(folder))?.[1];
  return Promise.resolve({
    where: `${folder}/${fileName}`,
    hook: undefined,
    layer: layer === undefined ? undefined : Number(layer),
    contextSize: undefined,
    checkpointIndex: undefined,
  });
}

/**
 * Reads an SAE of Gemma Scope.
 *
 * Cost: where the file is compressed, the encoder is kept in memory too, 4·F·D bytes.
 *
 * @param folder Where it is.
 * @returns The SAE.
 * @throws {DataError} If the file is missing or broken, holds other arrays, or a weight is not finite.
 */
export async function readGemmaScope(folder: string): Promise<StoredSae> {
  const source = await openFile(`${folder}/${fileName}`);
  const found = await readNpzArrays(source);
  const strange = [...found.keys()].find((name) => !arrays.includes(name));
  if (strange !== undefined) {
    throw new DataError("read", {
      where: source.name,
      expected: arrays.join(", "),
      got: `also ${show(strange)}`,
    });
  }
  const { entry: { shape = [] } = {}, isTransposed } = found.get("W_enc") ?? {};
  const [D, F] = isTransposed ? shape.toReversed() : shape;
  const floats = async (name: string, ...shape: number[]): Promise<Float32Array> =>
    (await finiteLying(found, name, source.name, shape)).values;
  const encoder = await finiteLying(found, "W_enc", source.name, [D, F]);
  const isInPlace = encoder.entry.source === source; // else it was inflated
  return {
    statement: await stateGemmaScope(folder),
    dIn: D,
    dSae: F,
    isProcessed: false, // an RMS norm removes no mean, so TransformerLens does not either
    normalization: { kind: "none" },
    subtractsDecoderBias: false,
    isFolded: false,
    activation: { kind: "jumprelu", threshold: await floats("threshold", F) },
    encoder: encoder.entry,
    isEncoderTransposed: isInPlace && encoder.isTransposed,
    encoderValues: isInPlace ? undefined : encoder.values,
    encoderScale: new Float32Array(F).fill(1),
    encoderBias: await floats("b_enc", F),
    decoder: await floats("W_dec", F, D),
    decoderBias: await floats("b_dec", D),
    expectedL0: expectedL0(folder),
    files: [source],
  };
}

function expectedL0(folder: string): ExpectedL0 | undefined {
  const [name, l0] = /average_l0_(\d+)(?=[/\\]|$)/.exec(resolve(folder)) ?? [];
  return l0 === undefined ? undefined : { value: Number(l0), source: `the folder ${name}` };
}
