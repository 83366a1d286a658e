"""What an engine did so far."""

from __future__ import annotations

import threading

from cenote.engine.stats import EngineStats
from cenote.hooks import BatchDone

__all__ = ["Tally"]


class Tally:
    """Counts batches. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forwards = self._tokens = self._requests = 0
        self._busy_seconds = 0.0

    def add(self, batch: BatchDone, forwards: int) -> None:
        """Count a batch of so many forward passes."""
        with self._lock:
            self._forwards += forwards
            self._tokens += batch.tokens
            self._requests += batch.requests
            self._busy_seconds += batch.seconds

    def stats(self, *, running: int, waiting: int, waiting_tokens: int) -> EngineStats:
        """Return a snapshot, with what the engine knows of the present."""
        with self._lock:
            return EngineStats(
                forwards=self._forwards,
                tokens=self._tokens,
                requests=self._requests,
                running=running,
                waiting=waiting,
                waiting_tokens=waiting_tokens,
                busy_seconds=self._busy_seconds,
            )
