"""Plain torch, float32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["maxsim"]


def maxsim(query: Tensor, documents: Tensor, *, lengths: Sequence[int]) -> Tensor:
    """Sum over the query's vectors the largest dot product with a vector of the document.

    Args:
        query: [q, dim].
        documents: [T, dim], the vectors of all documents laid end to end.
        lengths: vectors of each document; they sum to T, and none is 0.

    Returns:
        [n] float32 scores, one per document.

    Source: Khattab and Zaharia 2020, ColBERT, equation 3 (arXiv:2004.12832).
    """
    similarity = documents.float() @ query.float().T  # [T, q]
    counts = torch.tensor(lengths, device=documents.device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=documents.device), counts)
    best = similarity.new_full((len(lengths), query.shape[0]), float("-inf"))
    best.scatter_reduce_(0, owner[:, None].expand_as(similarity), similarity, "amax")
    return best.sum(dim=1)
