// scripts/sweep.ts from end to end. The answers of the hub and of wandb's server are written by hand;
// the .wandb files are wandb's own.

import assert from "node:assert/strict";
import { readSweep } from "../src/sweep.ts";
import { inTempDir } from "./_files.ts";

const root = new URL("../", import.meta.url).pathname;
const tiny = `${root}fixtures/tiny`;

/** Runs the script, with the permissions that it is to have. */
async function sweep(args: readonly string[], env: Record<string, string> = {}) {
  const variables = ["WANDB_API_KEY", "WANDB_BASE_URL", "HF_TOKEN", "HF_ENDPOINT"];
  const allowed = ["--allow-read", "--allow-write", "--allow-net", `--allow-env=${variables}`];
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "-q", "--no-prompt", ...allowed, "scripts/sweep.ts", ...args],
    cwd: root,
    env,
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, out: text(stdout), err: text(stderr) };
}

Deno.test("deno task sweep makes of fixtures/tiny the sweep that lies there, but for its losses", () =>
  inTempDir(async (folder) => {
    const out = `${folder}/sweep.json`;
    const args = ["--model", `${tiny}/models`, "--saes", `${tiny}/saes`, "--out", out];
    const tokens = ["--tokens", `${tiny}/tokens.parquet`, "--column", "input_ids"];
    const first = await sweep([...args, ...tokens]);
    assert.deepEqual([first.code, first.err], [0, ""]);
    assert.match(
      first.out,
      /^left out \S+step4000-seed2: [^\n]+\n\S+: 11 checkpoints, steps 0 to 4000\n$/,
    );
    const short = ({ tokens, checkpoints }: Awaited<ReturnType<typeof readSweep>>) => ({
      tokens: [tokens.path, tokens.column],
      checkpoints: checkpoints.map(({ step, model, sae }) => [step, model.path, sae.path]),
    });
    assert.deepEqual(
      short(await readSweep(out)),
      short(await readSweep(`${tiny}/sweep.json`)),
    );
    const again = await sweep(args);
    assert.equal(again.code, 1);
    assert.equal(
      again.err,
      `error: Cannot write ${out}: expected no file there, got one; give --force\n`,
    );
  }));

/** SAEs of the runs in fixtures/wandb, and a hub that knows their models and wandb that knows them. */
async function withServers(
  test: (folder: string, env: Record<string, string>, asked: string[]) => Promise<void>,
): Promise<void> {
  const asked: string[] = [];
  const revisions = ["main", "step0", "step512", "step143000"];
  const answer = async (request: Request): Promise<Response> => {
    const { pathname } = new URL(request.url);
    asked.push(`${pathname} ${request.headers.get("authorization")}`);
    if (pathname === "/api/models/EleutherAI/pythia-70m-deduped/refs") {
      const branches = revisions.map((name) => ({ name, targetCommit: name }));
      return Response.json({ branches, tags: [] });
    }
    if (pathname !== "/graphql") return new Response("", { status: 404 });
    const { variables } = await request.json();
    assert.deepEqual([variables.entity, variables.project], ["lab", "pythia-sae"]);
    const { runs } = JSON.parse(
      await Deno.readTextFile(`${root}fixtures/wandb/0.31.0/expected.json`),
    );
    const names = ["step143000", "failed", "step512"];
    const start = variables.after === null ? 0 : names.indexOf(variables.after) + 1;
    const { id, name, config, summary, ...run } = runs[names[start]];
    const node = {
      ...run,
      name: id,
      displayName: name,
      config: JSON.stringify(
        Object.fromEntries(Object.entries(config).map(([key, value]) => [key, { value }])),
      ),
      summaryMetrics: JSON.stringify(summary),
    };
    const pageInfo = { hasNextPage: start < 2, endCursor: names[start] };
    const edges = [{ node, cursor: names[start] }];
    return Response.json({ data: { project: { runs: { edges, pageInfo } } } });
  };
  await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, answer);
  const url = `http://127.0.0.1:${server.addr.port}`;
  await inTempDir(async (folder) => {
    const cfg = '{"model_name": "pythia-70m-deduped", "hook_point": "blocks.3.hook_resid_pre"}';
    const names = ["nt6053cl/200001536", "nt6053cl/final_400003072", "p0hcxgno/final_400003072"];
    for (const name of names) {
      await Deno.mkdir(`${folder}/saes/${name}`, { recursive: true });
      await Deno.writeTextFile(`${folder}/saes/${name}/cfg.json`, cfg);
    }
    const keys = { WANDB_API_KEY: "key", HF_TOKEN: "token" };
    await test(folder, { WANDB_BASE_URL: url, HF_ENDPOINT: url, ...keys }, asked);
  });
}

const made = {
  name: "pythia-70m-deduped, blocks.3.hook_resid_pre",
  checkpoints: [
    {
      step: 512,
      tokens: 512 * 2097152,
      model: "hf://EleutherAI/pythia-70m-deduped@step512",
      sae: "saes/nt6053cl/final_400003072",
      losses: { overall: 142.7, l1: 22.4, mse: 75.4 },
    },
    {
      step: 143000,
      tokens: 143000 * 2097152,
      model: "hf://EleutherAI/pythia-70m-deduped@step143000",
      sae: "saes/p0hcxgno/final_400003072",
      losses: { overall: 170, l1: 32.5, mse: 73.5 },
    },
  ],
};

for (const source of ["server", "files"] as const) {
  Deno.test(`deno task sweep makes a sweep of wandb's ${source}, and models of the hub`, () =>
    withServers(async (folder, env, asked) => {
      const runs = source === "server"
        ? ["--wandb", "lab/pythia-sae"]
        : ["--wandb-files", "fixtures/wandb/0.17.0"];
      const paths = ["--saes", `${folder}/saes`, "--out", `${folder}/sweep.json`];
      const { code, out, err } = await sweep([...runs, ...paths, "--tag", "tiny-l1-3"], env);
      assert.deepEqual([code, err], [0, ""]);
      const name = (path: string) => path.replace(`${folder}/`, "");
      const text = await Deno.readTextFile(`${folder}/sweep.json`);
      const { checkpoints, ...others } = JSON.parse(text);
      for (const checkpoint of checkpoints) checkpoint.sae = name(checkpoint.sae);
      assert.deepEqual({ ...others, checkpoints }, made);
      assert.deepEqual(out.split("\n").map(name), [
        "left out saes/nt6053cl/200001536: from before the end of its training",
        "left out run failed (failed): failed",
        "sweep.json: 2 checkpoints, steps 512 to 143000",
        "",
      ]);
      const hub = "/api/models/EleutherAI/pythia-70m-deduped/refs Bearer token";
      const graphql = `/graphql Basic ${btoa("api:key")}`;
      assert.deepEqual(asked, source === "server" ? [graphql, graphql, graphql, hub] : [hub]);
    }));
}
