"""Specs of the built-in adapters; torch-free, named by the entry points of the distribution `cenote`."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["DECODER", "ENCODER", "GTE", "NOMIC"]

_TASKS = ("embed", "token_embed")

ENCODER = ArchitectureSpec(
    name="transformers-encoder",
    architectures=(
        "BertModel",
        "CamembertModel",
        "DebertaV2Model",
        "DistilBertModel",
        "ElectraModel",
        "EuroBertModel",
        "GteModel",
        "MPNetModel",
        "ModernBertModel",
        "RobertaModel",
        "XLMRobertaModel",
        "convert:embed:encoder",
    ),
    adapter="cenote.adapters.text:EncoderAdapter",
    tasks=_TASKS,
    summary="Bidirectional encoders of transformers as embedders",
    examples=("sentence-transformers/all-MiniLM-L6-v2", "intfloat/e5-small-v2", "BAAI/bge-small-en-v1.5"),
)

DECODER = ArchitectureSpec(
    name="transformers-decoder",
    architectures=(
        "Gemma2Model",
        "Gemma3TextModel",
        "GemmaModel",
        "LlamaModel",
        "MistralModel",
        "Qwen2Model",
        "Qwen3Model",
        "convert:embed:decoder",
    ),
    adapter="cenote.adapters.text:DecoderAdapter",
    tasks=_TASKS,
    summary="Language models of transformers as embedders, their output layer dropped",
    examples=("Qwen/Qwen3-Embedding-0.6B", "google/embeddinggemma-300m"),
)

NOMIC = ArchitectureSpec(
    name="nomic-bert",
    architectures=("NomicBertModel",),
    adapter="cenote.adapters.text:EncoderAdapter",
    tasks=_TASKS,
    config_repair="cenote.checkpoints.repairs.nomic:repair_nomic",
    summary="Nomic BERT, whose published config uses the names of GPT-2",
    examples=("nomic-ai/nomic-embed-text-v1.5",),
)

GTE = ArchitectureSpec(
    name="alibaba-gte",
    architectures=("NewModel",),
    adapter="cenote.adapters.text:EncoderAdapter",
    tasks=_TASKS,
    config_repair="cenote.checkpoints.repairs.gte:repair_gte",
    summary="Alibaba's GTE encoders, whose published config has the model type `new`",
    examples=("Alibaba-NLP/gte-base-en-v1.5", "Alibaba-NLP/gte-multilingual-base"),
)
