"""Batches of sequences that lie end to end."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from itertools import accumulate, chain
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.visual import select_visual
from cenote.types import PackedBatch, Role

__all__ = ["pack", "select"]


def pack(
    sequences: list[tuple[int, ...]],
    *,
    device: str = "cpu",
    token_type_ids: list[tuple[int, ...] | None] | None = None,
    loras: list[str | None] | None = None,
    roles: list[Role | None] | None = None,
    media: list[Any] | None = None,
    attended: list[int | None] | None = None,
) -> PackedBatch:
    """Lay sequences end to end.

    Args:
        sequences: token ids of each prompt.
        device: where the tensors go.
        token_type_ids: segment ids of each prompt; None counts as all zero.
        loras: name of each prompt's low-rank adapter, or None.
        roles: what each prompt is for, or None.
        media: what the model made of each prompt's media, or None.
        attended: leading tokens of each prompt that are attended to; None counts as all.
    """
    lengths = tuple(len(ids) for ids in sequences)
    key_lengths = lengths
    if attended is not None:
        pairs = zip(attended, lengths, strict=True)
        key_lengths = tuple(length if most is None else most for most, length in pairs)
    types: Tensor | None = None
    if token_type_ids is not None and any(item is not None for item in token_type_ids):
        flat = [
            value
            for item, length in zip(token_type_ids, lengths, strict=True)
            for value in (item if item is not None else (0,) * length)
        ]
        types = torch.tensor(flat, device=device)
    ends = _integers(accumulate(lengths, initial=0))
    return PackedBatch(
        input_ids=_integers(chain.from_iterable(sequences)).to(device),
        position_ids=_counted(lengths, ends).to(device),
        cu_seq_lens_q=ends.to(device=device, dtype=torch.int32),
        lengths=lengths,
        key_lengths=key_lengths,
        token_type_ids=types,
        loras=tuple(loras) if loras is not None and any(loras) else (),
        roles=tuple(roles) if roles is not None and any(roles) else (),
        media=tuple(media) if media is not None and any(item is not None for item in media) else (),
    )


def _integers(values: Iterable[int]) -> Tensor:
    """Return [n] int64; for short ones in a fraction of the time of `torch.tensor`."""
    numbers = array("q", values)
    return torch.frombuffer(numbers, dtype=torch.int64) if numbers else torch.empty(0, dtype=torch.int64)


def _counted(lengths: tuple[int, ...], ends: Tensor) -> Tensor:
    """Return [T] places within sequences that begin at all but the last of `ends`."""
    if len(lengths) == 1:
        return torch.arange(lengths[0])
    return torch.arange(sum(lengths)) - torch.repeat_interleave(ends[:-1], _integers(lengths))


def select(batch: PackedBatch, indices: list[int]) -> PackedBatch:
    """Return a batch of some sequences of another, in the order of `indices`."""
    lengths = tuple(batch.lengths[index] for index in indices)

    def rows(flat: Tensor) -> Tensor:
        parts = flat.split_with_sizes(list(batch.lengths))
        return torch.cat([parts[index] for index in indices])

    ends = torch.tensor((0, *lengths), dtype=torch.int32).cumsum(0, dtype=torch.int32)
    return PackedBatch(
        input_ids=rows(batch.input_ids),
        position_ids=rows(batch.position_ids),
        cu_seq_lens_q=ends.to(batch.cu_seq_lens_q.device),
        lengths=lengths,
        key_lengths=tuple(batch.key_lengths[index] for index in indices),
        token_type_ids=None if batch.token_type_ids is None else rows(batch.token_type_ids),
        loras=tuple(batch.loras[index] for index in indices) if batch.loras else (),
        roles=tuple(batch.roles[index] for index in indices) if batch.roles else (),
        media=tuple(batch.media[index] for index in indices) if batch.media else (),
        visual=None if batch.visual is None else select_visual(batch.visual, batch.lengths, indices),
    )
