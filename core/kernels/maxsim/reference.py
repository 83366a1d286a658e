"""Plain torch, float32."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.maxsim.check import check_maxsim

__all__ = ["maxsim", "sums"]


def maxsim(
    query: Tensor,
    documents: Tensor | Sequence[Tensor],
    *,
    lengths: Sequence[int],
    queries: Sequence[int] | None = None,
) -> Tensor:
    """Sum over a query's vectors the largest dot product with a vector of the document.

    The two sides are float32, float16, bfloat16, int8 or float64, not necessarily alike. Numbers are taken as they
    are, int8 as whole ones: where 1 is stored as 127 on both sides, scores are 127 · 127 times those of the vectors.

    Args:
        query: [q, dim].
        documents: [T, dim], the vectors of all documents laid end to end; or n tensors [n_i, dim] of one type.
        lengths: vectors of each document; they sum to T, and none is 0.
        queries: vectors of each of m queries that `query` holds end to end; they sum to q, and none is 0. None: it is
            one query.

    Returns:
        [n] float32 scores, one per document, or [m, n] with `queries`. Each depends on its own document only.

    Raises:
        InvalidRequest: the shapes do not fit, a query has no vectors, or a document has none.

    Source: Khattab and Zaharia 2020, ColBERT, equation 3 (arXiv:2004.12832).
    """
    check_maxsim(query, documents, lengths, queries)
    if not isinstance(documents, Tensor):
        documents = torch.cat(list(documents)) if documents else query[:0]
    similarity = documents.float() @ query.float().T  # [T, q]
    counts = torch.tensor(lengths, dtype=torch.int64, device=documents.device)
    owner = torch.repeat_interleave(torch.arange(len(lengths), device=documents.device), counts)
    best = similarity.new_full((len(lengths), query.shape[0]), float("-inf"))
    best.scatter_reduce_(0, owner[:, None].expand_as(similarity), similarity, "amax")
    return sums(best, queries)


def sums(best: Tensor, queries: Sequence[int] | None) -> Tensor:
    """Sum [n, q] over the vectors of the query: [n], or [m, n] for several."""
    if queries is None:
        return best.sum(dim=1)
    return torch.stack([part.sum(dim=1) for part in best.split(list(queries), dim=1)])  # type: ignore[no-untyped-call]
