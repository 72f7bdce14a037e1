/**
 * A language model's folder, of any known architecture, to its graph.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { type ByteSource, openFile, readJsonObject } from "./files.ts";
import { gpt2Graph, gpt2Head, parseGpt2Config } from "./gpt2.ts";
import { neoxGraph, neoxHead, parseNeoxConfig } from "./gpt_neox.ts";
import { findHead, type Head, type HeadNames, type HeadShape } from "./head.ts";
import { type Hook, parseHook } from "./hooks.ts";
import { llamaGraph, llamaHead, parseLlamaConfig } from "./llama.ts";
import { type ConfigJson, configReader } from "./model_config.ts";
import { olmo2Graph, olmo2Head, parseOlmo2Config } from "./olmo2.ts";
import type { Builder, Value } from "./onnx.ts";
import type { HookOptions } from "./residual.ts";
import { readWeights, type Weights } from "./weights.ts";

export type { Head, HookOptions };

/** A language model on disk. */
export interface Model {
  /** Its folder. */
  readonly where: string;
  /** Token ids are below it. */
  readonly vocabulary: number;
  /** The last residual: what its final norm reads. */
  readonly last: Hook;
  /** Its config.json. */
  readonly config: ByteSource;
  /** Its tensors. */
  readonly weights: Weights;
  /** Adds the model up to a hook: token ids int32 `[B, T]` to values `[B·T, d]`. */
  readonly graph: (b: Builder, tokens: Value, options: HookOptions) => Value;
  /** Finds what turns the last residual into logits; a missing tensor is refused by name. */
  readonly head: () => Head;
}

type Computed = Pick<Model, "vocabulary" | "last" | "graph" | "head">;
type Architecture = (json: ConfigJson, weights: Weights) => Computed;

const architectures: Readonly<Record<string, Architecture>> = {
  gpt_neox: architecture(parseNeoxConfig, neoxGraph, { names: neoxHead, isTied: false }),
  gpt2: architecture(parseGpt2Config, gpt2Graph, { names: gpt2Head, isTied: true }),
  llama: architecture(parseLlamaConfig, llamaGraph, { names: llamaHead, isTied: false }),
  olmo2: architecture(parseOlmo2Config, olmo2Graph, { names: olmo2Head, isTied: false }),
};

// An architecture from how its config is read, its graph, and its head, which is tied or not where
// config.json does not say so.
function architecture<Config extends Omit<HeadShape, "isTied"> & { readonly nLayers: number }>(
  parse: (json: ConfigJson, where: string) => Config,
  graph: (
    b: Builder,
    tokens: Value,
    options: HookOptions & { readonly config: Config; readonly weights: Weights },
  ) => Value,
  { names, isTied }: { readonly names: HeadNames; readonly isTied: boolean },
): Architecture {
  return (json, weights) => {
    const where = `${weights.where}/config.json`;
    const config = parse(json, where);
    const shape = {
      ...config,
      isTied: configReader(json, where).flag("tie_word_embeddings", isTied),
    };
    return {
      vocabulary: config.vocabulary,
      last: parseHook(`blocks.${config.nLayers - 1}.hook_resid_post`, weights.where),
      graph: (b, tokens, options) => graph(b, tokens, { config, weights, ...options }),
      head: () => findHead(weights, names, shape),
    };
  };
}

/**
 * Reads a model's folder in the Hugging Face layout: config.json and weights.
 *
 * @param folder Where it is.
 * @returns The model; no weight has been read yet.
 * @throws {DataError} If the architecture is unknown, or a file is missing or broken.
 */
export async function readModel(folder: string): Promise<Model> {
  const source = await openFile(`${folder}/config.json`);
  const config = await readJsonObject(source);
  const name = config.model_type;
  if (typeof name !== "string" || !Object.hasOwn(architectures, name)) {
    throw new DataError("read model", {
      where: folder,
      expected: `model_type ${Object.keys(architectures).join(", ")}`,
      got: show(name),
    });
  }
  const weights = await readWeights(folder);
  return { where: folder, config: source, weights, ...architectures[name](config, weights) };
}
