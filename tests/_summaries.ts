import { emptyMatch, type Match } from "../src/match.ts";
import type { PairScores } from "../src/pair_scores.ts";
import { randomFrom } from "../src/random.ts";
import type { CheckpointSummary, Summary } from "../src/summary.ts";

/** Steps at which Pythia was saved, some of them. */
export const steps = [0, 2, 128, 512, 2000, 8000, 16000, 64000, 95000, 127000, 143000];

/** A match of which only the cosines matter; feature f is matched to feature f. */
export function matchWith(cosines: readonly number[]): Match {
  const counts = Uint32Array.from(cosines, (cosine) => Number.isNaN(cosine) ? 0 : 9);
  return {
    ...emptyMatch(counts, counts),
    best: Int32Array.from(cosines, (cosine, feature) => Number.isNaN(cosine) ? -1 : feature),
    similarity: Float32Array.from(cosines),
  };
}

// As alike by every measure.
function scoresWith(similarity: Float32Array): PairScores {
  const of = { cosine: similarity, pearson: similarity, iou: similarity };
  return { ...of, weighted_jaccard: similarity, nBoth: new Uint32Array(similarity.length) };
}

/** A checkpoint of which only the cosines matter. */
export function checkpointWith(
  step: number,
  cosines: readonly number[],
  decoderCosines: readonly number[] = cosines,
  losses: CheckpointSummary["losses"] = {},
): CheckpointSummary {
  const match = matchWith(cosines);
  return {
    step,
    quality: {
      nTokens: 1000,
      dSae: cosines.length,
      nMeasured: 1000,
      l0: 4,
      l1: 9,
      mse: 2 + step,
      explainedVariance: 0.75,
      nDead: match.sourceCounts.filter((count) => count === 0).length,
      nDense: 1,
    },
    losses,
    match,
    decoderCosine: Float32Array.from(decoderCosines),
    best: scoresWith(match.similarity),
    runnerUp: scoresWith(match.runnerUpSimilarity),
    support: match.sourceCounts,
    markShares: {
      first: match.similarity.map((of) => 0 * of),
      padding: match.similarity.map((of) => 0 * of),
      outlier: match.similarity.map((of) => 0 * of),
    },
    nulls: { rotated: [], sameToken: [] },
  };
}

/** A summary of hand-made checkpoints, the last one being the reference. */
export function summaryOf(
  checkpoints: readonly CheckpointSummary[],
  { name = "by hand", hook = "blocks.3.hook_resid_pre" } = {},
): Summary {
  const last = checkpoints[checkpoints.length - 1];
  return {
    name,
    hook,
    centred: true,
    reference: last.step,
    nFeatures: last.match.similarity.length,
    metric: "cosine",
    checkpoints,
    links: [],
    emergence: { threshold: 0.5, intervals: [] },
    tokenShare: new Float64Array(last.match.similarity.length).fill(NaN),
  };
}

/**
 * A summary like those of real sweeps: each feature appears about a step of its own and then drifts
 * towards the reference; one in a hundred is dead.
 */
export function syntheticSummary(nFeatures = 300, seed = 1, name = "synthetic sweep"): Summary {
  const random = randomFrom(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const isDead = Array.from({ length: nFeatures }, () => random() < 0.01);
  const appearsAt = isDead.map(() => random() * steps.length * 1.3 - 1);
  const checkpoints = steps.map((step, c) => {
    const isReference = c === steps.length - 1;
    const cosines = appearsAt.map((at, feature) => {
      const growth = 1 / (1 + Math.exp(at - c)) + 0.03 * normal();
      if (isDead[feature] || (!isReference && random() < 0.004)) return NaN;
      return isReference ? 1 : Math.min(0.999, Math.max(0.01, 0.08 + 0.9 * growth));
    });
    const decoder = cosines.map((cosine) =>
      isReference ? cosine : Math.max(-1, Math.min(1, cosine ** 1.5 + 0.12 * normal()))
    );
    const peak = 34 + 150 * Math.exp(-(((Math.log10(1 + step) - 4.2) / 0.8) ** 2));
    const mse = peak * (0.5 + 0.02 * random());
    const plain = checkpointWith(step, cosines, decoder, {
      overall: peak,
      l1: (peak - mse) / 3,
      mse,
    });
    return {
      ...plain,
      quality: {
        ...plain.quality,
        nTokens: 640000,
        nMeasured: 65536,
        l0: 40 + 20 * random(),
        l1: 12 + random(),
        mse: mse * 1.05,
        explainedVariance: 0.93 - 0.1 * random(),
        nDead: plain.quality.nDead + (isReference ? 0 : Math.floor(4 * random())),
      },
    };
  });
  return summaryOf(checkpoints, { name });
}
