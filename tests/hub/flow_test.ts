// A sweep on a hub, fetched once, and then used without the network.

import assert from "node:assert/strict";
import { readActivationInfo } from "../../src/activation_table.ts";
import { openFile } from "../../src/files.ts";
import { tiny, tinyHub, tinySweep } from "./_tiny.ts";
import { inTempDir } from "../_files.ts";

const root = new URL("../../", import.meta.url).pathname;

async function runTask(set: string, args: string[], env: Readonly<Record<string, string>>) {
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    cwd: root,
    args: ["run", "-q", "--no-prompt", `-P=${set}`, ...args],
    env: { NO_COLOR: "1", ...env },
  }).output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return { code, lines: text.trimEnd().split("\n") };
}

for (const weights of ["shards", "ranges"]) {
  Deno.test(`activations of a sweep fetched as ${weights} are those of the sweep on this disk`, async () => {
    const hub = await tinyHub();
    await inTempDir(async (folder) => {
      const env = { HF_ENDPOINT: hub.url, HF_HUB_CACHE: `${folder}/cache` };
      const sweep = `${folder}/sweep.json`;
      await Deno.writeTextFile(sweep, JSON.stringify(tinySweep));
      const fetch = ["--allow-net=127.0.0.1", "scripts/fetch.ts", "--sweep", sweep];
      const limit = ["--total-tokens", "2048"];
      const fetched = await runTask("fetch", [...fetch, ...limit, "--weights", weights], env)
        .finally(() => hub.close());
      assert.equal(fetched.code, 0, fetched.lines.join("\n"));

      const steps = ["--steps", "0,64", ...limit, "--device", "cpu", "--workers", "1"];
      for (const [path, out] of [[sweep, "hub"], [`${tiny}/sweep.json`, "disk"]]) {
        const args = ["scripts/activations.ts", "--sweep", path, "--out", `${folder}/${out}`];
        const { code, lines } = await runTask("activations", [...args, ...steps], env);
        assert.equal(code, 0, lines.join("\n"));
      }
      const args = ["scripts/activations.ts", "--sweep", sweep, "--out", `${folder}/more`];
      const { code, lines } = await runTask(
        "activations",
        [...args, "--total-tokens", "2049"],
        env,
      );
      assert.deepEqual([code, lines.length], [1, 1]);
      assert.match(
        lines[0],
        /: expected 2049 tokens, got 2048 that were fetched; run `deno task fetch --total-tokens 2049 …`$/,
      );
      for (const name of ["step0", "step64"]) {
        const [ours, theirs] = await Promise.all(["hub", "disk"].map(async (out) => {
          const file = await openFile(`${folder}/${out}/activations/${name}.arrow`);
          const { fingerprint: _, sources, ...info } = await readActivationInfo(file);
          return { info, sources };
        }));
        assert.deepEqual(ours.info, theirs.info, "every number is the same");
        assert(ours.sources.every(({ path }) => path.startsWith("hf://tiny/")));
      }
    });
  });
}

Deno.test("a sweep that was not fetched is refused with what to do", async () => {
  await inTempDir(async (folder) => {
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(tinySweep));
    const args = ["scripts/activations.ts", "--sweep", `${folder}/sweep.json`, "--out", folder];
    assert.deepEqual(await runTask("activations", args, { HF_HUB_CACHE: `${folder}/cache` }), {
      code: 1,
      lines: [
        `error: Cannot find hf://tiny/saes/step0 in ${folder}/cache: expected what was fetched ` +
        "before, got no revision main; run `deno task fetch --sweep …`",
      ],
    });
  });
});

Deno.test("audit looks at lists of files alone, of a model on the hub or a sweep not fetched", async () => {
  const hub = await tinyHub();
  await inTempDir(async (folder) => {
    const env = { HF_ENDPOINT: hub.url, HF_HUB_CACHE: `${folder}/cache` };
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(tinySweep));
    const audit = ["--allow-net=127.0.0.1", "scripts/audit.ts", "--out", folder];
    for (const what of [["--hub", "tiny/model"], ["--sweep", `${folder}/sweep.json`]]) {
      assert.deepEqual(await runTask("audit", [...audit, ...what], env), {
        code: 0,
        lines: [
          "step 0: 2 looked at",
          what[0] === "--hub" ? "step 64: 2 looked at" : "step 64: 6 looked at",
          "step 4000: 2 looked at",
          `nothing found, in ${folder}/audit.arrow`,
        ],
      });
    }
    const offline = await runTask("audit", [...audit, "--hub", "a/b"], {
      ...env,
      HF_HUB_OFFLINE: "1",
    });
    assert.deepEqual(offline, {
      code: 1,
      lines: ["error: Cannot audit a model on the hub: HF_HUB_OFFLINE is set"],
    });
  }).finally(() => hub.close());
  assert(hub.asked.every(({ server }) => server === "hub"));
  assert.equal(hub.sentBytes(), 0);
});
