"""The forms are what the databases' own clients take."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pinecone import SparseValues
from qdrant_client import QdrantClient, models

from cenote import LLM

TEXTS = ["How deep is the well?", "Salt water lies below the fresh water.", "The rope was too short."]


def ask(llm: LLM, form: str) -> list[Any]:
    """Return the vectors of the texts, as a client reads them."""
    (output,) = llm.encode({"data": {"texts": TEXTS, "format": form}}, pooling_task="plugin", use_tqdm=False)
    vectors: list[Any] = json.loads(output.outputs.data.model_dump_json())["vectors"]
    return vectors


def test_qdrant_stores_and_finds_them(llm: LLM) -> None:
    client = QdrantClient(":memory:")
    client.create_collection("texts", vectors_config={}, sparse_vectors_config={"terms": models.SparseVectorParams()})
    vectors = [models.SparseVector(**vector) for vector in ask(llm, "qdrant")]
    points = [models.PointStruct(id=number, vector={"terms": vector}) for number, vector in enumerate(vectors)]
    client.upsert("texts", points)
    for number, vector in enumerate(vectors):
        first, *others = client.query_points("texts", query=vector, using="terms", limit=3).points
        own = sum(value * value for value in vector.values)
        assert first.score >= max(other.score for other in others)
        found = {point.id: point.score for point in (first, *others)}
        assert found[number] == pytest.approx(own, rel=1e-4)
    client.close()


def test_pinecone_takes_them(llm: LLM) -> None:
    for vector in ask(llm, "pinecone"):
        values = SparseValues(**vector)
        assert len(values.indices) == len(values.values) > 0
        assert all(isinstance(index, int) and 0 <= index < 2**32 for index in values.indices)
        assert len(set(values.indices)) == len(values.indices)
        assert all(value != 0 for value in values.values)


def test_milvus_documents_them(llm: LLM) -> None:
    """Source: milvus.io/docs/sparse_vector.md: ids from 0 to 2**32 - 2 as text, weights finite and positive."""
    for vector in ask(llm, "milvus"):
        assert vector
        assert all(key == str(int(key)) and 0 <= int(key) < 2**32 - 1 for key in vector)
        assert all(isinstance(value, float) and 0 < value < float("inf") for value in vector.values())


def test_vespa_documents_them(llm: LLM) -> None:
    """Source: docs.vespa.ai/en/reference/document-json-format.html, tensors with a single mapped dimension."""
    for vector, other in zip(ask(llm, "vespa"), ask(llm, "milvus"), strict=True):
        assert set(vector) == {"cells"}
        assert all(isinstance(label, str) and label for label in vector["cells"])
        assert sorted(vector["cells"].values()) == sorted(other.values())
