"""`--otlp-traces-endpoint`: each inference request as an OpenTelemetry trace.

Neither OpenTelemetry's SDK nor its exporter is imported unless the option is given. Spans are made when a request has
ended, from the times that were taken anyway, so that a request without traces pays nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenote.errors import InvalidRequest, MissingDependency
from cenote.hooks import hookimpl
from cenote.server.stages import Stages, stages_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

__all__ = ["TraceRequests", "Tracer", "check_endpoint", "check_tracing", "start_tracing"]

_SERVER_ERROR = 500
_EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def check_endpoint(endpoint: str) -> str:
    """Return the address that traces are sent to, with OTLP's usual path where it has none.

    Raises:
        InvalidRequest: it is no HTTP address.
    """
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        text = f"otlp_traces_endpoint is {endpoint!r:.200}; give the address of a collector, as http://host:4318."
        raise InvalidRequest(text, param="otlp_traces_endpoint")
    return urlunsplit(parts if parts.path.strip("/") else parts._replace(path="/v1/traces"))


def check_tracing(endpoint: str) -> str:
    """Return the address that traces are sent to, after everything that sending needs was found.

    Raises:
        InvalidRequest: the endpoint is no HTTP address.
        MissingDependency: the extra `otel` is not installed.
    """
    try:
        import_module(_EXPORTER)
        import_module("opentelemetry.sdk.trace")
    except ImportError as exc:
        text = "otlp_traces_endpoint needs OpenTelemetry, which is not installed: pip install 'cenote[otel]'."
        raise MissingDependency(text) from exc
    return check_endpoint(endpoint)


def start_tracing(endpoint: str) -> Tracer:
    """Return a tracer that sends spans to a collector by OTLP over HTTP, in batches and in a thread of its own.

    OpenTelemetry's own variables say the rest: `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`, `OTEL_TRACES_SAMPLER`,
    `OTEL_EXPORTER_OTLP_HEADERS` and others.

    Raises:
        InvalidRequest: the endpoint is no HTTP address.
        MissingDependency: the extra `otel` is not installed.
    """
    endpoint = check_tracing(endpoint)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create({} if named else {"service.name": "cenote"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    return Tracer(provider)


class Tracer:
    """Makes the spans of requests that have ended."""

    def __init__(self, provider: TracerProvider) -> None:
        """Make spans of a provider, which decides where they go."""
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._provider = provider
        self._tracer = provider.get_tracer("cenote")
        self._context = TraceContextTextMapPropagator()

    def record(self, headers: Mapping[str, str], facts: Mapping[str, Any], times: Times, stages: Stages) -> None:
        """Make the span of a request and those of its stages.

        Args:
            headers: of the request; `traceparent` and `tracestate` name the caller's span (W3C Trace Context).
            facts: attributes of HTTP.
            times: of the request.
            stages: of what the engine did for it.
        """
        from opentelemetry import trace

        attributes = {
            **facts,
            "cenote.model": stages.model,
            "cenote.task": stages.task,
            "cenote.items": stages.items,
            "cenote.tokens": stages.tokens,
        }
        span = self._tracer.start_span(
            f"{facts['http.request.method']} {facts['http.route']}",
            context=self._context.extract(headers),
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
            start_time=times.wall(times.begin),
        )
        inside = trace.set_span_in_context(span)
        for name, begin, end in _children(stages, times):
            child = self._tracer.start_span(name, context=inside, start_time=times.wall(begin))
            child.end(times.wall(end))
        if facts.get("http.response.status_code", _SERVER_ERROR) >= _SERVER_ERROR:
            span.set_status(trace.StatusCode.ERROR)
        span.end(times.wall(times.end))

    @hookimpl
    def cenote_server_stopping(self) -> None:
        """Send what has not been sent yet."""
        self._provider.shutdown()


class Times:
    """Begin of a request, of its answer and its end in seconds of `time.perf_counter`, and what the clock said."""

    def __init__(self) -> None:
        self._wall = time.time_ns()
        self.begin = time.perf_counter()
        self.answering = self.end = 0.0

    def wall(self, moment: float) -> int:
        """Return a moment in nanoseconds since 1970."""
        return self._wall + int((moment - self.begin) * 1e9)


def _children(stages: Stages, times: Times) -> list[tuple[str, float, float]]:
    """Return name, begin and end of the stages that were reached."""
    clock = stages.clock
    found = [
        ("tokenize", clock.begin, clock.tokenized),
        ("queue", clock.tokenized, max(clock.started, clock.tokenized) if clock.started else 0.0),
        ("compute", clock.started, clock.ended),
        ("encode", stages.answered, times.answering),
    ]
    return [(name, begin, end) for name, begin, end in found if begin and end]


class TraceRequests:
    """Trace the requests that ask something of an engine; the others are of no interest."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        times = Times()
        facts: dict[str, Any] = {"http.request.method": scope["method"]}

        async def note_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                times.answering = time.perf_counter()
                facts["http.response.status_code"] = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            times.end = time.perf_counter()
            stages = stages_of(scope)
            if stages is not None:
                facts["http.route"] = getattr(scope.get("route"), "path", "")
                facts["cenote.request_id"] = scope.get("state", {}).get("request_id", "")
                self._tracer.record(Headers(scope=scope), facts, times, stages)
