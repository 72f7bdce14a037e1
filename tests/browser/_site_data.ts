// A site of features that were never trained, for tests of its views.

import { randomFrom } from "../../src/random.ts";
import type { Maybe, SiteContext, SiteFeature, SitePaths, SiteTable } from "../../src/site_data.ts";

/** Texts that want to be more than text. */
// deno-fmt-ignore
export const hostile: readonly string[] = [
  "<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", " &amp; & \"quotes\" '`",
  "א\u202eב \u2067ג\u2069", "a\0b", "👩‍🔬 \ud800", "\n\n", "\t=\r", "<!--", "\u2028", "__proto__", "a,b;c",
];

// deno-fmt-ignore
const vocabulary = [
  " the", " of", " in", " model", " paper", "ing", " a", " to", ",", ".", " theorem", " under", " New",
  " York", " which", " river", " Tuesday", " algebra", "tion", " 19", "84", " (", ")", " were", " found",
  " because", " however", " bread", " quantum", " he", " said", " “", "”", " isn", "'t", " code", " {", "\n",
];

/** A synthetic site; `shards` are scripts by their names, such as "table". */
export interface SyntheticSite {
  readonly table: SiteTable;
  readonly paths: readonly SitePaths[];
  readonly features: readonly SiteFeature[];
  readonly shards: ReadonlyMap<string, string>;
}

/** Steps as of Pythia's checkpoints: 0, powers of two up to 512, then ever wider apart. */
function stepsOf(nSteps: number): number[] {
  const late = [1000, 2000, 4000, 8000, 16000, 32000, 64000, 100000, 143000];
  const all = [0, ...Array.from({ length: 10 }, (_, power) => 2 ** power), ...late];
  if (nSteps > all.length) {
    throw new RangeError(`expected at most ${all.length} steps, got ${nSteps}`);
  }
  return Array.from(
    { length: nSteps },
    (_, c) => all[Math.round(c / Math.max(1, nSteps - 1) * (all.length - 1))],
  );
}

const rounded = (value: number) => Number(value.toPrecision(4));

/**
 * Makes a site.
 *
 * @param options Features of the reference, checkpoints (20 at most), features in detail, and a seed.
 * @returns Its data; labels and texts of the first features are hostile.
 */
export function syntheticSite(
  { nFeatures, nSteps, detailed, seed, perShard = 128 }: {
    readonly nFeatures: number;
    readonly nSteps: number;
    readonly detailed: readonly number[];
    readonly seed: number;
    readonly perShard?: number;
  },
): SyntheticSite {
  const random = randomFrom(seed);
  const between = (low: number, high: number) => low + (high - low) * random();
  const below = (n: number) => Math.floor(n * random());
  const word = () => vocabulary[below(vocabulary.length)];
  const steps = stepsOf(nSteps);
  const last = nSteps - 1;
  const log = steps.map((step) => Math.log10(1 + step));

  const all = Array.from({ length: nFeatures }, (_, f) => {
    const isDead = f % 41 === 40;
    const [centre, width] = [between(0.2, log[last] + 0.6), between(0.1, 0.6)];
    const [floor, top] = [between(0.02, 0.3), between(0.4, 0.98)];
    const dip = random() < 0.12 ? 1 + below(nSteps) : -1;
    const similarity = steps.map((_, c): Maybe => {
      if (isDead || (c < last && random() < 0.02)) return null;
      if (c === last) return 1;
      const rise = floor + (top - floor) / (1 + Math.exp((centre - log[c]) / width));
      return rounded(
        Math.min(0.995, Math.max(0.01, rise * (c === dip ? 0.4 : 1) + between(-0.03, 0.03))),
      );
    });
    const rate = isDead ? 0 : rounded(10 ** between(-4.5, -1));
    return {
      isDead,
      similarity,
      rate,
      top: between(0.5, 12),
      tokenShare: isDead ? null : rounded(random()),
    };
  });

  const compared = steps.slice(0, last);
  const rows = all.map(({ isDead, similarity }) => {
    const there = compared.map((_, c) => (similarity[c] ?? 0) >= 0.5);
    const from = there.lastIndexOf(false) + 1;
    const at = from === 0 || from === last
      ? null
      : Math.expm1((log[from - 1] + log[from]) / 2 * Math.LN10);
    const thirds = log[last - 1] / 3;
    const emerges = log[from] < thirds ? "early" : log[from] < 2 * thirds ? "middle" : "late";
    const lifecycle = isDead
      ? "dead"
      : !there.includes(true)
      ? "never"
      : from === 0
      ? "from the start"
      : there.indexOf(true) < from || at === null
      ? "transient"
      : emerges;
    return {
      lifecycle,
      at,
      low: at && steps[from - 1],
      high: at && (random() < 0.1 ? null : steps[from]),
    };
  });

  const label = all.map(({ isDead }, f) =>
    isDead ? "" : f < hostile.length ? hostile[f] : Array.from({ length: 3 }, word).join("")
  );
  const classes = (share: number | null) =>
    share === null ? "dead" : share >= 2 / 3 ? "token" : share >= 1 / 3 ? "mixed" : "context";
  const table: SiteTable = {
    steps,
    reference: last,
    metric: "cosine",
    threshold: 0.5,
    nTokens: 640_000,
    perShard,
    detailed: detailed.toSorted((a, b) => a - b),
    label,
    lifecycle: rows.map(({ lifecycle }) => lifecycle),
    emergence: rows.map(({ at }) => at && rounded(at)),
    emergenceLow: rows.map(({ low }) => low),
    emergenceHigh: rows.map(({ high }) => high),
    appearsAt: rows.map(({ high }) => high),
    similarity: all.map(({ similarity }) => similarity[last - 1]),
    q: all.map(({ isDead }) => isDead ? null : rounded(10 ** between(-4, 0))),
    rate: all.map(({ rate }) => rate),
    mutual: all.map(({ isDead }) => isDead ? null : below(nSteps) / last),
    split: all.map(() => random() < 0.1 ? 2 + below(3) : 1),
    merged: all.map(() => random() < 0.1 ? 2 + below(3) : 1),
    tokenShare: all.map(({ tokenShare }) => tokenShare),
    tokenClass: all.map(({ tokenShare }) => classes(tokenShare)),
    hundredths: all.map(({ similarity }) =>
      similarity.map((s) => s === null ? null : Math.floor(100 * s))
    ),
  };

  const match = all.map(({ similarity }, f) =>
    similarity.map((s, c) => s === null ? null : c === last ? f : (f * 7 + 13 * c) % nFeatures)
  );
  const paths = Array.from({ length: Math.ceil(nFeatures / perShard) }, (_, k): SitePaths => {
    const from = k * perShard;
    const own = all.slice(from, from + perShard);
    const series = (of: (s: number, f: number, c: number) => number) =>
      own.map(({ similarity }, f) =>
        similarity.map((s, c) => s === null ? null : rounded(of(s, from + f, c)))
      );
    return {
      from,
      match: match.slice(from, from + perShard),
      similarity: own.map(({ similarity }) => similarity),
      runnerUp: series((s) => s * between(0.4, 0.8)),
      chance: series((_, __, c) => c === last ? 0.06 : between(0.04, 0.09)),
      token: series((s, f, c) =>
        (all[f].tokenShare ?? 0) * 0.5 * Math.min(1, s + 0.2) * (c === last ? 0.9 : 1)
      ),
      q: series((s, _, c) => c === last ? 1e-4 : Math.min(1, 10 ** (-4 * s + between(-0.3, 0.3)))),
      iou: series((s) => s * s),
      decoder: series((s) => 2 * s * s - 1 < -0.2 ? between(-0.1, 0.2) : s * s * s),
      previous: series((s) => Math.min(1, s + between(0, 0.2))),
      rate: series((s, f) => all[f].rate * (3 - 2 * s)),
      mean: series((s, f) => all[f].top * s * 0.3),
      max: series((s, f) => all[f].top * (0.4 + 0.6 * s)),
      norm: series((s) => 1 + 0.3 * s),
      alike: own.map((_, f) =>
        Array.from({ length: 8 }, (_, i) => (from + f + 1 + 5 * i) % nFeatures)
      ),
    };
  });

  const textOf = (f: number, t: number) =>
    f < hostile.length && t % 5 === 0 ? hostile[(f + t) % hostile.length] : word();
  const features = table.detailed.map((f): SiteFeature => {
    const { similarity, top } = all[f];
    const groups = ["top", "5.1–7.2", "2.0–5.1", "0.1–2.0"];
    const contexts = Array.from({ length: 24 }, (_, i): SiteContext => {
      const [n, centre] = [48, 24];
      const tokens = Array.from({ length: n }, (_, t) => textOf(f, t));
      const shape = tokens.map((_, t) =>
        t === centre ? 1 : random() < 0.12 ? between(0.1, 0.7) : 0
      );
      const noise = tokens.map(() => random() < 0.15 ? random() : 0);
      const strong = 1 - 0.22 * Math.floor(i / 6);
      return {
        group: groups[Math.floor(i / 6)],
        sequence: below(1250),
        position: below(460),
        centre,
        tokens,
        activations: similarity.map((s) =>
          s === null ? null : shape.map((a, t) =>
            rounded(
              top * (0.4 + 0.6 * s) * strong * Math.min(1, s * a + (1 - s) * 0.6 * noise[t]),
            )
          )
        ),
        ...(f % 2 === 0 &&
          {
            lossEffect: tokens.map((_, t) =>
              t > centre + 3 ? null : rounded(between(-0.2, 0.9) * shape[t])
            ),
          }),
      };
    });
    const edges = Array.from({ length: 25 }, (_, b) => rounded(0.01 * 10 ** (b / 24 * 3.3)));
    const words = Array.from(
      { length: 10 },
      (_, i) => f < hostile.length ? hostile[(f + i) % hostile.length] : word(),
    );
    const near = steps.map((_, c) => {
      const own = match[f][c];
      const others = Array.from({ length: 1 + below(4) }, () => below(nFeatures));
      return [...new Set(own === null ? others : [own, ...others])];
    });
    return {
      feature: f,
      contexts,
      density: {
        edges,
        counts: similarity.map((s) =>
          edges.slice(1).map((_, b) =>
            s === null
              ? 0
              : Math.round(3000 * Math.exp(-(((b - 8 - 8 * s) / 5) ** 2)) * between(0.6, 1))
          )
        ),
      },
      logits: similarity.map((s) =>
        s === null ? null : {
          promoted: words.map((token, i) => ({ token, value: rounded((2.4 - 0.15 * i) * s) })),
          suppressed: words.map((token, i) => ({
            token: token + word(),
            value: rounded((-1.2 + 0.06 * i) * s),
          })),
          histogram: {
            edges: Array.from({ length: 41 }, (_, b) => rounded(-1.5 + b * 0.1)),
            counts: Array.from({ length: 40 }, (_, b) =>
              Math.round(9000 * Math.exp(-(((b - 15) / 5) ** 2)))),
          },
        }
      ),
      ranks: {
        tokens: words,
        ranks: similarity.map((s, c) =>
          words.map((_, i) =>
            s === null
              ? null
              : c === last
              ? i + 1
              : Math.max(1, Math.round(10 ** (4.6 * (1 - s) + between(-0.3, 0.3)) * (i + 1)))
          )
        ),
      },
      ego: {
        features: near,
        links: near.slice(1).flatMap((to, c) =>
          near[c].flatMap((from) =>
            to.filter((other) =>
              (from === match[f][c] && other === match[f][c + 1]) || random() < 0.25
            )
              .map((other) => ({ c, from, to: other, similarity: rounded(between(0.3, 0.95)) }))
          )
        ),
      },
      correlated: Array.from({ length: 8 }, (_, i) => ({
        feature: (f + 1 + 3 * i) % nFeatures,
        cosine: rounded(0.8 - 0.07 * i),
        pearson: i === 7 ? null : rounded(0.78 - 0.07 * i),
        iou: rounded(0.5 - 0.05 * i),
      })),
      neurons: Array.from({ length: 8 }, (_, i) => ({
        neuron: below(512),
        weight: rounded((i % 3 === 1 ? -1 : 1) * (0.3 - 0.02 * i)),
        share: rounded(0.02 - 0.001 * i),
      })),
    };
  });

  const shards = new Map<string, unknown>([
    ["table", table],
    ...paths.map((of, k): [string, unknown] => [`paths-${k}`, of]),
    ...features.map((of): [string, unknown] => [`feature-${of.feature}`, of]),
  ]);
  const script = (
    [name, data]: [string, unknown],
  ): [string, string] => [name, `sae(${JSON.stringify(name)}, ${JSON.stringify(data)});\n`];
  return { table, paths, features, shards: new Map([...shards].map(script)) };
}
