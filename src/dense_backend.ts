/**
 * What is used of TensorFlow.js, by whatever way it was loaded.
 *
 * @module
 */

import { DataError } from "./errors.ts";

/** What is used of a tensor of TensorFlow.js: it moves its values off the device, or frees them. */
// A type and not an interface, for which TypeScript would not take the namespace of the package.
export type DenseTensor = { data(): Promise<ArrayLike<number>>; dispose(): void };

/**
 * What is used of TensorFlow.js: the namespace of `@tensorflow/tfjs-core` with a backend, or of
 * `@tensorflow/tfjs-node-gpu`.
 */
export interface DenseBackend {
  /** A matrix of float32, row-major. */
  tensor2d(values: Float32Array, shape: [number, number]): DenseTensor;
  /** a b, or aᵀ b. */
  matMul(a: DenseTensor, b: DenseTensor, transposeA?: boolean): DenseTensor;
  /** a + b. */
  add(a: DenseTensor, b: DenseTensor): DenseTensor;
  /** Rows become columns. */
  transpose(a: DenseTensor): DenseTensor;
  /** Where a is larger than a number. */
  greater(a: DenseTensor, than: number): DenseTensor;
  /** The sum of every row (axis 1), or of every column (axis 0). */
  sum(a: DenseTensor, axis: number): DenseTensor;
  /** The k largest of every row, the largest first and equal ones by index. */
  topk(a: DenseTensor, k: number): { values: DenseTensor; indices: DenseTensor };
  /** Runs an action, then frees every tensor made in it that is not kept. */
  tidy(action: () => void): void;
  /** Keeps a tensor beyond `tidy`. */
  keep(tensor: DenseTensor): DenseTensor;
}

/**
 * Moves tensors off the device, and frees them.
 *
 * @param tf TensorFlow.js, with its backend chosen.
 * @param action Makes the tensors; all others that it makes are freed too.
 * @returns The values of each.
 */
export async function readTensors(
  tf: DenseBackend,
  action: () => DenseTensor[],
): Promise<ArrayLike<number>[]> {
  const kept: DenseTensor[] = [];
  tf.tidy(() => {
    for (const tensor of action()) kept.push(tf.keep(tensor));
  });
  try {
    return await Promise.all(kept.map((tensor) => tensor.data()));
  } finally {
    for (const tensor of kept) tensor.dispose();
  }
}

/**
 * Refuses a device whose matrix products are not in float32.
 *
 * GPUs since Ampere multiply in TF32 unless told otherwise, with 10 bits of each factor.
 *
 * @param tf TensorFlow.js, with its backend chosen.
 * @param device The name of the device.
 * @throws {DataError} If a product is off by more than float32 allows.
 */
export async function checkProducts(
  tf: DenseBackend,
  device: string,
): Promise<void> {
  // 1 + 2⁻¹² needs 12 bits. The matrix is large enough for the kernels that large matrices get.
  const [n, factor] = [256, 1 + 2 ** -12];
  const [product] = await readTensors(tf, () => {
    const a = tf.tensor2d(new Float32Array(n * n).fill(factor), [n, n]);
    return [tf.matMul(a, a, true)];
  });
  const got = product[0];
  const expected = n * factor * factor;
  if (Math.abs(got - expected) <= 1e-6 * expected) return;
  throw new DataError("match features on", {
    where: `device "${device}"`,
    expected: `a product in float32, ${expected}`,
    got: `${got}`,
    fix: "set NVIDIA_TF32_OVERRIDE=0 where the GPU multiplies in TF32",
  });
}
