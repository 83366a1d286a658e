"""Prompt templates of rerankers that are published without one; data only.

The texts are part of what these models were trained on, so that every character counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType

from cenote.inputs.rerank_template import RerankTemplate
from cenote.registry import model_name

__all__ = ["KNOWN_TEMPLATES", "find_known_template"]

# Model card of Qwen/Qwen3-Reranker-0.6B (also 4B and 8B), the usage with transformers: prefix, body and suffix are
# tokenised apart, and the body is cut (`process_inputs`).
_QWEN3 = RerankTemplate(
    prefix=(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
    ),
    body=("<Instruct>: {instruction}\n<Query>: {query}\n<Document>: {document}",),
    suffix=("<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",),
    default_instruction="Given a web search query, retrieve relevant passages that answer the query",
)

# `scripts/qwen3_vl_reranker.py` of Qwen/Qwen3-VL-Reranker-2B (`format_mm_instruction`) and the chat template that it
# fills; vLLM 0.32 has the same in `qwen3_vl_reranker.jinja`. The last five tokens, which are never cut, are the suffix.
_QWEN3_VL = RerankTemplate(
    prefix=(
        "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
        'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n',
    ),
    body=("<Instruct>: {instruction}<Query>:{query}\n<Document>:{document}",),
    suffix=("<|im_end|>\n<|im_start|>assistant\n",),
    default_instruction="Given a search query, retrieve relevant candidates that answer the query.",
)

# mxbai-rerank 0.1.6, mxbai_rerank_v2.py (`MxbaiRerankV2.prepare_inputs`, `concat_input_ids`).
_MXBAI_V2 = RerankTemplate(
    prefix=(
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n"
        "<|im_start|>user\n",
    ),
    body=("query: {query}", "\n", "document: {document}"),
    instructed_body=("instruction: {instruction}\nquery: {query}", "\n", "document: {document}"),
    suffix=(
        "\n",
        "You are a search relevance expert who evaluates how well documents match search queries. For each "
        "query-document pair, carefully analyze the semantic relationship between them, then provide your binary "
        "relevance judgment (0 for not relevant, 1 for relevant).\nRelevance:",
        "<|im_end|>\n<|im_start|>assistant\n",
    ),
    query_share=0.75,
)

# FlagEmbedding 1.4.2, inference/reranker/decoder_only/base.py (`BaseLLMReranker`); the instruction replaces its prompt.
_BGE_V2_LLM = RerankTemplate(
    body=("A: {query}", "\n", "B: {document}"),
    suffix=("\n", "{instruction}"),
    default_instruction=(
        "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
        "prediction of either 'Yes' or 'No'."
    ),
    query_share=0.75,
    begin_with_bos=True,
)

#: Templates by the name of the family.
KNOWN_TEMPLATES: Mapping[str, RerankTemplate] = MappingProxyType(
    {
        "qwen3-reranker": _QWEN3,
        "qwen3-vl-reranker": _QWEN3_VL,
        "mxbai-rerank-v2": _MXBAI_V2,
        "bge-reranker-v2-gemma": _BGE_V2_LLM,
    }
)
#: Pattern of the last part of a model's name, and the family.
_PATTERNS = (
    ("qwen3-reranker-*", "qwen3-reranker"),
    ("qwen3-vl-reranker-*", "qwen3-vl-reranker"),
    ("mxbai-rerank-*-v2", "mxbai-rerank-v2"),
    ("bge-reranker-v2-gemma*", "bge-reranker-v2-gemma"),
)


def find_known_template(model: str) -> RerankTemplate | None:
    """Return the template for a model by the last part of its name or path, or None."""
    name = model_name(model).lower()
    return next((KNOWN_TEMPLATES[family] for pattern, family in _PATTERNS if fnmatchcase(name, pattern)), None)
