// Extraction in workers: the same as in this thread, and what becomes of errors.

import assert from "node:assert/strict";
import { graphForms } from "../src/device.ts";
import { encodePool } from "../src/encode_pool.ts";
import {
  type EncodedRows,
  type EncodedRun,
  type Run,
  runHere,
  type Runner,
} from "../src/encode_run.ts";
import { encoderGraph } from "../src/encoder.ts";
import { DataError } from "../src/errors.ts";
import { extract, runsOf } from "../src/extract.ts";
import { writeFile } from "../src/files.ts";
import { readModel } from "../src/model.ts";
import { randomFrom } from "../src/random.ts";
import { readSae } from "../src/sae.ts";
import { openSession, planSession } from "../src/session.ts";
import { concatenate } from "../src/sparse.ts";
import type { Tokens } from "../src/tokens.ts";

const golden = new URL("../fixtures/goldens/end_to_end/ckpt_8/", import.meta.url).pathname;
const T = 16;

async function planned() {
  const [model, sae] = [await readModel(`${golden}model`), await readSae(`${golden}sae`)];
  const graph = encoderGraph(model, sae, { length: T, form: graphForms.cpu });
  return { ...planSession(graph), sae, threshold: 1e-6 };
}

function randomTokens(nSequences: number): Tokens {
  const random = randomFrom(nSequences);
  const ids = new Int32Array(nSequences * T).map(() => Math.floor(random() * 64));
  return { contextSize: T, nSequences, nTokens: ids.length - 3, ids };
}

async function extracted(runner: Runner, tokens: Tokens, onProgress?: (n: number) => void) {
  const batches: EncodedRows[] = [];
  const shape = { dIn: 16, dSae: 24 };
  const quality = await extract(tokens, runner, shape, (batch) => batches.push(batch), {
    batchSize: 2,
    qualityTokens: 5 * T,
    ...(onProgress && { onProgress }),
  });
  const norms = Float32Array.from(batches.flatMap(({ norms }) => [...norms]));
  return { quality, rows: concatenate(batches.map(({ rows }) => rows)), norms };
}

// Leaves out a global for as long as an action takes.
async function without<R>(name: string, act: () => Promise<R>): Promise<R> {
  const was = Object.getOwnPropertyDescriptor(globalThis, name)!;
  Reflect.deleteProperty(globalThis, name);
  try {
    return await act();
  } finally {
    Object.defineProperty(globalThis, name, was);
  }
}

Deno.test("workers give what this thread gives, for one checkpoint after another", async () => {
  const plan = await planned();
  const here = runHere(await openSession(plan), plan);
  const pool = encodePool(3);
  try {
    for (const nSequences of [1, 11, 20]) {
      const tokens = randomTokens(nSequences);
      const runner = await pool.open(plan);
      assert.deepEqual(await extracted(runner, tokens), await extracted(here, tokens));
      await runner.release();
    }
  } finally {
    pool.close();
    await here.release();
  }
});

Deno.test("without SharedArrayBuffer workers give the same", async () => {
  const plan = await planned();
  const here = runHere(await openSession(plan), plan);
  const tokens = randomTokens(9);
  const expected = await extracted(here, tokens);
  await here.release();
  await without("SharedArrayBuffer", async () => {
    const pool = encodePool(2);
    try {
      assert.deepEqual(await extracted(await pool.open(plan), tokens), expected);
    } finally {
      pool.close();
    }
  });
});

Deno.test("an error of a worker is what it would be here: class, message and parts", async () => {
  const plan = await planned();
  const decoderBias = plan.sae.decoderBias.map(() => NaN);
  const absent = { ...plan, device: "coreml" as const };
  const pool = encodePool(2);
  try {
    for (const open of [openSession, pool.open]) {
      await assert.rejects(
        open(absent),
        (error) =>
          error instanceof DataError && error.detail.where === 'device "coreml"' &&
          /^Cannot run on device "coreml": .*; CoreML is part of macOS alone; /.test(error.message),
      );
    }
    const runner = await pool.open({ ...plan, sae: { ...plan.sae, decoderBias } });
    const tokens = randomTokens(9);
    tokens.ids[5] = 9999; // no such row of the embedding
    await assert.rejects(
      extracted(runner, tokens),
      /^DataError: Cannot run on device "cpu": expected the values of its graph, got .*9999/,
    );
    await runner.release();
    await assert.doesNotReject(pool.open(plan), "the pool lives on");
  } finally {
    pool.close();
  }
});

const deaths: Record<string, [module: string, message: RegExp]> = {
  "throws where nobody catches it": [
    "onmessage = () => { setTimeout(() => { throw 'boom' }, 0) }",
    /^DataError: Cannot run a worker of the extraction: expected it to live, got .*boom.*; use --workers 1/,
  ],
  "cannot be loaded": [
    "import 'data:text/javascript,)';",
    /^DataError: .*expected it to live, got /,
  ],
};

for (const [name, [module, message]] of Object.entries(deaths)) {
  Deno.test(`a worker that ${name} fails the extraction, which leaves no file`, async () => {
    const folder = await Deno.makeTempDir();
    const url = `data:text/javascript,${encodeURIComponent(module)}`;
    const pool = encodePool(2, () => new Worker(url, { type: "module" }));
    try {
      const write = async () => {
        const runner = await pool.open(await planned());
        await extracted(runner, randomTokens(9));
      };
      await assert.rejects(writeFile(`${folder}/file`, write), message);
      await assert.rejects(pool.open(await planned()), message, "and whatever comes after");
      assert.deepEqual([...Deno.readDirSync(folder)], []);
    } finally {
      pool.close();
      await Deno.remove(folder, { recursive: true });
    }
  });
}

Deno.test("a pool that is closed fails what is under way", async () => {
  const plan = await planned();
  const pool = encodePool(2);
  const runner = await pool.open(plan);
  const [run] = runsOf(randomTokens(2));
  const underWay = runner.run(run);
  pool.close();
  await assert.rejects(
    underWay,
    /^DataError: Cannot wait for a worker: expected its answer, got the end of the pool$/,
  );
});

// A runner by hand, which answers out of order.
function slowRunner(nAtOnce: number, act: (run: Run) => EncodedRun) {
  const state = { now: 0, most: 0 };
  const runner: Runner = {
    nAtOnce,
    async run(run) {
      state.most = Math.max(state.most, ++state.now);
      await new Promise((resolve) => setTimeout(resolve, run.start % 7));
      state.now--;
      return act(run);
    },
    release: () => Promise.resolve(),
  };
  return { runner, state };
}

// Every token fires the feature of its id, which is its norm as well.
function echo({ ids, nRows, isMeasured }: Run): EncodedRun {
  const rows = {
    nRows,
    nCols: 24,
    offsets: Uint32Array.from({ length: nRows + 1 }, (_, r) => r),
    columns: Uint16Array.from(ids.subarray(0, nRows), (id) => id % 24),
    values: new Float32Array(nRows).fill(1),
  };
  const norms = Float32Array.from(ids.subarray(0, nRows));
  return { rows, norms, sums: isMeasured.map(() => ({ nTokens: T, l1: T })) };
}

Deno.test("results are put in order, and no more runs are under way than the runner takes", async () => {
  for (const nAtOnce of [1, 2, 5]) {
    const { runner, state } = slowRunner(nAtOnce, echo);
    const tokens = randomTokens(23);
    const done: number[] = [];
    const { rows, norms } = await extracted(runner, tokens, (n) => done.push(n));
    const ids = [...tokens.ids.subarray(0, tokens.nTokens)];
    assert.deepEqual([...rows.columns], ids.map((id) => id % 24));
    assert.deepEqual([...norms], ids);
    assert.deepEqual(done, done.toSorted((a, b) => a - b));
    assert.equal(done.at(-1), tokens.nTokens);
    assert.equal(state.most, nAtOnce);
  }
});

Deno.test("the first run to fail, in order, is the error, and others that fail are not loose", async () => {
  const { runner } = slowRunner(4, ({ start }) => {
    throw new RangeError(`run at ${start}`);
  });
  await assert.rejects(extracted(runner, randomTokens(23)), { message: "run at 0" });
  await new Promise((resolve) => setTimeout(resolve, 20));
});
