"""Llama Nemotron VL and its siblings for text: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["EMBED", "RERANK", "TEXT_EMBED", "TEXT_RERANK"]

#: Embedders of texts and pages.
EMBED = ArchitectureSpec(
    name="llama-nemotron-vl",
    architectures=("LlamaNemotronVLModel",),
    adapter="cenote_nemotron_vl.embed:LlamaNemotronVLAdapter",
    tasks=("embed", "token_embed"),
    modalities=("text", "image"),
    summary="Llama Nemotron VL: one vector per text or page",
    lookalike="cenote_nemotron_vl.lookalike:build_embed",
    examples=("nvidia/llama-nemotron-embed-vl-1b-v2",),
)

#: Rerankers of texts and pages.
RERANK = ArchitectureSpec(
    name="llama-nemotron-vl-rerank",
    architectures=("LlamaNemotronVLForSequenceClassification",),
    adapter="cenote_nemotron_vl.rerank:LlamaNemotronVLRerankAdapter",
    tasks=("classify", "token_classify"),
    modalities=("text", "image"),
    summary="Llama Nemotron VL reranker: how well a text or page answers a query",
    lookalike="cenote_nemotron_vl.lookalike:build_rerank",
    examples=("nvidia/llama-nemotron-rerank-vl-1b-v2",),
)

#: Embedders of texts alone.
TEXT_EMBED = ArchitectureSpec(
    name="llama-bidirectional",
    architectures=("LlamaBidirectionalModel",),
    adapter="cenote_nemotron_vl.text:LlamaBidirectionalAdapter",
    tasks=("embed", "token_embed"),
    summary="Llama that looks both ways: one vector per text",
    lookalike="cenote_nemotron_vl.lookalike:build_text_embed",
    examples=("nvidia/llama-nemotron-embed-1b-v2",),
)

#: Rerankers of texts alone.
TEXT_RERANK = ArchitectureSpec(
    name="llama-bidirectional-rerank",
    architectures=("LlamaBidirectionalForSequenceClassification",),
    adapter="cenote_nemotron_vl.text:LlamaBidirectionalRerankAdapter",
    tasks=("classify", "token_classify"),
    summary="Llama that looks both ways: how well a text answers a query",
    lookalike="cenote_nemotron_vl.lookalike:build_text_rerank",
    examples=("nvidia/llama-nemotron-rerank-1b-v2",),
)
