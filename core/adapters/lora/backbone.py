"""Run batches whose sequences have different adapters."""

from __future__ import annotations

import threading
from collections.abc import Container
from dataclasses import dataclass, field

import torch
from torch import Tensor

from cenote.adapters.backbone import Backbone
from cenote.adapters.lora.routes import Routes, row_groups
from cenote.adapters.packing import select
from cenote.adapters.regimes import RegimeBackbone
from cenote.errors import ModelNotFound
from cenote.types import PackedBatch

__all__ = ["LoraBackbone"]


@dataclass(slots=True)
class LoraBackbone:
    """The outermost backbone: tells the layers whose rows are whose.

    Packed, a mixed batch is one forward. Padded, or where rotary frequencies depend on length, rows cannot be told
    apart inside the model, and each adapter's sequences run as a batch of their own.

    Attributes:
        inner: runs the model.
        routes: what the model's layers read.
        loaded: names of the adapters.
        lock: held during a forward, and by whoever changes the layers.
    """

    inner: Backbone
    routes: Routes
    loaded: Container[str]
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def execution(self) -> str:
        """Return `packed` or `padded`."""
        return self.inner.execution

    def __call__(self, batch: PackedBatch) -> Tensor:
        """Return [T, hidden] in batch order.

        Raises:
            ModelNotFound: the batch names an adapter that is not loaded.
        """
        with self.lock:
            for name in batch.loras:
                if name is not None and name not in self.loaded:
                    raise ModelNotFound(f"There is no low-rank adapter {name!r}; it was unloaded, or never loaded.")
            if len(set(batch.loras)) <= 1:
                return self._uniform(batch, next(iter(batch.loras), None))
            if self.inner.execution == "packed" and not isinstance(self.inner, RegimeBackbone):
                groups = row_groups(batch.loras, batch.lengths, batch.input_ids.device)
                with self.routes.using(groups, len(batch.input_ids)):
                    return self.inner(batch)
            return self._apart(batch)

    def _uniform(self, batch: PackedBatch, name: str | None) -> Tensor:
        """Run sequences that all have the same adapter, or none."""
        with self.routes.using([] if name is None else [(name, None)]):
            return self.inner(batch)

    def _apart(self, batch: PackedBatch) -> Tensor:
        """Run each adapter's sequences for themselves."""
        parts: list[Tensor | None] = [None] * len(batch.lengths)
        for name in dict.fromkeys(batch.loras):
            indices = [index for index, other in enumerate(batch.loras) if other == name]
            hidden = self._uniform(select(batch, indices), name)
            rows = hidden.split_with_sizes([batch.lengths[index] for index in indices])
            for index, part in zip(indices, rows, strict=True):
                parts[index] = part
        return torch.cat([part for part in parts if part is not None])
