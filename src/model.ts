/**
 * A language model's folder, of any known architecture, to its graph.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { type ByteSource, openFile, readJsonObject } from "./files.ts";
import { neoxGraph, neoxHead, parseNeoxConfig } from "./gpt_neox.ts";
import type { Hook } from "./hooks.ts";
import type { Builder, Value } from "./onnx.ts";
import { getEntry, type TensorEntry } from "./safetensors.ts";
import { readWeights, type Weights } from "./weights.ts";

/** Where the graph of a model stops, and in what form. */
export interface HookOptions {
  /** Positions of every sequence, T. */
  readonly length: number;
  /** The place to read. */
  readonly hook: Hook;
  /** Whether values come as TransformerLens' default loading gives them: centred over d_model. */
  readonly isProcessed: boolean;
  /** Whether rows of a table of float16 may be taken before they are widened; yes if left out. */
  readonly hasHalf?: boolean;
}

/** Where the weights between the last residual and the logits lie. */
export interface Head {
  /** The weight of the final norm: `[D]`. */
  readonly gain: TensorEntry;
  /** Whether the final norm removes the mean over D, as a layer norm does. */
  readonly isCentring: boolean;
  /** One row a token: `[V, D]`. */
  readonly matrix: TensorEntry;
}

/** A language model on disk. */
export interface Model {
  /** Its folder. */
  readonly where: string;
  /** Token ids are below it. */
  readonly vocabulary: number;
  /** Its config.json. */
  readonly config: ByteSource;
  /** Its tensors. */
  readonly weights: Weights;
  /** Adds the model up to a hook: token ids int32 `[B, T]` to values `[B·T, d]`. */
  readonly graph: (b: Builder, tokens: Value, options: HookOptions) => Value;
  /** Finds what turns the last residual into logits; a tensor that is missing is refused by name. */
  readonly head: () => Head;
}

type Config = Readonly<Record<string, unknown>>;

const architectures: Readonly<
  Record<string, (config: Config, weights: Weights) => Pick<Model, "vocabulary" | "graph" | "head">>
> = {
  gpt_neox: (json, weights) => {
    const config = parseNeoxConfig(json, `${weights.where}/config.json`);
    return {
      vocabulary: config.vocabulary,
      graph: (b, tokens, options) => neoxGraph(b, tokens, { config, weights, ...options }),
      head: () => {
        const { vocabulary, hidden } = config;
        const isTied = json.tie_word_embeddings === true; // not, if it is left out
        return findHead(weights, neoxHead, { vocabulary, hidden, isTied, isCentring: true });
      },
    };
  },
};

// A matrix of its own comes before a tied one, and a folder of the blocks alone has no prefix.
function findHead(
  { entries, where }: Weights,
  names: Readonly<Record<"prefix" | "gain" | "matrix" | "embedding", string>>,
  { vocabulary, hidden, isTied, isCentring }: {
    readonly vocabulary: number;
    readonly hidden: number;
    readonly isTied: boolean;
    readonly isCentring: boolean;
  },
): Head {
  const hasPrefix = entries.keys().some((name) => name.startsWith(names.prefix));
  const prefix = hasPrefix ? names.prefix : "";
  const isOwn = !isTied || entries.has(names.matrix);
  const matrix = isOwn ? names.matrix : prefix + names.embedding;
  return {
    gain: getEntry(entries, prefix + names.gain, where, [hidden]),
    isCentring,
    matrix: getEntry(entries, matrix, where, [vocabulary, hidden]),
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
