"""Measures the floor of the extraction: how fast this machine multiplies float32 matrices.

The products of the model and of the SAE, 512 rows at a time, are timed alone, by numpy's OpenBLAS
and by torch; the floor of a library is the tokens a second that it would reach if there were only
these products. What is counted, for a token, is what cannot be left out: in every block before the
hook queries, keys and values, output and MLP, and scores and mixing with the positions that the
token sees, half the context in the mean; then the encoder. Scores and mixing are counted at the
rate of the other products.

Reads   the sweep's config.json and cfg.json; or --flop-per-token, at Pythia-70m's shapes.
Writes  nothing; prints one line of JSON.
Example python sgemm.py --sweep out/bench/extraction/sweep.json
"""

import os

# Settings that would choose slower kernels must be gone before OpenBLAS is loaded.
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
os.environ["OPENBLAS_NUM_THREADS"] = str(len(os.sched_getaffinity(0)))

import argparse
import json
import time
from typing import Callable, NamedTuple

import numpy as np
import torch

from checkpoint import read_checkpoint, read_sae_config
from measure import report, timed

ROWS = 512
ROUNDS = 7
ROUND_SECONDS = 0.05


class Shape(NamedTuple):
    """What decides how much is to be computed for a token."""

    layers: int = 3
    width: int = 512
    mlp: int = 2048
    context: int = 512
    features: int = 8192


def read_shape(sweep: str) -> Shape:
    """The shape of the sweep's last checkpoint, up to the hook."""
    checkpoint = read_checkpoint(sweep, 1)
    model = json.loads((checkpoint.model / "config.json").read_text())
    return Shape(
        layers=checkpoint.hook_layer,
        width=model["hidden_size"],
        mlp=model["intermediate_size"],
        context=checkpoint.tokens.shape[1],
        features=read_sae_config(checkpoint.sae)["d_sae"],
    )


def products(shape: Shape) -> dict[tuple[int, int], int]:
    """How often a row is multiplied by a matrix of each size: (from, to) -> times."""
    d, counts = shape.width, {}
    block = [(d, 3 * d), (d, d), (d, shape.mlp), (shape.mlp, d)]
    for size in [*block * shape.layers, (d, shape.features)]:
        counts[size] = counts.get(size, 0) + 1
    return counts


def attention_flop(shape: Shape) -> float:
    """Scores and mixing of a token with the positions it sees: 2 flop each way and dimension."""
    return shape.layers * 2 * 2 * shape.width * (shape.context + 1) / 2


def flop_per_token(shape: Shape) -> float:
    """Floating-point operations of a token; a multiply-add counts as two."""
    linear = sum(2 * inner * outer * times for (inner, outer), times in products(shape).items())
    return linear + attention_flop(shape)


def rate(multiply: Callable[[], object], flop: float) -> float:
    """Flop a second in the best of some rounds: what other work takes must not lower the floor."""
    start, times = time.perf_counter(), 0
    while times < 3 or time.perf_counter() - start < ROUND_SECONDS:
        multiply()
        times += 1
    rates = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            multiply()
        rates.append(times * flop / (time.perf_counter() - start))
    return max(rates)


def numpy_multiply(x: np.ndarray, w: np.ndarray) -> Callable[[], object]:
    out = np.empty((len(x), w.shape[1]), np.float32)
    return lambda: np.matmul(x, w, out=out)


def torch_multiply(x: np.ndarray, w: np.ndarray) -> Callable[[], object]:
    tx, tw = torch.from_numpy(x), torch.from_numpy(w)
    out = torch.empty((len(x), w.shape[1]))
    return lambda: torch.mm(tx, tw, out=out)


def rates(sizes: list[tuple[int, int]], prepare) -> dict[tuple[int, int], float]:
    """Flop a second at every size."""
    random = np.random.default_rng(0)
    found = {}
    for inner, outer in sizes:
        x = random.standard_normal((ROWS, inner), np.float32)
        w = random.standard_normal((inner, outer), np.float32)
        found[inner, outer] = rate(prepare(x, w), 2 * ROWS * inner * outer)
    return found


def mean_rate(found: dict[tuple[int, int], float], shape: Shape) -> float:
    """Flop a second over the products of a token, each at its own rate."""
    flop = {size: 2 * size[0] * size[1] * times for size, times in products(shape).items()}
    return sum(flop.values()) / sum(flop[size] / found[size] for size in flop)


def measure(shape: Shape, flop: float) -> dict:
    """Rates and floors of every library."""
    libraries = {
        "openblas": ("highest", numpy_multiply),
        "torch_highest": ("highest", torch_multiply),
        "torch_medium": ("medium", torch_multiply),
    }
    measured = {}
    for name, (precision, prepare) in libraries.items():
        torch.set_float32_matmul_precision(precision)
        found = rates(list(products(shape)), prepare)
        mean = mean_rate(found, shape)
        measured[name] = {
            "gflops": {f"{ROWS}x{k}x{n}": round(r / 1e9, 1) for (k, n), r in found.items()},
            "mean_gflops": round(mean / 1e9, 1),
            "floor_tokens_per_s": round(mean / flop),
        }
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", help="whose shape is taken; default: Pythia-70m's, hook 3")
    parser.add_argument("--flop-per-token", type=float, help="default: counted from the shape")
    args = parser.parse_args()
    torch.set_grad_enabled(False)
    torch.set_num_threads(len(os.sched_getaffinity(0)))

    shape = read_shape(args.sweep) if args.sweep else Shape()
    flop = args.flop_per_token or flop_per_token(shape)
    measured, seconds = timed(lambda: measure(shape, flop))
    report(
        "sgemm",
        seconds,
        ["numpy", "torch"],
        threads=torch.get_num_threads(),
        flop_per_token=flop,
        floor_tokens_per_s=max(library["floor_tokens_per_s"] for library in measured.values()),
        **measured,
    )


if __name__ == "__main__":
    main()
