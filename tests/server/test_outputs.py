"""What both `/v1/embeddings` and `/pooling` can give beside plain vectors: forms, precisions, errors per input."""

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
import torch

from cenote import LLM, PoolingParams
from cenote.engine import AsyncLLM
from cenote.errors import NonFiniteResult
from cenote.outputs import quantize
from cenote.server.encoding import VectorFormat, sparse_json
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["What is a cenote?", "A natural pit.", "Ground water fills it, and it is deep."]
ROUTES = ("/v1/embeddings", "/pooling")
FORMS = ["dense", "sparse", "multi"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("splade", tmp_path_factory.mktemp("splade"))


@pytest.fixture(scope="module")
def offline(folder: Path) -> LLM:
    return LLM(str(folder))


@pytest.fixture(scope="module")
def sparse_engine(folder: Path) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(folder), served_model_name="sparse")
    yield engine
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def sparse(sparse_engine: AsyncLLM, start_server: Any) -> Iterator[httpx.Client]:
    with start_server(engine=sparse_engine, names=("sparse",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client


def _post(client: httpx.Client, url: str = ROUTES[0], **body: Any) -> dict[str, Any]:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def _refusal(client: httpx.Client, url: str = ROUTES[0], **body: Any) -> dict[str, Any]:
    answer = client.post(url, json={"input": TEXTS, **body})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("url", ROUTES)
def test_one_forward_gives_all_forms_and_they_are_the_offline_ones(
    sparse: httpx.Client, sparse_engine: AsyncLLM, offline: LLM, url: str
) -> None:
    before = sparse_engine.stats().forwards
    data = _post(sparse, url, input=TEXTS, outputs=FORMS, return_tokens=True)["data"]
    assert sparse_engine.stats().forwards == before + 1
    for item, output in zip(data, offline.encode(TEXTS, outputs=FORMS), strict=True):
        expected = output.outputs
        assert set(item) == {"index", "object", "embedding", "sparse", "multi"}
        np.testing.assert_allclose(item["embedding"], expected.dense, atol=2e-6)
        np.testing.assert_allclose(item["multi"], expected.multi, atol=2e-6)
        assert item["sparse"]["indices"] == expected.sparse.indices
        assert item["sparse"]["tokens"] == expected.sparse.tokens
        np.testing.assert_allclose(item["sparse"]["values"], expected.sparse.values, atol=2e-6)


@pytest.mark.parametrize(("url", "key"), [(ROUTES[0], "embedding"), (ROUTES[1], "data")])
def test_dense_alone_has_the_normal_shape(sparse: httpx.Client, url: str, key: str) -> None:
    plain = _post(sparse, url, input=TEXTS, **({"task": "embed"} if key == "data" else {}))
    named = _post(sparse, url, input=TEXTS, outputs=["dense"])
    assert [item[key] for item in named["data"]] == [item[key] for item in plain["data"]]
    assert {tuple(item) for item in named["data"]} == {("index", "object", key)}


def test_sparse_alone_names_its_terms_only_when_asked(sparse: httpx.Client, offline: LLM) -> None:
    expected = offline.sparse_embed(TEXTS)
    for url, options, key in (
        (ROUTES[0], {"outputs": ["sparse"]}, "sparse"),
        (ROUTES[1], {"task": "sparse_embed"}, "data"),
    ):
        entries = [item[key] for item in _post(sparse, url, input=TEXTS, **options)["data"]]
        assert [entry["indices"] for entry in entries] == [output.outputs.indices for output in expected]
        assert {tuple(entry) for entry in entries} == {("indices", "values")}
        named = _post(sparse, url, input=TEXTS, return_tokens=True, **options)["data"]
        assert [item[key]["tokens"] for item in named] == [output.outputs.tokens for output in expected]


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "binary", "ubinary"])
@pytest.mark.parametrize("field", ["output_dtype", "embed_dtype"])
def test_precisions_are_those_of_the_offline_api_in_every_format(
    client: httpx.Client, engine: AsyncLLM, dtype: Any, field: str
) -> None:
    plain = torch.tensor([item["embedding"] for item in _post(client, input=TEXTS)["data"]])
    wanted = quantize(plain, dtype).numpy()
    packed = _post(client, input=TEXTS, encoding_format="base64", **{field: dtype})["data"]
    found = [np.frombuffer(base64.b64decode(item["embedding"]), wanted.dtype) for item in packed]
    np.testing.assert_array_equal(found, wanted)
    answer = client.post(ROUTES[0], json={"input": TEXTS, "encoding_format": "bytes", field: dtype})
    entries = json.loads(answer.headers["metadata"])["data"]
    assert {(entry["embed_dtype"], *entry["shape"]) for entry in entries} == {(dtype, wanted.shape[1])}
    np.testing.assert_array_equal(np.frombuffer(answer.content, wanted.dtype).reshape(wanted.shape), wanted)
    if (field, dtype) != ("embed_dtype", "float16"):  # a cast of raw numbers, which JSON numbers do not have
        numbers = [item["embedding"] for item in _post(client, input=TEXTS, **{field: dtype})["data"]]
        np.testing.assert_array_equal(np.array(numbers, wanted.dtype), wanted)
    assert (
        _post(client, "/pooling", input=TEXTS, **{field: "binary"})["data"][0]["data"]
        == quantize(plain, "binary")[0].tolist()
    )


def test_a_vector_is_cut_then_normalised_then_quantised(tmp_path: Path, start_server: Any) -> None:
    folder = build_checkpoint("jina_embeddings_v3", tmp_path)
    engine = AsyncLLM(str(folder), served_model_name="m")
    with start_server(engine=engine, names=("m",)) as running, httpx.Client(base_url=running.url) as client:
        found = _post(client, input=TEXTS, dimensions=8, output_dtype="int8")["data"]
    asyncio.run(engine.shutdown())
    outputs = LLM(str(folder)).embed(TEXTS, pooling_params=PoolingParams(dimensions=8), output_dtype="int8")
    assert [item["embedding"] for item in found] == [output.outputs.embedding for output in outputs]
    lengths = np.linalg.norm(np.array([item["embedding"] for item in found]) / 127, axis=1)
    np.testing.assert_allclose(lengths, 1, atol=0.02)


def test_rows_of_tokens_of_different_lengths_are_quantised_row_by_row(client: httpx.Client) -> None:
    body = {"input": TEXTS, "task": "token_embed"}
    plain = [torch.tensor(item["data"]) for item in _post(client, "/pooling", **body)["data"]]
    found = [item["data"] for item in _post(client, "/pooling", **body, output_dtype="ubinary")["data"]]
    assert found == [quantize(rows, "ubinary").tolist() for rows in plain]
    assert len({len(rows) for rows in found}) > 1


@pytest.mark.parametrize(
    ("url", "body", "param"),
    [
        (ROUTES[0], {"outputs": ["sparse"]}, "outputs"),
        (ROUTES[0], {"outputs": []}, "body.EmbeddingRequest.outputs"),
        (ROUTES[0], {"outputs": ["dense", "dense"]}, "outputs"),
        (ROUTES[0], {"outputs": ["thick"]}, "body.EmbeddingRequest.outputs.0"),
        (ROUTES[0], {"outputs": ["dense", "multi"], "encoding_format": "bytes"}, "encoding_format"),
        (ROUTES[0], {"output_dtype": "int4"}, "body.EmbeddingRequest.output_dtype"),
        (ROUTES[0], {"output_dtype": "int8", "embed_dtype": "float16"}, "embed_dtype"),
        (ROUTES[0], {"encoding_format": "bytes_only", "on_error": "item"}, "on_error"),
        (ROUTES[0], {"on_error": "skip"}, "body.EmbeddingRequest.on_error"),
        (ROUTES[1], {"outputs": ["dense"], "task": "embed"}, "outputs"),
        (ROUTES[1], {"outputs": ["sparse"]}, "task"),
    ],
)
def test_what_cannot_be_given_is_refused(client: httpx.Client, url: str, body: dict[str, Any], param: str) -> None:
    assert _refusal(client, url, **body)["param"] == param


def test_int8_of_long_vectors_and_precisions_of_other_tasks_are_refused(sparse: httpx.Client, offline: LLM) -> None:
    assert max(max(output.outputs.embedding) for output in offline.embed(TEXTS)) > 1
    for field in ("output_dtype", "embed_dtype"):
        error = _refusal(sparse, **{field: "int8"})
        assert error["param"] == field
        assert "These vectors are not normalised" in error["message"]
        assert _refusal(sparse, "/pooling", task="sparse_embed", **{field: "int8"})["param"] == field
    assert _refusal(sparse, "/pooling", task="sparse_embed", encoding_format="bytes")["param"] == "encoding_format"


@pytest.mark.parametrize(("url", "kind"), [(ROUTES[0], "embedding"), (ROUTES[1], "pooling")])
def test_an_input_that_fails_has_an_error_and_the_others_their_results(
    client: httpx.Client, url: str, kind: str
) -> None:
    body = {"input": [TEXTS[0], "word " * 400, TEXTS[1]]}
    assert client.post(url, json=body).status_code == 400
    data = _post(client, url, **body, on_error="item")["data"]
    assert [item["index"] for item in data] == [0, 1, 2]
    assert set(data[1]) == {"index", "object", "error"}
    assert data[1]["object"] == kind
    assert data[1]["error"]["type"] == "BadRequestError"
    assert (data[1]["error"]["code"], data[1]["error"]["param"]) == (400, "input_tokens")
    alone = _post(client, url, input=[TEXTS[0], TEXTS[1]])["data"]
    key = "embedding" if kind == "embedding" else "data"
    for item, expected in zip((data[0], data[2]), alone, strict=True):
        np.testing.assert_allclose(item[key], expected[key], atol=2e-6)
    every = _post(client, url, input=["word " * 400] * 2, on_error="item")
    assert ["error" in item for item in every["data"]] == [True, True]
    assert every["usage"]["prompt_tokens"] == 0


def test_in_raw_bytes_a_failed_input_is_an_empty_stretch_with_its_error(client: httpx.Client) -> None:
    body = {"input": [TEXTS[0], "word " * 400], "encoding_format": "bytes", "on_error": "item"}
    answer = client.post(ROUTES[0], json=body)
    first, second = json.loads(answer.headers["metadata"])["data"]
    assert (first["start"], first["end"], "error" in first) == (0, 4 * 384, False)
    assert (second["start"], second["end"], second["error"]["code"]) == (4 * 384, 4 * 384, 400)
    assert len(answer.content) == 4 * 384


def test_places_that_fit_into_no_header_are_refused(client: httpx.Client) -> None:
    body = {"input": [[101]] * 500, "encoding_format": "bytes"}
    for url in ROUTES:
        answer = client.post(url, json=body, headers={"X-Request-Id": "x" * 128})
        assert answer.status_code == 200
        assert len(answer.headers["metadata"]) < 65_000
        error = _refusal(client, url, **{**body, "input": [[101]] * 501})
        assert error["param"] == "encoding_format"
        assert "bytes_only" in error["message"]
        for other in ("bytes_only", "base64"):
            many = client.post(url, json={"input": [[101]] * 501, "encoding_format": other})
            assert many.status_code == 200
    errors = {"input": [[10**8]] * 500, "encoding_format": "bytes", "on_error": "item"}
    assert _refusal(client, **errors)["param"] == "encoding_format"


def test_numbers_that_are_not_finite_are_never_written() -> None:
    vectors = [torch.ones(4), torch.tensor([0.0, float("nan"), 0.0, 0.0])]
    for written in (VectorFormat(), VectorFormat("base64"), VectorFormat("base64", "float16")):
        with pytest.raises(NonFiniteResult):
            written.all_to_json(vectors)
    with pytest.raises(NonFiniteResult):
        VectorFormat("bytes", precision="ubinary").all_to_bytes(vectors)
    assert VectorFormat().all_to_json([]) == []
    assert VectorFormat("base64").all_to_json([torch.empty(0, 4)]) == [b'""']


def test_one_number_per_token_stays_one_list_whatever_the_lengths() -> None:
    assert VectorFormat().all_to_json([torch.tensor([0.5, 1.0, 2.0]), torch.tensor([0.25])]) == [
        b"[0.5,1.0,2.0]",
        b"[0.25]",
    ]


def test_a_sparse_row_is_written_with_its_terms() -> None:
    places, values = torch.tensor([[3, 7]]), torch.tensor([0.5, 0.25])
    row = torch.sparse_coo_tensor(places, values, (10,), is_coalesced=True, check_invariants=False)
    assert json.loads(sparse_json(row, ["a", "b"])) == {"indices": [3, 7], "values": [0.5, 0.25], "tokens": ["a", "b"]}
