import assert from "node:assert/strict";
import { auditFamily } from "../../src/audit_sweep.ts";
import { encodeModel, train } from "../_families.ts";
import { inTempDir } from "../_files.ts";
import { clientOf } from "./_client.ts";
import { startHub } from "./_loopback.ts";
import { repositoryOf } from "./_tiny.ts";

Deno.test("a family is audited by what the hub lists, and no weights are asked for", async () => {
  const steps = [0, 1, 2, 4, 8];
  const models = train(steps, 1).map(encodeModel);
  const served = models.with(1, models[4]); // the last, at step 1
  const branches = Object.fromEntries(served.map((bytes, c) => [`step${steps[c]}`, {
    "config.json": new TextEncoder().encode("{}"),
    "model.safetensors": bytes,
  }]));
  const hub = startHub({
    "lab/mini": repositoryOf({ main: { "README.md": models[0] }, ...branches }),
  });
  try {
    const client = clientOf(hub);
    await inTempDir(async (out) => {
      const revisions = await client.revisions("lab/mini");
      const findings = await auditFamily("lab/mini", revisions, out, { files: client.files });
      assert.deepEqual(findings.map(({ sentence }) => sentence), [
        "Step 1 has the weights of the last checkpoint, step 8, bit for bit",
      ]);
    });
    assert.deepEqual(new Set(hub.asked.map(({ server }) => server)), new Set(["hub"]));
    assert(hub.asked.every(({ path }) => path.startsWith("/api/models/lab/mini/")));
  } finally {
    await hub.close();
  }
});
