import assert from "node:assert/strict";
import { isHubName, isRepoPath, parseHubName, showHubName } from "../src/hub_name.ts";
import { randomFrom } from "../src/random.ts";

const names: Readonly<Record<string, readonly [repo: string, revision: string, path: string]>> = {
  "hf://EleutherAI/pythia-70m-deduped": ["EleutherAI/pythia-70m-deduped", "main", ""],
  "hf://EleutherAI/pythia-70m@step512": ["EleutherAI/pythia-70m", "step512", ""],
  "hf://owner/name@step1/": ["owner/name", "step1", ""],
  "hf://owner/name@step1/layers.3/sae": ["owner/name", "step1", "layers.3/sae"],
  "hf://owner/name/layers.3": ["owner/name", "main", "layers.3"],
  "hf://owner/name@feature%2Fa/x": ["owner/name", "feature/a", "x"],
  "hf://owner/name@refs/pr/1/x": ["owner/name", "refs/pr/1", "x"],
  "hf://owner/name@refs/pr/1": ["owner/name", "refs/pr/1", ""],
  "hf://owner/name@refs/x": ["owner/name", "refs", "x"],
  "hf://gpt2": ["gpt2", "main", ""],
  "hf://gpt2@main/config.json": ["gpt2", "main", "config.json"],
  "hf://datasets/owner/name/a b/é.parquet": ["datasets/owner/name", "main", "a b/é.parquet"],
  "hf://datasets/owner/name@refs/convert/parquet/default/train/0.parquet": [
    "datasets/owner/name",
    "refs/convert/parquet",
    "default/train/0.parquet",
  ],
  "hf://datasets/squad@main/a": ["datasets/squad", "main", "a"],
};
for (const [name, [repo, revision, path]] of Object.entries(names)) {
  Deno.test(`parseHubName() takes ${name} apart`, () => {
    assert(isHubName(name));
    assert.deepEqual(parseHubName(name), { repo, revision, path });
    const again = showHubName({ repo, revision, path });
    assert.deepEqual(parseHubName(again), { repo, revision, path }, again);
  });
}

const others = [
  "hf://",
  "hf:///name",
  "hf://../name",
  "hf://owner/..",
  "hf://owner/a..b",
  "hf://owner/a--b",
  "hf://owner/name@",
  "hf://owner/name@../..",
  "hf://owner/name@..%2F..",
  "hf://owner/name@a%2F..%2Fb",
  "hf://owner/name@main/../x",
  "hf://owner/name@main//x",
  "hf://owner/name@main/C:/x",
  "hf://owner/name@main/a\\b",
  "hf://owner/name@main/a\nb",
  "hf://owner name/x",
  "HF://owner/name",
  "models/step0",
];
Deno.test("parseHubName() refuses what is another name, or leads elsewhere", () => {
  for (const name of others) {
    assert.throws(() => parseHubName(name), /^DataError: Cannot read ".*": expected hf:\/\/owner/s);
  }
});

Deno.test("isRepoPath() is true only of paths that stay below, in 1,000 random ones", () => {
  const random = randomFrom(5);
  const parts = ["..", ".", "", "a", "b.c", "...", "a..", " "];
  let nRight = 0;
  for (let i = 0; i < 1000; i++) {
    const path = Array.from(
      { length: 1 + 3 * random() },
      () => parts[Math.floor(parts.length * random())],
    ).join("/");
    if (!isRepoPath(path)) continue;
    nRight++;
    assert.equal(
      new URL(`file:///top/${path.replaceAll(" ", "x")}`).pathname,
      `/top/${path.replaceAll(" ", "x")}`,
    );
  }
  assert(nRight > 100);
});
