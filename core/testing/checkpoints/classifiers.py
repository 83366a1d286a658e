"""Sequence and token classifiers on the backbones of the plain embedders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from cenote.testing.checkpoints.decoders import DECODERS
from cenote.testing.checkpoints.encoders import ENCODERS
from cenote.testing.checkpoints.family import Family

__all__ = ["CLASSIFIERS", "with_head"]

_PLAIN = {entry.name: entry for entry in (*ENCODERS, *DECODERS)}
_SENTIMENTS = ("negative", "neutral", "positive")
_ENTITIES = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")


def with_head(base: str, name: str, model_class: str, **changes: Any) -> Family:
    """Return a family with the backbone of another and a head.

    Args:
        base: name of a plain family.
        name: name of the new one.
        model_class: transformers class, also the entry of `architectures`.
        changes: further attributes.
    """
    settings: dict[str, Any] = {
        "name": name,
        "model_class": model_class,
        "architecture": model_class,
        "prefix": None,
        "side_files": False,
        "prompts": {},
        "extra_tensors": {},
        "head_gain": 2.5,
    }
    return replace(_PLAIN[base], **settings | changes)


def _sequence(base: str, stem: str, **changes: Any) -> Family:
    changes = {"labels": _SENTIMENTS} | changes
    return with_head(base, f"{base}_classifier", f"{stem}ForSequenceClassification", **changes)


def _tokens(base: str, stem: str, **changes: Any) -> Family:
    changes = {"labels": _ENTITIES} | changes
    return with_head(base, f"{base}_token_classifier", f"{stem}ForTokenClassification", **changes)


_BERT_POSITIONS = {"embeddings.position_ids": (1, 160)}

CLASSIFIERS = (
    _sequence("bert", "Bert", extra_tensors=_BERT_POSITIONS),
    _sequence("roberta", "Roberta"),
    _sequence("xlm_roberta", "XLMRoberta"),
    _sequence("modernbert", "ModernBert"),
    _sequence("distilbert", "DistilBert", head_gain=1.5),
    _sequence("deberta_v2", "DebertaV2", head_gain=1.5),
    _sequence("electra", "Electra", head_gain=1.5),
    _sequence("gte", "Gte", architecture="NewForSequenceClassification", prefix="new."),
    _sequence("qwen2", "Qwen2"),
    _sequence("qwen3", "Qwen3"),
    _sequence("llama", "Llama"),
    _sequence("gemma", "Gemma"),
    _tokens("bert", "Bert"),
    _tokens("roberta", "Roberta"),
    _tokens("xlm_roberta", "XLMRoberta"),
    _tokens("modernbert", "ModernBert"),
    _tokens("distilbert", "DistilBert"),
    _tokens("deberta_v2", "DebertaV2"),
    _tokens("electra", "Electra"),
    _tokens("qwen2", "Qwen2"),
    _tokens("qwen3", "Qwen3"),
)
