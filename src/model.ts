/**
 * A language model's folder, of any known architecture, to its graph.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import { type ByteSource, openFile, readJsonObject } from "./files.ts";
import { neoxGraph, neoxHead, parseNeoxConfig } from "./gpt_neox.ts";
import { type Hook, parseHook } from "./hooks.ts";
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

/** What is between the last residual and the logits. */
export interface Head {
  /** The weight of the final norm: `[D]`. */
  readonly gain: TensorEntry;
  /** Whether the final norm removes the mean over D, as a layer norm does. */
  readonly isCentring: boolean;
  /** One row a token: `[V, D]`. */
  readonly matrix: TensorEntry;
  /** Adds the final norm and the output matrix: residuals `[N, D]` to logits `[N, V]`. */
  readonly logits: (b: Builder, residual: Value) => Value;
}

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
  /** Finds what turns the last residual into logits; a tensor that is missing is refused by name. */
  readonly head: () => Head;
}

type Config = Readonly<Record<string, unknown>>;

const architectures: Readonly<
  Record<
    string,
    (config: Config, weights: Weights) => Pick<Model, "vocabulary" | "last" | "graph" | "head">
  >
> = {
  gpt_neox: (json, weights) => {
    const config = parseNeoxConfig(json, `${weights.where}/config.json`);
    return {
      vocabulary: config.vocabulary,
      last: parseHook(`blocks.${config.nLayers - 1}.hook_resid_post`, weights.where),
      graph: (b, tokens, options) => neoxGraph(b, tokens, { config, weights, ...options }),
      head: () => {
        const isTied = json.tie_word_embeddings === true; // not, if it is left out
        return layerNormHead(weights, neoxHead, { ...config, isTied });
      },
    };
  },
};

// A layer norm and an output matrix. A matrix of its own comes before a tied one, and a folder of
// the blocks alone has no prefix.
function layerNormHead(
  { entries, where }: Weights,
  names: Readonly<Record<"prefix" | "gain" | "shift" | "matrix" | "embedding", string>>,
  { vocabulary, hidden, epsilon, isTied }: {
    readonly vocabulary: number;
    readonly hidden: number;
    readonly epsilon: number;
    readonly isTied: boolean;
  },
): Head {
  const hasPrefix = entries.keys().some((name) => name.startsWith(names.prefix));
  const prefix = hasPrefix ? names.prefix : "";
  const isOwn = !isTied || entries.has(names.matrix);
  const vector = (name: string) => getEntry(entries, prefix + name, where, [hidden]);
  const gain = vector(names.gain);
  const matrix = getEntry(
    entries,
    isOwn ? names.matrix : prefix + names.embedding,
    where,
    [vocabulary, hidden],
  );
  return {
    gain,
    isCentring: true,
    matrix,
    logits(b, residual) {
      const weights = [b.weight(gain), b.weight(vector(names.shift))];
      const normal = b.op("LayerNormalization", [residual, ...weights], { axis: -1n, epsilon });
      return b.op("Gemm", [normal, b.weight(matrix)], { transB: 1n });
    },
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
