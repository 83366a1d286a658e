"""What IO processors tell Prometheus: how long their stages take, and how often one fails."""

from __future__ import annotations

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Histogram

from cenote.io_processors.runner import Observe
from cenote.server.metrics_requests import SECONDS

__all__ = ["ProcessorMetrics"]

_LABELS = ("processor", "stage")


class ProcessorMetrics:
    """Counts the stages `parse`, `pre`, `run` (the model) and `post` of each processor."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "cenote:io_processor_seconds",
            "Time of the stages of IO processors: parse, pre, run (the model) and post.",
            _LABELS,
            buckets=SECONDS,
            registry=registry,
        )
        self._errors = Counter(
            "cenote:io_processor_errors",
            "Stages of IO processors that did not end well: refused, failed or cancelled.",
            _LABELS,
            registry=registry,
        )

    def observer(self, processor: str) -> Observe:
        """Return what hears of the stages of one request; the name is that of a loaded processor."""
        return partial(self._note, processor)

    def _note(self, processor: str, stage: str, seconds: float, failed: bool) -> None:
        self._seconds.labels(processor, stage).observe(seconds)
        if failed:
            self._errors.labels(processor, stage).inc()
