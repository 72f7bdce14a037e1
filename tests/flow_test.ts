// The whole flow, from files to files, on the end-to-end golden values.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readActivations, readNorms } from "../src/activation_table.ts";
import { openTable, writeTable } from "../src/arrow.ts";
import { encoderGraph } from "../src/encoder.ts";
import { extractSweep, type ExtractSweepOptions } from "../src/extract_sweep.ts";
import { openFile, writeFile } from "../src/files.ts";
import { readMatch } from "../src/match_table.ts";
import { matchSweep } from "../src/match_sweep.ts";
import { readModel } from "../src/model.ts";
import { randomFrom } from "../src/random.ts";
import { encodeSafetensors, readEntries, readFloats } from "../src/safetensors.ts";
import { readSae } from "../src/sae.ts";
import { createEncoder } from "../src/session.ts";
import { countMatched, type Summary } from "../src/summary.ts";
import { readSweep, type Sweep } from "../src/sweep.ts";
import { readTokens } from "../src/tokens.ts";
import { writeReport } from "../src/write_report.ts";
import { inTempDir } from "./_files.ts";

const goldens = new URL("../fixtures/goldens/", import.meta.url).pathname;
const golden = JSON.parse(Deno.readTextFileSync(`${goldens}manifest.json`)).end_to_end;
const steps: number[] = golden.config.ckpts.map(([index]: [number]) => index);
const reference = golden.checkpoints_final_first[0];
const options: ExtractSweepOptions = { totalTokens: golden.config.total };

async function sweepIn(folder: string, tokens = "dataset.parquet"): Promise<Sweep> {
  const path = `${folder}/sweep.json`;
  await Deno.writeTextFile(
    path,
    JSON.stringify({
      name: "goldens",
      tokens: { path: `${goldens}end_to_end/${tokens}` },
      checkpoints: steps.map((step) => ({
        step,
        model: `${goldens}end_to_end/ckpt_${step}/model`,
        sae: `${goldens}end_to_end/ckpt_${step}/sae`,
      })),
    }),
  );
  return await readSweep(path);
}

// What the activations and matches say of each step: whether it was there.
async function flow(sweep: Sweep, out: string) {
  const wasThere: boolean[] = [];
  await extractSweep(sweep, out, { ...options, on: { done: (_, was) => wasThere.push(was) } });
  const summary = await matchSweep(sweep, out, { onDone: (_, was) => wasThere.push(was) });
  const page = await writeReport(summary, out, { appearingAt: reference });
  return { wasThere, summary, page };
}

// The bytes of every file below a folder, by its path there.
async function filesBelow(folder: string, prefix = ""): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (!isDirectory) files.set(prefix + name, await Deno.readFile(path));
    else for (const entry of await filesBelow(path, `${prefix}${name}/`)) files.set(...entry);
  }
  return new Map([...files].sort(([a], [b]) => a < b ? -1 : 1));
}

function assertSameFiles(a: Map<string, Uint8Array>, b: Map<string, Uint8Array>, what: string) {
  assert.deepEqual([...a.keys()], [...b.keys()], what);
  for (const [path, bytes] of a) {
    assert(isSame(bytes, b.get(path)!), `${path} differs: ${what}`);
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

// Of neighbours, in the order of their names.
const perPair = (folder: string) =>
  steps.slice(1).map((step, c) => `${folder}/step${steps[c]}-step${step}.arrow`).sort();
const perStep = (folder: string) => steps.map((step) => `${folder}/step${step}.arrow`).sort();

Deno.test("the flow writes the same bytes into two folders, and keeps them when run again", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const first = await flow(sweep, `${folder}/a`);
    await flow(sweep, `${folder}/b`);
    const files = await filesBelow(`${folder}/a`);

    assert.deepEqual(first.wasThere, Array(2 * steps.length).fill(false));
    assert.equal(first.page, `${folder}/a/report/index.html`);
    assert.deepEqual([...files.keys()], [
      ...perStep("activations"),
      ...perPair("chain/reverse"),
      ...perPair("chain"),
      "features.arrow",
      ...perStep("matches"),
      "report/index.html",
      ...perStep("reverse"),
      "summary.arrow",
      "tokens.arrow",
    ]);
    assertSameFiles(files, await filesBelow(`${folder}/b`), "another folder");

    const times = () =>
      [...perStep("activations"), ...perStep("matches"), ...perStep("reverse")]
        .map((path) => Deno.statSync(`${folder}/a/${path}`).mtime!.getTime());
    const before = times();
    const second = await flow(sweep, `${folder}/a`);
    assert.deepEqual(second.wasThere, Array(2 * steps.length).fill(true));
    assert.deepEqual(times(), before, "finished files are not written again");
    assert.deepEqual(second.summary, first.summary, "a match from disk is the match");
    assertSameFiles(files, await filesBelow(`${folder}/a`), "the same folder again");
  });
});

const variants: Record<string, [ExtractSweepOptions, tokens?: string]> = {
  "one sequence in a run": [{ batchSize: 1 }],
  "5 sequences in a run": [{ batchSize: 5 }],
  "32 sequences in a run": [{ batchSize: 32 }],
  "1 worker": [{ workers: 1 }],
  "2 workers": [{ workers: 2, batchSize: 2 }],
  "3 workers and one sequence in a run": [{ workers: 3, batchSize: 1 }],
  "more workers than runs": [{ workers: 9, batchSize: 5 }],
  "the CPU said": [{ device: "cpu" }],
  "the context size said": [{ contextSize: golden.config.ctx }],
  "tokens as JSON": [{}, "dataset.jsonl"],
};

Deno.test("activations are the same bytes however they are made", async (t) => {
  await inTempDir(async (folder) => {
    await extractSweep(await sweepIn(folder), `${folder}/plain`, options);
    const plain = await filesBelow(`${folder}/plain`);
    assert.deepEqual([...plain.keys()], [...perStep("activations"), "tokens.arrow"]);
    for (const [name, [changed, tokens]] of Object.entries(variants)) {
      await t.step(name, async () => {
        const sweep = await sweepIn(folder, tokens);
        await extractSweep(sweep, `${folder}/${name}`, { ...options, ...changed });
        assertSameFiles(plain, await filesBelow(`${folder}/${name}`), name);
      });
    }
  });
});

Deno.test("one worker is this thread: no other is started", async () => {
  await inTempDir(async (folder) => {
    const was = globalThis.Worker;
    globalThis.Worker = undefined as unknown as typeof Worker;
    try {
      const sweep = await sweepIn(folder);
      await extractSweep(sweep, `${folder}/out`, { ...options, workers: 1, batchSize: 2 });
      await assert.rejects(
        extractSweep(sweep, `${folder}/two`, { ...options, workers: 2, batchSize: 2 }),
        TypeError,
      );
    } finally {
      globalThis.Worker = was;
    }
  });
});

Deno.test("an SAE of which all features are active is cut into smaller batches of rows", async () => {
  await inTempDir(async (folder) => {
    const [D, F] = [16, 4096];
    const cfg = { architecture: "standard", d_in: D, d_sae: F };
    const metadata = { hook_name: "blocks.2.hook_resid_pre", context_size: 32 };
    await Deno.writeTextFile(`${folder}/cfg.json`, JSON.stringify({ ...cfg, metadata }));
    const random = randomFrom(1);
    const tensor = (...shape: number[]) => {
      const data = new Float32Array(shape.reduce((n, d) => n * d, 1)).map(() => random() - 0.5);
      return { shape, data };
    };
    const weights = { W_enc: tensor(D, F), W_dec: tensor(F, D), b_dec: tensor(D) };
    const b_enc = { shape: [F], data: new Float32Array(F).fill(100) };
    await Deno.writeFile(
      `${folder}/sae_weights.safetensors`,
      encodeSafetensors({ ...weights, b_enc }),
    );
    const rows = Array.from({ length: 35 }, (_, r) => Array(32).fill(r));
    await Deno.writeTextFile(
      `${folder}/t.jsonl`,
      rows.map((row) => JSON.stringify(row)).join("\n"),
    );
    const checkpoints = [{ step: 8, model: `${goldens}end_to_end/ckpt_8/model`, sae: "." }];
    const json = { tokens: { path: "t.jsonl" }, checkpoints };
    await Deno.writeTextFile(`${folder}/sweep.json`, JSON.stringify(json));

    const sweep = await readSweep(`${folder}/sweep.json`);
    const files: Uint8Array[] = [];
    for (const changed of [{ workers: 1 }, { workers: 2, batchSize: 3 }]) {
      const [info] = await extractSweep(sweep, folder, {
        ...changed,
        qualityTokens: 64,
        force: true,
      });
      assert.deepEqual([info.l0, info.n_dense, info.n_tokens], [F, F, 35 * 32]);
      files.push(await Deno.readFile(`${folder}/activations/step8.arrow`));
    }
    assert(isSame(files[0], files[1]));
    const sizes: number[] = [];
    const table = await openTable(await openFile(`${folder}/activations/step8.arrow`));
    for await (const batch of table.batches()) sizes.push(batch.offsets("values").length - 1);
    assert.deepEqual(sizes, [1024, 96], "2^22 activations, and the rest");
  });
});

const others: Record<string, ExtractSweepOptions> = {
  "another threshold": { threshold: 0.5 },
  "fewer tokens": { totalTokens: 300 },
  "a shorter context": { contextSize: 16 },
  "fewer measured tokens": { qualityTokens: 64 },
};

Deno.test("a finished file of other inputs is refused by name and both fingerprints", async (t) => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const path = `${folder}/out/activations/step${steps[0]}.arrow`;
    const [was] = await extractSweep(sweep, `${folder}/out`, options);
    const bytes = await Deno.readFile(path);
    const tokens = await Deno.readFile(`${folder}/out/tokens.arrow`);
    for (const [name, changed] of Object.entries(others)) {
      await t.step(name, async () => {
        const [other] = await extractSweep(sweep, `${folder}/${name}`, {
          ...options,
          ...changed,
          steps: [steps[0]],
        });
        assert.notEqual(other.fingerprint, was.fingerprint);
        await assert.rejects(extractSweep(sweep, `${folder}/out`, { ...options, ...changed }), {
          name: "DataError",
          message:
            `Cannot reuse ${path}: expected a file made from inputs ${other.fingerprint}, got one ` +
            `made from ${was.fingerprint}; use another --out, or --force to make it again`,
        });
        assert(isSame(bytes, await Deno.readFile(path)), "what was there stays");
        assert(isSame(tokens, await Deno.readFile(`${folder}/out/tokens.arrow`)), "tokens as well");
      });
    }
  });
});

Deno.test("norms in the files are those of the encoder's x", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    await extractSweep(sweep, folder, { ...options, workers: 2, batchSize: 2 });
    for (const { step, model, sae: { path } } of sweep.checkpoints) {
      const sae = await readSae(path);
      const { ids, nTokens, contextSize } = await readTokens(await openFile(sweep.tokens.path), {
        ...{ column: sweep.tokens.column, totalTokens: golden.config.total },
        contextSize: sae.contextSize,
      });
      const graph = encoderGraph(await readModel(model.path), sae, { length: contextSize });
      const encoder = await createEncoder(graph);
      const { x } = await encoder.encode(ids);
      await encoder.release();
      const expected = Float32Array.from({ length: nTokens }, (_, n) => {
        let squares = 0;
        for (const v of x.subarray(n * sae.dIn, (n + 1) * sae.dIn)) squares += v * v;
        return Math.sqrt(squares);
      });
      const file = await openFile(`${folder}/activations/step${step}.arrow`);
      assert.deepEqual((await openTable(file)).names, ["features", "values", "norm"]);
      assert.deepEqual(await readNorms(file), expected, `step ${step}`);
    }
  });
});

Deno.test("a finished file of the same inputs, but without norms, is refused as any other", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const steps = [reference];
    await extractSweep(sweep, folder, { ...options, steps });
    const path = `${folder}/activations/step${reference}.arrow`;
    const { info, rows: { columns, offsets, values } } = await readActivations(
      await openFile(path),
    );
    const inputs = {
      sources: info.sources.map(({ sha256 }) => sha256),
      tokens: info.tokens,
      length: info.context_size,
      threshold: info.threshold,
      isProcessed: info.centred,
      qualityTokens: 65536,
    };
    const hashed = (inputs: unknown) =>
      createHash("sha256").update(JSON.stringify(inputs)).digest("hex").slice(0, 16);
    const types = { features: "list<uint16>", values: "list<float32>" } as const;
    assert.equal(info.fingerprint, hashed({ ...inputs, columns: { ...types, norm: "float32" } }));
    const fingerprint = hashed(inputs);
    await writeFile(path, (sink) =>
      writeTable(
        sink,
        types,
        { features: { values: columns, offsets }, values: { values, offsets } },
        { sae: JSON.stringify({ ...info, fingerprint }) },
      ));
    await assert.rejects(extractSweep(sweep, folder, { ...options, steps }), {
      name: "DataError",
      message:
        `Cannot reuse ${path}: expected a file made from inputs ${info.fingerprint}, got one ` +
        `made from ${fingerprint}; use another --out, or --force to make it again`,
    });
    await extractSweep(sweep, folder, { ...options, steps, force: true });
    assert.equal((await readNorms(await openFile(path))).length, info.n_tokens);
  });
});

Deno.test("force makes files of other inputs again, after which matches of the old are refused", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const out = `${folder}/out`;
    await flow(sweep, out);
    const wasThere: boolean[] = [];
    const infos = await extractSweep(sweep, out, {
      ...options,
      threshold: 0.5,
      force: true,
      on: { done: (_, was) => wasThere.push(was) },
    });
    assert.deepEqual(wasThere, steps.map(() => false));
    assert(infos.every(({ threshold }) => threshold === 0.5));

    const fingerprint = `${infos.at(-1)!.fingerprint}+${infos[0].fingerprint}+cosine+all+`;
    await assert.rejects(
      matchSweep(sweep, out),
      ({ message }: Error) =>
        message.startsWith(`Cannot reuse ${out}/matches/step${steps[0]}.arrow: `) &&
        message.includes(`expected a file made from inputs ${fingerprint}`),
    );
    const { checkpoints } = await matchSweep(sweep, out, { force: true });
    assert.equal(checkpoints.length, steps.length);
  });
});

Deno.test("matchSweep() refuses activations that are missing, or of other options than the reference's", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const out = `${folder}/out`;
    await extractSweep(sweep, out, { ...options, steps: [reference] });
    await assert.rejects(matchSweep(sweep, out), {
      message:
        `Cannot match step ${steps[0]} in ${out}: expected ${out}/activations/step${
          steps[0]
        }.arrow, ` +
        "got nothing there; run `deno task activations` with the same --sweep and --out first",
    });
    await extractSweep(sweep, out, { ...options, steps: [steps[0]], threshold: 0.5 });
    await assert.rejects(matchSweep(sweep, out, { steps: [steps[0]] }), {
      message:
        `Cannot match step ${
          steps[0]
        } with step ${reference} in ${out}: expected threshold 0.000001, ` +
        "got 0.5; extract both with the same options",
    });
  });
});

Deno.test("matchSweep() refuses activations of other tokens, as many though they are", async () => {
  await inTempDir(async (folder) => {
    const out = `${folder}/out`;
    await extractSweep(await sweepIn(folder), out, { ...options, steps: [reference] });
    const lines = Deno.readTextFileSync(`${goldens}end_to_end/dataset.jsonl`).trim().split("\n");
    Deno.writeTextFileSync(`${folder}/turned.jsonl`, lines.toReversed().join("\n"));
    const sweep = await sweepIn(folder);
    const path = `${folder}/turned.jsonl`;
    const turned = { ...sweep, tokens: { name: path, path, column: "input_ids" } };

    await assert.rejects(extractSweep(turned, out, { ...options, steps: [steps[0]] }), {
      message: /^Cannot reuse .*tokens\.arrow: expected a file made from inputs .*, got one made /,
    });
    await extractSweep(turned, out, { ...options, steps: [steps[0]], force: true });
    await assert.rejects(matchSweep(sweep, out, { steps: [steps[0]] }), {
      message:
        /^Cannot match step .*: expected tokens \w{16}, got \w{16}; extract both with the same/,
    });
  });
});

Deno.test("matchSweep() refuses a decoder that is not that of the activations", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const out = `${folder}/out`;
    await extractSweep(sweep, out, options);
    const [first, ...rest] = sweep.checkpoints;
    const exchanged = { ...sweep, checkpoints: [{ ...first, sae: rest[0].sae }, ...rest] };
    await assert.rejects(matchSweep(exchanged, out), {
      message: `Cannot match step ${first.step} with the decoder of ${rest[0].sae.path}: ` +
        "expected the SAE that the activations were made with, got another cfg.json; " +
        "run `deno task activations` again with another --out, or with --force",
    });
  });
});

Deno.test("an extraction that is cut leaves finished files alone and no other, and goes on there", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const out = `${folder}/out`;
    const cut = extractSweep(sweep, out, {
      ...options,
      batchSize: 2,
      on: {
        progress: (step, nTokens) => {
          if (step === steps[1] && nTokens > 100) throw new Error("cut");
        },
      },
    });
    await assert.rejects(cut, { message: "cut" });
    assert.deepEqual([...(await filesBelow(out)).keys()], [`activations/step${steps[0]}.arrow`]);

    const wasThere: boolean[] = [];
    await extractSweep(sweep, out, { ...options, on: { done: (_, was) => wasThere.push(was) } });
    assert.deepEqual(wasThere, [true, false, false]);
    await extractSweep(sweep, `${folder}/whole`, options);
    assertSameFiles(await filesBelow(`${folder}/whole`), await filesBelow(out), "after a cut");
  });
});

Deno.test("the flow equals the peers' activations, matches, decoder cosines and counts", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    const { summary } = await flow(sweep, folder);
    const peer = await readPeer();
    for (const step of steps) {
      const path = `${folder}/activations/step${step}.arrow`;
      const { info, rows } = await readActivations(await openFile(path));
      const name = `ckpt_${step}.acts`;
      assert.deepEqual([rows.nRows, rows.nCols], await peer.integers(`${name}.shape`));
      assert.deepEqual([...rows.offsets], await peer.integers(`${name}.indptr`));
      assert.deepEqual([...rows.columns], await peer.integers(`${name}.indices`));
      assertClose(rows.values, await peer.floats(`${name}.values`), 2e-5, name);
      assert.equal(info.centred, true, "version 3.2.3 was trained on centred values");
      assert.equal(info.l0, rows.values.length / rows.nRows);
    }
    for (const step of steps.filter((step) => step !== reference)) {
      await assertMatches(folder, step, summary, peer);
    }
    const self = summary.checkpoints.at(-1)!.match;
    const alive = [...self.best.keys()].filter((i) => self.sourceCounts[i] > 0);
    assert.deepEqual(alive.map((i) => self.best[i]), alive, "the reference matches itself");
  });
});

type Peer = Awaited<ReturnType<typeof readPeer>>;

async function readPeer() {
  const entries = await readEntries(
    await openFile(`${goldens}expected/end_to_end.safetensors`),
  );
  return {
    floats: (name: string) => readFloats(entries.get(name)!),
    async integers(name: string): Promise<number[]> {
      const { dtype, source, start, end } = entries.get(name)!;
      const { buffer } = await source.read(start, end);
      return dtype === "I64"
        ? Array.from(new BigInt64Array(buffer), Number)
        : Array.from(new Int32Array(buffer));
    },
  };
}

async function assertMatches(folder: string, step: number, summary: Summary, peer: Peer) {
  const { matched: { match, decoderCosine, nulls, ...scores } } = await readMatch(
    await openFile(`${folder}/matches/step${step}.arrow`),
    await openFile(`${folder}/reverse/step${step}.arrow`),
  );
  const name = `ckpt_${step}`;
  const inMemory = summary.checkpoints.find((checkpoint) => checkpoint.step === step)!;
  assert.deepEqual(match, inMemory.match);
  assert.deepEqual(nulls, inMemory.nulls);
  for (const name of ["best", "runnerUp", "support", "markShares"] as const) {
    assert.deepEqual(scores[name], inMemory[name], name);
  }
  assert.deepEqual(
    scores.best.cosine,
    match.similarity,
    "the second pass has the bits of the first",
  );
  assert.equal(nulls.sameToken.length, step === reference ? 0 : 2);

  const dead = (counts: Uint32Array) => [...counts.keys()].filter((i) => counts[i] === 0);
  assert.deepEqual(dead(match.sourceCounts), await peer.integers(`${name}.dead_a`));
  assert.deepEqual(dead(match.targetCounts), await peer.integers(`${name}.dead_b`));

  const cosines = await peer.floats(`${name}.cosine_similarity_f64`);
  const decoders = await peer.floats(`${name}.decoder_cosine_matrix`);
  const nTarget = match.reverse.length;
  const forward = await peer.integers(`${name}.argmax_b_for_a`);
  forward.forEach((j, i) => {
    const at = i * nTarget + j;
    const isMatched = match.sourceCounts[i] > 0 && cosines[at] > 0;
    assert.equal(match.best[i], isMatched ? j : -1, `${name}: feature ${i}`);
    if (!isMatched) {
      return assert(Number.isNaN(match.similarity[i]) && Number.isNaN(decoderCosine[i]));
    }
    assertClose([match.similarity[i]], [cosines[at]], 2e-5, `${name}: cosine of feature ${i}`);
    assertClose([decoderCosine[i]], [decoders[at]], 2e-5, `${name}: decoders of feature ${i}`);
  });
  (await peer.integers(`${name}.argmax_a_for_b`)).forEach((i, j) => {
    const isMatched = match.targetCounts[j] > 0 && cosines[i * nTarget + j] > 0;
    assert.equal(match.reverse[j], isMatched ? i : -1, `${name}: reverse of feature ${j}`);
  });

  // The peer's pairs are an assignment; where it gives a feature its argmax, the two are the same
  // number. The argmax of a feature is never farther than the feature it is assigned.
  const assigned = await peer.integers(`${name}.hungarian_cols`);
  const assignedDecoders = await peer.floats(`${name}.matched_decoder_cosine`);
  assigned.forEach((j, i) => {
    if (match.best[i] !== j) return;
    assertClose([decoderCosine[i]], [assignedDecoders[i]], 2e-5, `${name}: pair ${i}`);
  });
  const below: Record<string, number> = golden.per_checkpoint[name].alive_matched_below;
  for (const [distance, count] of Object.entries(below)) {
    const argmax = countMatched(match, Number(distance));
    assert(argmax >= count, `${name}: ${argmax} below ${distance}, ${count} by assignment`);
  }
}

// |a − b| ≤ 2e-6 + rtol · |b|, as small values are differences of float32 sums; a failure shows the
// first five.
function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  rtol: number,
  what: string,
): void {
  assert.equal(actual.length, expected.length, what);
  const off: string[] = [];
  for (let e = 0; e < expected.length; e++) {
    const isClose = Math.abs(actual[e] - expected[e]) <= 2e-6 + rtol * Math.abs(expected[e]);
    if (!isClose) off.push(`${e}: ${actual[e]} for ${expected[e]}`);
  }
  assert.deepEqual(off.slice(0, 5), [], `${what}: ${off.length} differ`);
}

Deno.test("the scripts write what the functions write, byte for byte", async () => {
  await inTempDir(async (folder) => {
    const sweep = await sweepIn(folder);
    await flow(sweep, `${folder}/a`);
    const run = async (script: string, ...args: string[]) => {
      const { success, stderr } = await new Deno.Command("deno", {
        args: ["run", "-q", `-P=${script}`, `scripts/${script}.ts`, ...args],
        cwd: new URL("..", import.meta.url).pathname,
      }).output();
      assert(success, new TextDecoder().decode(stderr));
    };
    const both = ["--sweep", `${folder}/sweep.json`, "--out", `${folder}/b`];
    const total = `${golden.config.total}`;
    await run("activations", ...both, "--total-tokens", total, "--device", "cpu");
    await run("match", ...both, "--appearing-at", `${reference}`);
    assertSameFiles(await filesBelow(`${folder}/a`), await filesBelow(`${folder}/b`), "by scripts");
  });
});
