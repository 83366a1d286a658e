"""LlamaIndex's Cohere embeddings and reranker. The embedding class accepts only names of Cohere's own models, so the
server serves a model under such a name."""

from __future__ import annotations

import asyncio
from typing import Any

from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.embeddings.cohere import CohereEmbedding
from llama_index.postprocessor.cohere_rerank import CohereRerank
from plan import call, main


def embedding(plan: Any, **options: Any) -> CohereEmbedding:
    wanted = {"model_name": plan.nested_model, "base_url": plan.embedder, "api_key": plan.key}
    return CohereEmbedding(**{**wanted, "input_type": "search_document", **options})


@call("CohereEmbedding.get_text_embedding_batch")
def texts(plan: Any) -> Any:
    return embedding(plan).get_text_embedding_batch(plan.texts), plan.nested_vectors


@call("CohereEmbedding.get_query_embedding")
def query(plan: Any) -> Any:
    return embedding(plan, input_type="search_query").get_query_embedding(plan.texts[0]), plan.nested_vectors[0]


@call("CohereEmbedding.aget_query_embedding")
def asynchronous(plan: Any) -> Any:
    return asyncio.run(embedding(plan).aget_query_embedding(plan.texts[0])), plan.nested_vectors[0]


@call("CohereRerank.postprocess_nodes")
def rerank(plan: Any) -> Any:
    nodes = [NodeWithScore(node=TextNode(text=text)) for text in plan.documents]
    reranker = CohereRerank(model=plan.reranking_model, base_url=plan.embedder, api_key=plan.key, top_n=50)
    found = [[item.node.text, item.score] for item in reranker.postprocess_nodes(nodes, query_str=plan.query)]
    return found, [[plan.documents[int(index)], score] for index, score in plan.ranking]


if __name__ == "__main__":
    main()
