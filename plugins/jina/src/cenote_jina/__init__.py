"""Models of Jina AI: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["EMBEDDINGS_V3"]

#: The published config names plain XLM-RoBERTa; its rotary positions and the form of its weights tell it apart.
EMBEDDINGS_V3 = ArchitectureSpec(
    name="jina-embeddings-v3",
    architectures=("XLMRobertaModel",),
    adapter="cenote_jina.adapter:JinaEmbeddingsV3Adapter",
    tasks=("embed", "token_embed"),
    markers=(
        "config:position_embedding_type=rotary",
        "tensor:roberta.embeddings.word_embeddings.parametrizations.weight.original",
    ),
    config_repair="cenote_jina.settings:repair_config",
    summary="jina-embeddings-v3 with its five task adapters, chosen per request",
    lookalike="cenote_jina.lookalike:build",
    examples=("jinaai/jina-embeddings-v3",),
)
