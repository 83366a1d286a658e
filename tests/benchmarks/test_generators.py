"""Generators of load, against a server that keeps what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from harness.generators import from_sockets, from_wrk, has_wrk
from harness.process import WorkerError
from harness.servers import body_of

GENERATORS = [from_sockets, pytest.param(from_wrk, marks=pytest.mark.skipif(not has_wrk(), reason="wrk is missing"))]


class Asked(BaseHTTPRequestHandler):
    """Keeps paths and bodies, and answers 400 to what is no JSON."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one post."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.asked.append((self.path, self.headers["Content-Type"], body))
        self.server.clients.add(self.client_address)
        try:
            json.loads(body)
            answer = (200, b"{}")
        except ValueError:
            answer = (400, b"no JSON")
        self.send_response(answer[0])
        self.send_header("Content-Length", str(len(answer[1])))
        self.end_headers()
        self.wfile.write(answer[1])

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    found = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    found.asked, found.clients = [], set()
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.mark.parametrize("generate", GENERATORS)
def test_bodies_are_posted_in_turn_as_they_are(generate, server):
    bodies = [body_of("a"), body_of('say "b"\n\\ 100 % ünï')]
    load = generate(f"http://127.0.0.1:{server.server_port}/a/path", bodies, connections=1, seconds=1)
    assert [body for _, _, body in server.asked[:4]] in (bodies * 2, bodies[::-1] * 2)  # wrk makes one off the record
    assert {(path, kind) for path, kind, _ in server.asked} == {("/a/path", "application/json")}
    assert 0 <= len(server.asked) - load.requests <= 1  # the last one may be cut off
    assert load.rate == pytest.approx(load.requests, rel=0.3)
    assert 0 < load.p50 <= load.p99 < 1000
    assert load.cpu > 0


@pytest.mark.parametrize("generate", GENERATORS)
def test_several_connections_are_open_at_a_time(generate, server):
    load = generate(f"http://127.0.0.1:{server.server_port}/", [body_of("a")], connections=4, seconds=1)
    assert 0 <= len(server.asked) - load.requests <= 4
    assert len(server.clients) >= 4
    assert len(server.clients) < load.requests  # they are kept


@pytest.mark.parametrize("generate", GENERATORS)
def test_nobody_answers(generate):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # and does not listen
        with pytest.raises(WorkerError):
            generate(f"http://127.0.0.1:{free.getsockname()[1]}/", [body_of("a")], connections=1, seconds=1)


@pytest.mark.parametrize("generate", GENERATORS)
def test_connections_that_end_without_an_answer_are_an_error(generate):
    with socket.create_server(("127.0.0.1", 0)) as hung:
        threading.Thread(target=hang_up, args=[hung], daemon=True).start()
        with pytest.raises(WorkerError):
            generate(f"http://127.0.0.1:{hung.getsockname()[1]}/", [body_of("a")], connections=1, seconds=1)


def hang_up(server: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed
        while True:
            server.accept()[0].close()


@pytest.mark.parametrize("generate", GENERATORS)
def test_an_error_is_no_answer(generate, server):
    with pytest.raises(WorkerError):
        generate(f"http://127.0.0.1:{server.server_port}/", ["no JSON"], connections=1, seconds=1)
