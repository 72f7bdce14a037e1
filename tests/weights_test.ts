import assert from "node:assert/strict";
import { encodeSafetensors, readFloats } from "../src/safetensors.ts";
import { readWeights } from "../src/weights.ts";

type Files = Readonly<Record<string, Uint8Array | string>>;

/** Runs an act on a folder of these files, which is removed afterwards. */
async function inFolder(files: Files, act: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, data] of Object.entries(files)) {
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    await act(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A safetensors file of tensors of one element. */
function tensors(values: Readonly<Record<string, number>>): Uint8Array {
  return encodeSafetensors(
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => [name, {
        shape: [1],
        data: Float32Array.of(value),
      }]),
    ),
  );
}

const index = (map: unknown) => JSON.stringify({ metadata: {}, weight_map: map });
const goldens = new URL("../fixtures/goldens/models/", import.meta.url).pathname;
const bin = await Deno.readFile(`${goldens}main-fp16/pytorch_model.bin`);

Deno.test("readWeights() reads the golden models", async () => {
  for (const name of ["main-fp16", "main-fp32", "sequential-fp32"]) {
    const { where, entries, files } = await readWeights(goldens + name);
    assert.equal(where, goldens + name);
    assert(entries.has("gpt_neox.embed_in.weight"));
    assert.deepEqual(files.map((file) => file.name), [`${goldens}${name}/model.safetensors`]);
  }
});

Deno.test("readWeights() takes safetensors before torch's, and a whole file before shards", async () => {
  const all: Files = {
    "model.safetensors": tensors({ a: 1 }),
    "model.safetensors.index.json": index({ b: "s.safetensors" }),
    "s.safetensors": tensors({ b: 2 }),
    "pytorch_model.bin": bin,
    "pytorch_model.bin.index.json": index({ "embed_out.weight": "pytorch_model.bin" }),
  };
  const order: [name: string, first: string, files: string[]][] = [
    ["model.safetensors", "a", ["model.safetensors"]],
    ["model.safetensors.index.json", "b", ["model.safetensors.index.json", "s.safetensors"]],
    ["pytorch_model.bin", "gpt_neox.embed_in.weight", ["pytorch_model.bin"]],
  ];
  const left = { ...all };
  for (const [name, first, used] of order) {
    await inFolder(left, async (folder) => {
      const { entries, files } = await readWeights(folder);
      assert.equal([...entries.keys()][0], first);
      assert.deepEqual(files.map((file) => file.name), used.map((name) => `${folder}/${name}`));
    });
    delete left[name];
  }
});

Deno.test("readWeights() reads torch shards", async () => {
  const files = {
    "pytorch_model.bin.index.json": index({ "embed_out.weight": "pytorch_model-1.bin" }),
    "pytorch_model-1.bin": bin,
  };
  await inFolder(files, async (folder) => {
    const { entries, files } = await readWeights(folder);
    assert.deepEqual([...entries.keys()], ["embed_out.weight"]);
    assert.equal(files[1].name, `${folder}/pytorch_model-1.bin`);
  });
});

Deno.test("readWeights() takes each tensor from the shard that its index names, and no other", async () => {
  const files = {
    "model.safetensors.index.json": index({ c: "two.safetensors", a: "one.safetensors" }),
    "one.safetensors": tensors({ a: 1, c: 9, unnamed: 9 }),
    "two.safetensors": tensors({ a: 9, c: 3 }),
  };
  await inFolder(files, async (folder) => {
    const { entries, files } = await readWeights(folder);
    const found: Record<string, number> = {};
    for (const [name, entry] of entries) [found[name]] = await readFloats(entry);
    assert.deepEqual(found, { c: 3, a: 1 });
    assert.deepEqual(
      files.map((file) => file.name.slice(folder.length + 1)),
      ["model.safetensors.index.json", "two.safetensors", "one.safetensors"],
    );
  });
});

const path = "FOLDER/model.safetensors.index.json";
const bad: Readonly<Record<string, [files: Files, message: string]>> = {
  "a folder without weights": [
    { "config.json": "{}" },
    "Cannot read weights of FOLDER: expected one of model.safetensors, " +
    "model.safetensors.index.json, pytorch_model.bin, pytorch_model.bin.index.json, " +
    "got none of them",
  ],
  "a missing shard": [
    { "model.safetensors.index.json": index({ a: "one.safetensors" }) },
    `Cannot read ${path}: expected one.safetensors beside it, got no such file; ` +
    "get the missing shard",
  ],
  "a tensor that is not in its shard": [
    {
      "model.safetensors.index.json": index({ a: "one.safetensors" }),
      "one.safetensors": tensors({ b: 1 }),
    },
    'Cannot read tensor "a" in FOLDER/one.safetensors: expected a tensor of that name, got "b"',
  ],
  "a damaged shard": [
    { "model.safetensors.index.json": index({ a: "one.safetensors" }), "one.safetensors": "x" },
    "Cannot read FOLDER/one.safetensors: expected at least 8 bytes, got 1; get the file again",
  ],
  "an index without a map": [
    { "model.safetensors.index.json": "{}" },
    `Cannot read ${path}: expected a weight_map from tensors to files, got nothing`,
  ],
  "an index whose map is a list": [
    { "model.safetensors.index.json": index(["one.safetensors"]) },
    `Cannot read ${path}: expected a weight_map from tensors to files, got ["one.safetensors"]`,
  ],
};
// deno-fmt-ignore
const escapes = [
  "../secret", "/etc/passwd", "..", ".", "", ".hidden", "a/../../b", "a\\b", "C:x", "a\0b", "a\n", 3,
];
for (const [name, [files, message]] of Object.entries(bad)) {
  Deno.test(`readWeights() rejects ${name}`, async () => {
    await inFolder(files, async (folder) => {
      const expected = message.replace("FOLDER", folder);
      await assert.rejects(readWeights(folder), { name: "DataError", message: expected });
    });
  });
}

Deno.test("readWeights() follows no index out of its folder", async () => {
  for (const file of escapes) {
    await inFolder({ "model.safetensors.index.json": index({ a: file }) }, async (folder) => {
      await assert.rejects(readWeights(folder), {
        name: "DataError",
        message: `Cannot read ${folder}/model.safetensors.index.json: ` +
          `expected plain file names, got ${JSON.stringify(file)}`,
      });
    });
  }
});
