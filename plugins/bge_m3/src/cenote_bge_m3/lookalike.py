"""A tiny checkpoint for `cenote plugins check`, with random weights."""

from __future__ import annotations

from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

__all__ = ["build", "build_by_name"]


def build(folder: str | Path) -> Path:
    """Write a look-alike of BAAI/bge-m3, and return its folder."""
    return build_checkpoint("bge_m3_triple", folder)


def build_by_name(folder: str | Path) -> Path:
    """Write one whose config has vLLM's name already, and return its folder."""
    return build_checkpoint("bge_m3_triple", folder, config={"architectures": ["BgeM3EmbeddingModel"]})
