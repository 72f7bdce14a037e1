// A planted sweep, matched by the package.

import { emergenceFollower } from "../../src/emergence_replicas.ts";
import type { Match } from "../../src/match.ts";
import { type Comparison, matchCheckpoint } from "../../src/match_checkpoint.ts";
import { createMatcher } from "../../src/matcher.ts";
import { strangersIn } from "../../src/nulls.ts";
import type { CheckpointSummary, Summary } from "../../src/summary.ts";
import { tokenSet } from "../../src/token_set.ts";
import { tokenShares } from "../../src/token_share.ts";
import { contextSize } from "./_draw.ts";
import type { PlantedSweep } from "./_planted.ts";

/** Similarity from which a feature is there. */
export const threshold = 0.5;

/** Matches a planted sweep as `matchSweep` does, but in memory. */
export async function matched(sweep: PlantedSweep, seed: number): Promise<Summary> {
  const { ids, checkpoints } = sweep;
  const norms = new Float32Array(ids.length).fill(1);
  const matcher = createMatcher({ workers: 1 });
  const reference = checkpoints[checkpoints.length - 1];
  const comparison: Comparison = {
    source: reference.activations,
    decoder: reference.decoder,
    tokens: tokenSet({ ids, contextSize, norms }),
    matcher,
    metric: "cosine",
  };
  const trials = { nRotations: 8, nExchanges: 2, nReplicas: 100, seed };
  const follower = emergenceFollower(threshold);
  const of: CheckpointSummary[] = [];
  const links: Match[] = [];
  for (const checkpoint of checkpoints) {
    const isReference = checkpoint === reference;
    const { matched, replicas } = await matchCheckpoint(
      comparison,
      checkpoint.activations,
      checkpoint.decoder,
      isReference ? undefined : trials,
    );
    if (!isReference) {
      follower.add(checkpoint.step, replicas, strangersIn(matched.match, matched.nulls.rotated));
    }
    of.push({ step: checkpoint.step, losses: {}, quality: noQuality, ...matched });
  }
  for (let c = 1; c < checkpoints.length; c++) {
    const [target, source] = [checkpoints[c - 1].activations, checkpoints[c].activations];
    links.push(await matcher.match({ source, target }));
  }
  matcher.close();
  return {
    name: "planted",
    hook: "blocks.0.hook_resid_pre",
    centred: false,
    reference: reference.step,
    nFeatures: reference.activations.nCols,
    metric: "cosine",
    checkpoints: of,
    links,
    emergence: { threshold, intervals: follower.intervals() },
    tokenShare: await tokenShares(reference.activations, ids),
  };
}

// There is no SAE whose quality could be measured.
const noQuality = {
  nTokens: 0,
  dSae: 0,
  nMeasured: 0,
  l0: NaN,
  l1: NaN,
  mse: NaN,
  explainedVariance: NaN,
  nDead: 0,
  nDense: 0,
};
