/**
 * The sweep file: which checkpoints of a language model, with which SAEs, on which tokens.
 *
 * @module
 */

import { dirname } from "node:path";
import { DataError, refuseMember } from "./errors.ts";
import { openFile, readJsonObject } from "./files.ts";
import { parseHook } from "./hooks.ts";
import { type FindOnDisk, resolveName } from "./hub_path.ts";
import { findCheckpointIndex, placeSae, type SaePlace, type SaeTold } from "./sae.ts";

/** A path as the sweep file writes it, and where it is. */
export interface NamedPath {
  /** As written. */
  readonly name: string;
  /** Resolved against the folder of the sweep file. */
  readonly path: string;
}

/** The folder of an SAE, and what the sweep file says of it where its own files are silent. */
export interface SaePath extends NamedPath, SaeTold {}

/** Losses of an SAE's training, as the sweep file gives them. */
export interface Losses {
  /** mse + coefficient · l1, as trained. */
  readonly overall?: number;
  /** Sparsity loss. */
  readonly l1?: number;
  /** Reconstruction loss. */
  readonly mse?: number;
}

/** One step of the language model's training, and the SAE trained there. */
export interface Checkpoint {
  /** What its files are called: "step512", or "ceiling". */
  readonly name: string;
  /** Training step of the language model. */
  readonly step: number;
  /** Tokens that the language model had been trained on, where the sweep file says it. */
  readonly tokens?: number | undefined;
  /** Folder of the language model. */
  readonly model: NamedPath;
  /** Folder of the SAE. */
  readonly sae: SaePath;
  /** From training, where known. */
  readonly losses: Losses;
}

/** A sweep file, read and checked. */
export interface Sweep {
  /** The file. */
  readonly where: string;
  /** What to call it on pages. */
  readonly name: string;
  /** The token file, and the column or tensor in it. */
  readonly tokens: NamedPath & { readonly column: string };
  /** tokenizer.json, for the text of tokens. */
  readonly tokenizer: NamedPath | undefined;
  /** In order of step. */
  readonly checkpoints: readonly Checkpoint[];
  /** Step of the checkpoint whose features are followed. */
  readonly reference: number;
  /** Whether the mean over d_model is removed; "auto" asks the SAE. */
  readonly center: boolean | "auto";
  /** Another SAE of the reference's model, trained from another seed: the best that can be expected. */
  readonly ceiling: Checkpoint | undefined;
}

/** The training steps at which Pythia was saved, by index. */
export const pythiaSteps: readonly number[] = [
  0,
  ...Array.from({ length: 10 }, (_, i) => 2 ** i),
  ...Array.from({ length: 143 }, (_, i) => 1000 * (i + 1)),
];

type Json = Readonly<Record<string, unknown>>;

/**
 * Reads a sweep file.
 *
 * Unknown keys are refused, since a misspelt one would silently change what is compared.
 *
 * @param path The file.
 * @param find Finds `hf://…` on this disk; without it such a name is refused.
 * @returns The sweep, its checkpoints in order of step. A step left out is taken from the SAE's
 *   `checkpoint_index` in Pythia's schedule.
 * @throws {DataError} If a key is missing, unknown or of another type, or two checkpoints have a step.
 */
export async function readSweep(path: string, find?: FindOnDisk): Promise<Sweep> {
  const json = await readJsonObject(await openFile(path));
  const at = fieldsOf(json, path, "", [
    "name",
    "tokens",
    "tokenizer",
    "checkpoints",
    "reference",
    "center",
    "ceiling",
    "hook",
    "context_size",
  ]);
  const folder = dirname(path);
  const named = async (name: string): Promise<NamedPath> => ({
    name,
    path: await resolveName(folder, name, find),
  });

  const contextSize = at.count("context_size", 1);
  const told: SaeTold = {
    ...(json.hook !== undefined && { hook: parseHook(json.hook, path).name }),
    ...(contextSize !== undefined && { contextSize }),
  };
  const tokens = fieldsOf(at.object("tokens"), path, "tokens.", ["path", "column"]);
  const checkpoint = async (
    value: unknown,
    prefix: string,
    otherwise?: Checkpoint,
  ): Promise<Checkpoint> => {
    const of = fieldsOf(asObject(value, path, prefix), path, `${prefix}.`, [
      "step",
      "model",
      "sae",
      "losses",
      "tokens",
    ]);
    const losses = fieldsOf(of.object("losses", {}), path, `${prefix}.losses.`, [
      "overall",
      "l1",
      "mse",
    ]);
    const sae: SaePath = { ...await named(of.string("sae")), ...told };
    const step = of.count("step") ?? otherwise?.step ?? await stepOf(sae, path, prefix);
    return {
      name: otherwise === undefined ? `step${step}` : "ceiling",
      step,
      tokens: of.count("tokens"),
      model: await named(of.string("model", otherwise?.model.name)),
      sae,
      losses: losses.numbers(),
    };
  };

  const list = json.checkpoints;
  if (!Array.isArray(list) || list.length === 0) {
    refuseMember(path, "checkpoints", "a list of at least one", list);
  }
  const checkpoints: Checkpoint[] = [];
  for (const [i, value] of list.entries()) {
    checkpoints.push(await checkpoint(value, `checkpoints[${i}]`));
  }
  checkpoints.sort((a, b) => a.step - b.step);
  const twice = checkpoints.find(({ step }, i) => step === checkpoints[i + 1]?.step);
  if (twice) {
    throw new DataError("read", {
      where: `"checkpoints" in ${path}`,
      expected: "each step once",
      got: `step ${twice.step} twice`,
    });
  }

  const reference = at.count("reference") ?? checkpoints.at(-1)!.step;
  const referred = checkpoints.find(({ step }) => step === reference);
  if (referred === undefined) {
    refuseMember(
      path,
      "reference",
      `one of ${checkpoints.map(({ step }) => step).join(", ")}`,
      reference,
    );
  }
  const center = json.center ?? "auto";
  if (center !== "auto" && typeof center !== "boolean") {
    refuseMember(path, "center", '"auto", true or false', center);
  }
  return {
    where: path,
    name: at.string("name", "sweep"),
    tokens: { ...await named(tokens.string("path")), column: tokens.string("column", "input_ids") },
    tokenizer: json.tokenizer === undefined ? undefined : await named(at.string("tokenizer")),
    checkpoints,
    reference,
    center,
    ceiling: json.ceiling === undefined
      ? undefined
      : await checkpoint(json.ceiling, "ceiling", referred),
  };
}

async function stepOf(sae: SaePath, where: string, prefix: string): Promise<number> {
  const { checkpointIndex: index, where: file } = await findCheckpointIndex(sae.path, sae);
  const step = index === undefined ? undefined : pythiaSteps[index];
  if (step === undefined) {
    throw new DataError("find", {
      where: `"${prefix}.step" in ${where}`,
      expected: `a step, or a checkpoint_index below ${pythiaSteps.length} in ${file}`,
      got: index === undefined ? "neither" : `index ${index}`,
    });
  }
  return step;
}

// Reads the members of one object, checking names and types.
function fieldsOf(json: Json, where: string, prefix: string, known: readonly string[]) {
  for (const key of Object.keys(json)) {
    if (known.includes(key)) continue;
    throw new DataError("read", {
      where: `"${prefix}${key}" in ${where}`,
      expected: known.join(", "),
      got: "another key",
    });
  }
  return {
    string(key: string, fallback?: string): string {
      const value = json[key] ?? fallback;
      if (typeof value !== "string") refuseMember(where, prefix + key, "text", value);
      return value;
    },
    count(key: string, least = 0): number | undefined {
      const value = json[key];
      if (value === undefined) return undefined;
      if (!Number.isSafeInteger(value) || (value as number) < least) {
        refuseMember(where, prefix + key, least > 0 ? "a number of tokens" : "a count", value);
      }
      return value as number;
    },
    object(key: string, fallback?: Json): Json {
      return asObject(json[key] ?? fallback, where, prefix + key);
    },
    numbers(): Record<string, number> {
      for (const [key, value] of Object.entries(json)) {
        if (typeof value !== "number") refuseMember(where, prefix + key, "a number", value);
      }
      return json as Record<string, number>;
    },
  };
}

function asObject(value: unknown, where: string, key: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    refuseMember(where, key, "an object", value);
  }
  return value as Json;
}

/**
 * The checkpoints of some steps.
 *
 * @param sweep The sweep.
 * @param steps Which; all if left out.
 * @returns Them, in order of step.
 * @throws {DataError} If there is no checkpoint of a step.
 */
export function checkpointsAt(sweep: Sweep, steps?: readonly number[]): readonly Checkpoint[] {
  if (steps === undefined) return sweep.checkpoints;
  for (const step of steps) {
    if (!sweep.checkpoints.some((checkpoint) => checkpoint.step === step)) {
      throw new DataError("find", {
        where: `step ${step} in ${sweep.where}`,
        expected: `one of ${sweep.checkpoints.map((checkpoint) => checkpoint.step).join(", ")}`,
        got: `${step}`,
      });
    }
  }
  return sweep.checkpoints.filter(({ step }) => steps.includes(step));
}

/** What all checkpoints of a sweep have in common. */
export type Agreement = Pick<SaePlace, "hook" | "contextSize">;

/**
 * Reads what the files of every SAE of a sweep say, and checks that they read the same place.
 *
 * @param sweep The sweep.
 * @returns Their hook and context size.
 * @throws {DataError} If two differ, or one cannot be read.
 */
export async function agreeOnHook(sweep: Sweep): Promise<Agreement> {
  let first: SaePlace | undefined;
  for (const { sae } of [...sweep.checkpoints, ...(sweep.ceiling ? [sweep.ceiling] : [])]) {
    const { hook, contextSize, where } = await placeSae(sae.path, sae);
    first ??= { hook, contextSize, where };
    const differs = hook.name !== first.hook.name
      ? [`hook ${first.hook.name}`, hook.name]
      : contextSize !== first.contextSize
      ? [`context_size ${first.contextSize}`, `${contextSize}`]
      : undefined;
    if (differs) {
      throw new DataError("compare", {
        where,
        expected: `${differs[0]} as in ${first.where}`,
        got: differs[1],
        fix: "put SAEs of one hook and context size in a sweep",
      });
    }
  }
  return { hook: first!.hook, contextSize: first!.contextSize };
}
