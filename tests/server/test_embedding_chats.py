"""Conversations on `/v1/embeddings`: one, several, under `messages` and under `input`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote import LLM
from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

URL = "/v1/embeddings"
TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }} {% endfor %}"
    "{% if add_generation_prompt %}assistant: {% endif %}{{ tone | default('') }}"
)
ASK = [{"role": "user", "content": "Is it deep?"}]
TALK = [*ASK, {"role": "assistant", "content": [{"type": "text", "text": "Some are."}, "Most are not."]}]
CUSTOM = [{"role": "query", "content": "a pit"}]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_checkpoint("bert", tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def offline(folder: Path) -> LLM:
    return LLM(str(folder), chat_template=TEMPLATE)


@pytest.fixture(scope="module")
def chat(folder: Path, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(str(folder), served_model_name="m", chat_template=TEMPLATE)
    with start_server(engine=engine, names=("m",)) as running, httpx.Client(base_url=running.url) as client:
        yield client
    asyncio.run(engine.shutdown())


def _vectors(client: httpx.Client, **body: Any) -> np.ndarray[Any, Any]:
    answer = client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return np.array([item["embedding"] for item in data], dtype=np.float32)


@pytest.fixture(scope="module")
def expected(offline: LLM) -> np.ndarray[Any, Any]:
    outputs = offline.embed([{"messages": talk} for talk in (ASK, TALK, CUSTOM)])
    return np.array([output.outputs.embedding for output in outputs], dtype=np.float32)


@pytest.mark.parametrize("field", ["messages", "input"])
def test_one_conversation_gives_one_vector(chat: httpx.Client, expected: Any, field: str) -> None:
    np.testing.assert_allclose(_vectors(chat, **{field: TALK}), expected[1:2], atol=2e-6)


@pytest.mark.parametrize("field", ["messages", "input"])
def test_several_conversations_give_a_vector_each(chat: httpx.Client, expected: Any, field: str) -> None:
    np.testing.assert_allclose(_vectors(chat, **{field: [ASK, TALK, CUSTOM]}), expected, atol=2e-6)
    np.testing.assert_allclose(_vectors(chat, **{field: [CUSTOM]}), expected[2:], atol=2e-6)


def test_the_fields_of_conversations_reach_the_template(chat: httpx.Client, offline: LLM) -> None:
    as_text = [
        "user: Is it deep? assistant: ",
        "user: Is it deep? loud",
        "[CLS] user: Is it deep? [SEP]",
    ]
    bare = {"tokenization_kwargs": {"add_special_tokens": False}}
    opened, toned = (output.outputs.embedding for output in offline.embed(as_text[:2], **bare))
    (special,) = offline.embed([as_text[2][6:-6]])
    np.testing.assert_allclose(_vectors(chat, messages=ASK, add_generation_prompt=True)[0], opened, atol=2e-6)
    np.testing.assert_allclose(_vectors(chat, messages=ASK, chat_template_kwargs={"tone": "loud"})[0], toned, atol=2e-6)
    found = _vectors(chat, messages=ASK, add_special_tokens=True)[0]
    np.testing.assert_allclose(found, special.outputs.embedding, atol=2e-6)


def test_a_conversation_that_is_too_long_fails_alone_where_asked(chat: httpx.Client, expected: Any) -> None:
    long = [{"role": "user", "content": "word " * 2000}]
    answer = chat.post(URL, json={"messages": [ASK, long], "on_error": "item"})
    first, second = answer.json()["data"]
    np.testing.assert_allclose(first["embedding"], expected[0], atol=2e-6)
    assert second["error"]["param"] == "input_tokens"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": ASK, "input": "x"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [[]]}, "messages"),
        ({"messages": [ASK, []]}, "messages"),
        ({"messages": [ASK, "x"]}, "messages"),
        ({"messages": [ASK[0], ASK]}, "messages"),
        ({"messages": [[ASK]]}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": [{"content": "x"}]}, "messages"),
        ({"messages": [{"role": 5, "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": True}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages"),
        ({"input": [ASK[0], "x"]}, "body.EmbeddingRequest.input"),
        ({"input": [ASK, "x"]}, "body.EmbeddingRequest.input"),
        ({"input": [ASK, [1, 2]]}, "body.EmbeddingRequest.input"),
        ({"input": [True]}, "body.EmbeddingRequest.input"),
        ({"input": ["1", 2]}, "body.EmbeddingRequest.input"),
        ({"messages": ASK, "add_generation_prompt": True, "continue_final_message": True}, "add_generation_prompt"),
        ({"messages": ASK, "chat_template": "{{ 1 }}"}, "chat_template"),
        ({"messages": ASK, "chat_template_kwargs": {"chat_template": "x"}}, "chat_template_kwargs"),
        ({"messages": ASK, "media_io_kwargs": {"image": {}}}, "media_io_kwargs"),
        ({"messages": ASK, "prompt": "in front: "}, "prompt"),
        ({"messages": ASK, "late_chunking": True}, "input"),
    ],
)
def test_what_is_no_conversation_is_refused(chat: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = chat.post(URL, json=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["param"] == param


@pytest.mark.parametrize("route", ["/pooling"])
def test_other_routes_take_one_conversation(chat: httpx.Client, route: str) -> None:
    assert chat.post(route, json={"messages": ASK, "task": "embed"}).status_code == 200
    assert chat.post(route, json={"messages": [ASK, TALK], "task": "embed"}).json()["error"]["param"] == "messages"


def test_a_conversation_needs_a_template(client: httpx.Client) -> None:
    answer = client.post(URL, json={"messages": [ASK, TALK]})
    assert answer.status_code == 400
    assert "template" in answer.json()["error"]["message"]
