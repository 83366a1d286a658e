"""Bounds: body, headers, number of inputs, time."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

URL = "/v1/embeddings"


def raw_exchange(port: int, data: bytes) -> bytes:
    """Send bytes and return everything until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def assert_nothing_runs(engine: Any, forwards: int, until: Any) -> None:
    """Let the engine go on: it must find nothing left to run."""
    engine.resume()
    until(lambda: engine.stats().waiting == 0)
    assert engine.stats().forwards == forwards


@pytest.fixture(scope="module")
def small(start_server: Any) -> Iterator[Any]:
    options = {"max_body_bytes": 2000, "max_items_per_request": 3, "h11_max_header_count": 20, "header_timeout": 0.5}
    with start_server(**options, h11_max_incomplete_event_size=4096) as running:
        yield running


def test_a_body_beyond_the_limit_is_413(small: Any) -> None:
    answer = httpx.post(small.url + URL, json={"input": "x" * 2000})
    assert answer.status_code == 413
    assert answer.json()["error"]["type"] == "Payload Too Large"
    assert answer.json()["error"]["code"] == 413


def test_a_body_without_declared_length_is_counted_as_it_comes(small: Any) -> None:
    def stream() -> Iterator[bytes]:
        yield b'{"input": "'
        for _ in range(100):
            yield b"x" * 100
        yield b'"}'

    answer = httpx.post(small.url + URL, content=stream(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == 413


def test_a_chunked_body_below_the_limit_is_read(small: Any) -> None:
    parts = iter([b'{"inp', b'ut": "x', b'"}'])
    answer = httpx.post(small.url + URL, content=parts, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


def test_a_body_far_beyond_the_limit_still_gets_an_answer(small: Any) -> None:
    head = (
        b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n"
    )
    received = raw_exchange(small.port, head + b"\r\n" + b"x" * 200_000)
    assert received.startswith(b"HTTP/1.1 413 ")


def test_more_inputs_than_allowed_are_400(small: Any) -> None:
    assert httpx.post(small.url + URL, json={"input": ["a", "b", "c"]}).status_code == 200
    answer = httpx.post(small.url + URL, json={"input": ["a", "b", "c", "d"]})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "input"


def test_too_many_headers_are_431(small: Any) -> None:
    answer = httpx.get(small.url + "/health", headers={f"x-{number}": "1" for number in range(30)})
    assert answer.status_code == 431
    assert answer.json()["error"]["type"] == "Request Header Fields Too Large"


def test_too_long_headers_are_431(small: Any) -> None:
    answer = httpx.get(small.url + "/health", headers={"x-long": "v" * 5000})
    assert answer.status_code == 431
    endless = b"GET /health HTTP/1.1\r\nHost: x\r\nx-endless: " + b"v" * 400_000
    received = raw_exchange(small.port, endless)
    assert received.startswith(b"HTTP/1.1 431 ")
    assert b'"code":431' in received


def test_a_too_long_request_line_is_414_and_counts_with_the_headers(small: Any) -> None:
    answer = httpx.get(small.url + "/" + "p" * 5000)
    assert answer.status_code == 414
    assert answer.json()["error"]["type"] == "URI Too Long"
    assert httpx.get(small.url + "/health?" + "q" * 5000).status_code == 414
    assert httpx.get(small.url + "/health?" + "q" * 3000, headers={"x-long": "v" * 3000}).status_code == 431
    assert httpx.get(small.url + "/health?" + "q" * 3000).status_code == 200


def test_a_request_line_that_never_ends_is_refused(small: Any) -> None:
    received = raw_exchange(small.port, b"GET /" + b"p" * 400_000)
    assert received.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"x-request-id: " in received


def test_log_lines_of_long_requests_are_short(small: Any, server_log: Any) -> None:
    httpx.get(small.url + "/" + "p" * 3000)
    httpx.request("M" * 3000, small.url + "/health")
    lines = [record.getMessage() for record in server_log.records if record.name == "uvicorn.access"]
    assert len(lines) == 2
    assert all(len(line) < 500 for line in lines)


def test_bytes_that_are_no_http_get_400_in_the_envelope_with_phrase_and_request_id(small: Any) -> None:
    received = raw_exchange(small.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"x-request-id: " in received
    assert b'"code":400' in received


def test_two_statements_of_the_bodys_length_are_refused_and_end_the_connection(small: Any) -> None:
    body = b"0\r\n\r\nGET /version HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n"
    received = raw_exchange(small.port, head % len(body) + body)
    assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"both Content-Length and Transfer-Encoding" in received
    assert received.count(b"HTTP/1.1") == 1


def test_an_offer_to_upgrade_to_websocket_is_ignored_in_silence(small: Any, server_log: Any) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    assert httpx.get(small.url + "/health", headers=upgrade).status_code == 200
    assert not [record for record in server_log.records if record.levelname == "WARNING"]


def test_headers_that_never_end_are_cut_off(small: Any) -> None:
    assert raw_exchange(small.port, b"GET /health HTTP/1.1\r\nHost: x\r\n") == b""


def test_the_deadline_is_504_and_cancels_the_work(start_server: Any, paused: Any, until: Any) -> None:
    before = paused.stats().forwards
    with start_server(request_timeout=0.3) as running:
        answer = httpx.post(running.url + URL, json={"input": ["a", "b"]}, timeout=30)
        assert answer.status_code == 504
        assert answer.json()["error"]["type"] == "GatewayTimeoutError"
    assert_nothing_runs(paused, before, until)


def test_a_body_that_never_ends_is_408(start_server: Any) -> None:
    with start_server(request_timeout=0.3) as running:
        head = (
            b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        received = raw_exchange(running.port, head)
        assert received.startswith(b"HTTP/1.1 408 ")


def test_a_client_that_leaves_takes_its_waiting_work_along(server: Any, paused: Any, until: Any) -> None:
    before = paused.stats().forwards
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(server.url + URL, json={"input": ["a", "b", "c"]}, timeout=httpx.Timeout(30, read=0.5))
    until(lambda: server.state.in_flight == 0)
    assert_nothing_runs(paused, before, until)
