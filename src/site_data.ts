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
  /** Step at which each emerges. */
  readonly emergence: readonly Maybe[];
  /** Lower end of the interval of that step. */
  readonly emergenceLow: readonly Maybe[];
  /** Upper end of it, null where it is open. */
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
  /** Share of its variance that the token alone explains. */
  readonly tokenShare: readonly Maybe[];
  /** Class by that share, "dead", or "unknown". */
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
  /** Match at every checkpoint. */
  readonly match: readonly (readonly Maybe[])[];
  /** How alike it is. */
  readonly similarity: readonly (readonly Maybe[])[];
  /** Runner-up's similarity. */
  readonly runnerUp: readonly (readonly Maybe[])[];
  /** The largest similarity by chance, with rotated tokens. */
  readonly chance: readonly (readonly Maybe[])[];
  /** The largest by the token alone, with tokens exchanged among positions of the same id. */
  readonly token: readonly (readonly Maybe[])[];
  /** q-value of the match. */
  readonly q: readonly (readonly Maybe[])[];
  /** Overlap of firing with the match. */
  readonly iou: readonly (readonly Maybe[])[];
  /** Cosine of the decoder directions. */
  readonly decoder: readonly (readonly Maybe[])[];
  /** Similarity of the match here with the match at the checkpoint before, where they are linked. */
  readonly previous: readonly (readonly Maybe[])[];
  /** Share of the tokens on which the match fires. */
  readonly rate: readonly (readonly Maybe[])[];
  /** Its mean activation where it fires. */
  readonly mean: readonly (readonly Maybe[])[];
  /** Its largest activation. */
  readonly max: readonly (readonly Maybe[])[];
  /** Length of its decoder direction. */
  readonly norm: readonly (readonly Maybe[])[];
  /** Features whose paths are most alike, nearest first. */
  readonly alike: readonly (readonly number[])[];
}

/** `data/feature-<f>.js`: one feature in detail. */
export interface SiteFeature {
  /** The feature of the reference. */
  readonly feature: number;
  /** Pieces of text, with the activations of the match at every checkpoint. */
  readonly contexts: readonly SiteContext[];
  /** How its activations lie. */
  readonly density: {
    /** Edges of bins, one more than bins, the same at all checkpoints. */
    readonly edges: readonly number[];
    /** How many activations of the match are in each bin: `[C][bins]`. */
    readonly counts: readonly (readonly number[])[];
  };
  /** What the decoder direction of the match writes to the logits, at every checkpoint; null of none. */
  readonly logits: readonly (SiteLogits | null)[];
  /** What becomes of the tokens that the reference promotes most. */
  readonly ranks: {
    /** The tokens. */
    readonly tokens: readonly string[];
    /** Their ranks at every checkpoint, from 1: `[C][tokens]`. */
    readonly ranks: readonly (readonly Maybe[])[];
  };
  /** The neighbourhood: near features of neighbouring checkpoints, by checkpoint. */
  readonly ego: {
    /** Features at every checkpoint: `[C][n]`. */
    readonly features: readonly (readonly number[])[];
    /** From a feature of checkpoint c to one of checkpoint c + 1. */
    readonly links: readonly {
      /** The earlier checkpoint. */
      readonly c: number;
      /** Feature of checkpoint c. */
      readonly from: number;
      /** Feature of checkpoint c + 1. */
      readonly to: number;
      /** How alike the two are. */
      readonly similarity: number;
    }[];
  };
  /** Features of the reference that fire together with it, most alike first. */
  readonly correlated: readonly {
    /** The other feature. */
    readonly feature: number;
    /** Cosine of the activations. */
    readonly cosine: number;
    /** Pearson's correlation of the activations, null where one never varies. */
    readonly pearson: Maybe;
    /** Overlap of firing. */
    readonly iou: number;
  }[];
  /** Dimensions of the residual that its decoder direction uses most: weight, and share of its L1. */
  readonly neurons: readonly {
    /** The dimension. */
    readonly neuron: number;
    /** Weight of the decoder direction in it. */
    readonly weight: number;
    /** Share of the direction's L1. */
    readonly share: number;
  }[];
}

/** A piece of text around one token. */
export interface SiteContext {
  /** "top", or the range of activations of its quantile group. */
  readonly group: string;
  /** Sequence of the sweep's tokens. */
  readonly sequence: number;
  /** Position of the first token in its sequence. */
  readonly position: number;
  /** Index, among the tokens shown, of the token in question. */
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
  /** The tokens with the highest logits, the highest first. */
  readonly promoted: readonly SiteLogit[];
  /** The tokens with the lowest logits, the lowest first. */
  readonly suppressed: readonly SiteLogit[];
  /** How all logits lie. */
  readonly histogram: {
    /** Edges of bins, one more than bins. */
    readonly edges: readonly number[];
    /** How many logits are in each bin. */
    readonly counts: readonly number[];
  };
}

/** A token and its logit. */
export interface SiteLogit {
  /** Text of the token. */
  readonly token: string;
  /** Its logit, less the mean over all tokens. */
  readonly value: number;
}
