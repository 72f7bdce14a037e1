/**
 * Chooses what runs a graph, and trusts no device but the CPU before it has computed the same.
 *
 * A provider of onnxruntime has been seen to give wrong values without an error.
 *
 * N = tokens, T = positions of a sequence, D = d_in, F = d_sae.
 *
 * @module
 */

import { sparseRows } from "./blocks_out.ts";
import { automaticProviders, type Device, differenceFixes, type Provider } from "./device.ts";
import { DataError } from "./errors.ts";
import type { Encoder } from "./session.ts";
import { concatenate, type Sparse } from "./sparse.ts";

/** Most that a value may differ, as a share of the largest of its kind. */
const tolerance = 1e-4;

/** Most activations that may be there on one side alone, as a share of all. */
const toleratedShare = 1e-3;

/** What was computed of some tokens. */
export interface Computed {
  /** What the SAE reconstructs, row-major: `[N, D]`. */
  readonly x: Float32Array;
  /** Activations: `[N, F]`. */
  readonly rows: Sparse;
}

/** Where two devices differ the most. */
export interface Difference {
  /** What differs: a value of the input, an activation, or the number of active features. */
  readonly of: "input" | "activation" | "active features";
  /** The token. */
  readonly row: number;
  /** The dimension of the input, or the feature; -1 of a number of features. */
  readonly column: number;
  /** What the CPU computed. */
  readonly expected: number;
  /** What the device computed. */
  readonly got: number;
  /** How far apart they may be. */
  readonly tolerance: number;
}

/**
 * Compares what two devices computed of the same tokens.
 *
 * Float32 sums in another order differ by some 1e-6 of the largest value; TF32 by some 1e-3. Values
 * of x may differ by 1e-4 of the largest of their token, activations by 1e-4 of the largest of all.
 * A feature that fires on one side alone, with more than that, has crossed a threshold below which it
 * is zero (JumpReLU, TopK, gated): one in a thousand activations may.
 *
 * @param cpu What is right.
 * @param other What is doubted.
 * @returns The worst difference that is not tolerated, or nothing.
 */
export function firstDifference(cpu: Computed, other: Computed): Difference | undefined {
  return inputDifference(cpu, other) ?? activationDifference(cpu.rows, other.rows);
}

function inputDifference(cpu: Computed, other: Computed): Difference | undefined {
  const D = cpu.x.length / cpu.rows.nRows;
  let worst: Difference | undefined;
  for (let row = 0; row < cpu.rows.nRows; row++) {
    const token = cpu.x.subarray(row * D, (row + 1) * D);
    let largest = 0;
    for (const value of token) if (Math.abs(value) > largest) largest = Math.abs(value);
    for (let column = 0; column < D; column++) {
      const [expected, got] = [token[column], other.x[row * D + column]];
      worst = worse(worst, {
        of: "input",
        row,
        column,
        expected,
        got,
        tolerance: tolerance * largest,
      });
    }
  }
  return worst;
}

function activationDifference(cpu: Sparse, other: Sparse): Difference | undefined {
  let largest = 0;
  for (const value of cpu.values) if (value > largest) largest = value;
  const allowed = tolerance * largest;
  let [worst, nAlone, worstRow, worstAlone]: [Difference | undefined, number, number, number] = [
    undefined,
    0,
    0,
    0,
  ];
  for (let row = 0; row < cpu.nRows; row++) {
    let alone = 0;
    let [a, b] = [cpu.offsets[row], other.offsets[row]];
    const [endA, endB] = [cpu.offsets[row + 1], other.offsets[row + 1]];
    while (a < endA || b < endB) {
      const inA = a < endA ? cpu.columns[a] : Infinity;
      const inB = b < endB ? other.columns[b] : Infinity;
      const column = Math.min(inA, inB);
      const expected = inA === column ? cpu.values[a++] : 0;
      const got = inB === column ? other.values[b++] : 0;
      if (inA === inB) {
        const of = "activation";
        worst = worse(worst, { of, row, column, expected, got, tolerance: allowed });
      } else if (!(Math.abs(expected - got) <= allowed)) alone++;
    }
    nAlone += alone;
    if (alone > worstAlone) [worstRow, worstAlone] = [row, alone];
  }
  if (worst !== undefined || nAlone <= Math.ceil(toleratedShare * cpu.values.length)) return worst;
  const count = ({ offsets }: Sparse) => offsets[worstRow + 1] - offsets[worstRow];
  return {
    of: "active features",
    row: worstRow,
    column: -1,
    expected: count(cpu),
    got: count(other),
    tolerance: 0,
  };
}

// The farther apart of two, as a share of what is tolerated; what is tolerated is none.
function worse(a: Difference | undefined, b: Difference): Difference | undefined {
  if (Object.is(b.expected, b.got) || Math.abs(b.expected - b.got) <= b.tolerance) return a;
  const excess = (d: Difference) => {
    const share = Math.abs(d.expected - d.got) / d.tolerance;
    return Number.isNaN(share) ? Infinity : share;
  };
  return a !== undefined && excess(a) >= excess(b) ? a : b;
}

/** A device that was chosen, and its encoder where it is not the CPU. */
export type Chosen =
  | { readonly device: "cpu"; readonly encoder?: undefined }
  | { readonly device: Provider; readonly encoder: Encoder };

/**
 * Chooses what runs a graph.
 *
 * A device other than the CPU is opened, and runs the first batch, which the CPU runs as well, at
 * most 1,024 tokens at a time. "auto" takes the first provider for its platform that is there and
 * computes the same, else the CPU.
 *
 * @param device What is asked for.
 * @param options What makes an encoder for a device; the token ids of its first batch, `[B, T]`; the
 *   SAE's width; the platform, as `navigator.platform` says it.
 * @returns What was chosen.
 * @throws {DataError} If a device that was asked for is absent, or computes other values.
 */
export async function chooseDevice(
  device: Device,
  options: {
    readonly open: (device: Provider) => Promise<Encoder>;
    readonly ids: (device: Provider) => Int32Array;
    readonly nFeatures: number;
    readonly platform?: string;
  },
): Promise<Chosen> {
  if (device === "cpu") return { device };
  if (device !== "auto") return { device, encoder: await openChecked(device, options) };
  for (const provider of automaticProviders(options.platform ?? navigator.platform)) {
    try {
      return { device: provider, encoder: await openChecked(provider, options) };
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
    }
  }
  return { device: "cpu" };
}

async function openChecked(
  device: Provider,
  { open, ids: idsFor, nFeatures }: Omit<Parameters<typeof chooseDevice>[1], "platform">,
): Promise<Encoder> {
  const ids = idsFor(device);
  const encoder = await open(device);
  try {
    const got = await compute(encoder, ids, nFeatures, ids.length);
    const cpu = await open("cpu");
    try {
      const difference = firstDifference(await compute(cpu, ids, nFeatures, 1024), got);
      if (difference !== undefined) refuse(device, difference, encoder.length);
    } finally {
      await cpu.release();
    }
  } catch (error) {
    await encoder.release().catch(() => {}); // a device that has gone cannot be released
    throw error;
  }
  return encoder;
}

// In runs of about so many tokens.
async function compute(
  encoder: Encoder,
  ids: Int32Array,
  nFeatures: number,
  perRun: number,
): Promise<Computed> {
  const T = encoder.length;
  const step = Math.max(1, Math.floor(perRun / T)) * T;
  const x: Float32Array[] = [];
  const rows: Sparse[] = [];
  for (let start = 0; start < ids.length; start += step) {
    const part = ids.slice(start, start + step);
    const encoded = await encoder.encode(part);
    x.push(encoded.x);
    rows.push(sparseRows(encoded, nFeatures, { nRows: part.length }));
  }
  const joined = new Float32Array(x.reduce((sum, part) => sum + part.length, 0));
  x.reduce((at, part) => (joined.set(part, at), at + part.length), 0);
  return { x: joined, rows: concatenate(rows) };
}

function refuse(device: Provider, difference: Difference, T: number): never {
  const { of, row, column, expected, got, tolerance } = difference;
  const what = of === "active features"
    ? `${expected} active features`
    : `${of} ${expected}${of === "input" ? ` of dimension ${column}` : ` of feature ${column}`}`;
  const within = tolerance > 0 ? ` within ${tolerance.toPrecision(2)}` : "";
  throw new DataError("trust", {
    where: `device "${device}" at position ${row % T} of sequence ${Math.floor(row / T)}`,
    expected: `${what} as on the CPU${within}`,
    got: `${got}`,
    fix: differenceFixes[device] ?? "use --device cpu",
  });
}
