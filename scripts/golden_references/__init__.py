"""What computes the golden numbers: from a row and its folder to a function that answers calls."""

from collections.abc import Mapping

from golden_references.base import Maker, Reference
from golden_references.classifiers import gte_with_head, transformers_models
from golden_references.embedders import (
    jina_merged,
    model2vec_static,
    nomic_card,
    peft_merged,
    sentence_transformers_embedder,
    transformers_embedder,
)
from golden_references.rerankers import cross_encoder, flag_embedding, mxbai_rerank, qwen3_reranker_card
from golden_references.rewards import published_rewards
from golden_references.sparse import flag_embedding_m3, sparse_encoder
from golden_references.switch import by_method

__all__ = ["REFERENCES", "Maker", "Reference"]

#: By the name that rows give.
REFERENCES: Mapping[str, Maker] = {
    "FlagEmbedding": flag_embedding,
    "FlagEmbedding M3": flag_embedding_m3,
    "Qwen3-Reranker card": qwen3_reranker_card,
    "jina-v3 merge": jina_merged,
    "model2vec": model2vec_static,
    "mxbai-rerank": mxbai_rerank,
    "nomic card": nomic_card,
    "peft": peft_merged,
    "published arithmetic": published_rewards,
    "sentence-transformers": sentence_transformers_embedder,
    "sentence-transformers CrossEncoder": cross_encoder,
    "sentence-transformers SparseEncoder": sparse_encoder,
    "transformers": by_method(
        {"embed": transformers_embedder, "token_embed": transformers_embedder}, transformers_models
    ),
    "transformers GteModel": gte_with_head,
}
