"""CLIP over HTTP: texts and images of all routes give what they give offline."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.testing.pictures import sample_picture

TEXT = "Where is the water deepest?"
PAGE, NOTE = sample_picture(96, 64), sample_picture(64, 96, seed=1)


def _base64(image: Any) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def _url(image: Any) -> str:
    return f"data:image/png;base64,{_base64(image)}"


def _part(image: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": _url(image)}}


@pytest.fixture(scope="module", params=["clip", "siglip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(build_checkpoint(request.param, tmp_path_factory.mktemp(request.param) / "model"))


@pytest.fixture(scope="module")
def offline(folder: str) -> LLM:
    return LLM(folder)


@pytest.fixture(scope="module")
def client(folder: str, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(folder)
    with start_server(engine=engine, names=("towers",)) as running:
        with httpx.Client(base_url=running.url, timeout=60) as client:
            yield client
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def vectors(offline: LLM) -> dict[str, Any]:
    prompts = [TEXT, *({"multi_modal_data": {"image": image}} for image in (PAGE, NOTE))]
    found = [output.outputs.embedding for output in offline.embed(prompts)]
    return dict(zip(("text", "page", "note"), found, strict=True))


def _post(client: httpx.Client, path: str, **body: Any) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_messages_with_an_image_or_a_text_are_embedded(client: httpx.Client, vectors: dict[str, Any]) -> None:
    for content, name in (([_part(PAGE)], "page"), (TEXT, "text"), ([{"type": "text", "text": TEXT}], "text")):
        answer = _post(client, "/v1/embeddings", messages=[{"role": "user", "content": content}])
        _close(answer["data"][0]["embedding"], vectors[name])
        assert answer["usage"]["prompt_tokens"] > 0


def test_jinas_inputs_are_embedded(client: httpx.Client, vectors: dict[str, Any]) -> None:
    answer = _post(client, "/v1/embeddings", input=[{"text": TEXT}, {"image": _base64(PAGE)}, {"image": _url(NOTE)}])
    _close([row["embedding"] for row in answer["data"]], [vectors[name] for name in ("text", "page", "note")])


def test_coheres_images_and_inputs_are_embedded(client: httpx.Client, vectors: dict[str, Any]) -> None:
    images = _post(client, "/v2/embed", model="towers", input_type="image", images=[_url(PAGE), _url(NOTE)])
    _close(images["embeddings"]["float"], [vectors["page"], vectors["note"]])
    inputs = [{"content": [_part(NOTE)]}, {"content": [{"type": "text", "text": TEXT}]}]
    mixed = _post(client, "/v2/embed", model="towers", input_type="search_document", inputs=inputs)
    _close(mixed["embeddings"]["float"], [vectors["note"], vectors["text"]])


def test_a_text_ranks_images(client: httpx.Client, vectors: dict[str, Any]) -> None:
    documents = [{"content": [_part(PAGE)]}, {"content": [_part(NOTE)]}, "Bread."]
    answer = _post(client, "/rerank", query=TEXT, documents=documents)
    scores = {row["index"]: row["relevance_score"] for row in answer["results"]}
    for place, name in enumerate(("page", "note")):
        assert scores[place] == pytest.approx(float(np.dot(vectors["text"], vectors[name])), abs=2e-6)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([_part(PAGE), {"type": "text", "text": "A well."}], "a text or an image, each by itself"),
        ([_part(PAGE), _part(NOTE)], "one image per prompt"),
        ([{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}], "text and image only"),
        ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], "image"),
    ],
)
def test_what_the_model_cannot_read_is_refused(client: httpx.Client, content: Any, told: str) -> None:
    answer = client.post("/v1/embeddings", json={"messages": [{"role": "user", "content": content}]})
    assert answer.status_code == 400, answer.text
    assert told in answer.json()["error"]["message"]
    assert "/tmp" not in answer.text


def test_a_text_that_is_too_long_is_refused_unless_it_may_be_cut(client: httpx.Client) -> None:
    long = {"input": "water " * 200}
    refused = client.post("/v1/embeddings", json=long)
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input_tokens")
    _post(client, "/v1/embeddings", **long, truncate_prompt_tokens=-1)
