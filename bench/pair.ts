/**
 * Makes the activations that the match is timed on: a reference and some checkpoints, seeded.
 *
 * Firing rates follow Zipf's law, capped at 0.6; 5 % of the features never fire; features come in
 * bursts, since a document is about something; activations are log-normal. Seven features in ten of
 * a checkpoint are features of the reference that fire on 50 to 100 % of the same tokens, and else
 * one token later.
 *
 * Reads   nothing.
 * Writes  <out>/sweep.json, <out>/saes and <out>/activations/step<N>.arrow.
 * Example deno run -P=bench bench/pair.ts --out out/bench/match --tokens 640000 --d-sae 8192
 */

import { activationsWriter } from "../src/activation_table.ts";
import { openFile, sha256, writeFile } from "../src/files.ts";
import { randomFrom } from "../src/random.ts";
import { encodeSafetensors } from "../src/safetensors.ts";
import { sliceRows, type Sparse, transpose } from "../src/sparse.ts";
import { Command, positive, run, say } from "../scripts/_cli.ts";

const dIn = 512;
const documentTokens = 1024;

const command = new Command("pair")
  .description("Makes the activations that the match is timed on.")
  .requiredOption("--out <folder>", "folder to write in")
  .option("--tokens <n>", "tokens", positive, 640000)
  .option("--d-sae <n>", "features of every SAE", positive, 8192)
  .option("--l0 <n>", "mean number of features that fire on a token", positive, 47)
  .option("--checkpoints <n>", "checkpoints beside the reference", positive, 1);

await run(command, async ({ out, tokens, dSae, l0, checkpoints }) => {
  const rates = zipfRates(dSae, l0);
  const reference = randomFeatures(shuffled(rates, 1), tokens, 2);
  const steps = Array.from({ length: checkpoints + 1 }, (_, k) => k);
  for (const step of steps) {
    const isReference = step === checkpoints;
    const features = isReference ? reference : related(reference, rates, tokens, 10 * step + 3);
    await write(out, step, transpose(features));
    say(`step ${step}: ${features.values.length} activations of ${dSae} features`);
  }
  const sweep = {
    name: "synthetic activations",
    tokens: { path: "none.npy" },
    checkpoints: steps.map((step) => ({ step, model: "none", sae: `saes/step${step}` })),
  };
  await writeFile(
    `${out}/sweep.json`,
    (sink) => sink.write(new TextEncoder().encode(JSON.stringify(sweep))),
  );
});

/** Rates that sum to `l0`, the largest 0.6, the last twentieth 0. */
function zipfRates(n: number, l0: number): Float64Array {
  const nLive = Math.ceil(0.95 * n);
  const rates = Float64Array.from({ length: n }, (_, r) => r < nLive ? 1 / (r + 10) ** 0.9 : 0);
  for (let round = 0; round < 20; round++) {
    const scale = l0 / rates.reduce((sum, rate) => sum + rate, 0);
    rates.forEach((rate, r) => rates[r] = Math.min(0.6, rate * scale));
  }
  return rates;
}

function shuffled(values: Float64Array, seed: number): Float64Array {
  const random = randomFrom(seed);
  const out = values.slice();
  for (let i = out.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [out[i], out[j]] = [out[j], out[i]];
  }
  return out;
}

/** A matrix that grows a row at a time. */
function grower(nCols: number, least: number) {
  const offsets: number[] = [0];
  let columns = new Uint32Array(least);
  let values = new Float32Array(least);
  let nnz = 0;
  return {
    push(column: number, value: number): void {
      if (nnz === columns.length) {
        const [oldColumns, oldValues] = [columns, values];
        columns = new Uint32Array(2 * nnz);
        values = new Float32Array(2 * nnz);
        columns.set(oldColumns);
        values.set(oldValues);
      }
      columns[nnz] = column;
      values[nnz++] = value;
    },
    endRow: () => void offsets.push(nnz),
    matrix: (): Sparse => ({
      nRows: offsets.length - 1,
      nCols,
      offsets: Uint32Array.from(offsets),
      columns: columns.subarray(0, nnz),
      values: values.subarray(0, nnz),
    }),
  };
}

// Calls `fire` with the tokens on which a feature of this rate fires, in order.
function fireAt(
  rate: number,
  nTokens: number,
  random: () => number,
  fire: (token: number) => void,
): void {
  if (rate === 0) return;
  const within = Math.max(rate, 0.05);
  const nDocuments = Math.ceil(nTokens / documentTokens);
  for (let document = 0; document < nDocuments; document++) {
    if (random() * within > rate) continue;
    const start = document * documentTokens;
    const end = Math.min(nTokens, start + documentTokens);
    const gap = () => 1 + Math.floor(Math.log(1 - random()) / Math.log(1 - within));
    for (let token = start - 1 + gap(); token < end; token += gap()) fire(token);
  }
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Features by tokens: `[F, N]`. */
function randomFeatures(rates: Float64Array, nTokens: number, seed: number): Sparse {
  const random = randomFrom(seed);
  const rows = grower(nTokens, 1 << 20);
  for (const rate of rates) {
    fireAt(rate, nTokens, random, (token) => rows.push(token, Math.exp(normal(random))));
    rows.endRow();
  }
  return rows.matrix();
}

/** Features of which seven in ten are features of the reference, some tokens late, with noise. */
function related(reference: Sparse, rates: Float64Array, nTokens: number, seed: number): Sparse {
  const random = randomFrom(seed);
  const n = reference.nRows;
  const of = shuffled(Float64Array.from({ length: n }, (_, i) => i), seed + 1);
  const own = shuffled(rates, seed + 2);
  const rows = grower(nTokens, 1 << 20);
  for (let feature = 0; feature < n; feature++) {
    if (random() < 0.3) {
      fireAt(own[feature], nTokens, random, (token) => rows.push(token, Math.exp(normal(random))));
    } else {
      const kept = 0.5 + random() / 2;
      let last = -1;
      const { offsets, columns, values } = reference;
      for (let e = offsets[of[feature]]; e < offsets[of[feature] + 1]; e++) {
        const token = columns[e] + (random() < kept ? 0 : 1);
        const isFree = token !== last && token !== columns[e + 1] && token < nTokens;
        if (token !== columns[e] && !isFree) continue;
        rows.push(token, values[e] * Math.exp(0.3 * normal(random)));
        last = token;
      }
    }
    rows.endRow();
  }
  return rows.matrix();
}

async function write(out: string, step: number, rows: Sparse): Promise<void> {
  const random = randomFrom(step);
  const floats = (...shape: number[]) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random() - 0.5),
  });
  const folder = `${out}/saes/step${step}`;
  const config = { architecture: "standard", d_in: dIn, d_sae: rows.nCols, dtype: "float32" };
  const metadata = { hook_name: "blocks.3.hook_resid_pre", context_size: 512 };
  await writeFile(
    `${folder}/cfg.json`,
    (sink) => sink.write(new TextEncoder().encode(JSON.stringify({ ...config, metadata }))),
  );
  const weights = encodeSafetensors({
    W_enc: floats(dIn, rows.nCols),
    W_dec: floats(rows.nCols, dIn),
    b_enc: floats(rows.nCols),
    b_dec: floats(dIn),
  });
  await writeFile(`${folder}/sae_weights.safetensors`, (sink) => sink.write(weights));
  const sources = await Promise.all(["cfg.json", "sae_weights.safetensors"].map(async (name) => ({
    path: `saes/step${step}/${name}`,
    sha256: await sha256(await openFile(`${folder}/${name}`)),
  })));

  await writeFile(`${out}/activations/step${step}.arrow`, (sink) => {
    const writer = activationsWriter(sink, rows.nCols, `synthetic ${step}`);
    for (let from = 0; from < rows.nRows; from += 16384) {
      const part = sliceRows(rows, from, Math.min(rows.nRows, from + 16384));
      const norms = new Float32Array(part.nRows).fill(Math.sqrt(dIn)); // as of unit variance
      writer.write({ rows: part, norms });
    }
    writer.finish({
      format: 1,
      fingerprint: `synthetic ${step}`,
      step,
      hook: metadata.hook_name,
      d_in: dIn,
      d_sae: rows.nCols,
      n_tokens: rows.nRows,
      context_size: metadata.context_size,
      tokens: "synthetic",
      threshold: 1e-6,
      centred: false,
      folded: false,
      n_measured: 0,
      l0: rows.values.length / rows.nRows,
      l1: 0,
      mse: 0,
      explained_variance: 0,
      n_dead: 0,
      n_dense: 0,
      sources,
    });
  });
}
