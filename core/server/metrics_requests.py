"""What requests tell Prometheus: how they ended, how long their stages took, and how much the models read."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from cenote.hooks import RequestDone, hookimpl

__all__ = ["SECONDS", "RequestMetrics"]

#: Limits of the buckets of times.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOKENS = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 32768, 131072)
_LABELS = ("model_name", "task")


class RequestMetrics:
    """Counts requests as they end, by the hook that plugins have too."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._latency = self._seconds(
            "e2e_request_latency", "Time that a request spent in the engine: tokenising, waiting and running."
        )
        self._tokenizing = self._seconds("request_tokenize_time", "Time until a request's prompts were tokenised.")
        self._queueing = self._seconds("request_queue_time", "Time that a request then waited for its first batch.")
        self._computing = self._seconds(
            "request_inference_time", "Time from the first to the last batch that a request was part of."
        )
        self._item_tokens = Histogram(
            "cenote:request_prompt_tokens", "Tokens per input.", _LABELS, buckets=_TOKENS, registry=registry
        )
        self._prompt_tokens = self._counter("prompt_tokens", "Tokens of answered inputs.")
        self._items = self._counter("items", "Inputs answered.")
        self._truncated = self._counter("truncated_tokens", "Tokens that truncation removed.")
        self._finished = self._counter(
            "request_success",
            "Engine requests by how they ended: stop, abort (client left, deadline, shutdown) or error.",
            "finished_reason",
        )
        self._rejections = self._counter("admission_rejections", "Requests refused because too many wait.")

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(f"cenote:{name}_seconds", text, _LABELS, buckets=SECONDS, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"cenote:{name}", text, (*_LABELS, *labels), registry=self._registry)

    @hookimpl
    def cenote_request_done(self, event: RequestDone) -> None:
        """Count a request."""
        labels = (event.model, event.task)
        self._finished.labels(*labels, "error" if event.outcome == "refused" else event.outcome).inc()
        if event.outcome == "refused":
            self._rejections.labels(*labels).inc()
        if event.outcome != "stop":
            return
        self._latency.labels(*labels).observe(event.seconds)
        self._tokenizing.labels(*labels).observe(event.tokenizing)
        self._queueing.labels(*labels).observe(event.queueing)
        self._computing.labels(*labels).observe(event.computing)
        self._items.labels(*labels).inc(event.items)
        self._prompt_tokens.labels(*labels).inc(event.tokens)
        self._truncated.labels(*labels).inc(event.truncated_tokens)
        histogram = self._item_tokens.labels(*labels)
        for tokens in event.prompt_tokens:
            histogram.observe(tokens)
