"""BGE-M3: an encoder whose hidden states also give a weight and a vector for each token."""

from __future__ import annotations

from dataclasses import replace

from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family

__all__ = ["BGE_M3"]

_PLAIN = {entry.name: entry for entry in ENCODERS}
_SIZE = 32

BGE_M3: tuple[Family, ...] = (
    # BAAI/bge-m3. The numbers depend on the name; with this one most tokens have a weight, as in the published model.
    replace(
        _PLAIN["xlm_roberta"],
        name="bge_m3_triple",
        pooling="cls",
        prompts={},
        pickled=True,
        modules={
            "sparse_linear.pt": {"weight": (1, _SIZE), "bias": (1,)},
            "colbert_linear.pt": {"weight": (_SIZE, _SIZE), "bias": (_SIZE,)},
        },
    ),
)
