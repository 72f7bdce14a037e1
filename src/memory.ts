/**
 * Where arrays lie: in memory of one thread or of all, made anew or used again.
 *
 * @module
 */

/** Makes an array; its contents are not defined. */
export interface Allocate {
  /** 16-bit indices. */
  uint16(length: number): Uint16Array;
  /** 32-bit indices. */
  uint32(length: number): Uint32Array;
  /** Counters. */
  int32(length: number): Int32Array;
  /** Values. */
  float32(length: number): Float32Array;
  /** Sums. */
  float64(length: number): Float64Array;
}

/** Arrays of their own, each in memory of its own. */
export const ownMemory: Allocate = {
  uint16: (length) => new Uint16Array(length),
  uint32: (length) => new Uint32Array(length),
  int32: (length) => new Int32Array(length),
  float32: (length) => new Float32Array(length),
  float64: (length) => new Float64Array(length),
};

/** Whether there is memory that all threads see. */
export const hasSharedMemory = (): boolean => typeof SharedArrayBuffer !== "undefined";

/** Arrays that all threads see, each in memory of its own. */
export const sharedMemory: Allocate = {
  uint16: (length) => new Uint16Array(new SharedArrayBuffer(2 * length)),
  uint32: (length) => new Uint32Array(new SharedArrayBuffer(4 * length)),
  int32: (length) => new Int32Array(new SharedArrayBuffer(4 * length)),
  float32: (length) => new Float32Array(new SharedArrayBuffer(4 * length)),
  float64: (length) => new Float64Array(new SharedArrayBuffer(8 * length)),
};

/** Memory that is used again. */
export interface Arena extends Allocate {
  /** Takes back all arrays made from it: what is made next lies where they lay. */
  clear(): void;
}

/**
 * Memory for a few arrays at a time, which grows to what was needed between two clearings.
 *
 * @param isShared Whether all threads see it.
 * @param nBytes How much to begin with.
 * @returns The arena.
 *
 * @example The second array lies where the first lay
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const memory = arena(false);
 * const first = memory.uint32(3).fill(7);
 * memory.clear();
 *
 * assert.equal(memory.uint32(3).buffer, first.buffer);
 * ```
 */
export function arena(isShared: boolean, nBytes: number = 1 << 16): Arena {
  const make = (nBytes: number) =>
    isShared ? new SharedArrayBuffer(nBytes) : new ArrayBuffer(nBytes);
  let buffer = make(nBytes);
  let used = 0; // bytes asked for, more than there are where some lie elsewhere
  const place = (nBytes: number) => {
    const start = used;
    used += Math.ceil(nBytes / 8) * 8;
    return used <= buffer.byteLength ? [buffer, start] as const : [make(nBytes), 0] as const;
  };
  return {
    uint16: (length) => new Uint16Array(...place(2 * length), length),
    uint32: (length) => new Uint32Array(...place(4 * length), length),
    int32: (length) => new Int32Array(...place(4 * length), length),
    float32: (length) => new Float32Array(...place(4 * length), length),
    float64: (length) => new Float64Array(...place(8 * length), length),
    clear() {
      if (used > buffer.byteLength) buffer = make(used + used / 4);
      used = 0;
    },
  };
}
