"""Rows of rerankers, and of embedders that score."""

from __future__ import annotations

from typing import Any

from cenote.testing.goldens.row import Call, GoldenRow

__all__ = ["RERANKERS"]

_SCORES = (Call(method="score", inputs="pairs"),)
#: Longer pairs than these the model's prompt leaves no room for.
_SHORT = (Call(method="score", inputs="short_pairs"),)
_RAW = Call(method="score", inputs="short_pairs", options={"use_activation": False})
_INSTRUCTED = Call(method="score", inputs="short_pairs", options={"instruction": "Find the depth of wells"})


def _reranker(name: str, title: str, stands_for: str, **settings: Any) -> GoldenRow:
    given = {"reference": "sentence-transformers CrossEncoder", "family": name, "calls": _SCORES} | settings
    return GoldenRow(name=name, title=title, stands_for=stands_for, **given)


RERANKERS: tuple[GoldenRow, ...] = (
    _reranker(
        "ms_marco_minilm",
        "BERT cross-encoder, raw score",
        "cross-encoder/ms-marco-MiniLM-L-6-v2, older files",
        calls=(*_SCORES, _RAW),
    ),
    _reranker("ms_marco_minilm_v4", "BERT cross-encoder, raw score", "cross-encoder/ms-marco-MiniLM-L6-v2"),
    _reranker(
        "bge_reranker_v2_m3",
        "XLM-RoBERTa cross-encoder",
        "BAAI/bge-reranker-v2-m3",
        calls=(*_SCORES, _RAW),
    ),
    _reranker(
        "gte_multilingual_reranker",
        "GTE (new-impl) cross-encoder",
        "Alibaba-NLP/gte-multilingual-reranker-base",
        reference="transformers GteModel",
    ),
    _reranker(
        "gte_multilingual_reranker_bare",
        "GTE (new-impl) cross-encoder, tensors without a prefix",
        "Alibaba-NLP/gte-multilingual-reranker-base",
        reference="transformers GteModel",
        family="gte_multilingual_reranker",
        layout={"prefix": ""},
    ),
    _reranker("gte_reranker_modernbert", "ModernBERT cross-encoder", "Alibaba-NLP/gte-reranker-modernbert-base"),
    _reranker("mxbai_rerank_v1", "DeBERTa v2 cross-encoder", "mixedbread-ai/mxbai-rerank-base-v1"),
    _reranker(
        "cross_encoder_v6",
        "BERT cross-encoder, activation beside the config",
        "cross-encoders saved by sentence-transformers 6",
    ),
    _reranker(
        "cross_encoder_pooled",
        "BERT, pooled, Dense module to a score",
        "cross-encoders saved by sentence-transformers 6",
    ),
    _reranker(
        "qwen3_reranker_classifier",
        "Qwen3 cross-encoder with a chat template",
        "tomaarsen/Qwen3-Reranker-0.6B-seq-cls, saved by sentence-transformers 6",
        calls=_SHORT,
    ),
    _reranker(
        "qwen3_reranker",
        "Qwen3 language model, yes or no",
        "Qwen/Qwen3-Reranker-0.6B",
        folder="Qwen3-Reranker-0.6B",
        reference="Qwen3-Reranker card",
        calls=(*_SCORES, _INSTRUCTED),
    ),
    _reranker(
        "qwen3_reranker_overrides",
        "Qwen3 language model, yes or no, by vLLM's settings",
        "Qwen/Qwen3-Reranker-0.6B",
        reference="Qwen3-Reranker card",
        folder="Qwen3-Reranker-0.6B",
        family="qwen3_reranker",
        options={
            "hf_overrides": {
                "architectures": ["Qwen3ForSequenceClassification"],
                "classifier_from_token": ["no", "yes"],
                "is_original_qwen3_reranker": True,
            }
        },
    ),
    _reranker(
        "qwen3_reranker_v6",
        "Qwen3 language model, yes or no, saved by sentence-transformers 6",
        "Qwen/Qwen3-Reranker-0.6B with `1_LogitScore`",
        calls=(*_SCORES, _INSTRUCTED),
    ),
    _reranker("zerank_2", "Qwen3 language model, the logit of one word", "zeroentropy/zerank-2"),
    _reranker(
        "mxbai_rerank_v2",
        "Qwen2 language model, 0 or 1, tied",
        "mixedbread-ai/mxbai-rerank-base-v2",
        folder="mxbai-rerank-base-v2",
        reference="mxbai-rerank",
        calls=(*_SCORES, _INSTRUCTED),
    ),
    _reranker(
        "mxbai_rerank_v2_untied",
        "Qwen2 language model, 0 or 1, with an output layer",
        "mixedbread-ai/mxbai-rerank-large-v2",
        folder="mxbai-rerank-large-v2",
        reference="mxbai-rerank",
    ),
    _reranker(
        "bge_reranker_v2_gemma",
        "Gemma language model, the logit of Yes",
        "BAAI/bge-reranker-v2-gemma",
        folder="bge-reranker-v2-gemma",
        reference="FlagEmbedding",
    ),
    _reranker(
        "cosine",
        "an embedder that scores by cosine",
        "any embedder",
        reference="sentence-transformers",
        family="xlm_roberta",
        calls=_SHORT,
    ),
)
