import assert from "node:assert/strict";
import { keepCommit, keepFile, linkOwn, removeOwn } from "../src/hub_cache.ts";
import type { HubFile } from "../src/hub_name.ts";
import { hubPath, ownPath } from "../src/hub_path.ts";
import { inTempDir } from "./_files.ts";

interface Layout {
  readonly huggingface_hub: string;
  readonly commit: string;
  readonly files: Readonly<Record<string, readonly (HubFile & { readonly text: string })[]>>;
  readonly wanted: readonly { repo: string; path: string; revision: string }[];
  readonly cache: Readonly<Record<string, { readonly text?: string; readonly link?: string }>>;
}

const layout: Layout = JSON.parse(
  await Deno.readTextFile(new URL("../fixtures/hub_cache/layout.json", import.meta.url)),
);
const { commit } = layout;
const fileOf = (repo: string, path: string) =>
  layout.files[repo].find((file) => file.path === path)!;

// What lies in a folder: text of files, targets of links. Locks count as nothing.
function entriesIn(folder: string, prefix = ""): Layout["cache"] {
  return Object.fromEntries(
    [...Deno.readDirSync(`${folder}/${prefix}`)].flatMap(({ name, isDirectory, isSymlink }) => {
      const path = prefix + name;
      if (name === ".locks") return [];
      if (isDirectory) return Object.entries(entriesIn(folder, `${path}/`));
      if (isSymlink) return [[path, { link: Deno.readLinkSync(`${folder}/${path}`) }]];
      return [[path, { text: Deno.readTextFileSync(`${folder}/${path}`) }]];
    }),
  );
}

async function writeEntries(folder: string, entries: Layout["cache"]): Promise<void> {
  for (const [path, { text, link }] of Object.entries(entries)) {
    await Deno.mkdir(`${folder}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    if (text !== undefined) await Deno.writeTextFile(`${folder}/${path}`, text);
    if (link !== undefined) await Deno.symlink(link, `${folder}/${path}`);
  }
}

async function keepAll(cache: string): Promise<string[]> {
  const asked: string[] = [];
  for (const { repo, path, revision } of layout.wanted) {
    const file = fileOf(repo, path);
    await keepCommit(cache, repo, revision, commit);
    await keepFile(cache, { repo, commit, file }, (start, write) => {
      asked.push(path);
      write(new TextEncoder().encode(file.text).subarray(start));
      return Promise.resolve();
    });
  }
  return asked;
}

Deno.test(`hubPath() finds what huggingface_hub ${layout.huggingface_hub} has kept`, async () => {
  await inTempDir(async (cache) => {
    await writeEntries(cache, layout.cache);
    for (const { repo, path, revision } of layout.wanted) {
      const found = await hubPath(`hf://${repo}@${revision}/${path}`, cache);
      assert.equal(await Deno.readTextFile(found), fileOf(repo, path).text);
    }
  });
});

Deno.test("keepFile() asks for nothing that Python has kept", async () => {
  await inTempDir(async (cache) => {
    await writeEntries(cache, layout.cache);
    assert.deepEqual(await keepAll(cache), []);
    assert.deepEqual(entriesIn(cache), layout.cache);
  });
});

Deno.test("keepFile() makes the folders, files and links that Python makes", async () => {
  await inTempDir(async (cache) => {
    const asked = await keepAll(cache);
    assert.deepEqual(asked, layout.wanted.map(({ path }) => path));
    assert.deepEqual(entriesIn(cache), layout.cache);
  });
});

const [repo, path] = ["owner/name", "sub/folder/sae.safetensors"];
const place = { repo, commit, file: fileOf(repo, path) };
const bytes = new TextEncoder().encode(place.file.text);

Deno.test("keepFile() goes on from a part, begins anew after a spoiled one, keeps a good part", async () => {
  await inTempDir(async (cache) => {
    const beside = `${cache}/models--owner--name/blobs/${place.file.sha256}.incomplete`;
    await Deno.mkdir(`${cache}/models--owner--name/blobs`, { recursive: true });
    const parts: [Uint8Array, number[]][] = [
      [bytes.subarray(0, 5), [5]],
      [bytes, [bytes.length]],
      [new Uint8Array(5), [5, 0]],
      [new Uint8Array(bytes.length + 1), [0]],
    ];
    for (const [part, expected] of parts) {
      await Deno.writeFile(beside, part);
      const starts: number[] = [];
      const at = await keepFile(cache, place, (start, write) => {
        starts.push(start);
        write(bytes.subarray(start));
        return Promise.resolve();
      });
      assert.deepEqual(starts, expected);
      assert.deepEqual(await Deno.readFile(at), bytes);
      await Deno.remove(`${cache}/models--owner--name/blobs/${place.file.sha256}`);
    }
    const fail = keepFile(cache, place, (_, write) => {
      write(bytes.subarray(0, 7));
      return Promise.reject(new RangeError("cut"));
    });
    await assert.rejects(fail, RangeError);
    assert.deepEqual(await Deno.readFile(beside), bytes.slice(0, 7));
  });
});

Deno.test("keepFile() says so when the disk refuses", async () => {
  await inTempDir(async (folder) => {
    await Deno.writeTextFile(`${folder}/cache`, "a file");
    await assert.rejects(
      keepFile(`${folder}/cache`, place, () => Promise.resolve()),
      /^DataError: Cannot write .*: expected a folder that can be written, got /,
    );
  });
});

Deno.test("a model in part comes before the whole one, until its part is removed", async () => {
  await inTempDir(async (cache) => {
    await writeEntries(cache, layout.cache);
    const config = fileOf(repo, "config.json");
    const whole = await hubPath("hf://owner/name", cache);
    await linkOwn(cache, { repo, commit, file: config });
    const own = await hubPath("hf://owner/name", cache);
    assert.equal(own, ownPath(cache, repo, commit, ""));
    assert.equal(await Deno.readTextFile(`${own}/config.json`), config.text);
    await removeOwn(cache, repo, commit, "");
    assert.equal(await hubPath("hf://owner/name", cache), whole);
  });
});
