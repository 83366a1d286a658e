"""Tiny checkpoints for `cenote plugins check`, with random weights."""

from __future__ import annotations

from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

__all__ = ["build_colmodernvbert", "build_colpali"]


def build_colpali(folder: str | Path) -> Path:
    """Write a look-alike of colpali-v1.3-hf, and return its folder."""
    return build_checkpoint("colpali", folder)


def build_colmodernvbert(folder: str | Path) -> Path:
    """Write a look-alike of colmodernvbert-merged, and return its folder."""
    return build_checkpoint("colmodernvbert", folder)
