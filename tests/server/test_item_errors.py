"""With `on_error: "item"` an item fails alone for whatever reason, in the words that a whole request would get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from cenote.engine import AsyncLLM
from cenote.errors import CheckpointError, EngineClosed, InvalidRequest, ModelNotFound, NonFiniteResult, QueueFull
from cenote.outputs import (
    PoolingOutput,
    PoolingRequestOutput,
    RequestError,
    ScoringOutput,
    ScoringRequestOutput,
)
from cenote.server.cohere_reply import embed_reply
from cenote.server.errors import to_api_error
from cenote.server.item_errors import item_error, write_items
from cenote.server.rerank_reply import rerank_reply
from cenote.testing.checkpoints import build_checkpoint

ROUTES = (("/v1/embeddings", "embedding"), ("/pooling", "data"))


@pytest.fixture(scope="module")
def plain(plain_model: Any, plain_engine: Any, start_server: Any) -> Iterator[httpx.Client]:
    """A model whose vector of the token n is (n, 1), and which fails at some."""
    engine: AsyncLLM = plain_engine(plain_model.PlainModel())
    with start_server(engine=engine, names=("plain",)) as running, httpx.Client(base_url=running.url) as client:
        yield client
    asyncio.run(engine.shutdown())


@pytest.mark.parametrize(("url", "key"), ROUTES)
def test_a_vector_that_does_not_fit_the_precision_fails_alone(plain: httpx.Client, url: str, key: str) -> None:
    body: dict[str, Any] = {"input": [[1], [300], [0]], "output_dtype": "int8"}
    refusal = plain.post(url, json=body)
    assert refusal.status_code == 400
    data = plain.post(url, json={**body, "on_error": "item"}).json()["data"]
    assert [item.get(key) for item in data] == [[127, 127], None, [0, 127]]
    assert data[1]["error"] == refusal.json()["error"]
    assert "These vectors are not normalised" in data[1]["error"]["message"]
    answer = plain.post(url, json={**body, "on_error": "item", "encoding_format": "bytes"})
    entries = json.loads(answer.headers["metadata"])["data"]
    assert [(entry["start"], entry["end"]) for entry in entries] == [(0, 2), (2, 2), (2, 4)]
    assert entries[1]["error"] == data[1]["error"]
    assert list(answer.content) == [127, 127, 0, 127]


def test_a_precision_that_fits_no_vector_is_an_error_of_each(plain: httpx.Client) -> None:
    body = {"input": [[1], [2]], "output_dtype": "binary", "on_error": "item"}
    data = plain.post("/v1/embeddings", json=body).json()["data"]
    assert [item["error"]["param"] for item in data] == ["output_dtype"] * 2
    assert "no multiple of 8" in data[0]["error"]["message"]


def test_failures_of_the_model_have_the_types_of_whole_requests(plain: httpx.Client, plain_model: Any) -> None:
    for token, kind in ((plain_model.NAN, "NonFiniteResultError"), (plain_model.CRASH, "InternalServerError")):
        body = {"input": [[1], [token], []]}
        good, failed, wrong = plain.post("/v1/embeddings", json={**body, "on_error": "item"}).json()["data"]
        assert "embedding" in good or kind == "InternalServerError"  # a crash takes its whole batch along
        assert (failed["error"]["type"], failed["error"]["code"]) == (kind, 500)
        assert (wrong["error"]["type"], wrong["error"]["code"]) == ("BadRequestError", 400)
        whole = plain.post("/v1/embeddings", json={"input": [[token]]}).json()["error"]
        assert (whole["type"], whole["code"]) == (kind, 500)


@pytest.mark.parametrize("kind", [InvalidRequest, ModelNotFound, QueueFull, EngineClosed, NonFiniteResult])
def test_an_item_and_a_request_have_one_table_of_types(kind: Any) -> None:
    whole = to_api_error(kind("why"))
    assert item_error(RequestError(code=500, message="why", kind=kind)) == {
        "message": "why",
        "type": whole.type,
        "param": None,
        "code": whole.status_code,
    }


def test_texts_that_may_name_paths_of_the_server_are_withheld() -> None:
    error = item_error(RequestError(code=500, message="/home/me/model is broken", kind=CheckpointError))
    assert error["message"] == to_api_error(CheckpointError("x")).detail
    assert (error["type"], error["code"]) == ("InternalServerError", 500)


def test_coheres_vectors_that_do_not_fit_are_null_with_advice_that_fits_its_bodies(
    start_server: Any, tmp_path: Any
) -> None:
    engine = AsyncLLM(str(build_checkpoint("splade", tmp_path)))
    body = {"texts": ["A natural pit.", "Bread"], "embedding_types": ["float", "int8"], "on_error": "item"}
    with start_server(engine=engine, names=("m",)) as running:
        for path in ("/v1/embed", "/v2/embed"):
            answer = httpx.post(running.url + path, json=body).json()
            assert answer["embeddings"] == {"float": [None, None], "int8": [None, None]}
            assert [item["error"]["param"] for item in answer["errors"]] == ["embedding_types"] * 2
            assert "use_activation" not in json.dumps(answer)
    asyncio.run(engine.shutdown())


def _vector(values: list[float]) -> PoolingRequestOutput:
    return PoolingRequestOutput(request_id="r", outputs=PoolingOutput(torch.tensor(values)), prompt_token_ids=[1])


def test_a_text_of_coheres_fails_alone() -> None:
    write = partial(embed_reply, types=["int8"], by_type=True, response_id="r", texts=None, version="2")
    answer = json.loads(write_items([_vector([0.5, 3.0]), _vector([1.0, 0.0])], "item", write).body)
    assert answer["embeddings"]["int8"] == [None, [127, 0]]
    assert [item["index"] for item in answer["errors"]] == [0]
    with pytest.raises(InvalidRequest):
        write_items([_vector([0.5, 3.0])], "raise", write)


def test_a_score_that_is_not_finite_is_the_error_of_its_document() -> None:
    scores = [
        ScoringRequestOutput(request_id="r", outputs=ScoringOutput(score), prompt_token_ids=[1])
        for score in (0.5, np.inf, 0.75)
    ]
    write = partial(rerank_reply, documents=None, response_id="r", model="m", most=None, version="2", warnings=())
    answer = json.loads(write_items(scores, "item", write).body)
    assert [item["index"] for item in answer["results"]] == [2, 0]
    assert [(item["index"], item["error"]["type"]) for item in answer["errors"]] == [(1, "NonFiniteResultError")]
    with pytest.raises(NonFiniteResult):
        write_items(scores, "raise", write)
