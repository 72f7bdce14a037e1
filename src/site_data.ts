/**
 * What the pages of a site read: plain data, cut into shards that a page loads when it needs them.
 *
 * A shard is a script of one call, `sae("<name>", <JSON>)`, since a page that was opened from the
 * disk may load scripts and nothing else. Absent numbers are null; text is text, never markup.
 *
 * F = features of the reference, C = checkpoints in order of step, the reference among them.
 *
 * @module
 */

/** A number, or null where there is none. */
export type Maybe = number | null;

/** `data/table.js`: a row for every feature of the reference; all columns are `[F]`. */
export interface SiteTable {
  /** Steps of the checkpoints: `[C]`. */
  readonly steps: readonly number[];
  /** Index of the reference among them. */
  readonly reference: number;
  /** How alike two features are. */
  readonly metric: string;
  /** Similarity from which a feature is there. */
  readonly threshold: number;
  /** Number of tokens that were compared. */
  readonly nTokens: number;
  /** Features of a shard of paths. */
  readonly perShard: number;
  /** Features that have a shard of their own, ascending. */
  readonly detailed: readonly number[];
  /** Tokens on which a feature fires most strongly, most telling first, as one text each. */
  readonly label: readonly string[];
  /** Class of {@linkcode lifecycle}, or "dead". */
  readonly lifecycle: readonly string[];
  /** Step at which each emerges, and the interval of it; high is null where it is open. */
  readonly emergence: readonly Maybe[];
  readonly emergenceLow: readonly Maybe[];
  readonly emergenceHigh: readonly Maybe[];
  /** Step at which it appears by the notebook's rule. */
  readonly appearsAt: readonly Maybe[];
  /** Similarity at the last checkpoint that is not the reference. */
  readonly similarity: readonly Maybe[];
  /** Smallest q-value at a checkpoint at which it is there. */
  readonly q: readonly Maybe[];
  /** Share of the tokens on which it fires. */
  readonly rate: readonly number[];
  /** Share of the checkpoints, without the reference, at which its match is mutual. */
  readonly mutual: readonly Maybe[];
  /** Largest number of features, at a checkpoint, that share its near match: 2 or more is a split. */
  readonly split: readonly number[];
  /** Largest number of near features at a checkpoint: 2 or more is a merge. */
  readonly merged: readonly number[];
  /** Share of its variance that the token alone explains, and the class. */
  readonly tokenShare: readonly Maybe[];
  readonly tokenClass: readonly string[];
  /**
   * Similarity at every checkpoint in hundredths, rounded down: `[F][C]`. Without it the table has no
   * small curves, and filters by the last checkpoint alone.
   */
  readonly hundredths?: readonly (readonly Maybe[])[];
}

/** `data/paths-<k>.js`: some features through training; each series is features × C. */
export interface SitePaths {
  /** The first feature. */
  readonly from: number;
  /** Match at every checkpoint, and how alike it is. */
  readonly match: readonly (readonly Maybe[])[];
  readonly similarity: readonly (readonly Maybe[])[];
  /** Runner-up's similarity. */
  readonly runnerUp: readonly (readonly Maybe[])[];
  /** The largest of chance by rotation, and of the token alone. */
  readonly chance: readonly (readonly Maybe[])[];
  readonly token: readonly (readonly Maybe[])[];
  /** q-value of the match. */
  readonly q: readonly (readonly Maybe[])[];
  /** Overlap of firing with the match, and cosine of the decoder directions. */
  readonly iou: readonly (readonly Maybe[])[];
  readonly decoder: readonly (readonly Maybe[])[];
  /** Similarity of the match here with the match at the checkpoint before, where they are linked. */
  readonly previous: readonly (readonly Maybe[])[];
  /** Of the match: share of the tokens on which it fires, mean where it fires, largest, ‖decoder‖. */
  readonly rate: readonly (readonly Maybe[])[];
  readonly mean: readonly (readonly Maybe[])[];
  readonly max: readonly (readonly Maybe[])[];
  readonly norm: readonly (readonly Maybe[])[];
  /** Features whose paths are most alike, nearest first. */
  readonly alike: readonly (readonly number[])[];
}

/** `data/feature-<f>.js`: one feature in detail. */
export interface SiteFeature {
  readonly feature: number;
  /** Pieces of text, with the activations of the match at every checkpoint. */
  readonly contexts: readonly SiteContext[];
  /** Bins of activations over all checkpoints, and how many tokens are in each: `[C][bins]`. */
  readonly density: {
    readonly edges: readonly number[];
    readonly counts: readonly (readonly number[])[];
  };
  /** What the decoder direction of the match writes to the logits, at every checkpoint; null of none. */
  readonly logits: readonly (SiteLogits | null)[];
  /** Tokens of the reference's top, and their ranks from 1 at every checkpoint: `[C][tokens]`. */
  readonly ranks: {
    readonly tokens: readonly string[];
    readonly ranks: readonly (readonly Maybe[])[];
  };
  /** The neighbourhood: near features of neighbouring checkpoints, by checkpoint. */
  readonly ego: {
    /** Features at every checkpoint: `[C][n]`. */
    readonly features: readonly (readonly number[])[];
    /** From a feature of checkpoint c to one of checkpoint c + 1. */
    readonly links: readonly {
      readonly c: number;
      readonly from: number;
      readonly to: number;
      readonly similarity: number;
    }[];
  };
  /** Features of the reference that fire together with it, most alike first. */
  readonly correlated: readonly {
    readonly feature: number;
    readonly cosine: number;
    readonly pearson: number;
    readonly iou: number;
  }[];
  /** Dimensions of the residual that its decoder direction uses most: weight, and share of its L1. */
  readonly neurons: readonly {
    readonly neuron: number;
    readonly weight: number;
    readonly share: number;
  }[];
}

/** A piece of text around one token. */
export interface SiteContext {
  /** "top", or the range of activations of its quantile group. */
  readonly group: string;
  readonly sequence: number;
  /** Position of the first token, and index among them of the token in question. */
  readonly position: number;
  readonly centre: number;
  /** Texts of the tokens. */
  readonly tokens: readonly string[];
  /** Activations of the match: `[C][tokens]`; null for a checkpoint without a match. */
  readonly activations: readonly (readonly number[] | null)[];
  /** At the reference: by how much the loss on the next token rises without the feature; if computed. */
  readonly lossEffect?: readonly Maybe[];
}

/** The logit lens of one direction. */
export interface SiteLogits {
  readonly promoted: readonly { readonly token: string; readonly value: number }[];
  readonly suppressed: readonly { readonly token: string; readonly value: number }[];
  readonly histogram: { readonly edges: readonly number[]; readonly counts: readonly number[] };
}
