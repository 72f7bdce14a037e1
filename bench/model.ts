/**
 * Makes what the extraction is timed on: a model of Pythia-70m's shape, an SAE and tokens, all seeded.
 *
 * Reads   nothing.
 * Writes  out/bench/extraction: model (fp16), sae, tokens.npy, sweep.json, which is written last.
 * Example deno run -q -P=activations bench/model.ts
 */

import type { DenseEncoded } from "../src/blocks_out.ts";
import { encoderGraph } from "../src/encoder.ts";
import { exists, writeFile } from "../src/files.ts";
import { readModel } from "../src/model.ts";
import { randomFrom } from "../src/random.ts";
import { readSae } from "../src/sae.ts";
import { encodeSafetensors } from "../src/safetensors.ts";
import { createEncoder } from "../src/session.ts";

/** What {@linkcode makeExtraction} makes. */
export const extractionShape = {
  hidden: 512,
  nLayers: 6,
  nHeads: 8,
  intermediate: 2048,
  vocabulary: 50304,
  hook: "blocks.3.hook_resid_pre",
  dSae: 8192,
  contextSize: 512,
  nSequences: 1250,
  l0: 45,
  deadFraction: 0.05,
} as const;

const { hidden: D, intermediate: M, vocabulary: V, dSae: F, contextSize: T, nSequences } =
  extractionShape;
const nCalibrated = 24; // sequences on which the rates are set

/**
 * Makes the files, unless they are there.
 *
 * The residual is of the embedding and every block in like parts. A feature of the SAE fires where
 * its direction is in the uppermost share of 24 sequences: a share that falls with its rank as in
 * Zipf's law, from 0.36 to 0.001, with 45 in sum; 5 % never fire, and some fifty fire on more than
 * a tenth of the tokens.
 *
 * Takes 30 s and 700 MB, once; 180 MB of files.
 *
 * @param folder Where to.
 * @returns The path of the sweep file.
 */
export async function makeExtraction(folder = "out/bench/extraction"): Promise<string> {
  const sweep = `${folder}/sweep.json`;
  if (await exists(sweep)) return sweep;
  const tokens = zipfTokens(randomFrom(1));
  await write(`${folder}/tokens.npy`, encodeNpy(tokens, [nSequences, T]));
  await write(`${folder}/model/config.json`, encodeJson(modelConfig));
  await write(`${folder}/model/model.safetensors`, encodeHalves(modelTensors(gaussian(2))));
  await write(`${folder}/sae/cfg.json`, encodeJson(saeConfig));
  const sae = saeTensors(gaussian(3));
  const writeSae = () => write(`${folder}/sae/sae_weights.safetensors`, encodeSafetensors(sae));

  await writeSae();
  const ids = tokens.subarray(0, nCalibrated * T);
  sae.b_dec.data.set(columnMeans((await encodeAll(folder, ids)).x));
  await writeSae();
  sae.b_enc.data.set(biases((await encodeAll(folder, ids)).activations, randomFrom(4)));
  await writeSae();
  const checkpoints = [{ step: 143000, model: "model", sae: "sae" }];
  const json = { name: "pythia-70m's shape", tokens: { path: "tokens.npy" }, checkpoints };
  await write(sweep, encodeJson(json));
  return sweep;
}

const modelConfig = {
  model_type: "gpt_neox",
  architectures: ["GPTNeoXForCausalLM"],
  hidden_size: D,
  num_hidden_layers: extractionShape.nLayers,
  num_attention_heads: extractionShape.nHeads,
  intermediate_size: M,
  vocab_size: V,
  rotary_pct: 0.25,
  rotary_emb_base: 10000,
  max_position_embeddings: 2048,
  layer_norm_eps: 1e-5,
  use_parallel_residual: true,
  hidden_act: "gelu",
  tie_word_embeddings: false,
  torch_dtype: "float16",
};

// As SAELens 6 writes it.
const saeConfig = {
  architecture: "standard",
  d_in: D,
  d_sae: F,
  dtype: "float32",
  device: "cpu",
  apply_b_dec_to_input: true,
  normalize_activations: "none",
  reshape_activations: "none",
  metadata: {
    sae_lens_version: "6.54.12",
    model_name: "pythia-70m-deduped",
    hook_name: extractionShape.hook,
    context_size: T,
    prepend_bos: false,
    model_from_pretrained_kwargs: { center_writing_weights: false },
  },
};

type Tensors = Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

function modelTensors(next: () => number): Tensors {
  const tensors: Tensors = {};
  const add = (name: string, shape: number[], size: number, mean = 0) => {
    const data = new Float32Array(shape.reduce((n, d) => n * d, 1));
    tensors[name] = { shape, data: data.map(() => mean + size * next()) };
  };
  add("gpt_neox.embed_in.weight", [V, D], 0.1);
  for (let layer = 0; layer < extractionShape.nLayers; layer++) {
    const prefix = `gpt_neox.layers.${layer}`;
    const linear = (name: string, from: number, to: number, gain: number) => {
      add(`${prefix}.${name}.weight`, [to, from], gain / Math.sqrt(from));
      add(`${prefix}.${name}.bias`, [to], 0.02 * gain);
    };
    for (const norm of ["input_layernorm", "post_attention_layernorm"]) {
      add(`${prefix}.${norm}.weight`, [D], 0.05, 1);
      add(`${prefix}.${norm}.bias`, [D], 0.02);
    }
    linear("attention.query_key_value", D, 3 * D, 1.5);
    linear("attention.dense", D, D, 0.1);
    linear("mlp.dense_h_to_4h", D, M, 1);
    linear("mlp.dense_4h_to_h", M, D, 0.12);
  }
  add("gpt_neox.final_layer_norm.weight", [D], 0.05, 1);
  add("gpt_neox.final_layer_norm.bias", [D], 0.02);
  add("embed_out.weight", [V, D], 0.05);
  return tensors;
}

// Unit directions, read and written alike; the biases are set later.
function saeTensors(next: () => number) {
  const decoder = new Float32Array(F * D).map(next);
  const encoder = new Float32Array(D * F);
  for (let f = 0; f < F; f++) {
    const row = decoder.subarray(f * D, (f + 1) * D);
    const length = Math.hypot(...row);
    for (let d = 0; d < D; d++) encoder[d * F + f] = row[d] /= length;
  }
  return {
    W_enc: { shape: [D, F], data: encoder },
    b_enc: { shape: [F], data: new Float32Array(F) },
    W_dec: { shape: [F, D], data: decoder },
    b_dec: { shape: [D], data: new Float32Array(D) },
  };
}

async function encodeAll(folder: string, ids: Int32Array) {
  const [model, sae] = [await readModel(`${folder}/model`), await readSae(`${folder}/sae`)];
  const encoder = await createEncoder(encoderGraph(model, sae), { threads: 2 });
  try {
    return await encoder.encode(ids) as DenseEncoded;
  } finally {
    await encoder.release();
  }
}

function columnMeans(x: Float32Array): Float32Array {
  const means = new Float32Array(D);
  x.forEach((v, e) => means[e % D] += v / (x.length / D));
  return means;
}

// Minus the quantile of every feature's pre-activation that it passes at its rate; the positive half
// of them is enough, as no rate is above a third.
function biases(activations: Float32Array, random: () => number): Float32Array {
  const nTokens = activations.length / F;
  const nLive = Math.round(F * (1 - extractionShape.deadFraction));
  const shares = Float64Array.from({ length: nLive }, (_, rank) => 1 / (rank + 20));
  const scale = extractionShape.l0 / shares.reduce((sum, share) => sum + share);
  const order = shuffled(F, random);
  const values = new Float32Array(nTokens);
  const out = new Float32Array(F);
  for (let rank = 0; rank < F; rank++) {
    const feature = order[rank];
    for (let n = 0; n < nTokens; n++) values[n] = activations[n * F + feature];
    values.sort();
    const isDead = rank >= nLive;
    const nActive = isDead ? 0 : Math.min(nTokens / 2, Math.round(nTokens * scale * shares[rank]));
    out[feature] = isDead ? -1e3 : -Math.max(1e-3, values[nTokens - 1 - nActive]);
  }
  return out;
}

function shuffled(length: number, random: () => number): Uint32Array {
  const order = Uint32Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// Ids by Zipf's law with Mandelbrot's shift.
function zipfTokens(random: () => number): Int32Array {
  const bounds = new Float64Array(V);
  let sum = 0;
  for (let id = 0; id < V; id++) bounds[id] = sum += 1 / (id + 2.7);
  return new Int32Array(nSequences * T).map(() => {
    const at = random() * sum;
    let [low, high] = [0, V - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[middle] > at) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}

// Box and Muller's method, a pair at a time.
function gaussian(seed: number): () => number {
  const random = randomFrom(seed);
  let spare: number | undefined;
  return () => {
    if (spare !== undefined) {
      const value = spare;
      spare = undefined;
      return value;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - random()));
    const angle = 2 * Math.PI * random();
    spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  };
}

async function write(path: string, bytes: Uint8Array): Promise<void> {
  await writeFile(path, (sink) => sink.write(bytes));
}

function encodeJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value, null, 2) + "\n");
}

function encodeNpy(data: Int32Array, shape: readonly number[]): Uint8Array {
  const dict = `{'descr': '<i4', 'fortran_order': False, 'shape': (${shape.join(", ")}), }`;
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11) + "\n";
  const bytes = new Uint8Array(10 + header.length + data.byteLength);
  bytes.set([0x93, ...new TextEncoder().encode("NUMPY"), 1, 0]);
  new DataView(bytes.buffer).setUint16(8, header.length, true);
  bytes.set(new TextEncoder().encode(header), 10);
  bytes.set(new Uint8Array(data.buffer), 10 + header.length);
  return bytes;
}

// A safetensors file of float16.
function encodeHalves(tensors: Tensors): Uint8Array {
  let next = 0;
  const header = Object.entries(tensors).map(([name, { shape, data }]) => [
    name,
    { dtype: "F16", shape, data_offsets: [next, next += 2 * data.length] },
  ]);
  const json = JSON.stringify({ __metadata__: { format: "pt" }, ...Object.fromEntries(header) });
  const text = new TextEncoder().encode(json.padEnd(Math.ceil(json.length / 8) * 8));
  const bytes = new Uint8Array(8 + text.length + next);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  let at = 8 + text.length;
  for (const { data } of Object.values(tensors)) {
    new Float16Array(bytes.buffer, at, data.length).set(data);
    at += 2 * data.length;
  }
  return bytes;
}

if (import.meta.main) {
  const { say } = await import("../scripts/_cli.ts");
  say(await makeExtraction());
}
