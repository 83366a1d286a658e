"""`/pooling`: every task per request, on an embedder, on classifiers and on a reward model with a chat template."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

URL = "/pooling"
PAIR = {"text": "What is a cenote?", "text_pair": "A natural pit."}
CHAT = [{"role": "user", "content": "Is it deep?"}, {"role": "assistant", "content": "Some are."}]


@contextlib.contextmanager
def _serving(name: str, folder: Path, start_server: Any) -> Iterator[httpx.Client]:
    engine = AsyncLLM(str(build_checkpoint(name, folder)), served_model_name=name)
    with start_server(engine=engine, names=(name,)) as running, httpx.Client(base_url=running.url) as client:
        yield client
    asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[httpx.Client]:
    with _serving("bert_classifier", tmp_path_factory.mktemp("c"), start_server) as client:
        yield client


@pytest.fixture(scope="module")
def reranker(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[httpx.Client]:
    with _serving("ms_marco_minilm", tmp_path_factory.mktemp("r"), start_server) as client:
        yield client


@pytest.fixture(scope="module")
def reward(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[httpx.Client]:
    with _serving("skywork_reward_v2", tmp_path_factory.mktemp("s"), start_server) as client:
        yield client


def _post(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()  # type: ignore[no-any-return]


def _data(client: httpx.Client, **body: Any) -> list[np.ndarray]:
    return [np.float64(item["data"]) for item in _post(client, **body)["data"]]


def _refusal(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json=body)
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]  # type: ignore[no-any-return]


def test_the_default_task_of_an_embedder_is_what_v1_embeddings_gives(client: httpx.Client) -> None:
    answer = _post(client, input=["a pit", "some bread"], request_id="mine")
    assert (answer["id"], answer["object"], answer["model"]) == ("pooling-mine", "list", "all-MiniLM-L6-v2")
    assert [(item["index"], item["object"]) for item in answer["data"]] == [(0, "pooling"), (1, "pooling")]
    same = client.post("/v1/embeddings", json={"input": ["a pit", "some bread"]}).json()
    assert answer["usage"] == same["usage"]
    for item, other in zip(answer["data"], same["data"], strict=True):
        assert np.abs(np.float64(item["data"]) - np.float64(other["embedding"])).max() < 1e-6


def test_token_embed_gives_a_row_per_token_and_activation_can_be_off(client: httpx.Client) -> None:
    (rows,) = _data(client, input="a natural pit", task="token_embed", use_activation=False)
    (whole,) = _data(client, input="a natural pit", task="embed", use_activation=False)
    assert rows.shape == (5, 384)
    assert np.abs(rows.mean(axis=0) - whole).max() < 1e-5


def test_a_classifier_gives_labels_per_text_and_per_token(classifier: httpx.Client) -> None:
    (values,) = _data(classifier, input="a fine day")
    assert values.shape == (3,)
    assert abs(values.sum() - 1) < 1e-5
    (tokens,) = _data(classifier, input="a fine day", task="token_classify")
    assert tokens.shape == (_post(classifier, input="a fine day")["usage"]["prompt_tokens"], 3)
    (logits,) = _data(classifier, input="a fine day", task="classify", use_activation=False)
    assert np.abs(np.exp(logits) / np.exp(logits).sum() - values).max() < 1e-5


def test_a_pair_is_read_jointly_and_score_is_classify_of_one_label(reranker: httpx.Client) -> None:
    both = _data(reranker, input=[PAIR, {"text": "a", "text_pair": "b"}], task="score")
    assert [value.shape for value in both] == [(1,), (1,)]
    for task in ("classify", None):
        (alone,) = _data(reranker, input=PAIR, task=task)
        assert abs(alone - both[0]).max() < 1e-6
    ids = _post(reranker, input=PAIR)["usage"]["prompt_tokens"]
    first, second = (_post(reranker, input=text)["usage"]["prompt_tokens"] for text in PAIR.values())
    assert ids == first + second - 1


def test_a_conversation_goes_through_the_models_template(reward: httpx.Client) -> None:
    (value,) = _data(reward, messages=CHAT, task="classify", use_activation=False)
    assert value.shape == (1,)
    plain = _post(reward, messages=CHAT)["usage"]["prompt_tokens"]
    opened = _post(reward, messages=CHAT[:1], add_generation_prompt=True)["usage"]["prompt_tokens"]
    closed = _post(reward, messages=CHAT[:1])["usage"]["prompt_tokens"]
    assert plain > opened > closed


def test_rows_of_tokens_travel_as_base64_and_as_bytes_with_their_shape(client: httpx.Client) -> None:
    body = {"input": ["a natural pit", "bread"], "task": "token_embed"}
    rows = _data(client, **body)
    encoded = _post(client, **body, encoding_format="base64")["data"]
    for item, expected in zip(encoded, rows, strict=True):
        found = np.frombuffer(base64.b64decode(item["data"]), np.float32).reshape(expected.shape)
        assert np.abs(found - expected).max() < 1e-6
    answer = client.post(URL, json={**body, "encoding_format": "bytes", "embed_dtype": "float16"})
    metadata = json.loads(answer.headers["metadata"])
    assert answer.headers["content-type"] == "application/octet-stream"
    assert metadata["id"].startswith("pooling-")
    for entry, expected in zip(metadata["data"], rows, strict=True):
        raw = answer.content[entry["start"] : entry["end"]]
        found = np.frombuffer(raw, np.float16).reshape(entry["shape"])
        assert np.abs(found.astype(np.float64) - expected).max() < 1e-2
    assert "metadata" not in client.post(URL, json={**body, "encoding_format": "bytes_only"}).headers


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({"task": "classify"}, "task", "cannot do task 'classify'"),
        ({"task": "plugin"}, "task", "cannot do task 'plugin'"),
        ({"task": "nonsense"}, "task", "cannot do task 'nonsense'"),
        ({"task": "encode"}, "task", "use token_embed or token_classify"),
        ({"task": "score"}, "task", "score"),
        ({"task": 5}, "body.PoolingRequest.task", "string"),
        ({"dimensions": 64}, "dimensions", "/v1/embeddings"),
        ({"task": "embed", "step_tag_id": 3}, "step_tag_id", "means nothing for task 'embed'"),
        ({"task": "token_embed", "returned_token_ids": [0]}, "returned_token_ids", "STEP pooling only"),
        ({"step_tag_id": "3"}, "body.PoolingRequest.step_tag_id", "integer"),
        ({"normalize": True}, "normalize", "use_activation"),
        ({"messages": CHAT}, "messages", "both input and messages"),
        ({"data": {}}, "data", "IO processor"),
        ({"input": None}, "input", "neither input nor messages"),
        ({"input": []}, "body.PoolingRequest.input", "empty list"),
        ({"input": {"text": "a", "text_pair": 5}}, "body.PoolingRequest.input", "must be a pair"),
        ({"input": [PAIR, "a"]}, "body.PoolingRequest.input", "element 1 is 'a'"),
        ({"input": "word " * 400}, "input_tokens", "at most 256"),
        ({"truncate_prompt_tokens": 257}, "truncate_prompt_tokens", "at most 256"),
        ({"chat_template": "x"}, "chat_template", "no chat_template"),
        ({"chat_template_kwargs": {"chat_template": "x"}}, "chat_template_kwargs", "no chat_template"),
        ({"media_io_kwargs": {"image": {}}}, "media_io_kwargs", "not offered"),
        ({"add_generation_prompt": True, "continue_final_message": True}, "add_generation_prompt", "exclude"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_the_field_named(
    client: httpx.Client, body: dict[str, Any], param: str, message: str
) -> None:
    error = _refusal(client, **{"input": "a", **body})
    assert error["param"] == param
    assert message in error["message"]


@pytest.mark.parametrize("messages", [[], "text", [5], [{"content": "no role"}], [{"role": "user", "content": 5}]])
def test_what_is_no_conversation_is_refused(reward: httpx.Client, messages: Any) -> None:
    assert _refusal(reward, messages=messages)["param"] == "messages"


def test_a_conversation_needs_a_template(client: httpx.Client) -> None:
    assert "template" in _refusal(client, messages=CHAT)["message"]


def test_an_unknown_model_is_404_and_too_many_inputs_are_refused(client: httpx.Client, start_server: Any) -> None:
    assert client.post(URL, json={"input": "a", "model": "other"}).status_code == 404
    with start_server(max_items_per_request=2) as running, httpx.Client(base_url=running.url) as small:
        assert _refusal(small, input=["a", "b", "c"])["param"] == "input"


def test_the_route_is_described(client: httpx.Client) -> None:
    described = client.get("/openapi.json").json()["paths"]["/pooling"]["post"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert {"input", "messages", "task", "use_activation", "encoding_format"} <= set(schema["properties"])
