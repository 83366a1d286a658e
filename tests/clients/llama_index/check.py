"""Embeddings of LlamaIndex: its OpenAI class, and its class for Text Embeddings Inference."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from plan import call, main


def openai_kind(plan: Any, **options: Any) -> OpenAIEmbedding:
    wanted = {"model_name": plan.model, "api_base": plan.embedder + "/v1", "api_key": plan.key, **options}
    return OpenAIEmbedding(**wanted)


def tei_kind(plan: Any) -> TextEmbeddingsInference:
    plain = {"text_instruction": "", "query_instruction": ""}
    return TextEmbeddingsInference(model_name=plan.model, base_url=plan.embedder, auth_token=plan.key, **plain)


@call("OpenAIEmbedding.get_text_embedding_batch")
def openai_texts(plan: Any) -> Any:
    return openai_kind(plan).get_text_embedding_batch(plan.texts), plan.vectors


@call("OpenAIEmbedding.get_query_embedding")
def openai_query(plan: Any) -> Any:
    return openai_kind(plan).get_query_embedding(plan.texts[0]), plan.vectors[0]


@call("OpenAIEmbedding.aget_text_embedding_batch")
def openai_asynchronous(plan: Any) -> Any:
    return asyncio.run(openai_kind(plan).aget_text_embedding_batch(plan.texts)), plan.vectors


@call("OpenAIEmbedding (dimensions)")
def dimensions(plan: Any) -> Any:
    kind = openai_kind(plan, model_name=plan.nested_model, dimensions=plan.dimensions)
    return kind.get_text_embedding_batch(plan.texts), plan.nested_cut


@call("TextEmbeddingsInference.get_text_embedding_batch")
def tei_texts(plan: Any) -> Any:
    return tei_kind(plan).get_text_embedding_batch(plan.texts), plan.vectors


@call("TextEmbeddingsInference.get_query_embedding")
def tei_query(plan: Any) -> Any:
    return tei_kind(plan).get_query_embedding(plan.texts[0]), plan.vectors[0]


@call("TextEmbeddingsInference.aget_query_embedding")
def tei_asynchronous(plan: Any) -> Any:
    return asyncio.run(tei_kind(plan).aget_query_embedding(plan.texts[0])), plan.vectors[0]


if __name__ == "__main__":
    main()
