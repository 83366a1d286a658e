"""Precisions of third parties over HTTP: as JSON numbers, base64 and raw bytes, in every dialect."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import numpy as np
import pytest

from cenote.errors import InvalidRequest
from cenote.registry import default_registry

TEXTS = ["A cenote is a natural pit.", "Limestone dissolves in rain."]


class Int4:
    """Two components to a byte, each `round(7 x) + 8`."""

    def encode(self, rows: Any, param: str) -> Any:
        if rows.shape[1] % 2:
            raise InvalidRequest("int4 packs two components into a byte.", param=param)
        numbers = (np.rint(rows.clip(-1, 1) * 7) + 8).astype(np.uint8)
        return numbers[:, ::2] << 4 | numbers[:, 1::2]


class As:
    def __init__(self, make: Callable[[Any], Any]) -> None:
        self.make = make

    def encode(self, rows: Any, param: str) -> Any:
        return self.make(rows)


CODECS = {
    "int4": Int4(),
    "uint16": As(lambda rows: np.rint((rows.clip(-1, 1) + 1) * 32767.5).astype(">u2")),
    "float64": As(lambda rows: rows.astype("f8") / 3),
    "raising": As(lambda rows: {}["/srv/secret/path"]),
    "endless": As(lambda rows: rows * np.inf),
    "shapeless": As(lambda rows: rows[0]),
}


@pytest.fixture(autouse=True)
def _codecs() -> Iterator[None]:
    with ExitStack() as stack:
        for name, codec in CODECS.items():
            stack.callback(
                default_registry().register("cenote.output_codecs", name, codec, distribution="acme", version="1.2")
            )
        yield


def _post(client: httpx.Client, url: str, **body: Any) -> Any:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture
def plain(client: httpx.Client) -> Any:
    data = _post(client, "/v1/embeddings", input=TEXTS)["data"]
    return np.array([item["embedding"] for item in data], np.float32)


@pytest.mark.parametrize("name", ["int4", "uint16", "float64"])
@pytest.mark.parametrize(("url", "key"), [("/v1/embeddings", "embedding"), ("/pooling", "data")])
def test_a_codec_reaches_numbers_base64_and_bytes(
    client: httpx.Client, plain: Any, name: str, url: str, key: str
) -> None:
    wanted = CODECS[name].encode(plain, "")
    data = _post(client, url, input=TEXTS, output_dtype=name)["data"]
    np.testing.assert_array_equal(np.array([item[key] for item in data], wanted.dtype), wanted)
    for order, sign in (("little", "<"), ("big", ">"), ("native", "=")):
        kind = wanted.dtype.newbyteorder(sign)
        for field in ("output_dtype", "embed_dtype"):
            asked = {"input": TEXTS, field: name, "endianness": order}
            data = _post(client, url, **asked, encoding_format="base64")["data"]
            np.testing.assert_array_equal([np.frombuffer(base64.b64decode(item[key]), kind) for item in data], wanted)
            answer = client.post(url, json={**asked, "encoding_format": "bytes"})
            np.testing.assert_array_equal(np.frombuffer(answer.content, kind).reshape(wanted.shape), wanted)
            entry = json.loads(answer.headers["metadata"])["data"][1]
            assert (entry["embed_dtype"], entry["shape"]) == (name, [wanted.shape[1]])
            assert (entry["start"], entry["end"]) == (wanted[0].nbytes, wanted.nbytes)


def test_rows_of_tokens_have_the_codec_too(client: httpx.Client) -> None:
    plain = _post(client, "/pooling", input=TEXTS, task="token_embed")["data"]
    found = _post(client, "/pooling", input=TEXTS, task="token_embed", output_dtype="int4")["data"]
    for item, coded in zip(plain, found, strict=True):
        assert coded["data"] == CODECS["int4"].encode(np.array(item["data"], np.float32), "").tolist()


def test_a_codec_is_a_type_of_coheres_and_jinas(client: httpx.Client, plain: Any) -> None:
    wanted = CODECS["int4"].encode(plain, "").tolist()
    types = ["float", "int4", "float16", "ubinary"]
    answer = _post(client, "/v2/embed", texts=TEXTS, input_type="clustering", embedding_types=types)["embeddings"]
    assert list(answer) == types
    assert answer["int4"] == wanted
    np.testing.assert_array_equal(np.array(answer["float16"], np.float16), plain.astype(np.float16))
    data = _post(client, "/v1/embeddings", input=TEXTS, embedding_type=["int4", "base64"])["data"]
    assert [item["embedding"]["int4"] for item in data] == wanted
    data = _post(client, "/v1/embeddings", input=TEXTS, embedding_type="int4")["data"]
    assert [item["embedding"] for item in data] == wanted


@pytest.mark.parametrize(
    ("url", "body", "param", "own"),
    [
        ("/v1/embeddings", {"output_dtype": "int5"}, "body.EmbeddingRequest.output_dtype", "'float', 'float32'"),
        ("/v1/embeddings", {"embed_dtype": "int5"}, "body.EmbeddingRequest.embed_dtype", "'fp8_e5m2'"),
        ("/v1/embeddings", {"embedding_type": "int5"}, "body.EmbeddingRequest.embedding_type.0", "'float', 'base64'"),
        ("/pooling", {"output_dtype": "int5"}, "output_dtype", "'float', 'float32'"),
    ],
)
def test_a_name_that_is_not_installed_is_refused_with_those_that_are(
    client: httpx.Client, url: str, body: dict[str, Any], param: str, own: str
) -> None:
    answer = client.post(url, json={"input": TEXTS, **body})
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["param"].endswith(param)
    assert own in error["message"]
    assert re.search("'int4', 'int8', .*'uint16' or 'uint8'", error["message"])


def test_cohere_refuses_it_in_its_own_words(client: httpx.Client) -> None:
    answer = client.post("/v1/embed", json={"texts": TEXTS, "embedding_types": ["int5"]})
    assert answer.status_code == 400
    assert "'float', 'base64', " in answer.json()["message"]
    assert "'int4'" in answer.json()["message"]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("raising", "failed (KeyError)."),
        ("endless", "returned NaN or infinity."),
        ("shapeless", "returned shape (384,) for 2 embeddings, not [2, k]."),
    ],
)
def test_a_codec_that_misbehaves_is_a_500_that_names_it(client: httpx.Client, name: str, fault: str) -> None:
    text = f"The output codec '{name}' of acme 1.2 {fault}"
    for url in ("/v1/embeddings", "/pooling"):
        answer = client.post(url, json={"input": TEXTS, "output_dtype": name})
        assert answer.status_code == 500
        assert answer.json()["error"]["message"] == text
    answer = client.post("/v1/embed", json={"texts": TEXTS, "embedding_types": [name]})
    assert (answer.status_code, answer.json()["message"]) == (500, text)
    assert client.post("/v1/embeddings", json={"input": TEXTS, "output_dtype": "int8"}).status_code == 200


def test_a_codec_of_a_plugin_never_runs_on_the_event_loop(client: httpx.Client, server: Any) -> None:
    threads: list[threading.Thread] = []

    def note(rows: Any) -> Any:
        threads.append(threading.current_thread())
        return rows

    with ExitStack() as stack:
        stack.callback(default_registry().register("cenote.output_codecs", "noting", As(note), distribution="acme"))
        _post(client, "/v1/embeddings", input="a", output_dtype="noting")
        _post(client, "/v1/embeddings", input="a", embedding_type=["float", "noting"])
        _post(client, "/v2/embed", texts=["a"], embedding_types=["noting"])
    assert len(threads) == 3
    assert server.thread not in threads


def test_the_document_lists_what_is_installed_when_the_app_is_built(start_server: Any) -> None:
    with start_server() as running:
        text = httpx.get(running.url + "/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    lists = [node["enum"] for node in _nodes(schemas) if "enum" in node and "int4" in node["enum"]]
    assert ["float", "float32", "binary", "endless", "float16"] in [names[:5] for names in lists]
    assert ["float", "base64", "binary", "endless", "float16"] in [names[:5] for names in lists]


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _nodes(child)
