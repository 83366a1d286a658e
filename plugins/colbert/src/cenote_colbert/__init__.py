"""ColBERT models: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["COLBERT"]

#: Checkpoints of colbert-ai.
COLBERT = ArchitectureSpec(
    name="colbert",
    architectures=("HF_ColBERT",),
    adapter="cenote_colbert.adapter:ColbertAdapter",
    tasks=("token_embed",),
    summary="ColBERT: one vector per token, scored by late interaction",
    examples=("colbert-ir/colbertv2.0", "answerdotai/answerai-colbert-small-v1"),
)
