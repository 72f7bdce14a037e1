/**
 * The matches of every checkpoint of a sweep with its reference, from activations to a summary.
 *
 * @module
 */

import { basename } from "node:path";
import { type ActivationInfo, openActivations, readActivationInfo } from "./activation_table.ts";
import type { DenseBackend } from "./dense_backend.ts";
import { DataError } from "./errors.ts";
import { exists, openFile, sha256, writeFile } from "./files.ts";
import { decoderCosines, type Match } from "./match.ts";
import { readMatch, readMatchInfo, writeMatch, writeReverse } from "./match_table.ts";
import { matchDense } from "./match_dense.ts";
import { createMatcher, type Matcher, type MatcherOptions } from "./matcher.ts";
import { checkMadeFrom } from "./metadata.ts";
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
  /** What matches: "cpu", the default, or TensorFlow on a GPU, within float32 of it. */
  readonly device?: "cpu" | DenseDevice;
  /** Told when a checkpoint is done, or was done already. */
  readonly onDone?: (summary: CheckpointSummary, wasThere: boolean) => void;
}

/**
 * Matches the features of the reference with those of every checkpoint.
 *
 * Writes `matches/step<N>.arrow`, `reverse/step<N>.arrow`, `summary.arrow` and `features.arrow`.
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
  { steps, force = false, distance = 0.5, device = "cpu", onDone, ...limits }: MatchSweepOptions =
    {},
): Promise<Summary> {
  const wanted = checkpointsAt(sweep, steps && [...steps, sweep.reference]);
  const reference = wanted.find(({ step }) => step === sweep.reference)!;
  const rowsOf = async (step: number) =>
    (await openActivations(await openFile(`${out}/activations/step${step}.arrow`))).rows;
  const info = await describedBy(out, reference);
  const decoder = await decoderOf(reference, info);
  const source = await rowsOf(sweep.reference);
  const matcher = device === "cpu"
    ? createMatcher(limits)
    : denseMatcher(await loadTfjs(device), limits);

  const checkpoints: CheckpointSummary[] = [];
  try {
    for (const checkpoint of wanted) {
      const { step, losses } = checkpoint;
      const other = await describedBy(out, checkpoint);
      checkSame(info, other, out);
      const pair = `${info.fingerprint}+${other.fingerprint}`;
      const fingerprint = device === "cpu" ? pair : `${pair}+${device}`; // last bits differ
      const paths = [
        `${out}/matches/step${step}.arrow`,
        `${out}/reverse/step${step}.arrow`,
      ] as const;

      const found = await finished(paths, fingerprint, force);
      let { match, decoderCosine } = found ?? {};
      if (match === undefined || decoderCosine === undefined) {
        const theirs = await decoderOf(checkpoint, other);
        match = await matcher.match({ source, target: await rowsOf(step) });
        decoderCosine = decoderCosines(match.best, decoder, theirs);
        const about = {
          format: 1,
          step,
          reference: sweep.reference,
          n_tokens: info.n_tokens,
          fingerprint,
        } as const;
        await writeBoth(paths, match, decoderCosine, about);
      }
      checkpoints.push({ step, losses, match, decoderCosine, quality: qualityOf(other) });
      onDone?.(checkpoints.at(-1)!, found !== undefined);
    }
  } finally {
    matcher.close();
  }

  const summary: Summary = {
    name: sweep.name,
    hook: info.hook,
    centred: info.centred,
    reference: sweep.reference,
    nFeatures: info.d_sae,
    checkpoints,
  };
  await writeFile(`${out}/summary.arrow`, (sink) => writeSummary(sink, summary));
  await writeFile(`${out}/features.arrow`, (sink) => writeFeatures(sink, summary, distance));
  return summary;
}

function denseMatcher(tf: DenseBackend, { memory }: MatcherOptions): Matcher {
  return {
    match: (pair) => matchDense(tf, pair, memory === undefined ? {} : { memory }),
    close: () => {},
  };
}

async function describedBy(out: string, { step }: Checkpoint): Promise<ActivationInfo> {
  const path = `${out}/activations/step${step}.arrow`;
  if (!await exists(path)) {
    throw new DataError("match", {
      where: `step ${step} in ${out}`,
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
): Promise<{ readonly match: Match; readonly decoderCosine: Float32Array } | undefined> {
  if (force || !await exists(forward) || !await exists(reverse)) return undefined;
  for (const path of [forward, reverse]) {
    checkMadeFrom(path, await readMatchInfo(await openFile(path)), fingerprint);
  }
  return await readMatch(await openFile(forward), await openFile(reverse));
}

async function writeBoth(
  [forward, reverse]: readonly [string, string],
  match: Match,
  decoderCosine: Float32Array,
  info: Parameters<typeof writeReverse>[2],
): Promise<void> {
  await writeFile(forward, (sink) => writeMatch(sink, match, decoderCosine, info));
  await writeFile(reverse, (sink) => writeReverse(sink, match, info));
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
