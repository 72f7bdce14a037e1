// The export to SAEDashboard: every field of data made by hand, and what holds of any batch.

import assert from "node:assert/strict";
import { neuronpediaBatch, type NeuronpediaFeature, writeNeuronpedia } from "../src/neuronpedia.ts";
import { randomFrom } from "../src/random.ts";
import type { SiteContext, SiteFeature } from "../src/site_data.ts";

const tokens = [" a", "<b>", "\n"];
const context = (
  group: string,
  centre: number,
  ...activations: (number[] | null)[]
): SiteContext => ({
  group,
  sequence: 1,
  position: 2,
  centre,
  tokens,
  activations,
});

// Two checkpoints, the second being the reference, and a third at which there is no match.
const feature: SiteFeature = {
  feature: 7,
  contexts: [
    context("top", 1, [0, 1.2345678, 0], [0, 4, 0.5], null),
    context("2 to 3", 0, [0.1, 0, 0], [2.5, 0, 0], null),
    context("0 to 1", 2, [0, 0, 2], [0, 0, 0.9], null),
  ],
  density: { edges: [0.5, 1, 2, 4], counts: [[1, 2, 0], [3, 0, 5], [0, 0, 0]] },
  logits: [
    null,
    {
      promoted: [{ token: " x", value: 2.000004 }, { token: "y", value: 1 }],
      suppressed: [{ token: "z", value: -3.123456 }],
      histogram: { edges: [-4, -1, 2], counts: [6, 9] },
    },
    null,
  ],
  ranks: { tokens: [" x"], ranks: [[null], [1], [null]] },
  ego: { features: [[1], [7], []], links: [] },
  correlated: [
    { feature: 5, cosine: 0.987654321, pearson: -0.000001, iou: 0.5 },
    { feature: 9, cosine: 0.25, pearson: null, iou: 0.1 },
  ],
  neurons: [{ neuron: 30, weight: -0.7071068, share: 0.3333333 }],
};

const about = {
  modelId: "tiny",
  layer: 3,
  set: "res",
  dataset: "made/by-hand",
  nTokens: 1000,
  contextSize: 128,
  steps: [0, 16000, 17000],
  reference: 1,
  paths: [
    { from: 0, match: [[0, 0, 0]], rate: [[0, 0, 0]], max: [[0, 0, 0]] },
    {
      from: 6,
      match: [[null, null, null], [2, 7, null]],
      rate: [[null, null, null], [0.0031415926, 0.25, null]],
      max: [[null, null, null], [2, 4, null]],
    },
  ],
  nGroups: 4,
};

Deno.test("neuronpediaBatch() gives every field of SAEDashboard's batch at the reference", () => {
  assert.deepEqual(neuronpediaBatch(1, [feature], about), {
    model_id: "tiny",
    layer: 3,
    sae_set: "res-step16000",
    sae_id_suffix: null,
    features: [{
      feature_index: 7,
      neuron_alignment_indices: [30],
      neuron_alignment_values: [-0.70711],
      neuron_alignment_l1: [0.33333],
      correlated_neurons_indices: [],
      correlated_neurons_l1: [],
      correlated_neurons_pearson: [],
      correlated_features_indices: [5, 9],
      correlated_features_l1: [0.98765, 0.25],
      correlated_features_pearson: [0, null],
      neg_str: ["z"],
      neg_values: [-3.12346],
      pos_str: [" x", "y"],
      pos_values: [2, 1],
      frac_nonzero: 0.25,
      freq_hist_data_bar_values: [0.75, 1.5, 3],
      freq_hist_data_bar_heights: [3, 0, 5],
      logits_hist_data_bar_heights: [6, 9],
      logits_hist_data_bar_values: [-2.5, 0.5],
      n_prompts_total: 8,
      n_tokens_in_prompt: 128,
      dataset: "made/by-hand",
      decoder_weights_dist: [],
      activations: [
        {
          bin_min: -1,
          bin_max: 4,
          bin_contains: -1,
          tokens,
          values: [0, 4, 0.5],
          qualifying_token_index: 1,
        },
        {
          bin_min: 2,
          bin_max: 3,
          bin_contains: null,
          tokens,
          values: [2.5, 0, 0],
          qualifying_token_index: 0,
        },
        {
          bin_min: 0,
          bin_max: 1,
          bin_contains: null,
          tokens,
          values: [0, 0, 0.9],
          qualifying_token_index: 2,
        },
      ],
      vector: [],
    }],
  });
});

Deno.test("at another checkpoint values and ranges are the match's, the rest is empty", () => {
  const { sae_set, features: [at] } = neuronpediaBatch(0, [feature], about);

  assert.equal(sae_set, "res-step0");
  assert.equal(at.feature_index, 7);
  assert.equal(at.frac_nonzero, 0.00314);
  assert.deepEqual(at.freq_hist_data_bar_heights, [1, 2, 0]);
  const empty: (keyof NeuronpediaFeature)[] = [
    "neuron_alignment_indices",
    "neuron_alignment_values",
    "neuron_alignment_l1",
    "correlated_features_indices",
    "correlated_features_l1",
    "correlated_features_pearson",
    "neg_str",
    "neg_values",
    "pos_str",
    "pos_values",
    "logits_hist_data_bar_heights",
    "logits_hist_data_bar_values",
  ];
  for (const key of empty) assert.deepEqual(at[key], [], key);
  assert.deepEqual(
    at.activations.map((
      { bin_min, bin_max, bin_contains, values },
    ) => [bin_min, bin_max, bin_contains, values]),
    [
      [-1, 2, -1, [0, 1.23457, 0]],
      [1.5, 2, null, [0, 0, 2]], // the largest of all is in the last range
      [0, 0.5, null, [0.1, 0, 0]],
    ],
  );
});

Deno.test("a feature without a match at a checkpoint is not in its source", () => {
  assert.deepEqual(neuronpediaBatch(2, [feature], about).features, []);
  assert.deepEqual(neuronpediaBatch(1, [{ ...feature, feature: 6 }], about).features, []);
});

Deno.test("neuronpediaBatch() refuses a checkpoint, or a feature, that is not there", () => {
  for (const c of [-1, 3, 0.5]) {
    assert.throws(() => neuronpediaBatch(c, [feature], about), {
      name: "RangeError",
      message: `Cannot export checkpoint ${c}: expected 0 to 2, got ${c}`,
    });
  }
  for (const f of [5, 8]) {
    assert.throws(() => neuronpediaBatch(1, [{ ...feature, feature: f }], about), {
      name: "RangeError",
      message: `Cannot export feature ${f}: expected a path of it, got none`,
    });
  }
});

Deno.test("any batch is JSON of equal lists, ascending bins and five decimals", () => {
  for (let seed = 0; seed < 100; seed++) {
    const random = randomFrom(seed);
    const nBins = 1 + Math.floor(random() * 5);
    const edges = Array.from({ length: nBins + 1 }, (_, b) => b + random());
    const max = 10 * random();
    const made: SiteFeature = {
      ...feature,
      contexts: Array.from({ length: 9 }, (_, w) => {
        const values = tokens.map(() => random() < 0.2 ? 0 : random() * max);
        return context(w < 3 ? "top" : "0 to 9", w % 3, values, values, null);
      }),
      density: { edges, counts: [0, 1, 2].map(() => edges.slice(1).map(() => seed)) },
      correlated: [{ feature: 1, cosine: random(), pearson: NaN, iou: 0 }],
    };
    const row = [max, max, null];
    const path = { from: 7, match: [[1, 1, null]], rate: [[random(), 1, null]], max: [row] };

    const batch = neuronpediaBatch(1, [made], { ...about, nGroups: 5, paths: [path] });

    assert.deepEqual(JSON.parse(JSON.stringify(batch)), batch, `seed ${seed}`);
    const numbers = JSON.stringify(batch).match(/-?\d+\.\d+(e-?\d+)?/g) ?? [];
    assert(numbers.every((text) => text.split(".")[1].length <= 5), `seed ${seed}`);
    const [at] = batch.features;
    for (const kind of ["freq", "logits"] as const) {
      const bars = at[`${kind}_hist_data_bar_values`];
      assert.equal(bars.length, at[`${kind}_hist_data_bar_heights`].length);
      assert(bars.every((bar, b) => b === 0 || bars[b - 1]! < bar!), `seed ${seed}`);
    }
    for (const side of ["neg", "pos"] as const) {
      assert.equal(at[`${side}_str`].length, at[`${side}_values`].length);
    }
    assert.equal(at.activations.length, 9);
    at.activations.forEach((text, w) => {
      assert.equal(text.values.length, text.tokens.length);
      assert(text.bin_min! < text.bin_max!, `seed ${seed}`);
      const value = text.values[text.qualifying_token_index]!;
      const isTop = text.bin_min === -1;
      assert.equal(isTop, w < 3);
      if (!isTop) {
        assert(text.bin_min! - 1e-5 <= value && value <= text.bin_max! + 1e-5, `seed ${seed}`);
        assert(w === 3 || text.bin_max! <= at.activations[w - 1].bin_max!, `seed ${seed}`);
      }
    });
  }
});

Deno.test("writeNeuronpedia() writes a source for every checkpoint", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const paths = await writeNeuronpedia(folder, [feature], { ...about, batch: 4 });

    assert.deepEqual(
      paths,
      about.steps.map((step) => `${folder}/neuronpedia/3-res-step${step}/batch-4.json`),
    );
    for (const [c, path] of paths.entries()) {
      const text = Deno.readTextFileSync(path);
      assert.deepEqual(JSON.parse(text), neuronpediaBatch(c, [feature], about));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("writeNeuronpedia() refuses a set that leads out of its folder", async () => {
  for (const set of ["", "../res", "a/b"]) {
    await assert.rejects(writeNeuronpedia("x", [], { ...about, set }), {
      name: "RangeError",
      message: `Cannot export to set "${set}": expected letters, digits, "_.-", ` +
        "got another character",
    });
  }
});
