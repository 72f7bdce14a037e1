/**
 * A summary, gathered from the matches of one checkpoint after another, made now or read.
 *
 * @module
 */

import type { ActivationInfo } from "./activation_table.ts";
import { similarityWithin } from "./emergence.ts";
import { emergenceFollower } from "./emergence_replicas.ts";
import type { Matched } from "./match_table.ts";
import type { Metric } from "./measures.ts";
import { strangersIn } from "./nulls.ts";
import type { CheckpointSummary, Summary } from "./summary.ts";
import type { Checkpoint, Sweep } from "./sweep.ts";
import { qualityOf } from "./sweep_activations.ts";

/** What all matches of a summary have in common. */
export interface GatherOptions {
  /** What the reference's activations say of themselves. */
  readonly info: ActivationInfo;
  /** How alike two features are. */
  readonly metric: Metric;
  /** Distance below which a feature is present. */
  readonly distance: number;
}

/** A match with the reference, and what its replicas say. */
export interface MatchedCheckpoint {
  /** What the checkpoint's activations say of themselves. */
  readonly info: ActivationInfo;
  /** The match, and what goes with it. */
  readonly matched: Matched;
  /** Similarities on sequences drawn anew. */
  readonly replicas: readonly Float32Array[];
}

/** Gathers a summary. */
export interface Gatherer {
  /** Takes the next checkpoint, in order of step; its replicas are followed and not kept. */
  add(checkpoint: Checkpoint, of: MatchedCheckpoint): CheckpointSummary;
  /** The summary of what was taken, and of the rest. */
  finish(rest: Pick<Summary, "links" | "tokenShare"> & { ceiling: Matched | undefined }): Summary;
}

/**
 * Begins to gather.
 *
 * @param sweep The sweep.
 * @param options What all matches have in common.
 * @returns A gatherer of nothing yet.
 */
export function gatherSummary(
  sweep: Sweep,
  { info, metric, distance }: GatherOptions,
): Gatherer {
  const follower = emergenceFollower(similarityWithin(distance));
  const checkpoints: CheckpointSummary[] = [];
  return {
    add({ step, tokens, losses }, { info, matched, replicas }) {
      if (step !== sweep.reference && replicas.length > 0) {
        follower.add(step, replicas, strangersIn(matched.match, matched.nulls.rotated));
      }
      checkpoints.push({ step, tokens, losses, quality: qualityOf(info), ...matched });
      return checkpoints[checkpoints.length - 1];
    },
    finish: ({ links, tokenShare, ceiling }) => ({
      name: sweep.name,
      hook: info.hook,
      centred: info.centred,
      reference: sweep.reference,
      nFeatures: info.d_sae,
      metric,
      checkpoints,
      links,
      emergence: { threshold: 1 - distance, intervals: follower.intervals() },
      tokenShare,
      ...(ceiling && { ceiling }),
    }),
  };
}
