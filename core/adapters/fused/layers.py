"""The module that stands in a transformers model where its list of layers was, and runs fused ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.attention import INERT
from cenote.adapters.fused.layer import Batch, FusedLayer, Normalise
from cenote.adapters.pauses import with_pauses
from cenote.errors import ShapeError
from cenote.kernels.interrupt import Interrupt
from cenote.kernels.layers import Joined

__all__ = ["FusedLayers", "PassedPositions"]

#: Arguments that were constant when the layers were recorded, and those that change nothing.
_KNOWN = INERT | {"cu_seq_lens_q", "is_causal", "packed_causal"}


class PassedPositions(nn.Module):
    """Stands where a model computed its rotary angles, and hands the positions on; the layers compute them."""

    def forward(self, hidden: Tensor, position_ids: Tensor, layer_type: str | None = None) -> Tensor:
        """Return the positions as they are."""
        return position_ids


class FusedLayers(nn.Module):
    """All layers of a model as one.

    Between layers there are two tensors, the normed values in the model's dtype, and the residual stream in float32;
    transformers' loop over layers carries one, so the loop is here.

    Attributes:
        layers: in their order.
        rotary: the model's own module for angles, or None.
        joined: all layers as one function of a backend; None runs them operator by operator.
    """

    joined: Joined | None

    def __init__(
        self,
        layers: Sequence[FusedLayer],
        *,
        first: Normalise | None,
        dtype: torch.dtype,
        rotary: nn.Module | None,
        types: Sequence[str | None],
    ) -> None:
        """Take fused layers.

        Args:
            layers: in their order.
            first: norm before the first layer; None where the values are normed already.
            dtype: of products.
            rotary: the model's module for angles, or None.
            types: the types of layers that it knows angles for; `(None,)` where it knows one kind.
        """
        super().__init__()
        self.layers = tuple(layers)
        self.rotary = rotary
        self.joined = None
        #: What transformers asks of the first layer, to choose a mask (there is none) and angles (all positions).
        self.attention_type = types[0] if types else None
        self._first = first
        self._dtype = dtype
        self._types = tuple(types)

    def forward(
        self,
        hidden_states: Tensor,
        *unused: Tensor | None,
        position_embeddings: Tensor | None = None,
        packed_lengths: tuple[int, ...] | None = None,
        packed_key_lengths: tuple[int, ...] | None = None,
        **others: Any,
    ) -> Tensor:
        """Return [1, T, h] float32, with the model's last norm if it has one.

        Args:
            hidden_states: [1, T, h] of one packed row.
            *unused: masks and the like, which must be None.
            position_embeddings: what `PassedPositions` handed on, [1, T].
            packed_lengths: tokens per sequence.
            packed_key_lengths: per sequence, leading tokens that are attended to.
            **others: only arguments known to change nothing.

        Raises:
            ShapeError: the call is not one of a packed batch, or asks for something unknown.
        """
        if packed_lengths is None or packed_key_lengths is None or hidden_states.shape[0] != 1:
            raise ShapeError("Fused layers were called without sequence lengths, or with several rows.")
        unknown = sorted(name for name, given in others.items() if given is not None and name not in _KNOWN)
        if unknown or any(given is not None for given in unused):
            raise ShapeError(f"Fused layers do not know {', '.join(unknown) or 'attention masks'}.")
        rows = hidden_states[0]
        lengths, key_lengths = tuple(packed_lengths), tuple(packed_key_lengths)
        return self.run(rows.to(self._dtype), rows.float(), position_embeddings, lengths, key_lengths)[None]

    def run(
        self,
        normed: Tensor,
        stream: Tensor,
        positions: Tensor | None,
        lengths: tuple[int, ...],
        key_lengths: tuple[int, ...],
        *,
        pausing: bool = False,
    ) -> Tensor:
        """Return [T, h] float32.

        Args:
            normed: [T, h] what enters the first layer, in the dtype of products.
            stream: [T, h] the same in float32.
            positions: [1, T], for rotary angles.
            lengths: tokens per sequence.
            key_lengths: per sequence, leading tokens that are attended to.
            pausing: let other batches run between two layers, where somebody waits for them (`adapters.pauses`).
                Nothing of this batch is kept here.
        """
        angles = self.angles(stream, positions)
        if self._first is not None:
            normed, stream = self._first(stream, None)
        batch = Batch(lengths, key_lengths, angles)

        def run(first: int, interrupt: Interrupt | None) -> int:
            nonlocal normed, stream
            normed, stream, place = self._run_from(first, normed, stream, batch, interrupt)
            return place

        if pausing:
            with_pauses(len(self.layers), run)
        else:
            run(0, None)
        return stream

    def _run_from(
        self, first: int, normed: Tensor, stream: Tensor, batch: Batch, interrupt: Interrupt | None
    ) -> tuple[Tensor, Tensor, int]:
        """Run layers from one on, to the last or an interruption, as `Joined` does."""
        if self.joined is not None:
            return self.joined(
                normed,
                stream,
                lengths=batch.lengths,
                key_lengths=batch.key_lengths,
                angles=batch.angles,
                first=first,
                interrupt=interrupt,
            )
        place = first
        for place, layer in enumerate(self.layers[first:], first + 1):
            normed, stream = layer(normed, stream, batch)
            if interrupt is not None and interrupt.is_due(place - first):
                break
        return normed, stream, place

    def angles(self, stream: Tensor, positions: Tensor | None) -> dict[str, tuple[Tensor, Tensor]]:
        """Return cosines and sines [T, r] in float32, by type of layer.

        Args:
            stream: [T, h] float32, of whose device they are.
            positions: [1, T]; None where nothing is rotated.
        """
        if self.rotary is None or positions is None:
            return {}
        found = {}
        for kind in self._types:
            cosines, sines = self.rotary(stream, positions) if kind is None else self.rotary(stream, positions, kind)
            found[kind or ""] = (cosines[0], sines[0])
        return found
