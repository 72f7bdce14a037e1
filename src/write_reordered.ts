/**
 * The SAEs of a matched sweep with their features in the order of the reference's, as folders.
 *
 * @module
 */

import { DataError } from "./errors.ts";
import { exists, openFile, readJsonObject, writeFile } from "./files.ts";
import { readMatch, readMatchInfo } from "./match_table.ts";
import { checkMadeFrom } from "./metadata.ts";
import { countReordered, type ReorderInfo, reorderTensors } from "./reorder.ts";
import { detectSaeFormat } from "./sae.ts";
import { parseSaeConfig } from "./sae_config.ts";
import { getEntry, readEntries } from "./safetensors.ts";
import type { Checkpoint, Sweep } from "./sweep.ts";
import { decoderOf, describedBy } from "./sweep_activations.ts";
import { encodeTensors, readTensors } from "./write_safetensors.ts";

/** Where the order of an SAE's features comes from. */
export type ReorderOrigin = Omit<ReorderInfo, keyof ReturnType<typeof countReordered>>;

/**
 * Writes the folder of an SAE with its features in another order.
 *
 * Names, dtypes and the rest of cfg.json stay as they are, but for `d_sae`, and for `reordered`, a
 * {@linkcode ReorderInfo}, which SAELens passes over. sparsity.safetensors is reordered as well,
 * and a file with the scale of the input is copied. cfg.json is written last, so that one that
 * names a match stands in a whole folder. `matryoshka_widths`, of a training checkpoint, stay, but
 * are nested no more.
 *
 * Cost: the weights three times in memory.
 *
 * @param from The SAE.
 * @param to The folder to write; what it has of these files is written over.
 * @param best Features to take, -1 for one that never fires; see {@linkcode featureAxes}: `[S]`.
 * @param origin Where the order comes from.
 * @returns What was done.
 * @throws {DataError} If a file is missing or broken, is of another collection than SAELens, or has a
 *   tensor that SAELens does not write.
 */
export async function writeReorderedSae(
  from: string,
  to: string,
  best: ArrayLike<number>,
  origin: ReorderOrigin,
): Promise<ReorderInfo> {
  const format = await detectSaeFormat(from);
  if (format !== "SAELens") {
    throw new DataError("reorder the SAE of", {
      where: from,
      expected: "the files of SAELens",
      got: `those of ${format}`,
      fix: "load it with SAELens and save it again",
    });
  }
  const cfgFile = await openFile(`${from}/cfg.json`);
  const cfg = await readJsonObject(cfgFile);
  const { activation, isFolded } = parseSaeConfig(cfg, cfgFile.name);
  const weights = await openFile(`${from}/sae_weights.safetensors`);
  const [, dSae] = getEntry(await readEntries(weights), "W_enc", weights.name).shape;
  const isTopk = activation === "topk" || activation === "batchtopk";
  const info = { ...origin, ...countReordered(best, { dSae, isTopk }) };

  const write = (name: string, bytes: Uint8Array) =>
    writeFile(`${to}/${name}`, (sink) => sink.write(bytes));
  for (const name of ["sae_weights.safetensors", "sparsity.safetensors"]) {
    if (!await exists(`${from}/${name}`)) continue;
    const { tensors, metadata } = await readTensors(await openFile(`${from}/${name}`));
    const reordered = reorderTensors(tensors, best, { dSae, isFolded, where: `${from}/${name}` });
    await write(name, encodeTensors(reordered, metadata));
  }
  for (const name of ["activation_scaler.json", "activations_store_state.safetensors"]) {
    if (!await exists(`${from}/${name}`)) continue;
    const file = await openFile(`${from}/${name}`);
    await write(name, await file.read(0, file.byteLength));
  }
  const text = JSON.stringify({ ...cfg, d_sae: best.length, reordered: info }, null, 2);
  await write("cfg.json", new TextEncoder().encode(`${text}\n`));
  return info;
}

/**
 * Writes `reordered/step<N>/`: a checkpoint's SAE with its features in the order of the
 * reference's.
 *
 * Feature i is the match of feature i of the reference, or, without one, never fires. The reference
 * is its own match, its dead features too.
 *
 * @param checkpoint The checkpoint.
 * @param sweep The sweep that it is of.
 * @param out The folder with its matches.
 * @param options Whether to make a finished folder again.
 * @returns What was done, or had been done already.
 * @throws {DataError} If it is not matched, the SAE is another one by now, or a finished folder was
 *   made from another match.
 */
export async function writeReordered(
  checkpoint: Checkpoint,
  sweep: Pick<Sweep, "reference" | "checkpoints">,
  out: string,
  { force = false }: { readonly force?: boolean } = {},
): Promise<{ readonly info: ReorderInfo; readonly wasThere: boolean }> {
  const { best, origin } = await matchedOrder(checkpoint, sweep, out);
  const to = `${out}/reordered/${checkpoint.name}`;
  if (!force && await exists(`${to}/cfg.json`)) {
    const { reordered } = await readJsonObject(await openFile(`${to}/cfg.json`));
    const info = reordered as ReorderInfo;
    checkMadeFrom(to, { format: 1, fingerprint: `${info?.fingerprint}` }, origin.fingerprint);
    return { info, wasThere: true };
  }
  return { info: await writeReorderedSae(checkpoint.sae.path, to, best, origin), wasThere: false };
}

// The features to take of a checkpoint, from its finished match, and where they come from.
async function matchedOrder(
  checkpoint: Checkpoint,
  { reference, checkpoints }: Pick<Sweep, "reference" | "checkpoints">,
  out: string,
): Promise<{ readonly best: Int32Array; readonly origin: ReorderOrigin }> {
  const [forward, reverse] = ["matches", "reverse"].map((of) => `${out}/${of}/${checkpoint.name}`);
  const need = (isRight: boolean, expected: string, got: string): void => {
    const where = `step ${checkpoint.step} in ${out}`;
    const fix = "run `deno task match` with the same --sweep and --out first";
    if (!isRight) throw new DataError("reorder", { where, expected, got, fix });
  };
  for (const path of [forward, reverse]) {
    need(await exists(`${path}.arrow`), `${path}.arrow`, "nothing there");
  }
  const source = await openFile(`${forward}.arrow`);
  const { metric, fingerprint } = await readMatchInfo(source);
  const target = await describedBy(out, checkpoint);
  const ours = await describedBy(out, checkpoints.find(({ step }) => step === reference)!);
  const made = `${ours.fingerprint}+${target.fingerprint}`;
  need(fingerprint.startsWith(`${made}+`), `a match of ${made}`, `one of ${fingerprint}`);
  await decoderOf(checkpoint, target); // refuses another SAE
  const { matched: { match } } = await readMatch(source, await openFile(`${reverse}.arrow`));
  return {
    best: checkpoint.step === reference ? match.best.map((_, i) => i) : match.best,
    origin: { format: 1, fingerprint, step: checkpoint.step, reference, metric },
  };
}
