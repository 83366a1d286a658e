"""Poolers: a pooling method combined with a head."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenote.poolers.base import Pooler
    from cenote.poolers.dispatch import TaskPooler
    from cenote.poolers.heads import Dense, EmbeddingHead, LayerNorm
    from cenote.poolers.sequence import SequencePooler
    from cenote.poolers.token import TokenPooler

_HOMES = {
    "Dense": "heads",
    "EmbeddingHead": "heads",
    "LayerNorm": "heads",
    "Pooler": "base",
    "SequencePooler": "sequence",
    "TaskPooler": "dispatch",
    "TokenPooler": "token",
}

__all__ = ["Dense", "EmbeddingHead", "LayerNorm", "Pooler", "SequencePooler", "TaskPooler", "TokenPooler"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cenote.poolers' has no attribute {name!r}")
    return getattr(import_module(f"cenote.poolers.{_HOMES[name]}"), name)
