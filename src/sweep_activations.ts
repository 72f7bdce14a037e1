/**
 * The activations of a sweep's checkpoints, where extraction left them, and what must hold of them.
 *
 * @module
 */

import { basename } from "node:path";
import { type ActivationInfo, readActivationInfo } from "./activation_table.ts";
import { DataError } from "./errors.ts";
import { exists, openFile, sha256 } from "./files.ts";
import type { Quality } from "./quality.ts";
import { readSae } from "./sae.ts";
import type { Checkpoint } from "./sweep.ts";

/**
 * Where the activations of a checkpoint are.
 *
 * @param out The folder of a sweep's files.
 * @param checkpoint The checkpoint.
 * @returns A path.
 */
export function activationsPath(out: string, { name }: Checkpoint): string {
  return `${out}/activations/${name}.arrow`;
}

/**
 * What the activations of a checkpoint say of themselves.
 *
 * @param out The folder of a sweep's files.
 * @param checkpoint The checkpoint.
 * @returns Their description.
 * @throws {DataError} If they are not there, or broken.
 */
export async function describedBy(out: string, checkpoint: Checkpoint): Promise<ActivationInfo> {
  const { name, step } = checkpoint;
  const path = activationsPath(out, checkpoint);
  if (!await exists(path)) {
    throw new DataError("match", {
      where: `${name === "ceiling" ? name : `step ${step}`} in ${out}`,
      expected: path,
      got: "nothing there",
      fix: "run `deno task activations` with the same --sweep and --out first",
    });
  }
  return await readActivationInfo(await openFile(path));
}

/**
 * Refuses activations that cannot be compared.
 *
 * @param reference What one file says of itself.
 * @param other What the other says.
 * @param out The folder of a sweep's files.
 * @throws {DataError} If they are of other tokens, or made otherwise.
 */
export function checkSame(reference: ActivationInfo, other: ActivationInfo, out: string): void {
  for (
    const key of ["n_tokens", "context_size", "tokens", "hook", "threshold", "centred"] as const
  ) {
    if (reference[key] === other[key]) continue;
    throw new DataError("match", {
      where: `step ${other.step} with step ${reference.step} in ${out}`,
      expected: `${key} ${reference[key]}`,
      got: `${other[key]}`,
      fix: "extract both with the same options",
    });
  }
}

/**
 * The decoder of the very SAE that some activations are of.
 *
 * @param checkpoint Names the SAE.
 * @param info What the activations say of themselves.
 * @returns The decoder, row-major: `[d_sae, d_in]`.
 * @throws {DataError} If the SAE is another one by now.
 */
export async function decoderOf({ sae }: Checkpoint, info: ActivationInfo): Promise<Float32Array> {
  const { decoder, files } = await readSae(sae.path, sae);
  for (const file of files) {
    const hash = await sha256(file);
    if (info.sources.some((source) => source.sha256 === hash)) continue;
    throw new DataError("match", {
      where: `step ${info.step} with the decoder of ${sae.path}`,
      expected: "the SAE that the activations were made with",
      got: `another ${basename(file.name)}`,
      fix: "run `deno task activations` again with another --out, or with --force",
    });
  }
  return decoder;
}

/**
 * The quality that some activations were written with.
 *
 * @param info What they say of themselves.
 * @returns The quality.
 */
export function qualityOf(info: ActivationInfo): Quality {
  return {
    nTokens: info.n_tokens,
    dSae: info.d_sae,
    nMeasured: info.n_measured,
    l0: info.l0,
    l1: info.l1,
    mse: info.mse,
    explainedVariance: info.explained_variance,
    nDead: info.n_dead,
    nDense: info.n_dense,
  };
}
