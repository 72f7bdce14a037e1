/**
 * Seeded randomness: the same seed gives the same numbers on every machine.
 *
 * @module
 */

/**
 * A generator of uniform numbers in [0, 1).
 *
 * @param seed Any integer; only its lowest 32 bits count.
 * @returns A function that gives the next number.
 * @see {@link https://gist.github.com/tommyettinger/46a874533244883189143505d203312c | mulberry32},
 *   by its author; period 2³².
 *
 * @example The same seed, the same numbers
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.equal(randomFrom(7)(), randomFrom(7)());
 * ```
 */
export function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Draws without replacement, every subset as likely as any other.
 *
 * @param items What to draw from.
 * @param size How many; all of them if there are fewer.
 * @param random Uniform numbers in [0, 1).
 * @returns The drawn items, in their order in `items`.
 *
 * @example Asking for more than there is
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(sample([3, 5], 10, randomFrom(0)), [3, 5]);
 * assert.equal(sample([3, 5, 8], 2, randomFrom(0)).length, 2);
 * ```
 */
export function sample<T>(items: readonly T[], size: number, random: () => number): T[] {
  // Knuth's selection sampling: item i is taken with probability (still needed) / (still left).
  const drawn: T[] = [];
  items.forEach((item, i) => {
    const needed = Math.min(size, items.length) - drawn.length;
    if (random() * (items.length - i) < needed) drawn.push(item);
  });
  return drawn;
}
