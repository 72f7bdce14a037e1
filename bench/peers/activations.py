"""Sparse activations in compressed-row form, from an Arrow file of ours or from an npz file.

A file of ours has one row a token: features (list<uint16> or list<uint32>) and values
(list<float32>). An npz file has offsets, features and values, as `Rows` below.

Reads   activations/step<N>.arrow, or *.npz.
Writes  *.npz.
Example rows = read_arrow("out/bench/match/activations/step0.arrow")
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa


class Rows(NamedTuple):
    """The entries of token t are offsets[t] <= e < offsets[t + 1]; features ascend within it."""

    offsets: np.ndarray  # int64, one more than there are tokens
    features: np.ndarray  # uint16, uint32 or int32
    values: np.ndarray  # float32


def read_arrow(path: str, n_tokens: int | None = None) -> Rows:
    """The rows of an Arrow file, or its first `n_tokens`."""
    lengths, features, values = [], [], []
    left = n_tokens
    with pa.memory_map(path) as source:
        file = pa.ipc.open_file(source)
        for index in range(file.num_record_batches):
            if left == 0:
                break
            batch = file.get_batch(index).slice(0, left)
            left = None if left is None else left - batch.num_rows
            column = batch.column("features")
            lengths.append(np.diff(column.offsets.to_numpy()))
            features.append(column.flatten().to_numpy())
            values.append(batch.column("values").flatten().to_numpy())
        starts = np.concatenate([[0], *lengths]).cumsum(dtype=np.int64)
        return Rows(starts, np.concatenate(features), np.concatenate(values))


def read_npz(path: str, n_tokens: int | None = None) -> Rows:
    """The rows of an npz file, or its first `n_tokens`."""
    with np.load(path) as file:
        offsets = file["offsets"][: None if n_tokens is None else n_tokens + 1]
        return Rows(offsets, file["features"][: offsets[-1]], file["values"][: offsets[-1]])


def write_npz(path: str, rows: Rows) -> None:
    """Writes rows, uncompressed."""
    np.savez(path, **rows._asdict())
