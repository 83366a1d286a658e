"""A web server on this machine, and loaders that take its address for that of any host."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trustme

from cenote.media import MediaPolicy
from cenote.media.http import HttpLoader

BODY = b"bytes of a page"


class Handler(BaseHTTPRequestHandler):
    """Answers each path in its own way, until the client goes away."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.headers["Host"], self.path))
        if self.server.failures:
            self.answer(self.server.failures.pop(0), {"Content-Length": "0"})
            return
        self.server.headers.append(dict(self.headers))
        self.close_connection = True
        try:
            getattr(self, self.path.strip("/").partition("?")[0] or "page", self.page)()
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            pass

    def page(self) -> None:
        self.answer(200, {"Content-Length": str(len(BODY))}, BODY)

    def redirect(self) -> None:
        self.answer(302, {"Location": "http://169.254.169.254/latest/meta-data", "Content-Length": "0"})

    def missing(self) -> None:
        self.answer(404, {"Content-Length": "4"}, b"gone")

    def broken(self) -> None:
        self.answer(503, {"Content-Length": "0"})

    def busy(self) -> None:
        self.answer(429, {"Content-Length": "0"})

    def huge(self) -> None:
        self.answer(200, {"Content-Length": "1000000000000"}, BODY)

    def endless(self) -> None:
        self.answer(200, {"Transfer-Encoding": "chunked"})
        while True:
            self.wfile.write(b"1000\r\n" + b"x" * 4096 + b"\r\n")

    def short(self) -> None:
        self.answer(200, {"Content-Length": "1000"}, BODY)

    def empty(self) -> None:
        self.answer(200, {"Content-Length": "0"})

    def gzip(self) -> None:
        self.answer(200, {"Content-Encoding": "gzip", "Content-Length": str(len(BODY))}, BODY)

    def drip(self) -> None:
        self.answer(200, {"Content-Length": "10000"})
        self.slowly()

    def slow_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        self.slowly()

    def nonsense(self) -> None:
        self.wfile.write(b"220 mail.example ESMTP\r\n")

    def slowly(self) -> None:
        while not self.server.ended.is_set():
            self.wfile.write(b"x")
            self.wfile.flush()
            time.sleep(0.02)

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


class Server(ThreadingHTTPServer):
    """Remembers who was asked for what, and answers with given statuses first."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str]] = []
        self.failures: list[int] = []
        self.headers: list[dict[str, str]] = []
        self.ended = threading.Event()
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that give up are part of the tests."""


@dataclass
class Names:
    """A resolver that is told what to say, one answer after the other; the last one stays."""

    answers: list[list[str]] = field(default_factory=lambda: [["127.0.0.1"]])
    asked: list[str] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def run(server: Server) -> Iterator[Server]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    yield from run(Server())


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("images.example").configure_cert(context)
    yield from run(Server(context))


@pytest.fixture
def trusting(authority: trustme.CA) -> Callable[[], ssl.SSLContext]:
    def context() -> ssl.SSLContext:
        made = ssl.create_default_context()
        authority.configure_trust(made)
        return made

    return context


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
def loader(names: Names) -> HttpLoader:
    """Try again at once."""
    return HttpLoader(names, pauses=(0, 0))


@pytest.fixture
def policy(server: Server) -> MediaPolicy:
    """Allow one host at the server's port, and the address at which it is."""
    return MediaPolicy(allowed_domains=(f"images.example:{server.port}", "127.0.0.1"), max_bytes=50_000, timeout=5)
