"""Layers that add low-rank updates to the rows of a forward that ask for them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from cenote.adapters.linears import PreparedLinear
from cenote.adapters.lora.routes import Routes
from cenote.errors import CheckpointError, ShapeError

__all__ = ["LoraEmbedding", "LoraLayer", "LoraLinear", "LowRank", "wrap"]


@dataclass(frozen=True, slots=True)
class LowRank:
    """What an adapter adds to one weight: `up @ down`; for an embedding table, the transpose of that.

    Attributes:
        down: [r, in]; for an embedding [r, rows of the table].
        up: [out, r], with the adapter's scale already in it.

    Source: Hu et al. 2021, eq. 3 (arXiv:2106.09685).
    """

    down: Tensor
    up: Tensor


class LoraLayer(nn.Module):
    """A layer and the updates of its adapters.

    Attributes:
        base: the layer itself, whose weights stay as they are.
    """

    def __init__(self, base: nn.Module, routes: Routes, sizes: tuple[int, int]) -> None:
        super().__init__()
        self.base = base
        self._routes = routes
        self._sizes = sizes
        self._updates: dict[str, LowRank] = {}

    @property
    def weight(self) -> Any:
        """Return the weight of the layer itself, for models that look at its dtype."""
        return self.base.weight

    @property
    def is_idle(self) -> bool:
        """Tell whether no adapter is left."""
        return not self._updates

    def add(self, name: str, update: LowRank, *, dtype: torch.dtype, device: str) -> None:
        """Take an adapter's update.

        Raises:
            CheckpointError: its sizes are not those of the layer.
        """
        size_in, size_out = self._sizes
        rank = update.down.shape[0]
        if update.down.shape != (rank, size_in) or update.up.shape != (size_out, rank):
            raise CheckpointError(
                f"Adapter {name!r} has matrices {list(update.down.shape)} and {list(update.up.shape)} for a layer "
                f"from {size_in} to {size_out}; it belongs to another model."
            )
        moved = LowRank(update.down.detach().to(device, dtype), update.up.detach().to(device, dtype))
        self._updates[name] = self._laid_out(moved)

    def remove(self, name: str) -> LowRank | None:
        """Drop an adapter's update, and return it where there was one."""
        return self._updates.pop(name, None)

    def put_back(self, name: str, update: LowRank) -> None:
        """Take an update again that `remove` gave."""
        self._updates[name] = update

    def forward(self, given: Tensor) -> Tensor:
        """Return [..., out]: what the layer gives, plus each adapter's part on its own rows."""
        result: Tensor = self.base(given)
        groups = [group for group in self._routes.groups if group[0] in self._updates]
        if not groups:
            return result
        flat, source = result.reshape(-1, result.shape[-1]), self._flat(given)
        for name, rows in groups:
            update = self._updates[name]
            if rows is None:
                flat.addmm_(self._narrow(source, update), update.up.T)
                continue
            if len(source) != self._routes.total:
                raise ShapeError(
                    f"A layer with adapter {name!r} got {len(source)} rows of a batch of {self._routes.total}; "
                    "which of them belong to the adapter is not known."
                )
            flat.index_add_(0, rows, F.linear(self._narrow(source[rows], update), update.up))
        return flat.view(result.shape)

    @staticmethod
    @abstractmethod
    def _flat(given: Tensor) -> Tensor:
        """Return the input as rows."""

    @staticmethod
    @abstractmethod
    def _narrow(rows: Tensor, update: LowRank) -> Tensor:
        """Return [n, r]: rows of the input times `down`."""

    def _laid_out(self, update: LowRank) -> LowRank:
        """Return an update as this kind of layer keeps it."""
        return update


class LoraLinear(LoraLayer):
    """A linear layer with adapters."""

    @staticmethod
    def _flat(given: Tensor) -> Tensor:
        return given.reshape(-1, given.shape[-1])

    @staticmethod
    def _narrow(rows: Tensor, update: LowRank) -> Tensor:
        return F.linear(rows, update.down)


class LoraEmbedding(LoraLayer):
    """An embedding table with adapters; `down` is kept as a table of its own, [rows, r]."""

    @staticmethod
    def _flat(given: Tensor) -> Tensor:
        return given.reshape(-1)

    @staticmethod
    def _narrow(rows: Tensor, update: LowRank) -> Tensor:
        return F.embedding(rows, update.down)

    def _laid_out(self, update: LowRank) -> LowRank:
        scale = getattr(self.base, "embed_scale", None)  # Gemma multiplies what it looks up
        return LowRank(update.down.T.contiguous(), update.up if scale is None else update.up * scale)


def wrap(layer: nn.Module, routes: Routes) -> LoraLayer:
    """Return a layer that can take adapters.

    Raises:
        CheckpointError: the layer is none whose result is known to be linear in its weight.
    """
    if isinstance(layer, PreparedLinear) or type(layer) is nn.Linear:
        return LoraLinear(layer, routes, (layer.in_features, layer.out_features))
    if type(layer) is Conv1D:
        return LoraLinear(layer, routes, (layer.nx, layer.nf))
    if isinstance(layer, nn.Embedding) and layer.max_norm is None:
        if type(layer) is nn.Embedding or hasattr(layer, "embed_scale"):
            return LoraEmbedding(layer, routes, (layer.num_embeddings, layer.embedding_dim))
    raise CheckpointError(f"Adapters cannot be put on a layer of class {type(layer).__name__}.")
