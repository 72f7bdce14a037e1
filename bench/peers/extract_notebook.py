"""Times the notebook's way from tokens to sparse activations.

TransformerLens runs 32 sequences at a time up to the block past the hook, with its caching hooks;
SAELens encodes; activations below 1e-6 become 0; what is left becomes a torch sparse tensor. The
model is read from a folder and not from the hub, and it is centred where the SAE wants it, so that
the result can be compared; nothing else differs from the notebook's calls.

Timed: from the tokens in memory to the sparse activations in memory, after loading.

Reads   the sweep's last checkpoint and its tokens.
Writes  with --rows, the activations, as npz; prints one line of JSON.
Example python extract_notebook.py --sweep out/bench/extraction/sweep.json --tokens 65536
"""

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import argparse
from pathlib import Path

import torch
import transformers
from sae_lens import SAE
from transformer_lens import HookedTransformer
from transformer_lens import loading_from_pretrained as loading

from activations import Rows, write_npz
from checkpoint import Checkpoint, read_checkpoint
from measure import report, timed

SEQUENCES = 32
THRESHOLD = 1e-6


def load_model(folder: Path, is_centred: bool) -> HookedTransformer:
    """What HookedTransformer.from_pretrained makes of a model, here of one in a folder."""
    hf_model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    config = loading.get_pretrained_model_config(
        str(folder), hf_cfg=hf_model.config.to_dict(), fold_ln=True, device="cpu"
    )
    config.tokenizer_name = None  # the tokens are ids already
    weights = loading.get_pretrained_state_dict(str(folder), config, hf_model)
    model = HookedTransformer(config)
    model.load_and_process_state_dict(weights, center_writing_weights=is_centred)
    return model


def load_sae(checkpoint: Checkpoint) -> SAE:
    """The SAE, folded by its decoder's row lengths if it was trained so."""
    sae = SAE.load_from_disk(str(checkpoint.sae), device="cpu")
    if checkpoint.is_folded:
        sae.fold_W_dec_norm()
    return sae


def extract(checkpoint: Checkpoint, model: HookedTransformer, sae: SAE) -> torch.Tensor:
    """Sparse activations: [tokens, features]."""
    parts = []
    for tokens in torch.from_numpy(checkpoint.tokens).split(SEQUENCES):
        _, cache = model.run_with_cache(
            tokens,
            prepend_bos=False,
            names_filter=[checkpoint.hook],
            stop_at_layer=checkpoint.hook_layer + 1,
        )
        activations = sae.encode(cache[checkpoint.hook]).flatten(0, 1)
        is_small = torch.abs(activations) < THRESHOLD
        activations = torch.where(is_small, torch.zeros_like(activations), activations)
        parts.append(activations.to_sparse())
    return torch.cat(parts)


def to_rows(sparse: torch.Tensor, n_tokens: int) -> Rows:
    """The first tokens of a sparse tensor, by rows."""
    rows = sparse.coalesce().to_sparse_csr()
    offsets = rows.crow_indices().numpy()[: n_tokens + 1]
    nnz = int(offsets[-1])
    return Rows(offsets, rows.col_indices()[:nnz].int().numpy(), rows.values()[:nnz].numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--rows", help="where the activations go; default: nowhere")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_grad_enabled(False)

    checkpoint = read_checkpoint(args.sweep, args.tokens)
    model = load_model(checkpoint.model, checkpoint.is_centred)
    sae = load_sae(checkpoint)
    sparse, seconds = timed(lambda: extract(checkpoint, model, sae))
    if args.rows:
        write_npz(args.rows, to_rows(sparse, args.tokens))
    report(
        "notebook",
        seconds,
        ["torch", "transformers", "transformer-lens", "sae-lens"],
        tokens=checkpoint.tokens.size,
        nnz=sparse._nnz(),
        threads=torch.get_num_threads(),
    )


if __name__ == "__main__":
    main()
