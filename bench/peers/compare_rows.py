"""Asserts that a file of activations holds what the reference holds.

Nowhere may they differ by more than float32's rounding. An activation of one side only, which the
other then has below the threshold, is at most 2e-5; where both have one, they differ by at most
that much, times the largest activation if it is above 1.

Reads   the npz file of reference_rows.py, and an activations file of ours (.arrow) or of an extract
        script (.npz), which begins with the same tokens.
Writes  nothing; prints one line of JSON, and exits with 1 if the two differ.
Example python compare_rows.py --reference r.npz --rows out/mine/activations/step143000.arrow
"""

import argparse
import sys

import numpy as np

from activations import Rows, read_arrow, read_npz
from measure import report, timed

TOLERANCE = 2e-5


def keys(rows: Rows) -> np.ndarray:
    """A number for the token and the feature of every entry; ascending."""
    tokens = np.repeat(np.arange(len(rows.offsets) - 1), np.diff(rows.offsets))
    return (tokens << 32) + rows.features


def compare(a: Rows, b: Rows) -> dict:
    """How many entries only one side has, the largest of them, and how far the others differ."""
    keys_a, keys_b = keys(a), keys(b)
    _, in_a, in_b = np.intersect1d(keys_a, keys_b, assume_unique=True, return_indices=True)
    alone_a, alone_b = np.delete(a.values, in_a), np.delete(b.values, in_b)
    difference = np.abs(a.values[in_a] - b.values[in_b])
    return {
        "only_in_reference": len(alone_a),
        "only_in_rows": len(alone_b),
        "largest_one_sided": float(np.abs(np.concatenate([alone_a, alone_b])).max(initial=0)),
        "max_difference": float(difference.max(initial=0)),
        "largest_value": float(np.abs(a.values).max(initial=0)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--reference", required=True)
    parser.add_argument("--rows", required=True)
    args = parser.parse_args()

    reference = read_npz(args.reference)
    n_tokens = len(reference.offsets) - 1
    read = read_npz if args.rows.endswith(".npz") else read_arrow
    rows = read(args.rows, n_tokens)
    if len(rows.offsets) - 1 != n_tokens:
        got = len(rows.offsets) - 1
        sys.exit(f"error: Cannot compare {args.rows}: expected {n_tokens} tokens, got {got}")
    n_bad = np.count_nonzero(~np.isfinite(rows.values))
    if n_bad:
        sys.exit(f"error: Cannot compare {args.rows}: expected finite values, got {n_bad} others")
    found, seconds = timed(lambda: compare(reference, rows))
    scale = max(1, found["largest_value"])
    ok = found["largest_one_sided"] <= TOLERANCE and found["max_difference"] <= TOLERANCE * scale
    nnz = len(reference.values)
    report("compare rows", seconds, ["numpy", "pyarrow"], ok=ok, tokens=n_tokens, nnz=nnz, **found)
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
