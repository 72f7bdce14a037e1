import type { AuditedCheckpoint } from "../src/audit_findings.ts";
import { bytesInMemory } from "../src/files.ts";
import { fingerprintWeights } from "../src/fingerprints.ts";
import { randomFrom } from "../src/random.ts";
import { encodeSafetensors, readEntries, type Tensor } from "../src/safetensors.ts";

/** A model of a few small tensors, by their names. */
export type MiniModel = Readonly<Record<string, Tensor>>;

// deno-fmt-ignore
const shapes: Readonly<Record<string, readonly number[]>> = {
  "embed_in.weight": [32, 32], "embed_out.weight": [32, 32],
  "layers.0.dense.weight": [32, 32], "layers.0.norm.bias": [64],
};

/** Normal deviates of a seed. */
export function normalFrom(seed: number): () => number {
  const random = randomFrom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** The learning rate at a step: it rises up to step 1,430, and falls to a tenth at the end. */
export function rateAt(step: number, last: number): number {
  return Math.min(1, (step + 0.5) / 1430) * (0.55 + 0.45 * Math.cos((Math.PI * step) / last));
}

/**
 * A mini model at every step of a training made up of a drift and a random walk, both as fast as the
 * learning rate.
 */
export function train(steps: readonly number[], seed: number): MiniModel[] {
  const normal = normalFrom(seed);
  const draw = (shape: readonly number[]) =>
    Float32Array.from({ length: shape.reduce((n, d) => n * d) }, normal);
  const models: MiniModel[] = [];
  const now = Object.entries(shapes).map(([name, shape]) => ({
    name,
    shape,
    data: draw(shape),
    drift: draw(shape),
  }));
  for (const [c, step] of steps.entries()) {
    const gap = c === 0 ? 0 : step - steps[c - 1];
    const rate = rateAt(step - gap / 2, steps.at(-1)!);
    models.push(Object.fromEntries(now.map((tensor) => {
      const { name, shape, drift } = tensor;
      tensor.data = tensor.data.map((x, i) =>
        x + rate * (1e-5 * gap * drift[i] + 3e-3 * Math.sqrt(gap) * normal())
      );
      return [name, { shape, data: tensor.data }];
    })));
  }
  return models;
}

/** A mini model as a safetensors file. */
export function encodeModel(model: MiniModel): Uint8Array<ArrayBuffer> {
  return encodeSafetensors(model);
}

/** What an audit sees of a mini model. */
export async function auditedAt(step: number, model: MiniModel): Promise<AuditedCheckpoint> {
  const name = "model.safetensors";
  const entries = await readEntries(bytesInMemory(name, encodeModel(model)));
  return { step, files: [name], parts: await fingerprintWeights({ entries }) };
}

/** A whole family, as an audit sees it. */
export async function auditedFamily(
  steps: readonly number[],
  models: readonly MiniModel[],
): Promise<AuditedCheckpoint[]> {
  return await Promise.all(steps.map((step, c) => auditedAt(step, models[c])));
}
