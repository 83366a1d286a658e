"""What IO processors tell Prometheus: how long their stages take, how they end, and threads that are lost."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cenote.io_processors.outcomes import Outcome
from cenote.io_processors.runner import Observe
from cenote.server.metrics_requests import SECONDS

if TYPE_CHECKING:
    from cenote.server.models import ModelTable

__all__ = ["ProcessorMetrics", "ProcessorThreads"]

_LABELS = ("model_name", "processor", "stage")


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
            "Stages of IO processors that did not end well: refused (the data), failed, late (the request's time ran "
            "out) or cancelled (the client left, or the server stopped).",
            (*_LABELS, "outcome"),
            registry=registry,
        )

    def observer(self, model: str, processor: str) -> Observe:
        """Return what hears of the stages of one request; the names are those of a loaded model and processor."""
        return partial(self._note, model, processor)

    def _note(self, model: str, processor: str, stage: str, seconds: float, outcome: Outcome) -> None:
        self._seconds.labels(model, processor, stage).observe(seconds)
        if outcome != "done":
            self._errors.labels(model, processor, stage, outcome).inc()


class ProcessorThreads(Collector):
    """Count the threads that IO processors have lost, when Prometheus asks."""

    def __init__(self, models: ModelTable) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        """Yield the gauge of all processors."""
        gauge = GaugeMetricFamily(
            "cenote:io_processor_lost_threads",
            "Threads of IO processors that are held by calls whose requests have ended.",
            labels=["model_name", "processor"],
        )
        for model in self._models:
            for name in model.engine.io_processors:
                gauge.add_metric([model.name, name], model.engine.processor(name).threads.lost)
        yield gauge
