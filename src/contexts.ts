/**
 * Which pieces of text show what a feature does.
 *
 * N = tokens.
 *
 * @module
 */

/** A token that a piece of text is shown around, and why. */
export interface Centre {
  /** "top", or the range of activations of its group. */
  readonly group: string;
  /** The token. */
  readonly token: number;
}

/** How {@linkcode chooseCentres} chooses. */
export interface CentreOptions {
  /** Positions of a sequence. */
  readonly contextSize: number;
  /** Uniform numbers in [0, 1). */
  readonly random: () => number;
  /** How many of the strongest. */
  readonly nTop?: number;
  /** Into how many ranges activations are cut. */
  readonly nGroups?: number;
  /** How many of each range. */
  readonly perGroup?: number;
}

/**
 * The tokens around which to show a feature: those on which it fires most strongly, one a sequence,
 * and some drawn from each of equally wide ranges of its activations, the strongest range first.
 *
 * The strongest alone flatter: a feature is what it does over its whole range. Within a range each
 * token is as likely as any other; one that is among the strongest already is not drawn.
 *
 * @param tokens Tokens on which it fires, ascending.
 * @param values Its activations there, above 0, as many.
 * @param options How many of what.
 * @returns Tokens; fewer where there are fewer.
 * @see {@link https://github.com/callummcdougall/sae_vis | sae_vis}, whose groups are the same ranges
 *   of activations, from 0 to the largest, though it may show a token twice.
 *
 * @example Three tokens in two sequences of two
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const centres = chooseCentres([0, 1, 2], new Float32Array([4, 3, 1]), {
 *   contextSize: 2,
 *   random: () => 0,
 *   nTop: 1,
 *   nGroups: 2,
 * });
 *
 * assert.deepEqual(centres.map(({ token }) => token), [0, 1, 2]);
 * assert.deepEqual(centres.map(({ group }) => group), ["top", "2 to 4", "0 to 2"]);
 * ```
 */
export function chooseCentres(
  tokens: ArrayLike<number>,
  values: Float32Array,
  { contextSize, random, nTop = 12, nGroups = 5, perGroup = 3 }: CentreOptions,
): Centre[] {
  const top = strongest(tokens, values, contextSize, nTop);
  const isTop = new Set(top);
  const max = values.reduce((most, value) => Math.max(most, value), 0);
  const groups: number[][] = Array.from({ length: nGroups }, () => []);
  const seen = new Uint32Array(nGroups);
  // Vitter's reservoir: the n-th of a group takes a place with probability perGroup / n.
  for (let e = 0; e < values.length; e++) {
    if (isTop.has(tokens[e])) continue;
    const g = Math.min(nGroups - 1, Math.floor((values[e] / max) * nGroups));
    const place = seen[g]++ < perGroup ? seen[g] - 1 : Math.floor(random() * seen[g]);
    if (place < perGroup) groups[g][place] = tokens[e];
  }
  const edge = (g: number) => Number(((max * g) / nGroups).toPrecision(3));
  const drawn = groups.map((of, g) =>
    of.sort((a, b) => a - b).map((token) => ({ group: `${edge(g)} to ${edge(g + 1)}`, token }))
  );
  return [...top.map((token) => ({ group: "top", token })), ...drawn.reverse().flat()];
}

// The strongest token of each sequence, of the sequences where it is strongest; ties to the first.
function strongest(
  tokens: ArrayLike<number>,
  values: Float32Array,
  contextSize: number,
  nTop: number,
): number[] {
  const best: number[] = []; // entries, one a sequence
  let last = -1;
  for (let e = 0; e < values.length; e++) {
    const sequence = Math.floor(tokens[e] / contextSize);
    if (sequence !== last) best.push(e);
    else if (values[e] > values[best[best.length - 1]]) best[best.length - 1] = e;
    last = sequence;
  }
  return best.sort((a, b) => values[b] - values[a] || a - b).slice(0, nTop).map((e) => tokens[e]);
}

/** Consecutive tokens of one sequence. */
export interface Window {
  /** The first token. */
  readonly start: number;
  /** One past the last token. */
  readonly end: number;
}

/**
 * The tokens around one, within its sequence.
 *
 * @param token The token.
 * @param of The number of tokens, the positions of a sequence, and how many to take on either side.
 * @returns The window.
 *
 * @example At the end of the first of two sequences of four
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(
 *   windowAround(3, { nTokens: 8, contextSize: 4, before: 2, after: 9 }),
 *   { start: 1, end: 4 },
 * );
 * ```
 */
export function windowAround(
  token: number,
  { nTokens, contextSize, before = 24, after = 8 }: {
    readonly nTokens: number;
    readonly contextSize: number;
    readonly before?: number;
    readonly after?: number;
  },
): Window {
  const first = token - token % contextSize;
  return {
    start: Math.max(first, token - before),
    end: Math.min(nTokens, first + contextSize, token + after + 1),
  };
}

/**
 * The activations of a feature on the tokens of a window.
 *
 * @param tokens Tokens on which it fires, ascending.
 * @param values Its activations there, as many.
 * @param window The window.
 * @returns Activations, 0 where it does not fire: one a token of the window.
 */
export function activationsIn(
  tokens: ArrayLike<number>,
  values: Float32Array,
  { start, end }: Window,
): Float32Array {
  const found = new Float32Array(end - start);
  let [low, high] = [0, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tokens[middle] < start) low = middle + 1;
    else high = middle;
  }
  for (let e = low; e < values.length && tokens[e] < end; e++) found[tokens[e] - start] = values[e];
  return found;
}
