"""Cohere's embed routes, versions 1 and 2: the engine's vectors in every type, under Cohere's names."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import cohere
import httpx
import numpy as np
import pytest

from cenote.engine import AsyncLLM
from cenote.outputs.quantize import quantize
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingParams, Prompt, Role

TEXTS = ["A natural pit.", "Bread is baked in the morning."]
TYPES = ["float", "int8", "uint8", "binary", "ubinary", "base64"]
LONG = "word " * 600


def _vectors(
    engine: AsyncLLM, texts: list[str], params: PoolingParams | None = None, role: Role | None = None
) -> np.ndarray:
    run = engine.run([Prompt(text=text) for text in texts], task="embed", params=params, role=role)
    return np.stack([output.outputs.data.numpy() for output in asyncio.run(run)])


def _post(client: httpx.Client, path: str = "/v2/embed", **body: Any) -> dict[str, Any]:
    answer = client.post(path, json={"texts": TEXTS, **body})
    assert answer.status_code == 200, answer.text
    parsed: dict[str, Any] = answer.json()
    return parsed


def _floats(client: httpx.Client, **body: Any) -> np.ndarray:
    return np.float32(_post(client, **body)["embeddings"]["float"])


def _close(found: Any, expected: Any) -> bool:
    return bool(np.abs(np.float64(found) - np.float64(expected)).max() < 1e-5)


@pytest.fixture(scope="module")
def prompted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, AsyncLLM]]:
    """A model with stored prompts that may be cut, and one whose tasks are adapters with prompts of their own."""
    folder = tmp_path_factory.mktemp("prompted")
    gemma = build_checkpoint("embeddinggemma", folder / "gemma", config={"is_matryoshka": True})
    jina = build_checkpoint("jina_embeddings_v3", folder / "jina")
    engines = {"gemma": AsyncLLM(str(gemma)), "jina": AsyncLLM(str(jina))}
    yield engines
    for engine in engines.values():
        asyncio.run(engine.shutdown())


@pytest.fixture(scope="module")
def prompts(prompted: dict[str, AsyncLLM], start_server: Any) -> Iterator[httpx.Client]:
    with start_server(engine=prompted) as running, httpx.Client(base_url=running.url, timeout=60) as client:
        yield client


def test_every_type_holds_the_engines_vectors(client: httpx.Client, engine: AsyncLLM) -> None:
    expected = _vectors(engine, TEXTS)
    for path in ("/v1/embed", "/v2/embed"):
        found = _post(client, path, embedding_types=TYPES, input_type="search_document")["embeddings"]
        assert list(found) == TYPES
        assert _close(found["float"], expected)
        packed = [np.frombuffer(base64.b64decode(text), "<f4") for text in found["base64"]]
        assert _close(packed, found["float"])
        rows = _tensor(found["float"])
        for kind in ("int8", "uint8", "binary", "ubinary"):
            assert found[kind] == quantize(rows, kind).tolist()
    assert np.int16(found["ubinary"]).tolist() == (np.int16(found["binary"]) + 128).tolist()


def _tensor(rows: list[list[float]]) -> Any:
    import torch

    return torch.tensor(rows, dtype=torch.float32)


def test_version_2_answers_by_type_and_repeats_the_texts(client: httpx.Client) -> None:
    answer = _post(client, request_id="mine")
    tokens = client.post("/v1/embeddings", json={"input": TEXTS}).json()["usage"]["prompt_tokens"]
    assert list(answer.pop("embeddings")) == ["float"]
    assert answer == {
        "id": "embd-mine",
        "texts": TEXTS,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens, "image_tokens": 0}},
        "response_type": "embeddings_by_type",
    }


def test_version_1_answers_plain_floats_unless_types_are_named(client: httpx.Client, engine: AsyncLLM) -> None:
    plain = _post(client, "/v1/embed")
    assert (plain["response_type"], plain["texts"]) == ("embeddings_floats", TEXTS)
    assert plain["meta"]["api_version"] == {"version": "1"}
    assert _close(plain["embeddings"], _vectors(engine, TEXTS))
    named = _post(client, "/v1/embed", embedding_types=["float"])
    assert named["response_type"] == "embeddings_by_type"
    assert named["embeddings"]["float"] == plain["embeddings"]


def test_inputs_of_text_parts_are_embedded_and_not_repeated(client: httpx.Client, engine: AsyncLLM) -> None:
    parts = [{"type": "text", "text": "A natural"}, {"type": "text", "text": "pit."}]
    inputs = [{"content": parts}, {"content": [{"type": "text", "text": "Bread."}]}]
    answer = _post(client, texts=None, inputs=inputs)
    assert _close(answer["embeddings"]["float"], _vectors(engine, ["A natural\npit.", "Bread."]))
    assert "texts" not in answer


def test_more_texts_than_cohere_takes_at_once(client: httpx.Client, engine: AsyncLLM) -> None:
    texts = [f"text {number}" for number in range(120)]
    found = _floats(client, texts=texts)
    assert found.shape == (120, 384)
    assert _close(found[[0, 100]], _vectors(engine, ["text 0", "text 100"]))


def test_nulls_stand_for_defaults(client: httpx.Client) -> None:
    names = ("model", "input_type", "images", "inputs", "embedding_types", "truncate", "max_tokens", "output_dimension")
    for path in ("/v1/embed", "/v2/embed"):
        nulls, plain = _post(client, path, **dict.fromkeys((*names, "priority"))), _post(client, path)
        assert nulls["embeddings"] == plain["embeddings"]


@pytest.mark.parametrize("word", ["search_query", "search_document", "classification", "clustering", "image", "query"])
def test_a_model_without_prompts_takes_every_input_type(client: httpx.Client, engine: AsyncLLM, word: str) -> None:
    assert _close(_floats(client, input_type=word), _vectors(engine, TEXTS))


def test_input_types_choose_stored_prompts(prompts: httpx.Client, prompted: dict[str, AsyncLLM]) -> None:
    engine = prompted["gemma"]
    for word, name in (("query", "query"), ("search_query", "query"), ("search_document", "document")):
        expected = _vectors(engine, TEXTS, PoolingParams(prompt_name=name))
        assert _close(_floats(prompts, input_type=word), expected)
    plain = _vectors(engine, TEXTS)
    assert _close(_floats(prompts, input_type="clustering"), plain)
    assert not _close(expected, plain)


def test_tasks_that_are_adapters_are_input_types(prompts: httpx.Client, prompted: dict[str, AsyncLLM]) -> None:
    engine = prompted["jina"]
    for word in ("classification", "separation", "retrieval.passage"):
        expected = _vectors(engine, TEXTS, PoolingParams(lora=word))
        assert _close(_floats(prompts, model="jina", input_type=word), expected)
    expected = _vectors(engine, TEXTS, role="query")
    assert _close(_floats(prompts, model="jina", input_type="search_query"), expected)
    assert not _close(expected, _vectors(engine, TEXTS))


def test_vectors_are_cut_normalised_and_then_quantised(prompts: httpx.Client, prompted: dict[str, AsyncLLM]) -> None:
    answer = _post(prompts, output_dimension=16, embedding_types=["float", "int8", "ubinary"])["embeddings"]
    assert _close(answer["float"], _vectors(prompted["gemma"], TEXTS, PoolingParams(dimensions=16)))
    assert _close(np.linalg.norm(np.float64(answer["float"]), axis=1), 1)
    assert answer["int8"] == quantize(_tensor(answer["float"]), "int8").tolist()
    assert np.shape(answer["ubinary"]) == (2, 2)
    refusal = prompts.post("/v2/embed", json={"texts": TEXTS, "output_dimension": 12, "embedding_types": ["binary"]})
    assert refusal.json()["error"]["param"] == "embedding_types"


def test_long_texts_are_cut_at_the_end_and_the_answer_says_so(client: httpx.Client, engine: AsyncLLM) -> None:
    answer = _post(client, texts=[LONG, "short"])
    (warning,) = answer["meta"]["warnings"]
    assert warning.startswith("Texts were too long and were cut, by at least ")
    assert _close(answer["embeddings"]["float"], _vectors(engine, [LONG[: 5 * 254], "short"]))
    assert _close(_floats(client, texts=[LONG], max_tokens=9999), answer["embeddings"]["float"][:1])


def test_the_end_or_the_start_is_cut_to_max_tokens(client: httpx.Client, engine: AsyncLLM) -> None:
    texts = ["one two three four five six"]
    for side, rest in (("END", "one two three"), ("START", "four five six")):
        assert _close(_floats(client, texts=texts, truncate=side, max_tokens=5), _vectors(engine, [rest]))
    assert _close(_floats(client, texts=texts, truncate="NONE", max_tokens=8), _vectors(engine, texts))


def test_one_text_may_fail_alone(client: httpx.Client, engine: AsyncLLM) -> None:
    body = {"texts": [LONG, "a", "one two three four"], "truncate": "NONE", "max_tokens": 5, "on_error": "item"}
    answer = _post(client, **body, embedding_types=["float", "binary"])
    assert _close(answer["embeddings"]["float"][1], _vectors(engine, ["a"])[0])
    for rows in answer["embeddings"].values():
        assert [row is None for row in rows] == [True, False, True]
    assert [(item["index"], item["error"]["param"]) for item in answer["errors"]] == [
        (0, "input_tokens"),
        (2, "max_tokens"),
    ]
    assert 'truncate="END"' in answer["errors"][0]["error"]["message"]
    none = _post(client, texts=[LONG], truncate="NONE", on_error="item", embedding_types=TYPES)
    assert none["embeddings"] == {name: [None] for name in TYPES}


REFUSALS = [
    ({"texts": None}, "texts", "The body has no input"),
    ({"images": ["data:image/png;base64,AAAA"]}, "texts", "texts and images"),
    ({"texts": None, "images": ["data:image/png;base64,AAAA"]}, "images", "not images"),
    ({"texts": []}, "texts", "texts is empty"),
    ({"texts": None, "inputs": []}, "inputs", "inputs is empty"),
    ({"texts": None, "inputs": [{"content": [{"type": "image_url"}]}]}, "image_url", "has no 'image_url'"),
    ({"texts": None, "inputs": {"content": "a"}}, "inputs", "must be a list"),
    ({"texts": "a"}, "body.CohereEmbedRequest.texts", "list"),
    ({"texts": ["a", 5]}, "body.CohereEmbedRequest.texts.1", "string"),
    ({"input_type": "nonsense"}, "input_type", "prompts that this model stores: none"),
    ({"embedding_types": []}, "body.CohereEmbedRequest.embedding_types", "at least 1"),
    ({"embedding_types": ["int4"]}, "body.CohereEmbedRequest.embedding_types.0", "int8"),
    ({"output_dimension": 64}, "output_dimension", "matryoshka"),
    ({"truncate": "MIDDLE"}, "body.CohereEmbedRequest.truncate", "NONE"),
    ({"max_tokens": 0}, "body.CohereEmbedRequest.max_tokens", "greater than or equal to 1"),
    ({"texts": [LONG], "truncate": "NONE"}, "input_tokens", 'with truncate="END"'),
    ({"truncate": "NONE", "max_tokens": 4}, "max_tokens", "Text 0 has"),
]


@pytest.mark.parametrize(("body", "param", "message"), REFUSALS)
def test_what_cannot_be_answered_is_refused(
    client: httpx.Client, body: dict[str, Any], param: str, message: str
) -> None:
    first, second = (client.post(f"/{v}/embed", json={"texts": TEXTS, **body}) for v in ("v1", "v2"))
    assert (first.status_code, second.status_code) == (400, 400)
    assert second.json()["error"]["param"] == param
    assert message in second.json()["error"]["message"]
    assert first.json() == {"message": second.json()["error"]["message"]}


def test_models_that_do_not_embed_and_unknown_ones(scoring: Any) -> None:
    for path, status, model in (
        ("/v1/embed", 501, "labels"),
        ("/v2/embed", 501, "labels"),
        ("/v1/embed", 404, "nobody"),
    ):
        answer = scoring.client.post(path, json={"texts": TEXTS, "model": model})
        assert answer.status_code == status
        assert set(answer.json()) == ({"message"} if path == "/v1/embed" else {"error"})


def test_a_key_can_be_checked(start_server: Any) -> None:
    with start_server(api_keys=("secret",)) as running, httpx.Client(base_url=running.url) as client:
        good = client.post("/v1/check-api-key", headers={"Authorization": "Bearer secret"})
        assert good.json() == {"valid": True}
        bad = client.post("/v1/check-api-key", headers={"Authorization": "Bearer other"})
        assert bad.status_code == 401
        assert set(bad.json()) == {"message"}


def test_the_client_tokenizes_and_detokenizes_on_the_server(start_server: Any, engine: AsyncLLM) -> None:
    tokenizer = engine.get_tokenizer()
    ids = tokenizer.encode(TEXTS[0], add_special_tokens=False)
    with start_server(api_keys=("secret",)) as running, httpx.Client() as plain:
        own = cohere.Client(api_key="secret", base_url=running.url, httpx_client=plain)
        found = own.tokenize(text=TEXTS[0], model="all-MiniLM-L6-v2", offline=False)
        assert (found.tokens, found.token_strings) == (ids, tokenizer.convert_ids_to_tokens(ids))
        assert own.detokenize(tokens=ids, model="all-MiniLM-L6-v2", offline=False).text == tokenizer.decode(ids)
        with pytest.raises(cohere.errors.NotFoundError):
            own.tokenize(text="a", model="nobody", offline=False)
        for path, body in (("tokenize", {"text": "a"}), ("detokenize", {"tokens": [1]})):
            assert set(httpx.post(f"{running.url}/v1/{path}", json=body).json()) == {"message"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("tokenize", {}),
        ("tokenize", {"text": 5}),
        ("tokenize", {"text": "a" * 1_000_001}),
        ("detokenize", {"tokens": "a"}),
        ("detokenize", {"tokens": [10**6]}),
        ("detokenize", {"tokens": [-1]}),
        ("detokenize", {"tokens": [True]}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_tokenized_is_refused_in_coheres_form(
    client: httpx.Client, path: str, body: dict[str, Any]
) -> None:
    answer = client.post(f"/v1/{path}", json=body)
    assert (answer.status_code, set(answer.json())) == (400, {"message"})


def test_the_routes_are_described_with_examples_that_work(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    for path in ("/v1/embed", "/v2/embed"):
        content = paths[path]["post"]["requestBody"]["content"]["application/json"]
        for example in content["examples"].values():
            assert client.post(path, json=example["value"]).status_code == 200
