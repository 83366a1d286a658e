"""Vectors over the vocabulary to results: sparse, and the same with all their zeros."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cenote.errors import ShapeError
from cenote.kernels import kernel_for
from cenote.types import PoolingBatch, PoolingRow
from cenote_splade.terms import TermPooling

__all__ = ["Ends", "SpladePooler", "VocabularyPooler", "sparse_row"]


class VocabularyPooler(ABC):
    """Gives `embed` and `sparse_embed` from one computation of a prompt's weights.

    Attributes:
        normalize: L2-normalise the dense form where a request does not say. The sparse form never is.
    """

    normalize: bool

    def supported_tasks(self) -> frozenset[str]:
        """Return the two tasks."""
        return frozenset({"embed", "sparse_embed"})

    @abstractmethod
    def weights(self, hidden: Tensor, batch: PoolingBatch) -> Iterator[Tensor]:
        """Yield the weights [vocabulary] of each prompt, or of each span of a prompt that has spans."""

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Return `{"embed": [vocabulary], "sparse_embed": sparse [vocabulary]}` per prompt, as far as it asks.

        A prompt with spans gets `embed` as [spans, vocabulary].

        Raises:
            ShapeError: the sparse form of spans was asked for.
        """
        weights = self.weights(hidden, batch)
        return [self._results(row, weights) for row in batch.rows]

    def _results(self, row: PoolingRow, weights: Iterator[Tensor]) -> dict[str, Tensor]:
        results: dict[str, Tensor] = {}
        if row.spans:
            if "sparse_embed" in row.tasks:
                raise ShapeError("Chunks of one document have no sparse form; ask for embed.")
            results["embed"] = self._dense(torch.stack([next(weights) for _ in row.spans]), row)
            return results
        vector = next(weights)
        if "sparse_embed" in row.tasks:
            results["sparse_embed"] = sparse_row(vector)
        if "embed" in row.tasks:
            results["embed"] = self._dense(vector[None], row)[0]
        return results

    def _dense(self, vectors: Tensor, row: PoolingRow) -> Tensor:
        asked = row.params.use_activation
        if self.normalize if asked is None else asked:
            vectors = kernel_for("l2_normalize", vectors)(vectors)
        return vectors.cpu()


@dataclass(frozen=True, slots=True)
class Ends:
    """Tokens at the ends of a text that give no terms; None leaves that end alone.

    Attributes:
        first: id that is left out where a text begins with it.
        last: id that is left out where a text ends with it.

    Source: vLLM 0.32 leaves [CLS] and [SEP] out; sentence-transformers lets all tokens take part.
    """

    first: int | None = None
    last: int | None = None

    def trim(self, row: PoolingRow) -> tuple[int, int]:
        """Return the rows [start, end) of a prompt that give terms."""
        ids = row.token_ids
        start = 1 if self.first is not None and ids and ids[0] == self.first else 0
        end = row.length - (1 if self.last is not None and ids and ids[-1] == self.last else 0)
        return start, max(start, end)


@dataclass(frozen=True)
class SpladePooler(VocabularyPooler):
    """Weights by the head of a masked language model.

    Attributes:
        terms: the head and the formula.
        ends: tokens that give no terms.
        normalize: as above.
    """

    terms: TermPooling
    ends: Ends
    normalize: bool = False

    def weights(self, hidden: Tensor, batch: PoolingBatch) -> Iterator[Tensor]:
        """Yield the weights of each prompt or span, as soon as its rows are through the head."""
        pieces: list[Tensor] = []
        for row, part in zip(batch.rows, hidden.split_with_sizes(list(batch.lengths)), strict=True):
            first, last = self.ends.trim(row)
            spans = row.spans or ((0, row.length),)
            pieces += [part[max(first, start) : max(first, min(last, end))] for start, end in spans]
        kept = hidden if sum(map(len, pieces)) == len(hidden) else torch.cat(pieces)
        return self.terms(kept, [len(piece) for piece in pieces])


def sparse_row(weights: Tensor) -> Tensor:
    """Return the weights that are not zero as a coalesced sparse tensor of the same length, on the host.

    NaN and infinity stay, so that they are found.
    """
    indices = weights.nonzero().T  # [1, terms], ascending
    # Told what to do, torch does not warn that it checks nothing.
    row = torch.sparse_coo_tensor(
        indices, weights[indices[0]], weights.shape, is_coalesced=True, check_invariants=False
    )
    return row.cpu()
