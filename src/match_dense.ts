/**
 * The match by dense blocks of tokens, on any backend of TensorFlow.js.
 *
 * S = source features (the reference's), T = target features, N = tokens, W = target features of
 * a tile, C = tokens of a chunk.
 *
 * @module
 */

import { type Activations, checkTokens, type Pair, rowBlocks, sideBySide } from "./blocks.ts";
import { type DenseBackend, type DenseTensor, readTensors } from "./dense_backend.ts";
import { emptyMatch, type Match, offerForward, thresholds } from "./match.ts";
import { columnSums, type Sparse, zeroSums } from "./sparse.ts";

/** What can be changed about {@linkcode matchDense}. */
export interface MatchDenseOptions {
  /** Most bytes of chunks and tensors alive at once; default: 2 GiB. */
  readonly memory?: number;
}

/**
 * The match of {@linkcode matchFeatures}, from dense blocks of tokens multiplied on a device.
 *
 * cos(i, j) = Σₙ (aₙᵢ / ‖aᵢ‖) (bₙⱼ / ‖bⱼ‖)
 *
 * Norms and counts are summed in double on the CPU, and the quotients rounded to float32; products
 * are summed by the device in float32. A cosine is off by 5e-7 at most on 100,000 random tokens
 * (tests/match_dense_test.ts), so a match differs from {@linkcode matchFeatures}' only where two
 * cosines are as near to each other, or to 0. Equal sums go to the lower index; but a device may add
 * up equal features in different orders, and then the last bit decides between them.
 *
 * Takes N · S · T multiply-adds, zeros included, where {@linkcode matchFeatures} takes as many as
 * there are pairs of activations: sparse features are matched faster on the CPU.
 *
 * Reads the activations 1 + T / W times, where as many target features W form a tile as the memory
 * allows; the results of a tile alone leave the device.
 *
 * @param tf TensorFlow.js, with its backend chosen.
 * @param pair Activations of both checkpoints.
 * @param options How much memory to use.
 * @returns The matches of both sides.
 * @throws {RangeError} If the two have not the same number of tokens, or the memory is too little.
 *
 * @example Two features a side, three tokens
 * ```ts
 * import assert from "node:assert/strict";
 * import "npm:@tensorflow/tfjs-backend-cpu@4.22.0";
 * import * as tf from "npm:@tensorflow/tfjs-core@4.22.0";
 * import { activationsOf } from "./blocks.ts";
 * import { sparsify } from "./sparse.ts";
 *
 * tf.enableProdMode(); // keeps it from advertising on the console
 * const source = sparsify(new Float32Array([1, 0, 0, 0, 2, 0]), 2); // the second is dead
 * const target = sparsify(new Float32Array([0, 2, 3, 0, 0, 4]), 2);
 * const pair = { source: activationsOf(source), target: activationsOf(target) };
 *
 * assert.deepEqual([...(await matchDense(tf, pair)).best], [1, -1]);
 * ```
 */
export async function matchDense(
  tf: DenseBackend,
  pair: Pair,
  { memory = 2 ** 31 }: MatchDenseOptions = {},
): Promise<Match> {
  checkTokens(pair);
  const [nSource, nTarget, nTokens] = sizeOf(pair);
  const source = await sumsOf(pair.source);
  const target = await sumsOf(pair.target);
  const match = emptyMatch(source.counts, target.counts);
  if (nSource === 0 || nTarget === 0 || nTokens === 0) return match;
  const norms = { source: source.squares.map(Math.sqrt), target: target.squares.map(Math.sqrt) };
  const { width, rows } = planTiles(pair, memory);
  for (let first = 0; first < nTarget; first += width) {
    const last = Math.min(first + width, nTarget);
    const cosines = await multiply(tf, chunks(pair, norms, rows, first, last), {
      a: [rows, nSource],
      b: [rows, last - first],
    });
    try {
      await offerTile(tf, match, cosines, first, last);
    } finally {
      cosines.dispose();
    }
  }
  return match;
}

function sizeOf({ source, target }: Pair): [nSource: number, nTarget: number, nTokens: number] {
  return [source.nCols, target.nCols, source.nRows];
}

interface Norms {
  readonly source: Float64Array;
  readonly target: Float64Array;
}

async function sumsOf(activations: Activations) {
  const sums = zeroSums(activations.nCols);
  for await (const rows of activations.parts()) columnSums(rows, sums);
  return sums;
}

// How many target features form a tile and how many tokens a chunk. At most three matrices `[S, W]`
// are alive at once, of 4-byte values (the sums, a product, the sums with it), and a chunk of either
// side twice (here and on the device).
function planTiles(pair: Pair, memory: number): { width: number; rows: number } {
  const [nSource, nTarget, nTokens] = sizeOf(pair);
  // Fewer rows make the addition of a product cost as much as the product.
  const least = Math.min(nTokens, 256);
  const widest = Math.floor((memory - 8 * least * nSource) / (12 * nSource + 8 * least));
  if (!(widest >= 1)) {
    throw new RangeError(
      `Cannot match ${nSource} features within ${memory} bytes: ` +
        `the least that works is ${12 * nSource + 8 * least * (nSource + 1)}`,
    );
  }
  const width = shareOf(nTarget, widest);
  // More rows gain nothing, and the sums within a product lose precision.
  const most = Math.floor((memory - 12 * nSource * width) / (8 * (nSource + width)));
  return { width, rows: shareOf(nTokens, Math.min(most, 2048)) };
}

// The length of equal parts, none longer than `most`.
function shareOf(length: number, most: number): number {
  return Math.ceil(length / Math.ceil(length / most));
}

interface Chunk {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

// Rows of unit columns: all source features as `a`, the target features from `first` to `last` as
// `b`. Rows after the last token are zero. Every chunk is in new arrays, since a backend may read
// them later, or in place.
async function* chunks(
  pair: Pair,
  norms: Norms,
  rows: number,
  first: number,
  last: number,
): AsyncGenerator<Chunk> {
  const sources = rowBlocks(pair.source.parts(), rows);
  const targets = rowBlocks(pair.target.parts(), rows);
  for await (const [source, target] of sideBySide(sources, targets)) {
    const a = new Float32Array(rows * source.nCols);
    const b = new Float32Array(rows * (last - first));
    for (let row = 0; row < source.nRows; row++) {
      fillRow(a, source, row, norms.source, 0, source.nCols);
      fillRow(b, target, row, norms.target, first, last);
    }
    yield { a, b };
  }
}

// Writes columns `first` to `last` of a sparse row, over their norms, into the same row.
function fillRow(
  dense: Float32Array,
  { offsets, columns, values }: Sparse,
  row: number,
  norms: Float64Array,
  first: number,
  last: number,
): void {
  const start = row * (last - first) - first;
  for (let e = offsets[row]; e < offsets[row + 1]; e++) {
    const column = columns[e];
    if (column >= first && column < last) dense[start + column] = values[e] / norms[column];
  }
}

// The sum of aᵀ b over all chunks, of which there is one at least.
async function multiply(
  tf: DenseBackend,
  chunks: AsyncIterable<Chunk>,
  shapes: { readonly a: [number, number]; readonly b: [number, number] },
): Promise<DenseTensor> {
  let sums: DenseTensor | undefined;
  try {
    for await (const { a, b } of chunks) {
      const before = sums;
      tf.tidy(() => {
        const product = tf.matMul(tf.tensor2d(a, shapes.a), tf.tensor2d(b, shapes.b), true);
        sums = tf.keep(before ? tf.add(before, product) : product);
      });
      before?.dispose();
    }
    return sums!;
  } catch (error) {
    sums?.dispose();
    throw error;
  }
}

// Lets the two best targets of a tile compete for every source, and writes the best source of every
// target of the tile. Tiles come in order, so that "strictly better" leaves a tie with the lower
// index.
async function offerTile(
  tf: DenseBackend,
  match: Match,
  cosines: DenseTensor,
  first: number,
  last: number,
): Promise<void> {
  const k = Math.min(2, last - first);
  const [values, indices, reverseValues, reverseIndices] = await readTensors(tf, () => {
    const [forward, backward] = [tf.topk(cosines, k), tf.topk(tf.transpose(cosines), 1)];
    return [forward.values, forward.indices, backward.values, backward.indices];
  });
  for (let e = 0; e < values.length; e++) {
    if (values[e] > 0) offerForward(match, Math.floor(e / k), first + indices[e], values[e]);
  }
  await countNearInTile(tf, match, cosines, first);
  for (let j = first; j < last; j++) {
    if (!(reverseValues[j - first] > 0)) continue;
    match.reverse[j] = reverseIndices[j - first];
    match.reverseSimilarity[j] = reverseValues[j - first];
  }
}

// Adds to the counts of every source how many targets of a tile are near, and the other way round.
async function countNearInTile(
  tf: DenseBackend,
  { nearTargets, nearSources }: Match,
  cosines: DenseTensor,
  first: number,
): Promise<void> {
  const K = thresholds.length;
  const counts = await readTensors(tf, () => {
    const near = thresholds.map((threshold) => tf.greater(cosines, 1 - threshold));
    return near.flatMap((isNear) => [tf.sum(isNear, 1), tf.sum(isNear, 0)]);
  });
  for (let k = 0; k < K; k++) {
    const [ofSources, ofTargets] = [counts[2 * k], counts[2 * k + 1]];
    for (let i = 0; i < ofSources.length; i++) nearTargets[i * K + k] += ofSources[i];
    for (let j = 0; j < ofTargets.length; j++) nearSources[(first + j) * K + k] = ofTargets[j];
  }
}
