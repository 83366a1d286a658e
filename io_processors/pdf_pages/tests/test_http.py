"""`POST /pooling` with documents: encodings, files fetched over HTTP, and what the OpenAPI document says."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import numpy as np
import pytest

from cenote import AsyncLLM
from cenote.server import build_app
from cenote.testing.checkpoints import build_checkpoint


@pytest.fixture(scope="module")
def address(pdf_of: Callable[..., bytes]) -> Iterator[str]:
    """A server that has one PDF file."""
    file = pdf_of("Rain.", "Snow.")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/weather.pdf" else 404)
            self.end_headers()
            self.wfile.write(file)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


#: Sends a request: method, path, members of the body.
Call = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Call]:
    folder = build_checkpoint("bert", tmp_path_factory.mktemp("http") / "bert")
    llm = AsyncLLM(str(folder), io_processor_plugin="pdf-pages", allowed_media_domains=(address,))
    client = httpx.AsyncClient(transport=httpx.ASGITransport(build_app(llm)), base_url="http://test")
    with asyncio.Runner() as runner:
        yield lambda method, path, **body: runner.run(client.request(method, path, json=body or None))
        runner.run(client.aclose())
        runner.run(llm.shutdown())


def test_files_are_fetched_and_vectors_encoded_as_the_request_asks(call: Call, address: str) -> None:
    data = {"documents": {"url": f"http://{address}/weather.pdf"}, "include_text": True}
    plain = call("POST", "/pooling", data=data).json()["data"]["documents"][0]["pages"]
    assert [page["text"] for page in plain] == ["Rain.", "Snow."]
    small = call("POST", "/pooling", data=data, encoding_format="base64", embed_dtype="float16", endianness="big")
    for page, other in zip(plain, small.json()["data"]["documents"][0]["pages"], strict=True):
        numbers = np.frombuffer(base64.b64decode(other["embedding"]), ">f2")
        np.testing.assert_allclose(numbers, page["embedding"], atol=1e-3)
    bits = call("POST", "/pooling", data=data, output_dtype="ubinary").json()["data"]["documents"][0]["pages"]
    assert bits[0]["embedding"] == np.packbits(np.array(plain[0]["embedding"]) >= 0).tolist()


def test_refusals_name_the_processor_and_the_document(call: Call, address: str) -> None:
    for url, message in {
        f"http://{address}/missing.pdf": "answered with status 404",
        "http://localhost/weather.pdf": "does not allow to fetch from 'localhost'",
        "file:///etc/passwd": "No file: address is read here",
    }.items():
        reply = call("POST", "/pooling", data={"documents": [{"url": url}]})
        assert reply.status_code == 400
        text = reply.json()["error"]["message"]
        assert text.startswith("IO processor 'pdf-pages' of cenote-pdf-pages 0.1.0 refused the data: document 0: ")
        assert message in text


def test_the_schemas_are_published(call: Call) -> None:
    document = call("GET", "/openapi.json").text
    assert all(words in document for words in ("IO processor pdf-pages", "include_text", "page_count"))
