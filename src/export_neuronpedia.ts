/**
 * A written site for Neuronpedia, one source a checkpoint.
 *
 * @module
 */

import { basename } from "node:path";
import { readTokensInfo } from "./activation_table.ts";
import { openFile } from "./files.ts";
import { writeNeuronpedia } from "./neuronpedia.ts";
import type { Summary } from "./summary.ts";
import type { Sweep } from "./sweep.ts";
import type { WrittenSite } from "./write_site.ts";

/** What Neuronpedia calls the places of a block. */
const sets: readonly (readonly [place: string, set: string])[] = [
  ["resid", "res"],
  ["attn", "att"],
  ["mlp", "mlp"],
];

/**
 * Writes `neuronpedia/<layer>-<set>-step<N>/batch-0.json` for every checkpoint.
 *
 * The model is called what the name of the sweep says before its first comma, in lower case and with
 * hyphens.
 *
 * @param sweep The sweep.
 * @param summary It, matched.
 * @param out The folder that it was matched in.
 * @param site What was written of it, details and paths included.
 * @returns The paths of the files.
 */
export async function exportNeuronpedia(
  sweep: Sweep,
  { name, hook, reference, checkpoints }: Summary,
  out: string,
  { features, paths }: Pick<WrittenSite, "features" | "paths">,
): Promise<string[]> {
  const { n_tokens, context_size } = await readTokensInfo(await openFile(`${out}/tokens.arrow`));
  const steps = checkpoints.map(({ step }) => step);
  return await writeNeuronpedia(out, features, {
    modelId: name.split(",")[0].trim().toLowerCase().replace(/[^a-z0-9.]+/g, "-"),
    layer: Number(/^blocks\.(\d+)/.exec(hook)?.[1] ?? 0),
    set: sets.find(([place]) => hook.includes(place))?.[1] ?? "other",
    dataset: basename(sweep.tokens.path),
    nTokens: n_tokens,
    contextSize: context_size,
    steps,
    reference: steps.indexOf(reference),
    paths,
  });
}
