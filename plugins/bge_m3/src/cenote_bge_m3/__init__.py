"""BGE-M3: dense, sparse and multi-vector embeddings. Specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["BGE_M3", "BGE_M3_BY_NAME"]

_ADAPTER = "cenote_bge_m3.adapter:BgeM3Adapter"
_TASKS = ("embed", "sparse_embed", "token_classify", "token_embed")

#: The published config names a plain encoder. One head is enough to recognise the model: without the other, loading
#: fails, as a model that lost a part must not pass for a plain embedder.
BGE_M3 = ArchitectureSpec(
    name="bge-m3",
    architectures=("XLMRobertaModel", "RobertaModel"),
    adapter=_ADAPTER,
    tasks=_TASKS,
    markers=(
        "file:sparse_linear.pt|file:colbert_linear.pt|file:sparse_linear.safetensors|file:colbert_linear.safetensors|"
        "tensor:sparse_linear.weight|tensor:colbert_linear.weight",
    ),
    summary="BGE-M3: a vector, weighted terms and a vector per token from one pass",
    lookalike="cenote_bge_m3.lookalike:build",
    examples=("BAAI/bge-m3",),
)

#: The name that vLLM gives such a model; it stands in no published file, only in overrides.
BGE_M3_BY_NAME = ArchitectureSpec(
    name="bge-m3-by-name",
    architectures=("BgeM3EmbeddingModel",),
    adapter=_ADAPTER,
    tasks=_TASKS,
    summary="BGE-M3 by vLLM's name, for hf_overrides",
    lookalike="cenote_bge_m3.lookalike:build_by_name",
)
