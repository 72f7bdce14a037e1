/**
 * The residual stream of a model, block by block, up to a hook.
 *
 * N = tokens, D = width, H = heads, K = width of a head.
 *
 * @module
 */

import { DataError } from "./errors.ts";
import type { Hook, HookPoint } from "./hooks.ts";
import { centred } from "./layers.ts";
import type { Builder, Value } from "./onnx.ts";

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

/** What one block does to the residual stream, each step with its own norms. */
export interface Block {
  /** Every head's mixture of values, of the residual: `[N, D]` to `[N, H·K]`. */
  heads(x: Value): Value;
  /** What attention adds to the residual, of the mixtures: `[N, H·K]` to `[N, D]`. */
  attention(z: Value): Value;
  /** What the MLP adds to the residual: `[N, D]` to `[N, D]`. */
  mlp(x: Value): Value;
  /** What biases alone put into every mixture, `[1, H·K]`; nothing where there are none. */
  valueBias(): Value | undefined;
}

/** What is the same for all blocks of a model. */
export interface Blocks {
  /** How many there are. */
  readonly nLayers: number;
  /** Whether attention and MLP read the same residual; one after the other, if left out. */
  readonly isParallel?: boolean;
  /**
   * Whether norms remove the mean over D, as layer norms do. TransformerLens centres the weights of
   * no other model.
   */
  readonly isCentring: boolean;
  /** The model's folder, for messages. */
  readonly where: string;
  /** A block, by its number from 0. */
  block(layer: number): Block;
}

/**
 * Adds the blocks of a model up to a hook.
 *
 * `isProcessed` gives what TransformerLens' default loading gives: where norms are centring, the
 * mean over D is removed; at `attn.hook_z`, the part of z that comes from biases. Elsewhere it changes
 * nothing.
 *
 * @param b Grows the graph.
 * @param embedded What the first block reads: `[N, D]`.
 * @param blocks The blocks.
 * @param options Where to stop, and in what form.
 * @returns The values at the hook: `[N, D]`, or at `attn.hook_z` `[N, H·K]`.
 * @throws {DataError} If the model has no such hook.
 * @see {@link https://github.com/TransformerLensOrg/TransformerLens | TransformerLens}, whose
 *   `center_writing_weights` and `fold_value_biases` are meant.
 */
export function residualAt(
  b: Builder,
  embedded: Value,
  { nLayers, isParallel = false, isCentring, where, block }: Blocks,
  { hook, isProcessed }: Pick<HookOptions, "hook" | "isProcessed">,
): Value {
  const refuse = (expected: string, got: string) => {
    throw new DataError("read hook", { where: `${hook.name} of ${where}`, expected, got });
  };
  if (hook.layer >= nLayers) refuse(`a block below ${nLayers}`, `block ${hook.layer}`);
  if (hook.point === "hook_resid_mid" && isParallel) {
    refuse("attention before the MLP", "both at once (use_parallel_residual)");
  }
  const centre = (x: Value) => isProcessed && isCentring ? centred(b, x) : x;

  let x = embedded;
  for (let layer = 0;; layer++) {
    const { heads, attention, mlp, valueBias } = block(layer);
    const at = (point: HookPoint) => layer === hook.layer && hook.point === point;

    if (at("hook_resid_pre")) return centre(x);
    if (at("hook_mlp_out") && isParallel) return centre(mlp(x));

    const z = heads(x);
    if (at("attn.hook_z")) {
      const bias = isProcessed ? valueBias() : undefined;
      return bias === undefined ? z : b.op("Sub", [z, bias]);
    }
    const attended = attention(z);
    if (at("hook_attn_out")) return centre(attended);

    const mid = b.op("Add", [x, attended]);
    if (at("hook_resid_mid")) return centre(mid);
    const thought = mlp(isParallel ? x : mid);
    if (at("hook_mlp_out")) return centre(thought);

    x = b.op("Add", [mid, thought]);
    if (at("hook_resid_post")) return centre(x);
  }
}
