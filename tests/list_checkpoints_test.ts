import assert from "node:assert/strict";
import { DataError } from "../src/errors.ts";
import {
  listFamily,
  listHubModels,
  listModels,
  listRuns,
  listSaes,
  readHubRevisions,
} from "../src/list_checkpoints.ts";
import { inTempDir } from "./_files.ts";

const root = new URL("../", import.meta.url).pathname;
const tiny = `${root}fixtures/tiny`;

/** Writes empty files, or those with a text, into folders that are made for them. */
async function plant(folder: string, files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(`${folder}/${path.slice(0, path.lastIndexOf("/") + 1)}`, { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
}

Deno.test(
  "listSaes() and listModels() find folders at any depth, and tell one from the other",
  () =>
    inTempDir(async (folder) => {
      await plant(folder, {
        "step1/model/config.json": "{}",
        "step1/sae/cfg.json": '{"model_name": "m"}',
        "step2/model/config.json": "{}",
        "step2/trainer_0/config.json": "{}",
        "step2/trainer_0/ae.pt": "",
        "gemma/average_l0_71/params.npz": "",
        "llama/hyperparams.json": "{}",
        "notes.txt": "",
      });
      const short = (listed: readonly { path: string; names: readonly string[] }[]) =>
        listed.map(({ path, names }) => [path.slice(folder.length + 1), names.join("/")]);
      const saes = await listSaes(`${folder}/`);
      const twice = (path: string) => [path, path];
      assert.deepEqual(short(saes), [
        twice("gemma/average_l0_71"),
        twice("llama"),
        twice("step1/sae"),
        twice("step2/trainer_0"),
      ]);
      assert.deepEqual(saes.map(({ cfg }) => cfg), [
        undefined,
        undefined,
        { model_name: "m" },
        undefined,
      ]);
      assert.deepEqual(short(await listModels(folder)), [
        twice("step1/model"),
        twice("step2/model"),
      ]);
      assert.deepEqual((await listSaes(`${folder}/step1/sae`)).map(({ names }) => names), [[
        "sae",
      ]]);
    }),
);

Deno.test("listSaes() ends with a folder that holds itself", () =>
  inTempDir(async (folder) => {
    await plant(folder, { "step1/cfg.json": "{}" });
    await Deno.symlink(folder, `${folder}/again`);
    const saes = await listSaes(folder);
    assert(saes.length > 1 && saes.length < 10, `${saes.length}`);
  }));

Deno.test("an empty folder, and one that is not there, have no SAEs, models or runs", () =>
  inTempDir(async (folder) => {
    for (const path of [folder, `${folder}/none`]) {
      const nothing = (thing: string) => (error: unknown) => {
        assert(error instanceof DataError);
        assert(error.message.startsWith(`Cannot find ${thing} in ${path}: expected ${thing}`));
        return true;
      };
      await assert.rejects(listSaes(path), nothing("an SAE"));
      await assert.rejects(listModels(path), nothing("a model"));
      await assert.rejects(listRuns(path), nothing("a .wandb file"));
    }
  }));

Deno.test("listRuns() reads wandb's files, and those with a tag alone", async () => {
  const ids = async (tag?: string) =>
    (await listRuns(`${root}fixtures/wandb/0.31.0`, tag)).map(({ id }) => id);
  assert.deepEqual(await ids(), ["failed", "odd", "run143000", "run512"]);
  assert.deepEqual(await ids("tiny-l1-3"), ["failed", "run143000", "run512"]);
  assert.deepEqual(await ids("added"), ["odd"]);
  assert.deepEqual(await ids("nobody's"), []);
  assert.equal((await listRuns(`${root}fixtures/wandb`)).length, 8);
});

Deno.test("listFamily() lists a folder that is there, and else asks the hub", async () => {
  const asked: string[] = [];
  const revisions = (repo: string) => {
    asked.push(repo);
    return Promise.resolve([{ name: "step1", commit: "c1" }]);
  };
  assert.equal((await listFamily([`${tiny}/models`], revisions)).length, 11);
  assert.deepEqual(asked, []);
  const models = await listFamily(["hf://lab/gpt", "lab/gpt-2"], revisions);
  assert.deepEqual(models.map(({ path }) => path), ["hf://lab/gpt@step1", "hf://lab/gpt-2@step1"]);
  assert.deepEqual(asked, ["lab/gpt", "lab/gpt-2"]);
});

Deno.test("listHubModels() names a commit by itself where its title tells the step", async () => {
  const commit = "c0ffee".padEnd(40, "0");
  const revisions = () => Promise.resolve([{ name: "Saving HF Model -- Step 1000", commit }]);
  const [{ path }] = await listHubModels(["pico-lm/pico-decoder-tiny"], revisions);
  assert.equal(path, `hf://pico-lm/pico-decoder-tiny@${commit}`);
});

Deno.test("readHubRevisions() asks for branches and tags, with the token", async () => {
  const asked: [string, string | null][] = [];
  const send = (url: string, { headers }: RequestInit) => {
    asked.push([url, new Headers(headers).get("authorization")]);
    return Promise.resolve(Response.json({
      branches: [{ name: "main", ref: "refs/heads/main", targetCommit: "c1" }],
      converts: [{ name: "x", targetCommit: "c2" }],
      tags: [{ name: "step1", targetCommit: "c3" }],
    }));
  };
  const expected = [{ name: "main", commit: "c1" }, { name: "step1", commit: "c3" }];
  assert.deepEqual(await readHubRevisions("lab/gpt", { send, endpoint: "" }), expected);
  const endpoint = "http://127.0.0.1:9/";
  assert.deepEqual(await readHubRevisions("gpt2", { send, endpoint, token: "t" }), expected);
  assert.deepEqual(asked, [
    ["https://huggingface.co/api/models/lab/gpt/refs", null],
    ["http://127.0.0.1:9/api/models/gpt2/refs", "Bearer t"],
  ]);
});

const hubs: Record<string, [() => Promise<Response>, RegExp]> = {
  "that cannot be reached": [
    () => Promise.reject(new TypeError("connection refused")),
    /^Cannot list revisions of lab\/gpt at https:\/\/huggingface\.co: expected an answer, got connection refused; a private repository wants a token in HF_TOKEN$/,
  ],
  "that knows no such repository": [
    () => Promise.resolve(new Response("", { status: 404 })),
    /expected an answer, got status 404; a private repository wants a token in HF_TOKEN/,
  ],
  "that answers with text": [() => Promise.resolve(new Response("<html>")), /got Unexpected token/],
  "whose branches are no list": [
    () => Promise.resolve(Response.json({ branches: {} })),
    /"branches" in lab\/gpt at \S+: expected a list, got \{\}/,
  ],
  "whose tags have no commit": [
    () => Promise.resolve(Response.json({ tags: [{ name: "a" }] })),
    /"tags" in \S+ at \S+: expected names and commits, got \{"name":"a"\}/,
  ],
};

for (const [name, [send, message]] of Object.entries(hubs)) {
  Deno.test(`readHubRevisions() refuses a hub ${name}, and says no token`, async () => {
    await assert.rejects(readHubRevisions("lab/gpt", { send, token: "secret" }), (error) => {
      assert(error instanceof DataError, String(error));
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  });
}

Deno.test("readHubRevisions() hands on what a sender refuses in its own words", async () => {
  const error = new DataError("fetch", { where: "a", expected: "b", got: "c" });
  const send = () => Promise.reject(error);
  await assert.rejects(readHubRevisions("lab/gpt", { send }), (thrown) => thrown === error);
});

Deno.test("readHubRevisions() asks for nothing but a repository", async () => {
  const send = () => assert.fail("asked");
  for (const repo of ["", "a/b/c", "../x", "a/..", "a b", "a?b", "a/b#c", "https://a/b", "a%2fb"]) {
    await assert.rejects(readHubRevisions(repo, { send }), RangeError, repo);
  }
});
