// Who may read, what a list may name, and who fetches at the same time, on a loopback server.

import assert from "node:assert/strict";
import { keepCommit } from "../../src/hub_cache.ts";
import { hubPath } from "../../src/hub_path.ts";
import { lockFile } from "../../scripts/_hub.ts";
import { clientOf, commit, fetchInto, files, placeOf, smallHub } from "./_client.ts";
import { commitOf, type Loopback } from "./_loopback.ts";
import { inTempDir } from "../_files.ts";

async function withHub(act: (hub: Loopback, cache: string) => Promise<void>): Promise<void> {
  const hub = smallHub();
  try {
    await inTempDir((cache) => act(hub, cache));
  } finally {
    await hub.close();
  }
}

const large = "model.safetensors";
const token = "hf_secretsecret";

Deno.test("the token goes to the hub, and not where the hub redirects to", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub, { token });
    await fetchInto(cache, client, await placeOf(client, large));
    const sent = (server: string) =>
      new Set(hub.asked.filter((a) => a.server === server).map((a) => a.authorization));
    assert.deepEqual(sent("hub"), new Set([`Bearer ${token}`]));
    assert.deepEqual(sent("store"), new Set([undefined]));
  });
});

Deno.test("the token does not go to another server that a list's next page is on", async () => {
  await withHub(async (hub) => {
    const client = clientOf(hub, { token });
    const link = `<${hub.storeUrl}/tree>; rel="next"`;
    hub.faults.push(() => Response.json([], { headers: { link } }));
    await assert.rejects(client.files("owner/name", "main"), {
      message:
        `Cannot read the answer of ${hub.url}/api/models/owner/name/tree/main?recursive=true: ` +
        `expected pages of its own, each once, got "${hub.storeUrl}/tree"`,
    });
    assert.equal(hub.asked.filter(({ server }) => server === "store").length, 0);
    const circle = `<${hub.url}/api/models/owner/name/tree/main?recursive=true>; rel="next"`;
    hub.faults.push(() => Response.json([], { headers: { link: circle } }));
    await assert.rejects(client.files("owner/name", "main"), /got a circle$/);
  });
});

const refusals: Readonly<Record<string, [number, string, string]>> = {
  "a repository without access": [
    401,
    "",
    "expected a public repository, or a token that may read it, " +
    "got 401, no such repository or no access; check the name, and HF_TOKEN",
  ],
  "a gated repository": [
    403,
    "GatedRepo",
    "expected a public repository, or a token that may read it, got 403, no access; " +
    "accept its conditions on HUB, and set HF_TOKEN to a token that may read it",
  ],
  "a missing repository": [
    404,
    "RepoNotFound",
    "expected a repository that is there, got 404, no such repository",
  ],
  "a missing revision": [
    404,
    "RevisionNotFound",
    "expected a revision that is there, got 404, no such revision",
  ],
  "a missing file": [404, "EntryNotFound", "expected a file that is there, got 404, no such file"],
  "another status": [418, "", "expected status 200, got 418"],
};
for (const [what, [status, code, message]] of Object.entries(refusals)) {
  Deno.test(`${what} is one sentence, at once, without the token`, async () => {
    await withHub(async (hub) => {
      const client = clientOf(hub, { token });
      hub.faults.push(() => new Response(null, { status, headers: { "x-error-code": code } }));
      await assert.rejects(client.commit("owner/name", "main"), (error: Error) => {
        const url = `${hub.url}/api/models/owner/name/revision/main`;
        assert.equal(error.message, `Cannot fetch ${url}: ${message.replace("HUB", hub.url)}`);
        assert(!`${error.stack} ${Deno.inspect(error)}`.includes(token));
        return true;
      });
      assert.deepEqual([hub.asked.length, client.waits], [1, []]);
    });
  });
}

const file = { type: "file", path: "a", size: 1, oid: "0".repeat(40) };
const escapes: Readonly<Record<string, unknown>> = {
  "a path out of its folder": [{ ...file, path: "../../.ssh/id" }],
  "an absolute path": [{ ...file, path: "/etc/passwd" }],
  "a path of Windows": [{ ...file, path: "C:\\a" }],
  "a hash that is a path": [{ ...file, oid: "../../a" }],
  "a large hash that is a path": [{ ...file, lfs: { oid: "../../a" } }],
  "a size below nothing": [{ ...file, size: -1 }],
  "no list": { error: "?" },
  "a list of no objects": [1],
};
for (const [what, list] of Object.entries(escapes)) {
  Deno.test(`a list of files with ${what} is refused`, async () => {
    await withHub(async (hub) => {
      hub.faults.push(() => Response.json(list));
      await assert.rejects(
        clientOf(hub).files("owner/name", "main"),
        /^DataError: Cannot read the answer of http:\S+: expected [^,]+, got [^,]+$/,
      );
    });
  });
}

Deno.test("a revision's id that is a path, and an answer that is no JSON, are refused", async () => {
  await withHub(async (hub) => {
    hub.faults.push(() => Response.json({ sha: "../../a" }));
    await assert.rejects(
      clientOf(hub).commit("owner/name", "main"),
      /expected an id of 40 hexadecimal digits, got "..\/..\/a"$/,
    );
    hub.faults.push(() => new Response("<html>"));
    await assert.rejects(
      clientOf(hub).commit("owner/name", "main"),
      /expected JSON, got "<html>"$/,
    );
  });
});

Deno.test("a blob that has another size than the hub says is not linked to", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    const place = await placeOf(client, large);
    const blobs = `${cache}/models--owner--name/blobs`;
    await Deno.mkdir(blobs, { recursive: true });
    await Deno.writeFile(`${blobs}/${place.file.sha256}`, new Uint8Array(7));
    await assert.rejects(
      fetchInto(cache, client, place),
      /^DataError: Cannot use .*: expected 300000 bytes, got 7 bytes; delete it, and fetch again$/,
    );
  });
});

Deno.test("hubPath() finds what was fetched by branch, tag and commit, without the network", async () => {
  await withHub(async (hub, cache) => {
    const client = clientOf(hub);
    await fetchInto(cache, client, await placeOf(client, "config.json"));
    await keepCommit(cache, "owner/name", "v1", commit);
    const asked = hub.asked.length;
    for (const revision of ["", "@main", "@v1", `@${commit}`]) {
      const folder = await hubPath(`hf://owner/name${revision}`, cache);
      assert.deepEqual(await Deno.readFile(`${folder}/config.json`), files["config.json"]);
      assert.equal(
        await hubPath(`hf://owner/name${revision}/config.json`, cache),
        `${folder}/config.json`,
      );
    }
    assert.equal(hub.asked.length, asked);
    for (
      const [name, got] of [
        ["hf://owner/name@v2", "no revision v2"],
        ["hf://owner/name/other.txt", `no such path at ${commit.slice(0, 7)}`],
        [`hf://owner/name@${commitOf("?")}`, `no such path at ${commitOf("?").slice(0, 7)}`],
      ]
    ) {
      await assert.rejects(hubPath(name, cache), {
        message: `Cannot find ${name} in ${cache}: expected what was fetched before, got ${got}; ` +
          "run `deno task fetch --sweep …`",
      });
    }
  });
});

Deno.test("two fetches of one file at once ask for its bytes once, by a lock", async () => {
  await withHub(async (hub, cache) => {
    const clients = [clientOf(hub), clientOf(hub)];
    const place = await placeOf(clients[0], large);
    const paths = await Promise.all(
      clients.map((client) => fetchInto(cache, client, place, lockFile)),
    );
    for (const path of paths) assert.deepEqual(await Deno.readFile(path), files[large]);
    assert.equal(hub.asked.filter(({ server }) => server === "store").length, 1);
    const lock = `${cache}/.locks/models--owner--name/${place.file.sha256}.lock`;
    assert((await Deno.stat(lock)).isFile, "where Python's filelock has it");
  });
});
