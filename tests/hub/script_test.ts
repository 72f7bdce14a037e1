// `deno task fetch` as a user runs it, with the settings of the environment.

import assert from "node:assert/strict";
import type { Loopback } from "./_loopback.ts";
import { filesBelow, tiny, tinyHub, tinySweep } from "./_tiny.ts";
import { inTempDir } from "../_files.ts";

const root = new URL("../../", import.meta.url).pathname;
const token = "hf_secretsecret";

type Run = (
  env: Readonly<Record<string, string>>,
  ...args: string[]
) => Promise<{ readonly code: number; readonly lines: string[] }>;

async function withScript(
  act: (run: Run, hub: Loopback, folder: string) => Promise<void>,
): Promise<void> {
  const hub = await tinyHub();
  try {
    await inTempDir((folder) => {
      const run: Run = async (env, ...args) => {
        const { code, stdout, stderr } = await new Deno.Command("deno", {
          cwd: root,
          args: [
            "run",
            "-q",
            "--no-prompt",
            "-P=fetch",
            "--allow-net=127.0.0.1", // and not the hub that the set allows
            "scripts/fetch.ts",
            "--sweep",
            `${folder}/sweep.json`,
            ...args,
          ],
          env: { NO_COLOR: "1", HF_ENDPOINT: hub.url, HF_HOME: folder, ...env },
        }).output();
        const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
        assert(!text.includes(token), "a token is never printed");
        return { code, lines: text.trimEnd().split("\n") };
      };
      return act(run, hub, folder);
    });
  } finally {
    await hub.close();
  }
}

Deno.test("fetch says what came and what was there, into the cache of HF_HOME", async () => {
  await withScript(async (run, hub, folder) => {
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(tinySweep));
    const { code, lines } = await run({ HF_TOKEN: token }, "--total-tokens", "5000");
    assert.deepEqual([code, lines.at(-1)], [0, `9 names in ${folder}/hub`]);
    assert.match(lines[0], /^hf:\/\/tiny\/saes\/step0: 0\.3 MB$/);
    assert.deepEqual(
      new Set(hub.asked.map((a) => a.authorization)),
      new Set([`Bearer ${token}`, undefined]),
    );

    const again = await run({ HF_HUB_OFFLINE: "1" });
    assert.equal(again.code, 0);
    assert(again.lines.slice(0, -1).every((line) => line.endsWith(": already there")));

    const elsewhere = { HF_HUB_CACHE: `${folder}/elsewhere`, HF_HUB_OFFLINE: "yes" };
    assert.deepEqual(await run(elsewhere), {
      code: 1,
      lines: [
        `error: Cannot find hf://tiny/saes/step0 in ${folder}/elsewhere: ` +
        "expected what was fetched before, got no revision main; run `deno task fetch --sweep …`",
      ],
    });
  });
});

Deno.test("fetch waits as long as a busy hub asks for, and says so", async () => {
  await withScript(async (run, hub, folder) => {
    await Deno.writeTextFile(
      `${folder}/sweep.json`,
      JSON.stringify({ tokenizer: tinySweep.tokenizer }),
    );
    let asked = 0;
    hub.faults.push(() =>
      asked++ === 0
        ? new Response(null, { status: 429, headers: { "retry-after": "1" } })
        : undefined
    );
    const { code, lines } = await run({});
    assert.equal(code, 0);
    assert.match(lines[0], /^http:\/\/127.0.0.1:\d+\/api\/.*: status 429, again in 1 s$/);
    assert(filesBelow(`${folder}/hub`).some((path) => path.endsWith("/tokenizer.json")));
  });
});

Deno.test("fetch refuses what it cannot reach or read in one line", async () => {
  await withScript(async (run, _, folder) => {
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(tinySweep));
    const cases: [Record<string, string>, string[], RegExp][] = [
      [
        { HF_ENDPOINT: "http://example.invalid" },
        [],
        /^error: Cannot fetch http:\/\/example.invalid\/api\/.*: expected permission to ask example.invalid, got none; allow it with --allow-net=example.invalid$/,
      ],
      [{ HF_ENDPOINT: "ftp://a" }, [], /^error: Cannot ask the hub at "ftp:\/\/a": expected an/],
      [{}, ["--weights", "some"], /^error: .*expected one of ranges, shards, whole/],
    ];
    for (const [env, args, message] of cases) {
      const { code, lines } = await run(env, ...args);
      assert.deepEqual([code, lines.length], [1, 1], lines.join("\n"));
      assert.match(lines[0], message);
    }
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify({ tokenizer: "hf://a/../b" }));
    const { lines } = await run({});
    assert.match(lines[0], /^error: Cannot read "hf:\/\/a\/..\/b": expected hf:\/\/owner\/name/);
  });
});

Deno.test("a fetch that was ended goes on from what it left", async () => {
  await withScript(async (run, hub, folder) => {
    const { model, sae } = tinySweep.checkpoints[0];
    const checkpoints = [{ step: 0, model, sae }];
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify({ checkpoints }));
    const bytes = await Deno.readFile(`${tiny}/models/step0/model.safetensors`);
    const name = (await run({})).lines; // to know the blob's name
    assert.equal(name.length, 3);
    const blobs = `${folder}/hub/models--tiny--model/blobs`;
    const blob = [...Deno.readDirSync(blobs)].find(({ name }) =>
      Deno.statSync(`${blobs}/${name}`).size === bytes.length
    )!.name;
    await Deno.rename(`${blobs}/${blob}`, `${blobs}/${blob}.incomplete`);
    await Deno.truncate(`${blobs}/${blob}.incomplete`, 123_456);
    const { lines } = await run({});
    assert.match(lines[1], /: 0\.4 MB$/, "0.5 MB less what was there");
    assert.equal(
      hub.asked.findLast(({ server }) =>
        server === "store"
      )!.range,
      `bytes=123456-${bytes.length - 1}`,
    );
    assert.deepEqual(await Deno.readFile(`${blobs}/${blob}`), bytes);
  });
});
