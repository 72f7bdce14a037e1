/**
 * Training steps as tokens: where on the logarithmic axis of steps so many tokens had been seen.
 *
 * @module
 */

/** A checkpoint, and the tokens it had been trained on, where they are known. */
export interface TokenPlace {
  /** Training step. */
  readonly step: number;
  /** Tokens. */
  readonly tokens?: number | undefined;
}

/** Ticks of an axis, as plotly's `layout.xaxis` takes them. */
export interface TokenTicks {
  /** Where they are: log₁₀(1 + step). */
  readonly tickvals: readonly number[];
  /** Tokens: "0", "10M", "1B". */
  readonly ticktext: readonly string[];
}

/**
 * Ticks of tokens for an axis at log₁₀(1 + step).
 *
 * The columns of figures stay where they are, as tokens grow with steps; only ticks differ. Between
 * two checkpoints of known tokens a step is taken to be of equally many, and step 0 has seen none.
 *
 * @param checkpoints In order of step. Tokens of some may be missing.
 * @returns Decades of tokens, and 0 where there is a step 0; with fewer than three of them the
 *   checkpoints' own tokens; undefined if fewer than two are known, or they do not grow with steps.
 *
 * @example Pythia's 2,097,152 tokens a step
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const places = [0, 1, 1000].map((step) => ({ step, tokens: step * 2_097_152 }));
 *
 * assert.deepEqual(tokenTicks(places)!.ticktext, ["0", "10M", "100M", "1B"]);
 * assert.equal(tokenTicks([{ step: 0 }, { step: 5 }]), undefined);
 * ```
 */
export function tokenTicks(checkpoints: readonly TokenPlace[]): TokenTicks | undefined {
  const known = checkpoints.filter(({ tokens }) => tokens !== undefined)
    .map(({ step, tokens }) => ({ step, tokens: tokens! }));
  if (known.length < 2) return undefined;
  if (known[0].step > 0) known.unshift({ step: 0, tokens: 0 });
  const isGrowing = known.every(({ step, tokens }, i) =>
    i === 0 ? tokens === 0 : step > known[i - 1].step && tokens > known[i - 1].tokens
  );
  if (!isGrowing) return undefined;
  const first = checkpoints[0].step;
  const start = Math.max(known[1].tokens, first > 0 ? tokensAt(first, known) : 0);
  const end = known[known.length - 1].tokens;
  const decades = Array.from({ length: 19 }, (_, power) => 10 ** power)
    .filter((tokens) => tokens >= start && tokens <= end);
  const all = first === 0 ? [0, ...decades] : decades;
  const ticks = all.length >= 3 ? all : known.map(({ tokens }) => tokens)
    .filter((tokens) => first === 0 || tokens >= start);
  return {
    tickvals: ticks.map((tokens) => Math.log10(1 + stepAt(tokens, known))),
    ticktext: ticks.map(tokenLabel),
  };
}

type Known = readonly { readonly step: number; readonly tokens: number }[];

// The step, a broken one, after which so many tokens had been seen.
function stepAt(tokens: number, known: Known): number {
  const k = Math.max(1, known.findIndex((place) => place.tokens >= tokens));
  const [a, b] = [known[k - 1], known[k]];
  return a.step + (b.step - a.step) * (tokens - a.tokens) / (b.tokens - a.tokens);
}

function tokensAt(step: number, known: Known): number {
  const k = Math.max(1, known.findIndex((place) => place.step >= step));
  const [a, b] = [known[k - 1], known[k]];
  return a.tokens + (b.tokens - a.tokens) * (step - a.step) / (b.step - a.step);
}

/**
 * Tokens in three digits and a unit.
 *
 * @param tokens Tokens, at least 0.
 * @returns Digits, with K, M, B or T for powers of a thousand.
 *
 * @example Rounded
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const labels = [0, 999, 2_097_152, 1e9, 299_892_736_000, 999_999, 15e12].map(tokenLabel);
 *
 * assert.deepEqual(labels, ["0", "999", "2.1M", "1B", "300B", "1M", "15T"]);
 * ```
 */
export function tokenLabel(tokens: number): string {
  const rounded = Number(tokens.toPrecision(3));
  const unit = Math.min(4, Math.max(0, Math.floor(Math.log10(Math.max(1, rounded)) / 3 + 1e-9)));
  return `${Number((rounded / 1000 ** unit).toPrecision(3))}${["", "K", "M", "B", "T"][unit]}`;
}
