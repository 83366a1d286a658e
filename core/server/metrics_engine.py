"""What the engines of a server tell Prometheus: their own counters, and how full each batch was."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cenote.hooks import BatchDone, hookimpl

if TYPE_CHECKING:
    from cenote.server.models import ModelTable

__all__ = ["BatchMetrics", "EngineCollector"]

_FILL = tuple(tenth / 10 for tenth in range(1, 11))
_TOKENS = (1, 8, 32, 128, 512, 1024, 2048, 4096, 8192, 16384, 65536)


class EngineCollector(Collector):
    """Read the engines' own counters when Prometheus asks."""

    def __init__(self, models: ModelTable) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics of all models, and of the plugins that computed for them."""
        labels = ["model_name"]
        running = GaugeMetricFamily("cenote:num_requests_running", "Prompts in the current batch.", labels=labels)
        waiting = GaugeMetricFamily(
            "cenote:num_requests_waiting",
            "Prompts that wait for a batch, or for their media, which are being loaded.",
            labels=labels,
        )
        queued = GaugeMetricFamily("cenote:num_tokens_waiting", "Tokens of waiting prompts.", labels=labels)
        forwards = CounterMetricFamily("cenote:forwards", "Batches run.", labels=labels)
        tokens = CounterMetricFamily("cenote:forward_tokens", "Tokens in all batches run.", labels=labels)
        plugins = CounterMetricFamily(
            "cenote:plugin_compute_seconds",
            "Time that models spent in batches, by the distribution of their adapter.",
            labels=["plugin"],
        )
        queries = CounterMetricFamily(
            "cenote:mm_cache_queries", "Media that models looked for among those prepared already.", labels=labels
        )
        hits = CounterMetricFamily("cenote:mm_cache_hits", "Media that they found there.", labels=labels)
        seconds: dict[str, float] = {}
        for model in self._models:
            stats, plugin = model.engine.stats(), model.engine.plugin
            running.add_metric([model.name], stats.running)
            waiting.add_metric([model.name], stats.waiting)
            queued.add_metric([model.name], stats.waiting_tokens)
            forwards.add_metric([model.name], stats.forwards)
            tokens.add_metric([model.name], stats.tokens)
            seconds[plugin] = seconds.get(plugin, 0.0) + stats.busy_seconds
            if (cache := model.engine.media_cache) is not None:
                queries.add_metric([model.name], cache.queries)
                hits.add_metric([model.name], cache.hits)
        for plugin, value in seconds.items():
            plugins.add_metric([plugin], value)
        yield from (running, waiting, queued, forwards, tokens, plugins, queries, hits)


class BatchMetrics:
    """Observe the batches of all models."""

    def __init__(self, models: ModelTable, registry: CollectorRegistry) -> None:
        labels = ("model_name",)
        fill = Histogram(
            "cenote:batch_fill_ratio",
            "Tokens of a batch by the budget; one long prompt may go beyond 1.",
            labels,
            buckets=_FILL,
            registry=registry,
        )
        tokens = Histogram("cenote:iteration_tokens", "Tokens of a batch.", labels, buckets=_TOKENS, registry=registry)
        # Kept here: engines hold their listeners weakly, so that an app that is gone hears no more.
        self._listeners = [_OneModel(fill.labels(model.name), tokens.labels(model.name)) for model in models]
        for model, listener in zip(models, self._listeners, strict=True):
            model.engine.hooks.register(listener, "batch metrics")


class _OneModel:
    def __init__(self, fill: Histogram, tokens: Histogram) -> None:
        self._fill = fill
        self._tokens = tokens

    @hookimpl
    def cenote_batch_done(self, event: BatchDone) -> None:
        self._fill.observe(event.tokens / event.budget)
        self._tokens.observe(event.tokens)
