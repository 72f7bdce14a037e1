/**
 * How few tokens carry a match: one of a thousand tokens is worth more than one of three.
 *
 * S = source features.
 *
 * @module
 */

/** How many tokens carry the products of every source feature with its match. */
export interface Support {
  /**
   * The smallest number of tokens whose products are at least a share of the sum, for each feature;
   * 0 where there is none: `[S]`.
   */
  tokens(share: number): Uint32Array;
}

/** Adds up products, and says how many carry them. */
export interface SupportMeter extends Support {
  /** Adds products of source feature i. */
  add(i: number, products: Float64Array): void;
}

/** Bins an octave, and octaves below the largest product that are told apart. */
const [perOctave, nOctaves] = [4, 16];
const nBins = perOctave * nOctaves;

/**
 * Begins adding up.
 *
 * Products are counted in four bins an octave, and the number of tokens of the last bin that are
 * needed is taken by its mean: exact where that bin holds one product, or equal ones; else never too
 * few, and too many by a sixteenth of its products, rounded up, at most. Products below 2⁻¹⁵ of the
 * largest may share the lowest bin, of which less is sure: never too few.
 *
 * Takes one step a product, and 768 bytes a feature.
 *
 * @param nSource S.
 * @returns A meter at zero.
 *
 * @example Two large products of many small ones carry nine tenths
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const meter = supportMeter(1);
 * meter.add(0, new Float64Array([50, 0.5, 45, 0.5, 0.5]));
 *
 * assert.deepEqual([...meter.tokens(0.9)], [2]);
 * ```
 */
export function supportMeter(nSource: number): SupportMeter {
  const counts = new Uint32Array(nSource * nBins);
  const sums = new Float64Array(nSource * nBins);
  const tops = new Int32Array(nSource).fill(-1); // the bin of the largest product so far
  const [float, bits] = floatBits();
  const binOf = (product: number) => {
    float[0] = product;
    return bits[0] >> 21; // exponent and two bits more, of a number that is not below 0
  };

  return {
    add(i, products) {
      let largest = 0;
      for (let e = 0; e < products.length; e++) if (products[e] > largest) largest = products[e];
      if (largest === 0) return;
      const top = binOf(largest);
      if (top > tops[i]) {
        if (tops[i] >= 0) raise(counts, sums, i, top - tops[i]);
        tops[i] = top;
      }
      for (let e = 0; e < products.length; e++) {
        const below = Math.min(nBins - 1, tops[i] - binOf(products[e]));
        counts[i * nBins + below]++;
        sums[i * nBins + below] += products[e];
      }
    },
    tokens(share) {
      return Uint32Array.from(tops, (_, i) => {
        const [from, to] = [i * nBins, (i + 1) * nBins];
        let wanted = share * sums.subarray(from, to).reduce((sum, of) => sum + of, 0);
        let nTokens = 0;
        for (let b = from; b < to && wanted > 0; b++) {
          if (sums[b] === 0) continue;
          // Rounding must not ask for one more token than there are.
          nTokens += Math.min(counts[b], Math.ceil(wanted * counts[b] / sums[b] - 1e-6));
          wanted -= sums[b];
        }
        return nTokens;
      });
    },
  };
}

function floatBits(): readonly [Float32Array, Int32Array] {
  const float = new Float32Array(1);
  return [float, new Int32Array(float.buffer)];
}

// Moves the bins of a feature down, since a product came that is larger than all before.
function raise(counts: Uint32Array, sums: Float64Array, i: number, by: number): void {
  const start = i * nBins;
  for (let b = nBins - 1; b >= 0; b--) {
    const to = Math.min(nBins - 1, b + by);
    const [count, sum] = [counts[start + b], sums[start + b]];
    counts[start + b] = 0;
    sums[start + b] = 0;
    counts[start + to] += count;
    sums[start + to] += sum;
  }
}
