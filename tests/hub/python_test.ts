// The cache shared with Python's huggingface_hub, both ways, on a loopback hub.

import assert from "node:assert/strict";
import { fetchSweep } from "../../src/fetch_sweep.ts";
import { lockFile } from "../../scripts/_hub.ts";
import { clientOf } from "./_client.ts";
import { commitOf, gitIdOf, type Loopback } from "./_loopback.ts";
import { filesBelow, tiny, tinyHub, tinySweep } from "./_tiny.ts";
import { inTempDir } from "../_files.ts";

const root = new URL("../../", import.meta.url).pathname;

// The first Python that has huggingface_hub.
async function findPython(): Promise<string | undefined> {
  for (const python of [`${root}out/hub/venv/bin/python`, "python3"]) {
    try {
      const args = ["-c", "import huggingface_hub; print(huggingface_hub.__version__)"];
      const { code } = await new Deno.Command(python, { args }).output();
      if (code === 0) return python;
    } catch {
      // not there, or not allowed
    }
  }
}

const python = await findPython();
const where = "out/hub/venv/bin/python or python3 with huggingface_hub";

function testWithPython(
  name: string,
  act: (
    run: (code: string, env?: Readonly<Record<string, string>>) => Promise<unknown>,
    hub: Loopback,
    folder: string,
  ) => Promise<void>,
): void {
  const ignore = python === undefined;
  Deno.test({ name: ignore ? `${name} (skipped: no ${where})` : name, ignore, fn });
  async function fn() {
    const hub = await tinyHub();
    try {
      await inTempDir((folder) =>
        act(
          async (code, env = {}) => {
            const { stdout, stderr, success } = await new Deno.Command(python!, {
              args: ["-c", `import json, huggingface_hub as hub\n${code}`],
              env: {
                HF_ENDPOINT: hub.url,
                HF_HUB_CACHE: `${folder}/cache`,
                HF_HUB_DISABLE_XET: "1",
                HF_HUB_DISABLE_TELEMETRY: "1",
                HF_HUB_DISABLE_PROGRESS_BARS: "1",
                ...env,
              },
            }).output();
            assert(success, new TextDecoder().decode(stderr));
            return JSON.parse(new TextDecoder().decode(stdout));
          },
          hub,
          folder,
        )
      );
    } finally {
      await hub.close();
    }
  }
}

const wanted = JSON.stringify([
  ["tiny/model", "step0", "config.json"],
  ["tiny/model", "step0", "model.safetensors"],
  ["tiny/model", "step0", "tokenizer.json"],
  ["tiny/saes", "main", "step0/cfg.json"],
  ["tiny/saes", "main", "step0/sae_weights.safetensors"],
]);
const { model, sae } = tinySweep.checkpoints[0];
const sweep = {
  tokenizer: tinySweep.tokenizer,
  checkpoints: [{ step: 0, model, sae }],
};
const download = `
paths = [hub.hf_hub_download(repo, path, revision=revision) for repo, revision, path in ${wanted}]
print(json.dumps(paths))`;

testWithPython(
  "Python reads what we fetched, with and without the network",
  async (run, hub, folder) => {
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(tinySweep));
    const client = clientOf(hub);
    await fetchSweep(`${folder}/sweep.json`, client, `${folder}/cache`, { lock: lockFile });

    hub.asked.length = 0;
    const offline = await run(download, { HF_HUB_OFFLINE: "1" }) as string[];
    assert.deepEqual(hub.asked, []);
    const online = await run(download) as string[];
    assert(hub.asked.every(({ method }) => method === "HEAD"), "nothing is fetched again");
    assert.deepEqual(online, offline);
    for (const [i, path] of (JSON.parse(wanted) as string[][]).map((w) => w[2]).entries()) {
      const own = path.startsWith("step0/")
        ? `saes/${path}`
        : path === "tokenizer.json"
        ? path
        : `models/step0/${path}`;
      assert.deepEqual(
        await Deno.readFile(offline[i]),
        await Deno.readFile(`${tiny}/${own}`),
        path,
      );
    }

    const report = await run(`
info = hub.scan_cache_dir()
repos = sorted((r.repo_type, r.repo_id, sorted(ref for v in r.revisions for ref in v.refs)) for r in info.repos)
print(json.dumps([repos, [str(w) for w in info.warnings]]))`);
    assert.deepEqual(report, [
      [
        ["dataset", "tiny/tokens", ["main"]],
        ["model", "tiny/model", ["step0", "step4000"]],
        ["model", "tiny/saes", ["main"]],
        ["model", "tiny/shards", ["step64"]],
      ],
      [],
    ], "parts in our own folder are no damage");
  },
);

testWithPython(
  "Python completes a model of which we fetched some shards",
  async (run, hub, folder) => {
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(tinySweep));
    await fetchSweep(`${folder}/sweep.json`, clientOf(hub), `${folder}/cache`);
    hub.asked.length = 0;
    const path = await run(
      `print(json.dumps(hub.snapshot_download("tiny/shards", revision="step64")))`,
    );
    const fetched = hub.asked.filter(({ server, method }) =>
      server === "store" && method === "GET"
    );
    assert.equal(fetched.length, 2, "the last block, and what is after it");
    assert.equal(path, `${folder}/cache/models--tiny--shards/snapshots/${commitOf("step64")}`);
  },
);

testWithPython("we fetch nothing that Python has", async (run, hub, folder) => {
  await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(sweep));
  await run(download);
  const before = filesBelow(`${folder}/cache`);
  const offline = await fetchSweep(`${folder}/sweep.json`, undefined, `${folder}/cache`);
  const sent = hub.sentBytes();
  const online = await fetchSweep(`${folder}/sweep.json`, clientOf(hub), `${folder}/cache`, {
    lock: lockFile,
  });
  assert.deepEqual(online, offline);
  const settings = await Deno.readFile(`${tiny}/tokenizer_config.json`);
  const id = gitIdOf(settings);
  const more = filesBelow(`${folder}/cache`).filter((path) => !before.includes(path));
  assert.deepEqual(
    more.map((path) => path.split("/").at(-1)),
    [`${id}.lock`, id, "tokenizer_config.json"],
    "only what Python was not asked for",
  );
  assert.equal(hub.sentBytes() - sent, settings.length);
});

testWithPython("Python waits for the lock that we hold", async (run, hub, folder) => {
  await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(sweep));
  const fetched = () =>
    hub.asked.filter(({ server, method }) => server === "store" && method === "GET")
      .map(({ path }) => path.slice(1, 65));
  let inTheMeantime: string[] | undefined;
  let held = "";
  let running: Promise<unknown> | undefined;
  const lock = async (path: string) => {
    const release = await lockFile(path);
    const [, hash] = /([0-9a-f]{64})\.lock$/.exec(path) ?? [];
    if (hash === undefined || running !== undefined) return release;
    held = hash;
    running = run(download); // Python comes for the same files, this one the last
    const isBefore = Date.now() + 20_000;
    while (fetched().length === 0 && Date.now() < isBefore) await sleep(50);
    await sleep(500);
    inTheMeantime = fetched();
    return release;
  };
  await fetchSweep(`${folder}/sweep.json`, clientOf(hub), `${folder}/cache`, { lock });
  await running;
  assert.equal(inTheMeantime?.length, 1, "Python fetched the model");
  assert(!inTheMeantime.includes(held), "and waited for the SAE");
  assert.equal(new Set(fetched()).size, fetched().length, "each came once");
});

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
