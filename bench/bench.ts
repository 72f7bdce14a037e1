/**
 * Times ours beside its peers, in turns, after asserting that all agree; then how ours grows.
 *
 * Reads   nothing but bench/peers.
 * Writes  out/bench, and bench/results/<machine>-<date>.json.
 * Example deno task bench --python out/bench/venv/bin/python
 */

import { exists, writeFile } from "../src/files.ts";
import { Command, positive, run, say } from "../scripts/_cli.ts";
import {
  inTurns,
  makePair,
  measure,
  type Measured,
  measureOurs,
  median,
  ratio,
  rounded,
} from "./_measure.ts";
import { growth } from "./growth.ts";
import { makeExtraction } from "./model.ts";

const install = "python3 -m venv out/bench/venv && " +
  "out/bench/venv/bin/pip install -r bench/peers/requirements.txt";

const command = new Command("bench")
  .description("Times ours beside its peers.")
  .option("--python <path>", "Python with the peers", "out/bench/venv/bin/python")
  .option("--rounds <n>", "rounds in which all take turns", positive, 3)
  .option("--tokens <n>", "tokens of the extraction", positive, 65536);

const folder = "out/bench";
const pair = `${folder}/match`;
const files = `--a ${pair}/activations/step1.arrow --b ${pair}/activations/step0.arrow`;

await run(command, async ({ python, rounds, tokens }) => {
  if (!await exists(python)) {
    throw new Error(`Cannot run ${python}: expected Python with the peers; run \`${install}\``);
  }
  const sweep = await makeExtraction(`${folder}/extraction`);
  await makePair(pair);
  const peer = (script: string, args: string) =>
    measure(python, `bench/peers/${script}`, ...args.split(" "));

  say("equality");
  const equality = {
    extraction: await compareExtraction(python, peer, sweep),
    match: await compareMatch(python, peer),
  };
  say("extraction");
  const extraction = await timeExtraction(python, peer, { sweep, rounds, tokens });
  say("match");
  const match = await timeMatch(python, peer, rounds);
  say("growth");
  const results = {
    date: new Date().toISOString().slice(0, 10),
    machine: await machine(),
    versions: versionsOf(extraction, match),
    command: `deno task bench --rounds ${rounds} --tokens ${tokens}`,
    equality,
    extraction: extraction.figures,
    match: match.figures,
    growth: await growth(python, sweep, folder),
  };
  const name = results.machine.cpu.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  const path = `bench/results/${name}-${results.machine.cores}-cores-${results.date}.json`;
  const text = JSON.stringify(results, null, 2) + "\n";
  await writeFile(path, (sink) => sink.write(new TextEncoder().encode(text)));
  say(text);
  say(path);
});

type Peer = (script: string, args: string) => Promise<Measured>;

// Active sets and values of 16,384 tokens against PyTorch in float32.
async function compareExtraction(python: string, peer: Peer, sweep: string): Promise<Measured> {
  const [reference, out] = [`${folder}/reference.npz`, `${folder}/equal`];
  await peer("reference_rows.py", `--sweep ${sweep} --tokens 16384 --out ${reference}`);
  const args = `--sweep ${sweep} --out ${out} --tokens 16384`;
  const { step } = await measureOurs(python, "ours_extract.ts", args);
  const rows = `${out}/activations/step${step}.arrow`;
  return await peer("compare_rows.py", `--reference ${reference} --rows ${rows}`);
}

// Both sides of the match against scipy in float64, and against C.
async function compareMatch(python: string, peer: Peer): Promise<Record<string, Measured>> {
  await peer("match_scipy.py", `${files} --d 8192 --out ${folder}/exact.npz`);
  for (const [step, name] of [[1, "a"], [0, "b"]]) {
    const arrow = `${pair}/activations/step${step}.arrow`;
    await peer("to_raw.py", `--arrow ${arrow} --out ${folder}/${name}`);
  }
  const compile = `-O3 -march=native -o ${folder}/match_c bench/peers/match.c -lm`;
  const gcc = await new Deno.Command("gcc", { args: compile.split(" ") }).output();
  if (!gcc.success) throw new Error(`Cannot run gcc ${compile}`);
  await runC();
  await measureOurs(python, "ours_match.ts", `--folder ${pair} --reference 1`);
  const ours = `--matches ${pair}/matches/step0.arrow --reverse ${pair}/reverse/step0.arrow`;
  return {
    scipy: await peer("compare_match.py", `${ours} --peer ${folder}/exact.npz ${files}`),
    c: await peer("compare_match.py", `${ours} --peer ${folder}/match.bin ${files}`),
  };
}

function runC(): Promise<Measured> {
  return measure(
    `./${folder}/match_c`,
    `${folder}/a`,
    `${folder}/b`,
    "8192",
    `${folder}/match.bin`,
  );
}

interface Timed {
  readonly figures: Readonly<Record<string, unknown>>;
  readonly runs: Readonly<Record<string, readonly Measured[]>>;
}

async function timeExtraction(
  python: string,
  peer: Peer,
  { sweep, rounds, tokens }: {
    readonly sweep: string;
    readonly rounds: number;
    readonly tokens: number;
  },
): Promise<Timed> {
  const args = `--sweep ${sweep} --tokens ${tokens}`;
  const runs = await inTurns(rounds, {
    ours: () => measureOurs(python, "ours_extract.ts", `${args} --out ${folder}/timed`),
    notebook: () => peer("extract_notebook.py", args),
    pytorch: () => peer("extract_pytorch.py", args),
    pytorch_medium: () => peer("extract_pytorch.py", `${args} --precision medium`),
    sgemm: () => peer("sgemm.py", `--sweep ${sweep}`),
  }, say);
  const perSecond = runs.ours.map(({ seconds }) => tokens / seconds);
  const floor = runs.sgemm.map(({ floor_tokens_per_s }) => Number(floor_tokens_per_s));
  return {
    runs,
    figures: {
      vs_notebook: ratio(runs.notebook, runs.ours),
      vs_pytorch: ratio(runs.pytorch, runs.ours),
      vs_pytorch_medium: ratio(runs.pytorch_medium, runs.ours),
      floor_fraction: rounded(median(perSecond.map((rate, round) => rate / floor[round]))),
      tokens_per_s: rounded(median(perSecond)),
      floor_tokens_per_s: rounded(median(floor)),
      ...seconds(runs),
      ...peaks(runs),
    },
  };
}

async function timeMatch(python: string, peer: Peer, rounds: number): Promise<Timed> {
  const ours = (args: string) =>
    measureOurs(python, "ours_match.ts", `--folder ${pair} --reference 1 ${args}`);
  const runs = await inTurns(rounds, {
    ours: () => ours("--workers 2"),
    ours_1_worker: () => ours("--workers 1"),
    ours_kernel: () => ours("--kernel"),
    ours_20_pairs: () => ours("--workers 2 --pairs 20"),
    c: runC,
    scipy: () => peer("match_scipy.py", `${files} --d 8192`),
    notebook: () => peer("match_notebook.py", `${files} --d 8192`),
  }, say);
  return {
    runs,
    figures: {
      vs_notebook: ratio(runs.notebook, runs.ours),
      vs_scipy: ratio(runs.scipy, runs.ours),
      vs_c: ratio(runs.ours_kernel, runs.c), // the same loop, in one thread each
      floor_fraction: ratio(runs.c, runs.ours_kernel),
      speed_up_2_workers: ratio(runs.ours_1_worker, runs.ours),
      ...seconds(runs),
      ...peaks(runs),
    },
  };
}

function seconds(runs: Timed["runs"]): { seconds: number; all_seconds: Record<string, number[]> } {
  const all = Object.entries(runs).map((
    [name, of],
  ) => [name, of.map((run) => rounded(run.seconds))]);
  return {
    seconds: rounded(median(runs.ours.map((run) => run.seconds))),
    all_seconds: Object.fromEntries(all),
  };
}

function peaks(runs: Timed["runs"]): { peak_mb: number; all_peak_mb: Record<string, number> } {
  const most = (of: readonly Measured[]) => rounded(median(of.map((run) => Number(run.peak_mb))));
  const all = Object.entries(runs).map(([name, of]) => [name, most(of)]);
  return { peak_mb: most(runs.ours), all_peak_mb: Object.fromEntries(all) };
}

async function machine(): Promise<{ cpu: string; cores: number }> {
  const { stdout } = await new Deno.Command("lscpu", { args: ["-J"] }).output();
  const fields: { field: string; data: string }[] =
    JSON.parse(new TextDecoder().decode(stdout)).lscpu;
  const data = (name: string) =>
    fields.find(({ field }) => field === `${name}:`)?.data ?? "unknown";
  const cpu = `${data("Model name")} family ${data("CPU family")} model ${data("Model")}`;
  return { cpu, cores: navigator.hardwareConcurrency };
}

function versionsOf(...timed: readonly Timed[]): Record<string, unknown> {
  const peers = timed.flatMap(({ runs }) => Object.values(runs).map(([first]) => first.versions));
  return Object.assign({ ...Deno.version, "onnxruntime-node": "1.30.0" }, ...peers);
}
