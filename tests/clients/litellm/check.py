"""LiteLLM, which speaks several dialects: `hosted_vllm/`, `infinity/`, `huggingface/`, and through them our routes."""

from __future__ import annotations

import asyncio
import os
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from plan import call, main, refusal


def embed(plan: Any, provider: str, base: str, model: str | None = None, **options: Any) -> list[Any]:
    name = f"{provider}/{model or plan.model}"
    made = litellm.embedding(model=name, input=plan.texts, api_base=base, api_key=plan.key, **options)
    return [item["embedding"] for item in made.data]


def rerank(plan: Any, provider: str, base: str, **options: Any) -> list[list[float]]:
    name = f"{provider}/{plan.reranking_model}"
    wanted = {"query": plan.query, "documents": plan.documents, **options}
    made = litellm.rerank(model=name, api_base=base, api_key=plan.key, **wanted)
    return [[item["index"], item["relevance_score"]] for item in made.results]


@call("hosted_vllm/ embedding")
def vllm_embedding(plan: Any) -> Any:
    return embed(plan, "hosted_vllm", plan.embedder + "/v1"), plan.vectors


@call("hosted_vllm/ embedding (dimensions)")
def vllm_dimensions(plan: Any) -> Any:
    wanted = {"model": plan.nested_model, "dimensions": plan.dimensions}
    return embed(plan, "hosted_vllm", plan.embedder + "/v1", **wanted), plan.nested_cut


@call("hosted_vllm/ aembedding")
def vllm_asynchronous(plan: Any) -> Any:
    name, base = f"hosted_vllm/{plan.model}", plan.embedder + "/v1"
    made = asyncio.run(litellm.aembedding(model=name, input=plan.texts, api_base=base, api_key=plan.key))
    return [item["embedding"] for item in made.data], plan.vectors


@call("hosted_vllm/ rerank")
def vllm_rerank(plan: Any) -> Any:
    return rerank(plan, "hosted_vllm", plan.embedder), plan.ranking


@call("hosted_vllm/ rerank (top_n, no documents)")
def vllm_rerank_best(plan: Any) -> Any:
    return rerank(plan, "hosted_vllm", plan.embedder, top_n=2, return_documents=False), plan.ranking[:2]


@call("infinity/ embedding")
def infinity_embedding(plan: Any) -> Any:
    return embed(plan, "infinity", plan.embedder), plan.vectors


@call("infinity/ embedding (dimensions)")
def infinity_dimensions(plan: Any) -> Any:
    wanted = {"model": plan.nested_model, "dimensions": plan.dimensions}
    return embed(plan, "infinity", plan.embedder, **wanted), plan.nested_cut


@call("infinity/ rerank (below /infinity)")
def infinity_rerank(plan: Any) -> Any:
    return rerank(plan, "infinity", plan.embedder + "/infinity"), plan.ranking


@call("infinity/ rerank tells the documents (below /infinity)")
def infinity_documents(plan: Any) -> Any:
    name, base = f"infinity/{plan.reranking_model}", plan.embedder + "/infinity"
    made = litellm.rerank(model=name, query=plan.query, documents=plan.documents, api_base=base, api_key=plan.key)
    told = [item["document"]["text"] for item in made.results]
    return told, [plan.documents[int(index)] for index, _ in plan.ranking]


@call("infinity/ rerank (return_documents=False)")
def infinity_rerank_plain(plan: Any) -> Any:
    return rerank(plan, "infinity", plan.embedder, return_documents=False), plan.ranking


@call("huggingface/ embedding (input_type embed)")
def huggingface_embedding(plan: Any) -> Any:
    return embed(plan, "huggingface", plan.embedder + "/embed", input_type="embed"), plan.vectors


@call("huggingface/ rerank")
def huggingface_rerank(plan: Any) -> Any:
    return sorted(rerank(plan, "huggingface", plan.reranker), key=lambda item: -item[1]), plan.ranking


@refusal("a wrong key is AuthenticationError", litellm.AuthenticationError)
def wrong_key(plan: Any) -> None:
    litellm.embedding(
        model=f"hosted_vllm/{plan.model}", input=plan.texts, api_base=plan.embedder + "/v1", api_key="wrong"
    )


if __name__ == "__main__":
    main()
