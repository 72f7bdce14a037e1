/**
 * An SAE as EleutherAI's sparsify saves it: cfg.json and sae.safetensors, in a folder that is named
 * for its hookpoint, "layers.3.mlp", with the run's config.json beside that folder.
 *
 * a = topk(relu(W_enc (x − b_dec) + b_enc)), x̂ = a · W_dec + b_dec
 *
 * W_enc is `[F, D]`, W_dec `[F, D]`; the decoder is of unit length already where it is normalised.
 * D = d_in, F = num_latents.
 *
 * @see {@link https://github.com/EleutherAI/sparsify | sparsify}
 *
 * @module
 */

import { basename } from "node:path";
import { DataError, refuseMember, show } from "./errors.ts";
import { exists, listNames, openFile, readJsonObject, resolveFrom } from "./files.ts";
import { type Hook, parseHook } from "./hooks.ts";
import { checkFinite, getEntry, readEntries, readFloats } from "./safetensors.ts";
import {
  countMember,
  finiteFloats,
  type SaeActivation,
  type SaeStatement,
  type SaeTold,
  type StoredSae,
} from "./sae_form.ts";

const weightsName = "sae.safetensors";

/**
 * Whether sparsify saved an SAE in a folder, or one a hookpoint in folders within.
 *
 * @param folder Where to look.
 * @returns Whether there is one.
 */
export async function isSparsify(folder: string): Promise<boolean> {
  return (await hookpointFolders(folder)).length > 0;
}

async function hookpointFolders(folder: string): Promise<string[]> {
  if (await exists(`${folder}/${weightsName}`)) return [folder];
  const found: string[] = [];
  for (const name of await listNames(folder)) {
    if (await exists(`${folder}/${name}/${weightsName}`)) found.push(`${folder}/${name}`);
  }
  return found;
}

// The folder of the one SAE that is meant: the only one, or the one of the hook that was told.
async function theFolder(folder: string, { hook }: SaeTold): Promise<string> {
  const found = await hookpointFolders(folder);
  const meant = found.length === 1 ? found : found.filter((at) => hookOf(at)?.name === hook);
  if (meant.length === 1) return meant[0];
  throw new DataError("choose an SAE of", {
    where: folder,
    expected: hook === undefined ? "one hookpoint" : `one hookpoint at ${hook}`,
    got: found.map((at) => basename(at)).join(", "),
    fix: "name the folder of one hookpoint",
  });
}

// A hookpoint is a module, and what is read its output. The embedding's is what the first block reads.
function hookOf(folder: string): Hook | undefined {
  const name = basename(folder);
  const of = (layer: string, point: string) => parseHook(`blocks.${layer}.${point}`, folder);
  if (name === "embed_tokens" || name === "embed_in") return of("0", "hook_resid_pre");
  const [, layer, part = ""] = /^(?:layers|h)\.(\d{1,4})(?:\.(\w+))?$/.exec(name) ?? [];
  const point = {
    "": "hook_resid_post",
    mlp: "hook_mlp_out",
    attn: "hook_attn_out",
    attention: "hook_attn_out",
    self_attn: "hook_attn_out",
  }[part];
  return layer === undefined || point === undefined ? undefined : of(layer, point);
}

/**
 * What the files of an SAE that sparsify saved say of it.
 *
 * @param folder Where it is, or the folders of several hookpoints.
 * @param told What is known beside; of several hookpoints, the one of its hook is taken.
 * @returns Its hook, by the name of its folder, and the context size of its run, where there is one.
 * @throws {DataError} If there is no such SAE, or several.
 */
export async function stateSparsify(folder: string, told: SaeTold): Promise<SaeStatement> {
  const at = await theFolder(folder, told);
  const run = resolveFrom(at, "../config.json");
  const json = await exists(run) ? await readJsonObject(await openFile(run)) : {};
  return {
    where: `${at}/cfg.json`,
    hook: hookOf(at),
    contextSize: json.ctx_len === undefined ? undefined : countMember(json.ctx_len, run, "ctx_len"),
    checkpointIndex: undefined,
  };
}

/**
 * Reads an SAE that sparsify saved.
 *
 * @param folder Where it is, or the folders of several hookpoints.
 * @param told What is known beside.
 * @returns The SAE.
 * @throws {DataError} If a file is missing or broken, a weight is not finite, or it is a transcoder
 *   or has a skip connection: those do not give back what they read.
 */
export async function readSparsify(folder: string, told: SaeTold): Promise<StoredSae> {
  const statement = await stateSparsify(folder, told);
  const at = await theFolder(folder, told);
  const cfgFile = await openFile(`${at}/cfg.json`);
  const cfg = await readJsonObject(cfgFile);
  const { D, F, activation } = parseConfig(cfg, cfgFile.name);
  const source = await openFile(`${at}/${weightsName}`);
  const entries = await readEntries(source);
  const floats = (name: string, ...shape: number[]) =>
    finiteFloats(entries, name, source.name, shape);
  if (entries.has("W_skip")) {
    throw new DataError("read", {
      where: source.name,
      expected: "the tensors of an SAE",
      got: show("W_skip"),
    });
  }
  const encoder = getEntry(entries, "encoder.weight", source.name, [F, D]);
  checkFinite(await readFloats(encoder), source.name, encoder.name);
  return {
    statement,
    dIn: D,
    dSae: F,
    isProcessed: false, // transformers' own values
    normalization: { kind: "none" },
    subtractsDecoderBias: true,
    isFolded: false,
    activation,
    encoder,
    isEncoderTransposed: true,
    encoderValues: undefined,
    encoderScale: new Float32Array(F).fill(1),
    encoderBias: await floats("encoder.bias", F),
    decoder: await floats("W_dec", F, D),
    decoderBias: await floats("b_dec", D),
    expectedL0: { value: activation.k, source: "k" },
    files: [cfgFile, source],
  };
}

// Widths and activation, of an SAE that gives back what it reads.
function parseConfig(cfg: Readonly<Record<string, unknown>>, where: string): {
  readonly D: number;
  readonly F: number;
  readonly activation: Extract<SaeActivation, { readonly kind: "topk" | "groupmax" }>;
} {
  for (const key of ["transcode", "skip_connection", "signed"]) {
    const expected = "false: an SAE, which gives back what it reads by activations from 0";
    if (cfg[key]) refuseMember(where, key, expected, cfg[key]);
  }
  const count = (key: string, most?: number) => countMember(cfg[key], where, key, most);
  const D = count("d_in");
  const F = cfg.num_latents ? count("num_latents") : D * count("expansion_factor");
  const k = count("k", F);
  const kind = cfg.activation ?? "topk";
  if (kind !== "topk" && kind !== "groupmax") {
    refuseMember(where, "activation", "topk, groupmax", kind);
  }
  if (kind === "groupmax" && F % k !== 0) {
    refuseMember(where, "k", `a number of groups of equal size in ${F}`, k);
  }
  return { D, F, activation: { kind, k } };
}
