/**
 * Which files of a repository a language model or an SAE is read from, and which of its weights
 * come before a hook.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { type ByteSource, writeFile } from "./files.ts";
import type { Hook } from "./hooks.ts";
import { type HubFile, isRepoPath } from "./hub_name.ts";
import { readEntries, type TensorEntry } from "./safetensors.ts";

const tokenizerNames = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
];

// In the order in which a model's folder is read.
const weightNames = [
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "pytorch_model.bin.index.json",
];

const saeSettings = ["cfg.json", "config.json", "hyperparams.json"];
const saeNames = [
  ...saeSettings,
  "sae_weights.safetensors",
  "activation_scaler.json",
  "activations_store_state.safetensors",
  "sparsity.safetensors",
  "sae.safetensors",
  "ae.pt",
  "params.npz",
  "checkpoints/final.safetensors",
];

/** The files of a language model. */
export interface ModelFiles {
  /** config.json, and the tokenizer's. */
  readonly plain: readonly HubFile[];
  /** The weights as one file, or the index of their shards. */
  readonly weights: HubFile;
}

/**
 * The files of a language model, of all that a repository has.
 *
 * @param files All files.
 * @param folder The model's folder; "" for the repository's own.
 * @param where What to call it in a message.
 * @returns Settings, tokenizer, and weights: safetensors first, then whole.
 * @throws {DataError} If there is no config.json, or there are no weights.
 *
 * @example Safetensors go before pickles
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const files = ["config.json", "pytorch_model.bin", "model.safetensors"].map((path) => (
 *   { path, size: 1, oid: "0".repeat(40) }
 * ));
 *
 * assert.equal(modelFiles(files, "", "hf://owner/name").weights.path, "model.safetensors");
 * ```
 */
export function modelFiles(
  files: readonly HubFile[],
  folder: string,
  where: string,
): ModelFiles {
  const named = (name: string) => fileAt(files, folder, name);
  const config = named("config.json");
  const weights = weightNames.map(named).find((file) => file !== undefined);
  if (config === undefined || weights === undefined) {
    const expected = config === undefined ? "config.json" : `one of ${weightNames.join(", ")}`;
    throw new DataError("find the model", { where, expected, got: showNames(files, folder) });
  }
  return { plain: [config, ...tokenizerFiles(files, folder)], weights };
}

/**
 * The files of a tokenizer.
 *
 * @param files All files of a repository.
 * @param path Its folder, or its tokenizer.json.
 * @returns Those that are there.
 */
export function tokenizerFiles(files: readonly HubFile[], path: string): HubFile[] {
  const isFile = files.some((file) => file.path === path);
  const folder = isFile ? parentOf(path) : path;
  const names = tokenizerNames.map((name) => fileAt(files, folder, name)?.path);
  return files.filter((file) => file.path === path || names.includes(file.path));
}

/**
 * The files of an SAE, of any collection that is known here.
 *
 * @param files All files of a repository.
 * @param path Its folder, or the file of its weights, whose settings lie beside it or one folder up.
 * @param where What to call it in a message.
 * @returns Its settings and weights.
 * @throws {DataError} If there are none.
 */
export function saeFiles(files: readonly HubFile[], path: string, where: string): HubFile[] {
  const isFile = files.some((file) => file.path === path);
  const above = parentOf(path);
  const named = isFile
    ? [above, parentOf(above)].flatMap((folder) => saeSettings.map((name) => join(folder, name)))
    : saeNames.map((name) => join(path, name));
  const wanted = new Set([path, ...named]);
  // sparsify keeps what all its SAEs share one folder up.
  if (fileAt(files, path, "sae.safetensors")) wanted.add(join(above, "config.json"));
  const found = files.filter((file) => wanted.has(file.path));
  if (!found.some((file) => !file.path.endsWith(".json"))) {
    const expected = `one of ${saeNames.join(", ")}`;
    throw new DataError("find the SAE", { where, expected, got: showNames(files, path) });
  }
  return found;
}

/**
 * Blocks that a model must have run through at a hook.
 *
 * @param hook Where it is read.
 * @returns How many: that of the hook counts, unless the hook is before it.
 *
 * @example Before and after block 3
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(blocksBefore({ layer: 3, point: "hook_resid_pre" }), 3);
 * assert.equal(blocksBefore({ layer: 3, point: "hook_resid_post" }), 4);
 * ```
 */
export function blocksBefore({ layer, point }: Pick<Hook, "layer" | "point">): number {
  return point === "hook_resid_pre" ? layer : layer + 1;
}

/**
 * Whether a model needs a tensor in its first blocks.
 *
 * @param name The tensor, as any family of models calls it.
 * @param nBlocks How many blocks.
 * @returns False for those of later blocks, the last norm and the output matrix; true for the
 *   embeddings, and for what is not known.
 *
 * @example The first three blocks
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert(isInBlocks("gpt_neox.layers.2.mlp.dense_h_to_4h.weight", 3));
 * assert(isInBlocks("transformer.wte.weight", 3));
 * assert(!isInBlocks("transformer.h.3.ln_1.weight", 3));
 * assert(!isInBlocks("lm_head.weight", 3));
 * ```
 */
export function isInBlocks(name: string, nBlocks: number): boolean {
  const block = /(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\./.exec(name)?.[1];
  if (block !== undefined) return Number(block) < nBlocks;
  return !/(?:^|\.)(?:embed_out|lm_head|final_layer_?norm|ln_f)\.|^(?:model\.)?norm\./.test(name);
}

/**
 * The shards of a model that are needed.
 *
 * @param index The parsed index.
 * @param where Its name.
 * @param isNeeded Whether a tensor is.
 * @returns Names of files beside the index; and `part`, an index of what they hold, if they are not all.
 * @throws {DataError} If it has no map from tensors to plain names of files.
 */
export function shardsBefore(
  index: Readonly<Record<string, unknown>>,
  where: string,
  isNeeded: (tensor: string) => boolean,
): { readonly shards: readonly string[]; readonly part: string | undefined } {
  const map = index.weight_map;
  if (typeof map !== "object" || map === null || Array.isArray(map)) {
    throw new DataError("read", { where, expected: "a weight_map", got: show(map) });
  }
  const entries = Object.entries(map as Record<string, unknown>);
  for (const [, file] of entries) {
    // A name, not a path: an index must not lead out of its folder.
    if (typeof file === "string" && /^\w[\w.-]*$/.test(file) && isRepoPath(file)) continue;
    throw new DataError("read", { where, expected: "plain file names", got: show(file) });
  }
  const all = new Set(entries.map(([, file]) => file as string));
  const shards = new Set(
    entries.filter(([name]) => isNeeded(name)).map(([, file]) => file as string),
  );
  const held = entries.filter(([, file]) => shards.has(file as string));
  return {
    shards: [...shards],
    part: shards.size === all.size
      ? undefined
      : JSON.stringify({ metadata: index.metadata ?? {}, weight_map: Object.fromEntries(held) }),
  };
}

const partBytes = 1 << 24;

/**
 * Copies those tensors of a safetensors file that a model's first blocks need, and reads no others.
 *
 * @param source The whole file, on a hub.
 * @param path Where to write: a safetensors file, whose metadata `n_blocks` says how many blocks.
 * @param nBlocks How many blocks.
 * @param onBytes Told how many bytes of all are there.
 * @returns Bytes of the tensors.
 * @throws {DataError} If it is not a safetensors file, or cannot be read or written.
 */
export async function copyBlocks(
  source: ByteSource,
  path: string,
  nBlocks: number,
  onBytes: (done: number, total: number) => void = () => {},
): Promise<number> {
  const entries = [...(await readEntries(source)).values()]
    .filter(({ name }) => isInBlocks(name, nBlocks));
  let total = 0;
  const header = entries.map(({ name, dtype, shape, start, end }) =>
    [name, { dtype, shape, data_offsets: [total, total += end - start] }] as const
  );
  const metadata = { format: "pt", n_blocks: `${nBlocks}` };
  const text = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(header) });
  const json = new TextEncoder().encode(text);
  const head = new Uint8Array(8 + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(head.buffer).setBigUint64(0, BigInt(head.length - 8), true);
  head.set(json, 8);

  await writeFile(path, async (sink) => {
    sink.write(head);
    let done = 0;
    for (const [start, end] of runs(entries)) {
      for (let at = start; at < end; at += partBytes) {
        const bytes = await source.read(at, Math.min(end, at + partBytes));
        sink.write(bytes);
        onBytes(done += bytes.length, total);
      }
    }
  });
  return total;
}

// Neighbours, in the order of their bytes, as one stretch.
function runs(entries: readonly TensorEntry[]): [start: number, end: number][] {
  const all: [number, number][] = [];
  for (const { start, end } of entries) {
    const last = all.at(-1);
    if (last?.[1] === start) last[1] = end;
    else all.push([start, end]);
  }
  return all;
}

/**
 * How many blocks a file of {@linkcode copyBlocks} has.
 *
 * @param source The file.
 * @returns The number; 0 if it does not say.
 */
export async function blocksIn(source: ByteSource): Promise<number> {
  await readEntries(source);
  const size = Number(new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(await source.read(8, 8 + size)));
  return Number(header.__metadata__?.n_blocks ?? 0);
}

function fileAt(files: readonly HubFile[], folder: string, name: string): HubFile | undefined {
  return files.find(({ path }) => path === join(folder, name));
}

function join(folder: string, name: string): string {
  return folder === "" ? name : `${folder}/${name}`;
}

function parentOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "";
}

// Some of what is there, for a message.
function showNames(files: readonly HubFile[], folder: string): string {
  const names = files.map(({ path }) => path)
    .filter((path) => folder === "" || path === folder || path.startsWith(`${folder}/`));
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return names.length === 0 ? "nothing there" : names.slice(0, 5).join(", ") + more;
}
