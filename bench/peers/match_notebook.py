"""Times the notebook's match of two checkpoints' features.

Cosine distances by a product of torch sparse tensors, made dense; a one-to-one assignment of least
total distance by scipy; then distance -1 for dead features. The masks are in the notebook's
numbering, and so are the faults that README lists: it is the calls that are timed.

Timed: from the two sparse tensors in memory, as torch.cat leaves them, to the assignment.

Reads   two Arrow files of activations; A is the reference.
Writes  nothing; prints one line of JSON.
Example python match_notebook.py --a step1.arrow --b step0.arrow --d 8192
"""

import argparse
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from activations import read_arrow
from measure import report, timed


class Assignment(NamedTuple):
    """Feature matched[k] of B for feature original[k] of A."""

    original: np.ndarray
    matched: np.ndarray
    distances: np.ndarray
    dead: torch.Tensor


def unit_columns(activations: torch.Tensor) -> torch.Tensor:
    """Activations divided by the length of their feature's column."""
    lengths = (activations**2).sum(dim=0, keepdim=True).sqrt().to_dense()
    return activations * (1 / lengths)


def cosine_distances(a: torch.Tensor, b: torch.Tensor) -> np.ndarray:
    """1 - cosine of every feature of A with every feature of B: [features of A, features of B]."""
    similarity = unit_columns(a).T @ unit_columns(b)
    return 1 - similarity.to_dense().numpy()


def is_dead(activations: torch.Tensor) -> torch.Tensor:
    """Which features fire on no token."""
    mask = torch.ones(activations.shape[1], dtype=torch.bool)
    mask[activations.coalesce().indices()[1].unique()] = False
    return mask


def match_features(a: torch.Tensor, b: torch.Tensor) -> Assignment:
    """The assignment of least total distance; -1 is the distance of what is dead on either side."""
    distances = cosine_distances(a, b)
    original, matched = linear_sum_assignment(distances)
    dead = torch.argwhere(is_dead(a) | is_dead(b)).squeeze()
    assigned = distances[original, matched]
    assigned[dead] = -1
    return Assignment(original, matched, assigned, dead)


def read_sparse(path: str, n_features: int) -> torch.Tensor:
    """The activations as the notebook holds them: coordinates, not marked as coalesced."""
    rows = read_arrow(path)
    n_tokens = len(rows.offsets) - 1
    indices = torch.empty((2, len(rows.values)), dtype=torch.int64)
    indices[0] = torch.arange(n_tokens).repeat_interleave(torch.from_numpy(np.diff(rows.offsets)))
    indices[1] = torch.from_numpy(rows.features.astype(np.int32))
    values = torch.from_numpy(rows.values.copy())
    return torch.sparse_coo_tensor(indices, values, (n_tokens, n_features))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--a", required=True)
    parser.add_argument("--b", required=True)
    parser.add_argument("--d", type=int, required=True, help="features of either side")
    args = parser.parse_args()
    torch.set_grad_enabled(False)

    a, b = read_sparse(args.a, args.d), read_sparse(args.b, args.d)
    match, seconds = timed(lambda: match_features(a, b))
    below = int((match.distances < 0.5).sum())
    report(
        "notebook",
        seconds,
        ["torch", "scipy"],
        tokens=a.shape[0],
        matched_below_half=below,
        dead=match.dead.numel(),
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
