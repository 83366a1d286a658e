"""`OpenAIEmbeddings` of langchain-openai; `check_embedding_ctx_length=False` makes it send texts, not token ids."""

from __future__ import annotations

import asyncio
from typing import Any

from langchain_openai import OpenAIEmbeddings
from plan import call, main


def embeddings(plan: Any, **options: Any) -> OpenAIEmbeddings:
    wanted = {"model": plan.model, "base_url": plan.embedder + "/v1", "api_key": plan.key, **options}
    return OpenAIEmbeddings(check_embedding_ctx_length=False, **wanted)


@call("embed_documents")
def documents(plan: Any) -> Any:
    return embeddings(plan).embed_documents(plan.texts), plan.vectors


@call("embed_documents (chunk_size 1)")
def chunks(plan: Any) -> Any:
    return embeddings(plan, chunk_size=1).embed_documents(plan.texts), plan.vectors


@call("embed_query")
def query(plan: Any) -> Any:
    return embeddings(plan).embed_query(plan.texts[0]), plan.vectors[0]


@call("aembed_documents")
def asynchronous(plan: Any) -> Any:
    return asyncio.run(embeddings(plan).aembed_documents(plan.texts)), plan.vectors


@call("embed_documents (dimensions)")
def dimensions(plan: Any) -> Any:
    made = embeddings(plan, model=plan.nested_model, dimensions=plan.dimensions).embed_documents(plan.texts)
    return made, plan.nested_cut


if __name__ == "__main__":
    main()
