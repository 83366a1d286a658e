"""How much is decoded at the same time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["PixelBudget"]


class PixelBudget:
    """Lets threads decode images as long as these have no more pixels together than a limit.

    An image that is larger than the limit is decoded alone, so that memory is bounded by the larger of the two.

    Args:
        limit: pixels of all images together.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._room = threading.Condition()
        self._turn = threading.Lock()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait for room, and take it as long as the block runs. A block must not take room again."""
        with self._turn, self._room:  # who waits for room lets nobody pass, or small images could keep out a large one
            self._room.wait_for(lambda: not self._held or self._held + pixels <= self._limit)
            self._held += pixels
        try:
            yield
        finally:
            with self._room:
                self._held -= pixels
                self._room.notify_all()
