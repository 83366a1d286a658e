"""Prometheus metrics, all called `cenote:...`, in a registry of their own per app."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.hooks.caller import HookCaller
from cenote.server.auth import open_to_all
from cenote.server.metrics_engine import BatchMetrics, EngineCollector
from cenote.server.metrics_plugins import HookFailures, PluginMetrics, families_text
from cenote.server.metrics_processors import ProcessorMetrics, ProcessorThreads
from cenote.server.metrics_requests import SECONDS, RequestMetrics
from cenote.server.metrics_vllm import VllmNames
from cenote.server.openapi import reply_schema
from cenote.server.stages import stages_of

if TYPE_CHECKING:
    from cenote.server.models import ModelTable

__all__ = ["MeasureRequests", "Metrics", "metrics_router"]

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_EXTRA = reply_schema(media=("text/plain",), is_open=True)
#: Status of a request whose client went away before the answer; never sent.
_CLIENT_CLOSED = "499"


class Metrics:
    """The counters of one app."""

    def __init__(self, models: ModelTable, hooks: HookCaller, *, vllm_names: bool = False) -> None:
        """Make the counters.

        Args:
            models: what the app serves.
            hooks: tells of requests, and asks plugins for their metrics.
            vllm_names: give what vLLM has too also under its names.
        """
        self.registry = CollectorRegistry()
        self._also = CollectorRegistry()
        if vllm_names:
            self._also.register(VllmNames(self.registry))
        self.registry.register(EngineCollector(models))
        self.batches = BatchMetrics(models, self.registry)
        per_route = ("handler", "method")
        self.http_requests = Counter(
            "cenote:http_requests", "HTTP requests answered.", (*per_route, "status"), registry=self.registry
        )
        self.http_duration = Histogram(
            "cenote:http_request_duration_seconds",
            "Time from the request's headers to the answer's end.",
            per_route,
            buckets=SECONDS,
            registry=self.registry,
        )
        self.encoding = Histogram(
            "cenote:response_encode_time_seconds",
            "Time from the engine's results to the beginning of the answer.",
            ("model_name", "task"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.pairs = Counter("cenote:pairs", "Pairs scored.", ("model_name",), registry=self.registry)
        # Kept here: what hears of events is held weakly, so that an app that is gone hears no more.
        self._requests = RequestMetrics(self.registry)
        hooks.register(self._requests, "request metrics")
        self.registry.register(HookFailures([hooks, *(model.engine.hooks for model in models)]))
        self.processors = ProcessorMetrics(self.registry)
        self.registry.register(ProcessorThreads(models))
        self.plugins = PluginMetrics(hooks)

    def text(self) -> bytes:
        """Return everything in Prometheus' text format; blocks for a second at most where plugins have metrics."""
        own = [*self.registry.collect(), *self._also.collect()]
        return families_text(own) + self.plugins.text(own)


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
        text = await asyncio.to_thread(metrics.text) if metrics.plugins else metrics.text()
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return router
