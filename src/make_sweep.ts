/**
 * From models, SAEs and runs to the sweep file: which SAE belongs to which step, and what is in doubt.
 *
 * @module
 */

import { dirname, isAbsolute, relative } from "node:path";
import { DataError, show } from "./errors.ts";
import type { Listed } from "./list_checkpoints.ts";
import { compareRevisions, parseRevision, type Revision, trainingTokens } from "./revisions.ts";
import { hookOf, languageModelOf, stepOf, type ToldStep } from "./sae_steps.ts";
import type { Losses } from "./sweep.ts";
import type { WandbRun } from "./wandb.ts";

/** What {@linkcode makeSweep} is given beside what was listed. */
export interface MakeSweepOptions {
  /** Where the models are: a repository or a folder. */
  readonly family: string;
  /** The sweep file, to whose folder paths are made relative. */
  readonly out: string;
  /** The token file and its column, which the sweep file names. */
  readonly tokens?: { readonly path: string; readonly column?: string | undefined } | undefined;
  /** Only models of this stage: "1", "longctx". */
  readonly stage?: string | undefined;
  /** Runs of which the SAEs are; SAEs of no run are then left out. */
  readonly runs?: readonly WandbRun[] | undefined;
}

/** A checkpoint of the sweep file. */
export interface MadeCheckpoint {
  /** Training step of the language model. */
  readonly step: number;
  /** Tokens it had been trained on, where known. */
  readonly tokens?: number;
  /** Its folder, or its revision on the hub. */
  readonly model: string;
  /** Folder of the SAE. */
  readonly sae: string;
  /** Of the SAE's training, where a run tells them. */
  readonly losses?: Losses;
}

/** A sweep file, and what was not put in it. */
export interface MadeSweep {
  /** What to write. */
  readonly sweep: {
    readonly name: string;
    readonly tokens?: { readonly path: string; readonly column?: string };
    readonly checkpoints: readonly MadeCheckpoint[];
  };
  /** What was left out, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Puts a sweep together.
 *
 * The step of an SAE is told by a name on its path, by `checkpoint_index`, `checkpoint_value` or
 * `revision` in its cfg.json, and by the same of its run; all that tell one must agree. Its model is
 * the one of that step. Of a run's SAEs of several steps of its own training the final one is taken.
 *
 * @param models Models to choose from.
 * @param saes SAEs: every one is used, or refused, unless there are runs.
 * @param options What else.
 * @returns The sweep, its checkpoints in order of training.
 * @throws {DataError} If a step cannot be told, is told twice, or has two SAEs or models, if an SAE
 *   has no model or a run no SAE, or if steps begin anew with a stage.
 *
 * @example Two steps of Pythia
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const models = ["main", "step0", "step512"].map((name) => ({ path: `hf://p@${name}`, names: [name] }));
 * const saes = ["step512", "step0"].map((name) => ({ path: `saes/${name}`, names: [name] }));
 * const { sweep } = makeSweep(models, saes, { family: "EleutherAI/pythia-70m", out: "sweep.json" });
 *
 * assert.deepEqual(sweep.checkpoints, [
 *   { step: 0, tokens: 0, model: "hf://p@step0", sae: "saes/step0" },
 *   { step: 512, tokens: 1073741824, model: "hf://p@step512", sae: "saes/step512" },
 * ]);
 * ```
 */
export function makeSweep(
  models: readonly Listed[],
  saes: readonly Listed[],
  { family, out, tokens, stage, runs }: MakeSweepOptions,
): MadeSweep {
  const notes: string[] = [];
  const known = knownModels(models, family, stage);
  const chosen = withoutOthers(saes, notes);
  const pairs = runs === undefined
    ? chosen.map((sae) => ({ sae, run: undefined }))
    : pairsOf(runs, chosen, notes);
  const checkpoints = pairs.map(({ sae, run }) => {
    const told = stepOf(sae, run);
    const model = modelAt(told, sae, known, family);
    refuseOtherModel(sae, run, family);
    return { sae, run, model };
  }).sort((a, b) => compareRevisions(a.model.revision, b.model.revision));
  for (const [i, { sae, model: { revision } }] of checkpoints.entries()) {
    const before = checkpoints[i - 1];
    if (before === undefined || before.model.revision.step < revision.step) continue;
    const isTwice = compareRevisions(before.model.revision, revision) === 0;
    throw new DataError("make a sweep of", {
      where: family,
      expected: isTwice ? "one SAE a step" : "steps that ascend through all stages",
      got: isTwice
        ? `step ${revision.step} of ${before.sae.path} and of ${sae.path}`
        : `${revision.name} after ${before.model.revision.name}`,
      fix: isTwice ? "name a folder with one SAE a step" : "choose a stage with --stage",
    });
  }
  const written = (path: string) => inSweep(path, dirname(out));
  return {
    notes,
    sweep: {
      name: nameOf(family, chosen, stage),
      ...(tokens && { tokens: tokensOf(written(tokens.path), tokens.column) }),
      checkpoints: checkpoints.map(({ sae, run, model: { listed, revision } }) => {
        const nTokens = trainingTokens(revision, languageModelOf(sae, run) ?? family) ??
          trainingTokens(revision, family);
        const losses = lossesOf(run);
        return {
          step: revision.step,
          ...(nTokens !== undefined && { tokens: nTokens }),
          model: written(listed.path),
          sae: written(sae.path),
          ...(Object.keys(losses).length > 0 && { losses }),
        };
      }),
    },
  };
}

interface KnownModel {
  readonly listed: Listed;
  readonly revision: Revision;
}

// The models whose names tell a step, of a stage if one is asked for, each step once.
function knownModels(models: readonly Listed[], family: string, stage?: string): KnownModel[] {
  const known: KnownModel[] = [];
  for (const listed of models) {
    const revision = listed.names.map(parseRevision).findLast((revision) => revision !== null);
    if (!revision || (stage !== undefined && revision.stage !== stage)) continue;
    const same = known.find((other) => compareRevisions(other.revision, revision) === 0);
    if (same === undefined) known.push({ listed, revision });
    else if (same.listed.commit === undefined || same.listed.commit !== listed.commit) {
      throw new DataError("make a sweep of", {
        where: family,
        expected: "one model a step",
        got: `${same.listed.path} and ${listed.path}`,
      });
    }
  }
  if (known.length > 0) return known;
  throw new DataError("make a sweep of", {
    where: family,
    expected: `names that tell a step${stage === undefined ? "" : ` of stage ${stage}`}`,
    got: show(models.map(({ names }) => names[names.length - 1])),
  });
}

// SAEs without those from before the end of a training, numbers beside a "final", and without those
// that are named for a seed and for no step.
function withoutOthers(saes: readonly Listed[], notes: string[]): readonly Listed[] {
  const parent = ({ path }: Listed) => path.slice(0, path.lastIndexOf("/"));
  const leaf = ({ path }: Listed) => path.slice(path.lastIndexOf("/") + 1);
  const ended = new Set(saes.filter((sae) => /^final(_|$)/.test(leaf(sae))).map(parent));
  const whyNot = (sae: Listed) =>
    ended.has(parent(sae)) && /^\d+$/.test(leaf(sae))
      ? "from before the end of its training"
      : isOfSeed(sae)
      ? "named for a seed and for no step"
      : undefined;
  for (const sae of saes) {
    const reason = whyNot(sae);
    if (reason !== undefined) notes.push(`left out ${sae.path}: ${reason}`);
  }
  return saes.filter((sae) => whyNot(sae) === undefined);
}

function isOfSeed({ names }: Listed): boolean {
  return names.some((name) => /(?:^|[-_])seed[-_]?\d+$/i.test(name)) &&
    names.every((name) => parseRevision(name) === null);
}

interface Pair {
  readonly sae: Listed;
  readonly run: WandbRun | undefined;
}

// The SAE of every finished run: the one below the folder that its checkpoint_path ends with.
function pairsOf(runs: readonly WandbRun[], saes: readonly Listed[], notes: string[]): Pair[] {
  const pairs: Pair[] = [];
  for (const run of runs) {
    const where = `run ${run.id} (${run.name})`;
    if (run.state !== "finished") {
      notes.push(`left out ${where}: ${run.state}`);
      continue;
    }
    const path = run.config.checkpoint_path;
    const end = typeof path === "string" ? path.replace(/[\\/]+$/, "").split(/[\\/]/).at(-1) : "";
    const found = end ? saes.filter(({ names }) => names.includes(end)) : [];
    if (found.length !== 1) {
      throw new DataError("find the SAE of", {
        where,
        expected: end ? `one SAE in a folder ${show(end)}` : '"checkpoint_path" in its config',
        got: end
          ? found.map(({ path }) => path).join(", ") || `none of ${saes.length}`
          : show(path),
      });
    }
    pairs.push({ sae: found[0], run });
  }
  if (pairs.length > 0) return pairs;
  throw new DataError("make a sweep of", {
    where: "runs",
    expected: "a finished one",
    got: runs.length === 0 ? "none" : runs.map(({ id, state }) => `${id} ${state}`).join(", "),
  });
}

function modelAt(
  told: ToldStep,
  sae: Listed,
  known: readonly KnownModel[],
  family: string,
): KnownModel {
  const found = known.filter(({ revision: { stage, ingredient, step } }) =>
    step === told.step && (told.stage ?? stage) === stage &&
    (told.ingredient ?? ingredient) === ingredient
  );
  if (found.length === 1) return found[0];
  throw new DataError("find the model of", {
    where: sae.path,
    expected: `one of step ${told.step} of ${family}`,
    got: found.map(({ listed }) => listed.path).join(", ") ||
      `steps ${show(known.map(({ revision }) => revision.step))}`,
    ...(found.length > 1 && { fix: "choose a stage with --stage" }),
  });
}

// Of Pythia, deduplicated and not, all models of a size have the same shape: only names tell.
function refuseOtherModel(sae: Listed, run: WandbRun | undefined, family: string): void {
  const [own, other] = [lastPart(family), lastPart(languageModelOf(sae, run) ?? "")];
  const isPythia = (name: string) => /^pythia-/i.test(name);
  if (!isPythia(own) || !isPythia(other) || own.toLowerCase() === other.toLowerCase()) return;
  throw new DataError("make a sweep of", {
    where: sae.path,
    expected: `an SAE of ${own}`,
    got: `one of ${other}`,
  });
}

const lossNames = { overall: "overall_loss", l1: "l1_loss", mse: "mse_loss" };

// The losses at the end of a run, as SAELens logs them; one that is no number is left out.
function lossesOf(run: WandbRun | undefined): Losses {
  return Object.fromEntries(
    Object.entries(lossNames)
      .map(([name, logged]) => [name, run?.summary[`losses/${logged}`]])
      .filter(([, loss]) => Number.isFinite(loss)),
  );
}

function tokensOf(path: string, column: string | undefined) {
  return { path, ...(column !== undefined && { column }) };
}

function nameOf(family: string, saes: readonly Listed[], stage: string | undefined): string {
  const hook = saes.map(hookOf).find((hook) => hook !== undefined);
  const model = saes.map((sae) => languageModelOf(sae)).find((name) => name !== undefined);
  return [lastPart(model ?? family), stage && `stage ${stage}`, hook].filter(Boolean).join(", ");
}

function lastPart(path: string): string {
  return path.split("/").findLast((part) => part !== "") ?? path;
}

// A path as the sweep file names it: relative to its folder, unless absolute or on the hub.
function inSweep(path: string, folder: string): string {
  if (path.startsWith("hf://") || isAbsolute(path)) return path;
  return relative(folder, path).replaceAll("\\", "/");
}
