"""From hidden states to term weights: the head of a masked language model over rows, without keeping its logits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.adapters.classify_replay import ReplayedHead
from cenote_splade.settings import SpladeSettings

__all__ = ["TermPooling", "keep_largest"]

#: Logits that one window of rows may give: 32 MiB in float32.
_LOGITS = 1 << 23
#: Rows of one window: how many belong to a sequence, and whether they end it.
Window: TypeAlias = list[tuple[int, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TermPooling:
    """The weights of all entries of the vocabulary, one sequence after the other.

    Attributes:
        head: of the masked language model.
        size: of the vocabulary, that is, of a row of logits.
        settings: the formula.
        logits: how many are computed at once, at most; one row is always computed whole.

    Source: sentence-transformers 6.2, `SpladePooling`: log1p(relu(logit)), then the maximum or the sum over tokens.
    """

    head: ReplayedHead
    size: int
    settings: SpladeSettings
    logits: int = _LOGITS

    def __call__(self, hidden: Tensor, lengths: Sequence[int]) -> Iterator[Tensor]:
        """Yield the weights [size] of each sequence, float32, as soon as its rows are through the head.

        Args:
            hidden: [T, h].
            lengths: rows per sequence; sums to T. A sequence without rows has no term.
        """
        begun: Tensor | None = None
        start = 0
        for window in _windows(lengths, max(1, self.logits // self.size)):
            rows = sum(size for size, _ in window)
            values = self._values(hidden[start : start + rows])
            start += rows
            for (_, ends), part in zip(window, values.split_with_sizes([size for size, _ in window]), strict=True):
                begun = self._reduced(part, begun)
                if ends:
                    yield self._finished(begun)
                    begun = None

    def _values(self, rows: Tensor) -> Tensor:
        """Return what is reduced over rows [n, h]: logits [n, size] for a maximum, weights for a sum."""
        if not len(rows):
            return torch.zeros(0, self.size, device=rows.device)
        logits = self.head(rows[None], torch.zeros(1, len(rows), dtype=torch.long, device=rows.device))[0]
        # The weight grows with the logit, so that it need be computed of the largest one only.
        return logits if self.settings.strategy == "max" else self._weights(logits)

    def _reduced(self, part: Tensor, begun: Tensor | None) -> Tensor:
        if not len(part):
            return part.new_zeros(self.size) if begun is None else begun
        if self.settings.strategy == "max":
            largest = part.amax(dim=0)
            return largest if begun is None else torch.maximum(begun, largest)
        return part.sum(dim=0) if begun is None else begun + part.sum(dim=0)

    def _finished(self, reduced: Tensor) -> Tensor:
        weights = self._weights(reduced) if self.settings.strategy == "max" else reduced
        return keep_largest(weights, self.settings.most_terms)

    def _weights(self, logits: Tensor) -> Tensor:
        weights = logits.relu_().log1p_()
        return weights.log1p_() if self.settings.twice else weights


def keep_largest(weights: Tensor, most: int | None) -> Tensor:
    """Return weights [size] with all but the `most` largest set to zero; None keeps all.

    Source: `select_max_active_dims` of sentence-transformers 6.2, which looks at absolute values.
    """
    if most is None or most >= len(weights):
        return weights
    largest = weights.abs().topk(most).indices
    return torch.zeros_like(weights).scatter_(0, largest, weights[largest])


def _windows(lengths: Sequence[int], most: int) -> Iterator[Window]:
    """Lay sequences end to end and cut them every `most` rows."""
    window: Window = []
    room = most
    for length in lengths:
        left, ended = length, False
        while not ended:
            size = min(left, room)
            left, room, ended = left - size, room - size, left == size
            window.append((size, ended))
            if room == 0:
                yield window
                window, room = [], most
    if window:
        yield window
