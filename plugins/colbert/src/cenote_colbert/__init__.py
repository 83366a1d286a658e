"""ColBERT models: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = [
    "COLBERT",
    "COLBERT_BACKBONE",
    "COLBERT_BY_NAME",
    "COLBERT_GTE",
    "COLBERT_NOMIC",
    "COLBERT_XLM_ROBERTA",
]

_ADAPTER = "cenote_colbert.adapter:ColbertAdapter"
_TASKS = ("token_embed",)
#: What PyLate and sentence-transformers write into a folder of such a model, whatever its backbone.
_FILES = (
    "module:pylate.*|settings:model_type=ColBERT|settings:model_type=MultiVectorEncoder"
    "|settings:similarity_fn_name=MaxSim"
)

#: Checkpoints of colbert-ai; among them jina-colbert-v2, whose tensors tell its backbone.
COLBERT = ArchitectureSpec(
    name="colbert",
    architectures=("HF_ColBERT",),
    adapter=_ADAPTER,
    tasks=_TASKS,
    summary="ColBERT: one vector per token, scored by late interaction",
    lookalike="cenote_colbert.lookalike:build",
    examples=("colbert-ir/colbertv2.0", "answerdotai/answerai-colbert-small-v1", "jinaai/jina-colbert-v2"),
)

#: Folders of PyLate, and of the MultiVectorEncoder of sentence-transformers, which name their backbone only.
COLBERT_BACKBONE = ArchitectureSpec(
    name="colbert-backbone",
    architectures=(
        "AlbertModel",
        "BertForMaskedLM",
        "BertModel",
        "CamembertModel",
        "DebertaV2Model",
        "DistilBertModel",
        "ElectraModel",
        "EuroBertModel",
        "Gemma2Model",
        "Gemma3TextModel",
        "GemmaModel",
        "GteModel",
        "JinaEmbeddingsV3Model",
        "Lfm2ForCausalLM",
        "Lfm2Model",
        "LlamaForCausalLM",
        "LlamaModel",
        "MPNetModel",
        "MistralForCausalLM",
        "MistralModel",
        "ModernBertForMaskedLM",
        "ModernBertModel",
        "Qwen2ForCausalLM",
        "Qwen2Model",
        "Qwen3ForCausalLM",
        "Qwen3Model",
        "RobertaModel",
        "XLMRobertaForMaskedLM",
    ),
    adapter=_ADAPTER,
    tasks=_TASKS,
    markers=(_FILES,),
    summary="ColBERT in a folder of PyLate or of sentence-transformers",
    lookalike="cenote_colbert.lookalike:build_pylate",
    examples=("lightonai/GTE-ModernColBERT-v1", "LiquidAI/LFM2-ColBERT-350M"),
)

#: The same on Alibaba's encoders, whose config has the model type `new`.
COLBERT_GTE = ArchitectureSpec(
    name="colbert-gte",
    architectures=("GteNewModel", "NewModel"),
    adapter=_ADAPTER,
    tasks=_TASKS,
    markers=(_FILES,),
    config_repair="cenote.checkpoints.repairs.gte:repair_gte",
    summary="ColBERT on Alibaba's GTE encoders",
    lookalike="cenote_colbert.lookalike:build_gte",
)

#: The same on Nomic BERT, whose config uses the names of GPT-2.
COLBERT_NOMIC = ArchitectureSpec(
    name="colbert-nomic",
    architectures=("NomicBertModel",),
    adapter=_ADAPTER,
    tasks=_TASKS,
    markers=(_FILES,),
    config_repair="cenote.checkpoints.repairs.nomic:repair_nomic",
    summary="ColBERT on Nomic BERT",
    lookalike="cenote_colbert.lookalike:build_nomic",
)

#: XLM-RoBERTa: such folders, and the layout of jina-colbert-v2, whose config may name nothing else.
COLBERT_XLM_ROBERTA = ArchitectureSpec(
    name="colbert-xlm-roberta",
    architectures=("XLMRobertaModel",),
    adapter=_ADAPTER,
    tasks=_TASKS,
    markers=(
        f"{_FILES}|tensor:roberta.encoder.layers.0.mixer.Wqkv.weight",
        f"{_FILES}|tensor:linear.weight",
    ),
    summary="ColBERT on XLM-RoBERTa, with absolute or rotary positions",
    lookalike="cenote_colbert.lookalike:build_packed",
    examples=("jinaai/jina-colbert-v2",),
)

#: Names that vLLM gives such models; they stand in no published file, only in overrides.
COLBERT_BY_NAME = ArchitectureSpec(
    name="colbert-by-name",
    architectures=("ColBERTJinaRobertaModel", "ColBERTLfm2Model", "ColBERTModernBertModel"),
    adapter=_ADAPTER,
    tasks=_TASKS,
    summary="ColBERT by vLLM's names, for hf_overrides",
    lookalike="cenote_colbert.lookalike:build_by_name",
)
