"""ColPali and ColModernVBERT: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["COLMODERNVBERT", "COLPALI"]

_TASKS = ("token_embed",)

#: Late interaction on PaliGemma.
COLPALI = ArchitectureSpec(
    name="colpali",
    architectures=("ColPaliForRetrieval",),
    adapter="cenote_colpali.colpali:ColPaliAdapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="ColPali: one vector per token of a text or patch of a page",
    lookalike="cenote_colpali.lookalike:build_colpali",
    examples=("vidore/colpali-v1.3-hf",),
)

#: Late interaction on ModernVBERT.
COLMODERNVBERT = ArchitectureSpec(
    name="colmodernvbert",
    architectures=("ColModernVBertForRetrieval",),
    adapter="cenote_colpali.colmodernvbert:ColModernVBertAdapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="ColModernVBERT: one vector per token of a text or patch of a page, on a small encoder",
    lookalike="cenote_colpali.lookalike:build_colmodernvbert",
    examples=("ModernVBERT/colmodernvbert-merged",),
)
