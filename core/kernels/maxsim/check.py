"""What every implementation of `maxsim` refuses."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from cenote.errors import InvalidRequest

__all__ = ["check_maxsim"]


def check_maxsim(query: Tensor, documents: Tensor, lengths: Sequence[int]) -> None:
    """Refuse shapes that do not fit, and documents without a vector, whose maximum does not exist.

    Raises:
        InvalidRequest: naming what does not fit.
    """
    if query.ndim != 2 or documents.ndim != 2 or query.shape[1] != documents.shape[1]:
        text = f"query is {list(query.shape)} and documents {list(documents.shape)}; [q, dim] and [T, dim] are needed."
        raise InvalidRequest(text, param="documents")
    if not len(query):
        raise InvalidRequest("The query has no vectors, so that nothing can be scored.", param="query")
    if len(lengths) and min(lengths) < 1:
        place = next(at for at, length in enumerate(lengths) if length < 1)
        text = f"Document {place} has {lengths[place]} vectors; a document needs at least one to have a score."
        raise InvalidRequest(text, param="documents")
    if sum(lengths) != len(documents):
        text = f"lengths sum to {sum(lengths)}, but documents have {len(documents)} vectors."
        raise InvalidRequest(text, param="lengths")
