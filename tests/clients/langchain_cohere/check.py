"""`CohereEmbeddings` and `CohereRerank` of langchain-cohere."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_cohere import CohereEmbeddings, CohereRerank
from langchain_core.documents import Document
from plan import call, main


def embeddings(plan: Any, **options: Any) -> CohereEmbeddings:
    return CohereEmbeddings(**{"model": plan.model, "base_url": plan.embedder, "cohere_api_key": plan.key, **options})


def reranker(plan: Any, **options: Any) -> CohereRerank:
    return CohereRerank(model=plan.reranking_model, base_url=plan.embedder, cohere_api_key=plan.key, **options)


@call("CohereEmbeddings.embed_documents")
def documents(plan: Any) -> Any:
    return embeddings(plan).embed_documents(plan.texts), plan.vectors


@call("CohereEmbeddings.embed_query")
def query(plan: Any) -> Any:
    return embeddings(plan).embed_query(plan.texts[0]), plan.vectors[0]


@call("CohereEmbeddings.aembed_query")
def asynchronous(plan: Any) -> Any:
    return asyncio.run(embeddings(plan).aembed_query(plan.texts[0])), plan.vectors[0]


@call("CohereRerank.rerank")
def rerank(plan: Any) -> Any:
    found = reranker(plan, top_n=50).rerank(plan.documents, plan.query)
    return [[item["index"], item["relevance_score"]] for item in found], plan.ranking


@call("CohereRerank.compress_documents")
def compress(plan: Any) -> Any:
    found = reranker(plan, top_n=2).compress_documents([Document(text) for text in plan.documents], plan.query)
    expected = [[plan.documents[int(index)], score] for index, score in plan.ranking[:2]]
    return [[item.page_content, item.metadata["relevance_score"]] for item in found], expected


if __name__ == "__main__":
    main()
