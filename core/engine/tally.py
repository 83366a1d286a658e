"""What an engine did so far, and who hears of it."""

from __future__ import annotations

import logging
import threading
import weakref

from cenote.engine.observer import BatchReport, EngineObserver
from cenote.engine.stats import EngineStats

__all__ = ["Tally"]

_log = logging.getLogger(__name__)


class Tally:
    """Counts batches and reports them. Thread safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forwards = self._tokens = self._requests = 0
        self._busy_seconds = 0.0
        self._observers: weakref.WeakSet[EngineObserver] = weakref.WeakSet()

    def observe(self, observer: EngineObserver) -> None:
        """Tell an observer of every batch, as long as somebody else holds it."""
        with self._lock:
            self._observers.add(observer)

    def add(self, report: BatchReport, forwards: int) -> None:
        """Count a batch of so many forward passes, and report it. What an observer raises is logged."""
        with self._lock:
            self._forwards += forwards
            self._tokens += report.tokens
            self._requests += report.requests
            self._busy_seconds += report.seconds
            observers = list(self._observers)
        for observer in observers:
            try:
                observer.batch_done(report)
            except Exception:
                _log.exception("an observer failed with the report of a batch")

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
