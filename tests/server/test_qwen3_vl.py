"""Qwen3-VL-Embedding and -Reranker over HTTP: texts and images give what they give offline, and bad bodies are 400."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import torch

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture

WELL = "How deep is the well?"
PAGE, NOTE = sample_picture(96, 64), sample_picture(64, 96, seed=1)
_MODELS = {"qwen3_vl_embedding": "Qwen3-VL-Embedding-2B", "qwen3_vl_reranker": "Qwen3-VL-Reranker-2B"}


def address(image: Any) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def part(image: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address(image)}}


def words(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("qwen3_vl")
    return {family: str(build_checkpoint(family, root / name)) for family, name in _MODELS.items()}


@pytest.fixture(scope="module")
def embedder(folders: dict[str, str]) -> LLM:
    return LLM(folders["qwen3_vl_embedding"])


@pytest.fixture(scope="module")
def reranker(folders: dict[str, str]) -> LLM:
    return LLM(folders["qwen3_vl_reranker"])


def _serve(folder: str, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(folder, max_model_len=512)
    with start_server(engine=engine, names=("pages",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def embeds(folders: dict[str, str], start_server: Any) -> Iterator[httpx.Client]:
    yield from _serve(folders["qwen3_vl_embedding"], start_server)


@pytest.fixture(scope="module")
def ranks(folders: dict[str, str], start_server: Any) -> Iterator[httpx.Client]:
    yield from _serve(folders["qwen3_vl_reranker"], start_server)


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def _near(found: Any, expected: Any) -> None:
    torch.testing.assert_close(torch.tensor(found), torch.as_tensor(expected), atol=2e-5, rtol=0)


def _vector(model: LLM, given: Any, **options: Any) -> Any:
    return model.embed([given], use_tqdm=False, **options)[0].outputs.embedding


def test_messages_with_images_are_embedded(embeds: httpx.Client, embedder: LLM) -> None:
    image = {"multi_modal_data": {"image": PAGE}}
    for content, expected in (
        ([part(PAGE)], image),
        ([part(PAGE), words(WELL)], {**image, "prompt": WELL}),
        ([words(WELL), part(PAGE)], {**image, "prompt": WELL}),
        ([words(WELL)], WELL),
    ):
        for role in ("user", "query", "document"):
            found = _post(embeds, "/v1/embeddings", messages=[{"role": role, "content": content}])
            _near(found["data"][0]["embedding"], _vector(embedder, expected))


def test_an_instruction_is_the_prompt_of_a_request(embeds: httpx.Client, embedder: LLM) -> None:
    talk = [{"role": "user", "content": [part(PAGE)]}]
    plain = _post(embeds, "/v1/embeddings", messages=talk)["data"][0]["embedding"]
    own = _vector(embedder, {"multi_modal_data": {"image": PAGE}}, prompt="Find wells")
    found = _post(embeds, "/v1/embeddings", messages=talk, prompt="Find wells")["data"][0]["embedding"]
    _near(found, own)
    assert max(abs(one - other) for one, other in zip(plain, own, strict=True)) > 1e-3


def test_a_system_message_goes_through_the_chat_template(embeds: httpx.Client, embedder: LLM) -> None:
    talk = [{"role": "system", "content": "Find wells."}, {"role": "user", "content": [part(PAGE), words(WELL)]}]
    found = _post(embeds, "/v1/embeddings", messages=talk, add_generation_prompt=True)["data"][0]["embedding"]
    _near(found, _vector(embedder, {"multi_modal_data": {"image": PAGE}, "prompt": WELL}, prompt="Find wells"))


def test_vectors_are_cut_on_request(embeds: httpx.Client) -> None:
    found = _post(embeds, "/v1/embeddings", input=[WELL], dimensions=12)["data"][0]["embedding"]
    assert len(found) == 12
    assert abs(sum(value * value for value in found) - 1) < 1e-5


def test_documents_with_images_are_ranked(ranks: httpx.Client, reranker: LLM) -> None:
    documents = ["Ground water.", {"content": [part(PAGE)]}, {"content": [part(NOTE), words("A page")]}]
    offline: list[Any] = ["Ground water.", PAGE, {"image": NOTE, "text": "A page"}]
    expected = [result.outputs.score for result in reranker.score(WELL, offline, use_tqdm=False)]
    found = _post(ranks, "/rerank", query=WELL, documents=documents)["results"]
    _near([entry["relevance_score"] for entry in found], sorted(expected, reverse=True))
    assert [entry["index"] for entry in found] == sorted(range(3), key=lambda at: -expected[at])
    scores = _post(ranks, "/score", queries=WELL, documents=documents)["data"]
    _near([entry["score"] for entry in scores], expected)


def test_a_query_may_be_an_image_and_bring_an_instruction(ranks: httpx.Client, reranker: LLM) -> None:
    query = {"content": [part(NOTE), words("Alike?")]}
    (expected,) = reranker.score({"image": NOTE, "text": "Alike?"}, PAGE, instruction="Find pages", use_tqdm=False)
    for given in ({"instruction": "Find pages"}, {"chat_template_kwargs": {"instruction": "Find pages"}}):
        found = _post(ranks, "/score", queries=query, documents={"content": [part(PAGE)]}, **given)
        _near(found["data"][0]["score"], expected.outputs.score)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"input": ["water <|image_pad|>"]}),
        ("/v1/embeddings", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        ("/v1/embeddings", {"messages": [{"role": "user", "content": [words("<|video_pad|>"), part(PAGE)]}]}),
        ("/v1/embeddings", {"input": [WELL], "dimensions": 65}),
    ],
)
def test_a_bad_body_for_the_embedder_is_400(path: str, body: dict[str, Any], embeds: httpx.Client) -> None:
    answer = embeds.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert len(answer.text) < 1500


@pytest.mark.parametrize(
    "document",
    [
        "water <|image_pad|>",
        {"content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"content": [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}]},
        {"content": [part(PAGE), words("<|image_pad|>")]},
        "water " * 2000,
    ],
)
def test_a_bad_document_is_400(document: Any, ranks: httpx.Client) -> None:
    answer = ranks.post("/rerank", json={"query": WELL, "documents": ["rain", document]})
    assert answer.status_code == 400, answer.text
    assert len(answer.text) < 1500


def test_a_conversation_has_the_tokens_that_other_routes_run(embeds: httpx.Client) -> None:
    for content in ([part(PAGE)], [words(WELL)], [part(PAGE), part(NOTE), words(WELL)]):
        messages = [{"role": "user", "content": content}]
        used = _post(embeds, "/v1/embeddings", messages=messages)["usage"]["prompt_tokens"]
        assert _post(embeds, "/tokenize", messages=messages)["count"] == used
    several = [{"role": "user", "content": [part(PAGE)]}, {"role": "assistant", "content": "A page."}]
    used = _post(embeds, "/v1/embeddings", messages=several)["usage"]["prompt_tokens"]
    assert _post(embeds, "/tokenize", messages=several, add_generation_prompt=False)["count"] == used
