"""Times scipy's sparse product of two checkpoints' activations, and the argmax of it.

Timed: A^T B alone, in float32, from compressed rows in memory ("seconds"); and apart from it the
division by the lengths of the columns and the argmax ("argmax"). With --out, everything is computed
once more in float64, untimed: cosines, rounded to float32 as ours are, the largest of every feature
of either side, a tie to the lower index.

Reads   two Arrow files of activations; A is the reference.
Writes  with --out, the exact match as npz: best, cosine, reverse, reverse_cosine; -1 and NaN where
        there is none. Prints one line of JSON.
Example python match_scipy.py --a step1.arrow --b step0.arrow --d 8192 --out exact.npz
"""

import argparse

import numpy as np
import scipy.sparse as sp

from activations import read_arrow
from measure import peak_mb, report, timed

PANEL = 512  # features of A that are made dense together


def read_matrix(path: str, n_features: int) -> sp.csr_array:
    """Activations in compressed rows: [tokens, features]."""
    rows = read_arrow(path)
    features = rows.features.astype(np.int32)
    shape = (len(rows.offsets) - 1, n_features)
    return sp.csr_array((rows.values, features, rows.offsets.astype(np.int32)), shape=shape)


def inverse_lengths(matrix: sp.csr_array) -> np.ndarray:
    """1 / length of every column; 0 where it is empty: float64."""
    squares = np.bincount(
        matrix.indices, weights=matrix.data.astype(np.float64) ** 2, minlength=matrix.shape[1]
    )
    return np.divide(1, np.sqrt(squares), out=np.zeros_like(squares), where=squares > 0)


def cosine_panels(dots: sp.sparray, inverse_a: np.ndarray, inverse_b: np.ndarray):
    """The cosines of some features of A with all of B, from each first feature on, in order."""
    rows = dots.tocsr()
    for start in range(0, rows.shape[0], PANEL):
        panel = rows[start : start + PANEL].toarray()
        panel *= inverse_a[start : start + PANEL, None].astype(panel.dtype)
        panel *= inverse_b.astype(panel.dtype)
        yield start, panel.astype(np.float32)


def best(dots: sp.sparray, inverse_a: np.ndarray, inverse_b: np.ndarray) -> dict:
    """The largest cosine of every feature of either side, and whose it is."""
    n_a, n_b = dots.shape
    found = {
        "best": np.full(n_a, -1),
        "cosine": np.full(n_a, np.nan, np.float32),
        "reverse": np.full(n_b, -1),
        "reverse_cosine": np.zeros(n_b, np.float32),
    }
    for start, cosines in cosine_panels(dots, inverse_a, inverse_b):
        index = cosines.argmax(1)  # the lowest of a tie
        value = cosines[np.arange(len(cosines)), index]
        panel = slice(start, start + len(cosines))
        found["best"][panel] = np.where(value > 0, index, -1)
        found["cosine"][panel] = np.where(value > 0, value, np.nan)

        index = cosines.argmax(0)
        value = cosines[index, np.arange(n_b)]
        is_better = value > found["reverse_cosine"]  # so that a tie stays with a lower panel
        found["reverse"][is_better] = start + index[is_better]
        found["reverse_cosine"][is_better] = value[is_better]
    found["reverse_cosine"][found["reverse"] < 0] = np.nan
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--a", required=True)
    parser.add_argument("--b", required=True)
    parser.add_argument("--d", type=int, required=True, help="features of either side")
    parser.add_argument("--out", help="where the exact match goes; default: it is not computed")
    args = parser.parse_args()

    a, b = read_matrix(args.a, args.d), read_matrix(args.b, args.d)
    inverse_a, inverse_b = inverse_lengths(a), inverse_lengths(b)
    dots, seconds = timed(lambda: a.T @ b)
    _, argmax = timed(lambda: best(dots, inverse_a, inverse_b))
    nnz, peak = dots.nnz, peak_mb()
    if args.out:
        del dots
        exact = a.T.astype(np.float64) @ b.astype(np.float64)
        np.savez(args.out, **best(exact, inverse_a, inverse_b))
    report(
        "scipy",
        seconds,
        ["scipy", "numpy"],
        peak_mb=peak,  # of what was timed
        argmax=argmax,
        tokens=a.shape[0],
        nnz=nnz,
    )


if __name__ == "__main__":
    main()
