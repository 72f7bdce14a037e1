/**
 * The activations of every checkpoint of a sweep, from its files to ours.
 *
 * @module
 */

import { basename } from "node:path";
import {
  type ActivationInfo,
  activationsWriter,
  activationTypes,
  readActivationInfo,
  readTokensInfo,
  writeTokens,
} from "./activation_table.ts";
import { type Device, graphForms, type Provider } from "./device.ts";
import { type EncodePool, encodePool } from "./encode_pool.ts";
import { encoderGraph } from "./encoder.ts";
import { refuseDuplicates } from "./duplicates.ts";
import { extract, type ExtractOptions } from "./extract.ts";
import { type ByteSource, exists, openFile, sha256, writeFile } from "./files.ts";
import { checkFetched, isPartOfHub } from "./hub_tokens.ts";
import { checkMadeFrom, shortHash, type SourceFile } from "./metadata.ts";
import { readModel } from "./model.ts";
import { openRunner } from "./open_runner.ts";
import type { Quality } from "./quality.ts";
import { readSae, type Sae } from "./sae.ts";
import { checkingRunner } from "./sae_check.ts";
import { conventions } from "./sae_conventions.ts";
import {
  agreeOnHook,
  type Checkpoint,
  checkpointsAt,
  type NamedPath,
  type Sweep,
} from "./sweep.ts";
import { checkVocabulary, readTokens, type Tokens } from "./tokens.ts";
import type { Weights } from "./weights.ts";

/** What can be changed about the extraction of a sweep. */
export interface ExtractSweepOptions extends Pick<ExtractOptions, "batchSize" | "qualityTokens"> {
  /** Activations of a smaller size are dropped. */
  readonly threshold?: number;
  /** Most tokens to use. */
  readonly totalTokens?: number;
  /** Positions of a sequence; the SAEs' own if left out. */
  readonly contextSize?: number | undefined;
  /** What runs the graph; the CPU if left out. */
  readonly device?: Device;
  /** Workers, of a thread each, on a CPU; as many as it has cores if left out. */
  readonly workers?: number;
  /** Steps to extract; all if left out. */
  readonly steps?: readonly number[] | undefined;
  /** Whether models at different steps may have the same weights; else they are refused. */
  readonly allowDuplicates?: boolean;
  /** Whether to make finished files again. */
  readonly force?: boolean;
  /** Told what happens. */
  readonly on?: ExtractListener;
}

/** Is told how an extraction goes. */
export interface ExtractListener {
  /** What the SAEs do, before anything is computed: all lines of the first, others where they differ. */
  conventions?(lines: readonly string[], name: string): void;
  /** The first tokens of a checkpoint are not as its SAE's files lead one to expect. */
  warning?(warning: string, name: string): void;
  /** A checkpoint begins, on this device. */
  device?(step: number, device: Provider): void;
  /** Some tokens of a checkpoint are done. */
  progress?(step: number, nTokens: number, total: number): void;
  /** A checkpoint, or the ceiling, is done, or was done already. */
  done?(info: ActivationInfo, wasThere: boolean, name: string): void;
}

/**
 * Extracts the activations of the checkpoints of a sweep, one after another.
 *
 * All checkpoints are read and checked, and what is there is compared with what is asked for, before
 * anything is written. A finished file is kept, unless `force`; one that was made from other inputs
 * is refused. The tokens are written last.
 *
 * Files do not depend on the number of workers, to the last bit. Values of another device than the
 * CPU differ from the CPU's within rounding, as its first batch of every checkpoint proves; a file
 * is as good whatever device made it, and its fingerprint does not name one.
 *
 * @param sweep The sweep.
 * @param out Folder to write `activations/step<N>.arrow`, `activations/ceiling.arrow` and
 *   `tokens.arrow` in.
 * @param options What can be changed.
 * @returns What each file says of itself, in order of step.
 * @throws {DataError} If an input is missing or broken, or a finished file is of other inputs.
 */
export async function extractSweep(
  sweep: Sweep,
  out: string,
  options: ExtractSweepOptions = {},
): Promise<ActivationInfo[]> {
  const checkpoints = [
    ...checkpointsAt(sweep, options.steps),
    ...(sweep.ceiling && options.steps === undefined ? [sweep.ceiling] : []),
  ];
  const agreed = await agreeOnHook(sweep);
  const source = await openFile(sweep.tokens.path);
  const wanted = {
    column: sweep.tokens.column,
    contextSize: options.contextSize ?? agreed.contextSize,
    totalTokens: options.totalTokens ?? 640000,
  };
  const tokens = await readTokens(source, wanted);
  if (isPartOfHub(sweep.tokens)) await checkFetched(source, tokens, wanted);
  const settings: Settings = {
    tokens,
    tokensName: source.name,
    tokensHash: shortHash(tokens.ids.subarray(0, tokens.nTokens)),
    center: sweep.center,
    threshold: options.threshold ?? 1e-6,
    qualityTokens: options.qualityTokens ?? 65536,
  };
  const tokensPath = `${out}/tokens.arrow`;
  const jobs: Job[] = [];
  for (const checkpoint of checkpoints) {
    const job = await planCheckpoint(checkpoint, out, settings, options.force);
    const [first] = jobs;
    const lines = job.conventions.filter((line) => !first?.conventions.includes(line));
    if (lines.length > 0) options.on?.conventions?.(lines, checkpoint.name);
    jobs.push(job);
  }
  if (!options.allowDuplicates) {
    const through = jobs.filter(({ checkpoint }) => checkpoint !== sweep.ceiling);
    await refuseDuplicates(through.map(({ checkpoint: { step }, weights }) => ({ step, weights })));
  }
  const isThere = !options.force && await exists(tokensPath);
  if (isThere) {
    const found = await readTokensInfo(await openFile(tokensPath));
    checkMadeFrom(tokensPath, found, tokensFingerprint(settings));
  }

  const done: ActivationInfo[] = [];
  let pool: EncodePool | undefined;
  const startPool = (nWorkers: number) => pool ??= encodePool(nWorkers);
  try {
    for (const job of jobs) {
      const info = job.found ?? await extractCheckpoint(job, settings, options, startPool);
      options.on?.done?.(info, job.found !== undefined, job.checkpoint.name);
      done.push(info);
    }
  } finally {
    pool?.close();
  }
  if (!isThere) {
    await writeFile(tokensPath, (sink) => writeTokens(sink, tokens, tokensFingerprint(settings)));
  }
  return done;
}

/** What all checkpoints are extracted with. */
interface Settings {
  readonly tokens: Tokens;
  readonly tokensName: string;
  readonly tokensHash: string;
  readonly center: Sweep["center"];
  readonly threshold: number;
  readonly qualityTokens: number;
}

function tokensFingerprint({ tokensHash, tokens }: Settings): string {
  return `${tokensHash}/${tokens.contextSize}`;
}

/** One file to make, or to keep. */
interface Job {
  readonly checkpoint: Checkpoint;
  readonly path: string;
  /** Where the model's tensors lie. */
  readonly weights: Weights;
  readonly isProcessed: boolean;
  /** What its SAE does, in lines. */
  readonly conventions: readonly string[];
  readonly sources: readonly SourceFile[];
  readonly fingerprint: string;
  /** What the file says of itself, where it is there already. */
  readonly found: ActivationInfo | undefined;
}

// Reads a checkpoint whole, to know now what is wrong with it, and keeps none of it.
async function planCheckpoint(
  checkpoint: Checkpoint,
  out: string,
  settings: Settings,
  force = false,
): Promise<Job> {
  const { tokens, tokensName, tokensHash, center, threshold, qualityTokens } = settings;
  const model = await readModel(checkpoint.model.path);
  checkVocabulary(tokens, model.vocabulary, tokensName);
  const sae = await readSae(checkpoint.sae.path, checkpoint.sae);
  const isProcessed = center === "auto" ? sae.isProcessed : center;
  encoderGraph(model, sae, { length: tokens.contextSize, isProcessed });
  const sources = [
    ...await sourcesOf(checkpoint.model, [model.config, ...model.weights.files]),
    ...await sourcesOf(checkpoint.sae, sae.files),
  ];
  const inputs = {
    sources: sources.map((source) => source.sha256),
    tokens: tokensHash,
    length: tokens.contextSize,
    threshold,
    isProcessed,
    qualityTokens,
    columns: activationTypes(sae.dSae), // so that a file of other columns is not kept
  };
  const fingerprint = shortHash(new TextEncoder().encode(JSON.stringify(inputs)));
  const path = `${out}/activations/${checkpoint.name}.arrow`;
  let found: ActivationInfo | undefined;
  if (!force && await exists(path)) {
    found = await readActivationInfo(await openFile(path));
    checkMadeFrom(path, found, fingerprint);
  }
  const lines = conventions(sae, { isProcessed });
  return {
    checkpoint,
    path,
    weights: model.weights,
    isProcessed,
    conventions: lines,
    sources,
    fingerprint,
    found,
  };
}

async function extractCheckpoint(
  job: Job,
  settings: Settings,
  options: ExtractSweepOptions,
  startPool: (nWorkers: number) => EncodePool,
): Promise<ActivationInfo> {
  const { checkpoint: { step, ...checkpoint }, path, isProcessed, fingerprint } = job;
  const { tokens, threshold, qualityTokens } = settings;
  const { on, device: asked = "cpu", workers = navigator.hardwareConcurrency, batchSize = 32 } =
    options;
  const model = await readModel(checkpoint.model.path);
  const sae = await readSae(checkpoint.sae.path, checkpoint.sae);
  const length = tokens.contextSize;
  const { device, runner: opened, tokensPerRun } = await openRunner(
    (device) => encoderGraph(model, sae, { length, isProcessed, form: graphForms[device] }),
    sae,
    tokens,
    { threshold, device: asked, workers, batchSize, startPool },
  );
  const runner = checkingRunner(opened, sae, {
    isProcessed,
    onWarning: (warning) => on?.warning?.(warning, checkpoint.name),
  });
  let info: ActivationInfo;
  try {
    on?.device?.(step, device);
    info = await writeFile(path, async (sink) => {
      const writer = activationsWriter(sink, sae.dSae, fingerprint);
      const quality = await extract(tokens, runner, sae, writer.write, {
        qualityTokens,
        batchSize,
        tokensPerRun,
        onProgress: (nTokens) => on?.progress?.(step, nTokens, tokens.nTokens),
      });
      const info = describe(job, settings, sae, quality);
      writer.finish(info);
      return info;
    });
  } catch (error) {
    await runner.release().catch(() => {}); // the first error is the one to tell
    throw error;
  }
  await runner.release();
  return info;
}

async function sourcesOf(folder: NamedPath, files: readonly ByteSource[]): Promise<SourceFile[]> {
  const sources: SourceFile[] = [];
  for (const file of files) {
    const isWithin = file.name.startsWith(`${folder.path}/`);
    const within = isWithin ? file.name.slice(folder.path.length + 1) : basename(file.name);
    const path = `${folder.name}/${within}`;
    sources.push({ path, sha256: await sha256(file) });
  }
  return sources;
}

function describe(
  { checkpoint, fingerprint, isProcessed, sources }: Job,
  { tokens, tokensHash, threshold }: Settings,
  sae: Sae,
  quality: Quality,
): ActivationInfo {
  return {
    format: 1,
    fingerprint,
    step: checkpoint.step,
    hook: sae.hook.name,
    d_in: sae.dIn,
    d_sae: sae.dSae,
    n_tokens: quality.nTokens,
    context_size: tokens.contextSize,
    tokens: tokensHash,
    threshold,
    centred: isProcessed,
    folded: sae.isFolded,
    n_measured: quality.nMeasured,
    l0: quality.l0,
    l1: quality.l1,
    mse: quality.mse,
    explained_variance: quality.explainedVariance,
    n_dead: quality.nDead,
    n_dense: quality.nDense,
    sources,
  };
}
