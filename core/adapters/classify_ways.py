"""Ways to run a head over the hidden states of a packed batch: on one row of each sequence, or on whole sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.adapters.classify_replay import ReplayedHead
from cenote.types import PoolingBatch

__all__ = ["Way", "batch_ids", "first_token", "last_token", "one_by_one", "packed_tokens", "padded_tokens"]

#: From a head, hidden states [T, h] and the batch to logits.
Way: TypeAlias = Callable[[ReplayedHead, Tensor, PoolingBatch], Tensor]


def first_token(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    """Run the head on the first token of each sequence."""
    return _places(head, hidden, batch, [0] * len(batch.rows))


def last_token(pad: int | None) -> Way:
    """Run the head on the last token of each sequence that is not `pad`; None counts every token."""

    def way(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
        places = [
            next((place for place in reversed(range(row.length)) if row.token_ids[place] != pad), 0)
            for row in batch.rows
        ]
        return _places(head, hidden, batch, places)

    return way


def _places(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch, places: Sequence[int]) -> Tensor:
    """Run the head on one token of each prompt."""
    starts = torch.tensor((0, *batch.lengths[:-1])).cumsum(0)
    rows = hidden[(starts + torch.tensor(places)).to(hidden.device)]
    ids = [row.token_ids[place] for row, place in zip(batch.rows, places, strict=True)]
    return head(rows[:, None], torch.tensor(ids, device=hidden.device)[:, None])


def padded_tokens(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    """Run the head on whole sequences, filled up to the longest and masked; those of unlike lengths apart.

    A group holds sequences of which none is less than half as long as another, so that at most half of it is padding.
    """
    sizes = batch.lengths
    rows = hidden.split_with_sizes(list(sizes))
    ids = batch_ids(batch, hidden.device).split_with_sizes(list(sizes))
    results: list[Tensor | None] = [None] * len(sizes)
    for group in _alike(sizes):
        pad = torch.nn.utils.rnn.pad_sequence
        padded = pad([rows[index] for index in group], batch_first=True)
        filled = pad([ids[index] for index in group], batch_first=True, padding_value=head.padding)
        lengths = torch.tensor([sizes[index] for index in group], device=hidden.device)
        mask = torch.arange(padded.shape[1], device=hidden.device) < lengths[:, None]
        for index, logits in zip(group, head(padded, filled, mask.long()), strict=True):
            results[index] = logits
    return torch.stack([logits for logits in results if logits is not None])


def _alike(sizes: Sequence[int]) -> list[list[int]]:
    groups: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index]):
        if groups and 2 * sizes[index] >= sizes[groups[-1][0]]:
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def packed_tokens(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    """Run the head on all tokens as if they were one sequence."""
    return head(hidden[None], batch_ids(batch, hidden.device)[None])


def one_by_one(head: ReplayedHead, hidden: Tensor, batch: PoolingBatch) -> Tensor:
    """Run the head on one whole sequence after the other: [n, labels], or [1, T, labels] of a token classifier."""
    sizes = list(batch.lengths)
    pairs = zip(hidden.split_with_sizes(sizes), batch_ids(batch, hidden.device).split_with_sizes(sizes), strict=True)
    results = [head(rows[None], ids[None]) for rows, ids in pairs]
    return torch.cat(results, dim=results[0].dim() - 2)


def batch_ids(batch: PoolingBatch, device: torch.device) -> Tensor:
    """Return [T] int64: the token ids of all sequences."""
    return torch.tensor([token for row in batch.rows for token in row.token_ids], device=device)
