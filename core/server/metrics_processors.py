"""What IO processors tell Prometheus: how long their stages take, how often one fails, and threads that are lost."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cenote.io_processors.runner import Observe
from cenote.server.metrics_requests import SECONDS

if TYPE_CHECKING:
    from cenote.server.models import ModelTable

__all__ = ["ProcessorMetrics", "ProcessorThreads"]

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


class ProcessorThreads(Collector):
    """Count the threads that IO processors have lost, when Prometheus asks."""

    def __init__(self, models: ModelTable) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge of all processors."""
        gauge = GaugeMetricFamily(
            "cenote:io_processor_lost_threads",
            "Threads of IO processors that are held by calls whose requests have ended.",
            labels=["processor"],
        )
        lost: Tally[str] = Tally()
        for model in self._models:
            for name in model.engine.io_processors:
                lost[name] += model.engine.processor(name).threads.lost
        for name, count in lost.items():
            gauge.add_metric([name], count)
        yield gauge
