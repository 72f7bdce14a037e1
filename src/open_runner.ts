/**
 * What runs the sequences of a checkpoint: a device that passes, workers on the CPU, or this thread.
 *
 * @module
 */

import type { Device, Provider } from "./device.ts";
import { chooseDevice } from "./device_check.ts";
import type { EncodePool } from "./encode_pool.ts";
import { runHere, type Runner } from "./encode_run.ts";
import { runsOf } from "./extract.ts";
import type { Graph } from "./onnx.ts";
import type { Sae } from "./sae.ts";
import { createEncoder, openSession, planSession } from "./session.ts";
import type { Tokens } from "./tokens.ts";

/** A runner, and what suits it. */
export interface OpenRunner {
  /** Runs sequences; release it when done. */
  readonly runner: Runner;
  /** What runs the graph. */
  readonly device: Provider;
  /** Most tokens of one run. */
  readonly tokensPerRun: number;
}

/**
 * Opens what runs the sequences of a checkpoint.
 *
 * On the CPU there are never more workers than runs, and where one is enough it is this thread.
 *
 * @param graph The graph of the checkpoint, in the form that a device wants.
 * @param sae Its SAE.
 * @param tokens The tokens.
 * @param options The smallest activation that is kept, the device asked for, the most workers and the
 *   most sequences of one run; what starts the workers, where any are needed.
 * @returns The runner.
 * @throws {DataError} If the device is absent, or computes other values than the CPU.
 */
export async function openRunner(
  graph: (device: Provider) => Graph,
  sae: Sae,
  tokens: Tokens,
  { threshold, device: asked, workers, batchSize, startPool }: {
    readonly threshold: number;
    readonly device: Device;
    readonly workers: number;
    readonly batchSize: number;
    readonly startPool: (nWorkers: number) => EncodePool;
  },
): Promise<OpenRunner> {
  const runs = (device: Provider) =>
    runsOf(tokens, { batchSize, tokensPerRun: tokensPerRun(device, sae.dSae) });
  const { device, encoder } = await chooseDevice(asked, {
    open: (device) => createEncoder(graph(device), { device, threads: workers }),
    ids: (device) => runs(device).next().value!.ids,
    nFeatures: sae.dSae,
  });
  const plan = { sae, threshold };
  const opened = { device, tokensPerRun: tokensPerRun(device, sae.dSae) };
  if (encoder !== undefined) return { ...opened, runner: runHere(encoder, plan) };

  const session = planSession(graph("cpu"));
  const nWorkers = Math.min(workers, [...runs("cpu")].length);
  if (nWorkers > 1) {
    return { ...opened, runner: await startPool(nWorkers).open({ ...session, ...plan }) };
  }
  return { ...opened, runner: runHere(await openSession(session), plan) };
}

// A CPU is fastest where a run stays in its caches, another device where it has much to do at once;
// both hold the dense activations of a run, of which there are at most 64 or 256 MB.
function tokensPerRun(device: Provider, dSae: number): number {
  return device === "cpu"
    ? Math.min(512, Math.floor(2 ** 24 / dSae))
    : Math.min(16384, Math.floor(2 ** 26 / dSae));
}
