/**
 * An SAE as dictionary_learning saves it: ae.pt, a state dict of torch, and config.json; or a
 * checkpoint of its training, checkpoints/ae_<step>.pt, below that config.json.
 *
 * AutoEncoder             a = n relu(W_enc (x − b_dec) + b_enc)
 * AutoEncoderNew          a = relu(W_enc x + b_enc)
 * AutoEncoderTopK         a = topk(relu(W_enc (x − b_dec) + b_enc))
 * BatchTopKSAE, Matryoshka…  a = p where p > threshold, p = relu(W_enc (x − b_dec) + b_enc)
 * GatedAutoEncoder        q = W_enc (x − b_dec); a = relu(e^r q + b_mag) where q + b_gate > 0
 * JumpReluAutoEncoder     a = p where p > threshold, p = relu(W_enc x + b_enc)
 *
 * x̂ = W_dec a / n + b_dec, n being the length of the feature's decoder row, by which an AutoEncoder
 * alone is folded when it is loaded. Where inputs were scaled in training, the biases are scaled
 * back before they are saved. D = activation_dim, F = dict_size.
 *
 * @see {@link https://github.com/saprmarks/dictionary_learning | dictionary_learning}
 *
 * @module
 */

import { basename, dirname } from "node:path";
import { refuseMember } from "./errors.ts";
import { type ByteSource, exists, openFile, readJsonObject } from "./files.ts";
import { type Hook, parseHook } from "./hooks.ts";
import {
  countMember,
  decoderNorms,
  type ExpectedL0,
  finiteLying,
  type SaeActivation,
  type SaeStatement,
  type StoredSae,
  turned,
} from "./sae_form.ts";
import { readTorchTensors } from "./torch_zip.ts";

type Json = Readonly<Record<string, unknown>>;

/** What the classes of dictionary_learning differ in. */
interface DictClass {
  /** The names of encoder, decoder and biases. */
  readonly names: Readonly<Record<"encoder" | "decoder" | "decoderBias", string>> & {
    readonly encoderBias?: string;
  };
  /** Whether encoder and decoder are torch's Linear, `[out, in]`; else they are `[in, out]`. */
  readonly isLinear: boolean;
  /** Whether the decoder's bias is subtracted from the input. */
  readonly isSubtracted: boolean;
  /** How pre-activations become activations. */
  readonly activation: SaeActivation["kind"];
}

const linear = { encoder: "encoder.weight", decoder: "decoder.weight" };
const plain = { encoder: "W_enc", decoder: "W_dec", decoderBias: "b_dec", encoderBias: "b_enc" };
const encoderBias = "encoder.bias";

const classes: Readonly<Record<string, DictClass>> = {
  AutoEncoder: {
    names: { ...linear, encoderBias, decoderBias: "bias" },
    isLinear: true,
    isSubtracted: true,
    activation: "relu",
  },
  AutoEncoderNew: {
    names: { ...linear, encoderBias, decoderBias: "decoder.bias" },
    isLinear: true,
    isSubtracted: false,
    activation: "relu",
  },
  AutoEncoderTopK: {
    names: { ...linear, encoderBias, decoderBias: "b_dec" },
    isLinear: true,
    isSubtracted: true,
    activation: "topk",
  },
  BatchTopKSAE: {
    names: { ...linear, encoderBias, decoderBias: "b_dec" },
    isLinear: true,
    isSubtracted: true,
    activation: "jumprelu",
  },
  MatryoshkaBatchTopKSAE: {
    names: plain,
    isLinear: false,
    isSubtracted: true,
    activation: "jumprelu",
  },
  GatedAutoEncoder: {
    names: { ...linear, decoderBias: "decoder_bias" },
    isLinear: true,
    isSubtracted: true,
    activation: "gated",
  },
  JumpReluAutoEncoder: {
    names: plain,
    isLinear: false,
    isSubtracted: false,
    activation: "jumprelu",
  },
};

/**
 * Whether dictionary_learning saved an SAE in a folder.
 *
 * @param folder Where to look, or a checkpoint `ae_<step>.pt`.
 * @returns Whether ae.pt and config.json are there.
 */
export async function isDictionaryLearning(folder: string): Promise<boolean> {
  const { weights, config } = pathsOf(folder);
  return await exists(weights) && await exists(config);
}

function pathsOf(folder: string): { readonly weights: string; readonly config: string } {
  if (!folder.endsWith(".pt")) {
    return { weights: `${folder}/ae.pt`, config: `${folder}/config.json` };
  }
  const within = dirname(folder);
  const run = basename(within) === "checkpoints" ? dirname(within) : within;
  return { weights: folder, config: `${run}/config.json` };
}

async function readTrainer(folder: string): Promise<{
  readonly source: ByteSource;
  readonly trainer: Json;
  readonly statement: SaeStatement;
}> {
  const source = await openFile(pathsOf(folder).config);
  const { trainer, buffer } = await readJsonObject(source);
  if (typeof trainer !== "object" || trainer === null) {
    refuseMember(source.name, "trainer", "an object", trainer);
  }
  const { layer, submodule_name: module } = trainer as Json;
  const { ctx_len: contextSize } = Object(buffer) as Json;
  const isCount = (value: unknown): value is number => Number.isSafeInteger(value);
  return {
    source,
    trainer: trainer as Json,
    statement: {
      where: source.name,
      hook: hookOf(module, source.name),
      layer: isCount(layer) ? layer : undefined,
      contextSize: isCount(contextSize) && contextSize > 0 ? contextSize : undefined,
      checkpointIndex: undefined,
    },
  };
}

// "resid_post_layer_3". A run need not name its submodule, and its layer alone is no hook.
function hookOf(module: unknown, where: string): Hook | undefined {
  const [, part, layer] = /^(\w+?)_layer_(\d{1,4})$/.exec(String(module)) ?? [];
  const point = {
    resid_pre: "hook_resid_pre",
    resid_mid: "hook_resid_mid",
    resid_post: "hook_resid_post",
    mlp_out: "hook_mlp_out",
    attn_out: "hook_attn_out",
    attention_out: "hook_attn_out",
  }[part];
  return point === undefined ? undefined : parseHook(`blocks.${layer}.${point}`, where);
}

/**
 * What config.json says of an SAE that dictionary_learning saved.
 *
 * @param folder Where it is, or a checkpoint `ae_<step>.pt`.
 * @returns Its hook where the run names its submodule, else its layer; the context size of its buffer.
 * @throws {DataError} If the file is missing or broken.
 */
export async function stateDictionaryLearning(folder: string): Promise<SaeStatement> {
  return (await readTrainer(folder)).statement;
}

/**
 * Reads an SAE that dictionary_learning saved. No code of the state dict is run.
 *
 * A BatchTopKSAE is used with its threshold, as by its own `encode`.
 *
 * @param folder Where it is, or a checkpoint `ae_<step>.pt`.
 * @returns The SAE.
 * @throws {DataError} If a file is missing or broken, the class is unknown, or a weight is not finite.
 */
export async function readDictionaryLearning(folder: string): Promise<StoredSae> {
  const { source: config, trainer, statement } = await readTrainer(folder);
  const name = trainer.dict_class;
  if (typeof name !== "string" || !Object.hasOwn(classes, name)) {
    refuseMember(config.name, "trainer.dict_class", Object.keys(classes).join(", "), name);
  }
  const { names, isLinear, isSubtracted, activation: kind } = classes[name];
  const source = await openFile(pathsOf(folder).weights);
  const tensors = await readTorchTensors(source);
  const floats = async (name: string, ...shape: number[]): Promise<Float32Array> =>
    (await finiteLying(tensors, name, source.name, shape)).values;

  const count = (key: string, most?: number) =>
    countMember(trainer[key], config.name, `trainer.${key}`, most);
  const [D, F] = [count("activation_dim"), count("dict_size")];
  const encoderShape = isLinear ? [F, D] : [D, F];
  const encoder = await finiteLying(tensors, names.encoder, source.name, encoderShape);
  const decoder = isLinear
    ? turned(await floats(names.decoder, D, F), F)
    : await floats(names.decoder, F, D);
  const isFolded = name === "AutoEncoder";
  const norms = isFolded ? decoderNorms(decoder, D) : new Float32Array(F).fill(1);
  decoder.forEach((w, e) => decoder[e] = w / norms[Math.floor(e / D)]);

  const activation = async (): Promise<SaeActivation> => {
    switch (kind) {
      case "topk":
        return { kind, k: count("k", F) };
      case "jumprelu": {
        const isShared = tensors.get("threshold")?.entry.shape.length === 0; // BatchTopKSAE's
        const threshold = await floats("threshold", ...(isShared ? [] : [F]));
        return { kind, threshold: isShared ? new Float32Array(F).fill(threshold[0]) : threshold };
      }
      case "gated":
        return {
          kind,
          gateBias: await floats("gate_bias", F),
          magnitudeBias: await floats("mag_bias", F),
          magnitudeLog: await floats("r_mag", F),
        };
      default:
        return { kind: "relu" };
    }
  };
  const bias = names.encoderBias ? await floats(names.encoderBias, F) : new Float32Array(F);
  return {
    statement,
    dIn: D,
    dSae: F,
    isProcessed: false, // transformers' own values
    normalization: { kind: "none" },
    subtractsDecoderBias: isSubtracted,
    isFolded,
    activation: await activation(),
    encoder: encoder.entry,
    isEncoderTransposed: isLinear !== encoder.isTransposed,
    encoderValues: undefined,
    encoderScale: norms,
    encoderBias: bias.map((value, f) => value * norms[f]),
    decoder,
    decoderBias: await floats(names.decoderBias, D),
    expectedL0: expectedL0(trainer),
    files: [config, source],
  };
}

// k of a token or, in a batch, on average. The target_l0 of a JumpReluAutoEncoder is but a wish.
function expectedL0({ k }: Json): ExpectedL0 | undefined {
  return typeof k === "number" && k > 0 ? { value: k, source: "k" } : undefined;
}
