"""ColPali and ColModernVBERT: specs only, so that listing them loads no torch."""

from __future__ import annotations

from dataclasses import replace

from cenote.registry import ArchitectureSpec

__all__ = ["COLMODERNVBERT", "COLMODERNVBERT_UNNAMED", "COLPALI"]

_TASKS = ("token_embed",)
#: Names of the projection in published layouts.
_PROJECTIONS = (
    "custom_text_proj",
    "model.custom_text_proj",
    "base_model.model.custom_text_proj",
    "embedding_proj_layer",
)

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
    architectures=("ColModernVBertForRetrieval", "ColModernVBert", "model_type:colmodernvbert"),
    adapter="cenote_colpali.colmodernvbert:ColModernVBertAdapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="ColModernVBERT: one vector per token of a text or patch of a page, on a small encoder",
    lookalike="cenote_colpali.lookalike:build_colmodernvbert",
    examples=("ModernVBERT/colmodernvbert-merged",),
)

#: The same in files that name no class: the projection tells it apart from its backbone alone.
COLMODERNVBERT_UNNAMED = replace(
    COLMODERNVBERT,
    name="colmodernvbert-unnamed",
    architectures=("model_type:modernvbert",),
    markers=("|".join(f"tensor:{name}.weight" for name in _PROJECTIONS),),
    summary="ColModernVBERT in files that name no class",
    lookalike=None,
    examples=(),
)
