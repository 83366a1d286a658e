"""Plain torch, float32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.maxsim.check import check_maxsim

__all__ = ["maxsim"]


def maxsim(query: Tensor, documents: Tensor, *, lengths: Sequence[int]) -> Tensor:
    """Sum over the query's vectors the largest dot product with a vector of the document.

    The two sides are float32, float16, bfloat16 or int8, not necessarily alike. Numbers are taken as they are, int8 as
    whole ones: where 1 is stored as 127 on both sides, scores are 127 · 127 times those of the vectors.

    Args:
        query: [q, dim].
        documents: [T, dim], the vectors of all documents laid end to end.
        lengths: vectors of each document; they sum to T, and none is 0.

    Returns:
        [n] float32 scores, one per document. Each depends on its own document only.

    Raises:
        InvalidRequest: the shapes do not fit, the query has no vectors, or a document has none.

    Source: Khattab and Zaharia 2020, ColBERT, equation 3 (arXiv:2004.12832).
    """
    check_maxsim(query, documents, lengths)
    similarity = documents.float() @ query.float().T  # [T, q]
    counts = torch.tensor(lengths, dtype=torch.int64, device=documents.device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=documents.device), counts)
    best = similarity.new_full((len(lengths), query.shape[0]), float("-inf"))
    best.scatter_reduce_(0, owner[:, None].expand_as(similarity), similarity, "amax")
    return best.sum(dim=1)
