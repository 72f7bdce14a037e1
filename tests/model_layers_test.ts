// The layers that architectures share, by onnxruntime, against their definitions and laws.

import assert from "node:assert/strict";
import { attend, causalMask, rotary, sharedBias, toHeads } from "../src/attention.ts";
import { activate, gateActivationNames, normalised } from "../src/layers.ts";
import { type Builder, buildGraph, type Value } from "../src/onnx.ts";
import { randomFrom } from "../src/random.ts";
import { type Feed, openGraph, planGraph } from "../src/session.ts";

type Arrays = Readonly<Record<string, ArrayLike<number>>>;

// Runs a graph of float32 inputs.
async function run(
  feeds: Readonly<Record<string, Feed>>,
  names: readonly string[],
  build: (b: Builder) => Record<string, Value>,
): Promise<Arrays> {
  const port = (shape: readonly (number | string)[]) => ({ dtype: "float32", shape } as const);
  const graph = buildGraph(
    Object.fromEntries(Object.entries(feeds).map(([name, { shape }]) => [name, port(shape)])),
    Object.fromEntries(names.map((name) => [name, port(["n", "d"])])),
    build,
  );
  const session = await openGraph(planGraph(graph));
  try {
    return await session.run(feeds);
  } finally {
    await session.release();
  }
}

function assertClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  assert.equal(actual.length, expected.length, what);
  for (let e = 0; e < expected.length; e++) {
    const [a, b] = [actual[e], expected[e]];
    assert(Math.abs(a - b) <= 2e-6 + 5e-6 * Math.abs(b), `${what}: ${a} for ${b} at ${e}`);
  }
}

// A random attention: B sequences of T positions, H heads of queries, G of keys, K wide, R rotated.
function randomAttention(seed: number) {
  const random = randomFrom(seed);
  const upTo = (n: number) => 1 + Math.floor(random() * n);
  const [B, T, G] = [upTo(2), upTo(7), upTo(3)];
  const H = G * upTo(3), K = 2 * upTo(4);
  const R = 2 * Math.floor(random() * (K / 2 + 1));
  const floats = (length: number) => Float32Array.from({ length }, () => 4 * random() - 2);
  return {
    ...{ B, T, G, H, K, R },
    theta: 10 ** (1 + 4 * random()),
    scale: 0.1 + random(),
    query: floats(B * T * H * K),
    key: floats(B * T * G * K),
    value: floats(B * T * G * K),
  };
}

type Attention = ReturnType<typeof randomAttention>;

function compute({ B, T, G, H, K, R, theta, scale, query, key, value }: Attention) {
  const feeds = {
    query: { data: query, shape: [B * T, H * K] },
    key: { data: key, shape: [B * T, G * K] },
    value: { data: value, shape: [B * T, G * K] },
  };
  return run(feeds, ["z"], (b) => {
    const heads = { length: T, nHeads: H, nKeyHeads: G, headWidth: K };
    const rotate = rotary(b, { length: T, headWidth: K, rotated: R, theta });
    const parts = {
      query: rotate(toHeads(b, "query", H, heads)),
      key: rotate(toHeads(b, "key", G, heads)),
      value: toHeads(b, "value", G, heads),
    };
    return { z: attend(b, parts, { ...heads, scale, mask: causalMask(b, T) }) };
  });
}

// As on a blackboard: one number after another.
function definition({ B, T, G, H, K, R, theta, scale, query, key, value }: Attention): number[] {
  const head = (x: Float32Array, n: number, b: number, t: number, h: number) =>
    Array.from(x.subarray(((b * T + t) * n + h) * K, ((b * T + t) * n + h + 1) * K));
  const rotated = (x: number[], t: number) =>
    x.map((_, d) => {
      if (d >= R) return x[d];
      const i = d % (R / 2), angle = t * theta ** (-2 * i / R);
      return d < R / 2
        ? x[i] * Math.cos(angle) - x[i + R / 2] * Math.sin(angle)
        : x[i + R / 2] * Math.cos(angle) + x[i] * Math.sin(angle);
    });
  const z: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const shared = Math.floor(h / (H / G));
        const q = rotated(head(query, H, b, t, h), t);
        const weights = Array.from({ length: t + 1 }, (_, s) => {
          const k = rotated(head(key, G, b, s, shared), s);
          return Math.exp(scale * q.reduce((sum, v, d) => sum + v * k[d], 0));
        });
        const total = weights.reduce((sum, w) => sum + w);
        const values = weights.map((_, s) => head(value, G, b, s, shared));
        for (let d = 0; d < K; d++) {
          z.push(weights.reduce((sum, w, s) => sum + w / total * values[s][d], 0));
        }
      }
    }
  }
  return z;
}

Deno.test("attend() of rotated and shared heads is its definition on 100 random inputs", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const attention = randomAttention(seed);
    const { z } = await compute(attention);
    assertClose(z, definition(attention), `seed ${seed}`);
  }
});

Deno.test("attend() of a position does not see a later one", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const attention = randomAttention(seed);
    const { T, G, H, K } = attention;
    const isLast = (e: number) => Math.floor(e / (G * K)) % T === T - 1;
    const changed = (x: Float32Array) => x.map((v, e) => isLast(e) ? 9 : v);
    const { z } = await compute(attention);
    const { z: after } = await compute({
      ...attention,
      key: changed(attention.key),
      value: changed(attention.value),
    });
    const before = (x: ArrayLike<number>) =>
      Array.from(x).filter((_, e) => Math.floor(e / (H * K)) % T < T - 1);
    assert.deepEqual(before(after), before(z), `seed ${seed}`);
    assert.notDeepEqual(after, z, `seed ${seed}`);
  }
});

Deno.test("rotary scores depend on the distance of positions alone", async () => {
  // The same query and key at every position: scores on a diagonal are equal.
  const [T, K] = [6, 8];
  const random = randomFrom(3);
  const row = () => Float32Array.from({ length: K }, () => random() - 0.5);
  const repeated = (x: Float32Array) => new Float32Array(T * K).map((_, e) => x[e % K]);
  const feeds = {
    query: { data: repeated(row()), shape: [1, T, 1, K] },
    key: { data: repeated(row()), shape: [1, T, 1, K] },
  };
  const { scores } = await run(feeds, ["scores"], (b) => {
    const rotate = rotary(b, { length: T, headWidth: K, rotated: K, theta: 100 });
    const flat = (x: Value) => b.op("Reshape", [x, b.ints(T, K)]);
    const [q, k] = [flat(rotate("query")), flat(rotate("key"))];
    return { scores: b.op("Gemm", [q, k], { transB: 1n }) };
  });
  for (let from = 1; from < T; from++) {
    for (let to = 1; to < T; to++) {
      assertClose([scores[from * T + to]], [scores[(from - 1) * T + to - 1]], `${from} ${to}`);
    }
  }
});

Deno.test("sharedBias() is what a mixture of equal values is", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const attention = randomAttention(seed);
    const { B, T, G, H, K } = attention;
    const bias = attention.value.slice(0, G * K);
    const value = attention.value.map((_, e) => bias[e % (G * K)]);
    const { z } = await compute({ ...attention, value });
    const feeds = { bias: { data: bias, shape: [G * K] } };
    const shared = await run(feeds, ["z"], (b) => ({
      z: sharedBias(b, "bias", { length: T, nHeads: H, nKeyHeads: G, headWidth: K }),
    }));
    const every = Array.from({ length: B * T }, () => Array.from(shared.z)).flat();
    assertClose(z, every, `seed ${seed}`);
  }
});

const erf = (x: number) => { // by its series
  let [sum, term] = [0, x];
  for (let n = 0; n < 60; n++) {
    sum += term / (2 * n + 1);
    term *= -x * x / (n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
};
const tanhGelu = (x: number) =>
  x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const definitions: Readonly<Record<typeof gateActivationNames[number], (x: number) => number>> = {
  gelu: (x) => x / 2 * (1 + erf(x / Math.SQRT2)),
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  relu: (x) => Math.max(0, x),
  silu: (x) => x / (1 + Math.exp(-x)),
};

Deno.test("activate() is the definition of every activation", async () => {
  const data = Float32Array.from({ length: 161 }, (_, e) => (e - 80) / 20);
  const feeds = { x: { data, shape: [161] } };
  const found = await run(
    feeds,
    gateActivationNames,
    (b) => Object.fromEntries(gateActivationNames.map((name) => [name, activate(b, name, "x")])),
  );
  for (const name of gateActivationNames) {
    assertClose(found[name], Array.from(data, definitions[name]), name);
  }
});

Deno.test("normalised() is a layer norm, and without a shift an RMS norm, on 100 random inputs", async () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const [N, D] = [1 + seed % 5, 2 + Math.floor(random() * 30)];
    const epsilon = 10 ** (-1 - 5 * random());
    const floats = (n: number) => Float32Array.from({ length: n }, () => 6 * random() - 2);
    const [x, gain, shift] = [floats(N * D), floats(D), floats(D)];
    const feeds = {
      x: { data: x, shape: [N, D] },
      gain: { data: gain, shape: [D] },
      shift: { data: shift, shape: [D] },
    };
    const found = await run(feeds, ["layer", "rms"], (b) => ({
      layer: normalised(b, "x", { gain: "gain", shift: "shift", epsilon }),
      rms: normalised(b, "x", { gain: "gain", epsilon }),
    }));
    const rows = Array.from({ length: N }, (_, n) => Array.from(x.subarray(n * D, (n + 1) * D)));
    const mean = (row: number[]) => row.reduce((sum, v) => sum + v) / D;
    const layer = rows.flatMap((row) => {
      const centre = mean(row);
      const variance = mean(row.map((v) => (v - centre) ** 2));
      return row.map((v, d) => gain[d] * (v - centre) / Math.sqrt(variance + epsilon) + shift[d]);
    });
    const rms = rows.flatMap((row) => {
      const square = mean(row.map((v) => v ** 2));
      return row.map((v, d) => gain[d] * v / Math.sqrt(square + epsilon));
    });
    assertClose(found.layer, layer, `layer norm of seed ${seed}`);
    assertClose(found.rms, rms, `RMS norm of seed ${seed}`);
  }
});
