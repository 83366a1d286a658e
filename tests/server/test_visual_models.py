"""Llama Nemotron VL, ColPali and ColModernVBERT over HTTP, without chat templates: roles, texts, images, and scores."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import pytest
import torch

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture

QUERY, NOTE = "Where is the water deepest?", "Figure 2: depths of the lake"
PAGE, WIDE = sample_picture(64, 64, seed=1), sample_picture(150, 60, seed=2)
_FAMILIES = {
    "embed": "llama_nemotron_vl",
    "rerank": "llama_nemotron_vl_rerank",
    "late": "colpali",
    "tiled": "colmodernvbert",
}
#: Roles of messages, and what they say a prompt is for.
_ROLES: list[tuple[str, Literal["query", "document"] | None]] = [
    ("query", "query"),
    ("document", "document"),
    ("user", None),
    ("passage", None),
]


def _base64(image: Any) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _url(image: Any) -> str:
    return f"data:image/png;base64,{_base64(image)}"


def _part(image: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": _url(image)}}


def _words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _prompt(image: Any, text: str | None = None) -> Any:
    return {"multi_modal_data": {"image": image}, **({} if text is None else {"prompt": text})}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("visual")
    return {name: str(build_checkpoint(family, root / name)) for name, family in _FAMILIES.items()}


@pytest.fixture(scope="module")
def offline(folders: dict[str, str]) -> Iterator[dict[str, LLM]]:
    models = {name: LLM(folder) for name, folder in folders.items()}
    yield models
    for model in models.values():
        model.shutdown()


@pytest.fixture(scope="module")
def client(folders: dict[str, str], start_server: Any) -> Iterator[httpx.Client]:
    """One server with all of them, which `model` chooses."""
    engines = {name: AsyncLLM(folder) for name, folder in folders.items()}
    with start_server(engine=engines) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client
    for engine in engines.values():
        asyncio.run(engine.shutdown())


def _post(client: httpx.Client, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _near(found: Any, expected: Any) -> None:
    torch.testing.assert_close(torch.tensor(found), torch.as_tensor(expected), atol=2e-5, rtol=0)


@pytest.mark.parametrize(("role", "means"), _ROLES)
@pytest.mark.parametrize(
    ("content", "prompt"),
    [
        (QUERY, QUERY),
        ([_part(PAGE)], _prompt(PAGE)),
        ([_part(WIDE), _words(NOTE)], _prompt(WIDE, NOTE)),
        ([_words(NOTE), _part(WIDE)], _prompt(WIDE, NOTE)),
    ],
    ids=["text", "image", "both", "both, text first"],
)
def test_the_role_of_a_message_says_what_it_is_for(
    client: httpx.Client, offline: dict[str, LLM], content: Any, prompt: Any, role: str, means: Any
) -> None:
    (expected,) = offline["embed"].embed([prompt], role=means, use_tqdm=False)
    answer = _post(client, "/v1/embeddings", model="embed", messages=[{"role": role, "content": content}])
    _near(answer["data"][0]["embedding"], expected.outputs.embedding)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] == len(expected.prompt_token_ids)


def test_queries_documents_and_other_messages_have_different_vectors(client: httpx.Client) -> None:
    vectors = [
        _post(client, "/v1/embeddings", model="embed", messages=[{"role": role, "content": [_part(PAGE)]}])
        for role, _ in _ROLES
    ]
    query, document, user, other = (torch.tensor(answer["data"][0]["embedding"]) for answer in vectors)
    assert (query - document).abs().max() > 1e-3
    assert (document - user).abs().max() > 1e-3
    assert torch.equal(user, other)


def test_coheres_images_and_inputs_are_documents_where_the_body_says_so(
    client: httpx.Client, offline: dict[str, LLM]
) -> None:
    body = {"model": "embed", "input_type": "search_document"}
    prompts = [_prompt(PAGE), _prompt(WIDE, NOTE), QUERY]
    expected = [result.outputs.embedding for result in offline["embed"].embed(prompts, role="document")]
    images = _post(client, "/v2/embed", **body, images=[_url(PAGE)])
    _near(images["embeddings"]["float"], expected[:1])
    inputs = [{"content": content} for content in ([_part(PAGE)], [_part(WIDE), _words(NOTE)], [_words(QUERY)])]
    _near(_post(client, "/v2/embed", **body, inputs=inputs)["embeddings"]["float"], expected)
    (bare,) = offline["embed"].embed([_prompt(PAGE)], use_tqdm=False)
    as_image = _post(client, "/v2/embed", model="embed", input_type="image", images=[_url(PAGE)])
    _near(as_image["embeddings"]["float"], [bare.outputs.embedding])


def test_jinas_objects_are_pages_and_texts(client: httpx.Client, offline: dict[str, LLM]) -> None:
    cases: list[tuple[dict[str, str], Literal["query", "document"] | None]] = [
        ({}, None),
        ({"task": "retrieval.passage"}, "document"),
        ({"task": "retrieval.query"}, "query"),
    ]
    for given, role in cases:
        items = [{"image": _base64(PAGE)}, {"text": QUERY}, {"image": _url(WIDE)}]
        answer = _post(client, "/v1/embeddings", model="embed", input=items, **given)
        prompts = [_prompt(PAGE), QUERY, _prompt(WIDE)]
        expected: list[Any] = offline["embed"].embed(prompts, role=role, use_tqdm=False)
        _near([row["embedding"] for row in answer["data"]], [result.outputs.embedding for result in expected])
        assert answer["usage"]["prompt_tokens"] == sum(len(result.prompt_token_ids) for result in expected)


_DOCUMENTS = ["Bread.", {"content": [_part(PAGE)]}, {"content": [_part(WIDE), _words(NOTE)]}, {"image": _url(WIDE)}]
_OFFLINE: list[Any] = ["Bread.", {"image": PAGE}, {"image": WIDE, "text": NOTE}, {"image": WIDE}]


@pytest.mark.parametrize("model", ["rerank", "embed"])
def test_pages_with_descriptions_are_scored_and_ranked(
    client: httpx.Client, offline: dict[str, LLM], model: str
) -> None:
    expected = offline[model].score(QUERY, _OFFLINE, use_tqdm=False)
    scores = [result.outputs.score for result in expected]
    answer = _post(client, "/score", model=model, queries=QUERY, documents=_DOCUMENTS)
    _near([row["score"] for row in answer["data"]], scores)
    ranking = _post(client, "/rerank", model=model, query=QUERY, documents=_DOCUMENTS)
    order = [row["index"] for row in ranking["results"]]
    assert order == sorted(range(len(scores)), key=lambda place: -scores[place])
    _near([row["relevance_score"] for row in ranking["results"]], [scores[place] for place in order])
    if model == "rerank":
        assert answer["usage"]["prompt_tokens"] == sum(len(result.prompt_token_ids) for result in expected)


@pytest.mark.parametrize("model", ["late", "tiled"])
def test_models_of_late_interaction_rank_pages_and_texts(
    client: httpx.Client, offline: dict[str, LLM], model: str
) -> None:
    documents = [_DOCUMENTS[0], _DOCUMENTS[1], {"content": [_part(WIDE), _words("Describe the image.")]}]
    pages: list[Any] = ["Bread.", {"image": PAGE}, {"image": WIDE}]
    expected = offline[model].score(QUERY, pages, use_tqdm=False)
    scores = [result.outputs.score for result in expected]
    answer = _post(client, "/score", model=model, queries=QUERY, documents=documents)
    torch.testing.assert_close([row["score"] for row in answer["data"]], scores, atol=2e-4, rtol=0)
    ranking = _post(client, "/rerank", model=model, query=QUERY, documents=documents)["results"]
    assert [row["index"] for row in ranking] == sorted(range(3), key=lambda place: -scores[place])


@pytest.mark.parametrize("model", ["late", "tiled"])
def test_pages_have_the_vectors_and_places_that_they_have_offline(
    client: httpx.Client, offline: dict[str, LLM], model: str
) -> None:
    (expected,) = offline[model].encode([_prompt(PAGE)], pooling_task="token_embed", use_tqdm=False)
    messages = [{"role": "user", "content": [_part(PAGE)]}]
    answer = _post(client, "/pooling", model=model, messages=messages, return_positions=True)
    _near(answer["data"][0]["data"], expected.outputs.data)
    assert answer["data"][0]["positions"] == expected.outputs.positions
    assert answer["usage"]["prompt_tokens"] == len(expected.prompt_token_ids)


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/embeddings", {"model": "embed", "input": "a <IMG_CONTEXT> b"}, "<IMG_CONTEXT>"),
        ("/v1/embeddings", {"model": "embed", "input": [{"image": "AAAA"}]}, "image"),
        ("/score", {"model": "rerank", "queries": {"content": [_part(PAGE)]}, "documents": ["a"]}, "documents only"),
        ("/rerank", {"model": "rerank", "query": "a", "documents": ["<IMG_CONTEXT>"]}, "<IMG_CONTEXT>"),
        ("/rerank", {"model": "late", "query": "a", "documents": [_DOCUMENTS[2]]}, "not both"),
        ("/rerank", {"model": "tiled", "query": "a", "documents": [_DOCUMENTS[2]]}, "not both"),
        ("/score", {"model": "late", "queries": "<image>", "documents": ["a"]}, "<image>"),
    ],
)
def test_what_a_model_has_no_place_for_is_refused(
    client: httpx.Client, path: str, body: dict[str, Any], told: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["error"]["message"]
    assert "/tmp" not in answer.text
