/**
 * Reads tensors from safetensors files, one at a time. (Work in progress by its own author.)
 *
 * @module
 */

import type { ByteSource } from "./files.ts";

/** How an element is stored, in the words of the safetensors format. */
// deno-fmt-ignore
export type Dtype = "BOOL" | "U8" | "I8" | "F8_E5M2" | "F8_E4M3" | "U16" | "I16" | "F16" | "BF16" | "U32" | "I32" | "F32" | "U64" | "I64" | "F64";

/** Where a tensor lies: contiguous, row-major, little-endian. */
export interface TensorEntry {
  /** Its name in its file. */
  readonly name: string;
  /** How its elements are stored. */
  readonly dtype: Dtype;
  /** Length of each dimension, the outermost first; empty for a scalar. */
  readonly shape: readonly number[];
  /** The file it lies in. */
  readonly source: ByteSource;
  /** First byte, from the start of the file. */
  readonly start: number;
  /** One past the last byte, from the start of the file. */
  readonly end: number;
}
