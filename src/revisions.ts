/**
 * Names of training checkpoints: branches and commits of a repository, repositories, folders.
 *
 * @see {@link https://huggingface.co/EleutherAI/pythia-70m-deduped | Pythia}, whose branches are the
 *   model of all others.
 *
 * @module
 */

/** A training checkpoint, as its name tells it. */
export interface Revision {
  /** The name. */
  readonly name: string;
  /** Stage of the training, as written: "1" of "stage1" or "phase1", "longctx"; else undefined. */
  readonly stage: string | undefined;
  /** Which of several trainings of a stage, of other data; else undefined. */
  readonly ingredient: number | undefined;
  /**
   * Training steps; of the stage alone where a family counts every stage anew. Amber's `ckpt_N` and
   * Crystal's count checkpoints.
   */
  readonly step: number;
  /** Tokens trained on, as rounded in the name; undefined where it has none. */
  readonly tokens: number | undefined;
}

const units: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, b: 1e9, t: 1e12 };

// What may stand before the step: a stage; what Crystal calls one; or a repository's own name.
const stagePattern = String.raw`stage(?<stage>\d+)-(?:ingredient(?<ingredient>\d+)-)?`;
const phasePattern = String.raw`(?:[a-z]+_)?phase(?<phase>\d+)_`;
const contextPattern = String.raw`(?<context>longctx|lc-\d+k-to-\d+k)-`;
const ownPattern = String.raw`(?!.*(?:stage|phase|longctx))[\w.-]*-`;
const pattern = new RegExp(
  `^(?:${stagePattern}|${phasePattern}|${contextPattern}|${ownPattern})?` +
    String.raw`(?:global_?step|step|checkpoint|ckpt)[-_]?(?<step>\d+)(?<unit>[km]?)` +
    String.raw`(?:-(?:tokens?-?)?(?<tokens>\d+(?:\.\d+)?)(?<scale>[mbt]))?$`,
  "i",
);

/**
 * What the name of a training checkpoint says.
 *
 * Known are `step512`, `step-125000`, `step1000-tokens4B`, `stage1-step-40000`,
 * `stage2-ingredient3-step23852-tokens51B`, `longctx-step1000`, `checkpoint-400000`, `ckpt_358`,
 * `global_step1000`, `CrystalCoder_phase1_checkpoint_055500`, repositories such as
 * `google/multiberts-seed_0-step_20k`, and commits titled `Saving HF Model -- Step 1000`, in small or
 * large letters. Of a path only the last part counts.
 *
 * @param name A branch, a tag, a commit's title, a repository or a folder.
 * @returns The checkpoint; null for another name, such as `main`, `pythia-70m-seed1`, or
 *   `trainer_0_step_976`, a step of an SAE's training.
 *
 * @example A branch of OLMo 2, and one of no checkpoint
 * ```ts
 * import assert from "node:assert/strict";
 *
 * assert.deepEqual(parseRevision("stage2-ingredient3-step23852-tokens51B"), {
 *   name: "stage2-ingredient3-step23852-tokens51B",
 *   stage: "2",
 *   ingredient: 3,
 *   step: 23852,
 *   tokens: 51e9,
 * });
 * assert.equal(parseRevision("main"), null);
 * ```
 */
export function parseRevision(name: string): Revision | null {
  const last = name.slice(name.lastIndexOf("/") + 1).replace(/^.* -- (?=step \d+$)/i, "")
    .replace(/^step (?=\d+$)/i, "step");
  const found = pattern.exec(last)?.groups;
  if (found === undefined) return null;
  const step = Number(found.step) * units[found.unit.toLowerCase()];
  const tokens = found.tokens === undefined
    ? undefined
    : Math.round(Number(found.tokens) * units[found.scale.toLowerCase()]);
  if (!Number.isSafeInteger(step) || !Number.isSafeInteger(tokens ?? 0)) return null;
  return {
    name,
    stage: found.stage ?? found.phase ?? found.context?.toLowerCase(),
    ingredient: found.ingredient === undefined ? undefined : Number(found.ingredient),
    step,
    tokens: tokens === 0 && step > 0 ? undefined : tokens, // rounded down to nothing
  };
}

/**
 * The order of training: by stage, numbered ones before those of longer contexts, then ingredient,
 * then step.
 *
 * @param a A checkpoint.
 * @param b Another of the same family.
 * @returns Below 0 if `a` is the earlier one, above 0 if `b` is, 0 if they are at the same place.
 *
 * @example Stages come before steps
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const names = ["longctx-step5", "stage2-step1", "stage10-step1", "stage2-step0", "stage1-step9"];
 *
 * assert.deepEqual(
 *   names.map((name) => parseRevision(name)!).sort(compareRevisions).map(({ name }) => name),
 *   ["stage1-step9", "stage2-step0", "stage2-step1", "stage10-step1", "longctx-step5"],
 * );
 * ```
 */
export function compareRevisions(
  a: Pick<Revision, "stage" | "ingredient" | "step">,
  b: Pick<Revision, "stage" | "ingredient" | "step">,
): number {
  return compareStages(a.stage, b.stage) || (a.ingredient ?? 0) - (b.ingredient ?? 0) ||
    a.step - b.step;
}

// No stage, then numbers, then words; numbers within words count as numbers.
function compareStages(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  const kind = (stage: string | undefined) => stage === undefined ? 0 : /^\d/.test(stage) ? 1 : 2;
  return kind(a) - kind(b) || a!.localeCompare(b!, "en", { numeric: true });
}

/** How many tokens one step of a family trains on. */
export interface TokensPerStep {
  /** The family. */
  readonly family: string;
  /** Whether a repository is of it: what its name, without the owner, matches. */
  readonly repo: RegExp;
  /** Tokens. */
  readonly tokens: number;
  /** Where this is said. */
  readonly source: string;
}

/** Families whose names have no tokens, but whose every step is of equally many. */
export const tokensPerStep: readonly TokensPerStep[] = [
  {
    // The -v0 models of half as many steps were named as if their batches were as large as these.
    family: "Pythia",
    repo: /^pythia-\d+(?:\.\d+)?[mb](?:-|$)/i,
    tokens: 1024 * 2048,
    source: "https://github.com/EleutherAI/pythia: batches of 1,024 sequences of 2,048 tokens",
  },
  {
    family: "SmolLM3",
    repo: /^SmolLM3-3B-checkpoints$/i,
    tokens: 2_359_296,
    source: "https://huggingface.co/HuggingFaceTB/SmolLM3-3B-checkpoints: 40,000 steps are 94.4B",
  },
];

/**
 * How many tokens a language model had been trained on.
 *
 * @param revision A checkpoint.
 * @param repo Its repository, with or without the owner, or the name of the model.
 * @returns Tokens: of its name, where it has them, and else of its family's steps; undefined if
 *   neither tells, as in stages of longer contexts, whose steps are of another size.
 *
 * @example Pythia's batches
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const revision = parseRevision("step512")!;
 *
 * assert.equal(trainingTokens(revision, "EleutherAI/pythia-70m-deduped"), 1_073_741_824);
 * assert.equal(trainingTokens(revision, "another/model"), undefined);
 * ```
 */
export function trainingTokens(
  { stage, step, tokens }: Pick<Revision, "stage" | "step" | "tokens">,
  repo: string,
): number | undefined {
  if (tokens !== undefined || (stage !== undefined && !/^\d/.test(stage))) return tokens;
  const name = repo.slice(repo.lastIndexOf("/") + 1);
  const family = tokensPerStep.find((family) => family.repo.test(name));
  return family && step * family.tokens;
}

/**
 * The steps at which Stanford's GPT-2 models were saved, by the index that TransformerLens gives them.
 *
 * @see {@link https://github.com/stanford-crfm/mistral | Mistral}
 */
export const stanfordSteps: readonly number[] = [
  ...Array.from({ length: 10 }, (_, i) => 10 * i),
  ...Array.from({ length: 38 }, (_, i) => 100 + 50 * i),
  ...Array.from({ length: 180 }, (_, i) => 2000 + 100 * i),
  ...Array.from({ length: 381 }, (_, i) => 20000 + 1000 * i),
];
