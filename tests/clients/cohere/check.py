"""Cohere's client, `Client` (v1) and `ClientV2`: embed and rerank, synchronous and asynchronous. Versions 5 and 7."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from struct import unpack
from typing import Any

import cohere
import cohere.errors
from plan import call, main, refusal


def second(plan: Any, **options: Any) -> cohere.ClientV2:
    return cohere.ClientV2(**{"base_url": plan.embedder, "api_key": plan.key, **options})


def first(plan: Any) -> cohere.Client:
    return cohere.Client(base_url=plan.embedder, api_key=plan.key)


def ranking(answer: Any) -> list[list[float]]:
    return [[item.index, item.relevance_score] for item in answer.results]


def embed(plan: Any, *kinds: str, **options: Any) -> Any:
    wanted = {"model": plan.model, "texts": plan.texts, "input_type": "search_document", **options}
    return second(plan).embed(embedding_types=list(kinds), **wanted).embeddings


@call("ClientV2.embed (float)")
def floats(plan: Any) -> Any:
    return embed(plan, "float").float_, plan.vectors


@call("ClientV2.embed (no embedding_types)")
def default_type(plan: Any) -> Any:
    made = second(plan).embed(model=plan.model, texts=plan.texts, input_type="search_query")
    return made.embeddings.float_, plan.vectors


@call("ClientV2.embed (int8, uint8, binary, ubinary)")
def quantised(plan: Any) -> Any:
    made = embed(plan, "int8", "uint8", "binary", "ubinary")
    return [made.int8, made.uint8, made.binary, made.ubinary], [plan.int8, plan.uint8, plan.binary, plan.ubinary]


@call("ClientV2.embed (base64)")
def base64(plan: Any) -> Any:
    made = [b64decode(text) for text in embed(plan, "base64").base64]
    return [unpack(f"<{len(data) // 4}f", data) for data in made], plan.vectors


@call("ClientV2.embed (output_dimension)")
def dimensions(plan: Any) -> Any:
    options = {"model": plan.nested_model, "output_dimension": plan.dimensions}
    return embed(plan, "float", **options).float_, plan.nested_cut


@call("ClientV2.embed (inputs)")
def inputs(plan: Any) -> Any:
    items = [{"content": [{"type": "text", "text": text}]} for text in plan.texts]
    made = second(plan).embed(model=plan.model, inputs=items, input_type="search_document", embedding_types=["float"])
    return made.embeddings.float_, plan.vectors


@call("ClientV2.rerank (top_n beyond the list)")
def rerank(plan: Any) -> Any:
    answer = second(plan).rerank(model=plan.reranking_model, query=plan.query, documents=plan.documents, top_n=50)
    return ranking(answer), plan.ranking


@call("ClientV2.rerank (top_n)")
def rerank_best(plan: Any) -> Any:
    answer = second(plan).rerank(model=plan.reranking_model, query=plan.query, documents=plan.documents, top_n=2)
    return ranking(answer), plan.ranking[:2]


@call("ClientV2.rerank bills one search")
def billed(plan: Any) -> Any:
    answer = second(plan).rerank(model=plan.reranking_model, query=plan.query, documents=plan.documents)
    return answer.meta.billed_units.search_units, 1


@call("AsyncClientV2.embed and rerank")
def asynchronous(plan: Any) -> Any:
    async def ask() -> Any:
        async with cohere.AsyncClientV2(base_url=plan.embedder, api_key=plan.key) as patient:
            made = await patient.embed(
                model=plan.model, texts=plan.texts, input_type="search_document", embedding_types=["float"]
            )
            ranked = await patient.rerank(model=plan.reranking_model, query=plan.query, documents=plan.documents)
            return [made.embeddings.float_, ranking(ranked)]

    return asyncio.run(ask()), [plan.vectors, plan.ranking]


@call("Client.embed (v1)")
def first_embed(plan: Any) -> Any:
    return first(plan).embed(model=plan.model, texts=plan.texts, input_type="search_query").embeddings, plan.vectors


@call("Client.embed (v1, embedding_types)")
def first_embed_typed(plan: Any) -> Any:
    made = first(plan).embed(
        model=plan.model, texts=plan.texts, input_type="search_query", embedding_types=["float", "int8"], truncate="END"
    )
    return [made.embeddings.float_, made.embeddings.int8], [plan.vectors, plan.int8]


@call("Client.embed (v1, 200 texts in batches of 96)")
def first_embed_many(plan: Any) -> Any:
    made = first(plan).embed(model=plan.model, texts=plan.texts[:1] * 200, input_type="search_query")
    return [made.embeddings[0], made.embeddings[-1], len(made.embeddings)], [plan.vectors[0], plan.vectors[0], 200]


@call("Client.rerank (v1, objects and texts, return_documents)")
def first_rerank(plan: Any) -> Any:
    mixed = [plan.documents[0], *({"text": text} for text in plan.documents[1:])]
    answer = first(plan).rerank(
        model=plan.reranking_model, query=plan.query, documents=mixed, return_documents=True, rank_fields=["text"]
    )
    texts = [item.document.text for item in answer.results]
    return [ranking(answer), texts], [plan.ranking, [plan.documents[int(index)] for index, _ in plan.ranking]]


@refusal("a wrong key is UnauthorizedError", cohere.errors.UnauthorizedError)
def wrong_key(plan: Any) -> None:
    second(plan, api_key="wrong").embed(
        model=plan.model, texts=plan.texts, input_type="search_query", embedding_types=["float"]
    )


@refusal("an unknown model is NotFoundError", cohere.errors.NotFoundError)
def unknown_model(plan: Any) -> None:
    second(plan).rerank(model="nobody", query=plan.query, documents=plan.documents)


@refusal("no texts is BadRequestError", cohere.errors.BadRequestError)
def nothing(plan: Any) -> None:
    second(plan).embed(model=plan.model, texts=[], input_type="search_query", embedding_types=["float"])


if __name__ == "__main__":
    main()
