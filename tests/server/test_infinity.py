"""Infinity's routes, with the bodies of litellm's `infinity/` provider."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import httpx
import numpy as np
import pytest

from cenote.engine import AsyncLLM
from cenote.testing.checkpoints import build_checkpoint

TEXTS = ["What is a cenote?", "A natural pit."]


def test_embeddings_are_those_of_v1(client: httpx.Client) -> None:
    body = {"input": TEXTS, "model": "all-MiniLM-L6-v2", "encoding_format": "float", "modality": "text"}
    answer = client.post("/embeddings", json=body)
    assert answer.status_code == 200, answer.text
    same = client.post("/v1/embeddings", json=body).json()
    assert answer.json()["usage"] == same["usage"]
    for item, other in zip(answer.json()["data"], same["data"], strict=True):
        np.testing.assert_allclose(item["embedding"], other["embedding"], atol=2e-6)


@pytest.mark.parametrize(
    ("body", "param"),
    [({"modality": "image"}, "body.EmbeddingRequest.modality"), ({"output_dimension": 64}, "output_dimension")],
)
def test_what_is_not_offered_is_refused(client: httpx.Client, body: dict[str, Any], param: str) -> None:
    answer = client.post("/embeddings", json={"input": TEXTS, **body})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_models_are_listed_with_their_queues(client: httpx.Client) -> None:
    (card,) = client.get("/models").json()["data"]
    (plain,) = client.get("/v1/models").json()["data"]
    assert {name: card[name] for name in ("id", "object", "created")} == {
        name: plain[name] for name in ("id", "object", "created")
    }
    assert (card["backend"], card["capabilities"]) == ("torch", ["embed"])
    assert card["stats"] == {"queue_fraction": 0.0, "queue_absolute": 0, "results_pending": 0, "batch_size": 256}


def test_a_reranker_has_no_embeddings_but_is_listed(tmp_path: Path, start_server: Any) -> None:
    engine = AsyncLLM(str(build_checkpoint("ms_marco_minilm", tmp_path)), max_num_queued_reqs=50)
    with start_server(engine=engine, names=("r",)) as running, httpx.Client(base_url=running.url) as own:
        assert own.post("/embeddings", json={"input": TEXTS}).status_code == 404
        assert own.get("/models").json()["data"][0]["capabilities"] == ["classify", "rerank"]
    asyncio.run(engine.shutdown())


def test_under_its_own_prefix_a_ranking_has_documents_as_texts_and_only_when_asked(client: httpx.Client) -> None:
    body = {"query": TEXTS[0], "documents": [TEXTS[1], {"text": "Bread."}]}
    shown = client.post("/infinity/rerank", json={**body, "return_documents": True}).json()["results"]
    plain = client.post("/rerank", json=body).json()["results"]
    assert [item["document"] for item in shown] == [item["document"]["text"] for item in plain]
    bare = client.post("/infinity/rerank", json=body).json()["results"]
    assert bare == [{key: item[key] for key in ("index", "relevance_score")} for item in plain]


def test_the_prefix_changes_nothing_else(client: httpx.Client) -> None:
    answers = [client.post(prefix + "/embeddings", json={"input": TEXTS}) for prefix in ("", "/infinity")]
    first, second = (answer.json()["data"] for answer in answers)
    assert first == second
    assert client.get("/infinity/models").json() == client.get("/models").json() | {"data": ANY}
