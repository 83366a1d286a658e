"""Tiny checkpoints for `cenote plugins check`, with random weights."""

from __future__ import annotations

from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

__all__ = ["build", "build_by_name", "build_gte", "build_nomic", "build_packed", "build_pylate"]


def build(folder: str | Path) -> Path:
    """Write a look-alike of colbertv2.0, and return its folder."""
    return build_checkpoint("colbert_v2", folder)


def build_pylate(folder: str | Path) -> Path:
    """Write a look-alike of GTE-ModernColBERT-v1, and return its folder."""
    return build_checkpoint("gte_moderncolbert", folder)


def build_gte(folder: str | Path) -> Path:
    """Write a look-alike of a folder of PyLate on Alibaba's GTE, and return it."""
    return build_checkpoint("pylate_gte", folder)


def build_nomic(folder: str | Path) -> Path:
    """Write a look-alike of a folder of PyLate on Nomic BERT, and return it."""
    return build_checkpoint("pylate_nomic", folder)


def build_packed(folder: str | Path) -> Path:
    """Write a look-alike of jina-colbert-v2 whose config names XLM-RoBERTa only, and return its folder."""
    return build_checkpoint("jina_colbert_v2", folder, config={"architectures": ["XLMRobertaModel"]})


def build_by_name(folder: str | Path) -> Path:
    """Write a look-alike of GTE-ModernColBERT-v1 under vLLM's name, and return its folder."""
    return build_checkpoint("gte_moderncolbert", folder, config={"architectures": ["ColBERTModernBertModel"]})
