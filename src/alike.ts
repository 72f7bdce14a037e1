/**
 * Which trajectories are most alike.
 *
 * F = features, C = checkpoints.
 *
 * @module
 */

/**
 * The trajectories nearest to each one, by Euclidean distance.
 *
 * All are laid on a line by the sum of their values over √C. On it two are never farther apart than
 * they are, so that the search goes outward from each and ends where the line alone is as far as the
 * last one that was found: exact, and for most trajectories over few others. Takes F² C / 2
 * multiply-adds at most.
 *
 * Of equally near ones those that are nearer on the line are taken, then any, always the same.
 *
 * @param series A row a feature, NaN counts as 0: `[F, C]`.
 * @param nCheckpoints C.
 * @param options How many are wanted of each; which features take part, all if left out: `[F]`.
 * @returns Others, the nearest first; none of a feature that takes no part: `[F]`.
 *
 * @example The two that rise
 * ```ts
 * import assert from "node:assert/strict";
 *
 * const series = new Float32Array([0, 1, 1, 0, 0.1, 0.9]);
 *
 * assert.deepEqual(alikeTrajectories(series, 2, { nWanted: 1 }), [[2], [2], [0]]);
 * ```
 */
export function alikeTrajectories(
  series: Float32Array,
  nCheckpoints: number,
  { nWanted = 6, takesPart = () => true }: {
    readonly nWanted?: number;
    readonly takesPart?: (feature: number) => boolean;
  } = {},
): number[][] {
  const C = nCheckpoints;
  const F = series.length / C;
  const all = Array.from({ length: F }, (_, f) => f).filter(takesPart);
  const sums = new Float64Array(F);
  for (let e = 0; e < series.length; e++) {
    sums[Math.floor(e / C)] += (series[e] || 0) / Math.sqrt(C);
  }
  const order = Uint32Array.from(all).sort((a, b) => sums[a] - sums[b] || a - b);
  // In the order of the line, so that the search reads memory from end to end.
  const lines = Float64Array.from(order, (f) => sums[f]);
  const rows = new Float64Array(order.length * C);
  order.forEach((f, p) => {
    for (let c = 0; c < C; c++) rows[p * C + c] = series[f * C + c] || 0;
  });

  const found: number[][] = Array.from({ length: F }, () => []);
  const places = new Uint32Array(nWanted);
  const squares = new Float64Array(nWanted);
  for (let p = 0; p < order.length; p++) {
    const n = search(p, rows, lines, C, places, squares);
    found[order[p]] = Array.from(places.subarray(0, n), (place) => order[place]);
  }
  return found;
}

// Fills places and squared distances with those nearest to one place, and returns how many there are.
function search(
  p: number,
  rows: Float64Array,
  lines: Float64Array,
  C: number,
  places: Uint32Array,
  squares: Float64Array,
): number {
  const nWanted = places.length;
  squares.fill(Infinity);
  let [below, above, n] = [p - 1, p + 1, 0];
  while (below >= 0 || above < lines.length) {
    const down = below >= 0 ? lines[p] - lines[below] : Infinity;
    const up = above < lines.length ? lines[above] - lines[p] : Infinity;
    const least = Math.min(down, up);
    const worst = squares[nWanted - 1];
    if (least * least >= worst) break;
    const other = down <= up ? below-- : above++;
    let square = 0;
    for (let c = 0, a = p * C, b = other * C; c < C && square < worst; c++) {
      const difference = rows[a + c] - rows[b + c];
      square += difference * difference;
    }
    if (!(square < worst)) continue;
    let at = Math.min(n, nWanted - 1);
    for (; at > 0 && square < squares[at - 1]; at--) {
      squares[at] = squares[at - 1];
      places[at] = places[at - 1];
    }
    squares[at] = square;
    places[at] = other;
    n = Math.min(n + 1, nWanted);
  }
  return n;
}
