/**
 * The tensors of an SAE with its features in another order, in SAELens' own names.
 *
 * F = features of the SAE, S = features of the reference, whose order it is.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import type { TableInfo } from "./metadata.ts";
import { type Dtype, itemBytes, showShape } from "./safetensors.ts";
import type { RawTensor } from "./write_safetensors.ts";

/** Where features lie in a tensor, and what it holds for one that never fires. */
export interface FeatureAxis {
  /** The dimension that counts features. */
  readonly axis: 0 | 1;
  /** The first number of a feature that never fires; all that follow it are 0. */
  readonly absent: number;
}

/**
 * The tensors of an SAE that have features, by name; `b_dec` and `topk_threshold` have none.
 *
 * A feature that never fires is 0 throughout: p = 0 is no activation of ReLU, tanh-ReLU or a gate
 * that must be above 0, and none of JumpReLU at any threshold, since max(p, 0) is what passes it;
 * among the k largest it takes the place of no positive p. Two numbers are not 0: a
 * `scaling_factor` of 1, since SAELens drops the tensor only where all are 1 and otherwise may
 * refuse it, and a `sparsity` of −10, SAELens' log₁₀(0 + 1e-10).
 */
export const featureAxes: Readonly<Record<string, FeatureAxis>> = {
  W_enc: { axis: 1, absent: 0 },
  W_dec: { axis: 0, absent: 0 },
  b_enc: { axis: 0, absent: 0 },
  b_gate: { axis: 0, absent: 0 },
  b_mag: { axis: 0, absent: 0 },
  r_mag: { axis: 0, absent: 0 },
  threshold: { axis: 0, absent: 0 },
  log_threshold: { axis: 0, absent: 0 },
  scaling_factor: { axis: 0, absent: 1 },
  sparsity: { axis: 0, absent: -10 },
};

const withoutFeatures = ["b_dec", "topk_threshold"];

/**
 * A tensor with its features taken in another order, byte for byte.
 *
 * Feature i of the result is feature `best[i]` of the tensor; a feature may be taken several times
 * or not at all.
 *
 * Cost: S numbers moved a row, in time and in memory.
 *
 * @param tensor Floating point of 16, 32 or 64 bits.
 * @param best Features to take, -1 for one that never fires: `[S]`.
 * @param where Where its features lie.
 * @returns A tensor of S features, of the same name and dtype.
 * @throws {RangeError} If it has no feature of that number, or its dtype is another.
 *
 * @example The second feature, then one that never fires
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const bytes = new Uint8Array(new Float32Array([5, 6]).buffer);
 * const bias = { name: "b_enc", dtype: "F32", shape: [2], bytes } as const;
 *
 * const reordered = reorderTensor(bias, [1, -1], { axis: 0, absent: 0 });
 *
 * assert.deepEqual([...new Float32Array(reordered.bytes.slice().buffer)], [6, 0]);
 * ```
 */
export function reorderTensor(
  { name, dtype, shape, bytes }: RawTensor,
  best: ArrayLike<number>,
  { axis, absent }: FeatureAxis,
): RawTensor {
  const F = shape[axis];
  for (let i = 0; i < best.length; i++) {
    if (Number.isInteger(best[i]) && best[i] >= -1 && best[i] < F) continue;
    throw new RangeError(
      `Cannot take feature ${best[i]} of ${show(name)}: expected -1 to ${F - 1}, got ${best[i]}`,
    );
  }
  const Units = itemBytes[dtype] === 2 ? Uint16Array : Uint32Array;
  const perItem = itemBytes[dtype] / Units.BYTES_PER_ELEMENT;
  const product = (of: readonly number[]) => of.reduce((n, d) => n * d, 1);
  // [outer, F, inner], in units of 2 or 4 bytes.
  const [outer, inner] = [product(shape.slice(0, axis)), product(shape.slice(axis + 1)) * perItem];
  const from = new Units(Uint8Array.from(bytes).buffer);
  const never = new Units(numberBytes(absent, dtype).buffer);

  const S = best.length;
  const to = new Units(outer * S * inner);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < S; i++) {
      const at = (o * S + i) * inner;
      if (best[i] < 0) {
        for (let k = 0; k < perItem && k < inner; k++) to[at + k] = never[k];
      } else {
        const start = (o * F + best[i]) * inner;
        for (let k = 0; k < inner; k++) to[at + k] = from[start + k];
      }
    }
  }
  const reordered = shape.with(axis, S);
  return { name, dtype, shape: reordered, bytes: new Uint8Array(to.buffer) };
}

// One number as it is stored. A bfloat16 is the upper half of a float32.
function numberBytes(value: number, dtype: Dtype): Uint8Array<ArrayBuffer> {
  switch (dtype) {
    case "F64":
      return new Uint8Array(new Float64Array([value]).buffer);
    case "F32":
      return new Uint8Array(new Float32Array([value]).buffer);
    case "F16":
      return new Uint8Array(new Float16Array([value]).buffer);
    case "BF16":
      return new Uint8Array(new Float32Array([value]).buffer).slice(2);
    default:
      throw new RangeError(`Cannot write a number as ${dtype}: expected F64, F32, F16 or BF16`);
  }
}

/**
 * The tensors of an SAE, or of its sparsity.safetensors, with its features in another order.
 *
 * @param tensors All of a file.
 * @param best Features to take, -1 for one that never fires: `[S]`.
 * @param options Number of features of the SAE, F; whether it is folded by the lengths of its
 *   decoder rows; and what to call the file. SAELens up to 5 divides by these lengths as they are,
 *   so that a row of zeros would become NaN and, with it, every reconstruction: where an SAE is
 *   folded, the decoder row of a feature that never fires is 1, 0, 0, …
 * @returns They, in the order given; those without features as they are.
 * @throws {DataError} If a tensor is not one that SAELens writes, or is of another number of
 *   features.
 *
 * @example What never fires has a decoder row of its own where it is folded
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const bytes = new Uint8Array(new Float32Array([3, 4]).buffer);
 * const decoder = { name: "W_dec", dtype: "F32", shape: [1, 2], bytes } as const;
 *
 * const [folded] = reorderTensors([decoder], [-1], { dSae: 1, isFolded: true, where: "a file" });
 *
 * assert.deepEqual([...new Float32Array(folded.bytes.slice().buffer)], [1, 0]);
 * ```
 */
export function reorderTensors(
  tensors: readonly RawTensor[],
  best: ArrayLike<number>,
  { dSae: F, isFolded, where }: {
    readonly dSae: number;
    readonly isFolded: boolean;
    readonly where: string;
  },
): RawTensor[] {
  return tensors.map((tensor) => {
    const { name, shape } = tensor;
    if (withoutFeatures.includes(name)) return tensor;
    const refuse = (expected: string, got: string): never => {
      throw new DataError("reorder tensor", { where: `${show(name)} in ${where}`, expected, got });
    };
    const known = Object.hasOwn(featureAxes, name)
      ? featureAxes[name]
      : refuse([...Object.keys(featureAxes), ...withoutFeatures].join(", "), "another tensor");
    if (shape[known.axis] !== F) refuse(`${F} features`, `shape ${showShape(shape)}`);
    const first = isFolded && name === "W_dec" ? 1 : known.absent;
    return reorderTensor(tensor, best, { ...known, absent: first });
  });
}

/** What a reordered SAE says of itself, under the key `reordered` of its cfg.json. */
export interface ReorderInfo extends TableInfo {
  /** Step of the SAE. */
  readonly step: number;
  /** Step of the reference, whose order its features are in. */
  readonly reference: number;
  /** How alike two features are: the measure of the match. */
  readonly metric: string;
  /** Features that never fire, since the reference's has no match. */
  readonly n_absent: number;
  /** Features that are at another place, too. */
  readonly n_copies: number;
  /**
   * Whether each feature fires as it does in the original, in SAELens. The k largest, of a token or
   * of a batch in training, are of all features: where some are left out or are there twice, others
   * fire.
   */
  readonly is_exact: boolean;
}

/**
 * What taking features in another order does to an SAE.
 *
 * @param best Features to take, -1 for one that never fires: `[S]`.
 * @param options Number of features of the SAE, F, and whether it is the k largest that fire.
 * @returns How many never fire, how many are there twice, and whether the others fire as before.
 *
 * @example A feature twice, and one left out
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const counts = countReordered([1, 1, -1], { dSae: 3, isTopk: true });
 *
 * assert.deepEqual(counts, { n_absent: 1, n_copies: 1, is_exact: false });
 * ```
 */
export function countReordered(
  best: ArrayLike<number>,
  { dSae: F, isTopk }: { readonly dSae: number; readonly isTopk: boolean },
): Pick<ReorderInfo, "n_absent" | "n_copies" | "is_exact"> {
  const taken = Array.from(best).filter((j) => j >= 0);
  const nUnique = new Set(taken).size;
  return {
    n_absent: best.length - taken.length,
    n_copies: taken.length - nUnique,
    is_exact: !isTopk || (nUnique === F && taken.length === F),
  };
}
