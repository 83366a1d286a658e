"""text-embeddings-inference's dialect names no model: the first one that can answer does, or the one that is named."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

RANKING = {"query": "what is a cenote", "texts": ["a natural pit", "fresh bread"]}


@pytest.fixture(scope="module")
def several(engine: AsyncLLM, tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[httpx.Client]:
    """A server of an embedder, a classifier and a cross-encoder, in this order."""
    folder = tmp_path_factory.mktemp("models")
    own = {
        name: AsyncLLM(str(build_checkpoint(kind, folder / name)))
        for name, kind in (("moods", "bert_classifier"), ("ranks", "ms_marco_minilm"))
    }
    with start_server(engine={"vectors": engine, **own}) as running, httpx.Client(base_url=running.url) as client:
        yield client
    for each in own.values():
        asyncio.run(each.shutdown())


def _post(client: httpx.Client, url: str, **body: Any) -> Any:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_each_route_takes_the_first_model_that_can_answer(several: httpx.Client) -> None:
    assert len(_post(several, "/embed", inputs="a")[0]) == 384
    labels = {item["label"] for item in _post(several, "/predict", inputs="a")}
    assert labels == {"negative", "neutral", "positive"}
    assert _post(several, "/predict", inputs="a", model="moods") == _post(several, "/predict", inputs="a")


def test_a_cross_encoder_ranks_before_an_embedder_does(several: httpx.Client) -> None:
    found = _post(several, "/rerank", **RANKING)
    assert found == _post(several, "/rerank", model="ranks", **RANKING)
    assert found != _post(several, "/rerank", model="vectors", **RANKING)


def test_the_named_model_decides_what_the_root_means(several: httpx.Client) -> None:
    assert _post(several, "/", inputs="a") == _post(several, "/embed", inputs="a")
    assert _post(several, "/", inputs="a", model="moods") == _post(several, "/predict", inputs="a", model="moods")
    assert _post(several, "/", model="ranks", **RANKING) == _post(several, "/rerank", **RANKING)


def test_a_named_model_that_cannot_answer_is_424(several: httpx.Client) -> None:
    refused: dict[str, dict[str, Any]] = {"/embed": {"inputs": "a"}, "/predict": {"inputs": "a"}, "/rerank": RANKING}
    names = {"/embed": "moods", "/predict": "vectors", "/rerank": "moods"}
    for url, body in refused.items():
        answer = several.post(url, json={**body, "model": names[url]})
        assert (answer.status_code, answer.json()["error_type"]) == (424, "Backend"), url


def test_info_and_tokens_are_of_the_named_model(several: httpx.Client) -> None:
    kinds = [set(several.get("/info", params={"model": name}).json()["model_type"]) for name in ("moods", "ranks")]
    assert kinds == [{"classifier"}, {"reranker"}]
    assert several.get("/info").json()["model_id"] == "vectors"
    assert _post(several, "/tokenize", inputs="cenote") != _post(several, "/tokenize", inputs="cenote", model="moods")
