/**
 * Attention as operations: rotary positions, the causal mask, and heads that mix values.
 *
 * B = sequences, T = positions, N = B·T, H = heads, G = heads of keys and values, K = width of a
 * head, R = rotated dimensions of it.
 *
 * @module
 */

import type { Builder, Value } from "./onnx.ts";

/** How the dimensions of a head are rotated. */
export interface Rotation {
  /** Positions, T. */
  readonly length: number;
  /** Width of a head, K. */
  readonly headWidth: number;
  /** How many dimensions are rotated, R, the first ones; an even number. */
  readonly rotated: number;
  /** Base of the frequencies. */
  readonly theta: number;
}

/**
 * Rotary positions: in the first R dimensions of every head, number i of one half and number i of
 * the other are turned by the angle position · theta^(−2i/R).
 *
 * @param b Grows the graph.
 * @param rotation How.
 * @returns Adds the rotation to queries or keys: `[B, T, H, K]`.
 * @see {@link https://arxiv.org/abs/2104.09864 | Su et al. 2021}, whose pairs are neighbours;
 *   transformers pairs the halves, and so do we.
 */
export function rotary(
  b: Builder,
  { length, headWidth, rotated: R, theta }: Rotation,
): (x: Value) => Value {
  if (R === 0) return (x) => x;
  const half = R / 2;
  const table = (f: (angle: number) => number) =>
    b.floats(
      Float32Array.from({ length: length * half }, (_, e) => {
        const [position, i] = [Math.floor(e / half), e % half];
        return f(position * theta ** (-2 * i / R));
      }),
      [1, length, 1, half],
    );
  const [cos, sin] = [table(Math.cos), table(Math.sin)];
  const rest = headWidth - R;
  const sizes = rest > 0 ? [half, half, rest] : [half, half];
  return (x) => {
    const [a, c, ...untouched] = b.ops("Split", [x, b.ints(...sizes)], sizes.length, { axis: 3n });
    const first = b.op("Sub", [b.op("Mul", [a, cos]), b.op("Mul", [c, sin])]);
    const second = b.op("Add", [b.op("Mul", [c, cos]), b.op("Mul", [a, sin])]);
    return b.op("Concat", [first, second, ...untouched], { axis: 3n });
  };
}

/**
 * 0 where a position may look, a number that softmax turns into 0 where it may not.
 *
 * @param b Grows the graph.
 * @param length Positions, T.
 * @returns The mask, to be added to scores: `[1, 1, T, T]`.
 */
export function causalMask(b: Builder, length: number): Value {
  const never = -1e30;
  const mask = Float32Array.from({ length: length * length }, (_, e) => {
    const [from, to] = [Math.floor(e / length), e % length];
    return to <= from ? 0 : never;
  });
  return b.floats(mask, [1, 1, length, length]);
}

/** The heads of an attention. */
export interface Heads {
  /** Positions, T. */
  readonly length: number;
  /** Heads of queries, H. */
  readonly nHeads: number;
  /** Heads of keys and values, G, each shared by H/G of queries; H, if left out. */
  readonly nKeyHeads?: number;
  /** Width of a head, K. */
  readonly headWidth: number;
}

/**
 * Parts rows into heads.
 *
 * @param b Grows the graph.
 * @param x Rows: `[N, n·K]`.
 * @param n How many.
 * @param heads Their length and width.
 * @returns The same: `[B, T, n, K]`.
 */
export function toHeads(
  b: Builder,
  x: Value,
  n: number,
  { length, headWidth }: Pick<Heads, "length" | "headWidth">,
): Value {
  return b.op("Reshape", [x, b.ints(-1, length, n, headWidth)]);
}

// One head of keys or values for every head of queries: [B, T, G, K] -> [B, T, H, K].
function shareHeads(b: Builder, x: Value, { nHeads: H, nKeyHeads: G = H }: Heads): Value {
  if (G === H) return x;
  const shared = Array.from({ length: H }, (_, head) => Math.floor(head * G / H));
  return b.op("Gather", [x, b.ints(...shared)], { axis: 2n });
}

/**
 * What the biases of the values put into every head's mixture, since patterns add up to 1.
 *
 * @param b Grows the graph.
 * @param bias The biases: `[G·K]`.
 * @param heads The heads that share them.
 * @returns Their part: `[1, H·K]`.
 */
export function sharedBias(b: Builder, bias: Value, heads: Heads): Value {
  const { nHeads: H, nKeyHeads: G = H, headWidth: K } = heads;
  const perHead = b.op("Reshape", [bias, b.ints(1, 1, G, K)]);
  return b.op("Reshape", [shareHeads(b, perHead, heads), b.ints(1, H * K)]);
}

/**
 * Every head's mixture of the values before and at each position.
 *
 * z = softmax(scale · q · kᵀ + mask) · v
 *
 * Cost: 2·B·H·T²·K multiply-adds, and B·H·T² scores in memory.
 *
 * @param b Grows the graph.
 * @param parts Queries `[B, T, H, K]`, and keys and values `[B, T, G, K]`.
 * @param options The heads, what scores are multiplied by, and the mask.
 * @returns The heads' mixtures side by side: `[N, H·K]`.
 */
export function attend(
  b: Builder,
  { query, key, value }: { readonly query: Value; readonly key: Value; readonly value: Value },
  { scale, mask, ...heads }: Heads & { readonly scale: number; readonly mask: Value },
): Value {
  const turned = (v: Value, ...perm: bigint[]) => b.op("Transpose", [v], { perm });
  const scores = b.op("MatMul", [
    turned(query, 0n, 2n, 1n, 3n),
    turned(shareHeads(b, key, heads), 0n, 2n, 3n, 1n),
  ]);
  const masked = b.op("Add", [b.op("Mul", [scores, b.scalar(scale)]), mask]);
  const pattern = b.op("Softmax", [masked], { axis: -1n });
  const mixed = b.op("MatMul", [pattern, turned(shareHeads(b, value, heads), 0n, 2n, 1n, 3n)]);
  const width = heads.nHeads * heads.headWidth;
  return b.op("Reshape", [turned(mixed, 0n, 2n, 1n, 3n), b.ints(-1, width)]);
}
