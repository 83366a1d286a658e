"""What every implementation of `maxsim` refuses."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from torch import Tensor

from cenote.errors import InvalidRequest

__all__ = ["check_maxsim"]

_type_and_device = attrgetter("dtype", "device")


def check_maxsim(
    query: Tensor,
    documents: Tensor | Sequence[Tensor],
    lengths: Sequence[int],
    queries: Sequence[int] | None = None,
) -> None:
    """Refuse shapes, types and devices that do not fit, vectors of nothing, and documents without a vector.

    Raises:
        InvalidRequest: naming what does not fit.
    """
    parts = [documents] if isinstance(documents, Tensor) else documents
    for part in parts[:1] if _alike(parts) else parts:
        if query.ndim != 2 or part.ndim != 2 or query.shape[1] != part.shape[1]:
            text = f"query is {list(query.shape)} and documents {list(part.shape)}; [q, dim] and [T, dim] are needed."
            raise InvalidRequest(text, param="documents")
    if query.shape[-1:] == (0,):  # products of whole numbers through oneDNN end the process
        text = f"query is {list(query.shape)}: vectors have no components; they need at least one to have a score."
        raise InvalidRequest(text, param="query")
    kinds = set(map(_type_and_device, parts))
    if len(kinds) > 1 or (parts and query.device != parts[0].device):
        text = f"Documents of one dtype on the device of the query, {query.device}, are needed; these are {kinds}."
        raise InvalidRequest(text, param="documents")
    if not len(query) or (queries is not None and min(queries, default=0) < 1):
        raise InvalidRequest("The query has no vectors, so that nothing can be scored.", param="query")
    if queries is not None and sum(queries) != len(query):
        text = f"queries sum to {sum(queries)}, but there are {len(query)} vectors of them."
        raise InvalidRequest(text, param="query")
    _check_lengths(parts, lengths, apart=parts is documents)


def _check_lengths(parts: Sequence[Tensor], lengths: Sequence[int], *, apart: bool) -> None:
    if len(lengths) and min(lengths) < 1:
        place = next(at for at, length in enumerate(lengths) if length < 1)
        text = f"Document {place} has {lengths[place]} vectors; a document needs at least one to have a score."
        raise InvalidRequest(text, param="documents")
    counts = [part.shape[0] for part in parts]
    if sum(lengths) != sum(counts) or (apart and list(lengths) != counts):
        text = f"lengths sum to {sum(lengths)}, but documents have {sum(counts)} vectors."
        raise InvalidRequest(text, param="lengths")


def _alike(parts: Sequence[Tensor]) -> bool:
    """Tell whether all have the width of the first: quick, as there may be many thousands."""
    return len({part.size(-1) if part.ndim == 2 else -1 for part in parts}) == 1
