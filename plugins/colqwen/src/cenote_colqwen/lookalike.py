"""Tiny checkpoints for `cenote plugins check`, with random weights."""

from __future__ import annotations

from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

__all__ = ["build_colqwen3", "build_colqwen3_5", "build_nemotron_colembed", "build_ops_colqwen3"]


def build_colqwen3(folder: str | Path) -> Path:
    """Write a look-alike of tomoro-colqwen3-embed-4b, and return its folder."""
    return build_checkpoint("colqwen3", folder)


def build_ops_colqwen3(folder: str | Path) -> Path:
    """Write a look-alike of Ops-Colqwen3-4B, and return its folder."""
    return build_checkpoint("ops_colqwen3", folder)


def build_nemotron_colembed(folder: str | Path) -> Path:
    """Write a look-alike of nemotron-colembed-vl-4b-v2, and return its folder."""
    return build_checkpoint("nemotron_colembed", folder)


def build_colqwen3_5(folder: str | Path) -> Path:
    """Write a look-alike of colqwen3.5-4.5B-v3, and return its folder."""
    return build_checkpoint("colqwen3_5", folder)
