// What a user sees of a bad input: exit code 1, one line, and no file under its final name.

import assert from "node:assert/strict";
import { encodeSafetensors, readEntries, readFloats } from "../src/safetensors.ts";
import { openFile } from "../src/files.ts";

const root = new URL("../", import.meta.url).pathname;
const goldens = `${root}fixtures/goldens/end_to_end/`;

interface Result {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function script(name: string, args: readonly string[]): Promise<Result> {
  const allowed = ["--allow-read", "--allow-write", "--allow-ffi"];
  const { code, stdout, stderr } = await new Deno.Command("deno", {
    args: ["run", "-q", ...allowed, `scripts/${name}.ts`, ...args],
    cwd: root,
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

/** A folder with a sweep that works, to be broken. */
class Broken {
  readonly folder = Deno.makeTempDirSync();
  readonly out = `${this.folder}/out`;
  readonly sweep = `${this.folder}/sweep.json`;
  readonly model = `${this.folder}/ckpt_8/model`;
  readonly sae = `${this.folder}/ckpt_8/sae`;

  constructor() {
    for (const name of ["ckpt_8", "ckpt_153"]) {
      for (const part of ["model", "sae"]) {
        Deno.mkdirSync(`${this.folder}/${name}/${part}`, { recursive: true });
        for (const { name: file } of Deno.readDirSync(`${goldens}${name}/${part}`)) {
          const path = `${name}/${part}/${file}`;
          Deno.writeFileSync(`${this.folder}/${path}`, Deno.readFileSync(goldens + path));
        }
      }
    }
    Deno.writeFileSync(`${this.folder}/t.jsonl`, Deno.readFileSync(`${goldens}dataset.jsonl`));
    Deno.writeTextFileSync(
      this.sweep,
      JSON.stringify({
        tokens: { path: "t.jsonl" },
        checkpoints: [8, 153].map((step) => ({
          step,
          model: `ckpt_${step}/model`,
          sae: `ckpt_${step}/sae`,
        })),
      }),
    );
  }

  /** Changes members of a JSON file. */
  json(path: string, changes: Readonly<Record<string, unknown>>): void {
    const json = JSON.parse(Deno.readTextFileSync(path));
    Deno.writeTextFileSync(path, JSON.stringify({ ...json, ...changes }));
  }

  /** Writes a safetensors file again, with one tensor changed. */
  async tensor(
    path: string,
    name: string,
    change: (data: Float32Array, shape: readonly number[]) => readonly number[] | void,
  ): Promise<void> {
    const tensors: Record<string, { shape: readonly number[]; data: Float32Array<ArrayBuffer> }> =
      {};
    for (const [key, entry] of await readEntries(await openFile(path))) {
      const data = Float32Array.from(await readFloats(entry));
      const shape = (key === name && change(data, entry.shape)) || entry.shape;
      tensors[key] = { shape, data };
    }
    assert(name in tensors, `${name} is in ${path}`);
    Deno.writeFileSync(path, encodeSafetensors(tensors));
  }

  tokens(rows: readonly (readonly number[])[]): void {
    const lines = rows.map((input_ids) => JSON.stringify({ input_ids }) + "\n");
    Deno.writeTextFileSync(`${this.folder}/t.jsonl`, lines.join(""));
  }
}

interface Case {
  /** Breaks the sweep. */
  readonly make?: (broken: Broken) => void | Promise<void>;
  /** Arguments beside --sweep and --out. */
  readonly args?: readonly string[];
  /** The line, after "error: "; FOLDER is the folder of the sweep. */
  readonly message: string | RegExp;
  /** Files below --out that are finished: those of steps before the bad one. */
  readonly finished?: readonly string[];
}

const weights = "FOLDER/ckpt_8/sae/sae_weights.safetensors";

const cases: Record<string, Case> = {
  "a missing sweep file": {
    make: ({ sweep }) => Deno.removeSync(sweep),
    message: "Cannot open FOLDER/sweep.json: expected a file, got nothing there",
  },
  "a sweep file that is not JSON": {
    make: ({ sweep }) => Deno.writeTextFileSync(sweep, "name: tiny\n"),
    message: /^Cannot read FOLDER\/sweep\.json: expected JSON, got "name: tiny\\n"$/,
  },
  "a misspelt key of the sweep file": {
    make: (broken) => broken.json(broken.sweep, { referense: 8 }),
    message: /^Cannot read "referense" in FOLDER\/sweep\.json: expected .*, got another key$/,
  },
  "a step that the sweep has not": {
    args: ["--steps", "8,9"],
    message: "Cannot find step 9 in FOLDER/sweep.json: expected one of 8, 153, got 9",
  },
  "a missing model folder": {
    make: ({ model }) => Deno.removeSync(model, { recursive: true }),
    message: "Cannot open FOLDER/ckpt_8/model/config.json: expected a file, got nothing there",
  },
  "a model folder without weights": {
    make: ({ model }) => Deno.removeSync(`${model}/model.safetensors`),
    message: /^Cannot read weights of FOLDER\/ckpt_8\/model: expected one of .*, got none of them$/,
  },
  "a missing SAE folder": {
    make: ({ sae }) => Deno.removeSync(sae, { recursive: true }),
    message: "Cannot open FOLDER/ckpt_8/sae/cfg.json: expected a file, got nothing there",
  },
  "missing tokens": {
    make: ({ folder }) => Deno.removeSync(`${folder}/t.jsonl`),
    message: "Cannot open FOLDER/t.jsonl: expected a file, got nothing there",
  },
  "model.safetensors cut short": {
    make: ({ model }) => Deno.truncateSync(`${model}/model.safetensors`, 9000),
    message: /^Cannot read .*FOLDER\/ckpt_8\/model\/model\.safetensors: expected .*, got .*9000/,
  },
  "sae_weights.safetensors cut short within its header": {
    make: ({ sae }) => Deno.truncateSync(`${sae}/sae_weights.safetensors`, 40),
    message: /^Cannot read .*FOLDER\/ckpt_8\/sae\/sae_weights\.safetensors: expected .*, got .*$/,
  },
  "a transposed W_enc": {
    make: ({ sae, tensor }) =>
      tensor(`${sae}/sae_weights.safetensors`, "W_enc", (_, shape) => shape.toReversed()),
    message:
      `Cannot read tensor "W_enc" in ${weights}: expected shape [16, 24], got shape [24, 16]; save it transposed`,
  },
  "a weight of the model in another shape": {
    make: (broken) =>
      broken.tensor(
        `${broken.model}/model.safetensors`,
        "gpt_neox.layers.0.attention.dense.weight",
        () => [8, 32],
      ),
    message:
      /^Cannot read tensor "gpt_neox\.layers\.0\.attention\.dense\.weight" in FOLDER\/ckpt_8\/model(\/model\.safetensors)?: expected shape \[16, 16\], got shape \[8, 32\]$/,
  },
  "an unknown architecture": {
    make: ({ model, json }) => json(`${model}/config.json`, { model_type: "mamba" }),
    message:
      'Cannot read model FOLDER/ckpt_8/model: expected model_type gpt_neox, gpt2, llama, olmo2, got "mamba"',
  },
  "an unknown SAE architecture": {
    make: ({ sae, json }) => json(`${sae}/cfg.json`, { architecture: "transcoder" }),
    message:
      /^Cannot read "architecture" in FOLDER\/ckpt_8\/sae\/cfg\.json: expected .*standard.*, got "transcoder"$/,
  },
  "SAEs of two hooks": {
    make: ({ sae, json }) => json(`${sae}/cfg.json`, { hook_name: "blocks.1.hook_resid_pre" }),
    message: "Cannot compare FOLDER/ckpt_153/sae/cfg.json: expected hook blocks.1.hook_resid_pre " +
      "as in FOLDER/ckpt_8/sae/cfg.json, got blocks.2.hook_resid_pre; put SAEs of one hook and " +
      "context size in a sweep",
  },
  "rows of tokens that are too short": {
    make: (broken) => broken.tokens([Array(32).fill(1), Array(31).fill(1)]),
    message: "Cannot read tokens of row 1 in FOLDER/t.jsonl: expected at least 32 ids, got 31; " +
      "join texts into rows that fill the context",
  },
  "a token that the model does not know": {
    make: (broken) => broken.tokens([Array(32).fill(1), Array(32).fill(64)]),
    message: "Cannot read tokens of sequence 1, position 0 in FOLDER/t.jsonl: " +
      "expected an id below 64, got 64",
  },
  "a token that is not a number": {
    make: (broken) => broken.tokens([[1, NaN, ...Array(32).fill(1)]]),
    message: "Cannot read tokens of row 0 in FOLDER/t.jsonl: " +
      "expected ids from 0 to 2147483647, got null at 1",
  },
  "no tokens": {
    make: (broken) => broken.tokens([]),
    message: "Cannot read tokens of FOLDER/t.jsonl: expected at least one row, got none",
  },
  "NaN in the SAE": {
    make: (broken) =>
      broken.tensor(`${broken.sae}/sae_weights.safetensors`, "W_dec", (data) => {
        data[7] = NaN;
      }),
    message: `Cannot read tensor "W_dec" in ${weights}: expected finite numbers, ` +
      "got NaN at element 7",
  },
  "NaN in the model": {
    make: (broken) =>
      broken.tensor(`${broken.model}/model.safetensors`, "gpt_neox.embed_in.weight", (data) => {
        data.fill(NaN);
      }),
    message: "Cannot compute the input of SAE FOLDER/ckpt_8/sae at blocks.2.hook_resid_pre: " +
      "expected finite numbers, got NaN at position 0 of sequence 0; " +
      "look for NaN or overflow in the weights of the model",
  },
  "NaN in the model, met by a worker": {
    make: (broken) =>
      broken.tensor(`${broken.model}/model.safetensors`, "gpt_neox.embed_in.weight", (data) => {
        data.fill(NaN);
      }),
    args: ["--workers", "2", "--batch-size", "1", "--device", "cpu"],
    message: "Cannot compute the input of SAE FOLDER/ckpt_8/sae at blocks.2.hook_resid_pre: " +
      "expected finite numbers, got NaN at position 0 of sequence 0; " +
      "look for NaN or overflow in the weights of the model",
  },
  "NaN in the SAE of the second checkpoint, before the first is run": {
    make: (broken) =>
      broken.tensor(`${broken.folder}/ckpt_153/sae/sae_weights.safetensors`, "b_enc", (data) => {
        data[3] = NaN;
      }),
    message: /^Cannot read tensor "b_enc" in FOLDER\/ckpt_153\/sae\/sae_weights\.safetensors: /,
  },
  "NaN in the model of the second checkpoint": {
    make: (broken) =>
      broken.tensor(
        `${broken.folder}/ckpt_153/model/model.safetensors`,
        "gpt_neox.embed_in.weight",
        (data) => {
          data.fill(NaN);
        },
      ),
    message: /^Cannot compute the input of SAE FOLDER\/ckpt_153\/sae at /,
    finished: ["activations/step8.arrow"],
  },
  "a context longer than a row": {
    args: ["--context-size", "41"],
    message: /^Cannot read tokens of row 0 in FOLDER\/t\.jsonl: expected at least 41 ids, got 40; /,
  },
  "an absent device": {
    args: ["--device", "coreml"],
    message:
      /^Cannot run on device "coreml": expected a session of onnxruntime, got .+; CoreML is part of macOS alone; use --device cpu or webgpu$/,
  },
  "a file in the way of --out": {
    make: ({ out }) => Deno.writeTextFileSync(out, ""),
    message: "Cannot write FOLDER/out/activations/step8.arrow: " +
      "expected a folder that can be written, got a file where a folder should be",
  },
  "a folder in the way of a file": {
    make: ({ out }) => Deno.mkdirSync(`${out}/tokens.arrow`, { recursive: true }),
    message: "Cannot open FOLDER/out/tokens.arrow: expected a file, got a folder",
  },
};

function filesBelow(folder: string, prefix = ""): string[] {
  const found: string[] = [];
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) found.push(...filesBelow(`${folder}/${name}`, `${prefix}${name}/`));
    else found.push(prefix + name);
  }
  return found.sort();
}

async function assertRefused({ make, args = [], message, finished = [] }: Case): Promise<void> {
  const broken = new Broken();
  try {
    await make?.(broken);
    const { sweep, out } = broken;
    const result = await script("activations", ["--sweep", sweep, "--out", out, ...args]);
    assertOneLine(result, message, broken.folder);
    const isFolder = Deno.lstatSync(broken.folder).isDirectory &&
      [...Deno.readDirSync(broken.folder)].some((e) => e.name === "out" && e.isDirectory);
    assert.deepEqual(isFolder ? filesBelow(out) : [], finished, "files below --out");
  } finally {
    Deno.removeSync(broken.folder, { recursive: true });
  }
}

function assertOneLine({ code, out, err }: Result, message: string | RegExp, folder = "") {
  const lines = err.replaceAll(folder || "\0", "FOLDER").split("\n");
  assert.equal(code, 1, err);
  assert.deepEqual(lines.slice(1), [""], `one line on stderr: ${err}`);
  const [said] = lines;
  assert.match(said, /^error: /);
  if (typeof message === "string") assert.equal(said.slice(7), message);
  else assert.match(said.slice(7), message);
  assert.doesNotMatch(out, /error/i);
}

// Two at once: a process takes longer to start than to fail.
const names = Object.keys(cases);
for (let i = 0; i < names.length; i += 2) {
  const pair = names.slice(i, i + 2);
  Deno.test(`activations refuses ${pair.join("; ")}`, async (t) => {
    const results = await Promise.allSettled(pair.map((name) => assertRefused(cases[name])));
    for (const [k, result] of results.entries()) {
      await t.step(pair[k], () => {
        if (result.status === "rejected") throw result.reason;
      });
    }
  });
}

const hasNvidia = await Deno.stat("/proc/driver/nvidia").then(() => true, () => false);

Deno.test({
  name: `activations says what to install for CUDA${
    hasNvidia ? " (skipped: it may be there)" : ""
  }`,
  ignore: hasNvidia,
  fn: () =>
    assertRefused({
      args: ["--device", "cuda"],
      message:
        /^Cannot run on device "cuda": expected a session of onnxruntime, got .+; install CUDA 12 and cuDNN 9, then run `deno install --allow-scripts=npm:onnxruntime-node@1\.30\.0`, or use --device cpu$/,
    }),
});

const usage: Record<string, [name: string, args: readonly string[], message: RegExp]> = {
  "an unknown option": [
    "activations",
    ["--sweep", "s", "--out", "o", "--treshold", "1"],
    /--treshold.*--threshold/,
  ],
  "a missing option": ["match", ["--sweep", "s"], /--out <folder>/],
  "a device that does not exist": [
    "activations",
    ["--sweep", "s", "--out", "o", "--device", "tpu"],
    /tpu.*auto, cpu, cuda, webgpu, coreml, dml/,
  ],
  "a batch of none": [
    "activations",
    ["--sweep", "s", "--out", "o", "--batch-size", "0"],
    /--batch-size <n>.*expected a count of at least 1/,
  ],
  "a threshold that is not a number": [
    "activations",
    ["--sweep", "s", "--out", "o", "--threshold", "-1"],
    /--threshold <a>.*expected a number of at least 0/,
  ],
  "an argument too many": ["match", ["--sweep", "s", "--out", "o", "x"], /too many arguments/],
};

Deno.test("scripts refuse, in one line that names it, what they are called with", async (t) => {
  for (const [what, [name, args, message]] of Object.entries(usage)) {
    await t.step(what, async () => assertOneLine(await script(name, args), message));
  }
});

Deno.test("match refuses a folder without activations, and says which command to run", async () => {
  const broken = new Broken();
  try {
    const { sweep, out } = broken;
    assertOneLine(
      await script("match", ["--sweep", sweep, "--out", out]),
      /^Cannot match step 153 in FOLDER\/out: .*, got nothing there; run `deno task activations` /,
      broken.folder,
    );
    assert.throws(() => Deno.statSync(out), Deno.errors.NotFound);
  } finally {
    Deno.removeSync(broken.folder, { recursive: true });
  }
});

Deno.test("--help prints the options of every script and is no error", async () => {
  for (const name of ["activations", "match", "demo"]) {
    const { code, out, err } = await script(name, ["--help"]);
    assert.equal(code, 0, err);
    assert.equal(err, "");
    assert.match(out, new RegExp(`^Usage: ${name} \\[options\\]\n`));
    assert.match(out, /--force +make finished files again/);
  }
});

Deno.test('a leading "--", as some shells and runners pass on, is dropped', async () => {
  const { code, out } = await script("activations", ["--", "--help"]);
  assert.equal(code, 0);
  assert.match(out, /^Usage: activations/);
  const args = ["--", "--sweep", "nowhere.json", "--out", "o"];
  assertOneLine(await script("match", args), /^Cannot open nowhere\.json: /);
});

Deno.test("an error has its stack only with --debug", async () => {
  const args = ["--sweep", "nowhere/sweep.json", "--out", "nowhere/out"];
  assertOneLine(await script("activations", args), /^Cannot open nowhere\/sweep\.json: /);
  const { code, err } = await script("activations", [...args, "--debug"]);
  assert.equal(code, 1);
  assert.match(err, /Cannot open nowhere\/sweep\.json: [\s\S]*\n +at /);
});
