"""Jina's fields on `/v1/embeddings`, against jina-embeddings-v3's look-alike and the offline API."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from cenote import LLM, PoolingParams
from cenote.engine import AsyncLLM
from cenote.outputs import quantize
from cenote.testing.checkpoints import build_checkpoint

URL = "/v1/embeddings"
TEXTS = ["What is a cenote?", "A natural pit."]
CHUNKS = ["A cenote is a natural pit. ", "It fills with ground water. ", "Some are deep."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("jina_embeddings_v3", tmp_path_factory.mktemp("jina"))


@pytest.fixture(scope="module")
def offline(folder: Path) -> LLM:
    return LLM(str(folder))


@pytest.fixture(scope="module")
def jina_engine(folder: Path) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(folder), served_model_name="jina-embeddings-v3")
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def jina(jina_engine: AsyncLLM, start_server: Any) -> Iterator[httpx.Client]:
    with start_server(engine=jina_engine, names=("jina-embeddings-v3",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client


def _data(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    answer = client.post(URL, json={"model": None, "input": TEXTS, **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]  # type: ignore[no-any-return]


def _vectors(client: httpx.Client, **body: Any) -> np.ndarray[Any, Any]:
    return np.array([item["embedding"] for item in _data(client, **body)], dtype=np.float32)


def _error(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json={"input": TEXTS, **body})
    assert answer.status_code == 400, answer.text
    content = answer.json()
    if "task" not in body and "input" not in body:
        assert content["detail"] == content["error"]["message"]
    return content["error"]  # type: ignore[no-any-return]


def _embed(offline: LLM, texts: list[str] = TEXTS, **options: Any) -> np.ndarray[Any, Any]:
    return np.array([output.outputs.embedding for output in offline.embed(texts, **options)], dtype=np.float32)


@pytest.mark.parametrize("task", ["retrieval.query", "retrieval.passage", "text-matching", "separation"])
def test_a_task_is_the_adapter_of_that_name(jina: httpx.Client, offline: LLM, task: str) -> None:
    np.testing.assert_allclose(_vectors(jina, task=task), _embed(offline, lora=task), atol=2e-6)


def test_the_body_of_a_client_gives_the_offline_vectors(jina: httpx.Client, offline: LLM) -> None:
    body = {
        "model": "jina-embeddings-v3",
        "task": "retrieval.query",
        "dimensions": 16,
        "late_chunking": False,
        "embedding_type": "float",
        "normalized": True,
        "truncate": True,
        "input": [{"text": TEXTS[0]}, TEXTS[1]],
    }
    expected = _embed(offline, lora="retrieval.query", pooling_params=PoolingParams(dimensions=16))
    np.testing.assert_allclose(_vectors(jina, **body), expected, atol=2e-6)
    np.testing.assert_allclose(_vectors(jina, **{**body, "input": {"text": TEXTS[0]}}), expected[:1], atol=2e-6)


def test_without_adapters_a_task_is_a_stored_prompt_or_a_role(
    tmp_path: Path, start_server: Any, client: httpx.Client
) -> None:
    folder = build_checkpoint("arctic", tmp_path)
    engine, offline = AsyncLLM(str(folder), served_model_name="arctic"), LLM(str(folder))
    assert set(engine.prompt_names) >= {"query"}
    with start_server(engine=engine, names=("arctic",)) as running, httpx.Client(base_url=running.url) as own:
        for task, options in (("query", {"prompt_name": "query"}), ("nl2code.query", {"role": "query"})):
            np.testing.assert_allclose(_vectors(own, task=task), _embed(offline, **options), atol=2e-6)
        assert not np.allclose(_vectors(own, task="qa.passage"), _vectors(own, task="qa.query"))
        assert "query" in _error(own, task="classification")["message"]
    asyncio.run(engine.shutdown())
    np.testing.assert_array_equal(_vectors(client, task="retrieval.passage"), _vectors(client, input_type="document"))
    np.testing.assert_array_equal(_vectors(client, task="embed"), _vectors(client))


def test_late_chunking_gives_a_vector_per_input_from_one_document(
    jina: httpx.Client, jina_engine: AsyncLLM, offline: LLM
) -> None:
    before = jina_engine.stats()
    answer = jina.post(URL, json={"input": CHUNKS, "late_chunking": True, "task": "retrieval.passage"}).json()
    after = jina_engine.stats()
    assert (after.requests - before.requests, after.forwards - before.forwards) == (1, 1)
    ((*outputs,),) = offline.embed_chunks([CHUNKS], lora="retrieval.passage")
    found = [item["embedding"] for item in answer["data"]]
    np.testing.assert_allclose(found, [output.outputs.embedding for output in outputs], atol=2e-6)
    assert answer["usage"]["prompt_tokens"] == sum(len(output.prompt_token_ids) for output in outputs)


def test_late_chunking_reads_a_long_document_in_windows(jina: httpx.Client, offline: LLM) -> None:
    chunks = [f"Cenote number {number} is deep. " for number in range(60)]
    ((*outputs,),) = offline.embed_chunks([chunks])
    found = _vectors(jina, input=chunks, late_chunking=True, truncate=True)
    np.testing.assert_allclose(found, [output.outputs.embedding for output in outputs], atol=2e-6)


def test_multi_vectors_are_under_embeddings(jina: httpx.Client, offline: LLM) -> None:
    data = _data(jina, return_multivector=True, task="retrieval.query", embedding_type="float")
    assert {tuple(item) for item in data} == {("index", "object", "embeddings")}
    for item, output in zip(
        data, offline.encode(TEXTS, pooling_task="token_embed", lora="retrieval.query"), strict=True
    ):
        np.testing.assert_allclose(item["embeddings"], output.outputs.data, atol=2e-6)


def test_types_are_numbers_bits_and_base64_alone_or_together(jina: httpx.Client) -> None:
    plain = torch.from_numpy(_vectors(jina))
    bits, unsigned = quantize(plain, "binary").tolist(), quantize(plain, "ubinary").tolist()
    assert [item["embedding"] for item in _data(jina, embedding_type="binary")] == bits
    assert [item["embedding"] for item in _data(jina, embedding_type=["ubinary"])] == unsigned
    packed = [item["embedding"] for item in _data(jina, embedding_type="base64")]
    np.testing.assert_array_equal([np.frombuffer(base64.b64decode(text), "<f4") for text in packed], plain.numpy())
    kinds = ["float", "base64", "binary", "ubinary"]
    together = [item["embedding"] for item in _data(jina, embedding_type=kinds)]
    assert {tuple(each) for each in together} == {tuple(kinds)}
    np.testing.assert_array_equal(np.array([each["float"] for each in together], np.float32), plain.numpy())
    rest = [(each["base64"], each["binary"], each["ubinary"]) for each in together]
    assert rest == list(zip(packed, bits, unsigned, strict=True))


def test_normalized_and_truncate_are_the_native_fields(jina: httpx.Client) -> None:
    raw = _vectors(jina, normalized=False)
    np.testing.assert_array_equal(raw, _vectors(jina, use_activation=False))
    assert np.abs(np.linalg.norm(raw, axis=1) - 1).min() > 1e-3
    long = {"input": ["word " * 2000]}
    np.testing.assert_array_equal(
        _vectors(jina, **long, truncate=True), _vectors(jina, **long, truncate_prompt_tokens=-1)
    )
    assert jina.post(URL, json={**long, "truncate": False}).json()["error"]["param"] == "input_tokens"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ["a", {"image": "https://example.org/a.png"}]}, "image"),
        ({"input": {"image": "aGk="}}, "image"),
        ({"input": [{"text": 5}]}, "input"),
        ({"input": [{"text": "a"}, 5]}, "body.EmbeddingRequest.input"),
        ({"task": "no-such-task"}, "task"),
        ({"task": "score"}, "task"),
        ({"task": 5}, "body.EmbeddingRequest.task"),
        ({"task": "retrieval.query", "lora": "separation"}, "task"),
        ({"embedding_type": "int4"}, "body.EmbeddingRequest.embedding_type.0"),
        ({"embedding_type": []}, "body.EmbeddingRequest.embedding_type"),
        ({"embedding_type": "binary", "output_dtype": "int8"}, "embedding_type"),
        ({"embedding_type": "base64", "encoding_format": "float"}, "embedding_type"),
        ({"embedding_type": 5}, "body.EmbeddingRequest.embedding_type"),
        ({"return_multivector": True, "outputs": ["dense"]}, "return_multivector"),
        ({"normalized": True, "use_activation": False}, "normalized"),
        ({"normalized": 1}, "body.EmbeddingRequest.normalized"),
        ({"truncate": "END"}, "body.EmbeddingRequest.truncate"),
        ({"truncate": True, "truncate_prompt_tokens": 5}, "truncate"),
        ({"late_chunking": True, "return_multivector": True}, "return_multivector"),
        ({"late_chunking": True, "truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ({"late_chunking": True, "input": [[5, 6]]}, "input"),
        ({"late_chunking": True, "input": ["a", "  "]}, "input"),
        ({"late_chunking": True, "input": ["word " * 2000, "b"]}, "input"),
        ({"late_chunking": "yes"}, "body.EmbeddingRequest.late_chunking"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_field_that_was_sent(
    jina: httpx.Client, body: dict[str, Any], param: str
) -> None:
    assert _error(jina, **body)["param"] == param


def test_a_document_that_fails_is_an_error_for_each_of_its_chunks(jina: httpx.Client) -> None:
    data = _data(jina, input=["a", "  "], late_chunking=True, on_error="item")
    assert [item["error"]["param"] for item in data] == ["input", "input"]
