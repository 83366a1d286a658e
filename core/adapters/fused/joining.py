"""Let one call run all layers of a model, where the backend of its products offers that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from ctypes import c_int32
from typing import Any

import torch
from torch import Tensor

from cenote.adapters.fused.layer import Batch
from cenote.adapters.fused.layers import FusedLayers
from cenote.adapters.probes import relative_difference
from cenote.kernels import get_kernel, raise_if_forced
from cenote.kernels.interrupt import Interrupt
from cenote.kernels.layers import Join, Joined

__all__ = ["join_layers"]

_log = logging.getLogger(__name__)

#: Largest difference, relative to the largest value, from the same operators called one by one: a few roundings of
#: results in the dtype of products.
_TOLERANCE = {torch.float32: 1e-5}
_ROUGH = 1e-2
#: Tokens of one short text, and those for each thread in a batch that threads share: both may take other ways.
_FEW, _MANY = 13, 128


def join_layers(layers: FusedLayers, check: Callable[[], Tensor], dtype: torch.dtype, device: str) -> bool:
    """Join fused layers whose products are prepared, if that gives what they give; tell whether it does.

    All layers are compared on what `check` runs; on few tokens and on many the first one is compared alone, and all of
    them one after the other with all at once.

    Args:
        layers: in place in their model.
        check: runs the model on fixed sequences.
        dtype: of products.
        device: whose kernels are taken.
    """
    join: Join | None = getattr(get_kernel("linear", device), "join", None)
    described = [layer.described() for layer in layers.layers]
    known = [layer for layer in described if layer is not None]
    if join is None or len(known) < len(described):
        return False
    try:
        joined = join(known)
        if joined is None:
            return False
        expected = check()
        layers.joined = joined
        first = join(known[:1])
        differences = [relative_difference(check(), expected), *_differences(first, joined, layers, expected, dtype)]
    except Exception as exc:
        # Layers called by themselves may raise anything, as those of a foreign model do when they are fused.
        layers.joined = None
        raise_if_forced(exc)
        _log.warning("layers run operator by operator: %s", exc)
        return False
    if not all(difference <= _TOLERANCE.get(dtype, _ROUGH) for difference in differences):
        layers.joined = None
        text = ", ".join(f"{difference:.1e}" for difference in differences)
        _log.warning("layers run operator by operator: joined, they differ by %s of the largest value", text)
    return layers.joined is not None


def _differences(
    first: Joined | None, joined: Joined, layers: FusedLayers, like: Tensor, dtype: torch.dtype
) -> list[float]:
    """Return how far the first layer is from its operators, and pieces are from the whole, for few tokens and many."""
    found: list[float] = []
    if first is None:
        return found
    for lengths in ((_FEW,), (_MANY,) * torch.get_num_threads()):
        rows = torch.randn(sum(lengths), like.shape[-1], generator=torch.Generator().manual_seed(31)).to(like.device)
        positions = torch.cat([torch.arange(length, device=like.device) for length in lengths])
        with torch.inference_mode():
            angles = layers.angles(rows, positions[None])
            expected = layers.layers[0](rows.to(dtype), rows, Batch(lengths, lengths, angles))[1]
            batch: Any = {"lengths": lengths, "key_lengths": lengths, "angles": angles}
            given = first(rows.to(dtype), rows, **batch)[1]
            whole = joined(rows.to(dtype), rows, **batch)
            normed, stream, place = rows.to(dtype), rows, 0
            while place < len(layers.layers):
                normed, stream, place = joined(normed, stream, **batch, first=place, interrupt=Interrupt(c_int32(1)))
        found += [relative_difference(given, expected), relative_difference(stream, whole[1])]
    return found
