"""Writes an activations file as bare arrays, for match.c.

Reads   an Arrow file of activations of at most 65,536 features.
Writes  <out>.offsets (int64), <out>.ids (uint16), <out>.values (float32); prints one line of JSON.
Example python to_raw.py --arrow out/bench/match/activations/step1.arrow --out out/bench/a
"""

import argparse

import numpy as np

from activations import Rows, read_arrow
from measure import report, timed


def write_raw(prefix: str, rows: Rows) -> None:
    """One file an array."""
    rows.offsets.astype(np.int64).tofile(f"{prefix}.offsets")
    rows.features.astype(np.uint16).tofile(f"{prefix}.ids")
    rows.values.astype(np.float32).tofile(f"{prefix}.values")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arrow", required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()

    rows = read_arrow(args.arrow)
    if len(rows.features) and rows.features.max() > 0xFFFF:
        raise SystemExit(f"error: Cannot write {args.out}.ids: expected at most 65536 features")
    _, seconds = timed(lambda: write_raw(args.out, rows))
    tokens, nnz = len(rows.offsets) - 1, len(rows.values)
    report("to raw", seconds, ["numpy", "pyarrow"], tokens=tokens, nnz=nnz)


if __name__ == "__main__":
    main()
