"""Haystack: its OpenAI embedders, and the embedders and the ranker for Text Embeddings Inference."""

from __future__ import annotations

import os
from typing import Any

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"

from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.utils import Secret
from haystack_integrations.components.embedders.huggingface_api import (
    HuggingFaceAPIDocumentEmbedder,
    HuggingFaceAPITextEmbedder,
)
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
from plan import call, main


def openai_options(plan: Any) -> dict[str, Any]:
    return {"api_key": Secret.from_token(plan.key), "model": plan.model, "api_base_url": plan.embedder + "/v1"}


def tei_options(plan: Any) -> dict[str, Any]:
    place = {"url": plan.embedder}
    return {
        "api_type": "text_embeddings_inference",
        "api_params": place,
        "token": Secret.from_token(plan.key),
        "normalize": True,
    }


def documents(texts: list[str]) -> list[Document]:
    return [Document(content=text) for text in texts]


def vectors(made: dict[str, Any]) -> list[list[float]]:
    return [list(document.embedding) for document in made["documents"]]


@call("OpenAITextEmbedder")
def openai_text(plan: Any) -> Any:
    return OpenAITextEmbedder(**openai_options(plan)).run(plan.texts[0])["embedding"], plan.vectors[0]


@call("OpenAIDocumentEmbedder")
def openai_documents(plan: Any) -> Any:
    embedder = OpenAIDocumentEmbedder(progress_bar=False, **openai_options(plan))
    return vectors(embedder.run(documents(plan.texts))), plan.vectors


@call("HuggingFaceAPITextEmbedder (TEI)")
def tei_text(plan: Any) -> Any:
    return HuggingFaceAPITextEmbedder(**tei_options(plan)).run(plan.texts[0])["embedding"], plan.vectors[0]


@call("HuggingFaceAPIDocumentEmbedder (TEI)")
def tei_documents(plan: Any) -> Any:
    embedder = HuggingFaceAPIDocumentEmbedder(progress_bar=False, **tei_options(plan))
    return vectors(embedder.run(documents(plan.texts))), plan.vectors


@call("HuggingFaceAPIDocumentEmbedder (TEI, not normalised, its default)")
def tei_raw(plan: Any) -> Any:
    embedder = HuggingFaceAPIDocumentEmbedder(progress_bar=False, **{**tei_options(plan), "normalize": False})
    return vectors(embedder.run(documents(plan.texts))), plan.raw_vectors


@call("HuggingFaceTEIRanker")
def rank(plan: Any) -> Any:
    ranker = HuggingFaceTEIRanker(url=plan.reranker, token=Secret.from_token(plan.key), top_k=2)
    found = ranker.run(query=plan.query, documents=documents(plan.documents))["documents"]
    expected = [[plan.documents[int(index)], score] for index, score in plan.ranking[:2]]
    return [[document.content, document.score] for document in found], expected


if __name__ == "__main__":
    main()
