"""Every bad medium over HTTP: its status and words, that others beside it are answered, and that nothing leaks."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from PIL import Image

SECRET = "password-of-somebody"


def encoded(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def picture(kind: str = "PNG", size: tuple[int, int] = (16, 8)) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, kind)
    return file.getvalue()


def claiming(width: int, height: int) -> bytes:
    """Return a PNG of few bytes that says it is this large."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


GOOD = encoded(picture())


class Pages(BaseHTTPRequestHandler):
    """A host of pictures with a way of its own for each path."""

    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        path = self.path.strip("/").partition("?")[0]
        if path == "slow":
            self.server.ended.wait(20)  # type: ignore[attr-defined]
            return
        status = int(path) if path.isdigit() else 200
        body = picture(size=(400, 400)) * 20 if path == "large" else picture()
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/good")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    server.ended = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.ended.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join(20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that may be read, with a link that leads out of it."""
    root = tmp_path_factory.mktemp(SECRET)
    (root / "open").mkdir()
    (root / "open" / "good.png").write_bytes(picture())
    (root / "other.png").write_bytes(picture())
    os.symlink(root / "other.png", root / "open" / "link.png")
    os.symlink("good.png", root / "open" / "inner.png")
    return root


@pytest.fixture(scope="module")
def strict(picture_model: ModuleType, plain_engine: Any, start_server: Any) -> Iterator[httpx.Client]:
    """A server whose operator allows nothing but what addresses themselves hold, of a model of images."""
    engine = plain_engine(picture_model.PictureModel())
    with start_server(engine=engine, names=("m",)) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def open_to(
    picture_model: ModuleType, plain_engine: Any, start_server: Any, host: str, folder: Path
) -> Iterator[httpx.Client]:
    """A server whose operator allows one host and one folder, and little of anything."""
    engine = plain_engine(
        picture_model.PictureModel(),
        allowed_media_domains=[host, host.replace("127.0.0.1", "localhost")],
        allowed_local_media_path=str(folder / "open"),
        max_media_bytes=50_000,
        max_image_pixels=40_000,
        media_timeout=1.0,
        limit_mm_per_prompt={"image": 2},
    )
    with start_server(engine=engine, names=("m",)) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client
    asyncio.run(engine.shutdown())


def parts(*urls: str) -> list[dict[str, Any]]:
    return [{"type": "image_url", "image_url": {"url": url}} for url in urls]


def talk(*content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}]


def ask(client: httpx.Client, *content: Any) -> httpx.Response:
    return client.post("/pooling", json={"messages": talk(*content), "task": "embed"})


def check(answer: httpx.Response, status: int, param: str | None, words: str) -> str:
    """Check an error, and return its message, which is short and tells nothing of the server."""
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == (status, param), error
    assert words in error["message"], error
    assert len(answer.text) < 1500
    for secret in (SECRET, "/tmp", "iVBOR", "AAAA", "Traceback", ".py"):
        assert secret not in answer.text, error
    return str(error["message"])


CONTENT = [
    ("data:image/png;base64,!!!!", "not valid base64"),
    ("data:image/png;base64,iVBORw0KGgo", "not valid base64"),
    ("data:image/png;base64,", "empty"),
    ("data:image/png,plain", "data:image/png;base64"),
    ("data:image/png;charset=utf-8,plain", "data:image/png;base64"),
    (encoded(b"%PDF-1.7 no picture"), "no image that can be read"),
    (encoded(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"), "no image that can be read"),
    (encoded(picture("PNG")[:60]), "truncated or broken"),
    (encoded(picture("PNG", (72, 72))[:500]), "truncated or broken"),
    (encoded(picture("JPEG", (60, 60))[:-200], "image/jpeg"), "truncated or broken"),
    (encoded(claiming(50_000, 50_000)), "50000 x 50000 pixels"),
    (encoded(claiming(20, 20)), "truncated or broken"),
    ("x", "begins with its scheme"),
    ("/etc/passwd", "begins with its scheme"),
    ("ftp://example.org/a.png", "scheme 'ftp:'"),
    ("javascript:alert(1)", "scheme 'javascript:'"),
    ("s3://bucket/key", "scheme 's3:'"),
    ("https://example.org/a.png", "--allowed-media-domains"),
    ("http://127.0.0.1:1/a.png", "--allowed-media-domains"),
    ("http://169.254.169.254/latest/meta-data", "--allowed-media-domains"),
    ("http://10.0.0.1/a.png", "--allowed-media-domains"),
    ("http://[::1]/a.png", "--allowed-media-domains"),
    ("file:///etc/passwd", "--allowed-local-media-path"),
]


@pytest.mark.parametrize(("url", "words"), CONTENT, ids=[words.replace(" ", "-") + url[:18] for url, words in CONTENT])
def test_a_bad_address_or_picture_is_400(strict: httpx.Client, url: str, words: str) -> None:
    check(ask(strict, *parts(url)), 400, "image_url", words)


def test_addresses_of_hosts_that_are_not_allowed_are_400(open_to: httpx.Client, host: str) -> None:
    check(ask(open_to, *parts("http://example.org/good")), 400, "image_url", "--allowed-media-domains")
    port = int(host.rpartition(":")[2])
    check(ask(open_to, *parts(f"http://127.0.0.1:{port + 1}/good")), 400, "image_url", "--allowed-media-domains")
    check(ask(open_to, *parts(f"http://user:{SECRET}@{host}/good")), 400, "image_url", "")


def test_a_name_that_is_allowed_must_not_lead_inside(
    picture_model: ModuleType, plain_engine: Any, start_server: Any, host: str
) -> None:
    named = host.replace("127.0.0.1", "localhost")
    engine = plain_engine(picture_model.PictureModel(), allowed_media_domains=[named])
    with start_server(engine=engine, names=("m",)) as running, httpx.Client(base_url=running.url) as client:
        message = check(ask(client, *parts(f"http://{named}/good?{SECRET}")), 400, "image_url", "public address")
    assert "127.0.0.1" not in message
    asyncio.run(engine.shutdown())


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("404", 422, "404"),
        ("403", 422, "403"),
        ("302", 422, "redirects"),
        ("large", 422, "50000 bytes"),
        ("500", 500, "500"),
        ("503", 500, "503"),
        ("429", 500, "429"),
        ("slow", 500, "within 1 seconds"),
    ],
)
def test_what_a_host_does_not_give_is_422_for_good_and_500_for_now(
    open_to: httpx.Client, host: str, path: str, status: int, words: str
) -> None:
    check(ask(open_to, *parts(f"http://{host}/{path}?token={SECRET}")), status, "image_url", words)


def test_a_host_that_fails_is_no_error_of_the_server(
    open_to: httpx.Client, host: str, server_log: pytest.LogCaptureFixture
) -> None:
    check(ask(open_to, *parts(f"http://{host}/503")), 500, "image_url", "503")
    levels = [record.levelname for record in server_log.records if "answered with status 503" in record.getMessage()]
    assert levels == ["WARNING"]


def test_an_allowed_host_and_file_are_read(open_to: httpx.Client, host: str, folder: Path) -> None:
    expected = ask(open_to, *parts(GOOD)).json()["data"][0]["data"]
    for url in (f"http://{host}/good", (folder / "open" / "good.png").as_uri(), (folder / "open/inner.png").as_uri()):
        assert ask(open_to, *parts(url)).json()["data"][0]["data"] == expected


@pytest.mark.parametrize("path", ["other.png", "open/link.png", "open/../other.png", "open/none.png", "open"])
def test_files_outside_the_folder_or_none_are_400(open_to: httpx.Client, folder: Path, path: str) -> None:
    words = "names no file" if path == "open/none.png" else "not below the folder"
    check(ask(open_to, *parts(f"file://{folder}/{path}")), 400, "image_url", words)


@pytest.mark.parametrize(
    ("content", "param", "words"),
    [
        (parts(GOOD, GOOD, GOOD), "image_url", "at most 2"),
        (parts(encoded(bytes(60_000))), "image_url", "50000 bytes"),
        (parts(encoded(picture(size=(300, 300)))), "image_url", "300 x 300 pixels"),
        ([{"type": "video_url", "video_url": {"url": GOOD}}], "messages", "video"),
        ([{"type": "image_embeds", "image_embeds": "AAAA"}], "image_embeds", "enable_mm_embeds"),
        ([{"type": "hologram", "hologram": {"url": GOOD}}], "messages", "'hologram'"),
        ([{"type": "audio_url", "audio_url": {"url": GOOD}}], "messages", "'audio_url'"),
        ([{"type": "image_url"}], "image_url", "has no 'image_url'"),
        ([{"type": "image_url", "image_url": None, "uuid": "a"}], "image_url", "not kept"),
        ([{"type": "image_url", "image_url": {}}], "image_url", "An image is"),
        ([{"type": "image_url", "image_url": {"url": None}}], "image_url", "An image is"),
        ([{"type": "image_url", "image_url": {"url": ""}}], "image_url", "empty"),
        ([{"type": "image_url", "image_url": 5}], "image_url", "An image is"),
        ([{"type": "image_pil", "image_pil": {"a": 1}}], "image_pil", "An image is"),
        ([5], "messages", "must be a mapping"),
        ([None], "messages", "must be a mapping"),
        ([{"text": None}], "messages", "must be a string"),
        ([*parts(GOOD), "<|image_pad|>"], "input", "<|image_pad|>"),
        (["<|image_pad|>"], "input", "<|image_pad|>"),
        (parts(encoded(picture(size=(200, 200)))), "input_tokens", "takes 625 tokens"),
        ([*parts(encoded(picture(size=(80, 80)))), "word " * 50], "input_tokens", "150 tokens"),
    ],
)
def test_bad_parts_and_too_many_are_400(open_to: httpx.Client, content: list[Any], param: str, words: str) -> None:
    check(ask(open_to, *content), 400, param, words)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/pooling", {"messages": talk(*parts(GOOD))}, "messages"),
        ("/v1/embeddings", {"messages": talk(*parts(GOOD))}, "messages"),
        ("/v1/embeddings", {"input": [{"image": GOOD}, "a"]}, "image"),
        ("/v1/embeddings", {"input": {"content": parts(GOOD)}}, "image_url"),
        ("/score", {"queries": "a", "documents": [{"content": parts(GOOD)}]}, "documents"),
        ("/score", {"data_1": {"image": GOOD}, "data_2": "a"}, "data_1"),
        ("/rerank", {"query": "a", "documents": [{"image": GOOD}]}, "documents"),
        ("/v2/embed", {"inputs": [{"content": parts(GOOD)}]}, "image_url"),
        ("/tokenize", {"messages": talk(*parts(GOOD))}, "messages"),
    ],
)
def test_models_of_text_refuse_images(client: httpx.Client, path: str, body: dict[str, Any], param: str) -> None:
    check(client.post(path, json=body), 400, param, "reads text only")


def test_what_no_route_reads_says_what_to_use(strict: httpx.Client) -> None:
    answer = strict.post("/v1/embeddings", json={"input": [{"pdf": "JVBERi0x"}]})
    assert "pdf-pages" in check(answer, 400, "input", "pdf, which is not read here")
    check(strict.post("/v1/embeddings", json={"input": {"audio": "AAAA"}}), 400, "input", "audio")
    late = {"input": [{"image": GOOD}, "a"], "late_chunking": True}
    check(strict.post("/v1/embeddings", json=late), 400, "input", "must be texts")


def test_a_wrong_address_is_not_repeated_by_schema_errors(strict: httpx.Client) -> None:
    long = GOOD * 50
    for path, body in (
        ("/v2/embed", {"images": long}),
        ("/v1/embeddings", {"input": [{"image": GOOD}, [long]]}),
        ("/v1/embeddings", {"input": [5, long]}),
        ("/v1/embeddings", {"messages": long}),
        ("/score", {"queries": "a", "documents": [[long]]}),
        ("/rerank", {"query": [long], "documents": ["a"]}),
        ("/pooling", {"input": "a", "task": "x" + long}),
    ):
        answer = strict.post(path, json=body)
        assert answer.status_code == 400, path
        assert GOOD[80:120] not in answer.text, answer.text
        assert len(answer.text) < 1500


def test_one_bad_image_fails_alone_where_asked(open_to: httpx.Client, host: str) -> None:
    good, bad, gone = talk(*parts(GOOD)), talk(*parts(encoded(b"no picture"))), talk(*parts(f"http://{host}/404"))
    broken, late = talk(*parts(encoded(picture()[:60]))), talk(*parts(f"http://{host}/503"))
    body = {"messages": [good, bad, gone, good, broken, late], "on_error": "item"}
    items = open_to.post("/v1/embeddings", json=body).json()["data"]
    assert [item.get("error", {}).get("code") for item in items] == [None, 400, 422, None, 400, 500]
    assert items[0]["embedding"] == items[3]["embedding"]
    assert "Prompt 1: " in items[1]["error"]["message"]
    assert {items[place]["error"]["param"] for place in (1, 2, 4, 5)} == {"image_url"}
    check(open_to.post("/v1/embeddings", json={**body, "on_error": "raise"}), 400, "image_url", "Prompt 1: ")


def test_one_bad_image_of_a_ranking_or_of_coheres_fails_alone(strict: httpx.Client) -> None:
    documents = [{"image": GOOD}, {"image": encoded(b"no picture")}, "some words"]
    body = {"query": "words", "documents": documents, "on_error": "item", "score_type": "dense"}
    answer = strict.post("/rerank", json=body).json()
    assert sorted(item["index"] for item in answer["results"]) == [0, 2]
    (error,) = answer["errors"]
    assert (error["index"], error["error"]["code"], error["error"]["param"]) == (1, 400, "image")
    cohere = {"images": [GOOD, encoded(b"no picture")], "on_error": "item"}
    answer = strict.post("/v2/embed", json=cohere).json()
    assert [row is None for row in answer["embeddings"]["float"]] == [False, True]
    assert answer["errors"][0]["error"]["param"] == "images"


def test_settings_of_processors_are_refused(strict: httpx.Client) -> None:
    body = {"messages": talk(*parts(GOOD)), "task": "embed"}
    for name, value in (("mm_processor_kwargs", {"max_pixels": 5}), ("media_io_kwargs", {"image": {"a": 1}})):
        check(strict.post("/pooling", json={**body, name: value}), 400, name, "not offered by this server")
        assert strict.post("/pooling", json={**body, name: {}}).status_code == 200


def test_the_server_answers_on_after_all_this(strict: httpx.Client, open_to: httpx.Client) -> None:
    for client in (strict, open_to):
        assert client.get("/health").status_code == 200
        assert ask(client, *parts(GOOD)).status_code == 200
