"""The server's log: who is shown, what is cut, and that nothing a client sends can forge a line."""

from __future__ import annotations

import io
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from cenote.config.server import ServerConfig
from cenote.server.log import ErrorStream, log_config

URL = "/v1/embeddings"


Log = Callable[[str], list[str]]


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Log:
    """Return the lines of the log with some part, all that servers of this test have written so far."""
    written: list[str] = []

    def lines(part: str) -> list[str]:
        written.append(capsys.readouterr().err)
        return [line for line in "".join(written).split("\n") if part in line]

    return lines


def exchange(port: int, head: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode("latin-1") + b"\r\nConnection: close\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


def test_a_request_is_one_line_with_its_id_model_task_items_and_tokens(start_server: Any, log: Log) -> None:
    with start_server(enable_log_requests=True) as running:
        body = {"input": ["secret one", "two"]}
        answer = httpx.post(running.url + URL, json=body, headers={"X-Request-Id": "r1"}).json()
        httpx.post(running.url + URL, json={"input": ["ok", "word " * 3000]}, headers={"X-Request-Id": "r2"})
    tokens = answer["usage"]["prompt_tokens"]
    [first] = log("request r1: ")
    assert first.endswith(f"request r1: model=all-MiniLM-L6-v2 task=embed items=2 tokens={tokens} answered")
    assert " INFO " in first
    [second] = log("request r2: ")
    assert second.endswith("items=2 tokens=0 failed")
    assert not log("secret")


def test_texts_are_logged_at_debug_only_and_cut(start_server: Any, log: Log) -> None:
    options = {"enable_log_requests": True, "uvicorn_log_level": "debug", "max_log_len": 10}
    with start_server(**options) as running:
        headers = {"X-Request-Id": "r3"}
        httpx.post(running.url + URL, json={"input": ["abcdefghijklmnop", "a\nb\x1b[2J\u202e"]}, headers=headers)
        httpx.post(running.url + URL, json={"input": [101, 102]}, headers={"X-Request-Id": "r4"})
    assert log("request r3: item 0: ")[0].endswith("item 0: abcdefghi…")
    assert log("request r3: item 1: ")[0].endswith(r"item 1: a\u000ab\u001b[2J\u202e")
    assert log("request r4: item 0: ")[0].endswith("item 0: [101, 102]")


def test_without_the_option_requests_are_not_logged(start_server: Any, log: Log) -> None:
    with start_server(uvicorn_log_level="debug") as running:
        httpx.post(running.url + URL, json={"input": "x"}, headers={"X-Request-Id": "r5"})
    assert not log("request r5: model=")


def test_nothing_that_a_client_sends_forges_a_line_or_steers_a_terminal(start_server: Any, log: Log) -> None:
    async def fail() -> None:
        raise RuntimeError("first\n2026-01-01 00:00:00,000 INFO forged\x1b[31m")

    forged = "%0d%0a2026-01-01%2000:00:00,000%20INFO%20forged%1b[31m"
    with start_server(enable_log_requests=True, uvicorn_log_level="debug") as running:
        running.server.config.app.add_api_route("/fail/{rest}", fail)
        for target in (f"/{forged}", f"/fail/{forged}", f"/health?{forged}"):
            exchange(running.port, f"GET {target} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: a\x85b\x9b31m")
        exchange(running.port, "GET /x\x1b[31m HTTP/1.1\r\nHost: x")
        evil = "\r\n2026-01-01 00:00:00,000 INFO forged\x1b[31m\x9b\u2028"
        for body in ({"input": evil, "request_id": evil}, {"input": "x", "model": evil}, {evil: evil}):
            httpx.post(running.url + URL, json=body)
    assert log("forged")
    assert not [line for line in log("forged") if line.startswith("2026-01-01")]
    assert not set("".join(log(""))) & {*map(chr, range(32)), "\x7f", *map(chr, range(0x80, 0xA0)), "\u2028"}


def test_keys_are_never_logged(start_server: Any, log: Log) -> None:
    options = {"enable_log_requests": True, "uvicorn_log_level": "debug"}
    with start_server(**options, api_keys="right-key") as running:
        for key in ("right-key", "wrong-key"):
            httpx.post(running.url + URL, json={"input": "x"}, headers={"Authorization": f"Bearer {key}"})
            httpx.get(running.url + "/nothing", headers={"Authorization": f"Bearer {key}"})
        exchange(running.port, "GET /health HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer wrong-key\r\nBad header")
    assert log("401")
    assert not log("-key")


def test_the_access_log_can_be_turned_off_and_leaves_out_chosen_paths(start_server: Any, log: Log) -> None:
    with start_server(disable_uvicorn_access_log=True) as running:
        httpx.get(running.url + "/version")
    assert not log("/version")
    with start_server(disable_access_log_for_endpoints="/health,/metrics", root_path="/api") as running:
        for path in ("/health", "/api/health?x=1", "/metrics", "/version"):
            httpx.get(running.url + path)
    assert not log("/health")
    assert not log("/metrics")


def test_the_level_of_the_log_is_the_operators() -> None:
    names = log_config(ServerConfig(uvicorn_log_level="warning"))["loggers"]
    assert {entry["level"] for entry in names.values()} == {"WARNING"}


def test_events_go_to_what_the_error_stream_is_when_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    closed, now = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    assert log_config(ServerConfig())["handlers"]["stderr"]["()"] is ErrorStream
    line = ErrorStream()
    closed.close()
    monkeypatch.setattr(sys, "stderr", now)
    line.handle(logging.makeLogRecord({"msg": "after the exchange"}))
    assert now.getvalue() == "after the exchange\n"
