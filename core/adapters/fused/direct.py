"""The shortest way through a fused model: embed, then the layers, without transformers' forward around them.

That forward costs a short query more than its embeddings do. Both ways stay: the model's own is taken where something
else than token ids comes in (rows of images).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cenote.adapters.backbone import PackedBackbone
from cenote.adapters.fused.embeddings import Embed, embedder_of
from cenote.adapters.fused.layers import FusedLayers
from cenote.adapters.fused.proof import NEAREST, in_float32
from cenote.adapters.probes import relative_difference, tolerance
from cenote.kernels import raise_if_forced

__all__ = ["DirectWay", "take_direct_way"]

_log = logging.getLogger(__name__)


class DirectWay:
    """Embeddings and layers of one model."""

    def __init__(self, embed: Embed, layers: FusedLayers) -> None:
        self._embed = embed
        self._layers = layers

    def __call__(
        self,
        ids: Tensor,
        positions: Tensor,
        types: Tensor | None,
        lengths: tuple[int, ...],
        key_lengths: tuple[int, ...],
    ) -> Tensor:
        """Return [T, h] float32 of token ids, positions and segment ids [T]; segments that are None are all 0."""
        normed, stream = self._embed(ids, positions, types)
        return self._layers.run(normed, stream, positions[None], lengths, key_lengths, pausing=True)


def take_direct_way(
    base: Any, layers: FusedLayers, backbone: PackedBackbone, check: Callable[[], Tensor], device: str
) -> bool:
    """Let a backbone run the direct way, where that gives what the model's forward gives; tell whether it does.

    Both ways are compared twice: what enters the layers, with everything around the tables computed in float32, where
    they must be equal, and what leaves them.

    Args:
        base: the model, whose layers are fused by now, with plain products.
        layers: which they are.
        backbone: runs it.
        check: runs it on fixed sequences.
        device: whose kernels are taken.
    """
    entered: list[Tensor] = []
    try:
        with _embedding_in_float32(base):
            hook = layers.register_forward_pre_hook(lambda module, args: entered.append(args[0][0].float()))
            try:
                expected = check()
            finally:
                hook.remove()
            embed = embedder_of(base, device)

            def recorded(ids: Tensor, positions: Tensor, types: Tensor | None) -> tuple[Tensor, Tensor]:
                normed, stream = embed(ids, positions, types)
                entered.append(stream)
                return normed, stream

            backbone.direct = DirectWay(recorded, layers)
            found = check()
        *own, direct = entered
        exact = _relative(direct, torch.cat(own)) <= NEAREST and _relative(found, expected) <= tolerance(base.dtype)
        backbone.direct = DirectWay(embed, layers) if exact else None
    except Exception as exc:
        raise_if_forced(exc)
        # A foreign model may embed in any way; failing means that it is none of those that are known.
        _log.info("no direct way: %s: %s", type(exc).__name__, exc)
        backbone.direct = None
    return backbone.direct is not None


def _relative(found: Tensor, expected: Tensor) -> float:
    return relative_difference(found, expected)


@contextmanager
def _embedding_in_float32(base: nn.Module) -> Iterator[None]:
    """Let a model whose layers are fused embed in float32; of tables, which are large, only the rows are converted."""
    tables = [module for module in base.modules() if isinstance(module, nn.Embedding)]
    hooks = [table.register_forward_hook(lambda module, args, rows: rows.float()) for table in tables]
    try:
        with in_float32(module for module in base.modules() if not isinstance(module, nn.Embedding)):
            yield
    finally:
        for hook in hooks:
            hook.remove()
