"""Poolers: a pooling method combined with a head."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenote.poolers.base import Pooler
    from cenote.poolers.classification import ClassifierHead, Logits, SequenceClassifier, TokenClassifier
    from cenote.poolers.dispatch import TaskPooler
    from cenote.poolers.heads import Dense, EmbeddingHead, LayerNorm
    from cenote.poolers.identity import IdentityPooler
    from cenote.poolers.methods import PoolingMethod
    from cenote.poolers.sequence import SequencePooler, get_method
    from cenote.poolers.step import StepRows, choose_steps
    from cenote.poolers.token import POSITIONS, TokenPooler

_HOMES = {
    "ClassifierHead": "classification",
    "Dense": "heads",
    "EmbeddingHead": "heads",
    "IdentityPooler": "identity",
    "LayerNorm": "heads",
    "Logits": "classification",
    "POSITIONS": "token",
    "Pooler": "base",
    "PoolingMethod": "methods",
    "SequenceClassifier": "classification",
    "SequencePooler": "sequence",
    "StepRows": "step",
    "TaskPooler": "dispatch",
    "TokenClassifier": "classification",
    "TokenPooler": "token",
    "choose_steps": "step",
    "get_method": "sequence",
}

__all__ = [
    "POSITIONS",
    "ClassifierHead",
    "Dense",
    "EmbeddingHead",
    "IdentityPooler",
    "LayerNorm",
    "Logits",
    "Pooler",
    "PoolingMethod",
    "SequenceClassifier",
    "SequencePooler",
    "StepRows",
    "TaskPooler",
    "TokenClassifier",
    "TokenPooler",
    "choose_steps",
    "get_method",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cenote.poolers' has no attribute {name!r}")
    return getattr(import_module(f"cenote.poolers.{_HOMES[name]}"), name)
