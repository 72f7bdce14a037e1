// mod.ts as a user has it: by URL, with no permission, and without native code.

import assert from "node:assert/strict";
import * as library from "../mod.ts";

const root = new URL("../", import.meta.url);

const types: Readonly<Record<string, string>> = {
  ts: "application/typescript",
  js: "text/javascript",
  css: "text/css",
};

// Serves the repository on loopback for as long as an action takes, and tells what was asked for.
async function served(act: (url: string, asked: ReadonlySet<string>) => Promise<void>) {
  const asked = new Set<string>();
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const path = new URL(request.url).pathname.slice(1);
      asked.add(path);
      try {
        const body = await Deno.readFile(new URL(path, root));
        const type = types[path.split(".").at(-1)!] ?? "text/plain";
        return new Response(body, { headers: { "content-type": type } });
      } catch {
        return new Response("not found", { status: 404 });
      }
    },
  );
  try {
    await act(`http://127.0.0.1:${server.addr.port}`, asked);
  } finally {
    await server.shutdown();
  }
}

// Runs a program in an empty folder, allowed only to import from the server.
async function runAlone(program: string, url: string) {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/main.ts`, program);
    const { code, stdout, stderr } = await new Deno.Command("deno", {
      args: [
        "run",
        "-q",
        "--no-prompt",
        "--no-lock",
        `--allow-import=${new URL(url).host}`,
        "main.ts",
      ],
      cwd: folder,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    const left = [...Deno.readDirSync(folder)].map(({ name }) => name);
    return { code, out: text.decode(stdout), err: text.decode(stderr), left };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("mod.ts works from a URL, with no permission and no native code", async () => {
  await served(async (url, asked) => {
    const { code, out, err, left } = await runAlone(
      `
      import { emptyMatch, matchFeatures, reportPage, sparsify } from "${url}/mod.ts";
      const last = sparsify(new Float32Array([1, 0, 2, 0, 0, 3]), 2);
      const early = sparsify(new Float32Array([0, 2, 0, 4, 6, 0]), 2);
      const match = matchFeatures(last, early);
      const none = new Float32Array(2);
      const scores = { nBoth: new Uint32Array(2), cosine: none, pearson: none, iou: none,
        weighted_jaccard: none };
      const html = await reportPage({
        name: "by URL",
        hook: "blocks.0.hook_resid_pre",
        centred: true,
        reference: 1,
        nFeatures: 2,
        metric: "cosine",
        links: [],
        emergence: { threshold: 0.5, intervals: [] },
        tokenShare: new Float64Array(2).fill(NaN),
        checkpoints: [0, 1].map((step) => ({
          step,
          losses: {},
          match,
          best: scores,
          runnerUp: scores,
          support: new Uint32Array(2),
          markShares: { first: none, padding: none, outlier: none },
          decoderCosine: new Float32Array([1, 1]),
          nulls: { rotated: [], sameToken: [] },
          quality: { nTokens: 3, dSae: 2, nMeasured: 3, l0: 1, l1: 2, mse: 0.1,
            explainedVariance: 0.9, nDead: 0, nDense: 0 },
        })),
      }, { plotly: "/* plotly */", generatedBy: "a test" });
      console.log(JSON.stringify({
        best: [...match.best],
        cosine: [...match.similarity],
        none: [...emptyMatch(new Uint32Array(1), new Uint32Array(1)).best],
        isPage: html.startsWith("<!doctype html>") || html.startsWith("<!DOCTYPE html>"),
        ffi: Deno.permissions.querySync({ name: "ffi" }).state,
        read: Deno.permissions.querySync({ name: "read" }).state,
      }));
      `,
      url,
    );
    assert.equal(code, 0, err);
    assert.equal(err, "");
    assert.deepEqual(JSON.parse(out), {
      best: [1, 0],
      cosine: [1, 1],
      none: [-1],
      isPage: true,
      ffi: "prompt",
      read: "prompt",
    });
    assert.deepEqual(left, ["main.ts"], "nothing is left beside the program");
    const inSrc = [...asked].filter((path) => path.startsWith("src/")).map((path) => path.slice(4));
    const there = [...Deno.readDirSync(new URL("src/", root))].map(({ name }) => name)
      .filter((name) => !name.endsWith("_worker.ts")); // loaded when the first worker starts
    assert.deepEqual(inSrc.sort(), there.sort(), "all of src is reached from mod.ts");
    assert.deepEqual([...asked].filter((path) => !path.startsWith("src/")), ["mod.ts"]);
  });
});

Deno.test("the plotting library comes by URL too, and needs no permission", async () => {
  await served(async (url) => {
    const { code, out, err } = await runAlone(
      `
      import { readPlotly } from "${url}/mod.ts";
      const text = await readPlotly();
      console.log(text.length > 1e6, /plotly/i.test(text.slice(0, 300)));
      `,
      url,
    );
    assert.equal(code, 0, err);
    assert.equal(out, "true true\n");
  });
});

Deno.test("a session asks for the permission to load native code, and only then", async () => {
  await served(async (url) => {
    const { code, out, err } = await runAlone(
      `
      import { buildGraph, createEncoder } from "${url}/mod.ts";
      const tokens = { dtype: "int32", shape: ["sequences", 1] } as const;
      const floats = { dtype: "float32", shape: ["tokens", "d"] } as const;
      console.log("loaded");
      const graph = buildGraph({ tokens }, { x: floats, activations: floats }, (b) => {
        const x = b.op("Identity", ["tokens"]);
        return { x, activations: x };
      });
      await createEncoder(graph);
      `,
      url,
    );
    assert.equal(code, 1);
    assert.equal(out, "loaded\n");
    assert.match(err, /NotCapable: Requires ffi access to .*onnxruntime_binding\.node/);
  });
});

Deno.test("mod.ts exports what is listed here, and nothing else", () => {
  assert.deepEqual(Object.keys(library).sort(), [
    "DataError",
    "activationTypes",
    "activationsOf",
    "activationsWriter",
    "agreeOnHook",
    "agreementFigure",
    "appearances",
    "appearingCountsFigure",
    "appearingFeatures",
    "appearingFigure",
    "audit",
    "auditSweep",
    "automaticProviders",
    "birthsDeathsFigure",
    "blocksOf",
    "buildGraph",
    "bytesInMemory",
    "chained",
    "chanceFigure",
    "checkMadeFrom",
    "checkProducts",
    "checkVocabulary",
    "checkingRunner",
    "checkpointsAt",
    "chooseDevice",
    "chooseFeatures",
    "chromiumPaths",
    "columnSums",
    "compareRevisions",
    "concatenate",
    "conventions",
    "cosineMapFigure",
    "countMatched",
    "countReordered",
    "createEncoder",
    "createMatcher",
    "decoderCosines",
    "decoderHistogramFigure",
    "denormalisation",
    "detectSaeFormat",
    "devices",
    "distanceMatrixFigure",
    "distances",
    "emergence",
    "emergenceFollower",
    "emptyMatch",
    "encodeModel",
    "encodeRun",
    "encodeSafetensors",
    "encodeTensors",
    "encoderGraph",
    "exchanged",
    "exportNeuronpedia",
    "extract",
    "extractSweep",
    "falseDiscovery",
    "featureAxes",
    "featurePaths",
    "featuresByEmergence",
    "featuresByStability",
    "fetchSweep",
    "fetchedWeights",
    "findAudit",
    "findCheckpointIndex",
    "findChromium",
    "findingKinds",
    "firstDifference",
    "frameAgreement",
    "framesOf",
    "getEntry",
    "getJson",
    "gpt2Graph",
    "graphForms",
    "groupEnds",
    "halfRise",
    "histogram",
    "hookPoints",
    "hubPath",
    "inDegrees",
    "isHubName",
    "isSame",
    "isotonic",
    "keepCommit",
    "keepFile",
    "lifecycle",
    "lifecycleFlowFigure",
    "lifecycleStripFigure",
    "lifecycles",
    "lineageEvents",
    "lineageSurvival",
    "lineages",
    "listFamily",
    "listHubModels",
    "listModels",
    "listRuns",
    "listSaes",
    "llamaGraph",
    "loadTfjs",
    "logitLens",
    "lossEffects",
    "lossFigure",
    "makeSweep",
    "markedShares",
    "matchDense",
    "matchFeatures",
    "matchSweep",
    "matchedFractionFigure",
    "measure",
    "metricNames",
    "metrics",
    "mutualMatches",
    "neoxGraph",
    "neuronpediaBatch",
    "olmo2Graph",
    "onTokens",
    "openActivations",
    "openBrowser",
    "openFile",
    "openGraph",
    "openHub",
    "openSession",
    "openTable",
    "openUrl",
    "ownMemory",
    "pairScores",
    "pairSums",
    "parseGpt2Config",
    "parseHook",
    "parseHubName",
    "parseLlamaConfig",
    "parseNeoxConfig",
    "parseOlmo2Config",
    "parseRevision",
    "parseSaeConfig",
    "pictureFormats",
    "placeSae",
    "planGraph",
    "planSession",
    "pythiaSteps",
    "qualityMeter",
    "quantile",
    "randomFrom",
    "readActivationInfo",
    "readActivations",
    "readAudit",
    "readEntries",
    "readFloats",
    "readHubRevisions",
    "readLink",
    "readMatch",
    "readModel",
    "readNorms",
    "readNpzArrays",
    "readPlotly",
    "readRecord",
    "readSae",
    "readSummary",
    "readSweep",
    "readTensors",
    "readTextTokens",
    "readTokenIds",
    "readTokenTexts",
    "readTokenizer",
    "readTokens",
    "readTokensInfo",
    "readTorchEntries",
    "readUnembedding",
    "readWandbFile",
    "readWandbRuns",
    "readWeights",
    "readZip",
    "refuseDuplicates",
    "refuseMember",
    "reorderTensor",
    "reorderTensors",
    "replicas",
    "reportPage",
    "repositoryOf",
    "resolveName",
    "rotated",
    "rotationFigure",
    "rotations",
    "rowBlocks",
    "runHere",
    "saeGraph",
    "sameCheckpoints",
    "sameWeights",
    "sample",
    "selfCheck",
    "sequenceFiller",
    "sequenceSums",
    "sha256",
    "sharedMemory",
    "show",
    "showHubName",
    "significance",
    "similarityHistogramFigure",
    "sliceRows",
    "sparseRows",
    "sparsify",
    "spread",
    "stanfordSteps",
    "stepOf",
    "strangersIn",
    "supportMeter",
    "survival",
    "survivalFigure",
    "tableWriter",
    "textOf",
    "thresholds",
    "tokenClass",
    "tokenMarks",
    "tokenSet",
    "tokenShares",
    "tokensPerStep",
    "trainingTokens",
    "transpose",
    "writeAudit",
    "writeFeatures",
    "writeFile",
    "writeLink",
    "writeMatch",
    "writeNeuronpedia",
    "writePictures",
    "writeReordered",
    "writeReorderedSae",
    "writeReport",
    "writeReverse",
    "writeSite",
    "writeSummary",
    "writeTable",
    "writeTokens",
  ]);
});
