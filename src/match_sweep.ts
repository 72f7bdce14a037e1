/**
 * The matches of every checkpoint of a sweep with its reference, from activations to a summary.
 *
 * @module
 */

import { basename } from "node:path";
import {
  type ActivationInfo,
  openActivations,
  readActivationInfo,
  readTokenIds,
} from "./activation_table.ts";
import type { Activations } from "./blocks.ts";
import type { DenseBackend } from "./dense_backend.ts";
import { DataError } from "./errors.ts";
import { exists, openFile, sha256, writeFile } from "./files.ts";
import { decoderCosines } from "./match.ts";
import {
  type Matched,
  type MatchInfo,
  readMatch,
  readMatchInfo,
  writeMatch,
  writeReverse,
} from "./match_table.ts";
import { matchDense } from "./match_dense.ts";
import { createMatcher, type Matcher, type MatcherOptions } from "./matcher.ts";
import { checkMadeFrom } from "./metadata.ts";
import { exchanged, rotated, rotations } from "./nulls.ts";
import type { Quality } from "./quality.ts";
import { readSae } from "./sae.ts";
import type { CheckpointSummary, Summary } from "./summary.ts";
import { writeFeatures, writeSummary } from "./summary_table.ts";
import { type Checkpoint, checkpointsAt, type Sweep } from "./sweep.ts";
import { type DenseDevice, loadTfjs } from "./tfjs.ts";

/** What can be changed about the match of a sweep. */
export interface MatchSweepOptions extends MatcherOptions {
  /** Steps to match, beside the reference; all if left out. */
  readonly steps?: readonly number[] | undefined;
  /** Whether to make finished files again. */
  readonly force?: boolean;
  /** Distance below which a feature is present, for the step at which it appears. */
  readonly distance?: number;
  /** How often chance is tried, by rotated tokens; 0 for no null at all. */
  readonly nullRotations?: number;
  /** How often chance is tried, by tokens exchanged among positions of the same token id. */
  readonly nullExchanges?: number;
  /** Seed of both. */
  readonly seed?: number;
  /** What matches: "cpu", the default, or TensorFlow on a GPU, within float32 of it. */
  readonly device?: "cpu" | DenseDevice;
  /** Told when a checkpoint is done, or was done already. */
  readonly onDone?: (summary: CheckpointSummary, wasThere: boolean) => void;
}

/**
 * Matches the features of the reference with those of every checkpoint.
 *
 * Writes `matches/step<N>.arrow`, `reverse/step<N>.arrow`, the same of the `ceiling`, `summary.arrow`
 * and `features.arrow`.
 *
 * Reads activations a block of tokens at a time, and those of the reference once, if the memory allows.
 *
 * @param sweep The sweep.
 * @param out The folder that {@linkcode extractSweep} wrote in.
 * @param options What can be changed.
 * @returns The matched sweep.
 * @throws {DataError} If activations are missing, broken, or of other tokens than the reference's.
 */
export async function matchSweep(
  sweep: Sweep,
  out: string,
  options: MatchSweepOptions = {},
): Promise<Summary> {
  const { steps, force = false, distance = 0.5, device = "cpu", onDone } = options;
  const wanted = checkpointsAt(sweep, steps && [...steps, sweep.reference]);
  const reference = wanted.find(({ step }) => step === sweep.reference)!;
  const info = await describedBy(out, reference);
  const followed: Followed = {
    info,
    decoder: await decoderOf(reference, info),
    rows: (await openActivations(await openFile(activationsPath(out, reference)))).rows,
    matcher: device === "cpu"
      ? createMatcher(options)
      : denseMatcher(await loadTfjs(device), options),
  };

  // The finished match of a checkpoint, or a new one.
  const matchedOf = async (checkpoint: Checkpoint) => {
    const other = await describedBy(out, checkpoint);
    checkSame(info, other, out);
    const fingerprint = fingerprintOf(info, other, options);
    const { name, step } = checkpoint;
    const paths = [`${out}/matches/${name}.arrow`, `${out}/reverse/${name}.arrow`] as const;
    const found = await finished(paths, fingerprint, force);
    if (found !== undefined) return { other, matched: found, wasThere: true };
    const matched = await matchCheckpoint(checkpoint, other, followed, out, options);
    const about = { step, reference: sweep.reference, n_tokens: info.n_tokens, fingerprint };
    await writeBoth(paths, matched, { format: 1, ...about });
    return { other, matched, wasThere: false };
  };

  const checkpoints: CheckpointSummary[] = [];
  let ceiling: Matched | undefined;
  try {
    for (const checkpoint of wanted) {
      const { other, matched, wasThere } = await matchedOf(checkpoint);
      const { step, losses } = checkpoint;
      checkpoints.push({ step, losses, quality: qualityOf(other), ...matched });
      onDone?.(checkpoints.at(-1)!, wasThere);
    }
    if (sweep.ceiling && steps === undefined) ceiling = (await matchedOf(sweep.ceiling)).matched;
  } finally {
    followed.matcher.close();
  }

  const summary: Summary = {
    name: sweep.name,
    hook: info.hook,
    centred: info.centred,
    reference: sweep.reference,
    nFeatures: info.d_sae,
    checkpoints,
    ...(ceiling && { ceiling }),
  };
  await writeFile(`${out}/summary.arrow`, (sink) => writeSummary(sink, summary));
  await writeFile(`${out}/features.arrow`, (sink) => writeFeatures(sink, summary, distance));
  return summary;
}

/** The reference, to which all is matched, and what matches. */
interface Followed {
  readonly info: ActivationInfo;
  readonly decoder: Float32Array;
  readonly rows: Activations;
  readonly matcher: Matcher;
}

// The match of a checkpoint, and of what chance makes of it; the reference needs no chance.
async function matchCheckpoint(
  checkpoint: Checkpoint,
  info: ActivationInfo,
  { info: { step: reference, n_tokens, context_size }, decoder, rows: source, matcher }: Followed,
  out: string,
  options: MatchSweepOptions,
): Promise<Matched> {
  const { nRotations, nExchanges, seed } = nullsOf(options);
  const theirs = await decoderOf(checkpoint, info); // refuses before the work
  const target = (await openActivations(await openFile(activationsPath(out, checkpoint)))).rows;
  const match = await matcher.match({ source, target });
  const decoderCosine = decoderCosines(match.best, decoder, theirs);
  if (checkpoint.name === `step${reference}`) {
    return { match, decoderCosine, nulls: { rotated: [], sameToken: [] } };
  }
  const cosines = async (target: Activations) =>
    (await matcher.match({ source, target })).similarity;
  const [rotatedBest, sameToken]: [Float32Array[], Float32Array[]] = [[], []];
  for (const nRows of rotations(n_tokens, context_size, nRotations, seed)) {
    rotatedBest.push(await cosines(rotated(target, nRows)));
  }
  if (nExchanges > 0) {
    const ids = await readTokenIds(await openFile(`${out}/tokens.arrow`));
    for (let k = 0; k < nExchanges; k++) {
      sameToken.push(await cosines(exchanged(target, ids, seed + k)));
    }
  }
  return { match, decoderCosine, nulls: { rotated: rotatedBest, sameToken } };
}

function nullsOf({ nullRotations = 8, nullExchanges = 2, seed = 0 }: MatchSweepOptions) {
  return { nRotations: nullRotations, nExchanges: nullExchanges, seed };
}

// Names all that the values of a match depend on; another device differs in the last bits.
function fingerprintOf(
  reference: ActivationInfo,
  other: ActivationInfo,
  options: MatchSweepOptions,
): string {
  const { nRotations, nExchanges, seed } = nullsOf(options);
  const { device = "cpu" } = options;
  const nulls = `nulls ${nRotations} ${nExchanges} ${seed}`;
  return [reference.fingerprint, other.fingerprint, nulls, ...(device === "cpu" ? [] : [device])]
    .join("+");
}

function activationsPath(out: string, { name }: Checkpoint): string {
  return `${out}/activations/${name}.arrow`;
}

function denseMatcher(tf: DenseBackend, { memory }: MatcherOptions): Matcher {
  return {
    match: (pair) => matchDense(tf, pair, memory === undefined ? {} : { memory }),
    close: () => {},
  };
}

async function describedBy(out: string, checkpoint: Checkpoint): Promise<ActivationInfo> {
  const { name, step } = checkpoint;
  const path = activationsPath(out, checkpoint);
  if (!await exists(path)) {
    throw new DataError("match", {
      where: `${name === "ceiling" ? name : `step ${step}`} in ${out}`,
      expected: path,
      got: "nothing there",
      fix: "run `deno task activations` with the same --sweep and --out first",
    });
  }
  return await readActivationInfo(await openFile(path));
}

function checkSame(reference: ActivationInfo, other: ActivationInfo, out: string): void {
  for (
    const key of ["n_tokens", "context_size", "tokens", "hook", "threshold", "centred"] as const
  ) {
    if (reference[key] === other[key]) continue;
    throw new DataError("match", {
      where: `step ${other.step} with step ${reference.step} in ${out}`,
      expected: `${key} ${reference[key]}`,
      got: `${other[key]}`,
      fix: "extract both with the same options",
    });
  }
}

// The decoder of the very SAE that the activations are of.
async function decoderOf({ sae }: Checkpoint, info: ActivationInfo): Promise<Float32Array> {
  const { decoder, files } = await readSae(sae.path);
  for (const file of files) {
    const hash = await sha256(file);
    if (info.sources.some((source) => source.sha256 === hash)) continue;
    throw new DataError("match", {
      where: `step ${info.step} with the decoder of ${sae.path}`,
      expected: "the SAE that the activations were made with",
      got: `another ${basename(file.name)}`,
      fix: "run `deno task activations` again with another --out, or with --force",
    });
  }
  return decoder;
}

async function finished(
  [forward, reverse]: readonly [string, string],
  fingerprint: string,
  force: boolean,
): Promise<Matched | undefined> {
  if (force || !await exists(forward) || !await exists(reverse)) return undefined;
  for (const path of [forward, reverse]) {
    checkMadeFrom(path, await readMatchInfo(await openFile(path)), fingerprint);
  }
  return await readMatch(await openFile(forward), await openFile(reverse));
}

async function writeBoth(
  [forward, reverse]: readonly [string, string],
  matched: Matched,
  info: MatchInfo,
): Promise<void> {
  await writeFile(forward, (sink) => writeMatch(sink, matched, info));
  await writeFile(reverse, (sink) => writeReverse(sink, matched.match, info));
}

function qualityOf(info: ActivationInfo): Quality {
  return {
    nTokens: info.n_tokens,
    dSae: info.d_sae,
    nMeasured: info.n_measured,
    l0: info.l0,
    l1: info.l1,
    mse: info.mse,
    explainedVariance: info.explained_variance,
    nDead: info.n_dead,
    nDense: info.n_dense,
  };
}
