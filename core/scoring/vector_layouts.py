"""The forms in which programs hold documents of several vectors, brought into runs of vectors laid end to end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import Any, TypeAlias

from torch import Tensor

from cenote.errors import InvalidRequest, WrongType
from cenote.scoring.arrays import as_tensor, is_array
from cenote.scoring.vector_blocks import padded_blocks

__all__ = ["Part", "lay_out"]

#: Vectors of some documents, [T, dim] or apart, and how many of them each document has.
Part: TypeAlias = tuple[Tensor | Sequence[Tensor], Sequence[int]]


def lay_out(documents: Any, lengths: Any, *, like: Tensor) -> Iterable[Part]:
    """Return all documents in parts.

    Args:
        documents: a list of [n_i, dim], or one array [T, dim] or [n, L, dim].
        lengths: of the documents in one array.
        like: a query, for width and device.

    Raises:
        InvalidRequest: shapes, types, devices or lengths do not fit.
    """
    if not is_array(documents):
        if lengths is not None:
            raise InvalidRequest("lengths are for documents in one array; each of a list has its own.", param="lengths")
        apart = _checked_list(documents, like)
        return [(apart, [document.shape[0] for document in apart])]
    whole = as_tensor(documents, "documents")
    if whole.ndim not in (2, 3) or whole.shape[-1] != like.shape[1] or whole.device != like.device:
        width = like.shape[1]
        text = f"documents have the shape {list(whole.shape)} on {whole.device}; as the query, they need"
        raise InvalidRequest(f"{text} [T, {width}] or [n, L, {width}] on {like.device}.", param="documents")
    counts = _counts(whole, lengths)
    if whole.ndim == 3:
        if not whole.is_contiguous() or min(counts) < whole.shape[1]:
            return padded_blocks(whole, counts)
        whole = whole.flatten(0, 1)
    return [(whole, counts)]


def _checked_list(documents: Any, like: Tensor) -> list[Tensor]:
    try:
        found = [as_tensor(document, f"documents[{at}]") for at, document in enumerate(documents)]
    except TypeError as exc:
        if isinstance(exc, WrongType):
            raise
        text = f"documents must be arrays, or one array, not {type(documents).__name__}."
        raise WrongType(text, param="documents") from exc
    if not found:
        raise InvalidRequest("documents is empty; give at least one.", param="documents")
    width, device, dtype = like.shape[1], like.device, found[0].dtype
    for at, document in enumerate(found):
        shape = document.shape
        if len(shape) != 2 or shape[1] != width or shape[0] == 0 or document.device != device:
            text = f"documents[{at}] has the shape {list(document.shape)} on {document.device}; as the query, it needs"
            hint = " Packed bits go through cenote.scoring.unpack_bits." if shape[-1:] == (width // 8,) else ""
            raise InvalidRequest(f"{text} [n, {width}] with n > 0 on {device}.{hint}", param="documents")
        if document.dtype != dtype:
            text = f"documents[{at}] holds {document.dtype}, documents[0] {found[0].dtype}; one type is needed."
            raise InvalidRequest(text.replace("torch.", ""), param="documents")
    return found


def _counts(documents: Tensor, lengths: Any) -> list[int]:
    """Return the vectors of each document of one array."""
    if lengths is None and documents.ndim == 2:
        text = "documents of the shape [T, dim] need lengths, the number of vectors of each."
        raise InvalidRequest(text, param="lengths")
    counts = [documents.shape[1]] * len(documents) if lengths is None else _whole_numbers(lengths)
    if not counts:
        raise InvalidRequest("documents is empty; give at least one.", param="documents")
    for at, count in enumerate(counts):
        most = documents.shape[-2]
        if not 1 <= count <= most:
            text = f"Document {at} has {count} vectors by its length; 1 to {most} are possible."
            raise InvalidRequest(text, param="lengths")
    if documents.ndim == 2 and sum(counts) != len(documents):
        text = f"lengths sum to {sum(counts)}, but documents have {len(documents)} vectors."
        raise InvalidRequest(text, param="lengths")
    if documents.ndim == 3 and len(counts) != len(documents):
        text = f"There are {len(counts)} lengths for {len(documents)} documents."
        raise InvalidRequest(text, param="lengths")
    return counts


def _whole_numbers(lengths: Any) -> list[int]:
    try:
        return [index(count) for count in (lengths.tolist() if is_array(lengths) else lengths)]
    except TypeError as exc:
        raise WrongType("lengths must be whole numbers, one per document.", param="lengths") from exc
