"""Dot products of a query with block after block of documents, through the fastest product for their types."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["Product", "block_product"]

#: From rows [r, dim] of documents, in their own type, to their dot products with the query, [r, q] float32, valid until
#: the next call.
Product: TypeAlias = Callable[[Tensor], Tensor]


def block_product(query: Tensor, kind: torch.dtype, rows: int, *, cached: bool) -> Product:
    """Prepare a query.

    Two int8 sides are summed in int32; two bfloat16 sides are multiplied as torch does it, summed in float32 and
    rounded to bfloat16 once: both only where the processor has instructions for it. All else is converted to float32
    block by block, and multiplied there.

    Args:
        query: [q, dim].
        kind: type of the documents.
        rows: most rows of a block.
        cached: whether blocks come from cache. From memory, a product with a query that was laid out for it is faster.
    """
    if query.dtype == kind == torch.int8 and _processor("_is_vnni_supported"):
        times = _int8(query, rows)
        if times is not None:
            return times
    if query.dtype == kind == torch.bfloat16 and _processor("_is_avx512_bf16_supported"):
        return _bfloat16(query, rows)
    return _float32(query.float(), kind, rows, cached)


def _processor(question: str) -> bool:
    """Ask torch, by a private name, for instructions of the processor; another torch may not know."""
    asked = getattr(torch.cpu, question, None)
    return asked is not None and bool(asked())


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
    except (AttributeError, RuntimeError, TypeError):
        return None
    return product


def _bfloat16(query: Tensor, rows: int) -> Product:
    times = _packed(query, rows) or _plain(query, rows)
    buffer = torch.empty(rows, len(query))

    def product(block: Tensor) -> Tensor:
        # The maximum of bfloat16 numbers is slow in torch; of float32 ones it is not, converting included.
        return buffer[: len(block)].copy_(times(block.contiguous()))

    return product


def _float32(query: Tensor, kind: torch.dtype, rows: int, cached: bool) -> Product:
    times = (None if cached else _packed(query, rows)) or _plain(query, rows)
    if kind == torch.float32:
        return lambda block: times(block.contiguous())
    buffer = torch.empty(rows, query.shape[1])

    def product(block: Tensor) -> Tensor:
        return times(buffer[: len(block)].copy_(block))

    return product


def _plain(query: Tensor, rows: int) -> Product:
    across, out = query.T.contiguous(), query.new_empty(rows, len(query))
    return lambda block: torch.mm(block, across, out=out[: len(block)])


def _packed(query: Tensor, rows: int) -> Product | None:
    """Return the product with a query that oneDNN has laid out for it, or None where this build of torch has none."""
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(query.contiguous(), rows)
        times = torch.ops.mkldnn._linear_pointwise
        times(query[:1].contiguous(), packed, None, "none", [], "")
    except (AttributeError, RuntimeError, TypeError):
        return None
    return lambda block: times(block, packed, None, "none", [], "")
