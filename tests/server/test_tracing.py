"""OpenTelemetry: spans of requests, their parents, and nothing where nobody asks for traces."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cenote.config.server import ServerConfig
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest, MissingDependency
from cenote.server import build_app
from cenote.server.run import check_options
from cenote.server.tracing import Tracer, TraceRequests, check_endpoint

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def _answer(engine: AsyncLLM, exporter: InMemorySpanExporter, method: str, path: str, **fields: Any) -> httpx.Response:
    """Send one request to a traced app, and return its answer."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = TraceRequests(build_app(engine, served_names=("m",)), Tracer(provider))

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(method, path, **fields)

    return asyncio.run(send())


def _named(spans: Sequence[ReadableSpan]) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans}


def test_a_request_is_a_span_with_its_stages_as_children(engine: AsyncLLM, exporter: InMemorySpanExporter) -> None:
    body = {"input": ["a secret", "b"]}
    answer = _answer(engine, exporter, "POST", "/v1/embeddings", json=body, headers={"X-Request-Id": "r7"})
    assert answer.status_code == 200
    spans = _named(exporter.get_finished_spans())
    root = spans.pop("POST /v1/embeddings")
    assert root.parent is None
    assert dict(root.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/embeddings",
        "http.response.status_code": 200,
        "cenote.request_id": "r7",
        "cenote.model": "m",
        "cenote.task": "embed",
        "cenote.items": 2,
        "cenote.tokens": answer.json()["usage"]["prompt_tokens"],
    }
    assert root.start_time is not None
    assert root.end_time is not None
    assert list(spans) == ["tokenize", "queue", "compute", "encode"]
    ends = [root.start_time]
    for span in spans.values():
        assert span.parent is not None
        assert span.parent.span_id == root.context.span_id
        assert span.start_time is not None
        assert span.end_time is not None
        assert ends[-1] <= span.start_time <= span.end_time <= root.end_time
        ends.append(span.end_time)
    assert "secret" not in "".join(span.to_json() for span in exporter.get_finished_spans())


def test_the_callers_span_is_the_parent(engine: AsyncLLM, exporter: InMemorySpanExporter) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=1"}
    _answer(engine, exporter, "POST", "/v1/embeddings", json={"input": "a"}, headers=headers)
    root = _named(exporter.get_finished_spans())["POST /v1/embeddings"]
    assert root.parent is not None
    assert f"{root.parent.span_id:016x}" == PARENT
    assert f"{root.context.trace_id:032x}" == TRACE
    assert root.context.trace_state.get("vendor") == "1"


def test_a_caller_that_samples_nothing_gets_no_spans(engine: AsyncLLM, exporter: InMemorySpanExporter) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
    _answer(engine, exporter, "POST", "/v1/embeddings", json={"input": "a"}, headers=headers)
    assert not exporter.get_finished_spans()


def test_what_asks_nothing_of_an_engine_is_not_traced(engine: AsyncLLM, exporter: InMemorySpanExporter) -> None:
    assert _answer(engine, exporter, "GET", "/health").status_code == 200
    assert _answer(engine, exporter, "POST", "/v1/embeddings", json={"input": []}).status_code == 400
    assert not exporter.get_finished_spans()


def test_a_request_that_fails_in_the_engine_has_the_stages_that_it_reached(
    engine: AsyncLLM, exporter: InMemorySpanExporter
) -> None:
    answer = _answer(engine, exporter, "POST", "/v1/embeddings", json={"input": "word " * 999})
    assert answer.status_code == 400
    spans = _named(exporter.get_finished_spans())
    assert list(spans) == ["POST /v1/embeddings"]
    assert (spans["POST /v1/embeddings"].attributes or {})["http.response.status_code"] == 400


class Collector:
    """An OTLP collector that keeps the names of spans and the services that sent them."""

    def __init__(self) -> None:
        self.spans: list[str] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.path == "/v1/traces"
                request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in request.resource_spans:
                    pairs = {item.key: item.value.string_value for item in resource.resource.attributes}
                    collector.services.add(pairs["service.name"])
                    collector.spans += [span.name for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *values: Any) -> None:
                """Keep quiet."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join(20)


def test_a_server_sends_its_spans_to_the_collector(start_server: Any, collector: Collector) -> None:
    with start_server(otlp_traces_endpoint=collector.url) as running:
        assert httpx.post(running.url + "/v1/embeddings", json={"input": "a"}).status_code == 200
    assert "POST /v1/embeddings" in collector.spans
    assert "compute" in collector.spans
    assert collector.services == {"cenote"}


def test_the_usual_path_is_added_to_an_address_without_one() -> None:
    assert check_endpoint("http://host:4318") == "http://host:4318/v1/traces"
    assert check_endpoint("https://host/") == "https://host/v1/traces"
    assert check_endpoint("https://host/custom") == "https://host/custom"
    with pytest.raises(InvalidRequest, match="'host:4317'; give the address of a collector"):
        check_endpoint("host:4317")


def test_without_the_extra_the_option_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    with pytest.raises(MissingDependency, match=r"pip install 'cenote\[otel\]'"):
        check_options(ServerConfig(otlp_traces_endpoint="http://host:4318"))
    check_options(ServerConfig())


def test_without_the_option_neither_sdk_nor_exporter_is_loaded() -> None:
    """FastAPI itself imports OpenTelemetry's small API where that is installed."""
    heavy = "('opentelemetry.sdk', 'opentelemetry.exporter', 'opentelemetry.proto')"
    code = f"import sys, cenote.server; sys.exit(any(name.startswith({heavy}) for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
