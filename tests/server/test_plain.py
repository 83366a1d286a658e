"""Requests that are read without h11 are those that it reads the same way, and their answers are what it would send."""

from __future__ import annotations

import socket
from typing import Any

import h11
import pytest

from cenote.server.plain import read_plain

BODY = b'{"input": "a"}'
HEAD = b"POST /v1/embeddings?a=%20 HTTP/1.1\r\nHost: x\r\nContent-Type:application/json \r\nX-Empty:\r\n"
GET = b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n"


def whole(head: bytes = HEAD, body: bytes = BODY) -> bytes:
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


def exchange(port: int, *pieces: bytes, answers: int) -> list[tuple[int, dict[str, str], bytes]]:
    """Send pieces, and return status, headers and body of so many answers."""
    found = []
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        reader = h11.Connection(h11.CLIENT)
        for _ in range(answers):
            reader.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
            reader.send(h11.EndOfMessage())
            body, response = b"", None
            while type(event := reader.next_event()) is not h11.EndOfMessage:
                if event is h11.NEED_DATA:
                    reader.receive_data(connection.recv(65536))
                elif isinstance(event, h11.Response):
                    response = event
                elif isinstance(event, h11.Data):
                    body += event.data
            assert response is not None
            headers = {name.decode(): value.decode() for name, value in response.headers}
            found.append((response.status_code, headers, body))
            if reader.our_state is h11.DONE and reader.their_state is h11.DONE:
                reader.start_next_cycle()
    return found


def test_a_plain_request_means_what_h11_reads_in_it() -> None:
    plain, reader = read_plain(whole(), 1000), h11.Connection(h11.SERVER)
    reader.receive_data(whole())
    event = reader.next_event()
    assert plain is not None
    assert isinstance(event, h11.Request)
    assert plain.headers == [(name.lower(), value) for name, value in event.headers]
    assert (plain.method.encode(), plain.target, plain.body) == (event.method, event.target, BODY)


@pytest.mark.parametrize(
    "data",
    [
        whole()[:-1],
        whole() + GET,
        whole(HEAD.replace(b"POST", b"BREW")),
        whole(HEAD.replace(b"POST", b"HEAD")),
        whole(HEAD.replace(b"1.1", b"1.0")),
        whole(HEAD.replace(b"/v1", b"http://x/v1")),
        whole(HEAD.replace(b"?a=", b"\t")),
        whole(HEAD.replace(b"Host: x\r\n", b"")),
        whole(HEAD + b"Host: y\r\n"),
        whole(HEAD + b"Content-Length: 14\r\n"),
        whole(HEAD + b"Transfer-Encoding: chunked\r\n"),
        whole(HEAD + b"Expect: 100-continue\r\n"),
        whole(HEAD + b"Connection: close\r\n"),
        whole(HEAD + b"Connection: keep-alive, upgrade\r\n"),
        whole(HEAD + b"Bad Name: 1\r\n"),
        whole(HEAD + b" folded: 1\r\n"),
        whole(HEAD + b"No-Colon\r\n"),
        whole(HEAD + b"X-Lone: a\nb: c\r\n"),
        whole(HEAD + b"X-Nul: \x00\r\n"),
        whole(HEAD + b"X-Long: " + b"v" * 1000 + b"\r\n"),
        b"\r\n" + whole(),
        HEAD + b"Content-Length: +14\r\n\r\n" + BODY,
        HEAD + b"\r\n" + BODY,
    ],
)
def test_whatever_is_unusual_or_wrong_is_left_to_h11(data: bytes) -> None:
    assert read_plain(data, 1000) is None


def test_answers_are_the_same_however_a_request_arrives(server: Any) -> None:
    data = whole()
    plain, pieces, closed = (
        exchange(server.port, *parts, answers=1)[0]
        for parts in ([data], [data[:30], data[30:]], [whole(HEAD + b"Connection: close\r\n")])
    )
    for status, headers, body in (plain, pieces, closed):
        assert status == 200
        assert int(headers["content-length"]) == len(body)
        assert headers["x-request-id"].encode() in body
    assert list(plain[1]) == list(pieces[1])
    assert set(closed[1]) - set(plain[1]) == {"connection"}


def test_requests_behind_one_another_are_answered_in_their_order(server: Any) -> None:
    found = exchange(server.port, whole(), GET, whole() + GET, GET, answers=5)
    assert [status for status, _, _ in found] == [200] * 5
    assert ["embedding" in body.decode() for _, _, body in found] == [True, False, True, False, False]


def test_a_refusal_of_the_body_leaves_the_connection_open(server: Any) -> None:
    wrong = whole(body=b'{"input": 3}')
    assert [status for status, _, _ in exchange(server.port, wrong, wrong, whole(), answers=3)] == [400, 400, 200]


def test_bytes_that_are_no_request_behind_a_plain_one_end_the_connection(server: Any) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(whole())
        connection.sendall(b"\x16\x03\x01\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.count(b'"embedding":[') == 1
