/**
 * What an SAE's path, its cfg.json and its run say of the language model it was trained on.
 *
 * @module
 */

import { DataError, show } from "./errors.ts";
import type { Listed } from "./list_checkpoints.ts";
import { parseRevision, type Revision, stanfordSteps } from "./revisions.ts";
import { pythiaSteps } from "./sweep.ts";
import type { WandbRun } from "./wandb.ts";

type Json = Readonly<Record<string, unknown>>;

/** A step of the language model's training, and what tells it. */
export interface ToldStep extends Pick<Revision, "stage" | "ingredient" | "step"> {
  /** A name, a file or a run. */
  readonly by: string;
}

/**
 * The step of the language model's training at which an SAE was trained.
 *
 * It is told by names on the SAE's path, by `checkpoint_index` in the schedule of Pythia's or
 * Stanford's models, `checkpoint_value` or `revision` in its cfg.json, and by the same of its run.
 *
 * @param sae The SAE.
 * @param run Its run, if it is known.
 * @returns The step, and the stage where a name has one.
 * @throws {DataError} If nothing tells one, or two things tell different ones.
 *
 * @example An index in Pythia's schedule
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const cfg = { model_from_pretrained_kwargs: { checkpoint_index: 10 } };
 *
 * assert.equal(stepOf({ path: "saes/nt6053cl", names: ["nt6053cl"], cfg }).step, 512);
 * ```
 */
export function stepOf({ path, names, cfg }: Listed, run?: WandbRun): ToldStep {
  const told: ToldStep[] = [
    ...names.map(parseRevision).filter((revision) => revision !== null)
      .map((revision) => ({ ...revision, by: revision.name })),
    ...stepsOfConfig(cfg, `${path}/cfg.json`),
    ...stepsOfConfig(run?.config, `run ${run?.id}`),
  ];
  const first = told[0];
  const other = told.find(({ step }) => step !== first.step);
  if (first !== undefined && other === undefined) return first;
  throw new DataError("tell the step of", {
    where: path,
    expected: first === undefined
      ? "a name such as step512, or a checkpoint_index in its cfg.json"
      : `step ${first.step}, as ${first.by} says`,
    got: other === undefined ? "neither" : `step ${other.step} by ${other.by}`,
  });
}

// The step that a configuration tells, in any of the ways of TransformerLens and transformers.
function stepsOfConfig(config: Json | undefined, by: string): ToldStep[] {
  const meta = metaOf(config);
  const kwargs = (meta.model_from_pretrained_kwargs ?? {}) as Json;
  const { checkpoint_index: index, checkpoint_value: value, revision } = kwargs;
  const schedule = /^stanford/i.test(String(meta.model_name)) ? stanfordSteps : pythiaSteps;
  const none = { stage: undefined, ingredient: undefined };
  const told: ToldStep[] = [];
  if (index !== undefined && index !== null) {
    const step = schedule[Number(index)];
    if (typeof index !== "number" || step === undefined) {
      throw new DataError("tell the step of", {
        where: by,
        expected: `a checkpoint_index below ${schedule.length}`,
        got: show(index),
      });
    }
    told.push({ ...none, step, by });
  }
  if (typeof value === "number") told.push({ ...none, step: value, by });
  const parsed = typeof revision === "string" ? parseRevision(revision) : null;
  return parsed === null ? told : [...told, { ...parsed, by }];
}

// What concerns the model, which version 6 of SAELens keeps apart.
function metaOf(config: Json | undefined): Json {
  return (config?.metadata ?? config ?? {}) as Json;
}

/**
 * The language model of an SAE, by its cfg.json or else its run.
 *
 * @param sae The SAE.
 * @param run Its run, if it is known.
 * @returns Its name or repository, as written; undefined if neither has it.
 */
export function languageModelOf(sae: Listed, run?: WandbRun): string | undefined {
  const name = metaOf(sae.cfg).model_name ?? run?.config.model_name;
  return typeof name === "string" ? name : undefined;
}

/**
 * The hook of an SAE, by its cfg.json.
 *
 * @param sae The SAE.
 * @returns Its name, as written; undefined if there is none.
 */
export function hookOf(sae: Listed): string | undefined {
  const meta = metaOf(sae.cfg);
  const hook = meta.hook_name ?? meta.hook_point;
  return typeof hook === "string" ? hook : undefined;
}

/**
 * The repository on the hub of the language model that all SAEs name.
 *
 * @param saes SAEs.
 * @param runs Their runs, if they are known.
 * @returns "owner/name"; Pythia's models are often named without the owner, and are found all the
 *   same.
 * @throws {DataError} If they name none, or more than one, or one without its owner.
 *
 * @example As SAELens writes it
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const sae = { path: "a", names: ["a"], cfg: { model_name: "pythia-70m-deduped" } };
 *
 * assert.equal(repositoryOf([sae]), "EleutherAI/pythia-70m-deduped");
 * ```
 */
export function repositoryOf(saes: readonly Listed[], runs: readonly WandbRun[] = []): string {
  const named = new Set([
    ...saes.map((sae) => languageModelOf(sae)),
    ...runs.map(({ config }) => config.model_name),
  ].filter((name) => typeof name === "string"));
  const [name = ""] = named;
  if (named.size === 1 && name.includes("/")) return name;
  if (named.size === 1 && /^pythia-/.test(name)) return `EleutherAI/${name}`;
  throw new DataError("find", {
    where: "the language model of the SAEs",
    expected: "one repository in all cfg.json",
    got: [...named].map(show).join(", ") || "none",
    fix: "name it with --model",
  });
}
