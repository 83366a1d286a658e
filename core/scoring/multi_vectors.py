"""MaxSim of vectors that a program already has, from this library or any other.

Importing this module loads neither torch nor numpy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from cenote.errors import InvalidRequest, WrongType

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["INT8_STEP", "maxsim"]

#: What one step of `output_dtype="int8"` is worth, which stores 1 as 127.
INT8_STEP = 1 / 127

#: Vectors of queries that are multiplied at once.
_QUERY_VECTORS = 512


def maxsim(
    query: Any,
    documents: Any,
    lengths: Any = None,
    *,
    reduce: Literal["sum", "mean"] = "sum",
    scale: float = 1.0,
) -> Any:
    """Return late-interaction scores: for each vector of a query the best dot product with one of a document, summed.

    Arrays are numpy's or torch's, of float32, float16, bfloat16, int8 or float64. What is computed is float32, so that
    int8 on both sides is exact up to 2^24. Two sides of bfloat16 may have each dot product rounded to bfloat16, where
    the processor has instructions for it; a float32 query avoids that. No copy of all documents is made, whatever their
    form and type. Packed bits (`output_dtype="binary"` or `"ubinary"`) must go through `unpack_bits` first: as they
    are, those of `binary` cannot be told from int8 numbers.

    Args:
        query: [q, dim]; for several queries [m, q, dim], or a list of m arrays [q_j, dim].
        documents: a list of n arrays [n_i, dim]; or [T, dim], all vectors end to end, with `lengths`; or [n, L, dim],
            with `lengths` where documents are filled up to L: what fills them is not read.
        lengths: n whole numbers, vectors of each document, where `documents` is one array.
        reduce: `sum` over the query's vectors, as ColBERT scores; or `mean`, between -1 and 1 for vectors of length 1
            whatever the query's length.
        scale: what scores are multiplied by. With `output_dtype="int8"`, `INT8_STEP ** 2` gives the scale of the floats
            for two sides of int8, and `INT8_STEP` for one.

    A process that was forked from one that computed runs with one thread, as torch's threads are not forked.

    Returns:
        [n] float32 scores, or [m, n] for several queries; numpy where the (first) query is numpy, else torch.

    Raises:
        InvalidRequest: shapes, types or devices do not fit; a query or a document has no vectors; or a score is NaN or
            infinite, as vectors with NaN or infinity make it. The message names the document.

    Source: Khattab and Zaharia 2020, ColBERT, equation 3 (arXiv:2004.12832); the mean is `meanmaxsim` of
    sentence-transformers 6.2.
    """
    import torch

    from cenote.kernels.forks import spare_forked_threads
    from cenote.scoring.arrays import as_tensor, is_array
    from cenote.scoring.vector_layouts import lay_out

    spare_forked_threads()

    if reduce not in ("sum", "mean"):
        raise InvalidRequest(f"reduce must be 'sum' or 'mean', not {reduce!r:.80}.", param="reduce")
    _check_scale(scale)
    single = is_array(query) and query.ndim < 3
    queries = [query] if single else _listed(query)
    tensors = [as_tensor(each, "query" if single else f"query[{at}]") for at, each in enumerate(queries)]
    _check_queries(tensors)
    parts = lay_out(documents, lengths, like=tensors[0])
    with torch.no_grad():
        scores = torch.cat([_part(tensors, vectors, counts) for vectors, counts in parts], dim=1)
        if reduce == "mean":
            scores /= torch.tensor([[len(each)] for each in tensors], device=scores.device)
        scores *= scale
    _check_finite(scores)
    found = scores[0] if single else scores
    return found if isinstance(queries[0], torch.Tensor) else found.numpy()


def _part(queries: Sequence[Tensor], documents: Tensor | Sequence[Tensor], lengths: Sequence[int]) -> Tensor:
    """Return [m, n] scores of some documents, for some queries at a time."""
    import torch

    from cenote.kernels import kernel_for

    kernel = kernel_for("maxsim", queries[0])
    if len(queries) == 1:
        alone: Tensor = kernel(queries[0], documents, lengths=lengths)
        return alone[None]
    found = []
    for first, last in _batches(queries):
        joined = torch.cat(list(queries[first:last]))
        found.append(kernel(joined, documents, lengths=lengths, queries=[len(each) for each in queries[first:last]]))
    return torch.cat(found)


def _batches(queries: Sequence[Tensor]) -> Iterator[tuple[int, int]]:
    """Cut queries into neighbours of one type that have at most `_QUERY_VECTORS` together."""
    first, total = 0, 0
    for at, query in enumerate(queries):
        if at > first and (total + len(query) > _QUERY_VECTORS or query.dtype != queries[first].dtype):
            yield first, at
            first, total = at, 0
        total += len(query)
    yield first, len(queries)


def _listed(query: Any) -> list[Any]:
    try:
        return list(query)
    except TypeError as exc:
        text = f"query must be an array or a list of arrays, not {type(query).__name__}."
        raise WrongType(text, param="query") from exc


def _check_scale(scale: Any) -> None:
    try:
        good = math.isfinite(scale)
    except TypeError as exc:
        raise WrongType(f"scale must be a number, not {type(scale).__name__}.", param="scale") from exc
    if not good:
        raise InvalidRequest(f"scale must be a finite number, not {scale}.", param="scale")


def _check_queries(queries: Sequence[Tensor]) -> None:
    if not queries:
        raise InvalidRequest("query is empty; give at least one.", param="query")
    for at, query in enumerate(queries):
        name = "query" if len(queries) == 1 else f"query[{at}]"
        if query.ndim != 2 or query.shape[0] == 0:
            text = f"{name} has the shape {list(query.shape)}; [q, dim] with q > 0 is needed."
            raise InvalidRequest(text, param="query")
        if query.shape[1] != queries[0].shape[1] or query.device != queries[0].device:
            text = f"{name} differs in width or device from the first query, which has {queries[0].shape[1]} components"
            raise InvalidRequest(f"{text} on {queries[0].device}.", param="query")


def _check_finite(scores: Tensor) -> None:
    import torch

    finite = torch.isfinite(scores)
    if not finite.all():
        query, document = (~finite).nonzero()[0].tolist()
        text = (
            f"The score of query {query} with document {document} is {float(scores[query, document])}: there is NaN or"
        )
        raise InvalidRequest(f"{text} infinity in their vectors, or they are too large for float32.", param="documents")
