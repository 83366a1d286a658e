"""Tiny checkpoints for `cenote plugins check`, with random weights."""

from __future__ import annotations

from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

__all__ = ["build_embed", "build_rerank", "build_text_embed", "build_text_rerank"]


def build_embed(folder: str | Path) -> Path:
    """Write a look-alike of llama-nemotron-embed-vl-1b-v2, and return its folder."""
    return build_checkpoint("llama_nemotron_vl", folder)


def build_rerank(folder: str | Path) -> Path:
    """Write a look-alike of llama-nemotron-rerank-vl-1b-v2, and return its folder."""
    return build_checkpoint("llama_nemotron_vl_rerank", folder)


def build_text_embed(folder: str | Path) -> Path:
    """Write a look-alike of llama-nemotron-embed-1b-v2, and return its folder."""
    return build_checkpoint("llama_bidirectional", folder)


def build_text_rerank(folder: str | Path) -> Path:
    """Write a look-alike of llama-nemotron-rerank-1b-v2, and return its folder."""
    return build_checkpoint("llama_bidirectional_rerank", folder)
