"""Let one call run all layers of a model, where the backend of its products offers that."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

from cenote.adapters.fused.layers import FusedLayers
from cenote.adapters.probes import relative_difference
from cenote.errors import CenoteError
from cenote.kernels import get_kernel, raise_if_forced
from cenote.kernels.layers import Join

__all__ = ["join_layers"]

_log = logging.getLogger(__name__)

#: Largest difference, relative to the largest value, from the same operators called one by one: a few roundings of
#: results in the dtype of products.
_TOLERANCE = {torch.float32: 1e-5}
_ROUGH = 1e-2


def join_layers(layers: FusedLayers, check: Callable[[], Tensor], dtype: torch.dtype, device: str) -> bool:
    """Join fused layers whose products are prepared, if that gives what they give; tell whether it does.

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
        difference = relative_difference(check(), expected)
    except CenoteError as exc:
        raise_if_forced(exc)
        layers.joined = None
        _log.warning("layers run operator by operator: %s", exc)
        return False
    if not difference <= _TOLERANCE.get(dtype, _ROUGH):
        layers.joined = None
        _log.warning("layers run operator by operator: joined, they differ by %.1e of the largest value", difference)
    return layers.joined is not None
