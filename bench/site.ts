/**
 * Times the site of a finished match at its full size, 8,192 features of 20 checkpoints, and its pages
 * in a browser; then how both grow with features and checkpoints.
 *
 * Reads   nothing but src and bench/peers/peak.py.
 * Writes  out/bench/site, 3 GB, once; prints one line of JSON.
 * Example deno task bench:site --python out/bench/venv/bin/python
 */

import { pathToFileURL } from "node:url";
import { writeTokens } from "../src/activation_table.ts";
import { openBrowser, type Page } from "../src/browser.ts";
import { exists, listNames, openFile, writeFile } from "../src/files.ts";
import { readSummary } from "../src/read_summary.ts";
import { randomFrom } from "../src/random.ts";
import { readSweep } from "../src/sweep.ts";
import { readTokens } from "../src/tokens.ts";
import { writeReport } from "../src/write_report.ts";
import { writeSite } from "../src/write_site.ts";
import { Command, positive, run, say } from "../scripts/_cli.ts";
import { makePair, type Measured, measureOurs, median, print, rounded } from "./_measure.ts";
import { extractionShape, makeExtraction } from "./model.ts";

const root = "out/bench/site";
const nTokens = 131_072;
const { vocabulary, contextSize } = extractionShape;

// In the page: the time from an address to its view, and to what the browser shows after it.
const visit = (hash: string) =>
  `new Promise((done) => {
    const start = performance.now();
    document.addEventListener("sae:view", () => {
      const shown = performance.now() - start;
      requestAnimationFrame(() => setTimeout(() => done([shown, performance.now() - start])));
    }, { once: true });
    location.hash = ${JSON.stringify(hash)};
  })`;

// In the page: the times between frames while the table goes from its first row to its last.
const scroll = `new Promise((done) => {
  const grid = document.querySelector("#features-grid");
  const [nFrames, times] = [200, []];
  let last;
  const step = (now) => {
    if (last !== undefined) times.push(now - last);
    last = now;
    if (times.length === nFrames) return done(times);
    grid.scrollTop = (times.length + 1) / nFrames * (grid.scrollHeight - grid.clientHeight);
    requestAnimationFrame(step);
  };
  grid.scrollTop = 0;
  requestAnimationFrame(step);
})`;

// In the page: the time since the navigation began, once a view is there and painted.
const opened = `new Promise((done) => {
  const look = () => {
    if (document.documentElement.dataset.shown === undefined) return setTimeout(look, 1);
    requestAnimationFrame(() => setTimeout(() => done(performance.now())));
  };
  look();
})`;

// In the page: the same for the overview, once its first figure is drawn and all answers; and once the
// last of its figures is drawn, which the browser shows one by one.
const overviewOpened = `new Promise((done) => {
  const look = () => {
    const [drawn] = performance.getEntriesByName("figures-drawn");
    if (drawn === undefined) return setTimeout(look, 10);
    const [{ loadEventEnd }] = performance.getEntriesByType("navigation");
    done([loadEventEnd, drawn.startTime]);
  };
  look();
})`;

const command = new Command("site")
  .description("Times the site of 8,192 features and 20 checkpoints.")
  .option("--python <path>", "Python, to measure with", "out/bench/venv/bin/python")
  .option("--rounds <n>", "how often each size is written", positive, 3)
  .option("--write <folder>", "only write the site of a folder, and time the parts of it");

await run(command, async ({ python, rounds, write }) => {
  if (write !== undefined) return print(await timedWrite(write));
  const full = await timeSite(python, { nFeatures: 8192, nCheckpoints: 20, rounds });
  say("growth");
  const few = { nFeatures: 2048, nCheckpoints: 20, rounds };
  const short = { nFeatures: 8192, nCheckpoints: 5, rounds };
  const [features, checkpoints] = [await timeSite(python, few), await timeSite(python, short)];
  const times = (of: typeof full) => rounded(full.seconds / of.seconds);
  print({
    ...full,
    growth: [
      { what: "2,048 to 8,192 features", from: features, times: times(features) },
      { what: "5 to 20 checkpoints", from: checkpoints, times: times(checkpoints) },
    ],
  });
});

interface Size {
  readonly nFeatures: number;
  readonly nCheckpoints: number;
  readonly rounds: number;
}

// The medians of some rounds in processes of their own, the bytes of the last, and its pages.
async function timeSite(python: string, { nFeatures, nCheckpoints, rounds }: Size) {
  const folder = `${root}/${nFeatures}x${nCheckpoints}`;
  await makeMatched(folder, nFeatures, nCheckpoints);
  const runs: Measured[] = [];
  for (let round = 0; round < rounds; round++) {
    runs.push(await measureOurs(python, "site.ts", `--write ${folder}`));
    say(`  ${nFeatures} × ${nCheckpoints}: ${rounded(runs[round].seconds)} s`);
  }
  const middle = (name: string) => rounded(median(runs.map((of) => Number(of[name]))));
  return {
    features: nFeatures,
    checkpoints: nCheckpoints,
    tokens: nTokens,
    seconds: middle("seconds"),
    summary_seconds: middle("summary_seconds"),
    site_seconds: middle("site_seconds"),
    report_seconds: middle("report_seconds"),
    cpu_seconds: middle("cpu_seconds"),
    peak_mb: middle("peak_mb"),
    mb: await megabytes(`${folder}/report`),
    page: await timePages(`${folder}/report/index.html`, nFeatures),
  };
}

/* What is timed. */

async function timedWrite(folder: string): Promise<Measured> {
  const start = performance.now();
  const sweep = await readSweep(`${folder}/site.json`);
  const { summary, distance } = await readSummary(sweep, folder);
  const read = performance.now();
  await writeSite(sweep, summary, folder, { distance });
  const written = performance.now();
  await writeReport(summary, folder, { threshold: distance, hasSite: true });
  const end = performance.now();
  return {
    seconds: (end - start) / 1000,
    summary_seconds: (read - start) / 1000,
    site_seconds: (written - read) / 1000,
    report_seconds: (end - written) / 1000,
  };
}

// Of the page, the table, all paths and all details.
async function megabytes(report: string) {
  const parts = { page: 0, table: 0, paths: 0, feature: 0 };
  const add = async (part: keyof typeof parts, path: string) => {
    parts[part] += (await openFile(path)).byteLength / 1e6;
  };
  await add("page", `${report}/index.html`);
  for (const name of await listNames(`${report}/data`)) {
    await add(/^[a-z]+/.exec(name)![0] as keyof typeof parts, `${report}/data/${name}`);
  }
  const all = Object.values(parts).reduce((sum, of) => sum + of, 0);
  const details = (await listNames(`${report}/data`)).filter((name) => name.startsWith("feature"));
  return {
    all: rounded(all),
    ...Object.fromEntries(Object.entries(parts).map(([part, of]) => [part, rounded(of)])),
    details: details.length,
  };
}

/* Pages. */

async function timePages(path: string, nFeatures: number) {
  await using browser = await openBrowser();
  const address = pathToFileURL(path).href;
  const open = async <T>(hash: string, when: string): Promise<T> => {
    const page = await browser.newPage();
    await page.goto(address + hash);
    const ms = await page.evaluate<T>(when);
    refuseNoise(page);
    await page.close();
    return ms;
  };
  const [table, overview, drawn, feature]: number[][] = [[], [], [], []];
  for (let round = 0; round < 7; round++) {
    table.push(await open("#/features", opened));
    const [first, last] = await open<[number, number]>("", overviewOpened);
    overview.push(first);
    drawn.push(last);
    feature.push(await open("#/feature/1", opened));
  }
  const page = await browser.newPage();
  await page.goto(`${address}#/features`);
  await page.evaluate(opened);
  const frames = await page.evaluate<number[]>(scroll);
  const detailed = await page.evaluate<number[]>(
    `site.load("table").then(({ detailed }) => detailed)`,
  );
  const random = randomFrom(1);
  const plain = Array.from({ length: 20 }, () => Math.floor(random() * nFeatures))
    .filter((f) => !detailed.includes(f));
  const features = { detailed: detailed.slice(0, 20), plain };
  const ms = (numbers: readonly number[]) => rounded(median(numbers));
  const pages: Record<string, number> = {};
  for (const [name, of] of Object.entries(features)) {
    const visits: [shown: number, painted: number][] = [];
    for (const f of of) visits.push(await page.evaluate(visit(`#/feature/${f}`)));
    pages[`${name}_shown_ms`] = ms(visits.map(([shown]) => shown));
    pages[`${name}_painted_ms`] = ms(visits.map(([, painted]) => painted));
    pages[`${name}_most_ms`] = rounded(Math.max(...visits.map(([, painted]) => painted)));
  }
  refuseNoise(page);
  const sorted = [...frames].sort((a, b) => a - b);
  return {
    table_ms: ms(table),
    overview_ms: ms(overview),
    overview_drawn_ms: ms(drawn),
    first_feature_ms: ms(feature),
    ...pages,
    frame_ms: ms(frames),
    frame_p95_ms: rounded(sorted[Math.floor(0.95 * sorted.length)]),
    frame_most_ms: rounded(sorted.at(-1)!),
  };
}

function refuseNoise({ messages }: Page): void {
  if (messages.length > 0) throw new Error(`Cannot time a page that complains: ${messages[0]}`);
}

/* What the site is made from: activations by bench/pair.ts, really matched. */

async function makeMatched(folder: string, nFeatures: number, nCheckpoints: number): Promise<void> {
  if (await exists(`${folder}/features.arrow`)) return;
  const extraction = (await makeExtraction()).replace(/\/[^/]*$/, "");
  say(`making ${folder}`);
  await makePair(
    folder,
    `--tokens ${nTokens} --d-sae ${nFeatures} --l0 ${extractionShape.l0} ` +
      `--checkpoints ${nCheckpoints - 1}`,
  );
  const tokens = await readTokens(await openFile(`${extraction}/tokens.npy`), {
    contextSize,
    totalTokens: nTokens,
  });
  await writeFile(`${folder}/tokens.arrow`, (sink) => writeTokens(sink, tokens, "synthetic"));
  await writeJson(`${folder}/tokenizer.json`, tokenizer());
  await writeJson(`${folder}/site.json`, {
    name: "synthetic activations",
    tokens: { path: "none.npy" },
    tokenizer: "tokenizer.json",
    checkpoints: Array.from({ length: nCheckpoints }, (_, step) => ({
      step,
      model: "../../extraction/model",
      sae: `saes/step${step}`,
    })),
  });
  // Chance is tried less often than a user does, for it takes minutes; all else is as it is.
  const args = `run -q -P=match scripts/match.ts --sweep ${folder}/site.json --out ${folder} ` +
    "--null-rotations 2 --null-exchanges 1";
  const { success, stderr } = await new Deno.Command("deno", { args: args.split(" ") }).output();
  if (!success) throw new Error(`Cannot run deno ${args}: ${new TextDecoder().decode(stderr)}`);
}

// A byte-level vocabulary of words in the letters of a seed, half of them after a space.
function tokenizer() {
  const random = randomFrom(7);
  const vocab: Record<string, number> = {};
  for (let id = 0; id < vocabulary;) {
    const length = 1 + Math.floor(8 * random());
    const letters = Array.from(
      { length },
      () => String.fromCharCode(97 + Math.floor(26 * random())),
    );
    const token = (random() < 0.5 ? "Ġ" : "") + letters.join("");
    if (!Object.hasOwn(vocab, token)) vocab[token] = id++;
  }
  return { model: { type: "BPE", vocab, merges: [] }, decoder: { type: "ByteLevel" } };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFile(path, (sink) => sink.write(new TextEncoder().encode(JSON.stringify(value))));
}
