// The folders of reordered SAEs: what is kept, what is said, and when they are made again.

import assert from "node:assert/strict";
import { extractSweep } from "../src/extract_sweep.ts";
import { openFile } from "../src/files.ts";
import { matchSweep } from "../src/match_sweep.ts";
import { readEntries, readFloats } from "../src/safetensors.ts";
import { readSweep } from "../src/sweep.ts";
import { writeReordered, writeReorderedSae } from "../src/write_reordered.ts";
import { inTempDir } from "./_files.ts";

const goldens = new URL("../fixtures/goldens/", import.meta.url).pathname;
const manifest = JSON.parse(Deno.readTextFileSync(`${goldens}manifest.json`));
const origin = { format: 1, fingerprint: "x", step: 1, reference: 2, metric: "cosine" } as const;
const F = 32;

for (const name of Object.keys(manifest.saes)) {
  Deno.test(`SAE ${name} in its own order has its own files, and says so in cfg.json`, async () => {
    await inTempDir(async (folder) => {
      const from = `${goldens}saes/${name}`;

      const info = await writeReorderedSae(from, folder, [...Array(F).keys()], origin);

      assert.deepEqual(info, { ...origin, n_absent: 0, n_copies: 0, is_exact: true });
      for (const { name: file } of Deno.readDirSync(from)) {
        const [theirs, ours] = [from, folder].map((of) => Deno.readFileSync(`${of}/${file}`));
        if (file !== "cfg.json") assert.deepEqual(ours, theirs, file);
      }
      const [theirs, ours] = [from, folder].map((of) =>
        JSON.parse(Deno.readTextFileSync(`${of}/cfg.json`))
      );
      assert.deepEqual(ours, { ...theirs, d_sae: F, reordered: info });
    });
  });
}

Deno.test("writeReorderedSae() refuses the files of another collection", async () => {
  const from = new URL("../fixtures/sae_formats/sparsify/layers.0", import.meta.url).pathname;
  await inTempDir(async (folder) => {
    await assert.rejects(writeReorderedSae(from, folder, [0], origin), {
      name: "DataError",
      message: `Cannot reorder the SAE of ${from}: expected the files of SAELens, got those of ` +
        "sparsify; load it with SAELens and save it again",
    });
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("writeReordered() writes the SAEs of a matched sweep, once", async () => {
  await inTempDir(async (folder) => {
    const end = `${goldens}end_to_end`;
    const steps: number[] = manifest.end_to_end.config.ckpts.map(([index]: [number]) => index);
    const checkpoints = steps.map((step) => ({
      step,
      model: `${end}/ckpt_${step}/model`,
      sae: `${end}/ckpt_${step}/sae`,
    }));
    const text = JSON.stringify({ tokens: { path: `${end}/dataset.parquet` }, checkpoints });
    Deno.writeTextFileSync(`${folder}/sweep.json`, text);
    const sweep = await readSweep(`${folder}/sweep.json`);
    const [first] = sweep.checkpoints;
    await extractSweep(sweep, folder, { totalTokens: 1024 });

    await assert.rejects(writeReordered(first, sweep, folder), {
      name: "DataError",
      message: `Cannot reorder step ${first.step} in ${folder}: expected ` +
        `${folder}/matches/step${first.step}.arrow, got nothing there; ` +
        "run `deno task match` with the same --sweep and --out first",
    });

    const options = { nullRotations: 0, nullExchanges: 0, bootstrap: 0 };
    const summary = await matchSweep(sweep, folder, options);
    for (const [c, checkpoint] of sweep.checkpoints.entries()) {
      const { info, wasThere } = await writeReordered(checkpoint, sweep, folder);
      assert.equal(wasThere, false);
      assert.deepEqual(await writeReordered(checkpoint, sweep, folder), { info, wasThere: true });

      const rowsOf = async (of: string) => {
        const entries = await readEntries(await openFile(`${of}/sae_weights.safetensors`));
        const { shape: [n, D] } = entries.get("W_dec")!;
        const values = await readFloats(entries.get("W_dec")!);
        return Array.from({ length: n }, (_, f) => [...values.subarray(f * D, (f + 1) * D)]);
      };
      const theirs = await rowsOf(checkpoint.sae.path);
      const { best } = summary.checkpoints[c].match;
      const isReference = checkpoint.step === sweep.reference;
      const unit = theirs[0].map((_, d) => d === 0 ? 1 : 0);
      assert.deepEqual(
        await rowsOf(`${folder}/reordered/${checkpoint.name}`),
        isReference ? theirs : [...best].map((j) => j < 0 ? unit : theirs[j]),
      );
      const nAbsent = [...best].filter((j) => j < 0).length;
      assert.equal(info.n_absent, isReference ? 0 : nAbsent);
    }

    const other = { ...first, sae: sweep.checkpoints[1].sae };
    await assert.rejects(writeReordered(other, sweep, folder, { force: true }), {
      name: "DataError",
      message: /: expected the SAE that the activations were made with, got another /,
    });

    await matchSweep(sweep, folder, { ...options, metric: "pearson", force: true });
    await assert.rejects(writeReordered(first, sweep, folder), {
      name: "DataError",
      message: /^Cannot reuse .*\/reordered\/step\d+: expected a file made from inputs .*pearson/,
    });
    assert.equal((await writeReordered(first, sweep, folder, { force: true })).wasThere, false);

    await extractSweep(sweep, folder, { totalTokens: 64, force: true });
    await assert.rejects(writeReordered(first, sweep, folder), {
      name: "DataError",
      message: /^Cannot reorder step \d+ in .*: expected a match of .*, got one of .*; run /,
    });
  });
});
