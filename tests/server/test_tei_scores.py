"""text-embeddings-inference's dialect over raw HTTP, labels and rankings: numbers equal those of the offline API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote.engine import LLM, AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingParams, TokensPrompt

TEXTS = ["a natural pit", "fresh bread", "the sea"]
QUERY = "what is a cenote"
LONG = "the first words of a text that is too long for the model " * 30 + "and its last words"
PAIR = {"text": "is it deep", "text_pair": "some are"}


@contextlib.contextmanager
def _serving(name: str, folder: Path, start_server: Any) -> Iterator[tuple[httpx.Client, LLM]]:
    path = str(build_checkpoint(name, folder))
    engine = AsyncLLM(path, served_model_name=name)
    with start_server(engine=engine, names=(name,)) as running, httpx.Client(base_url=running.url) as client:
        yield client, LLM(path)
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[tuple[httpx.Client, LLM]]:
    with _serving("bert_classifier", tmp_path_factory.mktemp("c"), start_server) as pair:
        yield pair


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[tuple[httpx.Client, LLM]]:
    with _serving("bge_reranker_v2_m3", tmp_path_factory.mktemp("r"), start_server) as pair:
        yield pair


def _post(client: httpx.Client, url: str, **body: Any) -> Any:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _labels(offline: LLM, prompts: Any, **params: Any) -> list[dict[str, float]]:
    outputs = offline.classify(prompts, pooling_params=PoolingParams(**params), use_tqdm=False)
    return [dict(zip(offline.labels, output.outputs.probs, strict=True)) for output in outputs]


def _check(found: list[dict[str, Any]], expected: dict[str, float]) -> None:
    scores = [item["score"] for item in found]
    assert scores == sorted(scores, reverse=True)
    assert {item["label"] for item in found} <= expected.keys()
    assert max(abs(item["score"] - expected[item["label"]]) for item in found) < 1e-5


def test_a_text_has_its_labels_best_first(classifier: tuple[httpx.Client, LLM]) -> None:
    client, offline = classifier
    expected = _labels(offline, TEXTS[:1])[0]
    for inputs in (TEXTS[0], TEXTS[:1]):
        found = _post(client, "/predict", inputs=inputs)
        assert len(found) == len(expected)
        _check(found, expected)
    assert _post(client, "/", inputs=TEXTS[0]) == _post(client, "/predict", inputs=TEXTS[0])


def test_a_pair_is_one_input_and_a_batch_mixes_texts_and_pairs(classifier: tuple[httpx.Client, LLM]) -> None:
    client, offline = classifier
    pair = list(PAIR.values())
    _check(_post(client, "/predict", inputs=pair), _labels(offline, [PAIR])[0])
    batch = _post(client, "/predict", inputs=[TEXTS[:1], pair])
    for found, expected in zip(batch, [_labels(offline, TEXTS[:1])[0], _labels(offline, [PAIR])[0]], strict=True):
        _check(found, expected)


def test_raw_scores_are_logits(classifier: tuple[httpx.Client, LLM]) -> None:
    client, offline = classifier
    found = _post(client, "/predict", inputs=TEXTS[0], raw_scores=True)
    _check(found, _labels(offline, TEXTS[:1], use_activation=False)[0])


def test_the_hubs_pipelines_get_a_list_per_text_and_their_parameters(classifier: tuple[httpx.Client, LLM]) -> None:
    client, offline = classifier
    (found,) = _post(client, "/", inputs=TEXTS[0], parameters={})
    assert found == _post(client, "/predict", inputs=TEXTS[0])
    assert _post(client, "/predict", inputs=TEXTS[0], parameters={"top_k": 1}) == [found[:1]]
    raw = _labels(offline, TEXTS[:1], use_activation=False)[0]
    (none,) = _post(client, "/predict", inputs=TEXTS[0], parameters={"function_to_apply": "none"})
    _check(none, raw)
    (sigmoid,) = _post(client, "/predict", inputs=TEXTS[0], parameters={"function_to_apply": "sigmoid"})
    _check(sigmoid, {label: 1 / (1 + float(np.exp(-value))) for label, value in raw.items()})
    (softmax,) = _post(client, "/predict", inputs=TEXTS[0], parameters={"function_to_apply": "softmax"})
    total = sum(np.exp(value) for value in raw.values())
    _check(softmax, {label: float(np.exp(value) / total) for label, value in raw.items()})


def test_a_long_text_is_refused_unless_it_may_be_cut(classifier: tuple[httpx.Client, LLM]) -> None:
    client, offline = classifier
    answer = client.post("/predict", json={"inputs": LONG})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
    assert '"truncate": true' in answer.json()["error"]
    found = _post(client, "/predict", inputs=LONG, truncate=True)
    options = {"truncate_prompt_tokens": -1}
    (output,) = offline.classify([LONG], tokenization_kwargs=options, use_tqdm=False)
    _check(found, dict(zip(offline.labels, output.outputs.probs, strict=True)))
    assert _post(client, "/predict", inputs=LONG, truncate=True, truncation_direction="Left") != found


def test_info_tells_what_kind_of_model_it_is(
    classifier: tuple[httpx.Client, LLM], reranker: tuple[httpx.Client, LLM]
) -> None:
    client, offline = classifier
    kind = client.get("/info").json()["model_type"]["classifier"]
    assert kind["id2label"] == {str(place): label for place, label in enumerate(offline.labels)}
    assert kind["label2id"] == {label: place for place, label in enumerate(offline.labels)}
    assert set(reranker[0].get("/info").json()["model_type"]) == {"reranker"}


def _scores(offline: LLM, **params: Any) -> list[float]:
    outputs = offline.score(QUERY, TEXTS, pooling_params=PoolingParams(**params), use_tqdm=False)
    return [output.outputs.score for output in outputs]


def _check_ranks(found: list[dict[str, Any]], expected: list[float]) -> None:
    assert [item["index"] for item in found] == sorted(range(len(expected)), key=lambda place: -expected[place])
    assert max(abs(item["score"] - expected[item["index"]]) for item in found) < 1e-5


@pytest.mark.parametrize("url", ["/rerank", "/"])
def test_texts_are_ranked_in_a_bare_array(reranker: tuple[httpx.Client, LLM], url: str) -> None:
    client, offline = reranker
    found = _post(client, url, query=QUERY, texts=TEXTS)
    _check_ranks(found, _scores(offline))
    assert all(item.keys() == {"index", "score"} for item in found)


def test_raw_scores_and_texts_on_request(reranker: tuple[httpx.Client, LLM]) -> None:
    client, offline = reranker
    found = _post(client, "/rerank", query=QUERY, texts=TEXTS, raw_scores=True, return_text=True)
    _check_ranks(found, _scores(offline, use_activation=False))
    assert [item["text"] for item in found] == [TEXTS[item["index"]] for item in found]


def test_a_reranker_labels_too(reranker: tuple[httpx.Client, LLM]) -> None:
    client, offline = reranker
    _check(_post(client, "/predict", inputs=list(PAIR.values())), _labels(offline, [PAIR])[0])


def test_an_embedder_ranks_by_cosine(client: httpx.Client, engine: AsyncLLM) -> None:
    answer = client.post("/rerank", json={"query": QUERY, "texts": TEXTS})
    assert answer.status_code == 200, answer.text
    vectors = np.asarray(_post(client, "/embed", inputs=[QUERY, *TEXTS]))
    _check_ranks(answer.json(), list(vectors[1:] @ vectors[0]))
    assert int(answer.headers["x-compute-tokens"]) > 0


@pytest.mark.parametrize("direction", ["Left", "Right"])
def test_long_texts_are_cut_without_special_tokens(reranker: tuple[httpx.Client, LLM], direction: str) -> None:
    client, offline = reranker
    answer = client.post("/rerank", json={"query": QUERY, "texts": [LONG]})
    assert (answer.status_code, answer.json()["error_type"]) == (422, "Validation")
    assert "Pair 0" in answer.json()["error"]
    tokenizer, most = offline.get_tokenizer(), offline.limits.max_tokens
    tokenizer.truncation_side = direction.lower()
    ids = tokenizer([(QUERY, LONG)], truncation=True, max_length=most)["input_ids"][0]
    tokenizer.truncation_side = "right"
    (output,) = offline.encode(TokensPrompt(prompt_token_ids=ids), pooling_task="score", use_tqdm=False)
    options = {"truncate": True, "truncation_direction": direction}
    (found,) = _post(client, "/rerank", query=QUERY, texts=[LONG], **options)
    assert abs(found["score"] - output.outputs.data.item()) < 1e-5


def test_top_n_keeps_the_best_texts_as_litellm_asks(reranker: tuple[httpx.Client, LLM]) -> None:
    client, _ = reranker
    body = {"query": QUERY, "texts": TEXTS}
    every = _post(client, "/rerank", **body)
    for most, kept in ((1, 1), (2, 2), (9, 3), (0, 3), (None, 3)):
        assert _post(client, "/rerank", **body, top_n=most) == every[:kept]
    refused = client.post("/rerank", json={**body, "top_n": -1})
    assert (refused.status_code, set(refused.json())) == (422, {"error", "error_type"})
