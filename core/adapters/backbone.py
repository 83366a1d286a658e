"""Run a transformers backbone over a packed batch: packed where that is exact, else padded in length buckets."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from cenote.adapters.packing import select
from cenote.adapters.visual import padded_visual, select_visual, visual_arguments
from cenote.errors import ShapeError
from cenote.types import PackedBatch, VisualInputs

__all__ = ["Backbone", "PackedBackbone", "PaddedBackbone", "accepts", "segments"]

#: Segments of models that compare them pairwise and have no table of them.
_SEGMENTS = {"funnel": 3, "xlnet": 3}


#: From token ids [T], positions [T], segment ids [T] or None, lengths and key lengths to hidden states [T, hidden].
Direct: TypeAlias = Callable[[Tensor, Tensor, Tensor | None, tuple[int, ...], tuple[int, ...]], Tensor]


class Backbone(Protocol):
    """A way of running a model."""

    @property
    def execution(self) -> str:
        """Return `packed` or `padded`."""
        ...

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden] for the tokens of the batch."""
        ...


def accepts(model: Any, name: str) -> bool:
    """Tell whether a model's forward has a parameter of this name."""
    return name in inspect.signature(model.forward).parameters


def segments(model: Any) -> int:
    """Return how many segments of a prompt a model tells apart; 0 where it knows none.

    GPT-2 and its kin take segment ids for ids of words, and TAPAS wants seven per token; they get none.
    """
    if not accepts(model, "token_type_ids"):
        return 0
    return int(getattr(model.config, "type_vocab_size", _SEGMENTS.get(model.config.model_type, 0)))


@dataclass(slots=True)
class _TransformersBackbone:
    """A transformers base model, and which optional arguments its forward takes."""

    model: Any
    _fixed: dict[str, Any] = field(init=False, repr=False)
    _takes_types: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        fixed = {"use_cache": False, "return_dict": True}
        self._fixed = {name: value for name, value in fixed.items() if accepts(self.model, name)}
        self._takes_types = segments(self.model) > 0

    def _hidden(self, ids: Tensor, visual: tuple[Tensor, Tensor] | None = None, **arguments: Any) -> Tensor:
        """Return [n, length, hidden] for ids [n, length], with rows of patches and where they stand, [n, length].

        Raises:
            ShapeError: the model does not give one hidden state per token.
        """
        given = {"input_ids": ids} if visual is None else visual_arguments(self.model, ids, *visual)
        output = self.model(**given, **arguments, **self._fixed)
        hidden: Tensor | None = getattr(output, "last_hidden_state", None)
        if hidden is None:
            raise ShapeError("its output has no last_hidden_state")
        if hidden.shape[:2] != ids.shape:
            raise ShapeError(f"it gives {hidden.shape[1]} hidden states for {ids.shape[1]} tokens")
        return hidden


@dataclass(slots=True)
class PackedBackbone(_TransformersBackbone):
    """All tokens in one row; attention keeps the sequences apart.

    Attributes:
        model: transformers base model that runs with `PACKED_ATTENTION`.
        position_offset: added to positions counted from 0 (RoBERTa: padding id + 1).
        causal: what layers are that do not say whether they look ahead.
        longest_row: most tokens of a row, for models that refuse longer ones whatever their positions are (CLIP); more
            sequences than that then run in several rows. None is no limit.
        direct: from token ids, positions, segment ids, lengths and key lengths to hidden states, past the model's own
            forward (`fused`); None where there is no such way.
    """

    position_offset: int = 0
    causal: bool = True
    execution: str = "packed"
    longest_row: int | None = None
    direct: Direct | None = None

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden]."""
        if self.direct is not None and batch.visual is None:
            types = batch.token_type_ids if self._takes_types else None
            return self.direct(batch.input_ids, self._positions(batch), types, batch.lengths, batch.key_lengths)
        rows = self._rows(batch.lengths)
        if len(rows) == 1:
            return self._row(batch)
        return torch.cat([self._row(select(batch, row)) for row in rows])

    def _rows(self, lengths: tuple[int, ...]) -> list[list[int]]:
        """Split indices, in their order, into rows that the model takes; a sequence is never split."""
        rows: list[list[int]] = [[]]
        used = 0
        for index, length in enumerate(lengths):
            if self.longest_row is not None and rows[-1] and used + length > self.longest_row:
                rows.append([])
                used = 0
            rows[-1].append(index)
            used += length
        return rows

    def _row(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden] of sequences in one row."""
        extra: dict[str, Tensor] = {}
        if self._takes_types:
            types = batch.token_type_ids
            extra["token_type_ids"] = torch.zeros_like(batch.input_ids)[None] if types is None else types[None]
        positions, visual = self._positions(batch)[None], batch.visual
        if visual is not None and visual.position_ids is not None:
            # The first row counts tokens, the others are what is rotated by.
            positions = torch.cat([positions, visual.position_ids])[:, None]
        hidden = self._hidden(
            batch.input_ids[None],
            visual=None if visual is None else (visual.rows, visual.mask[None]),
            position_ids=positions,
            cu_seq_lens_q=batch.cu_seq_lens_q,
            cu_seq_lens_k=batch.cu_seq_lens_q,
            max_length_q=max(batch.lengths),
            max_length_k=max(batch.lengths),
            packed_lengths=batch.lengths,
            packed_key_lengths=batch.key_lengths,
            packed_causal=self.causal,
            **extra,
        )
        return hidden[0]

    def _positions(self, batch: PackedBatch) -> Tensor:
        """Return [T] position ids.

        Source: `create_position_ids_from_input_ids` of transformers' RoBERTa, which counts only the tokens that are
        not padding, also where a text spells the padding token.
        """
        padding = self.position_offset - 1
        if padding < 0:
            return batch.position_ids
        if not bool((batch.input_ids == padding).any()):
            return batch.position_ids + self.position_offset
        counted = (batch.input_ids != padding).split_with_sizes(list(batch.lengths))
        return torch.cat([part.cumsum(0) * part for part in counted]) + padding


@dataclass(slots=True)
class PaddedBackbone(_TransformersBackbone):
    """One padded row per sequence, sequences of similar length together; for models that cannot run packed.

    Attributes:
        model: transformers base model with its own attention.
        pad_token_id: fills the rows; its positions are masked, as are those of tokens that are not attended to.
        waste: share of padding that one bucket may hold before it is split; 0 keeps unlike lengths apart.
        most: sequences that one bucket may hold.
    """

    pad_token_id: int
    waste: float = 0.1
    most: int | None = None
    execution: str = "padded"

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden]."""
        rows = batch.input_ids.split_with_sizes(list(batch.lengths))
        types = None if batch.token_type_ids is None else batch.token_type_ids.split_with_sizes(list(batch.lengths))
        results: list[Tensor | None] = [None] * len(rows)
        for bucket in self.buckets(batch.lengths):
            hidden = self._run(
                [rows[i] for i in bucket],
                [batch.key_lengths[i] for i in bucket],
                None if types is None else [types[i] for i in bucket],
                None if batch.visual is None else select_visual(batch.visual, batch.lengths, bucket),
            )
            for index, row in zip(bucket, hidden, strict=True):
                results[index] = row[: batch.lengths[index]]
        return torch.cat([row for row in results if row is not None])

    def buckets(self, lengths: tuple[int, ...]) -> list[list[int]]:
        """Split indices into groups, longest first, each with at most the allowed share of padding."""
        groups: list[list[int]] = []
        used = 0
        for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
            longest = lengths[groups[-1][0]] if groups else 0
            area = longest * (len(groups[-1]) + 1) if groups else 0
            full = bool(groups) and len(groups[-1]) == self.most
            if groups and not full and area - used - lengths[index] <= self.waste * area:
                groups[-1].append(index)
                used += lengths[index]
            else:
                groups.append([index])
                used = lengths[index]
        return groups

    def _run(
        self, rows: list[Tensor], attended: list[int], types: list[Tensor] | None, visual: VisualInputs | None
    ) -> Tensor:
        """Return [n, longest, hidden] of right-padded rows, whose leading tokens are attended to."""
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=self.pad_token_id)
        places = torch.arange(ids.shape[1], device=ids.device)
        mask = (places < torch.tensor(attended, device=ids.device)[:, None]).to(ids.dtype)
        extra: dict[str, Any] = {}
        if self._takes_types and types is not None:
            extra["token_type_ids"] = torch.nn.utils.rnn.pad_sequence(types, batch_first=True)
        if visual is not None:
            placed, positions = padded_visual(visual, [len(row) for row in rows])
            extra["visual"] = (visual.rows, placed)
            if positions is not None:
                extra["position_ids"] = positions
        return self._hidden(ids, attention_mask=mask, **extra)
