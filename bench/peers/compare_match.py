"""Asserts that a match of ours is the peer's, on both sides.

What has no match there must be null here. Cosines agree within 1e-6, and so do indices, except
where cosines tie: then the cosine of our pair, computed here from the activations in float64, must
be within 1e-6 of the peer's.

Reads   matches/step<N>.arrow, reverse/step<N>.arrow; the npz file of match_scipy.py or the file of
        match.c; and the two activations files, if there are ties.
Writes  nothing; prints one line of JSON, and exits with 1 if the two differ.
Example python compare_match.py --matches m.arrow --reverse r.arrow --peer exact.npz \\
          --a step1.arrow --b step0.arrow
"""

import argparse
import sys
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from activations import Rows, read_arrow
from measure import report, timed

TOLERANCE = 1e-6


class Best(NamedTuple):
    """For every feature of one side the best of the other: -1 and NaN where there is none."""

    index: np.ndarray
    cosine: np.ndarray


def read_ours(path: str) -> tuple[Best, np.ndarray]:
    """The matches of a file of ours, and which of its features are dead."""
    with pa.memory_map(path) as source:
        table = pa.ipc.open_file(source).read_all()
    index = table["match"].cast(pa.int64()).fill_null(-1).to_numpy()
    cosine = table["cosine"].fill_null(np.nan).to_numpy()
    return Best(index, cosine), table["dead"].to_numpy()


def read_peer(path: str) -> tuple[Best, Best]:
    """The matches of both sides."""
    if path.endswith(".npz"):
        with np.load(path) as file:
            forward, backward = ("best", "cosine"), ("reverse", "reverse_cosine")
            return Best(*(file[key] for key in forward)), Best(*(file[key] for key in backward))
    words = np.fromfile(path, np.int32).reshape(6, -1)
    return Best(words[0], words[1].view(np.float32)), Best(words[4], words[5].view(np.float32))


def column(rows: Rows, feature: int) -> tuple[np.ndarray, np.ndarray]:
    """The tokens on which a feature fires, and how much: float64."""
    entries = np.flatnonzero(rows.features == feature)
    tokens = np.searchsorted(rows.offsets, entries, side="right") - 1
    return tokens, rows.values[entries].astype(np.float64)


def pair_cosine(a: Rows, i: int, b: Rows, j: int) -> float:
    """Cosine of feature i of A with feature j of B."""
    (tokens_a, values_a), (tokens_b, values_b) = column(a, i), column(b, j)
    _, in_a, in_b = np.intersect1d(tokens_a, tokens_b, return_indices=True)
    dot = values_a[in_a] @ values_b[in_b]
    return dot / (np.linalg.norm(values_a) * np.linalg.norm(values_b))


def compare(ours: Best, dead: np.ndarray, peer: Best, cosine_of_pair) -> dict:
    """What differs on one side; `cosine_of_pair` takes a feature and the match that we give it."""
    has_index, has_cosine, has_peer = ours.index >= 0, ours.cosine > 0, peer.index >= 0
    both = has_index & has_cosine & has_peer
    difference = np.abs(ours.cosine[both] - peer.cosine[both])
    others = np.flatnonzero(both & (ours.index != peer.index))
    n_wrong = sum(
        bool(abs(cosine_of_pair(i, ours.index[i]) - peer.cosine[i]) > TOLERANCE) for i in others
    )
    found = {
        "features": len(ours.index),
        "matched": int(has_index.sum()),
        "dead": int(dead.sum()),
        "dead_matched": int((has_index & dead).sum()),
        "null_on_one_side": int(((has_index != has_peer) | (has_cosine != has_peer)).sum()),
        "ties": len(others) - n_wrong,
        "wrong": n_wrong,
        "max_difference": float(difference.max(initial=0)),
    }
    faults = found["dead_matched"] + found["null_on_one_side"] + found["wrong"]
    return {**found, "ok": faults == 0 and found["max_difference"] <= TOLERANCE}


def compare_sides(args: argparse.Namespace) -> dict:
    """Both sides, and whether both are as they must be."""
    forward, backward = read_peer(args.peer)
    a, b = read_arrow(args.a), read_arrow(args.b)
    sides = {
        "forward": compare(*read_ours(args.matches), forward, lambda i, j: pair_cosine(a, i, b, j)),
        "reverse": compare(
            *read_ours(args.reverse), backward, lambda j, i: pair_cosine(a, i, b, j)
        ),
    }
    return {"ok": all(side["ok"] for side in sides.values()), **sides}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("matches", "reverse", "peer", "a", "b"):
        parser.add_argument(f"--{name}", required=True)
    args = parser.parse_args()
    found, seconds = timed(lambda: compare_sides(args))
    report("compare match", seconds, ["numpy", "pyarrow"], **found)
    sys.exit(0 if found["ok"] else 1)


if __name__ == "__main__":
    main()
