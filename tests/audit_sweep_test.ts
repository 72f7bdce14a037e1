import assert from "node:assert/strict";
import type { Finding } from "../src/audit_findings.ts";
import { auditFamily, auditSweep, type ListedFile } from "../src/audit_sweep.ts";
import { type AuditInfo, findAudit, readAudit, writeAudit } from "../src/audit_table.ts";
import { bytesInMemory } from "../src/files.ts";
import { readSweep, type Sweep } from "../src/sweep.ts";
import { encodeModel, type MiniModel, train } from "./_families.ts";
import { inTempDir } from "./_files.ts";

const steps = [0, 1, 2, 4, 8, 16, 32];
const told = (findings: readonly Finding[]) => findings.map(({ sentence }) => sentence);

// A sweep of mini models on the disk, and none of what only an extraction needs.
async function sweepOf(folder: string, models: readonly MiniModel[]): Promise<Sweep> {
  const checkpoints = steps.map((step) => ({
    name: `step${step}`,
    step,
    model: { name: `models/step${step}`, path: `${folder}/models/step${step}` },
    sae: { name: "sae", path: `${folder}/sae` },
    losses: {},
  }));
  for (const [c, { model }] of checkpoints.entries()) {
    await Deno.mkdir(model.path, { recursive: true });
    await Deno.writeFile(`${model.path}/model.safetensors`, encodeModel(models[c]));
  }
  const nothing = { name: "", path: "" };
  return {
    where: `${folder}/sweep.json`,
    name: "mini",
    tokens: { ...nothing, column: "input_ids" },
    tokenizer: undefined,
    checkpoints,
    reference: 32,
    center: "auto",
    ceiling: undefined,
  };
}

Deno.test("auditSweep() finds nothing in fixtures/tiny, and says so in audit.arrow", async () => {
  await inTempDir(async (out) => {
    const sweep = await readSweep("fixtures/tiny/sweep.json");
    const seen: [number, number][] = [];
    const onDone = ({ step, parts }: { step: number; parts: readonly unknown[] }) =>
      seen.push([step, parts.length]);
    assert.deepEqual(await auditSweep(sweep, out, { onDone }), []);
    const { findings, info } = (await findAudit(out))!;
    assert.deepEqual(findings, []);
    assert.deepEqual(info.steps, [0, 1, 4, 16, 64, 128, 256, 512, 1000, 2000, 4000]);
    assert.equal(info.looked_at, "tensors");
    assert.deepEqual(seen, info.steps.map((step) => [step, 52]));
    assert.deepEqual(await auditSweep(sweep, out, { steps: [0, 64] }), []);
    assert.deepEqual((await findAudit(out))!.info.steps, [0, 64]);
  });
});

Deno.test("auditSweep() finds wrong and broken files, and goes on", async () => {
  await inTempDir(async (folder) => {
    const models = train(steps, 1);
    const sweep = await sweepOf(folder, models.with(1, models[0]).with(3, models[6]));
    const at = (step: number, name: string) => `${folder}/models/step${step}/${name}`;
    await Deno.writeFile(at(16, "model.safetensors"), new Uint8Array(5));
    await Deno.remove(at(8, "model.safetensors"));
    const shard = "model-00001-of-00002.safetensors";
    await Deno.writeFile(at(8, shard), encodeModel(models[4]));
    const index = { weight_map: { a: shard, b: "model-00002-of-00002.safetensors" } };
    await Deno.writeTextFile(at(8, "model.safetensors.index.json"), JSON.stringify(index));
    const findings = await auditSweep(sweep, folder);
    assert.deepEqual(told(findings), [
      "Step 4 has the weights of the last checkpoint, step 32, bit for bit",
      "Step 8 lacks shards: model-00002-of-00002.safetensors",
      `Step 16 cannot be read: Cannot read ${at(16, "model.safetensors")}: expected at least 8 ` +
      "bytes, got 5; get the file again",
      "Steps 0 and 1 have the same weights, bit for bit, and follow each other",
    ]);
    assert.deepEqual((await findAudit(folder))!.findings, findings);
  });
});

Deno.test("auditSweep() takes the hub's word for models that are there, and reads none", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepOf(folder, train(steps, 2));
    const model = (step: number) => ({ name: `hf://lab/mini@step${step}/sub`, path: "nowhere" });
    const there = {
      ...sweep,
      checkpoints: sweep.checkpoints.map((of) => ({ ...of, model: model(of.step) })),
    };
    const asked: string[] = [];
    const files = (repo: string, revision: string): Promise<ListedFile[]> => {
      asked.push(`${repo}@${revision}`);
      const sha256 = revision === "step2" ? "step32" : revision;
      return Promise.resolve([
        { path: "sub/config.json", size: 9, oid: "same everywhere" },
        { path: "sub/model.safetensors", size: 5000, sha256, oid: `pointer ${revision}` },
        { path: "sub/training_args.bin", size: 5000, sha256: "same everywhere", oid: "" },
        { path: "model.safetensors", size: 5000, sha256: "same everywhere", oid: "" },
      ]);
    };
    assert.deepEqual(told(await auditSweep(there, folder, { files })), [
      "Step 2 has the weights of the last checkpoint, step 32, bit for bit",
    ]);
    assert.deepEqual(asked, steps.map((step) => `lab/mini@step${step}`));
    assert.equal((await findAudit(folder))!.info.looked_at, "files");
  });
});

Deno.test("auditFamily() takes the revisions of the first stage, each step once, by lists alone", async () => {
  await inTempDir(async (out) => {
    const names = [
      "main",
      "stage2-step1000-tokens5B",
      "stage1-step300000-tokens630B",
      "stage1-step101000-tokens212B",
      "stage1-step150000-tokens315B",
      "stage1-step175000-tokens367B",
      "stage1-step150000-tokens315B",
      "stage1-step400000-tokens839B",
    ];
    const asked: string[] = [];
    const files = (_: string, revision: string): Promise<ListedFile[]> => {
      asked.push(revision);
      const of = /101000|175000|300000/.test(revision) ? "stuck" : revision;
      return Promise.resolve([1, 2].map((s) => ({
        path: `model-0000${s}-of-00002.safetensors`,
        size: 5000,
        sha256: `${of} ${s}`,
        oid: "",
      })));
    };
    const revisions = names.map((name) => ({ name }));
    const findings = await auditFamily("lab/mini", revisions, out, { files });
    assert.deepEqual(told(findings), [
      "Steps 101000, 175000 and 300000 have the same weights, bit for bit",
    ]);
    assert.deepEqual(asked, [names[3], names[4], names[5], names[2], names[7]]);
    await assert.rejects(auditFamily("lab/mini", [{ name: "main" }], out, { files }), {
      name: "DataError",
      message: "Cannot audit hf://lab/mini: expected revisions named for steps, such as step512, " +
        "got main",
    });
  });
});

const info: AuditInfo = { format: 1, fingerprint: "f", looked_at: "files", steps: [0, 5] };

function tableOf(findings: readonly Finding[], about: object = info): Uint8Array {
  const parts: Uint8Array[] = [];
  writeAudit({ write: (part) => parts.push(part.slice()) }, findings, about as AuditInfo);
  return new Uint8Array(parts.flatMap((part) => [...part]));
}

Deno.test("audit.arrow holds whatever was found", async () => {
  const findings: Finding[] = [
    { kind: "identical", severity: "error", steps: [0, 5, 70000], parts: [], sentence: "Ä → <b>" },
    { kind: "dtype", severity: "warning", steps: [5], parts: ["a.b", "c d"], sentence: "" },
  ];
  for (const some of [findings, []]) {
    const read = await readAudit(bytesInMemory("audit.arrow", tableOf(some)));
    assert.deepEqual(read, { findings: some, info });
  }
});

Deno.test("what is no audit is refused", async () => {
  const odd = { kind: "odd", severity: "error", steps: [], parts: [], sentence: "" };
  const bad: Record<string, [Uint8Array, RegExp]> = {
    "another file": [new Uint8Array(20), /^Cannot read audit\.arrow: expected an Arrow file, got /],
    "another format": [
      tableOf([], { ...info, format: 2 }),
      /^Cannot read metadata "audit" of audit\.arrow: expected format 1, got 2; /,
    ],
    "no steps": [
      tableOf([], { ...info, steps: 5 }),
      /^Cannot read the audit in audit\.arrow: expected a list "steps", got 5; run /,
    ],
    "a kind from elsewhere": [
      tableOf([odd as unknown as Finding]),
      /^Cannot read the audit in audit\.arrow: expected a kind of final early, .*, got "odd"; run /,
    ],
  };
  for (const [name, [bytes, message]] of Object.entries(bad)) {
    const read = readAudit(bytesInMemory("audit.arrow", bytes as Uint8Array<ArrayBuffer>));
    await assert.rejects(read, { name: "DataError", message }, name);
  }
});

Deno.test("a folder that was not audited has no audit", async () => {
  await inTempDir(async (out) => assert.equal(await findAudit(out), undefined));
});
