/**
 * Lists a family's checkpoints and the SAEs trained at them, and writes the sweep file.
 *
 * Reads   the names of folders, every SAE's cfg.json, the hub's list of revisions, and runs of
 *         wandb from its server or from .wandb files.
 * Writes  the sweep file.
 * Example deno task sweep --model fixtures/tiny/models --saes fixtures/tiny/saes --out out/sweep.json
 */

import { exists, writeFile } from "../src/files.ts";
import { listFamily, listRuns, listSaes, readHubRevisions } from "../src/list_checkpoints.ts";
import { makeSweep } from "../src/make_sweep.ts";
import { repositoryOf } from "../src/sae_steps.ts";
import { readWandbRuns } from "../src/wandb.ts";
import { Command, Option, run, say } from "./_cli.ts";

const command = new Command("sweep")
  .description("Lists checkpoints and the SAEs trained at them, and writes the sweep file.")
  .option("--model <list>", "a folder of models, or repositories; the one that the SAEs name")
  .requiredOption("--saes <folder>", "the SAEs, each in a folder of its own")
  .option("--tokens <file>", "the token file")
  .option("--column <name>", "the column or tensor in it")
  .option("--stage <name>", "only models of this stage of training: 1, longctx")
  .option("--wandb <entity/project>", "take SAEs and losses of the runs of a project")
  .option("--wandb-files <folder>", "or of the runs in .wandb files")
  .option("--tag <tag>", "only runs with this tag")
  .option("--out <file>", "the sweep file to write", "sweep.json")
  .option("--force", "write it even if it is there", false)
  .addOption(new Option("--wandb-url <url>", "wandb's server").env("WANDB_BASE_URL"))
  .addOption(new Option("--wandb-key <key>", "its key").env("WANDB_API_KEY"))
  .addOption(new Option("--hub-url <url>", "the hub").env("HF_ENDPOINT"))
  .addOption(new Option("--hub-token <token>", "its token").env("HF_TOKEN"));

await run(command, async ({ saes: folder, out, force, model, tokens, tag, ...options }) => {
  if (!force && await exists(out)) {
    throw new RangeError(`Cannot write ${out}: expected no file there, got one; give --force`);
  }
  const send = (url: string, init: RequestInit) => fetch(url, init);
  const wandb = { send, baseUrl: options.wandbUrl, apiKey: options.wandbKey };
  const hub = { send, endpoint: options.hubUrl, token: options.hubToken };
  const runs = options.wandbFiles !== undefined
    ? await listRuns(options.wandbFiles, tag)
    : options.wandb && await readWandbRuns(options.wandb, wandb, { tag });
  const saes = await listSaes(folder);
  const names = model?.split(",") ?? [repositoryOf(saes, runs || [])];
  const models = await listFamily(names, (repo) => readHubRevisions(repo, hub));
  const { sweep, notes } = makeSweep(models, saes, {
    family: names[0],
    out,
    tokens: tokens === undefined ? undefined : { path: tokens, column: options.column },
    stage: options.stage,
    runs: runs || undefined,
  });
  const text = `${JSON.stringify(sweep, null, 2)}\n`;
  await writeFile(out, (file) => file.write(new TextEncoder().encode(text)));
  notes.forEach(say);
  const steps = sweep.checkpoints.map(({ step }) => step);
  say(`${out}: ${steps.length} checkpoints, steps ${steps[0]} to ${steps[steps.length - 1]}`);
});
