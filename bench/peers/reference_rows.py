"""Writes what transformers and SAELens compute in float32 for the first tokens: the reference.

Nothing is folded together that SAELens does not fold, and nothing is left out: the residual at the
hook is taken from the hidden states, centred if the SAE wants it, and encoded by SAELens.

Reads   the sweep's last checkpoint and its tokens.
Writes  the activations, as npz: offsets, features, values; prints one line of JSON.
Example python reference_rows.py --sweep out/bench/extraction/sweep.json --tokens 8192 --out r.npz
"""

import argparse

import numpy as np
import torch
import transformers
from sae_lens import SAE

from activations import Rows, write_npz
from checkpoint import Checkpoint, read_checkpoint
from measure import report, timed

SEQUENCES = 4
THRESHOLD = 1e-6


def sae_inputs(checkpoint: Checkpoint):
    """What the SAE sees, a few sequences at a time: [tokens, d_in]."""
    model = transformers.AutoModel.from_pretrained(checkpoint.model, dtype=torch.float32).eval()
    for tokens in torch.from_numpy(checkpoint.tokens).split(SEQUENCES):
        states = model(tokens, output_hidden_states=True, use_cache=False).hidden_states
        x = states[checkpoint.hook_layer].flatten(0, 1)
        yield x - x.mean(-1, keepdim=True) if checkpoint.is_centred else x


def reference_rows(checkpoint: Checkpoint) -> Rows:
    """The activations of the first tokens, those below the threshold dropped."""
    sae = SAE.load_from_disk(str(checkpoint.sae), fold_W_dec_norm=checkpoint.is_folded)
    lengths, features, values = [], [], []
    for x in sae_inputs(checkpoint):
        activations = sae.encode(x).numpy()
        fires = np.abs(activations) >= np.float32(THRESHOLD)
        lengths.append(fires.sum(1))
        features.append(np.nonzero(fires)[1].astype(np.int32))
        values.append(activations[fires])
    offsets = np.concatenate([[0], *lengths])[: checkpoint.n_tokens + 1].cumsum()
    nnz = offsets[-1]
    return Rows(offsets, np.concatenate(features)[:nnz], np.concatenate(values)[:nnz])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweep", required=True)
    parser.add_argument("--tokens", type=int, required=True)
    parser.add_argument("--out", required=True)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_grad_enabled(False)

    checkpoint = read_checkpoint(args.sweep, args.tokens)
    rows, seconds = timed(lambda: reference_rows(checkpoint))
    write_npz(args.out, rows)
    packages = ["torch", "transformers", "sae-lens"]
    report("reference", seconds, packages, tokens=args.tokens, nnz=len(rows.values))


if __name__ == "__main__":
    main()
