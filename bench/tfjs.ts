/**
 * Times the match on TensorFlow's native library, on as many threads as it likes, against
 * matchFeatures() on one, in turns; equality first.
 *
 * Reads   out/tfjs, which `tests/tfjs/build_addon.sh out/tfjs` makes.
 * Writes  nothing; prints JSON.
 * Example deno task -q bench:tfjs 20000 2048 47 (tokens, features, activations a token)
 */

// deno-lint-ignore-file no-console

import { matchFeatures } from "../src/match.ts";
import { matchDense } from "../src/match_dense.ts";
import { randomFrom } from "../src/random.ts";
import { indexArray, type Sparse } from "../src/sparse.ts";
import { loadTfjs } from "../src/tfjs.ts";
import { assertNear, pairOf } from "../tests/_dense.ts";

const [nTokens = 20_000, nFeatures = 2048, l0 = 47] = Deno.args.map(Number);
const tolerance = 5e-7;

// As many features a token, each with a value from 0 to 1; feature i fires more often than i + 1.
function activations(seed: number): Sparse {
  const random = randomFrom(seed);
  const columns = indexArray(nFeatures, nTokens * l0);
  for (let n = 0; n < nTokens; n++) {
    const firing = new Set<number>();
    while (firing.size < l0) firing.add(Math.floor(nFeatures * random() ** 2));
    columns.set([...firing].sort((a, b) => a - b), n * l0);
  }
  return {
    nRows: nTokens,
    nCols: nFeatures,
    offsets: Uint32Array.from({ length: nTokens + 1 }, (_, n) => n * l0),
    columns,
    values: Float32Array.from(columns, () => 1 - random()),
  };
}

async function seconds(act: () => unknown): Promise<number> {
  const start = performance.now();
  await act();
  return (performance.now() - start) / 1000;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1];

const tf = await loadTfjs("tfjs-gpu", { folder: "out/tfjs", orCpu: true });
const [source, target] = [activations(1), activations(2)];
const pair = pairOf(source, target, [4096]);
const sparse = () => matchFeatures(source, target);
const dense = () => matchDense(tf, pair);

const difference = assertNear(await dense(), sparse(), source, target, tolerance);
const times: { sparse: number[]; dense: number[] } = { sparse: [], dense: [] };
for (let i = 0; i < 5; i++) {
  times.sparse.push(await seconds(sparse));
  times.dense.push(await seconds(dense));
}
const [sparseSeconds, denseSeconds] = [median(times.sparse), median(times.dense)];
const fixed = (value: number) => Number(value.toPrecision(3));
console.log(JSON.stringify({
  nTokens,
  nFeatures,
  l0,
  largest_difference: difference,
  match_features_seconds: fixed(sparseSeconds),
  match_dense_seconds: fixed(denseSeconds),
  dense_gflop_per_second: fixed(2e-9 * nTokens * nFeatures ** 2 / denseSeconds),
  dense_over_sparse: fixed(denseSeconds / sparseSeconds),
}));
