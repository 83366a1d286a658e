"""The pooler seam: hidden states in, one result per prompt and task out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor

    from cenote.types import PoolingBatch

__all__ = ["Pooler"]


class Pooler(Protocol):
    """Turns the hidden states of a packed batch into results."""

    def supported_tasks(self) -> frozenset[str]:
        """Return the tasks that this pooler can answer."""
        ...

    def __call__(self, hidden: Tensor, batch: PoolingBatch) -> list[dict[str, Tensor]]:
        """Pool.

        Args:
            hidden: [T, hidden_size], rows of all prompts laid end to end.
            batch: one row per prompt, in the same order.

        Returns:
            One mapping per prompt, from task name to a float32 tensor that owns its memory.
        """
        ...
