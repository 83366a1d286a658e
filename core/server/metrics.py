"""Prometheus metrics, all called `cenote:...`, in a registry of their own per app."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.server.auth import open_to_all
from cenote.server.metrics_engine import BatchMetrics, EngineCollector
from cenote.server.metrics_vllm import VllmNames
from cenote.server.openapi import reply_schema
from cenote.server.stages import Stages, stages_of

if TYPE_CHECKING:
    from cenote.server.models import ModelTable

__all__ = ["MeasureRequests", "Metrics", "metrics_router"]

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_TOKENS = (1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 32768, 131072)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_EXTRA = reply_schema(media=("text/plain",), is_open=True)
#: Status of a request whose client went away before the answer; never sent.
_CLIENT_CLOSED = "499"


class Metrics:
    """The counters of one app."""

    def __init__(self, models: ModelTable, *, vllm_names: bool = False) -> None:
        """Make the counters.

        Args:
            models: what the app serves.
            vllm_names: give what vLLM has too also under its names.
        """
        self.registry = CollectorRegistry()
        self._also = CollectorRegistry()
        if vllm_names:
            self._also.register(VllmNames(self.registry))
        self.registry.register(EngineCollector(models))
        self.batches = BatchMetrics(models, self.registry)
        per_route = ("handler", "method")
        per_task = ("model_name", "task")
        self.http_requests = Counter(
            "cenote:http_requests", "HTTP requests answered.", (*per_route, "status"), registry=self.registry
        )
        self.http_duration = Histogram(
            "cenote:http_request_duration_seconds",
            "Time from the request's headers to the answer's end.",
            per_route,
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.latency = self._seconds(
            "e2e_request_latency", "Time that a request spent in the engine: tokenising, waiting and running."
        )
        self.tokenizing = self._seconds("request_tokenize_time", "Time until a request's prompts were tokenised.")
        self.queueing = self._seconds("request_queue_time", "Time that a request then waited for its first batch.")
        self.computing = self._seconds(
            "request_inference_time", "Time from the first to the last batch that a request was part of."
        )
        self.encoding = self._seconds(
            "response_encode_time", "Time from the engine's results to the beginning of the answer."
        )
        self.item_tokens = Histogram(
            "cenote:request_prompt_tokens", "Tokens per input.", per_task, buckets=_TOKENS, registry=self.registry
        )
        self.prompt_tokens = Counter(
            "cenote:prompt_tokens", "Tokens of answered inputs.", per_task, registry=self.registry
        )
        self.items = Counter("cenote:items", "Inputs answered.", per_task, registry=self.registry)
        self.pairs = Counter("cenote:pairs", "Pairs scored.", ("model_name",), registry=self.registry)
        self.truncated = Counter(
            "cenote:truncated_tokens", "Tokens that truncation removed.", per_task, registry=self.registry
        )
        self.finished = Counter(
            "cenote:request_success",
            "Engine requests by how they ended: stop, abort (client left, deadline, shutdown) or error.",
            (*per_task, "finished_reason"),
            registry=self.registry,
        )
        self.rejections = Counter(
            "cenote:admission_rejections", "Requests refused because too many wait.", per_task, registry=self.registry
        )

    def _seconds(self, name: str, text: str) -> Histogram:
        labels = ("model_name", "task")
        return Histogram(f"cenote:{name}_seconds", text, labels, buckets=_SECONDS, registry=self.registry)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self.registry) + generate_latest(self._also)

    def count_stages(self, stages: Stages) -> None:
        """Count the stages of a request that the engine answered."""
        labels, clock = (stages.model, stages.task), stages.clock
        self.tokenizing.labels(*labels).observe(clock.tokenizing)
        self.queueing.labels(*labels).observe(clock.queueing)
        self.computing.labels(*labels).observe(clock.computing)


class MeasureRequests:
    """Count and time every HTTP request by route template, method and status."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begin = _CLIENT_CLOSED, time.perf_counter()

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                stages = stages_of(scope)
                if stages is not None and stages.answered:
                    seconds = time.perf_counter() - stages.answered
                    self._metrics.encoding.labels(stages.model, stages.task).observe(seconds)
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            handler = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            self._metrics.http_requests.labels(handler, method, status).inc()
            self._metrics.http_duration.labels(handler, method).observe(time.perf_counter() - begin)


def metrics_router() -> APIRouter:
    """Return the route that Prometheus scrapes."""
    router = APIRouter(tags=["metrics"])

    @router.get("/metrics", summary="Prometheus metrics", openapi_extra=_EXTRA)
    @open_to_all
    async def show_metrics(request: Request) -> Response:
        metrics: Metrics = request.app.state.cenote.metrics
        return Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
