"""A vector per token over HTTP: merged, quantised, cut, and with the tokens that each vector stands for."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import LLM, PoolingParams
from cenote.engine import AsyncLLM
from cenote.outputs import quantize
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["A cenote is a natural pit that holds ground water.", "It is old.", "Bread, which is baked, is no pit at all."]
#: Of each route that answers with vectors of tokens: its path, what asks for them, and the key of the answer.
ROUTES = [
    pytest.param("/pooling", {"task": "token_embed"}, "data", id="pooling"),
    pytest.param("/pooling", {"outputs": ["multi"]}, "multi", id="pooling-outputs"),
    pytest.param("/v1/embeddings", {"outputs": ["multi"]}, "multi", id="embeddings"),
    pytest.param("/v1/embeddings", {"return_multivector": True}, "embeddings", id="jina"),
]
DTYPES = ["float32", "float16", "int8", "uint8", "binary", "ubinary"]
STORED = {"binary": "int8", "ubinary": "uint8"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("bert"), config={"is_matryoshka": True})


@pytest.fixture(scope="module")
def offline(folder: Path) -> Iterator[LLM]:
    with LLM(str(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def server(folder: Path, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(str(folder), served_model_name="bert")
    with start_server(engine=engine, names=("bert",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client
    asyncio.run(engine.shutdown())


def _data(client: httpx.Client, url: str, **body: Any) -> list[dict[str, Any]]:
    answer = client.post(url, json={"input": TEXTS, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]  # type: ignore[no-any-return]


def _error(client: httpx.Client, url: str, **body: Any) -> dict[str, Any]:
    answer = client.post(url, json={"input": TEXTS, **body})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]  # type: ignore[no-any-return]


def _wanted(offline: LLM, dtype: str = "float32", dimensions: int | None = None, **options: Any) -> list[Any]:
    """Return vectors as their precision has them, computed step by step."""
    params = PoolingParams(dimensions=dimensions)
    outputs = offline.encode(TEXTS, params, pooling_task="token_embed", use_tqdm=False, **options)
    return [quantize(output.outputs.data, dtype).numpy() for output in outputs]


def _assert_close(found: Any, wanted: Any, dtype: str) -> None:
    """Compare to what rounding of other batches may do: a bit of float16, one step of 8 bits; signs stay."""
    assert np.shape(found) == wanted.shape
    tolerance = {"float32": 2e-6, "float16": 1e-3, "int8": 1, "uint8": 1}.get(dtype, 0)
    np.testing.assert_allclose(np.asarray(found, np.float64), wanted.astype(np.float64), atol=tolerance)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [None, 3])
@pytest.mark.parametrize("dimensions", [None, 16])
def test_offline_vectors_are_cut_then_merged_then_quantised(
    offline: LLM, dtype: str, factor: int | None, dimensions: int | None
) -> None:
    params = PoolingParams(dimensions=dimensions)
    wanted = _wanted(offline, dtype, dimensions, pool_factor=factor)
    options: dict[str, Any] = {"pool_factor": factor, "output_dtype": dtype, "use_tqdm": False}
    raw = offline.encode(TEXTS, params, pooling_task="token_embed", **options)
    forms = offline.encode(TEXTS, params, outputs=["dense", "multi"], **options)
    for output, form, rows in zip(raw, forms, wanted, strict=True):
        assert form.outputs.multi is not None
        assert output.outputs.data.numpy().dtype == form.outputs.multi.numpy().dtype == rows.dtype
        _assert_close(output.outputs.data.numpy(), rows, dtype)
        _assert_close(form.outputs.multi.numpy(), rows, dtype)
        assert output.outputs.positions == form.outputs.positions
        assert len(output.outputs.positions or ()) == len(rows)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("factor", [None, 3])
@pytest.mark.parametrize(("url", "asked", "key"), ROUTES)
def test_every_encoding_has_every_precision(
    server: httpx.Client, offline: LLM, url: str, asked: dict[str, Any], key: str, factor: int | None, dtype: str
) -> None:
    # Cutting is not offered at /pooling.
    cut = {"dimensions": 16} if url == "/v1/embeddings" else {}
    wanted = _wanted(offline, dtype, **cut, pool_factor=factor)
    body = {**asked, **cut, "output_dtype": dtype, "pool_factor": factor}
    numbers = [item[key] for item in _data(server, url, **body)]
    packed = _data(server, url, **body, encoding_format="base64")
    raw = server.post(url, json={"input": TEXTS, **body, "encoding_format": "bytes"})
    assert raw.status_code == 200, raw.text
    entries = json.loads(raw.headers["metadata"])["data"]
    stored = np.dtype(STORED.get(dtype, dtype))
    for listed, item, entry, rows in zip(numbers, packed, entries, wanted, strict=True):
        _assert_close(listed, rows, dtype)
        assert item.get("shape") == (None if "return_multivector" in asked else list(rows.shape))  # not Jina's
        _assert_close(np.frombuffer(base64.b64decode(item[key]), stored).reshape(rows.shape), rows, dtype)
        assert (entry["embed_dtype"], tuple(entry["shape"])) == (dtype, rows.shape)
        part = np.frombuffer(raw.content[entry["start"] : entry["end"]], stored)
        _assert_close(part.reshape(entry["shape"]), rows, dtype)
    only = server.post(url, json={"input": TEXTS, **body, "encoding_format": "bytes_only"})
    assert only.content == raw.content


@pytest.mark.parametrize(("url", "asked", "key"), ROUTES)
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_positions_say_which_tokens_a_vector_stands_for(
    server: httpx.Client, offline: LLM, url: str, asked: dict[str, Any], key: str, encoding: str
) -> None:
    body = {**asked, "encoding_format": encoding}
    merged = offline.encode(TEXTS, pooling_task="token_embed", pool_factor=2, use_tqdm=False)
    plain = _data(server, url, **body, return_positions=True)
    found = _data(server, url, **body, return_positions=True, pool_factor=2)
    for item, other, output in zip(plain, found, merged, strict=True):
        shape = {"shape"} if encoding == "base64" and "return_multivector" not in asked else set()
        assert set(item) == {"index", "object", key, "positions"} | shape
        assert item["positions"] == list(range(len(output.prompt_token_ids)))
        assert other["positions"] == output.outputs.positions
    assert set(_data(server, url, **body, pool_factor=2)[0]) == {"index", "object", key} | shape


def test_base64_says_the_shape_of_rows_alone(server: httpx.Client) -> None:
    forms = {"outputs": ["dense", "multi"], "encoding_format": "base64"}
    for item in _data(server, "/v1/embeddings", **forms, embed_dtype="float16"):
        rows, size = item["shape"]
        assert len(base64.b64decode(item["multi"])) == rows * size * 2
        assert len(base64.b64decode(item["embedding"])) == size * 2
    dense = _data(server, "/v1/embeddings", encoding_format="base64") + _data(
        server, "/pooling", task="embed", encoding_format="base64"
    )
    numbers = _data(server, "/pooling", task="token_embed")
    assert not any("shape" in item for item in dense + numbers)


def test_queries_keep_all_their_vectors(server: httpx.Client) -> None:
    body = {"task": "token_embed", "pool_factor": 3, "return_positions": True}
    query = _data(server, "/pooling", **body, input_type="query")
    document = _data(server, "/pooling", **body, input_type="document")
    assert all(item["positions"] == list(range(len(item["data"]))) for item in query)
    assert [len(item["data"]) for item in document] == [1 + (len(item["data"]) - 1) // 3 for item in query]


def test_forms_are_merged_beside_dense_vectors(server: httpx.Client) -> None:
    forms = {"outputs": ["dense", "multi"], "return_positions": True}
    plain = _data(server, "/v1/embeddings", **forms)
    merged = _data(server, "/v1/embeddings", **forms, pool_factor=100)
    for item, whole in zip(merged, plain, strict=True):
        np.testing.assert_allclose(item["embedding"], whole["embedding"], atol=2e-6)
        assert item["positions"] == [[0], list(range(1, len(whole["multi"])))]
        np.testing.assert_allclose(item["multi"][1], np.mean(whole["multi"][1:], axis=0), atol=2e-6)


def test_several_types_of_jina_are_merged_too(server: httpx.Client, offline: LLM) -> None:
    body = {"return_multivector": True, "embedding_type": ["float", "ubinary"], "pool_factor": 2}
    wanted, bits = _wanted(offline, pool_factor=2), _wanted(offline, "ubinary", pool_factor=2)
    for item, rows, packed in zip(_data(server, "/v1/embeddings", **body), wanted, bits, strict=True):
        _assert_close(item["embeddings"]["float"], rows, "float32")
        _assert_close(item["embeddings"]["ubinary"], packed, "ubinary")


def test_an_input_that_fails_has_no_positions(server: httpx.Client) -> None:
    body = {"task": "token_embed", "pool_factor": 2, "return_positions": True, "on_error": "item"}
    first, second = _data(server, "/pooling", **{**body, "input": ["word " * 3000, TEXTS[0]]})
    assert set(first) == {"index", "object", "error"}
    assert len(second["positions"]) == len(second["data"])


@pytest.mark.parametrize(
    ("url", "body", "param", "words"),
    [
        ("/pooling", {"task": "embed", "pool_factor": 2}, "pool_factor", "means nothing for task 'embed'"),
        ("/v1/embeddings", {"pool_factor": 2}, "pool_factor", "means nothing for task 'embed'"),
        ("/v1/embeddings", {"pool_factor": 2, "late_chunking": True}, "pool_factor", "means nothing"),
        ("/v1/embeddings", {"outputs": ["multi"], "pool_factor": 0}, "body.EmbeddingRequest.pool_factor", "or equal"),
        ("/v1/embeddings", {"outputs": ["multi"], "pool_factor": 2.5}, "body.EmbeddingRequest.pool_factor", "integer"),
        ("/pooling", {"task": "embed", "return_positions": True}, "return_positions", "task 'embed' gives none"),
        ("/v1/embeddings", {"return_positions": True}, "return_positions", "for vectors of tokens"),
        ("/v1/embeddings", {"return_positions": True, "late_chunking": True}, "return_positions", "gives none"),
        (
            "/pooling",
            {"task": "token_embed", "return_positions": True, "encoding_format": "bytes"},
            "return_positions",
            "Raw bytes carry no positions",
        ),
        (
            "/v1/embeddings",
            {"outputs": ["multi"], "dimensions": 12, "output_dtype": "binary", "pool_factor": 2},
            "output_dtype",
            "no multiple of 8",
        ),
        (
            "/v1/embeddings",
            {"outputs": ["multi"], "use_activation": False, "output_dtype": "int8", "pool_factor": 2},
            "output_dtype",
            "not normalised",
        ),
    ],
)
def test_what_means_nothing_is_refused(
    server: httpx.Client, url: str, body: dict[str, Any], param: str, words: str
) -> None:
    error = _error(server, url, **body)
    assert error["param"] == param
    assert words in error["message"]


@pytest.mark.parametrize("url", ["/score", "/rerank"])
def test_scores_read_merged_documents(server: httpx.Client, offline: LLM, url: str) -> None:
    params = PoolingParams(pool_factor=3)
    wanted = offline.score(TEXTS[0], TEXTS, score_type="colbert", pooling_params=params, use_tqdm=False)
    whole = offline.score(TEXTS[0], TEXTS, score_type="colbert", use_tqdm=False)
    texts = {"queries": TEXTS[0], "documents": TEXTS} if url == "/score" else {"query": TEXTS[0], "documents": TEXTS}
    answer = server.post(url, json={**texts, "score_type": "colbert", "pool_factor": 3})
    assert answer.status_code == 200, answer.text
    found = answer.json()["data"]
    scores = {item["index"]: item.get("score", item.get("relevance_score")) for item in found}
    assert scores == pytest.approx({at: output.outputs.score for at, output in enumerate(wanted)}, abs=1e-4)
    assert scores != pytest.approx({at: output.outputs.score for at, output in enumerate(whole)}, abs=1e-2)
    refused = server.post(url, json={**texts, "pool_factor": 3})
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "pool_factor"
