"""Switches of the operator that let requests do more: chat templates of their own, and fields of older releases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

CHAT = [{"role": "user", "content": "alpha beta"}]
TEMPLATE = "{% for message in messages %}say {{ message['content'] }} {{ tail }}{% endfor %}"


@pytest.fixture(scope="module")
def chatty(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[httpx.Client]:
    """A server that trusts templates of requests; its model has none of its own."""
    folder = build_checkpoint("bert", tmp_path_factory.mktemp("bert"))
    engine = AsyncLLM(str(folder), served_model_name="bert")
    with (
        start_server(engine=engine, names=("bert",), trust_request_chat_template=True) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        yield client
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AsyncLLM]:
    engine = AsyncLLM(str(build_checkpoint("bge_reranker_v2_m3", tmp_path_factory.mktemp("ranker"))))
    yield engine
    asyncio.run(engine.shutdown())


def _vector(client: httpx.Client, **body: Any) -> Any:
    answer = client.post("/pooling", json={"task": "embed", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"][0]["data"]


def test_a_trusted_template_makes_the_text(chatty: httpx.Client) -> None:
    text = _vector(chatty, input="say alpha beta end", add_special_tokens=False)
    kwargs = {"tail": "end"}
    assert _vector(chatty, messages=CHAT, chat_template=TEMPLATE, chat_template_kwargs=kwargs) == text
    inside = {**kwargs, "chat_template": TEMPLATE}
    assert _vector(chatty, messages=CHAT, chat_template_kwargs=inside) == text


def test_every_route_with_conversations_takes_a_trusted_template(chatty: httpx.Client, client: httpx.Client) -> None:
    body = {"messages": CHAT, "chat_template": TEMPLATE, "chat_template_kwargs": {"tail": "end"}}
    vector = chatty.post("/v1/embeddings", json=body).json()["data"][0]["embedding"]
    assert vector == _vector(chatty, input="say alpha beta end", add_special_tokens=False)
    tokens = chatty.post("/tokenize", json=body).json()["tokens"]
    expected = chatty.post("/tokenize", json={"prompt": "say alpha beta end", "add_special_tokens": False}).json()
    assert tokens == expected["tokens"]
    for path in ("/v1/embeddings", "/tokenize"):
        refused = client.post(path, json=body)
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "chat_template"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"chat_template": "{{ raise_exception('not so') }}"}, None),
        ({"chat_template": "{% for"}, None),
        ({"chat_template": "{{ messages.__class__.__mro__ }}"}, None),
        ({"chat_template": "a", "chat_template_kwargs": {"chat_template": "b"}}, "chat_template"),
        ({"chat_template_kwargs": {"chat_template": 5}}, "chat_template_kwargs"),
        ({}, "messages"),
    ],
)
def test_a_template_that_cannot_be_used_is_400(chatty: httpx.Client, body: dict[str, Any], param: str | None) -> None:
    answer = chatty.post("/pooling", json={"messages": CHAT, **body})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_an_untrusted_template_is_refused_after_the_model_name(client: httpx.Client) -> None:
    body = {"messages": CHAT, "chat_template": TEMPLATE}
    refused = client.post("/pooling", json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "chat_template"
    assert client.post("/pooling", json={**body, "model": "other"}).status_code == 404


@pytest.mark.parametrize("name", ["normalize", "softmax", "activation"])
def test_removed_fields_count_as_use_activation_with_a_warning_where_allowed(start_server: Any, name: str) -> None:
    with start_server(accept_deprecated_fields=True) as running, httpx.Client(base_url=running.url) as client:
        old = client.post("/v1/embeddings", json={"input": "a", name: True})
        now = client.post("/v1/embeddings", json={"input": "a", "use_activation": True})
        assert old.json()["data"] == now.json()["data"]
        assert old.headers["warning"] == f'299 cenote "{name} is deprecated; use use_activation"'
        assert "warning" not in now.headers
        both = client.post("/v1/embeddings", json={"input": "a", name: True, "use_activation": False})
        assert both.status_code == 400
        assert both.json()["error"]["param"] == name
        assert client.post("/v1/embeddings", json={"input": "a", name: "yes"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify", {"input": "a"}),
        ("/pooling", {"input": "a", "task": "classify"}),
        ("/score", {"queries": "a", "documents": "b"}),
        ("/rerank", {"query": "a", "documents": ["b"]}),
    ],
)
def test_removed_fields_are_accepted_on_every_native_route(
    ranker: AsyncLLM, start_server: Any, path: str, body: dict[str, Any]
) -> None:
    with start_server(engine=ranker, accept_deprecated_fields=True) as running:
        old = httpx.post(running.url + path, json={**body, "activation": False})
        now = httpx.post(running.url + path, json={**body, "use_activation": False})
        assert old.status_code == 200, old.text
        numbers = "results" if path == "/rerank" else "data"
        assert old.json()[numbers] == now.json()[numbers]
        assert "activation is deprecated" in old.headers["warning"]
    with start_server(engine=ranker) as running:
        refused = httpx.post(running.url + path, json={**body, "activation": False})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] == "activation"


def test_the_load_is_counted_whether_or_not_it_is_asked_for(start_server: Any) -> None:
    for wanted in (True, False):
        with start_server(enable_server_load_tracking=wanted) as running:
            running.state.in_flight = 3
            assert httpx.get(running.url + "/load").json() == {"server_load": 3}
            running.state.in_flight = 0
