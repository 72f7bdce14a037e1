// The data of the pages, on some checkpoints of fixtures/tiny: as the Arrow files say, both read.

import assert from "node:assert/strict";
import { readActivations, readTokenIds } from "../src/activation_table.ts";
import { openTable } from "../src/arrow.ts";
import { exportNeuronpedia } from "../src/export_neuronpedia.ts";
import { extractSweep } from "../src/extract_sweep.ts";
import { listNames, openFile } from "../src/files.ts";
import { logitLens, readUnembedding } from "../src/logit_lens.ts";
import { matchSweep, type MatchSweepOptions } from "../src/match_sweep.ts";
import { readSummary } from "../src/read_summary.ts";
import { readEntries, readFloats } from "../src/safetensors.ts";
import { readSae } from "../src/sae.ts";
import type { SiteFeature, SitePaths, SiteTable } from "../src/site_data.ts";
import { short } from "../src/site_shards.ts";
import type { Summary } from "../src/summary.ts";
import { readSweep, type Sweep } from "../src/sweep.ts";
import { readTokenTexts } from "../src/token_text.ts";
import { writeSite } from "../src/write_site.ts";
import { toRows, turned } from "./_naive.ts";

const fixture = new URL("../fixtures/tiny/", import.meta.url).pathname;
const steps = [0, 256, 4000];
const quick = { steps, nullRotations: 2, nullExchanges: 1, bootstrap: 5 };

async function inTempDir(
  options: MatchSweepOptions,
  act: (sweep: Sweep, out: string, made: Summary) => Promise<void>,
): Promise<void> {
  const out = await Deno.makeTempDir();
  try {
    const sweep = await readSweep(`${fixture}sweep.json`);
    await extractSweep(sweep, out, { steps, totalTokens: 8192 });
    await act(sweep, out, await matchSweep(sweep, out, options));
  } finally {
    await Deno.remove(out, { recursive: true });
  }
}

/** What a page gets from the shards. */
function loaded(out: string) {
  const shards = new Map<string, unknown>();
  const sae = (name: string, value: unknown) => shards.set(name, value);
  for (const { name } of Deno.readDirSync(`${out}/report/data`)) {
    new Function("sae", Deno.readTextFileSync(`${out}/report/data/${name}`))(sae);
    assert(shards.has(name.replace(/\.js$/, "")), name);
  }
  return {
    table: shards.get("table") as SiteTable,
    paths: shards.get("paths-0") as SitePaths,
    feature: (f: number) => shards.get(`feature-${f}`) as SiteFeature,
  };
}

/** A column of an Arrow file, null as NaN, a list as its values one after the other. */
async function column(path: string, name: string): Promise<ArrayLike<number>> {
  for await (const batch of (await openTable(await openFile(path))).batches()) {
    return batch.column(name);
  }
  return assert.fail("no batch");
}

/** Activations of a checkpoint by feature, as plain arrays. */
async function activationsAt(out: string, step: number): Promise<number[][]> {
  const { rows } = await readActivations(await openFile(`${out}/activations/step${step}.arrow`));
  return turned(toRows(rows), rows.nCols);
}

Deno.test("what the pages read is what the Arrow files say", async () => {
  await inTempDir(quick, async (sweep, out) => {
    const { summary, distance } = await readSummary(sweep, out);
    const site = await writeSite(sweep, summary, out, { distance, nSampled: 6 });
    const { table, paths, feature } = loaded(out);
    const F = summary.nFeatures;
    const ids = await readTokenIds(await openFile(`${out}/tokens.arrow`));
    const { texts } = await readTokenTexts(sweep.tokenizer!.path);
    const everywhere = await Promise.all(steps.map((step) => activationsAt(out, step)));
    const reference = everywhere[steps.length - 1];

    assert.deepEqual(table.steps, steps);
    assert.deepEqual(table.detailed, site.detailed);
    const active = await column(`${out}/features.arrow`, "n_active");
    const emergence = await column(`${out}/features.arrow`, "emergence");
    const high = await column(`${out}/features.arrow`, "emergence_high");
    const tokenShare = await column(`${out}/features.arrow`, "token_share");
    const similarity = await column(`${out}/features.arrow`, "similarity");
    for (let f = 0; f < F; f++) {
      assert.equal(table.rate[f], short(active[f] / ids.length));
      assert.equal(table.emergence[f], short(emergence[f]));
      assert.equal(table.emergenceHigh[f], short(high[f]));
      assert.equal(table.tokenShare[f], short(tokenShare[f]));
      assert.equal(table.similarity[f], short(similarity[f * steps.length + 1]));
    }
    for (const [f, feature] of reference.entries()) {
      const strongest = [...feature.keys()].filter((n) => feature[n] > 0)
        .sort((a, b) => feature[b] - feature[a] || a - b).slice(0, 20);
      const sums = new Map<string, number>(); // of the same text, spaces around it left out
      for (const n of strongest) {
        const text = texts[ids[n]].trim();
        sums.set(text, (sums.get(text) ?? 0) + feature[n]);
      }
      const [[first]] = [...sums].sort(([, a], [, b]) => b - a).concat([["", 0]]);
      if (first !== "") assert.equal(table.label[f].split(" · ")[0], first);
    }

    for (const [c, step] of steps.entries()) {
      const of = (name: string) => column(`${out}/matches/step${step}.arrow`, name);
      const [match, runnerUp, iou, q] = [
        await of("match"),
        await of("runner_up_cosine"),
        await of("iou"),
        await of("q_value"),
      ];
      const directions = await readFloats(
        (await readEntries(await openFile(`${fixture}saes/step${step}/sae_weights.safetensors`)))
          .get("W_dec")!,
      );
      for (let f = 0; f < paths.match.length; f++) {
        const j = match[f] < 0 ? null : match[f];
        assert.equal(paths.match[f][c], j);
        assert.equal(paths.runnerUp[f][c], short(runnerUp[f]));
        assert.equal(paths.iou[f][c], short(iou[f]));
        assert.equal(paths.q[f][c], short(q[f]));
        if (j === null) continue;
        const fires = everywhere[c][j].filter((a) => a > 0);
        assert.equal(paths.rate[f][c], short(fires.length / ids.length));
        assert.equal(paths.max[f][c], short(Math.max(...fires)));
        const mean = fires.reduce((sum, a) => sum + a, 0) / fires.length;
        assert.equal(paths.mean[f][c], short(mean));
        const norm = Math.hypot(...directions.subarray(j * 64, (j + 1) * 64));
        assert(Math.abs(paths.norm[f][c]! - norm) <= 6e-4 * norm, "as trained");
      }
    }

    let nContexts = 0;
    for (const f of site.detailed) {
      const { contexts, density, logits, ranks, neurons } = feature(f);
      const strongest = Math.max(...reference[f]);
      assert.equal(
        contexts[0].activations[2]![contexts[0].centre],
        short(strongest),
        "the first text is where it fires most strongly",
      );
      for (const { sequence, position, tokens, activations } of contexts) {
        const start = sequence * 128 + position;
        tokens.forEach((text, n) => assert.equal(text, texts[ids[start + n]]));
        activations.forEach((of, c) => {
          const j = paths.match[f]?.[c] ?? summary.checkpoints[c].match.best[f];
          if (j < 0) return assert.equal(of, null);
          assert.deepEqual(of, everywhere[c][j].slice(start, start + tokens.length).map(short));
        });
        nContexts++;
      }
      density.counts.forEach((counts, c) => {
        const j = summary.checkpoints[c].match.best[f];
        const n = counts.reduce((sum, of) => sum + of, 0);
        assert.equal(n, j < 0 ? 0 : everywhere[c][j].filter((a) => a > 0).length);
      });
      assert.deepEqual(ranks.ranks[2], ranks.tokens.map((_, r) => r + 1));
      assert.equal(logits[2]!.promoted[0].token, ranks.tokens[0]);
      const { decoder, dIn } = await readSae(`${fixture}saes/step4000`);
      const { neuron, weight } = neurons[0];
      assert.equal(weight, short(decoder[f * dIn + neuron]));
    }
    assert(nContexts > 50, `${nContexts} pieces of text`);
  });
});

Deno.test("readSummary() gives what matchSweep() gave, and writes nothing", async () => {
  await inTempDir({ ...quick, distance: 0.3 }, async (sweep, out, made) => {
    const before = await listNames(out);
    const { summary, distance } = await readSummary(sweep, out);
    assert.equal(distance, 0.3);
    assert.deepEqual(summary, made);
    assert.deepEqual(await listNames(out), before);
  });
});

Deno.test("readSummary() is of the last match, and refuses one of other activations", async () => {
  await inTempDir(quick, async (sweep, out) => {
    await matchSweep(sweep, out, { ...quick, chain: false });
    assert.deepEqual((await readSummary(sweep, out)).summary.links, []);

    await extractSweep(sweep, out, { steps, totalTokens: 4096, force: true });
    await assert.rejects(readSummary(sweep, out), {
      name: "DataError",
      message:
        /^Cannot read the match in .*step0\.arrow: expected one of activations and measure .*; run `deno task match --force` with the same --sweep and --out$/,
    });

    await Deno.remove(`${out}/features.arrow`);
    await assert.rejects(readSummary(sweep, out), {
      name: "DataError",
      message: /nothing there; run `deno task match` with the same --sweep and --out first$/,
    });
  });
});

Deno.test("a site written again has the shards of now alone, and what else was there", async () => {
  await inTempDir({ ...quick, leaveOut: ["first"] }, async (sweep, out, summary) => {
    const details = async () =>
      (await listNames(`${out}/report/data`)).filter((name) => name.startsWith("feature-"));
    await writeSite(sweep, summary, out, { features: [3, 17], hasLossEffect: true });
    assert.deepEqual(await details(), ["feature-17.js", "feature-3.js"]);
    const before = loaded(out).feature(17);
    const data = `${out}/report/data`;
    for (const name of ["paths-9.js", "notes-9"]) await Deno.writeTextFile(`${data}/${name}`, "");
    await writeSite(sweep, summary, out, { features: [17], hasLossEffect: true });
    assert.deepEqual(await details(), ["feature-17.js"]);
    const names = await listNames(data);
    assert.deepEqual([names.includes("paths-9.js"), names.includes("notes-9")], [false, true]);
    await Deno.remove(`${data}/notes-9`);
    const { table, feature } = loaded(out);
    assert.deepEqual(feature(17), before, "whatever else is chosen");
    for (const { activations, lossEffect } of before.contexts) {
      assert.equal(lossEffect!.length, activations.at(-1)!.length);
      lossEffect!.forEach((effect, t) => {
        if (activations.at(-1)![t] === 0) assert.equal(effect, 0, "where it does not fire");
      });
    }
    assert(before.contexts.some(({ lossEffect }) => lossEffect!.some((effect) => effect !== 0)));
    await writeSite(sweep, summary, out, { features: [17] });
    const without = before.contexts.map(({ lossEffect: _, ...context }) => context);
    assert.deepEqual(loaded(out).feature(17), { ...before, contexts: without });
    assert.equal(table.nTokens, 8192 - 8192 / 128, "those that were compared");
    assert.equal(
      table.rate[17],
      short(summary.checkpoints.at(-1)!.match.sourceCounts[17] / table.nTokens),
    );
  });
});

Deno.test("heads' values are no directions of the residual, and have no logits", async () => {
  await inTempDir(quick, async (sweep, out, summary) => {
    const hook = "blocks.3.attn.hook_z";
    await writeSite(sweep, { ...summary, hook }, out, { features: [17], hasLossEffect: true });
    const { contexts, logits, ranks } = loaded(out).feature(17);
    assert(contexts.every(({ lossEffect }) => lossEffect === undefined));
    assert.deepEqual(logits, steps.map(() => null));
    assert.deepEqual(ranks, { tokens: [], ranks: steps.map(() => []) });
  });
});

Deno.test("logits and ranks are the lens of the match's direction at its checkpoint", async () => {
  await inTempDir(quick, async (sweep, out, summary) => {
    const { features: [{ logits, ranks }] } = await writeSite(sweep, summary, out, {
      features: [17],
      keeps: true,
    });
    const { texts } = await readTokenTexts(sweep.tokenizer!.path);
    let ranked: number[] = [];
    for (const [c, step] of [...steps.entries()].reverse()) {
      const j = summary.checkpoints[c].match.best[17];
      const { decoder, dIn } = await readSae(`${fixture}saes/step${step}`);
      const direction = decoder.slice(j * dIn, (j + 1) * dIn);
      const unembedding = await readUnembedding(`${fixture}models/step${step}`);
      const lens = logitLens(direction, unembedding, { isCentred: true, nBins: 40 });
      for (const side of ["promoted", "suppressed"] as const) {
        const { ids, logits: values } = lens[side];
        const expected = Array.from(ids, (id, n) => ({ token: texts[id], value: values[n] }));
        assert.deepEqual(logits[c]![side], expected, `${side} at ${step}`);
      }
      assert.deepEqual(logits[c]!.histogram.counts, [...lens.counts]);
      if (c === steps.length - 1) ranked = [...lens.promoted.ids.subarray(0, 8)];
      const expected = Array.from(
        logitLens(direction, unembedding, { ranked }).ranks,
        (rank) => rank + 1,
      );
      assert.deepEqual(ranks.ranks[c], expected, `ranks at ${step}`);
    }
    assert.deepEqual(ranks.tokens, ranked.map((id) => texts[id]));
  });
});

Deno.test("a batch a checkpoint is exported, of the features that have a match there", async () => {
  await inTempDir(quick, async (sweep, out, summary) => {
    const dead = summary.checkpoints.at(-1)!.match.sourceCounts.indexOf(0);
    assert(dead >= 0);
    const site = await writeSite(sweep, summary, out, { features: [dead, 3, 17], keeps: true });
    const { contexts, density } = site.features[site.detailed.indexOf(dead)];
    assert.deepEqual([contexts, density.edges], [[], []], "of a dead feature");

    const files = await exportNeuronpedia(sweep, summary, out, site);
    const folders = steps.map((step) => `${out}/neuronpedia/3-res-step${step}`);
    assert.deepEqual(files, folders.map((folder) => `${folder}/batch-0.json`));
    for (const [c, file] of files.entries()) {
      const { features } = JSON.parse(await Deno.readTextFile(file));
      assert.deepEqual(
        features.map((of: { feature_index: number }) => of.feature_index),
        site.detailed.filter((f) => summary.checkpoints[c].match.best[f] >= 0),
      );
    }
    assert.deepEqual((await writeSite(sweep, summary, out, { features: [] })).detailed, []);
  });
});
