/**
 * Sparse autoencoders, from the folder of any known collection to one normal form.
 *
 * @module
 */

import { DataError } from "./errors.ts";
import { listNames } from "./files.ts";
import { type Hook, parseHook } from "./hooks.ts";
import {
  isDictionaryLearning,
  readDictionaryLearning,
  stateDictionaryLearning,
} from "./sae_dictionary_learning.ts";
import type { Sae, SaeFormat, SaeStatement, SaeTold, StoredSae } from "./sae_form.ts";
import { isGemmaScope, readGemmaScope, stateGemmaScope } from "./sae_gemma_scope.ts";
import { isLlamaScope, readLlamaScope, stateLlamaScope } from "./sae_llama_scope.ts";
import { readSaelens, stateSaelens } from "./sae_saelens.ts";
import { isSparsify, readSparsify, stateSparsify } from "./sae_sparsify.ts";

export type {
  ExpectedL0,
  Normalization,
  Sae,
  SaeActivation,
  SaeFormat,
  SaeStatement,
  SaeTold,
} from "./sae_form.ts";

/** What one collection's files look like, and how they are read. */
interface Collection {
  readonly isThere: (folder: string) => Promise<boolean>;
  readonly state: (folder: string, told: SaeTold) => Promise<SaeStatement>;
  readonly read: (folder: string, told: SaeTold) => Promise<StoredSae>;
}

// In the order in which a folder is asked; what names its files most exactly comes first.
const collections: Readonly<Record<Exclude<SaeFormat, "SAELens">, Collection>> = {
  sparsify: { isThere: isSparsify, state: stateSparsify, read: readSparsify },
  dictionary_learning: {
    isThere: isDictionaryLearning,
    state: stateDictionaryLearning,
    read: readDictionaryLearning,
  },
  "Gemma Scope": { isThere: isGemmaScope, state: stateGemmaScope, read: readGemmaScope },
  "Llama Scope": { isThere: isLlamaScope, state: stateLlamaScope, read: readLlamaScope },
};
const saelens: Collection = {
  isThere: async (folder) => (await listNames(folder)).includes("cfg.json"),
  state: stateSaelens,
  read: readSaelens,
};

/**
 * Tells which collection an SAE is of, by the files of its folder.
 *
 * @param folder Where it is.
 * @returns "SAELens" where cfg.json lies there, and none of the others' files.
 * @throws {DataError} If the folder is there, and holds the files of none.
 */
export async function detectSaeFormat(folder: string): Promise<SaeFormat> {
  for (const [format, { isThere }] of Object.entries(collections)) {
    if (await isThere(folder)) return format as SaeFormat;
  }
  const names = await listNames(folder);
  if (names.length === 0 || await saelens.isThere(folder)) return "SAELens";
  throw new DataError("read SAE of", {
    where: folder,
    expected: "cfg.json and sae_weights.safetensors (SAELens), cfg.json and sae.safetensors " +
      "(sparsify), config.json and ae.pt (dictionary_learning), params.npz (Gemma Scope), or " +
      "hyperparams.json and checkpoints (Llama Scope)",
    got: names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : ""),
  });
}

async function collectionOf(folder: string): Promise<Collection & { readonly format: SaeFormat }> {
  const format = await detectSaeFormat(folder);
  return { format, ...(format === "SAELens" ? saelens : collections[format]) };
}

/** Where an SAE reads, and what else is known of it without its weights. */
export interface SaePlace {
  /** The file that says it. */
  readonly where: string;
  /** Where its input is read. */
  readonly hook: Hook;
  /** Positions of a training sequence. */
  readonly contextSize: number;
}

/**
 * Finds out where an SAE reads, from its files or from what is told where they are silent. No weight
 * is read.
 *
 * @param folder Where it is.
 * @param told What is known beside.
 * @returns Its hook and context size.
 * @throws {DataError} If neither says it, the two contradict one another, or a file is broken.
 */
export async function placeSae(folder: string, told: SaeTold = {}): Promise<SaePlace> {
  return placeOf(await (await collectionOf(folder)).state(folder, told), told);
}

/**
 * Finds the step of the language model that an SAE was trained at, where its files say it.
 *
 * @param folder Where it is.
 * @param told What is known beside.
 * @returns The file that says it, and the index in Pythia's schedule; undefined where it is silent.
 * @throws {DataError} If a file is missing or broken.
 */
export async function findCheckpointIndex(
  folder: string,
  told: SaeTold = {},
): Promise<Pick<SaeStatement, "where" | "checkpointIndex">> {
  return await (await collectionOf(folder)).state(folder, told);
}

// What is said and what is told must agree; one of them must say it.
function placeOf({ where, ...said }: SaeStatement, told: SaeTold): SaePlace {
  const hook = told.hook === undefined ? undefined : parseHook(told.hook, '"hook" of the sweep');
  const differ = (what: string, told: string, said: string): never => {
    throw new DataError("read SAE at", {
      where: `the ${what} of the sweep`,
      expected: `${said} as in ${where}`,
      got: told,
      fix: `leave "${what}" out where the SAE's own files have it`,
    });
  };
  const missing = (what: string, example: string): never => {
    throw new DataError("read SAE of", {
      where,
      expected: `"${what}" in the sweep, such as ${example}, since its files do not say it`,
      got: "neither",
    });
  };
  if (hook && said.hook && hook.name !== said.hook.name) differ("hook", hook.name, said.hook.name);
  if (hook && said.layer !== undefined && hook.layer !== said.layer) {
    differ("hook", hook.name, `layer ${said.layer}`);
  }
  const { contextSize = told.contextSize } = said;
  if (contextSize !== (told.contextSize ?? contextSize)) {
    differ("context_size", `${told.contextSize}`, `${contextSize}`);
  }
  return {
    where,
    hook: said.hook ?? hook ?? missing("hook", `"blocks.${said.layer ?? 3}.hook_resid_post"`),
    contextSize: contextSize ?? missing("context_size", "128"),
  };
}

/**
 * Reads an SAE from its folder, of the collection that its files show: SAELens (versions 2 to 6),
 * sparsify, dictionary_learning, Gemma Scope or Llama Scope.
 *
 * Folding by decoder norm, where a collection asks for it, is `n = max(‖W_dec row‖, 1e-8)`,
 * `W_enc·n`, `b_enc·n`, `threshold·n`, `W_dec/n`.
 *
 * Cost: reads all weights once, keeps the decoder: 4·F·D bytes.
 *
 * @param folder Where it is.
 * @param told Its hook and context size, where its own files may be silent.
 * @returns The SAE.
 * @throws {DataError} If a file is missing or broken, the kind is unknown, a weight is not finite, or
 *   what is told contradicts the files.
 */
export async function readSae(folder: string, told: SaeTold = {}): Promise<Sae> {
  const { format, read } = await collectionOf(folder);
  const { statement, ...stored } = await read(folder, told);
  const { hook, contextSize } = placeOf(statement, told);
  const { checkpointIndex } = statement;
  return { format, where: folder, hook, contextSize, checkpointIndex, ...stored };
}
