/**
 * By how much the loss on the next token rises where a feature is taken out of the residual stream.
 *
 * It is the feature's direct effect that is measured: what it wrote is subtracted from the last
 * residual, and the blocks between do not see it. So it belongs to the logit lens, which leaves the
 * same blocks out, and not to an ablation within the model.
 *
 * B = sequences, T = positions, N = B·T, D = width, M = rows.
 *
 * @module
 */

import type { Window } from "./contexts.ts";
import { denormalisation } from "./encoder.ts";
import type { Model } from "./model.ts";
import { buildGraph, type Graph } from "./onnx.ts";
import type { Sae } from "./sae.ts";
import { openGraph, planGraph, type Session } from "./session.ts";

/** A feature that is taken out at one token. */
export interface Removal {
  /** The token, of all tokens of the sweep. */
  readonly token: number;
  /** The feature. */
  readonly feature: number;
  /** Its activation there. */
  readonly activation: number;
}

/** The tokens of a sweep, and how they are run. */
export interface LossOptions {
  /** Ids of all tokens. */
  readonly ids: ArrayLike<number>;
  /** Positions of a sequence, T. */
  readonly contextSize: number;
  /** Threads of the sessions. */
  readonly threads?: number;
}

/** Tokens that are run at once, where sequences are not longer. */
const tokensAtOnce = 1024;
/** Rows of logits that are held at once: `[M, V]`. */
const rowsAtOnce = 128;

/**
 * The effect of some features on the loss of the token after.
 *
 * effect = L(r − s·a·d) − L(r),   L(r) = log Σ_v exp(logit_v(r)) − logit_next(r)
 *
 * r is the last residual at the token, a the activation, d the feature's row of the decoder, and s
 * what undoes the normalisation of the SAE's input at that token. Above 0 the feature helped. Both
 * losses are float32: an effect is right to some millionths, and rounded to one.
 *
 * Cost: one run of the whole model on each sequence with a removal, and for each removal two rows of
 * logits, 2·V·D multiply-adds; 512·V bytes for logits.
 *
 * @param model The language model.
 * @param sae Its SAE, of a place that writes to the residual stream.
 * @param removals What is taken out, by token, ascending; each on its own.
 * @param options The tokens.
 * @returns Effects in nats; NaN at the last position of a sequence, which has no next token.
 * @throws {DataError} If a weight is missing, or onnxruntime fails.
 * @throws {RangeError} If the SAE reads a head's values, which are not of the residual stream.
 * @see {@link https://github.com/callummcdougall/sae_vis | sae_vis}, whose pages show it too.
 */
export async function lossEffects(
  model: Model,
  sae: Sae,
  removals: readonly Removal[],
  { ids, contextSize: T, threads = 1 }: LossOptions,
): Promise<Float32Array> {
  if (sae.hook.point === "attn.hook_z") {
    throw new RangeError(
      `Cannot take features out of ${sae.hook.name}: expected a place of the residual stream`,
    );
  }
  const effects = new Float32Array(removals.length).fill(NaN);
  const wanted = [...removals.keys()].filter((e) => removals[e].token % T < T - 1);
  if (wanted.length === 0) return effects;
  await using body = await opened(residualGraph(model, sae, T), threads);
  await using head = await opened(headGraph(model, sae.dIn), threads);
  const pairs = lossPairs(head, sae.dIn);
  const perRun = Math.max(1, Math.floor(tokensAtOnce / T));
  for (const some of runsOf(wanted, (e) => Math.floor(removals[e].token / T), perRun)) {
    const sequences = [...new Set(some.map((e) => Math.floor(removals[e].token / T)))];
    const tokens = new Int32Array(perRun * T);
    sequences.forEach((sequence, b) => {
      for (let t = 0; t < T; t++) tokens[b * T + t] = ids[sequence * T + t] ?? 0;
    });
    const { residual, x = residual } = await body.run({
      tokens: { data: tokens, shape: [perRun, T] },
    });
    for (const e of some) {
      const { token, feature, activation } = removals[e];
      const row = sequences.indexOf(Math.floor(token / T)) * T + token % T;
      const at = (values: typeof x) => values.subarray(row * sae.dIn, (row + 1) * sae.dIn);
      const { scale } = denormalisation(sae, at(x) as Float32Array);
      const direction = sae.decoder.subarray(feature * sae.dIn, (feature + 1) * sae.dIn);
      pairs.add(at(residual), at(residual).map((r, d) => r - scale * activation * direction[d]), {
        next: ids[token + 1],
        see: (before, after) => effects[e] = Math.round((after - before) * 1e6) / 1e6,
      });
      if (pairs.isFull()) await pairs.flush();
    }
  }
  await pairs.flush();
  return effects;
}

// Cuts a list, in order of what each belongs to, where so many of those are together.
function runsOf(list: readonly number[], of: (e: number) => number, most: number): number[][] {
  const runs: number[][] = [];
  let seen: number[] = [];
  for (const e of list) {
    if (of(e) !== seen.at(-1)) {
      if (runs.length === 0 || seen.length === most) {
        runs.push([]);
        seen = [];
      }
      seen.push(of(e));
    }
    runs.at(-1)!.push(e);
  }
  return runs;
}

// Losses of pairs of residuals, as many at once whatever they are of, so that rounding is the same.
function lossPairs(head: Session, D: number) {
  const residual = new Float32Array(rowsAtOnce * D);
  const next = new Int32Array(rowsAtOnce);
  const waiting: ((before: number, after: number) => void)[] = [];
  return {
    isFull: () => 2 * waiting.length === rowsAtOnce,
    add(before: ArrayLike<number>, after: ArrayLike<number>, { next: id, see }: {
      readonly next: number;
      readonly see: (before: number, after: number) => void;
    }) {
      const row = 2 * waiting.length;
      residual.set(before, row * D);
      residual.set(after, (row + 1) * D);
      next.fill(id, row, row + 2);
      waiting.push(see);
    },
    async flush() {
      if (waiting.length === 0) return;
      const { loss } = await head.run({
        residual: { data: residual, shape: [rowsAtOnce, D] },
        next: { data: next, shape: [rowsAtOnce, 1] },
      });
      waiting.splice(0).forEach((see, k) => see(loss[2 * k], loss[2 * k + 1]));
    },
  };
}

/**
 * The effects of features on the tokens of pieces of text.
 *
 * @param model The language model.
 * @param sae Its SAE, of a place that writes to the residual stream.
 * @param shown Features, and the windows and activations of each.
 * @param options The tokens.
 * @returns Of each feature and window, as many effects as tokens: 0 where the feature does not fire,
 *   null where there is no next token.
 * @throws {DataError} As {@linkcode lossEffects} does.
 */
export async function windowEffects(
  model: Model,
  sae: Sae,
  shown: readonly {
    readonly feature: number;
    readonly windows: readonly Window[];
    readonly activations: readonly Float32Array[];
  }[],
  options: LossOptions,
): Promise<(number | null)[][][]> {
  const places: { readonly removal: Removal; readonly at: [feature: number, window: number] }[] =
    [];
  shown.forEach(({ feature, windows, activations }, k) =>
    windows.forEach(({ start }, w) =>
      activations[w].forEach((activation, t) => {
        if (activation > 0) {
          places.push({ removal: { token: start + t, feature, activation }, at: [k, w] });
        }
      })
    )
  );
  places.sort((a, b) => a.removal.token - b.removal.token);
  const effects = await lossEffects(model, sae, places.map(({ removal }) => removal), options);
  const rows = shown.map(({ activations }) =>
    activations.map((values) => Array<number | null>(values.length).fill(0))
  );
  places.forEach(({ removal: { token }, at: [k, w] }, e) => {
    const effect = effects[e];
    rows[k][w][token - shown[k].windows[w].start] = Number.isNaN(effect) ? null : effect;
  });
  return rows;
}

// Token ids to the last residual, and, where its size matters, to what the SAE reads: both [N, D].
function residualGraph(model: Model, sae: Sae, length: number): Graph {
  const { hook, dIn: D, isProcessed, normalization: { kind } } = sae;
  const isOfToken = kind === "layer_norm" || kind === "constant_norm_rescale";
  const port = { dtype: "float32", shape: ["tokens", D] } as const;
  return buildGraph(
    { tokens: { dtype: "int32", shape: ["sequences", length] } },
    { residual: port, ...(isOfToken && { x: port }) },
    (b) => ({
      residual: model.graph(b, "tokens", { length, hook: model.last, isProcessed: false }),
      ...(isOfToken && { x: model.graph(b, "tokens", { length, hook, isProcessed }) }),
    }),
  );
}

// Last residuals [M, D] and next ids [M, 1] to losses [M].
function headGraph(model: Model, D: number): Graph {
  return buildGraph(
    {
      residual: { dtype: "float32", shape: ["rows", D] },
      next: { dtype: "int32", shape: ["rows", 1] },
    },
    { loss: { dtype: "float32", shape: ["rows"] } },
    (b) => {
      const logits = model.head().logits(b, "residual");
      const total = b.op("ReduceLogSumExp", [logits, b.ints(-1)], { keepdims: 1n });
      const own = b.op("GatherElements", [logits, "next"], { axis: 1n });
      return { loss: b.op("Squeeze", [b.op("Sub", [total, own]), b.ints(1)]) };
    },
  );
}

async function opened(graph: Graph, threads: number): Promise<Session & AsyncDisposable> {
  const session = await openGraph(planGraph(graph, { threads }));
  return { ...session, [Symbol.asyncDispose]: session.release };
}
