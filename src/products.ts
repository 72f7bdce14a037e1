/**
 * The inner loops of the match, where its time goes.
 *
 * There is one loop for each width of index, since code that has seen both is compiled well for
 * neither. Arrays are arguments, since the engine does not keep the members of an object in
 * registers, and "| 0" tells it that an index has 32 bits: a fifth of the time.
 *
 * T = target features.
 *
 * @module
 */

import type { Block } from "./blocks.ts";
import type { Sparse } from "./sparse.ts";

/**
 * Adds the products of a source feature with every target feature on the tokens of a block.
 *
 * @param row Σₙ aₙᵢ bₙⱼ of every target feature j so far, in token order: `[T]`. It is changed.
 * @param i The source feature.
 * @param block Both sides.
 */
export function addProducts(row: Float64Array, i: number, { source, target }: Block): void {
  const [start, end] = [source.offsets[i], source.offsets[i + 1]];
  if (start === end) return;
  // Read from end to end, a row comes from memory far faster than at random.
  let seen = 0;
  for (let j = 0; j < row.length; j = j + 8 | 0) seen += row[j];
  checkSeen(seen);
  const { columns: tokens, values: firing } = source;
  const { offsets, columns, values } = target;
  if (columns instanceof Uint16Array) {
    add16(row, start, end, tokens, firing, offsets, columns, values);
  } else {
    add32(row, start, end, tokens, firing, offsets, columns, values);
  }
}

function add16(
  row: Float64Array,
  start: number,
  end: number,
  tokens: Sparse["columns"],
  firing: Float32Array,
  offsets: Uint32Array,
  columns: Uint16Array,
  values: Float32Array,
): void {
  for (let e = start; e < end; e++) {
    const token = tokens[e];
    const value = firing[e];
    const last = offsets[token + 1] | 0;
    for (let k = offsets[token] | 0; k < last; k = k + 1 | 0) row[columns[k]] += value * values[k];
  }
}

function add32(
  row: Float64Array,
  start: number,
  end: number,
  tokens: Sparse["columns"],
  firing: Float32Array,
  offsets: Uint32Array,
  columns: Uint32Array,
  values: Float32Array,
): void {
  for (let e = start; e < end; e++) {
    const token = tokens[e];
    const value = firing[e];
    const last = offsets[token + 1] | 0;
    for (let k = offsets[token] | 0; k < last; k = k + 1 | 0) row[columns[k]] += value * values[k];
  }
}

/**
 * As {@linkcode addProducts}, for a target far larger than the caches, of which few features meet the
 * source feature.
 *
 * @param row Σₙ aₙᵢ bₙⱼ of every target feature j so far: `[T]`. It is changed.
 * @param touched Target features whose sum is not zero any more, as far as there is room; one that
 *   cancels out may be written down twice. It is changed.
 * @param nTouched How many there are so far.
 * @param i The source feature.
 * @param block Both sides.
 * @returns How many there are now, those without room included.
 */
export function addDistant(
  row: Float64Array,
  touched: Uint32Array,
  nTouched: number,
  i: number,
  { source: { offsets: starts, columns: tokens, values: firing }, target }: Block,
): number {
  const { offsets, columns, values } = target;
  const end = starts[i + 1];
  let n = nTouched;
  for (let from = starts[i]; from < end; from += 32) {
    const to = Math.min(end, from + 32);
    lookAhead(tokens, from, to, offsets, columns, values);
    n = columns instanceof Uint16Array
      ? addTouched16(row, touched, n, from, to, tokens, firing, offsets, columns, values)
      : addTouched32(row, touched, n, from, to, tokens, firing, offsets, columns, values);
  }
  return n;
}

// Reads every cache line of some rows before they are needed, so that they come from memory together
// and not one after another.
function lookAhead(
  tokens: Sparse["columns"],
  from: number,
  to: number,
  offsets: Uint32Array,
  columns: Sparse["columns"],
  values: Float32Array,
): void {
  let seen = 0;
  for (let e = from; e < to; e++) {
    const last = offsets[tokens[e] + 1] | 0;
    for (let k = offsets[tokens[e]] | 0; k < last; k = k + 16 | 0) seen += columns[k] + values[k];
  }
  checkSeen(seen);
}

function addTouched16(
  row: Float64Array,
  touched: Uint32Array,
  nTouched: number,
  start: number,
  end: number,
  tokens: Sparse["columns"],
  firing: Float32Array,
  offsets: Uint32Array,
  columns: Uint16Array,
  values: Float32Array,
): number {
  let n = nTouched;
  for (let e = start; e < end; e++) {
    const token = tokens[e];
    const value = firing[e];
    const last = offsets[token + 1] | 0;
    for (let k = offsets[token] | 0; k < last; k = k + 1 | 0) {
      const j = columns[k];
      const sum = row[j];
      if (sum === 0) touched[n++] = j;
      row[j] = sum + value * values[k];
    }
  }
  return n;
}

function addTouched32(
  row: Float64Array,
  touched: Uint32Array,
  nTouched: number,
  start: number,
  end: number,
  tokens: Sparse["columns"],
  firing: Float32Array,
  offsets: Uint32Array,
  columns: Uint32Array,
  values: Float32Array,
): number {
  let n = nTouched;
  for (let e = start; e < end; e++) {
    const token = tokens[e];
    const value = firing[e];
    const last = offsets[token + 1] | 0;
    for (let k = offsets[token] | 0; k < last; k = k + 1 | 0) {
      const j = columns[k];
      const sum = row[j];
      if (sum === 0) touched[n++] = j;
      row[j] = sum + value * values[k];
    }
  }
  return n;
}

/**
 * As {@linkcode addProducts}, for the sums of the smaller of two activations.
 *
 * @param row Σₙ min(aₙᵢ, bₙⱼ) of every target feature j so far, in token order: `[T]`. It is changed.
 * @param i The source feature.
 * @param block Both sides; no activation is below zero.
 */
export function addSmaller(
  row: Float64Array,
  i: number,
  { source: { offsets: starts, columns: tokens, values: firing }, target }: Block,
): void {
  const { offsets, columns, values } = target;
  for (let e = starts[i]; e < starts[i + 1]; e++) {
    const value = firing[e];
    const last = offsets[tokens[e] + 1];
    for (let k = offsets[tokens[e]]; k < last; k++) {
      row[columns[k]] += value < values[k] ? value : values[k];
    }
  }
}

// Uses what was read ahead of its use, which the engine would else leave out.
function checkSeen(seen: number): void {
  if (Number.isNaN(seen)) throw new RangeError("Cannot match activations: some are not numbers");
}
