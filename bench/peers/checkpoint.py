"""The checkpoint that a sweep names: its model, its SAE, and the tokens.

Reads   sweep.json, and the config.json, cfg.json and tokens (.npy) that it names.
Writes  nothing.
Example checkpoint = read_checkpoint("out/bench/extraction/sweep.json", n_tokens=65536)
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Checkpoint(NamedTuple):
    """What is computed from what."""

    model: Path  # folder, as Hugging Face writes it
    sae: Path  # folder, as SAELens writes it
    hook: str
    hook_layer: int
    is_centred: bool  # whether the SAE was trained on the residual minus its mean over d_model
    is_folded: bool  # whether activations count in units of the decoder's row lengths
    tokens: np.ndarray  # int64 [sequences, context]
    n_tokens: int


def read_checkpoint(path: str, n_tokens: int) -> Checkpoint:
    """The last checkpoint of a sweep, with as many whole sequences as hold `n_tokens`."""
    sweep, folder = json.loads(Path(path).read_text()), Path(path).parent
    last = max(sweep["checkpoints"], key=lambda checkpoint: checkpoint["step"])
    sae = folder / last["sae"]
    config = read_sae_config(sae)
    hook = config["hook_name"]
    layer = re.fullmatch(r"blocks\.(\d+)\.hook_resid_pre", hook)
    if layer is None:
        raise SystemExit(f"error: Cannot time {hook}: expected a hook_resid_pre")
    center = sweep.get("center", "auto")
    rows = np.load(folder / sweep["tokens"]["path"], mmap_mode="r")[:, : config["context_size"]]
    tokens = rows[: -(-n_tokens // rows.shape[1])].astype(np.int64)
    if tokens.size < n_tokens:
        raise SystemExit(f"error: Cannot take {n_tokens} tokens: expected as many, got {rows.size}")
    return Checkpoint(
        model=folder / last["model"],
        sae=sae,
        hook=hook,
        hook_layer=int(layer[1]),
        is_centred=is_centred(config) if center == "auto" else center,
        is_folded=config.get("scale_sparsity_penalty_by_decoder_norm", False),
        tokens=tokens,
        n_tokens=n_tokens,
    )


def read_sae_config(folder: Path) -> dict:
    """cfg.json with the members of its `metadata` (SAELens 6) beside the others."""
    config = json.loads((folder / "cfg.json").read_text())
    return {**config, **config.get("metadata", {})}


def is_centred(config: dict) -> bool:
    """SAELens trained on centred values before 3.19.2, unless its configuration says otherwise."""
    stated = (config.get("model_from_pretrained_kwargs") or {}).get("center_writing_weights")
    if stated is not None:
        return stated
    trained = config.get("sae_lens_training_version") or config.get("sae_lens_version")
    numbers = re.findall(r"\d+", trained or "")
    return [int(number) for number in numbers[:3]] < [3, 19, 2]
