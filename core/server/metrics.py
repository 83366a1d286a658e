"""Prometheus metrics, all called `cenote:...`, in a registry of their own per app."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.server.auth import open_to_all
from cenote.server.openapi import reply_schema

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

    def __init__(self, models: ModelTable) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_EngineCollector(models))
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
        self.latency = Histogram(
            "cenote:e2e_request_latency_seconds",
            "Time that a request spent in the engine: tokenising, waiting and running.",
            per_task,
            buckets=_SECONDS,
            registry=self.registry,
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


class _EngineCollector(Collector):
    """Read the engines' own counters when Prometheus asks."""

    def __init__(self, models: ModelTable) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        labels = ["model_name"]
        running = GaugeMetricFamily("cenote:num_requests_running", "Prompts in the current batch.", labels=labels)
        waiting = GaugeMetricFamily("cenote:num_requests_waiting", "Prompts that wait for a batch.", labels=labels)
        queued = GaugeMetricFamily("cenote:num_tokens_waiting", "Tokens of waiting prompts.", labels=labels)
        forwards = CounterMetricFamily("cenote:forwards", "Batches run.", labels=labels)
        tokens = CounterMetricFamily("cenote:forward_tokens", "Tokens in all batches run.", labels=labels)
        for model in self._models:
            stats = model.engine.stats()
            running.add_metric([model.name], stats.running)
            waiting.add_metric([model.name], stats.waiting)
            queued.add_metric([model.name], stats.waiting_tokens)
            forwards.add_metric([model.name], stats.forwards)
            tokens.add_metric([model.name], stats.tokens)
        yield from (running, waiting, queued, forwards, tokens)


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
    async def metrics(request: Request) -> Response:
        registry = request.app.state.cenote.metrics.registry
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
