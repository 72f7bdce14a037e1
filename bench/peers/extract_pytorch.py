"""Times the best that plain PyTorch does, from tokens to sparse activations.

transformers' model with no layer past the hook, PyTorch's fused attention, four sequences at a
time, so that little leaves the cache; the encoder as one matrix product, into which centring, the
decoder's bias and the fold are multiplied; then only what fires is kept.

Timed: from the tokens in memory to the sparse activations in memory, after loading.

Reads   the sweep's last checkpoint and its tokens.
Writes  with --rows, the activations, as npz; prints one line of JSON.
Example python extract_pytorch.py --sweep out/bench/extraction/sweep.json --tokens 65536
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import torch
import transformers
from safetensors.torch import load_file

from activations import Rows, write_npz
from checkpoint import Checkpoint, read_checkpoint, read_sae_config
from measure import report, timed

SEQUENCES = 4
THRESHOLD = 1e-6


class Encoder(NamedTuple):
    """activations = relu(x W + b), x as the model gives it."""

    weight: torch.Tensor  # [d_in, d_sae]
    bias: torch.Tensor  # [d_sae]


def load_model(folder: Path, n_layers: int) -> torch.nn.Module:
    """The first layers of a model; its output is the residual after them."""
    model = transformers.AutoModel.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="sdpa", num_hidden_layers=n_layers
    )
    model.final_layer_norm = torch.nn.Identity()
    return model.eval()


def load_encoder(checkpoint: Checkpoint) -> Encoder:
    """The encoder of a standard SAE, with everything multiplied in that can be."""
    config = read_sae_config(checkpoint.sae)
    kinds = {"architecture": "standard", "activation_fn": "relu", "normalize_activations": "none"}
    for key, kind in kinds.items():
        if (config.get(key) or kind) != kind:
            raise SystemExit(f"error: Cannot time {key} {config[key]}: expected {kind}")
    sae = load_file(checkpoint.sae / "sae_weights.safetensors")
    weight, bias = sae["W_enc"].double(), sae["b_enc"].double()
    if config.get("apply_b_dec_to_input", True):
        bias = bias - sae["b_dec"].double() @ weight
    if checkpoint.is_centred:
        weight = weight - weight.mean(0)  # (x - mean x) W = x (W - mean over rows of W)
    if checkpoint.is_folded:
        lengths = sae["W_dec"].double().norm(dim=1).clamp(min=1e-8)
        weight, bias = weight * lengths, bias * lengths
    return Encoder(weight.float(), bias.float())


def extract(checkpoint: Checkpoint, model: torch.nn.Module, encoder: Encoder) -> list[tuple]:
    """For every few sequences: how many features fire on each token, which, and how much."""
    parts = []
    for tokens in torch.from_numpy(checkpoint.tokens).split(SEQUENCES):
        x = model(tokens, use_cache=False).last_hidden_state.flatten(0, 1)
        activations = torch.addmm(encoder.bias, x, encoder.weight)
        fires = activations >= THRESHOLD
        rows, features = fires.nonzero(as_tuple=True)
        counts = torch.bincount(rows, minlength=len(x))
        parts.append((counts, features.int(), activations[rows, features]))
    return parts


def to_rows(parts: list[tuple], n_tokens: int) -> Rows:
    """The first tokens of the parts, as one."""
    counts, features, values = (torch.cat(column) for column in zip(*parts))
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), counts[:n_tokens].cumsum(0)])
    nnz = int(offsets[-1])
    return Rows(offsets.numpy(), features[:nnz].numpy(), values[:nnz].numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--precision", choices=["highest", "medium"], default="highest")
    parser.add_argument("--rows", help="where the activations go; default: nowhere")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()  # it would name the layers left out
    transformers.logging.disable_progress_bar()
    torch.set_grad_enabled(False)
    torch.set_float32_matmul_precision(args.precision)

    checkpoint = read_checkpoint(args.sweep, args.tokens)
    model = load_model(checkpoint.model, checkpoint.hook_layer)
    encoder = load_encoder(checkpoint)
    parts, seconds = timed(lambda: extract(checkpoint, model, encoder))
    if args.rows:
        write_npz(args.rows, to_rows(parts, args.tokens))
    report(
        f"pytorch {args.precision}",
        seconds,
        ["torch", "transformers"],
        tokens=checkpoint.tokens.size,
        nnz=sum(len(values) for _, _, values in parts),
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
