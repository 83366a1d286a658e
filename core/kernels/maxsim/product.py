"""Dot products of a query with block after block of documents, through the fastest product for their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Product", "block_product"]

#: From rows [r, dim] of documents, in their own type, to their dot products with the query, [r, q] float32.
Product: TypeAlias = Callable[[Tensor], Tensor]

#: Up to so many vectors, laying out the query costs more than it saves.
_FEW = 16384


def block_product(query: Tensor, documents: Tensor, rows: int) -> Product:
    """Prepare a query.

    Two int8 sides are summed in int32, which is exact; two bfloat16 sides are multiplied as torch does it, summed in
    float32 and rounded to bfloat16 once: both only where the processor has instructions for it. All else is
    converted to float32 block by block, and multiplied there.

    Args:
        query: [q, dim].
        documents: [T, dim], for type and layout.
        rows: most rows of a block.
    """
    if query.dtype == documents.dtype == torch.int8 and torch.cpu._is_vnni_supported():
        times = _int8(query, rows)
        if times is not None:
            return times
    if query.dtype == documents.dtype == torch.bfloat16 and torch.cpu._is_avx512_bf16_supported():
        return _bfloat16(query, rows)
    return _float32(query, documents, rows)


def _int8(query: Tensor, rows: int) -> Product | None:
    """Return the product of whole numbers; None where this build of torch has none that takes int8 on both sides."""
    one, zero = torch.ones(len(query)), torch.zeros(len(query), dtype=torch.int32)
    try:
        packed = torch.ops.onednn.qlinear_prepack(query.contiguous(), [rows, query.shape[1]])
        times = torch.ops.onednn.qlinear_pointwise

        def product(block: Tensor) -> Tensor:
            plain = (block.contiguous(), 1.0, 0, packed, one, zero, None, 1.0, 0)
            found: Tensor = times(*plain, torch.float32, "none", [], "")
            return found

        product(query[:1])
    except (AttributeError, RuntimeError):
        return None
    return product


def _bfloat16(query: Tensor, rows: int) -> Product:
    times = _packed(query, rows)
    buffer = torch.empty(rows, len(query))

    def product(block: Tensor) -> Tensor:
        # The maximum of bfloat16 numbers is slow in torch; of float32 ones it is not, converting included.
        return buffer[: len(block)].copy_(times(block.contiguous()))

    return product


def _float32(query: Tensor, documents: Tensor, rows: int) -> Product:
    times = _packed(query.float(), rows) if len(documents) > _FEW else _plain(query.float())
    if documents.dtype == torch.float32 and documents.is_contiguous():
        return times
    buffer = torch.empty(rows, documents.shape[1])

    def product(block: Tensor) -> Tensor:
        return times(buffer[: len(block)].copy_(block))

    return product


def _plain(query: Tensor) -> Product:
    across = query.T.contiguous()
    return lambda block: block @ across


def _packed(query: Tensor, rows: int) -> Product:
    """Return the product with a query that oneDNN has laid out for it, or torch's own where oneDNN is missing."""
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(query.contiguous(), rows)
        times = torch.ops.mkldnn._linear_pointwise
    except (AttributeError, RuntimeError):
        return _plain(query)
    return lambda block: times(block, packed, None, "none", [], "")
