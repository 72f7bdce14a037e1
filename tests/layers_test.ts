// The data flow, in the order in which src/ is to be read: a file imports only what stands before it.

import assert from "node:assert/strict";

const order = [
  "errors.ts",
  "workers.ts",
  "files.ts",
  "columns.ts",
  "arrow.ts",
  "safetensors.ts",
  "write_safetensors.ts",
  "zip.ts",
  "torch_zip.ts",
  "npy.ts",
  "npz.ts",
  "weights.ts",
  "fingerprints.ts",
  "audit_findings.ts",
  "duplicates.ts",
  "json_lines.ts",
  "parquet_page.ts",
  "parquet_rows.ts",
  "parquet.ts",
  "named_tokens.ts",
  "token_text.ts",
  "compose.ts",
  "split_patterns.ts",
  "tokenizer_steps.ts",
  "tokenizer.ts",
  "hooks.ts",
  "onnx.ts",
  "memory.ts",
  "sparse.ts",
  "blocks_out.ts",
  "model_config.ts",
  "layers.ts",
  "attention.ts",
  "residual.ts",
  "head.ts",
  "gpt_neox.ts",
  "gpt2.ts",
  "llama.ts",
  "olmo2.ts",
  "model.ts",
  "logit_lens.ts",
  "sae_config.ts",
  "sae_form.ts",
  "sae_saelens.ts",
  "sae_sparsify.ts",
  "sae_dictionary_learning.ts",
  "sae_gemma_scope.ts",
  "sae_llama_scope.ts",
  "sae.ts",
  "sae_conventions.ts",
  "device.ts",
  "encoder.ts",
  "session.ts",
  "device_check.ts",
  "tokens.ts",
  "text_tokens.ts",
  "quality.ts",
  "encode_run.ts",
  "sae_check.ts",
  "encode_worker.ts",
  "encode_pool.ts",
  "row_batches.ts",
  "extract.ts",
  "open_runner.ts",
  "hub_name.ts",
  "hub_path.ts",
  "hub_blob.ts",
  "hub_cache.ts",
  "network.ts",
  "hub_bytes.ts",
  "hub.ts",
  "hub_weights.ts",
  "hub_repo.ts",
  "hub_tokens.ts",
  "fetch_sweep.ts",
  "sweep.ts",
  "revisions.ts",
  "wandb.ts",
  "wandb_file.ts",
  "list_checkpoints.ts",
  "sae_steps.ts",
  "make_sweep.ts",
  "metadata.ts",
  "reorder.ts",
  "blocks.ts",
  "activation_table.ts",
  "extract_sweep.ts",
  "measures.ts",
  "match.ts",
  "products.ts",
  "dots.ts",
  "match_plan.ts",
  "match_share.ts",
  "match_worker.ts",
  "crew.ts",
  "matcher.ts",
  "dense_backend.ts",
  "match_dense.ts",
  "tfjs.ts",
  "random.ts",
  "statistics.ts",
  "token_share.ts",
  "token_set.ts",
  "emergence.ts",
  "emergence_replicas.ts",
  "lineages.ts",
  "nulls.ts",
  "support.ts",
  "pair_sums.ts",
  "pair_scores.ts",
  "match_table.ts",
  "match_checkpoint.ts",
  "summary.ts",
  "paths.ts",
  "frames.ts",
  "summary_table.ts",
  "sweep_activations.ts",
  "write_reordered.ts",
  "gather.ts",
  "audit_equal.ts",
  "audit_form.ts",
  "audit_path.ts",
  "audit_order.ts",
  "audit.ts",
  "audit_table.ts",
  "audit_sweep.ts",
  "read_summary.ts",
  "match_sweep.ts",
  "feature_stats.ts",
  "firing.ts",
  "contexts.ts",
  "loss_effect.ts",
  "site_data.ts",
  "ego.ts",
  "alike.ts",
  "feature_details.ts",
  "choose_features.ts",
  "site_shards.ts",
  "site_details.ts",
  "write_site.ts",
  "neuronpedia.ts",
  "export_neuronpedia.ts",
  "html.ts",
  "token_axis.ts",
  "scale_choice.ts",
  "axes.ts",
  "lines.ts",
  "heatmaps.ts",
  "chance_figure.ts",
  "frame_figures.ts",
  "lifecycle_figures.ts",
  "lineage_figures.ts",
  "figures.ts",
  "report_tables.ts",
  "findings.ts",
  "report.css",
  "boot.js",
  "site.css",
  "site_core.js",
  "site_filter.js",
  "site_table.js",
  "site_curves.js",
  "site_charts.js",
  "site_text.js",
  "site_feature.js",
  "site_links.js",
  "site_markup.ts",
  "audit_report.ts",
  "report.ts",
  "plotly.ts",
  "write_report.ts",
  "faults.ts",
  "devtools.ts",
  "browser.ts",
  "pictures.ts",
];

/** What reaches outside, by the one file that may. */
const effects: Readonly<Record<string, readonly string[]>> = {
  "Deno.": [],
  "fetch(": ["network.ts"],
  "console.": [],
  "Math.random": [],
  "Date.now": [],
  "new Date(": [],
  "performance.": [],
  "process.": [],
  "createRequire(": ["tfjs.ts"],
  "@tensorflow/": ["tfjs.ts"],
  "new Worker(": ["workers.ts"],
  "node:fs": ["files.ts", "hub_blob.ts", "hub_cache.ts", "devtools.ts"],
  "node:child_process": ["devtools.ts"],
  "node:http": [],
  "node:os": ["devtools.ts"],
};

/** Each package, and the one file that knows it. */
const packages: Readonly<Record<string, string>> = {
  "@huggingface/tokenizers": "tokenizer.ts",
  "apache-arrow": "arrow.ts",
  "hyparquet": "parquet.ts",
  "hyparquet-compressors": "parquet.ts",
  "onnxruntime-node": "session.ts",
  "pickleparser": "torch_zip.ts",
  "plotly.js-cartesian-dist-min": "plotly.ts",
};

const root = new URL("../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, root));
const namesIn = (folder: string) =>
  [...Deno.readDirSync(new URL(folder, root))].map(({ name }) => name).sort();
const sources = order.filter((name) => name.endsWith(".ts"));

interface Import {
  readonly from: string;
  readonly isTypeOnly: boolean;
}

// The code of a file: comments, and the examples in them, are left out.
function codeOf(path: string): string {
  return read(path).replace(/^\s*\/?\*.*$/gm, "").replace(/(^|[\s;{}(,])\/\/.*$/gm, "$1");
}

function importsOf(path: string): Import[] {
  const pattern =
    /^(?:import|export)\s+(type\s)?[^;"']*?\bfrom\s+"([^"]+)"|^import\s+"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return [...codeOf(path).matchAll(pattern)].map(([, type, from, bare, dynamic]) => ({
    from: from ?? bare ?? dynamic,
    isTypeOnly: type !== undefined,
  }));
}

Deno.test("every file of src has its place in the order, once", () => {
  assert.deepEqual([...order].sort(), namesIn("src"));
});

for (const [i, name] of order.entries()) {
  Deno.test(`src/${name} imports only what stands before it`, () => {
    if (!name.endsWith(".ts")) return assert.doesNotMatch(read(`src/${name}`), /\bimport\b/);
    for (const { from } of importsOf(`src/${name}`)) {
      if (/^(node|npm):/.test(from)) continue;
      assert.match(from, /^\.\/[\w.]+$/, "a file of src");
      assert(order.indexOf(from.slice(2)) >= 0, `${from} is in src`);
      assert(order.indexOf(from.slice(2)) < i, `${from} stands before it`);
    }
  });
}

for (const [effect, allowed] of Object.entries(effects)) {
  Deno.test(`"${effect}" is in ${allowed.join(", ") || "no file of src"}`, () => {
    const found = sources.filter((name) => {
      const imports = importsOf(`src/${name}`).filter(({ isTypeOnly }) => !isTypeOnly);
      return effect.startsWith("node:")
        ? imports.some(({ from }) => from === effect || from.startsWith(`${effect}/`))
        : new RegExp(`(?<![\\w.$"])${escape(effect)}`).test(codeOf(`src/${name}`));
    });
    assert.deepEqual(found, allowed);
  });
}

function escape(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}

Deno.test("a package is known to the file that is listed, at one exact version", () => {
  const users = new Map<string, Set<string>>();
  const versions = new Map<string, Set<string>>();
  for (const name of sources) {
    for (const { from } of importsOf(`src/${name}`)) {
      if (!from.startsWith("npm:")) continue;
      const [, of, version] = /^npm:(@?[^@]+)@(\d+\.\d+\.\d+)(?:\/|$)/.exec(from) ??
        assert.fail(`${from} in ${name} has no exact version`);
      users.set(of, (users.get(of) ?? new Set()).add(name));
      versions.set(of, (versions.get(of) ?? new Set()).add(version));
    }
  }
  assert.deepEqual(
    Object.fromEntries([...users].map(([of, names]) => [of, [...names].join(", ")])),
    packages,
  );
  for (const [of, found] of versions) assert.equal(found.size, 1, `versions of ${of}`);
});

Deno.test("native code is loaded only when it is asked for", () => {
  for (const name of sources) {
    const code = codeOf(`src/${name}`);
    for (const { from, isTypeOnly } of importsOf(`src/${name}`)) {
      if (!from.startsWith("npm:onnxruntime-node")) continue;
      assert(isTypeOnly || code.includes(`await import("${from}")`), `${name} imports ${from}`);
    }
  }
});

Deno.test("a script is at most 60 lines, imports src, _cli.ts and _hub.ts, and prints through it", () => {
  for (const name of namesIn("scripts").filter((name) => !name.startsWith("_"))) {
    const lines = read(`scripts/${name}`).trimEnd().split("\n").length;
    assert(lines <= 60, `scripts/${name} has ${lines} lines`);
    for (const { from } of importsOf(`scripts/${name}`)) {
      assert.match(from, /^(\.\.\/src\/\w+\.ts|\.\/_(?:cli|hub)\.ts)$/, `scripts/${name}`);
    }
    assert.doesNotMatch(codeOf(`scripts/${name}`), /\bconsole\.|\bDeno\./, `scripts/${name}`);
  }
});

Deno.test("mod.ts does nothing but export from src", () => {
  const code = codeOf("mod.ts").replace(/export \{[^}]*\} from "[^"]+";/g, "").trim();
  assert.equal(code, "");
  for (const { from } of importsOf("mod.ts")) assert.match(from, /^\.\/src\/\w+\.ts$/);
});
