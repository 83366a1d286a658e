"""`/v1/embeddings` over real HTTP, with a real model."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import json
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from cenote.engine import AsyncLLM
from cenote.types import Prompt

URL = "/v1/embeddings"
TEXTS = ["A cenote is a natural pit.", "It fills with ground water.", "naïve café, 日本語, \N{GRINNING FACE}"]


def embed(client: httpx.Client, **body: Any) -> dict[str, Any]:
    answer = client.post(URL, json=body)
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def vectors(answer: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.array([item["embedding"] for item in answer["data"]], dtype=np.float32)


@pytest.fixture(scope="module")
def expected(engine: AsyncLLM) -> np.ndarray[Any, Any]:
    outputs = asyncio.run(engine.run([Prompt(text=text) for text in TEXTS], task="embed"))
    return np.stack([output.outputs.data.numpy() for output in outputs])


def test_a_list_of_texts_gives_the_engines_vectors_in_order(client: httpx.Client, expected: Any) -> None:
    answer = embed(client, input=TEXTS)
    assert [item["index"] for item in answer["data"]] == [0, 1, 2]
    assert {item["object"] for item in answer["data"]} == {"embedding"}
    np.testing.assert_allclose(vectors(answer), expected, atol=2e-6)


def test_the_answer_has_the_fields_of_the_contract(client: httpx.Client) -> None:
    answer = embed(client, input=TEXTS[0], model="all-MiniLM-L6-v2", user="u", unknown_field={"a": 1})
    assert answer["id"].startswith("embd-")
    assert answer["object"] == "list"
    assert isinstance(answer["created"], int)
    assert answer["model"] == "all-MiniLM-L6-v2"
    assert answer["usage"] == {
        "prompt_tokens": 10,
        "total_tokens": 10,
        "completion_tokens": 0,
        "prompt_tokens_details": None,
        "completion_tokens_details": None,
        "truncated_tokens": 0,
    }


def test_float_and_base64_carry_the_same_bits(client: httpx.Client) -> None:
    plain = vectors(embed(client, input=TEXTS))
    packed = embed(client, input=TEXTS, encoding_format="base64")
    decoded = [np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4") for item in packed["data"]]
    np.testing.assert_allclose(np.stack(decoded), plain, atol=2e-6)
    one_plain = vectors(embed(client, input=TEXTS[0]))[0]
    one_packed = embed(client, input=TEXTS[0], encoding_format="base64")["data"][0]["embedding"]
    assert base64.b64decode(one_packed) == one_plain.astype("<f4").tobytes()


def test_token_ids_give_the_same_as_their_text(client: httpx.Client, engine: AsyncLLM) -> None:
    outputs = asyncio.run(engine.run([Prompt(text=text) for text in TEXTS], task="embed"))
    ids = [output.prompt_token_ids for output in outputs]
    by_text = vectors(embed(client, input=TEXTS))
    np.testing.assert_allclose(vectors(embed(client, input=ids)), by_text, atol=2e-6)
    np.testing.assert_allclose(vectors(embed(client, input=ids[0])), by_text[:1], atol=2e-6)


def test_null_fields_mean_the_default(client: httpx.Client) -> None:
    nulls = dict.fromkeys(
        ("model", "encoding_format", "dimensions", "truncate_prompt_tokens", "use_activation", "request_id", "messages")
    )
    np.testing.assert_array_equal(
        vectors(embed(client, input=TEXTS[0], **nulls)), vectors(embed(client, input=TEXTS[0]))
    )


def test_truncation_is_asked_for_and_counted(client: httpx.Client) -> None:
    answer = embed(client, input="word " * 100, truncate_prompt_tokens=10)
    assert answer["usage"]["prompt_tokens"] == 10
    assert answer["usage"]["truncated_tokens"] > 0
    whole = embed(client, input="word " * 1000, truncate_prompt_tokens=-1, truncation_side="left")
    assert whole["usage"]["prompt_tokens"] == 256


def test_without_special_tokens_there_are_two_fewer(client: httpx.Client) -> None:
    assert embed(client, input=TEXTS[0], add_special_tokens=False)["usage"]["prompt_tokens"] == 8


def test_use_activation_false_gives_vectors_that_are_not_normalised(client: httpx.Client) -> None:
    raw = vectors(embed(client, input=TEXTS[0], use_activation=False))[0]
    unit = vectors(embed(client, input=TEXTS[0]))[0]
    assert abs(np.linalg.norm(unit) - 1) < 1e-5
    assert abs(np.linalg.norm(raw) - 1) > 1e-2
    np.testing.assert_allclose(raw / np.linalg.norm(raw), unit, atol=1e-5)


def test_a_prompt_goes_in_front_of_the_text(client: httpx.Client) -> None:
    glued = vectors(embed(client, input="query: " + TEXTS[0]))
    np.testing.assert_allclose(vectors(embed(client, input=TEXTS[0], prompt="query: ")), glued, atol=2e-6)


@pytest.mark.parametrize("input_type", ["query", "search_query", "document", "passage", "search_document"])
def test_input_types_are_accepted(client: httpx.Client, input_type: str) -> None:
    assert len(embed(client, input=TEXTS[0], input_type=input_type)["data"]) == 1


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"])
def test_bytes_say_in_their_header_where_each_vector_lies(client: httpx.Client, dtype: str) -> None:
    answer = client.post(URL, json={"input": TEXTS, "encoding_format": "bytes", "embed_dtype": dtype})
    assert answer.headers["content-type"] == "application/octet-stream"
    metadata = json.loads(answer.headers["metadata"])
    width = {"float32": 4, "float16": 2, "bfloat16": 2}.get(dtype, 1)
    assert [(item["start"], item["end"]) for item in metadata["data"]] == [
        (index * 384 * width, (index + 1) * 384 * width) for index in range(3)
    ]
    assert metadata["data"][0]["shape"] == [384]
    assert metadata["usage"]["prompt_tokens"] > 0
    assert len(answer.content) == 3 * 384 * width


def test_byte_order_is_the_one_asked_for(client: httpx.Client, expected: Any) -> None:
    body = {"input": TEXTS, "encoding_format": "bytes_only", "endianness": "big"}
    answer = client.post(URL, json=body)
    assert "metadata" not in answer.headers
    np.testing.assert_allclose(np.frombuffer(answer.content, ">f4").reshape(3, -1), expected, atol=2e-6)
    half = client.post(URL, json={**body, "endianness": "little", "embed_dtype": "float16"})
    np.testing.assert_allclose(np.frombuffer(half.content, "<f2").reshape(3, -1), expected, atol=1e-3)


def test_the_bytes_header_survives_names_in_any_script(start_server: Any) -> None:
    name = "modèle-模型-\N{GRINNING FACE}"
    with start_server(names=(name,)) as running:
        answer = httpx.post(running.url + URL, json={"input": "x", "encoding_format": "bytes", "model": name})
    assert json.loads(answer.headers["metadata"])["model"] == name


def test_a_large_answer_arrives_whole(client: httpx.Client) -> None:
    texts = [f"text number {number}" for number in range(300)]
    answer = embed(client, input=texts)
    assert [item["index"] for item in answer["data"]] == list(range(300))
    np.testing.assert_allclose(vectors(answer)[7], vectors(embed(client, input=texts[7]))[0], atol=2e-6)


def test_the_official_client_gets_the_same_vectors(server: Any, expected: Any) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as official:
        by_default = official.embeddings.create(model="all-MiniLM-L6-v2", input=TEXTS)  # asks for base64 by itself
        as_floats = official.embeddings.create(model="all-MiniLM-L6-v2", input=TEXTS, encoding_format="float")
        listed = official.models.list()
    for answer in (by_default, as_floats):
        got = np.array([item.embedding for item in answer.data], dtype=np.float32)
        np.testing.assert_allclose(got, expected, atol=2e-6)
    assert by_default.usage.prompt_tokens == by_default.usage.total_tokens > 0
    assert [model.id for model in listed.data] == ["all-MiniLM-L6-v2"]


def test_the_official_client_raises_its_own_errors(server: Any) -> None:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0) as official:
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            official.embeddings.create(model="nope", input="x")
        with pytest.raises(openai.BadRequestError, match="does not support matryoshka") as caught:
            official.embeddings.create(model="all-MiniLM-L6-v2", input="x", dimensions=32)
    assert caught.value.param == "dimensions"
    assert caught.value.type == "BadRequestError"


def test_two_clients_that_wait_together_share_a_forward(
    server: Any, engine: AsyncLLM, until: Any, expected: Any
) -> None:
    def ask(text: str) -> dict[str, Any]:
        with httpx.Client(base_url=server.url, timeout=60) as own:
            return embed(own, input=text)

    before = engine.stats()
    engine.pause()
    try:
        with concurrent.futures.ThreadPoolExecutor() as pool:
            answers = [pool.submit(ask, text) for text in TEXTS[:2]]
            until(lambda: engine.stats().waiting == 2)
            engine.resume()
            got = np.concatenate([vectors(answer.result()) for answer in answers])
    finally:
        engine.resume()
    np.testing.assert_allclose(got, expected[:2], atol=2e-6)
    after = engine.stats()
    assert after.forwards - before.forwards == 1
    assert after.tokens - before.tokens == sum(answer.result()["usage"]["prompt_tokens"] for answer in answers)


def test_too_many_items_are_refused_before_any_is_looked_at(start_server: Any) -> None:
    many = ["a"] * 10 + [5.5]
    with start_server(max_items_per_request=10) as running, httpx.Client(base_url=running.url) as small:
        for path, body, name in (
            ("/v1/embeddings", {"input": many}, "input"),
            ("/pooling", {"input": many}, "input"),
            ("/score", {"queries": "a", "documents": many}, "documents"),
            ("/rerank", {"query": "a", "documents": many}, "documents"),
            ("/v2/embed", {"texts": many}, "texts"),
            ("/v2/embed", {"inputs": many}, "inputs"),
            ("/invocations", {"input": many}, "input"),
            ("/v1/embeddings", {"input": [{"role": "user"}, *many]}, "input"),
        ):
            error = small.post(path, json=body).json()["error"]
            assert (error["param"], error["code"]) == (name, 400)
            assert error["message"] == f"{name} has {len(body[name])} elements; at most 10 are allowed."
        assert small.post("/v1/embeddings", json={"input": [5] * 11}).status_code == 200  # ids of one prompt
        assert small.post("/v1/embeddings", json={"input": "a", "items": many}).status_code == 200  # no field here
        chat = [{"role": "user", "content": "a"}] * 11
        assert "elements" not in small.post("/v1/embeddings", json={"input": chat}).json()["error"]["message"]
