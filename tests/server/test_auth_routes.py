"""The key is asked for by the route that the router chose: no spelling of a request gets around it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from cenote.server.auth import is_open
from cenote.server.targets import OriginForm

OPEN = {"/health", "/ready", "/ping", "/version", "/metrics"}
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND")


@pytest.fixture(scope="module", params=["", "/api"])
def guarded(request: pytest.FixtureRequest, start_server: Any) -> Iterator[Any]:
    with start_server(api_keys="k", root_path=request.param) as running:
        yield running


def routes_of(routes: list[BaseRoute]) -> Iterator[APIRoute]:
    """Return every route of an app; a mount or a bare route, which no dependency guards, fails here."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if isinstance(included, APIRouter):
            yield from routes_of(included.routes)
        else:
            assert isinstance(route, APIRoute), route
            yield route


def app_of(running: Any) -> FastAPI:
    app = running.server.config.app
    assert isinstance(app, FastAPI)
    return app


def exchange(port: int, head: str, body: bytes = b"") -> bytes:
    """Send a request as it is and return the status line's number and what follows."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n" + body)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received.partition(b" ")[2]


def test_every_route_but_the_five_open_ones_refuses_every_verb(guarded: Any) -> None:
    routes = list(routes_of(app_of(guarded).routes))
    assert {route.path for route in routes if is_open(route.endpoint)} == OPEN
    assert len(routes) > 15
    open_calls = {(route.path, method) for route in routes if route.path in OPEN for method in route.methods or ()}
    with httpx.Client(base_url=guarded.url) as own:
        for route in routes:
            for method in METHODS:
                status = own.request(method, route.path, json={"input": "x"}).status_code
                assert status == (200 if (route.path, method) in open_calls else 401), (method, route.path)


def test_no_route_lets_the_framework_read_its_body(guarded: Any) -> None:
    # The framework reads the body of such a route before it asks the dependencies, the key's among them.
    assert not [route.path for route in routes_of(app_of(guarded).routes) if route.body_field is not None]


def test_a_route_that_is_added_later_is_guarded_without_being_told(start_server: Any) -> None:
    async def late(request: Request) -> dict[str, str]:
        return {"said": (await request.body()).decode()}

    router = APIRouter(dependencies=[Depends(lambda: None)])
    router.add_api_route("/from/router", late, methods=["POST"])
    with start_server(api_keys="k") as running:
        app_of(running).include_router(router, prefix="/v9")
        app_of(running).add_api_route("/late", late, methods=["POST"])
        for path in ("/late", "/v9/from/router"):
            assert httpx.post(running.url + path, content=b"x").status_code == 401
            assert httpx.post(running.url + path, content=b"x", headers={"Authorization": "Bearer k"}).json() == {
                "said": "x"
            }


TARGETS = [
    "//pooling", "/pooling/", "/%70ooling", "%2fpooling", "/%2fpooling", "/health/../pooling", "/health/%2e%2e/pooling",
    "/health%2f..%2fpooling", "/health;x", "/pooling;x=/health", "/pooling?/health", "/pooling?x=/health#/health",
    "/pooling%00/health", "/pooling%3f/health", "/./pooling", "/POOLING", "/pooling%20", "/health//../pooling",
    "http://localhost/pooling", "http://localhost/health/../pooling", "http://x@y/health", "/api/pooling",
    "/api//pooling", "//api/pooling", "/api/../pooling", "/health/api/pooling", "/api/health/../../pooling", "*",
    "/api/api/pooling", "/apipooling", "/api%2fpooling", "/v1/embeddings", "/healthv1", "/docs/../health/../docs",
    "/docs/%2e%2e/openapi.json", "/docs/../../pyproject.toml", "/api", "/api/", "/", "?", "/\\pooling",
]  # fmt: skip
HOSTS = ["localhost", "localhost/health?", "health", "/health", "x/health#", "[::1]/health", "a:99999999/health", "@"]


@pytest.mark.parametrize("target", TARGETS)
def test_no_spelling_of_a_path_gets_around_the_key(guarded: Any, target: str) -> None:
    for method in ("POST", "GET"):
        head = f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14"
        status = exchange(guarded.port, head, b'{"input": "x"}')[:3]
        assert status == b"401", (method, status)


#: Targets in absolute form that lead to a route with a key, and others that lead nowhere.
ABSOLUTE = [
    "http://localhost/pooling", "HTTP://LOCALHOST/pooling", "https://health/pooling", "http://h:1/v1/embeddings",
    "http://[::1]:8000/pooling", "http://h/pooling?x=/health", "http://h/%70ooling",
]  # fmt: skip
NOWHERE = [
    "http:///pooling", "http:/pooling", "http://h//pooling", "http://h/health/../pooling", "http://h/health%2f..%2fpooling",
    "http://x@h/pooling", "http://h%2fhealth/pooling", "http://h\\health/pooling", "http://h/http://h/pooling",
    "http://h#/health/pooling", "http://h,/pooling", "ftp://h/pooling", "http://[::1/pooling", "http://h:x/health",
    "http://h:1:2/health", "http://:80/health", "http://x:y@h/health", "//h/pooling", "http://h/health/", "http://h/HEALTH",
]  # fmt: skip


@pytest.mark.parametrize("target", [*ABSOLUTE, *NOWHERE])
def test_a_target_in_absolute_form_is_routed_by_its_path_and_needs_the_key(guarded: Any, target: str) -> None:
    head = f"POST {target} HTTP/1.1\r\nHost: health\r\nContent-Type: application/json\r\nContent-Length: 14"
    body = b'{"input": "x"}'
    assert exchange(guarded.port, head, body)[:3] == b"401"
    known = exchange(guarded.port, head + "\r\nAuthorization: Bearer k", body)
    assert known[:3] == (b"200" if target in ABSOLUTE else b"404"), known[:300]


def test_watchers_may_use_the_absolute_form_without_a_key(guarded: Any) -> None:
    for target in ("http://h/health", "http://h:80/health?x", "https://[::1]/ready"):
        assert exchange(guarded.port, f"GET {target} HTTP/1.1\r\nHost: x")[:3] == b"200"
    head = "POST http://h HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer k"
    assert (
        exchange(guarded.port, f"{head}\r\nContent-Type: application/json\r\nContent-Length: 15", b'{"inputs": "x"}')[
            :3
        ]
        == b"200"
    )


def test_the_authority_of_the_target_counts_instead_of_the_host_header() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    headers = [(b"host", b"other"), (b"accept", b"*/*")]
    scope = {"type": "http", "path": "http://h:1/a b", "raw_path": b"http://h:1/a%20b", "headers": headers}
    asyncio.run(OriginForm(app)(scope, app, app))  # type: ignore[arg-type]
    assert seen[0]["headers"] == [(b"host", b"h:1"), (b"accept", b"*/*")]
    assert (seen[0]["path"], seen[0]["raw_path"]) == ("/a b", b"/a%20b")


@pytest.mark.parametrize("host", HOSTS)
def test_no_host_header_gets_around_the_key(guarded: Any, host: str) -> None:
    for path in ("/pooling", "/v1/models", "/nothing"):
        for extra in (
            "",
            "\r\nX-Forwarded-Prefix: /health",
            "\r\nX-Forwarded-Host: h/health",
            "\r\nX-Original-URL: /health",
        ):
            head = f"POST {path} HTTP/1.1\r\nHost: {host}{extra}\r\nContent-Length: 0"
            assert exchange(guarded.port, head)[:3] in (b"401", b"400")


def test_the_body_is_not_read_before_the_key_is_checked(guarded: Any) -> None:
    # The body never comes, and the answer does not wait for it.
    head = "POST /pooling HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000000"
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=10) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_a_wrong_type_or_length_of_body_is_only_told_with_a_key(guarded: Any) -> None:
    for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/json"}):
        assert httpx.post(guarded.url + "/pooling", content=b"{", headers=headers).status_code == 401
        opened = headers | {"Authorization": "Bearer k"}
        assert httpx.post(guarded.url + "/pooling", content=b"{", headers=opened).status_code == 400


def test_the_document_says_which_routes_need_a_key(guarded: Any) -> None:
    document = httpx.get(guarded.url + "/openapi.json", headers={"Authorization": "Bearer k"}).json()
    assert document["security"] == [{"bearer": []}]
    stated = {
        path for path, item in document["paths"].items() for entry in item.values() if entry.get("security") == []
    }
    assert stated == OPEN
