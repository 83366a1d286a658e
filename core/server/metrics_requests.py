"""What requests tell Prometheus: how they ended, how long their stages took, and how much the models read."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Histogram

from cenote.hooks import RequestDone, hookimpl

__all__ = ["SECONDS", "RequestMetrics"]

#: Limits of the buckets of times.
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOKENS = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 32768, 131072)
_LABELS = ("model_name", "task")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What counts the answered requests of one model and task."""

    finished: Counter
    latency: Histogram
    tokenizing: Histogram
    queueing: Histogram
    computing: Histogram
    item_tokens: Histogram
    prompt_tokens: Counter
    items: Counter
    truncated: Counter

    def note(self, event: RequestDone) -> None:
        self.finished.inc()
        self.latency.observe(event.seconds)
        self.tokenizing.observe(event.tokenizing)
        self.queueing.observe(event.queueing)
        self.computing.observe(event.computing)
        self.items.inc(event.items)
        self.prompt_tokens.inc(event.tokens)
        self.truncated.inc(event.truncated_tokens)
        for tokens in event.prompt_tokens:
            self.item_tokens.observe(tokens)


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
        #: Of each pair of labels: looking a series up takes longer than counting.
        self._answers: dict[tuple[str, str], _Answers] = {}

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(f"cenote:{name}_seconds", text, _LABELS, buckets=SECONDS, registry=self._registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"cenote:{name}", text, (*_LABELS, *labels), registry=self._registry)

    @hookimpl
    def cenote_request_done(self, event: RequestDone) -> None:
        """Count a request."""
        labels = (event.model, event.task)
        if event.outcome == "stop":
            answers = self._answers.get(labels)
            if answers is None:
                answers = self._answers[labels] = self._series(labels)
            answers.note(event)
            return
        self._finished.labels(*labels, "error" if event.outcome == "refused" else event.outcome).inc()
        if event.outcome == "refused":
            self._rejections.labels(*labels).inc()

    def _series(self, labels: tuple[str, str]) -> _Answers:
        return _Answers(
            finished=self._finished.labels(*labels, "stop"),
            latency=self._latency.labels(*labels),
            tokenizing=self._tokenizing.labels(*labels),
            queueing=self._queueing.labels(*labels),
            computing=self._computing.labels(*labels),
            item_tokens=self._item_tokens.labels(*labels),
            prompt_tokens=self._prompt_tokens.labels(*labels),
            items=self._items.labels(*labels),
            truncated=self._truncated.labels(*labels),
        )
