// What is done about a device that is absent, computes other values, or goes: with encoders by hand,
// as no wrong device is at hand.

import assert from "node:assert/strict";
import { automaticProviders, type Device, deviceFixes, devices } from "../src/device.ts";
import { chooseDevice, type Computed, firstDifference } from "../src/device_check.ts";
import { DataError } from "../src/errors.ts";
import { buildGraph } from "../src/onnx.ts";
import { randomFrom } from "../src/random.ts";
import { createEncoder, type Encoder } from "../src/session.ts";
import { sparsify } from "../src/sparse.ts";

const [N, T, D, F] = [12, 4, 3, 200]; // tokens, positions, d_in, d_sae

interface Values {
  readonly x: Float32Array;
  readonly activations: Float32Array;
}

function randomValues(seed: number): Values {
  const random = randomFrom(seed);
  return {
    x: new Float32Array(N * D).map(() => random() - 0.5),
    activations: new Float32Array(N * F).map(() => random() < 0.5 ? 1 + random() : 0),
  };
}

function computed({ x, activations }: Values): Computed {
  return { x, rows: sparsify(activations, F) };
}

// Values with one of them changed.
function changed(
  values: Values,
  name: keyof Values,
  at: number,
  to: (v: number) => number,
): Values {
  const array = values[name].slice();
  array[at] = to(array[at]);
  return { ...values, [name]: array };
}

const right = randomValues(1);
const active = right.activations.findIndex((v, e) => v > 0 && e > 5 * F);
const silent = right.activations.indexOf(0, 5 * F);

Deno.test("firstDifference() lets rounding pass", () => {
  const random = randomFrom(2);
  const noisy = (values: Float32Array) => values.map((v) => v * (1 + 1e-5 * (random() - 0.5)));
  const other = { x: noisy(right.x), activations: noisy(right.activations) };
  assert.equal(firstDifference(computed(right), computed(right)), undefined);
  assert.equal(firstDifference(computed(right), computed(other)), undefined);
});

Deno.test("firstDifference() names the worst value, and both numbers", () => {
  const inX = changed(right, "x", 5 * D + 1, (v) => v + 0.01);
  const { tolerance, ...found } = firstDifference(computed(right), computed(inX))!;
  const at = 5 * D + 1;
  assert.deepEqual(found, {
    of: "input",
    row: 5,
    column: 1,
    expected: right.x[at],
    got: inX.x[at],
  });
  assert(tolerance > 0 && tolerance < 1e-4);

  const next = right.activations.findIndex((v, e) => v > 0 && e > active);
  const one = changed(right, "activations", active, (v) => v + 0.01);
  const two = changed(one, "activations", next, (v) => v + 0.001);
  const difference = firstDifference(computed(right), computed(two))!;
  assert.equal(difference.of, "activation");
  assert.deepEqual(
    [difference.row, difference.column],
    [Math.floor(active / F), active % F],
  );
});

const odd: Record<string, [number, number, isTolerated: boolean]> = {
  "NaN for a number": [1, NaN, false],
  "infinity for a number": [1, Infinity, false],
  "a number for NaN": [NaN, 1, false],
  "NaN for NaN, which is for the run to find": [NaN, NaN, true],
};

for (const [name, [cpu, other, isTolerated]] of Object.entries(odd)) {
  Deno.test(`firstDifference() ${isTolerated ? "lets pass" : "finds"} ${name}`, () => {
    const a = changed(right, "x", 4, () => cpu), b = changed(right, "x", 4, () => other);
    const difference = firstDifference(computed(a), computed(b));
    assert.equal(difference === undefined, isTolerated);
    if (difference) assert.deepEqual([difference.row, difference.column], [1, 1]);
  });
}

Deno.test("firstDifference() lets one active feature in a thousand be there on one side alone", () => {
  const nActive = computed(right).rows.values.length;
  assert(nActive > 1000 && nActive < 2000, `${nActive}`);
  let other = right;
  for (let n = 0; n < 2; n++) {
    other = changed(other, "activations", silent + 7 * n, () => 1.5);
    other.activations[silent + 7 * n] = right.activations[silent + 7 * n] > 0 ? 0 : 1.5;
    assert.equal(firstDifference(computed(right), computed(other)), undefined, `${n + 1}`);
  }
  other = changed(other, "activations", active, () => 0);
  const difference = firstDifference(computed(right), computed(other));
  assert.equal(difference?.of, "active features");
  assert.notEqual(difference.expected, difference.got);
});

Deno.test("firstDifference() lets any number of features fire within the tolerance of zero", () => {
  const other = { ...right, activations: right.activations.map((v) => v === 0 ? 1e-5 : v) };
  assert.equal(firstDifference(computed(right), computed(other)), undefined);
});

// Encoders by hand: what is opened, and whether it is given back.
function fakes(by: Partial<Record<Device, Values | Error>>) {
  const log: string[] = [];
  const open = (device: Device): Promise<Encoder> => {
    const values = by[device] ?? new DataError("run on", absent(device));
    if (values instanceof Error) return Promise.reject(values);
    log.push(`open ${device}`);
    let row = 0;
    return Promise.resolve({
      length: T,
      encode({ length }) {
        const [from, to] = [row, row += length];
        return Promise.resolve({
          x: values.x.slice(from * D, to * D),
          activations: values.activations.slice(from * F, to * F),
        });
      },
      release: () => (log.push(`release ${device}`), Promise.resolve()),
    });
  };
  return { log, options: { open, ids: () => new Int32Array(N), nFeatures: F } };
}

const absent = (device: Device) => ({
  where: `device "${device}"`,
  expected: "a session of onnxruntime",
  got: "none",
});

const wrong = changed(right, "activations", active, (v) => v + 0.5);

Deno.test("a device that computes the same is taken, and the CPU given back", async () => {
  const { log, options } = fakes({ cpu: right, webgpu: right });
  const { device, encoder } = await chooseDevice("webgpu", options);
  assert.equal(device, "webgpu");
  assert(encoder !== undefined);
  assert.deepEqual(log, ["open webgpu", "open cpu", "release cpu"]);
});

Deno.test("a device that computes other values is refused with both numbers and where they are", async () => {
  const { log, options } = fakes({ cpu: right, webgpu: wrong, cuda: wrong });
  const [cpu, other] = [right.activations[active], wrong.activations[active]];
  const row = Math.floor(active / F);
  const sentence = (device: string) =>
    `Cannot trust device "${device}" at position ${row % T} of sequence ${Math.floor(row / T)}: ` +
    `expected activation ${cpu} of feature ${
      active % F
    } as on the CPU within 0.00020, got ${other}; `;
  await assert.rejects(chooseDevice("webgpu", options), {
    name: "DataError",
    message: `${sentence("webgpu")}use --device cpu`,
  });
  assert.deepEqual(log, ["open webgpu", "open cpu", "release cpu", "release webgpu"]);
  await assert.rejects(chooseDevice("cuda", options), {
    message: `${
      sentence("cuda")
    }set NVIDIA_TF32_OVERRIDE=0 in the environment, or use --device cpu`,
  });
});

Deno.test("the CPU is not compared, and not opened here", async () => {
  const { log, options } = fakes({ cpu: right });
  assert.deepEqual(await chooseDevice("cpu", options), { device: "cpu" });
  assert.deepEqual(log, []);
});

const automatic: Record<string, [Partial<Record<Device, Values | Error>>, Device]> = {
  "the first that is there and right": [{ dml: right, webgpu: right }, "dml"],
  "the next, where the first is absent": [{ webgpu: right }, "webgpu"],
  "the next, where the first is wrong": [{ dml: wrong, webgpu: right }, "webgpu"],
  "the CPU, where all are wrong": [{ cuda: wrong, dml: wrong, webgpu: wrong }, "cpu"],
  "the CPU, where none is there": [{}, "cpu"],
};

for (const [name, [by, expected]] of Object.entries(automatic)) {
  Deno.test(`"auto" takes ${name}`, async () => {
    const { log, options } = fakes({ cpu: right, ...by });
    const { device, encoder } = await chooseDevice("auto", { ...options, platform: "Win32" });
    assert.equal(device, expected);
    assert.equal(encoder === undefined, expected === "cpu");
    const open = log.filter((line) => line.startsWith("open")).length;
    const released = log.length - open;
    assert.equal(open - released, expected === "cpu" ? 0 : 1, "no other is left open");
  });
}

Deno.test('"auto" throws what is not about the device', async () => {
  const { options } = fakes({ cpu: right, cuda: new RangeError("a fault of ours") });
  await assert.rejects(chooseDevice("auto", options), RangeError);
});

Deno.test('"auto" does not ask for WebGPU on Linux', () => {
  assert.deepEqual(automaticProviders("Linux x86_64"), ["cuda"]);
});

Deno.test("a device that goes is one sentence", async () => {
  const port = { dtype: "int32", shape: ["sequences", 2] } as const;
  const encoder = await createEncoder(
    buildGraph({ tokens: port }, { x: port }, (b) => ({
      x: b.op("Gather", ["tokens", b.ints(5)], { axis: 1n }), // fails when it runs
    })),
  );
  try {
    await assert.rejects(encoder.encode(new Int32Array(4)), {
      name: "DataError",
      message: /^Cannot run on device "cpu": expected the values of its graph, got [^\n]+$/,
    });
  } finally {
    await encoder.release();
  }
});

Deno.test("every device but the CPU says what to do where it is absent", () => {
  for (const device of devices) {
    if (device !== "auto" && device !== "cpu") assert.match(deviceFixes[device]!, /--device cpu/);
  }
  assert.match(
    deviceFixes.cuda!,
    /CUDA 12 and cuDNN 9.*deno install --allow-scripts=npm:onnxruntime-node@1\.30\.0/,
  );
});
