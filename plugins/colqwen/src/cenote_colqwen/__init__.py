"""Late-interaction models on Qwen-VL: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["COLQWEN3", "COLQWEN3_5", "NEMOTRON_COLEMBED", "OPS_COLQWEN3"]

_TASKS = ("token_embed",)

#: Tomoro's models.
COLQWEN3 = ArchitectureSpec(
    name="colqwen3",
    architectures=("ColQwen3",),
    adapter="cenote_colqwen.adapter:ColQwen3Adapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="Tomoro's ColQwen3: one vector per token of a text or patch of a page",
    lookalike="cenote_colqwen.lookalike:build_colqwen3",
    examples=("TomoroAI/tomoro-colqwen3-embed-4b", "TomoroAI/tomoro-colqwen3-embed-8b"),
)

#: OpenSearch's models.
OPS_COLQWEN3 = ArchitectureSpec(
    name="ops-colqwen3",
    architectures=("OpsColQwen3Model",),
    adapter="cenote_colqwen.adapter:OpsColQwen3Adapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="Ops-ColQwen3: one vector per token of a text or patch of a page, of any size",
    lookalike="cenote_colqwen.lookalike:build_ops_colqwen3",
    examples=("OpenSearch-AI/Ops-Colqwen3-4B",),
)

#: NVIDIA's models, which look ahead and have no projection.
NEMOTRON_COLEMBED = ArchitectureSpec(
    name="nemotron-colembed",
    architectures=("Qwen3VLNemotronEmbedModel",),
    adapter="cenote_colqwen.adapter:NemotronColEmbedAdapter",
    tasks=_TASKS,
    modalities=("text", "image"),
    summary="Nemotron ColEmbed: one vector per token of a text or patch of a page",
    lookalike="cenote_colqwen.lookalike:build_nemotron_colembed",
    examples=("nvidia/nemotron-colembed-vl-4b-v2", "nvidia/nemotron-colembed-vl-8b-v2"),
)

#: Models on Qwen3.5, which read videos as well.
COLQWEN3_5 = ArchitectureSpec(
    name="colqwen3-5",
    architectures=("ColQwen3_5",),
    adapter="cenote_colqwen.adapter:ColQwen35Adapter",
    tasks=_TASKS,
    modalities=("text", "image", "video"),
    summary="ColQwen3.5: one vector per token of a text, or patch of a page or video",
    lookalike="cenote_colqwen.lookalike:build_colqwen3_5",
    examples=("athrael-soju/colqwen3.5-4.5B-v3",),
)
