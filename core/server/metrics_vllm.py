"""`--metrics-vllm-names`: metrics that vLLM has too, also under its names.

Source: the metrics of vLLM 0.32 with the labels `model_name` and `engine`; it knows no tasks.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

__all__ = ["VllmNames"]

_PREFIX = "cenote:"
#: Our names, without the prefix, to theirs.
_NAMES = {
    "num_requests_running": ("num_requests_running",),
    "num_requests_waiting": ("num_requests_waiting",),
    "mm_cache_queries": ("mm_cache_queries",),
    "mm_cache_hits": ("mm_cache_hits",),
    "prompt_tokens": ("prompt_tokens",),
    "request_success": ("request_success",),
    "admission_rejections": ("admission_rejections",),
    "request_prompt_tokens": ("request_prompt_tokens",),
    "iteration_tokens": ("iteration_tokens_total",),
    "e2e_request_latency_seconds": ("e2e_request_latency_seconds",),
    "request_queue_time_seconds": ("request_queue_time_seconds",),
    "request_inference_time_seconds": ("request_inference_time_seconds", "request_prefill_time_seconds"),
}


class VllmNames(Collector):
    """Give a registry's metrics a second time, summed over tasks."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def describe(self) -> list[Metric]:
        """Return nothing: the names are known once there is something to tell."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics under their other names."""
        for metric in list(self._registry.collect()):
            for name in _NAMES.get(metric.name.removeprefix(_PREFIX), ()):
                yield _renamed(metric, f"vllm:{name}")


def _renamed(metric: Metric, name: str) -> Metric:
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for sample in metric.samples:
        suffix = sample.name.removeprefix(metric.name)
        labels = {key: value for key, value in sample.labels.items() if key != "task"}
        if suffix != "_created":
            key = (suffix, tuple({**labels, "engine": "0"}.items()))
            sums[key] = sums.get(key, 0.0) + sample.value
    other = Metric(name, metric.documentation, metric.type)
    for (suffix, pairs), value in sums.items():
        other.add_sample(f"{name}{suffix}", dict(pairs), value)
    return other
