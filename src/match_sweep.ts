/**
 * The matches of every checkpoint of a sweep with its reference, and of neighbours with each other,
 * from activations to a summary.
 *
 * @module
 */

import {
  type ActivationInfo,
  openActivations,
  readNorms,
  readTokenIds,
} from "./activation_table.ts";
import type { Activations } from "./blocks.ts";
import type { DenseBackend } from "./dense_backend.ts";
import { gatherSummary, type MatchedCheckpoint } from "./gather.ts";
import { exists, openFile, writeFile } from "./files.ts";
import type { Match } from "./match.ts";
import { type Comparison, matchCheckpoint, type Trials } from "./match_checkpoint.ts";
import {
  type Matched,
  type MatchInfo,
  readLink,
  readMatch,
  readMatchInfo,
  writeLink,
  writeMatch,
  writeReverse,
} from "./match_table.ts";
import type { Metric } from "./measures.ts";
import { createMatcher, type Matcher, type MatcherOptions } from "./matcher.ts";
import { matchDense } from "./match_dense.ts";
import { checkMadeFrom, shortHash } from "./metadata.ts";
import type { CheckpointSummary, Summary } from "./summary.ts";
import { writeFeatures, writeSummary } from "./summary_table.ts";
import { type Checkpoint, checkpointsAt, type Sweep } from "./sweep.ts";
import { activationsPath, checkSame, decoderOf, describedBy } from "./sweep_activations.ts";
import { type DenseDevice, loadTfjs } from "./tfjs.ts";
import { onTokens, tokenSet, type TokenSetParts } from "./token_set.ts";
import { readTokenTexts } from "./token_text.ts";
import { tokenShares } from "./token_share.ts";

/** What can be changed about the match of a sweep. */
export interface MatchSweepOptions
  extends MatcherOptions, Pick<TokenSetParts, "leaveOut" | "outlierNorm" | "padding" | "bos"> {
  /** Steps to match, beside the reference; all if left out. */
  readonly steps?: readonly number[] | undefined;
  /** Whether to make finished files again. */
  readonly force?: boolean;
  /** Distance below which a feature is present, for the step at which it appears. */
  readonly distance?: number;
  /** Whether neighbouring checkpoints are matched with each other too. */
  readonly chain?: boolean;
  /** How often chance is tried, by rotated tokens; 0 for no null at all. */
  readonly nullRotations?: number;
  /** How often chance is tried, by tokens exchanged among positions of the same token id. */
  readonly nullExchanges?: number;
  /** How often similarities are measured on sequences drawn anew; 0 for no intervals. */
  readonly bootstrap?: number;
  /** Seed of all three. */
  readonly seed?: number;
  /** What matches: "cpu", the default, or TensorFlow on a GPU, within float32 of it. */
  readonly device?: "cpu" | DenseDevice;
  /** Told when a checkpoint is done, or was done already. */
  readonly onDone?: (summary: CheckpointSummary, wasThere: boolean) => void;
}

/**
 * Matches the features of the reference with those of every checkpoint, and those of every checkpoint
 * with those of the one before.
 *
 * Writes `matches/step<N>.arrow`, `reverse/step<N>.arrow`, the same of the `ceiling`,
 * `chain/step<M>-step<N>.arrow` and `chain/reverse/` of the same name, `summary.arrow` and
 * `features.arrow`.
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
  const { steps, distance = 0.5, device = "cpu", metric = "cosine", chain = true } = options;
  const wanted = checkpointsAt(sweep, steps && [...steps, sweep.reference]);
  const reference = wanted.find(({ step }) => step === sweep.reference)!;
  const info = await describedBy(out, reference);
  const referencePath = await openFile(activationsPath(out, reference));
  const tokensFile = await openFile(`${out}/tokens.arrow`);
  const tokens = tokenSet({
    ids: await readTokenIds(tokensFile),
    contextSize: info.context_size,
    norms: await readNorms(referencePath),
    ...options,
    padding: options.padding ?? await paddingOf(sweep),
  });
  const matcher = device === "cpu"
    ? createMatcher(options)
    : denseMatcher(await loadTfjs(device), metric, options);
  const job: Job = {
    out,
    options,
    info,
    comparison: {
      source: onTokens((await openActivations(referencePath)).rows, tokens),
      decoder: await decoderOf(reference, info),
      tokens,
      matcher,
      metric,
    },
  };

  const gatherer = gatherSummary(sweep, { info, metric, distance });
  const links: Match[] = [];
  let ceiling: Matched | undefined;
  try {
    for (const checkpoint of wanted) {
      const { wasThere, ...of } = await matchedOf(checkpoint, job);
      const summary = gatherer.add(checkpoint, of);
      options.onDone?.(summary, wasThere);
    }
    if (sweep.ceiling && steps === undefined) {
      ceiling = (await matchedOf(sweep.ceiling, job)).matched;
    }
    // After all matches, of which the source is kept in memory.
    for (let c = 1; c < wanted.length && chain; c++) {
      links.push(await linkOf(wanted[c - 1], wanted[c], job));
    }
  } finally {
    matcher.close();
  }

  const tokenShare = await tokenShares(job.comparison.source, tokens.ids);
  const summary = gatherer.finish({ links, tokenShare, ceiling });
  await writeFile(`${out}/summary.arrow`, (sink) => writeSummary(sink, summary));
  await writeFile(`${out}/features.arrow`, (sink) => writeFeatures(sink, summary, distance));
  return summary;
}

async function paddingOf({ tokenizer }: Sweep): Promise<number | undefined> {
  return tokenizer && (await readTokenTexts(tokenizer.path)).padding;
}

/** What all matches of a sweep have in common. */
interface Job {
  readonly out: string;
  readonly options: MatchSweepOptions;
  /** Of the reference. */
  readonly info: ActivationInfo;
  readonly comparison: Comparison;
}

// The finished match of a checkpoint with the reference, or a new one.
async function matchedOf(
  checkpoint: Checkpoint,
  job: Job,
): Promise<MatchedCheckpoint & { readonly wasThere: boolean }> {
  const { out, info, comparison, options } = job;
  const { name } = checkpoint;
  const other = await describedBy(out, checkpoint);
  checkSame(info, other, out);
  const trials = trialsOf(options);
  const { nRotations, nExchanges, nReplicas, seed } = trials;
  const tried =
    `rotations ${nRotations} exchanges ${nExchanges} replicas ${nReplicas} seed ${seed}`;
  const about = aboutMatch(info, other, job, tried);
  const paths = [`${out}/matches/${name}.arrow`, `${out}/reverse/${name}.arrow`] as const;
  if (await isFinished(paths, about, options)) {
    const found = await readMatch(await openFile(paths[0]), await openFile(paths[1]));
    return { info: other, ...found, wasThere: true };
  }
  const decoder = await decoderOf(checkpoint, other); // refuses before the work
  const isReference = name === `step${info.step}`;
  const target = isReference ? comparison.source : await rowsOf(checkpoint, job);
  const made = await matchCheckpoint(comparison, target, decoder, isReference ? undefined : trials);
  await writeFile(paths[0], (sink) => writeMatch(sink, made.matched, made.replicas, about));
  await writeFile(paths[1], (sink) => writeReverse(sink, made.matched.match, about));
  return { info: other, ...made, wasThere: false };
}

// The finished match of a checkpoint with the one before, or a new one.
async function linkOf(before: Checkpoint, checkpoint: Checkpoint, job: Job): Promise<Match> {
  const { out, comparison: { matcher }, options } = job;
  const name = `${before.name}-${checkpoint.name}`;
  const [ours, theirs] = [await describedBy(out, checkpoint), await describedBy(out, before)];
  const about = aboutMatch(ours, theirs, job, "link");
  const paths = [`${out}/chain/${name}.arrow`, `${out}/chain/reverse/${name}.arrow`] as const;
  if (await isFinished(paths, about, options)) {
    return await readLink(await openFile(paths[0]), await openFile(paths[1]));
  }
  const source = await rowsOf(checkpoint, job);
  const match = await matcher.match({ source, target: await rowsOf(before, job) });
  await writeFile(paths[0], (sink) => writeLink(sink, match, about));
  await writeFile(paths[1], (sink) => writeReverse(sink, match, about));
  return match;
}

function trialsOf(
  { nullRotations = 8, nullExchanges = 2, bootstrap = 100, seed = 0 }: MatchSweepOptions,
): Trials {
  return { nRotations: nullRotations, nExchanges: nullExchanges, nReplicas: bootstrap, seed };
}

// What a match says of itself; its fingerprint names all that its values depend on. Another device
// differs in the last bits.
function aboutMatch(
  source: ActivationInfo,
  target: ActivationInfo,
  { comparison: { tokens, metric }, options }: Job,
  trials: string,
): MatchInfo {
  const { device = "cpu", leaveOut = [] } = options;
  const kept = tokens.ids.length === source.n_tokens ? "all" : shortHash(tokens.isKept);
  const marks = shortHash(tokens.marks);
  return {
    format: 1,
    step: target.step,
    reference: source.step,
    n_tokens: tokens.ids.length,
    metric,
    left_out: leaveOut,
    fingerprint: [source.fingerprint, target.fingerprint, metric, kept, marks, trials, device]
      .join("+"),
  };
}

async function rowsOf(checkpoint: Checkpoint, { out, comparison }: Job): Promise<Activations> {
  const source = await openFile(activationsPath(out, checkpoint));
  return onTokens((await openActivations(source)).rows, comparison.tokens);
}

function denseMatcher(tf: DenseBackend, metric: Metric, { memory }: MatcherOptions): Matcher {
  if (metric !== "cosine") {
    throw new RangeError(
      `Cannot match by ${metric} on tfjs-gpu: expected cosine, which is all that it multiplies, ` +
        `got ${metric}; match on the CPU`,
    );
  }
  return {
    match: (pair) => matchDense(tf, pair, memory === undefined ? {} : { memory }),
    close: () => {},
  };
}

async function isFinished(
  paths: readonly string[],
  { fingerprint }: MatchInfo,
  { force = false }: MatchSweepOptions,
): Promise<boolean> {
  if (force || !await exists(paths[0]) || !await exists(paths[1])) return false;
  for (const path of paths) {
    checkMadeFrom(path, await readMatchInfo(await openFile(path)), fingerprint);
  }
  return true;
}
