/**
 * The activations of every checkpoint of a sweep, from its files to ours.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { basename } from "node:path";
import {
  type ActivationInfo,
  activationsWriter,
  readActivationInfo,
  writeTokens,
} from "./activation_table.ts";
import { encoderGraph } from "./encoder.ts";
import { DataError } from "./errors.ts";
import { extract, type ExtractOptions } from "./extract.ts";
import { type ByteSource, exists, openFile, sha256, writeFile } from "./files.ts";
import type { SourceFile } from "./metadata.ts";
import { readModel } from "./model.ts";
import type { Quality } from "./quality.ts";
import { readSae, type Sae } from "./sae.ts";
import type { Device } from "./device.ts";
import { createEncoder } from "./session.ts";
import {
  agreeOnHook,
  type Checkpoint,
  checkpointsAt,
  type NamedPath,
  type Sweep,
} from "./sweep.ts";
import { checkVocabulary, readTokens, type Tokens } from "./tokens.ts";

/** What can be changed about the extraction of a sweep. */
export interface ExtractSweepOptions extends Omit<ExtractOptions, "onProgress"> {
  /** Most tokens to use. */
  readonly totalTokens?: number;
  /** Positions of a sequence; the SAEs' own if left out. */
  readonly contextSize?: number;
  /** What runs the graph. */
  readonly device?: Device;
  /** Threads of the graph. */
  readonly threads?: number;
  /** Steps to extract; all if left out. */
  readonly steps?: readonly number[];
  /** Whether to make finished files again. */
  readonly force?: boolean;
  /** Told what happens. */
  readonly on?: ExtractListener;
}

/** Is told how an extraction goes. */
export interface ExtractListener {
  /** Some tokens of a checkpoint are done. */
  progress?(step: number, nTokens: number, total: number): void;
  /** A checkpoint is done, or was done already. */
  done?(info: ActivationInfo, wasThere: boolean): void;
}

/**
 * Extracts the activations of the checkpoints of a sweep, one after another.
 *
 * A finished file is kept, unless `force`; one that was made from other inputs is refused.
 *
 * @param sweep The sweep.
 * @param out Folder to write `tokens.arrow` and `activations/step<N>.arrow` in.
 * @param options What can be changed.
 * @returns What each file says of itself, in order of step.
 * @throws {DataError} If an input is missing or broken, or a finished file is of other inputs.
 */
export async function extractSweep(
  sweep: Sweep,
  out: string,
  options: ExtractSweepOptions = {},
): Promise<ActivationInfo[]> {
  const checkpoints = checkpointsAt(sweep, options.steps);
  const agreed = await agreeOnHook(sweep);
  const source = await openFile(sweep.tokens.path);
  const tokens = await readTokens(source, {
    column: sweep.tokens.column,
    contextSize: options.contextSize ?? agreed.contextSize,
    totalTokens: options.totalTokens ?? 640000,
  });
  const tokensHash = hashOf(tokens.ids.subarray(0, tokens.nTokens));
  for (const checkpoint of checkpoints) {
    checkVocabulary(tokens, (await readModel(checkpoint.model.path)).vocabulary, source.name);
  }

  await writeFile(`${out}/tokens.arrow`, (sink) => writeTokens(sink, tokens));
  const done: ActivationInfo[] = [];
  for (const checkpoint of checkpoints) {
    done.push(await extractCheckpoint(checkpoint, tokens, { ...options, sweep, out, tokensHash }));
  }
  return done;
}

async function extractCheckpoint(
  { step, model: modelPath, sae: saePath }: Checkpoint,
  tokens: Tokens,
  options: ExtractSweepOptions & {
    readonly sweep: Sweep;
    readonly out: string;
    readonly tokensHash: string;
  },
): Promise<ActivationInfo> {
  const { sweep, on, device, threads, threshold = 1e-6, qualityTokens = 65536 } = options;
  const model = await readModel(modelPath.path);
  const sae = await readSae(saePath.path);
  const isProcessed = sweep.center === "auto" ? sae.isProcessed : sweep.center;
  const sources = [
    ...await sourcesOf(modelPath, [model.config, ...model.weights.files]),
    ...await sourcesOf(saePath, sae.files),
  ];
  const inputs = {
    sources: sources.map((source) => source.sha256),
    tokens: options.tokensHash,
    length: tokens.contextSize,
    threshold,
    isProcessed,
    qualityTokens,
  };
  const fingerprint = hashOf(new TextEncoder().encode(JSON.stringify(inputs)));

  const path = `${options.out}/activations/step${step}.arrow`;
  const found = await finished(path, fingerprint, options.force);
  if (found !== undefined) {
    on?.done?.(found, true);
    return found;
  }
  const encoder = await createEncoder(
    encoderGraph(model, sae, { length: tokens.contextSize, isProcessed }),
    { ...(device && { device }), ...(threads && { threads }) },
  );
  try {
    const info = await writeFile(path, async (sink) => {
      const writer = activationsWriter(sink, sae.dSae, fingerprint);
      const quality = await extract(tokens, encoder, sae, writer.write, {
        ...options,
        threshold,
        qualityTokens,
        onProgress: (nTokens) => on?.progress?.(step, nTokens, tokens.nTokens),
      });
      const info = describe(sae, quality, {
        step,
        fingerprint,
        threshold,
        isProcessed,
        sources,
        tokens,
      });
      writer.finish(info);
      return info;
    });
    on?.done?.(info, false);
    return info;
  } finally {
    await encoder.release();
  }
}

async function sourcesOf(folder: NamedPath, files: readonly ByteSource[]): Promise<SourceFile[]> {
  const sources: SourceFile[] = [];
  for (const file of files) {
    sources.push({ path: `${folder.name}/${basename(file.name)}`, sha256: await sha256(file) });
  }
  return sources;
}

async function finished(
  path: string,
  fingerprint: string,
  force = false,
): Promise<ActivationInfo | undefined> {
  if (force || !await exists(path)) return undefined;
  const info = await readActivationInfo(await openFile(path));
  if (info.fingerprint !== fingerprint) {
    throw new DataError("reuse", {
      where: path,
      expected: `a file made from inputs ${fingerprint}`,
      got: `one made from ${info.fingerprint}`,
      fix: "use another --out, or --force to make it again",
    });
  }
  return info;
}

function describe(
  sae: Sae,
  quality: Quality,
  { step, fingerprint, threshold, isProcessed, sources, tokens }: {
    readonly step: number;
    readonly fingerprint: string;
    readonly threshold: number;
    readonly isProcessed: boolean;
    readonly sources: readonly SourceFile[];
    readonly tokens: Tokens;
  },
): ActivationInfo {
  return {
    format: 1,
    fingerprint,
    step,
    hook: sae.hook.name,
    d_in: sae.dIn,
    d_sae: sae.dSae,
    n_tokens: quality.nTokens,
    context_size: tokens.contextSize,
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

// 16 hexadecimal digits of the SHA-256.
function hashOf(bytes: Int32Array | Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
