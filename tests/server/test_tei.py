"""text-embeddings-inference's dialect over raw HTTP, embeddings: numbers equal those of the offline API."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from cenote.engine import LLM, AsyncLLM
from cenote.testing.checkpoints import build_checkpoint
from cenote.types import PoolingParams

TEXTS = ["a natural pit", "fresh bread", "the sea"]
LONG = "the first words of a text that is too long for the model " * 30 + "and its last words"


@pytest.fixture(scope="module")
def offline(model_folder: Path) -> LLM:
    return LLM(str(model_folder))


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory, start_server: Any) -> Iterator[tuple[httpx.Client, Path]]:
    folder = build_checkpoint("splade", tmp_path_factory.mktemp("s"))
    engine = AsyncLLM(str(folder), served_model_name="splade")
    with start_server(engine=engine, names=("splade",)) as running, httpx.Client(base_url=running.url) as client:
        yield client, folder
    asyncio.run(engine.shutdown())


def _post(client: httpx.Client, url: str, **body: Any) -> Any:
    answer = client.post(url, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _close(found: Any, expected: Any, tolerance: float = 1e-5) -> None:
    assert np.abs(np.float64(found) - np.float64(expected)).max() < tolerance


def _embed(offline: LLM, texts: Any, **params: Any) -> list[list[float]]:
    outputs = offline.embed(texts, pooling_params=PoolingParams(**params), use_tqdm=False)
    return [output.outputs.embedding for output in outputs]


def test_embed_gives_a_bare_array_of_vectors(client: httpx.Client, offline: LLM) -> None:
    _close(_post(client, "/embed", inputs=TEXTS), _embed(offline, TEXTS))
    _close(_post(client, "/embed", inputs=TEXTS[0]), _embed(offline, TEXTS[:1]))


def test_embed_takes_token_ids_and_mixed_lists(client: httpx.Client, offline: LLM) -> None:
    ids = _post(client, "/tokenize", prompt=TEXTS[0])["tokens"]
    expected = _embed(offline, TEXTS[:2])
    _close(_post(client, "/embed", inputs=ids), expected[:1])
    _close(_post(client, "/embed", inputs=[ids]), expected[:1])
    _close(_post(client, "/embed", inputs=[ids, TEXTS[1]]), expected)


def test_vectors_are_normalised_unless_told_otherwise(client: httpx.Client, offline: LLM) -> None:
    raw = _post(client, "/embed", inputs=TEXTS, normalize=False)
    _close(raw, _embed(offline, TEXTS, use_activation=False))
    assert np.abs(np.linalg.norm(raw, axis=1) - 1).min() > 0.1
    _close(np.linalg.norm(_post(client, "/embed", inputs=TEXTS, normalize=None), axis=1), 1)


def test_headers_tell_what_a_request_cost(client: httpx.Client) -> None:
    answer = client.post("/embed", json={"inputs": TEXTS})
    usage = client.post("/v1/embeddings", json={"input": TEXTS}).json()["usage"]
    assert answer.headers["x-compute-tokens"] == str(usage["prompt_tokens"])
    assert answer.headers["x-compute-characters"] == str(sum(map(len, TEXTS)))
    assert answer.headers["x-total-time"].isdecimal()


@pytest.mark.parametrize(("direction", "side"), [("Right", "right"), ("left", "left"), ("Left", "left")])
def test_truncation_keeps_special_tokens(client: httpx.Client, offline: LLM, direction: str, side: str) -> None:
    tokenizer = offline.get_tokenizer()
    own = tokenizer.truncation_side
    tokenizer.truncation_side = side
    ids = tokenizer(LONG, truncation=True, max_length=256)["input_ids"]
    tokenizer.truncation_side = own
    found = _post(client, "/embed", inputs=LONG, truncate=True, truncation_direction=direction)
    _close(found, _embed(offline, ids))


def test_embed_all_gives_a_raw_vector_per_token(client: httpx.Client, offline: LLM) -> None:
    found = _post(client, "/embed_all", inputs=TEXTS)
    params = PoolingParams(use_activation=False)
    outputs = offline.encode(TEXTS, params, pooling_task="token_embed", use_tqdm=False)
    for rows, output in zip(found, outputs, strict=True):
        _close(rows, output.outputs.data.numpy())


def test_embed_all_gives_the_own_vectors_of_a_late_interaction_model(model_folder: Path, start_server: Any) -> None:
    with LLM(str(model_folder)) as llm:
        expected = llm.encode(TEXTS, pooling_task="token_embed", use_tqdm=False)
    engine = AsyncLLM(str(model_folder), pooler_config={"task": "token_embed"})
    with start_server(engine=engine, names=("late",)) as running, httpx.Client(base_url=running.url) as late:
        found = _post(late, "/embed_all", inputs=TEXTS)
    asyncio.run(engine.shutdown())
    for rows, output in zip(found, expected, strict=True):
        _close(np.linalg.norm(rows, axis=1), 1)
        _close(rows, output.outputs.data.numpy())


def test_similarity_gives_the_cosines(client: httpx.Client, offline: LLM) -> None:
    body = {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}
    found = _post(client, "/similarity", inputs=body)
    vectors = np.asarray(_embed(offline, TEXTS))
    _close(found, vectors[1:] @ vectors[0])
    cut = {"truncate": True, "truncation_direction": "Left"}
    long = {"source_sentence": LONG, "sentences": [LONG]}
    _close(_post(client, "/similarity", inputs=long, parameters=cut), [1.0])


def test_embed_sparse_gives_terms_by_id(sparse: tuple[httpx.Client, Path]) -> None:
    client, folder = sparse
    found = _post(client, "/embed_sparse", inputs=TEXTS)
    outputs = LLM(str(folder)).encode(TEXTS, pooling_task="sparse_embed", use_tqdm=False)
    for terms, output in zip(found, outputs, strict=True):
        data = output.outputs.data
        assert [term["index"] for term in terms] == data.indices()[0].tolist()
        _close([term["value"] for term in terms], data.values().numpy())


def test_the_root_of_a_sparse_model_gives_terms(sparse: tuple[httpx.Client, Path]) -> None:
    client, _ = sparse
    assert _post(client, "/", inputs=TEXTS) == _post(client, "/embed_sparse", inputs=TEXTS)
    assert client.get("/info").json()["model_type"] == {"embedding": {"pooling": "splade"}}


def test_the_root_embeds_or_compares(client: httpx.Client) -> None:
    assert _post(client, "/", inputs=TEXTS) == _post(client, "/embed", inputs=TEXTS)
    body = {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}
    assert _post(client, "/", inputs=body, parameters={}) == _post(client, "/similarity", inputs=body)
    ranks = _post(client, "/", query=TEXTS[0], texts=TEXTS[1:])
    assert sorted(rank["index"] for rank in ranks) == [0, 1]


def test_the_root_says_where_to_read_on(client: httpx.Client) -> None:
    body = client.get("/").json()
    assert (body["name"], body["docs"], body["models"]) == ("cenote", "/docs", "/v1/models")
    assert client.get(body["docs"]).status_code == 200


def test_info_tells_the_limits_that_hold(client: httpx.Client, start_server: Any) -> None:
    body = client.get("/info").json()
    assert body["model_id"] == body["served_model_name"] == "all-MiniLM-L6-v2"
    assert (body["model_sha"], body["model_dtype"], body["max_input_length"]) == (None, "float32", 256)
    assert body["model_type"] == {"embedding": {"pooling": "mean"}}
    assert (body["auto_truncate"], body["tokenization_workers"]) == (False, 2)
    assert body["max_batch_tokens"] > 0
    assert client.get("/info", params={"model": "none"}).json()["error_type"] == "Validation"
    with start_server(max_items_per_request=3, disable_fastapi_docs=True) as running:
        assert httpx.get(running.url + "/info").json()["max_client_batch_size"] == 3
        assert httpx.get(running.url + "/").json()["docs"] is None


def test_tokens_have_their_texts_and_places_in_bytes(client: httpx.Client) -> None:
    text = "Über den Brunnen"
    (tokens,) = _post(client, "/tokenize", inputs=text)
    assert [token["id"] for token in tokens] == _post(client, "/tokenize", prompt=text)["tokens"]
    first, *middle, last = tokens
    assert first == {"id": 101, "text": "[CLS]", "special": True, "start": None, "stop": None}
    assert (last["id"], last["text"], last["special"]) == (102, "[SEP]", True)
    for token in middle:
        assert not token["special"]
        assert text.encode()[token["start"] : token["stop"]].decode() == token["text"]
    assert _post(client, "/tokenize", inputs=[text, text]) == [tokens, tokens]
    assert _post(client, "/tokenize", inputs=[text], add_special_tokens=False) == [middle]


def test_decode_gives_texts_back(client: httpx.Client) -> None:
    ids = [101, *_post(client, "/tokenize", prompt="a deep well", add_special_tokens=False)["tokens"], 102]
    assert _post(client, "/decode", ids=ids) == ["a deep well"]
    assert _post(client, "/decode", ids=[ids, ids]) == ["a deep well"] * 2
    assert _post(client, "/decode", ids=[ids], skip_special_tokens=False) == ["[CLS] a deep well [SEP]"]


def test_a_stored_prompt_goes_in_front(tmp_path: Path, start_server: Any) -> None:
    folder = build_checkpoint("bert", tmp_path, sentence_transformers=True)
    (folder / "config_sentence_transformers.json").write_text('{"prompts": {"query": "find: ", "document": "text: "}}')
    engine = AsyncLLM(str(folder), served_model_name="prompted")
    with start_server(engine=engine, names=("prompted",)) as running, httpx.Client(base_url=running.url) as client:
        expected = _post(client, "/embed", inputs="find: cats")
        assert _post(client, "/embed", inputs="cats", prompt_name="query") == expected
        assert _post(client, "/embed", inputs="cats", input_type="query") == expected
        assert _post(client, "/embed_all", inputs="cats", prompt_name="query") == _post(
            client, "/embed_all", inputs="find: cats"
        )
        (tokens,) = _post(client, "/tokenize", inputs="cats", prompt_name="query")
        assert [tokens] == _post(client, "/tokenize", inputs="find: cats")
        body = {"source_sentence": "cats", "sentences": ["cats"]}
        _close(_post(client, "/similarity", inputs=body, parameters={"prompt_name": "query"}), [1.0])
    asyncio.run(engine.shutdown())


def test_only_routes_that_a_served_model_can_answer_are_published(
    client: httpx.Client, sparse: tuple[httpx.Client, Path]
) -> None:
    published = client.get("/openapi.json").json()["paths"]
    assert {"/", "/embed", "/embed_all", "/similarity", "/decode", "/info", "/tokenize"} <= published.keys()
    assert not {"/embed_sparse", "/predict", "/tokenizer_info"} & published.keys()
    assert "/embed_sparse" in sparse[0].get("/openapi.json").json()["paths"]


def test_published_examples_work_as_they_stand(client: httpx.Client, sparse: tuple[httpx.Client, Path]) -> None:
    for own in (client, sparse[0]):
        for path, verbs in own.get("/openapi.json").json()["paths"].items():
            operation = verbs.get("post", {})
            if operation.get("tags") in (["text-embeddings-inference"], ["tokenize"]):
                for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
                    answer = own.post(path, json=example["value"])
                    assert answer.status_code == 200, (path, answer.text)
