"""Block by block: dot products of a few thousand vectors with the query, which stay in cache, then their maxima.

Each vector is read once. No copy of the documents is made beyond one block, and none at all of documents that lie end
to end. In float32 the speed is that at which the memory gives them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from cenote.kernels.maxsim import reference
from cenote.kernels.maxsim.check import check_maxsim
from cenote.kernels.maxsim.product import Product, block_product
from cenote.kernels.maxsim.ragged import RaggedMaximum
from cenote.kernels.maxsim.rows import Rows, runs

__all__ = ["maxsim"]

#: Dot products of a block, 3 MB in float32; measured, the best from 1 to 6 MB.
_PRODUCTS = 3 << 18
#: Bounds of a block's rows, for queries of very many or very few vectors.
_LEAST_ROWS, _MOST_ROWS = 1024, 32768
#: Documents whose places are laid out at once.
_PLANNED = 4096


def maxsim(
    query: Tensor,
    documents: Tensor | Sequence[Tensor],
    *,
    lengths: Sequence[int],
    queries: Sequence[int] | None = None,
) -> Tensor:
    """Compute what `reference.maxsim` states, block by block.

    Two bfloat16 sides give dot products that are rounded to bfloat16 once each, as torch's own product does, where the
    processor has instructions for it.

    Raises:
        InvalidRequest: as the reference.
    """
    if query.device.type != "cpu":
        return reference.maxsim(query, documents, lengths=lengths, queries=queries)
    check_maxsim(query, documents, lengths, queries)
    apart = not isinstance(documents, Tensor)
    most = min(max(_PRODUCTS // len(query), _LEAST_ROWS), _MOST_ROWS, max(sum(lengths), 1))
    rows = Rows(documents, lengths, most)
    kind = (documents[0] if lengths else query).dtype
    product = block_product(query, kind, most, cached=apart or rows.ends[-1] <= most)
    scores = torch.empty(*([] if queries is None else [len(queries)]), len(lengths))
    for first in range(0, len(lengths), _PLANNED):
        blocks = list(runs(rows.ends, first, min(first + _PLANNED, len(lengths)), most))
        ragged = None
        for start, stop in blocks:
            block, count = rows(start, stop), stop - start
            if len(block) > most:
                best = _long(product, block, most)
            elif lengths[start] * count == len(block) and len(set(lengths[start:stop])) == 1:
                best = product(block).view(count, lengths[start], -1).amax(1)
            else:
                ragged = ragged or _plan(lengths, rows.ends, blocks)
                best = ragged[start - first : stop - first](product(block))
            scores[..., start:stop] = reference.sums(best, queries)
    return scores


def _plan(lengths: Sequence[int], ends: Sequence[int], blocks: Sequence[tuple[int, int]]) -> RaggedMaximum:
    """Lay out the maxima of documents, each counted from its block."""
    first, last = blocks[0][0], blocks[-1][1]
    offsets = torch.tensor([ends[start] for start, _ in blocks])
    counts = torch.tensor([stop - start for start, stop in blocks])
    starts = torch.tensor(ends[first:last]) - offsets.repeat_interleave(counts)
    return RaggedMaximum.of(starts, torch.tensor(lengths[first:last]))


def _long(product: Product, document: Tensor, most: int) -> Tensor:
    """Return [1, q], the maxima of a document that is longer than a block."""
    parts = [product(document[start : start + most]).amax(0) for start in range(0, len(document), most)]
    return torch.stack(parts).amax(0, keepdim=True)
