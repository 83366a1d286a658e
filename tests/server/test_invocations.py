"""`/invocations`: the body finds its route, and SageMaker's headers count."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.loras import build_lora

URL = "/invocations"
SESSION = "X-Amzn-SageMaker-Session-Id"
FAMILIES = {"vectors": "bert", "labels": "bert_classifier", "pairs": "ms_marco_minilm", "late": "bert"}


@pytest.fixture(scope="module")
def many(start_server: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A server of an embedder with the adapter `law`, a classifier, a cross-encoder and a late-interaction model."""
    base = tmp_path_factory.mktemp("models")
    folders = {name: build_checkpoint(family, base / name) for name, family in FAMILIES.items()}
    law = build_lora(folders["vectors"], base / "law", targets=["query"])
    options: dict[str, dict[str, Any]] = {
        "vectors": {"lora_modules": (f"law={law}",)},
        "late": {"pooler_config": {"task": "token_embed"}},
    }
    engines = {name: AsyncLLM(str(folder), **options.get(name, {})) for name, folder in folders.items()}
    with start_server(engine=engines) as running, httpx.Client(base_url=running.url) as client:
        yield client
    for engine in engines.values():
        asyncio.run(engine.shutdown())


PAIRS = {"queries": "a", "documents": ["b", "c"]}
RANKING = {"query": "a", "documents": ["b", "c"]}


@pytest.mark.parametrize(
    ("model", "body", "route"),
    [
        ("vectors", {"input": "a"}, "/v1/embeddings"),
        ("vectors", {"input": "a", "step_tag_id": 1}, "/v1/embeddings"),  # never reaches /pooling
        ("vectors", {"input": "a", "task": "token_embed"}, "/pooling"),  # no task of embeddings
        ("labels", {"input": "a"}, "/classify"),
        ("late", {"input": "a"}, "/pooling"),
        ("vectors", RANKING, "/rerank"),
        ("pairs", RANKING, "/rerank"),
        ("pairs", {**RANKING, "texts": None}, "/rerank"),
        ("vectors", PAIRS, "/score"),
        ("pairs", PAIRS, "/score"),
        ("pairs", {"text_1": "a", "text_2": "b"}, "/score"),
        ("vectors", {"inputs": "a"}, "/embed"),
        ("labels", {"inputs": "a"}, "/predict"),
        ("pairs", {"query": "a", "texts": ["b", "c"]}, "/rerank"),
    ],
)
def test_the_answer_is_that_of_the_route_that_the_body_is_for(
    many: httpx.Client, model: str, body: dict[str, Any], route: str
) -> None:
    asked = {**body, "model": model, "request_id": "one"}
    found, expected = many.post(URL, json=asked), many.post(route, json=asked)
    assert found.status_code == expected.status_code == 200, found.text
    drop = re.compile(rb'"created":\d+')
    assert drop.sub(b"", found.content) == drop.sub(b"", expected.content)


@pytest.mark.parametrize(
    ("model", "named"),
    [
        ("vectors", ("embeddings", "rerank", "score", "pooling")),
        ("labels", ("classify", "pooling")),
        ("pairs", ("classify", "rerank", "score", "pooling")),
        ("late", ("rerank", "score", "pooling")),
    ],
)
def test_a_body_that_fits_nothing_is_400_and_names_what_was_tried(
    many: httpx.Client, model: str, named: tuple[str, ...]
) -> None:
    for body in ({}, {"input": 5}, {"queries": "a"}):
        answer = many.post(URL, json={"model": model, **body})
        assert answer.status_code == 400
        error = answer.json()["error"]
        assert error["type"] == "BadRequestError"
        assert re.findall(r"(\w+) \(", error["message"])[0] == named[0]
        assert all(f"{name} (" in error["message"] for name in named)


def test_faults_behind_the_form_are_those_of_the_route(many: httpx.Client) -> None:
    assert many.post(URL, json={"input": "a", "model": "none"}).status_code == 404
    assert many.post(URL, json={"input": "a", "dimensions": 5}).json()["error"]["param"] == "dimensions"
    assert many.post(URL, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    assert set(many.post(URL, json={"inputs": []}).json()) == {"error", "error_type"}  # in that dialect's form


def test_the_adapter_of_the_header_is_the_model(many: httpx.Client) -> None:
    headers = {"X-Amzn-SageMaker-Adapter-Identifier": "law"}
    answer = many.post(URL, json={"input": "a", "model": "labels"}, headers=headers).json()
    assert answer["model"] == "law"
    assert answer["data"] == many.post("/v1/embeddings", json={"input": "a", "model": "law"}).json()["data"]
    unknown = many.post(URL, json={"input": "a"}, headers={"X-Amzn-SageMaker-Adapter-Identifier": "art"})
    assert unknown.status_code == 404


def test_sessions_are_opened_used_and_closed(many: httpx.Client) -> None:
    opened = many.post(URL, json={"requestType": "NEW_SESSION"}, headers={SESSION: "NEW_SESSION"})
    assert opened.status_code == 200
    found = re.fullmatch(
        r"([a-zA-Z0-9](?:-*[a-zA-Z0-9])*);\sExpires=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        opened.headers["X-Amzn-SageMaker-New-Session-Id"],
    )
    assert found is not None
    session = found[1]
    assert many.post(URL, json={"input": "a"}, headers={SESSION: session}).status_code == 200
    closed = many.post(URL, json={"requestType": "CLOSE"}, headers={SESSION: session})
    assert closed.headers["X-Amzn-SageMaker-Closed-Session-Id"] == session


@pytest.mark.parametrize(
    ("body", "headers", "param"),
    [
        ({"requestType": "CLOSE"}, {}, SESSION),
        ({"requestType": "CLOSE"}, {SESSION: "NEW_SESSION"}, SESSION),
        ({"requestType": "WAIT"}, {}, "requestType"),
        ({"input": "a"}, {SESSION: "no id; at all"}, SESSION),
        ({"input": "a"}, {SESSION: "x" * 257}, SESSION),
    ],
)
def test_wrong_sessions_are_400(many: httpx.Client, body: dict[str, Any], headers: dict[str, str], param: str) -> None:
    answer = many.post(URL, json=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param
