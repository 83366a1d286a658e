"""The official client of Voyage: embeddings in every type, and rerank."""

from __future__ import annotations

import asyncio
from typing import Any

import voyageai
from plan import call, main, refusal
from voyageai.error import AuthenticationError, InvalidRequestError


def client(plan: Any, **options: Any) -> voyageai.Client:
    return voyageai.Client(**{"base_url": plan.embedder + "/v1", "api_key": plan.key, "max_retries": 0, **options})


def ranking(answer: Any) -> list[list[float]]:
    return [[item.index, item.relevance_score] for item in answer.results]


@call("Client.embed")
def embed(plan: Any) -> Any:
    return client(plan).embed(plan.texts, model=plan.model).embeddings, plan.vectors


@call("Client.embed (output_dtype int8, uint8, binary, ubinary)")
def quantised(plan: Any) -> Any:
    kinds = {"int8": plan.int8, "uint8": plan.uint8, "binary": plan.binary, "ubinary": plan.ubinary}
    made = [client(plan).embed(plan.texts, model=plan.model, output_dtype=kind).embeddings for kind in kinds]
    return made, list(kinds.values())


@call("Client.embed (output_dimension)")
def dimensions(plan: Any) -> Any:
    made = client(plan).embed(plan.texts, model=plan.nested_model, output_dimension=plan.dimensions)
    return made.embeddings, plan.nested_cut


@call("Client.embed cuts a text that is too long")
def too_long(plan: Any) -> Any:
    return len(client(plan).embed(["word " * 2000], model=plan.model).embeddings[0]), len(plan.vectors[0])


@call("Client.rerank")
def rerank(plan: Any) -> Any:
    return ranking(client(plan).rerank(plan.query, plan.documents, model=plan.reranking_model)), plan.ranking


@call("Client.rerank (top_k)")
def rerank_best(plan: Any) -> Any:
    found = client(plan).rerank(plan.query, plan.documents, model=plan.reranking_model, top_k=2)
    return ranking(found), plan.ranking[:2]


@call("AsyncClient.embed and rerank")
def asynchronous(plan: Any) -> Any:
    async def ask() -> Any:
        patient = voyageai.AsyncClient(base_url=plan.embedder + "/v1", api_key=plan.key)
        made = await patient.embed(plan.texts, model=plan.model, input_type="document")
        ranked = await patient.rerank(plan.query, plan.documents, model=plan.reranking_model)
        return [made.embeddings, ranking(ranked)]

    return asyncio.run(ask()), [plan.vectors, plan.ranking]


@refusal("a text too long without truncation is InvalidRequestError", InvalidRequestError)
def refused(plan: Any) -> None:
    client(plan).embed(["word " * 2000], model=plan.model, truncation=False)


@refusal("a wrong key is AuthenticationError", AuthenticationError)
def wrong_key(plan: Any) -> None:
    client(plan, api_key="wrong").embed(plan.texts, model=plan.model)


if __name__ == "__main__":
    main()
