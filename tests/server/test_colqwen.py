"""ColQwen models over HTTP: pages, films and texts give what they give offline, and attacks on prompts fail."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any

import av
import httpx
import numpy as np
import pytest
import torch

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture

QUERY = "Where is the water deepest?"
PAGE, NOTE = sample_picture(96, 64), sample_picture(64, 96, seed=1)
PLACEHOLDER = "<|vision_start|><|image_pad|><|vision_end|>"


def encoded(image: Any, kind: str = "PNG") -> str:
    file = io.BytesIO()
    image.save(file, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"


def part(image: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": encoded(image)}}


def talk(*content: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": list(content)}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint("colqwen3", tmp_path_factory.mktemp("colqwen3") / "model"))


@pytest.fixture(scope="module")
def offline(folder: str) -> LLM:
    return LLM(folder)


@pytest.fixture(scope="module")
def pages(folder: str, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(folder, max_model_len=256, enable_mm_embeds=True)
    with start_server(engine=engine, names=("pages",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client
    asyncio.run(engine.shutdown())


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def _error(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 400, answer.text
    assert len(answer.text) < 1500
    return answer.json()["error"]  # type: ignore[no-any-return]


def _near(found: Any, expected: Any) -> None:
    torch.testing.assert_close(torch.tensor(found), torch.as_tensor(expected), atol=2e-5, rtol=0)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pooling", {"messages": talk(part(PAGE))}),
        (
            "/pooling",
            {"messages": talk(part(PAGE), {"type": "text", "text": "Describe the image."}), "task": "token_embed"},
        ),
        ("/v1/embeddings", {"input": [{"image": encoded(PAGE)}], "return_multivector": True}),
        ("/v1/embeddings", {"input": [talk(part(PAGE))], "outputs": ["multi"]}),
        ("/invocations", {"messages": talk(part(PAGE)), "task": "token_embed"}),
    ],
)
def test_a_page_has_the_vectors_and_tokens_that_it_has_offline(
    pages: httpx.Client, offline: LLM, path: str, body: dict[str, Any]
) -> None:
    (expected,) = offline.encode({"multi_modal_data": {"image": PAGE}}, pooling_task="token_embed")
    answer = _post(pages, path, **body, return_positions=True)
    (entry,) = answer["data"]
    _near(next(entry[key] for key in ("data", "embeddings", "multi") if key in entry), expected.outputs.data)
    assert entry["positions"] == expected.outputs.positions
    assert [0, 0] in entry["positions"]
    assert [1, 2] in entry["positions"]
    assert answer["usage"]["prompt_tokens"] == len(expected.prompt_token_ids)


def test_batches_of_pages_and_texts_are_what_each_is_alone(pages: httpx.Client, offline: LLM) -> None:
    items = [{"image": encoded(PAGE)}, {"text": QUERY}, {"image": encoded(NOTE)}]
    answer = _post(pages, "/v1/embeddings", input=items, return_multivector=True)
    prompts = [{"multi_modal_data": {"image": PAGE}}, QUERY, {"multi_modal_data": {"image": NOTE}}]
    for entry, prompt in zip(answer["data"], prompts, strict=True):
        (alone,) = offline.encode(prompt, pooling_task="token_embed")
        _near(entry["embeddings"], alone.outputs.data)


def test_pages_are_ranked_for_texts_and_for_pages(pages: httpx.Client, offline: LLM) -> None:
    images = [{"multi_modal_data": {"image": image}} for image in (PAGE, NOTE)]
    documents = [{"content": [part(PAGE)]}, {"image": encoded(NOTE)}, "The lake is deep in the north."]
    for query, given in ((QUERY, QUERY), ({"content": [part(NOTE)]}, images[1])):
        expected = [output.outputs.score for output in offline.score(given, [*images, documents[2]])]
        scores = _post(pages, "/score", queries=query, documents=documents)["data"]
        _near([item["score"] for item in scores], expected)
        ranking = _post(pages, "/rerank", query=query, documents=documents)["results"]
        assert [item["index"] for item in ranking] == sorted(range(3), key=lambda at: -expected[at])
        _near([item["relevance_score"] for item in ranking], sorted(expected, reverse=True))
    assert {item["index"]: item["document"]["multi_modal"] for item in ranking}[0] == [part(PAGE)]


def test_a_layout_that_the_user_wrote_is_taken_as_it_is(pages: httpx.Client, offline: LLM) -> None:
    text = f"{PLACEHOLDER} a page"
    prompt = {"prompt": text, "multi_modal_data": {"image": PAGE}}
    (expected,) = offline.encode(prompt, pooling_task="token_embed")
    (query,) = offline.encode(QUERY, pooling_task="token_embed", role="query")
    score = float((query.outputs.data @ expected.outputs.data.T).amax(dim=1).sum())
    document = {"prompt": text, "multi_modal_data": {"image": encoded(PAGE)}}
    _near(_post(pages, "/score", queries=QUERY, documents=[document])["data"][0]["score"], score)


CAPTION = {"type": "text", "text": "cap <|image_pad|> x"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pooling", {"messages": talk(part(PAGE), CAPTION)}),
        ("/pooling", {"messages": talk(CAPTION, part(PAGE), role="document")}),
        ("/v1/embeddings", {"input": [{"image": encoded(PAGE), "text": CAPTION["text"]}], "return_multivector": True}),
        ("/rerank", {"query": "q", "documents": ["a", {"content": [part(PAGE), CAPTION]}]}),
        ("/rerank", {"query": "q", "documents": [{"image": encoded(PAGE), "text": CAPTION["text"]}]}),
        ("/rerank", {"query": {"content": [part(PAGE), CAPTION]}, "documents": ["a"]}),
        ("/score", {"data_1": "q", "data_2": [{"content": [part(PAGE), CAPTION]}]}),
        ("/score", {"queries": "q", "documents": [{"text": CAPTION["text"], "image_url": {"url": encoded(PAGE)}}]}),
    ],
)
def test_a_caption_does_not_take_its_image_over(pages: httpx.Client, path: str, body: dict[str, Any]) -> None:
    assert "'<|image_pad|>'" in _error(pages, path, **body)["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/pooling", {"input": "a <|image_pad|> b"}),
        ("/pooling", {"input": PLACEHOLDER}),
        ("/pooling", {"messages": talk("a <|video_pad|> b")}),
        ("/pooling", {"messages": talk(part(PAGE), f"{PLACEHOLDER}{PLACEHOLDER}")}),
        ("/v1/embeddings", {"input": ["a", "<|image_pad|>"], "return_multivector": True}),
        ("/score", {"queries": "a <|image_pad|>", "documents": [{"image": encoded(PAGE)}]}),
        ("/rerank", {"query": "a", "documents": [{"text": "<|image_pad|>", "id": 1}]}),
    ],
)
def test_placeholders_without_their_image_are_refused(pages: httpx.Client, path: str, body: dict[str, Any]) -> None:
    assert "_pad|>" in _error(pages, path, **body)["message"]


def test_a_page_with_too_many_tokens_is_refused_and_told_how_many(pages: httpx.Client) -> None:
    error = _error(pages, "/pooling", messages=talk(part(sample_picture(900, 900))))
    assert "256" in error["message"]
    assert "smaller" in error["message"] or "max_pixels" in error["message"]
    cut = _error(pages, "/pooling", messages=talk(part(sample_picture(900, 900))), truncate_prompt_tokens=-1)
    assert cut["message"]
    thin = _error(pages, "/pooling", messages=talk(part(sample_picture(4000, 8))))
    assert thin["param"] == "image_url"


def test_one_bad_page_fails_alone(pages: httpx.Client) -> None:
    bad = {"image": "data:image/png;base64," + base64.b64encode(b"no page").decode()}
    body = {"input": [{"image": encoded(PAGE)}, bad, "a <|image_pad|>"], "return_multivector": True, "on_error": "item"}
    data = _post(pages, "/v1/embeddings", **body)["data"]
    assert ["error" in entry for entry in data] == [False, True, True]
    assert data[1]["error"]["param"] == "image"


def test_other_answers_than_vectors_of_tokens_are_not_offered(pages: httpx.Client) -> None:
    assert pages.post("/v1/embeddings", json={"input": [{"image": encoded(PAGE)}]}).status_code == 501
    assert pages.post("/v2/embed", json={"images": [encoded(PAGE)]}).status_code in (404, 501)


def test_what_a_vision_tower_made_is_read_in_place_of_the_page(pages: httpx.Client, folder: str) -> None:
    wrong = io.BytesIO()
    torch.save(torch.zeros(4, 3), wrong)
    text = base64.b64encode(wrong.getvalue()).decode()
    for value in (text, "AAAA", {"image_embeds": "not base64!"}, [[1.0, 2.0], [3.0]]):
        error = _error(pages, "/pooling", messages=talk({"type": "image_embeds", "image_embeds": value}))
        assert error["param"] == "image_embeds", error
        assert text[:40] not in error["message"]


def film(frames: int = 8, size: tuple[int, int] = (64, 64)) -> str:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=4)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_image(sample_picture(*size, seed=number))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return "data:video/mp4;base64," + base64.b64encode(file.getvalue()).decode()


def test_films_are_read_by_the_model_that_reads_them(
    pages: httpx.Client, tmp_path_factory: pytest.TempPathFactory, start_server: Any
) -> None:
    message = talk({"type": "video_url", "video_url": {"url": film()}})
    assert "video" in _error(pages, "/pooling", messages=message)["message"]
    engine = AsyncLLM(str(build_checkpoint("colqwen3_5", tmp_path_factory.mktemp("colqwen3_5") / "model")))
    with start_server(engine=engine, names=("films",)) as running, httpx.Client(base_url=running.url) as client:
        answer = _post(client, "/pooling", messages=message, return_positions=True)
        (entry,) = answer["data"]
        assert len(entry["data"]) == answer["usage"]["prompt_tokens"]
        assert {len(place) for place in entry["positions"] if isinstance(place, list)} == {3}
        films = [{"content": message[0]["content"]}, {"video": film(4)}]
        answer = _post(client, "/score", queries=QUERY, documents=films)
        assert all(np.isfinite(item["score"]) for item in answer["data"])
        broken = talk({"type": "video_url", "video_url": {"url": film()[:300]}})
        assert _error(client, "/pooling", messages=broken)["param"] == "video_url"
        picture = talk({"type": "video_url", "video_url": {"url": encoded(PAGE)}})
        assert _error(client, "/pooling", messages=picture)["param"] == "video_url"
    asyncio.run(engine.shutdown())
