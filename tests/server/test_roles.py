"""`input_type` has its effect, or is refused: never left out without a word."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint


@pytest.fixture(scope="module")
def prompted(start_server: Any, tmp_path_factory: pytest.TempPathFactory, engine: AsyncLLM) -> Iterator[httpx.Client]:
    """A model with a prompt for queries alone, one whose tasks are adapters, and one without prompts."""
    folder = tmp_path_factory.mktemp("roles")
    families = {"asking": "arctic", "jina": "jina_embeddings_v3"}
    folders = {name: str(build_checkpoint(kind, folder / name)) for name, kind in families.items()}
    engines = {name: AsyncLLM(path) for name, path in folders.items()}
    with start_server(engine={**engines, "plain": engine}) as running, httpx.Client(base_url=running.url) as client:
        yield client
    for each in engines.values():
        asyncio.run(each.shutdown())


@pytest.mark.parametrize("url", ["/v1/embeddings", "/pooling"])
def test_token_ids_of_a_query_are_refused_where_queries_have_a_prompt(prompted: httpx.Client, url: str) -> None:
    ids = [5, 6, 7]
    for given in (ids, [ids], [[1], ids]):
        answer = prompted.post(url, json={"model": "asking", "input": given, "input_type": "query"})
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "input_type"
        for allowed in (
            {"model": "asking"},
            {"model": "asking", "input_type": "document"},  # has no prompt
            {"model": "asking", "input_type": "query", "prompt": ""},
            {"model": "plain", "input_type": "query"},
        ):
            assert prompted.post(url, json={"input": given, **allowed}).status_code == 200, allowed
    assert prompted.post(url, json={"model": "asking", "input": "a", "input_type": "query"}).status_code == 200


def test_teis_bodies_are_refused_alike(prompted: httpx.Client) -> None:
    answer = prompted.post("/embed", json={"model": "asking", "inputs": [[5, 6]], "input_type": "query"})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"task": "retrieval.passage", "input_type": "query"}, 400),
        ({"task": "retrieval.query", "input_type": "document"}, 400),
        ({"task": "text-matching", "input_type": "query"}, 400),
        ({"model": "retrieval.query", "input_type": "document"}, 400),
        ({"task": "retrieval.passage", "input_type": "document"}, 200),
        ({"task": "retrieval.query", "input_type": "query"}, 200),
        ({"model": "retrieval.query", "input_type": "query"}, 200),
        ({"task": "text-matching"}, 200),
    ],
)
def test_a_task_and_an_input_type_must_not_contradict(
    prompted: httpx.Client, body: dict[str, Any], status: int
) -> None:
    answer = prompted.post("/v1/embeddings", json={"model": "jina", "input": "a", **body})
    assert answer.status_code == status, answer.text
    if status == 400:
        assert answer.json()["error"]["param"] == "input_type"


def test_an_adapter_and_an_input_type_must_not_contradict_on_any_route(prompted: httpx.Client) -> None:
    for path, body in (
        ("/pooling", {"input": "a", "model": "retrieval.query"}),
        ("/pooling", {"input": "a", "model": "jina", "lora": "retrieval.query"}),
        ("/v2/embed", {"texts": ["a"], "model": "retrieval.query", "embedding_types": ["float"]}),
        ("/embed", {"inputs": "a", "model": "retrieval.query"}),
    ):
        for word, good in (("query", (200,)), ("document", (400, 422))):
            assert prompted.post(path, json={**body, "input_type": word}).status_code in good, (path, word)


def test_a_model_that_cannot_answer_is_no_error_of_the_server_in_its_log(
    scoring: Any, server_log: pytest.LogCaptureFixture
) -> None:
    assert scoring.client.post("/v1/embeddings", json={"input": "a", "model": "labels"}).status_code == 501
    assert not [record for record in server_log.records if record.levelname == "ERROR"]
