// Activations drawn by a plan, with a seed, and no model: tokens, patterns, and copies of them.
//
// A pattern says on which tokens a feature should fire, each with probability r (its rate), and how
// strongly: 1 + U, U uniform in [0, 1). A copy of strength s fires where the pattern does with
// probability s, and elsewhere with probability x = r (1 − s) / (1 − r). So it fires as often as the
// pattern, and the cosine of the two is, exactly and over infinitely many sequences,
//
//   E[ab] / √(E[a²] E[b²]) = r s E[(1 + U)²] / (r E[(1 + U)²]) = s
//
// Every token keeps one luck and one size in all copies of a pattern: what fires at a strength still
// fires at a higher one, and the cosine of two copies of strengths s and t is 1 − |s − t|.
//
// Two patterns that have nothing to do with each other fire together by chance. Their cosine is
//
//   r q E[1 + U]² / (√(r q) E[(1 + U)²]) = √(r q) (3/2)² / (7/3), q the other's rate
//
// Tokens of a sequence depend on each other in three ways: sequences repeat tokens of their own; a
// pattern fires in half of the sequences four times as often as in the others; and in half of the
// sequences a copy is stronger than s, in the others as much weaker. All of it is independent
// between sequences, and between patterns, and of the token but for patterns of the token.
//
// N = tokens.

/** Sequences of equal length. */
export const nSequences = 96;
export const contextSize = 64;
export const nTokens = nSequences * contextSize;
/** Token ids; id k has a probability proportional to 1 / (1 + k). */
const vocabulary = 200;
/** Probability that a token repeats one that stands before it in its sequence. */
const repeats = 0.3;
/** By how much a pattern fires more often in half of the sequences, and less in the others. */
const burst = 0.6;
/** How much stronger a copy is in half of the sequences, and weaker in the others, at most. */
const most = 0.15;
/** Entries of a decoder direction. */
export const nDirections = 16;

/** Where a feature should fire, and what it does there. */
export interface Pattern {
  /** 1 where it should fire: `[N]`. */
  readonly isOn: Uint8Array;
  /** Activation at a token, if it fires there: `[N]`. */
  readonly sizes: Float32Array;
  /** What decides whether a copy fires at a token: `[N]`. */
  readonly luck: Float32Array;
  /** How often it fires in each sequence, and in all of them. */
  readonly rates: Float32Array;
  readonly rate: number;
  /** 1 where copies are stronger, −1 where they are weaker, for each sequence. */
  readonly swing: Int8Array;
  /** Its direction in every decoder: `[nDirections]`. */
  readonly direction: Float32Array;
}

/** A feature at one checkpoint. */
export interface Column {
  /** Tokens at which it fires, ascending, and how strongly. */
  readonly tokens: readonly number[];
  readonly values: readonly number[];
  /** How often it fires in the population. */
  readonly rate: number;
  readonly direction: Float32Array;
}

/** Cosine, in the population, of two patterns that have nothing to do with each other. */
export function chanceCosine(rate: number, other: number): number {
  return Math.sqrt(rate * other) * (3 / 2) ** 2 / (7 / 3);
}

/** Token ids: `[N]`. */
export function drawIds(random: () => number): Uint32Array {
  const ends = cumulated(zipf());
  const ids = new Uint32Array(nTokens);
  for (let n = 0; n < nTokens; n++) {
    const position = n % contextSize;
    if (random() < repeats && position > 0) ids[n] = ids[n - 1 - Math.floor(position * random())];
    else ids[n] = drawFrom(ends, random());
  }
  return ids;
}

/** Sets of token ids, no two of which have one in common, each with a probability of 0.03 or more. */
export function tokenSets(
  howMany: number,
  random: () => number,
): { ids: number[]; rate: number }[] {
  // Not the most frequent ones: a feature that fires on one token in six is another matter.
  const ids = shuffled(vocabulary - 2, random).map((id) => id + 2);
  const shares = zipf();
  return Array.from({ length: howMany }, () => {
    const set = { ids: [] as number[], rate: 0 };
    while (set.rate < 0.03) {
      const id = ids.pop()!;
      set.ids.push(id);
      set.rate += shares[id];
    }
    return set;
  });
}

/** A pattern that fires with a probability of its own in every sequence, whatever the token. */
export function contextPattern(rate: number, random: () => number): Pattern {
  const rates = burstyRates(rate, random);
  const isOn = new Uint8Array(nTokens);
  for (let n = 0; n < nTokens; n++) isOn[n] = random() < rates[sequenceOf(n)] ? 1 : 0;
  return { ...lots(random), isOn, rates, rate };
}

/** A pattern that fires, with a probability, on tokens of a set and on no others. */
export function tokenPattern(
  set: { readonly ids: readonly number[]; readonly rate: number },
  share: number,
  ids: Uint32Array,
  random: () => number,
): Pattern {
  const isInSet = new Set(set.ids);
  const isOn = Uint8Array.from(ids, (id) => isInSet.has(id) && random() < share ? 1 : 0);
  const rate = set.rate * share;
  return { ...lots(random), isOn, rates: new Float32Array(nSequences).fill(rate), rate };
}

/** A pattern in two: on each of its tokens one of the two fires, the first with a probability. */
export function parts(whole: Pattern, share: number, random: () => number): [Pattern, Pattern] {
  const isFirst = whole.isOn.map(() => random() < share ? 1 : 0);
  const part = (which: 0 | 1, share: number): Pattern => ({
    ...lots(random),
    sizes: whole.sizes,
    isOn: whole.isOn.map((on, n) => on && isFirst[n] === which ? 1 : 0),
    rates: whole.rates.map((rate) => share * rate),
    rate: share * whole.rate,
  });
  return [part(1, share), part(0, 1 - share)];
}

/** A copy of a pattern; of strength 1 it is the pattern itself. */
export function copyOf(
  { isOn, sizes, luck, rates, rate, swing, direction }: Pattern,
  strength: number,
): Column {
  const [tokens, values]: [number[], number[]] = [[], []];
  const room = Math.min(most, strength, 1 - strength);
  for (let sequence = 0; sequence < nSequences; sequence++) {
    const [s, r] = [strength + swing[sequence] * room, rates[sequence]];
    const elsewhere = r * (1 - s) / (1 - r);
    const first = sequence * contextSize;
    for (let n = first; n < first + contextSize; n++) {
      if (luck[n] >= (isOn[n] ? s : elsewhere)) continue;
      tokens.push(n);
      values.push(sizes[n]);
    }
  }
  return { tokens, values, rate, direction };
}

/** A feature that has nothing to do with any other: a pattern of which there is no copy. */
export function chanceColumn(rate: number, random: () => number): Column {
  const rates = burstyRates(rate, random);
  const [tokens, values]: [number[], number[]] = [[], []];
  for (let n = 0; n < nTokens; n++) {
    if (random() >= rates[sequenceOf(n)]) continue;
    tokens.push(n);
    values.push(1 + random());
  }
  return { tokens, values, rate, direction: drawDirection(random) };
}

/** A feature that never fires. */
export function deadColumn(random: () => number): Column {
  return { tokens: [], values: [], rate: 0, direction: drawDirection(random) };
}

/** The numbers below another, in random order (Fisher and Yates). */
export function shuffled(length: number, random: () => number): number[] {
  const order = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * random());
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// What a pattern has by the luck of the draw.
function lots(random: () => number) {
  return {
    sizes: Float32Array.from({ length: nTokens }, () => 1 + random()),
    luck: Float32Array.from({ length: nTokens }, random),
    swing: Int8Array.from({ length: nSequences }, () => random() < 0.5 ? 1 : -1),
    direction: drawDirection(random),
  };
}

function burstyRates(rate: number, random: () => number): Float32Array {
  return Float32Array.from(
    { length: nSequences },
    () => rate * (random() < 0.5 ? 1 + burst : 1 - burst),
  );
}

function drawDirection(random: () => number): Float32Array {
  return Float32Array.from({ length: nDirections }, () => random() - 0.5);
}

function sequenceOf(n: number): number {
  return Math.floor(n / contextSize);
}

function zipf(): number[] {
  const weights = Array.from({ length: vocabulary }, (_, id) => 1 / (1 + id));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

function cumulated(shares: readonly number[]): number[] {
  let sum = 0;
  return shares.map((share) => sum += share);
}

function drawFrom(ends: readonly number[], at: number): number {
  const id = ends.findIndex((end) => at < end);
  return id < 0 ? ends.length - 1 : id; // the last end may be a rounding below 1
}
