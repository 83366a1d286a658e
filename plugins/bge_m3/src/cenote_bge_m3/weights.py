"""A weight for each token, and the terms of a text: weights of equal tokens merged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.kernels import kernel_for
from cenote.types import PoolingBatch, PoolingRow
from cenote_bge_m3.heads import Head

__all__ = ["Ends", "WeightPooler"]


@dataclass(frozen=True, slots=True)
class Ends:
    """The tokens that the tokenizer puts around a text.

    Attributes:
        first: id of the one in front (`<s>`), or None.
        last: id of the one behind (`</s>`), or None.
    """

    first: int | None
    last: int | None

    def inner(self, ids: Sequence[int]) -> tuple[int, int]:
        """Return the places [start, end) of the tokens between them, as far as they are there.

        Source: vLLM 0.32 looks at the first and at the last id in the same way.
        """
        start = 1 if ids and ids[0] == self.first else 0
        end = len(ids) - (1 if ids and ids[-1] == self.last else 0)
        return start, max(start, end)


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightPooler:
    """Gives `token_classify` and `sparse_embed` from one computation of the weights.

    Attributes:
        head: gives one number per token, of which the positive part is its weight.
        ends: tokens around a text, which have no weight of their own in `token_classify`.
        unused: ids that are no terms, wherever they stand.
        vocabulary: length of a sparse row; nothing of this size is ever computed.
        use_activation: cut negative numbers in `token_classify` where a request does not say.

    Source: FlagEmbedding 1.4.2, `M3Embedder.encode` with `return_sparse`; vLLM 0.32 for `token_classify`.
    """

    head: Head
    ends: Ends
    unused: tuple[int, ...]
    vocabulary: int
    use_activation: bool = True

    def supported_tasks(self) -> frozenset[str]:
        """Return the two tasks."""
        return frozenset({"token_classify", "sparse_embed"})

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{"token_classify": [inner tokens], "sparse_embed": sparse [vocabulary]}`, as far as a prompt asks."""
        numbers = F.linear(hidden.float(), self.head.weight, self.head.bias)[:, 0]
        parts = numbers.split_with_sizes(list(batch.lengths))
        asked = [index for index, row in enumerate(batch.rows) if "sparse_embed" in row.tasks]
        terms = self._terms([batch.rows[index] for index in asked], [parts[index] for index in asked])
        results = []
        for row, part in zip(batch.rows, parts, strict=True):
            result: dict[str, Tensor] = {}
            if "token_classify" in row.tasks:
                result["token_classify"] = self._inner(row, part)
            if "sparse_embed" in row.tasks:
                result["sparse_embed"] = next(terms)
            results.append(result)
        return results

    def _inner(self, row: PoolingRow, numbers: Tensor) -> Tensor:
        start, end = self.ends.inner(row.token_ids)
        kept, asked = numbers[start:end], row.params.use_activation
        return (kept.relu() if (self.use_activation if asked is None else asked) else kept).cpu().clone()

    def _terms(self, rows: Sequence[PoolingRow], parts: Sequence[Tensor]) -> Iterator[Tensor]:
        """Yield the terms of each prompt as a coalesced sparse row; NaN and infinity stay, so that they are found."""
        if not rows:
            return
        weights = torch.cat(list(parts))
        ids = torch.tensor(list(chain.from_iterable(row.token_ids for row in rows)), device=weights.device)
        unused = torch.isin(ids, torch.tensor(self.unused, dtype=ids.dtype, device=ids.device))
        kept = ~(unused | (weights <= 0))
        lengths = [int(part.sum()) for part in kept.cpu().split_with_sizes([row.length for row in rows])]
        merge = kernel_for("term_max", weights)
        found, largest, counts = (part.cpu() for part in merge(weights[kept], ids[kept], lengths=lengths))
        sizes = counts.tolist()
        for indices, values in zip(found.split_with_sizes(sizes), largest.split_with_sizes(sizes), strict=True):
            # Told what to do, torch does not warn that it checks nothing.
            yield torch.sparse_coo_tensor(
                indices[None].clone(), values.clone(), (self.vocabulary,), is_coalesced=True, check_invariants=False
            )
