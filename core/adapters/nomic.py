"""nomic-embed-text: an embedder whose vectors are normalised by components before they are cut."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from cenote.adapters.base import LoadOptions
from cenote.adapters.embed import EmbedderAdapter
from cenote.poolers.heads import Step

__all__ = ["NomicAdapter"]


class NomicAdapter(EmbedderAdapter):
    """Cuts as the model's card says: layer normalisation without weights, the cut, length 1.

    The files do not say that the vectors may be cut; `hf_overrides={"is_matryoshka": True}`, or the sizes as
    `matryoshka_dimensions`, say it for v1.5. Without `dimensions` a vector is what the Sentence-Transformers files
    make of it. vLLM cuts without the layer normalisation.

    Source: model card of nomic-ai/nomic-embed-text-v1.5, "Adjusting dimensionality".
    """

    @classmethod
    def before_cut(cls, options: LoadOptions) -> Step | None:
        """Return the layer normalisation, except with `compat="vllm"`."""
        return None if options.compat == "vllm" else _layer_norm


def _layer_norm(rows: Tensor) -> Tensor:
    return F.layer_norm(rows, rows.shape[-1:])
