"""Makes token files of 2,048 ids a row as pyarrow writes them, or reads the first 640,000 tokens of one.

Reads   FILE, with --read.
Writes  out/bench/tokens/*.parquet, without; prints one line of JSON.
Example python bench/peers/tokens.py --read "out/bench/tokens/one group.parquet"
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

folder = Path("out/bench/tokens")


def table(n_rows, kind, width=2048):
    """Ids of a vocabulary of 50,277, most of them small."""
    random = np.random.default_rng(0)
    ids = np.minimum((50277 ** random.random(n_rows * width)).astype(kind), 50276).astype(kind)
    starts = np.arange(0, n_rows * width + 1, width, dtype=np.int32)
    return pa.table({"input_ids": pa.ListArray.from_arrays(starts, pa.array(ids))})


def make():
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "groups": (table(313, np.int32), {"row_group_size": 50}),
        "one group": (table(10000, np.int64), {"row_group_size": 10000}),
        "one group, zstd": (
            table(10000, np.int64), {"row_group_size": 10000, "compression": "zstd", "use_dictionary": False},
        ),
    }
    for name, (rows, options) in files.items():
        path = folder / f"{name}.parquet"
        if not path.exists():
            pq.write_table(rows, path, **options)
    return {"seconds": 0.0, "pyarrow": pa.__version__, "files": list(files)}


def read(path):
    start = time.perf_counter()
    rows, left = [], 313
    for batch in pq.ParquetFile(path).iter_batches(batch_size=313, columns=["input_ids"]):
        rows.append(batch.column(0).flatten().to_numpy()[: left * 2048])
        left -= len(batch)
        if left <= 0:
            break
    ids = np.concatenate(rows)[:640000].astype(np.int64)
    return {"seconds": round(time.perf_counter() - start, 4), "sum": int(ids.sum()), "n": len(ids)}


if __name__ == "__main__":
    print(json.dumps(read(sys.argv[2]) if sys.argv[1:2] == ["--read"] else make()))
