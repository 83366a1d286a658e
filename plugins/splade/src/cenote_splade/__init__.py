"""SPLADE: masked language models as sparse encoders. Specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["BERT_SPLADE", "SPLADE"]

_ADAPTER = "cenote_splade.adapter:SpladeAdapter"
_TASKS = ("embed", "sparse_embed", "token_embed")

#: A masked language model is a sparse encoder where sentence-transformers' files say so, or the user does.
SPLADE = ArchitectureSpec(
    name="splade",
    architectures=(
        "AlbertForMaskedLM",
        "BertForMaskedLM",
        "CamembertForMaskedLM",
        "DebertaV2ForMaskedLM",
        "DistilBertForMaskedLM",
        "ElectraForMaskedLM",
        "EuroBertForMaskedLM",
        "MPNetForMaskedLM",
        "ModernBertForMaskedLM",
        "RobertaForMaskedLM",
        "XLMRobertaForMaskedLM",
    ),
    adapter=_ADAPTER,
    tasks=_TASKS,
    markers=("module:*.SpladePooling",),
    summary="SPLADE: masked language models that weigh the terms of their vocabulary",
    lookalike="cenote_splade.lookalike:build",
    examples=("naver/splade-v3", "naver/splade-cocondenser-ensembledistil", "ibm-granite/granite-embedding-30m-sparse"),
)

#: The name that vLLM gives such a model; it stands in no published file, only in overrides.
BERT_SPLADE = ArchitectureSpec(
    name="bert-splade",
    architectures=("BertSpladeSparseEmbeddingModel",),
    adapter=_ADAPTER,
    tasks=_TASKS,
    summary="SPLADE by vLLM's name, for hf_overrides",
)
