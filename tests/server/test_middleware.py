"""`--middleware`: classes and functions by dotted path, and start errors for everything else."""

from __future__ import annotations

import http.client
import socket
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cenote.config.server import ServerConfig
from cenote.engine import AsyncLLM
from cenote.errors import InvalidRequest
from cenote.server import check_options

CODE = """
class Stamp:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def stamp(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"x-stamp", b"1")]
            await send(message)
        await self.app(scope, receive, stamp)

class Loose(Stamp):
    async def __call__(self, scope, receive, send):
        async def stamp(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], ("x-loose", "1")]
            await send(message)
        await self.app(scope, receive, stamp)

async def count(request, call_next):
    response = await call_next(request)
    response.headers["x-counted"] = request.method
    return response

async def fail(request, call_next):
    raise RuntimeError("secret")

def plain(request, call_next):
    return None

number = 7
"""


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "operators_own.py").write_text(textwrap.dedent(CODE))
    (tmp_path / "operators_broken.py").write_text("import no_such_module_at_all")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("operators_own", None)


def test_classes_and_coroutine_functions_see_every_request(start_server: Any) -> None:
    paths = ["operators_own.Stamp", "operators_own.count"]
    with start_server(middleware=paths, api_keys="k") as running:
        for path, status in (("/health", 200), ("/v1/models", 401), ("/nothing", 401)):
            answer = httpx.get(running.url + path)
            assert answer.status_code == status
            assert answer.headers["x-stamp"] == "1"
            assert answer.headers["x-counted"] == "GET"
        headers = {"Authorization": "Bearer k"}
        answer = httpx.post(running.url + "/v1/embeddings", json={"input": "x"}, headers=headers)
        assert answer.status_code == 200


def test_behind_middleware_a_client_that_leaves_still_takes_its_work_along(
    start_server: Any, paused: AsyncLLM, until: Any
) -> None:
    with start_server(middleware=["operators_own.count", "operators_own.Stamp"]) as running:
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        connection.request("POST", "/v1/embeddings", '{"input": "x"}', {"Content-Type": "application/json"})
        until(lambda: paused.stats().waiting == 1)
        connection.close()
        until(lambda: paused.stats().waiting == 0)


def test_a_middleware_that_fails_is_a_500_that_says_nothing_of_it(start_server: Any) -> None:
    with start_server(middleware="operators_own.fail") as running:
        answer = httpx.get(running.url + "/health")
        assert answer.status_code == 500
        assert "secret" not in answer.text
        assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("operators_own.plain", "is a function, and must be a class or a coroutine function"),
        ("operators_own.number", "is a int, and must be a class or a coroutine function"),
        ("operators_own.missing", "is not there: operators_own has no 'missing'"),
        ("no_such_package.Thing", "cannot be imported: ModuleNotFoundError: No module named 'no_such_package'"),
        ("operators_broken.Thing", "cannot be imported: ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("Thing", "names no module; write it as package.module.name"),
        (".Thing", "names no module"),
    ],
)
def test_anything_else_is_refused_at_the_start(path: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text) as caught:
        check_options(ServerConfig(middleware=[path]))
    assert caught.value.param == "middleware"
    assert f"--middleware {path} " in str(caught.value)


def test_headers_as_text_are_taken_where_a_request_comes_whole_too(start_server: Any) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    with start_server(middleware=["operators_own.Loose"]) as running:
        for pieces in ([request], [request[:9], request[9:]]):
            with socket.create_connection(("127.0.0.1", running.port), timeout=30) as connection:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.05)
                received = connection.recv(65536)
            assert received.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"x-loose: 1\r\n" in received
