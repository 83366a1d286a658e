"""Similarities of two sparse vectors, by the names that sentence-transformers gives them.

Source: `sentence_transformers.util.similarity` of sentence-transformers 6.2; a vector without terms has the cosine 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["SIMILARITIES", "Similarity"]

#: From two coalesced sparse vectors [vocabulary] to a number [].
Similarity: TypeAlias = Callable[[Tensor, Tensor], Tensor]

#: Least length that a vector is divided by.
_EPSILON = 1e-12


def _dot(left: Tensor, right: Tensor) -> Tensor:
    """Return the weights of the terms that both have, multiplied and summed."""
    terms, weights = right.indices()[0], right.values().float()
    if not len(terms):
        return torch.zeros(())
    at = torch.searchsorted(terms, left.indices()[0]).clamp_max(len(terms) - 1)
    shared = terms[at] == left.indices()[0]
    return (weights[at] * left.values().float())[shared].sum()


def _cosine(left: Tensor, right: Tensor) -> Tensor:
    lengths = [vector.values().float().norm().clamp_min(_EPSILON) for vector in (left, right)]
    cosine: Tensor = _dot(left, right) / lengths[0] / lengths[1]
    return cosine


def _distance(order: float) -> Similarity:
    """Return the negative distance: the sum of powers of all differences, and its root."""

    def similarity(left: Tensor, right: Tensor) -> Tensor:
        differences = (left.float() - right.float()).coalesce().values()
        distance: Tensor = torch.linalg.vector_norm(differences, ord=order)
        return -distance

    return similarity


SIMILARITIES: Mapping[str, Similarity] = {
    "dot": _dot,
    "cosine": _cosine,
    "euclidean": _distance(2.0),
    "manhattan": _distance(1.0),
}
