"""Tiny checkpoints for `cenote plugins check`, with random weights."""

from __future__ import annotations

from pathlib import Path

from cenote.testing.checkpoints import build_checkpoint

__all__ = ["internlm2", "qwen2_process_reward", "qwen2_reward"]


def internlm2(folder: str | Path) -> Path:
    """Write a look-alike of internlm2-1_8b-reward, and return its folder."""
    return build_checkpoint("internlm2_reward", folder)


def qwen2_process_reward(folder: str | Path) -> Path:
    """Write a look-alike of Qwen2.5-Math-PRM, and return its folder."""
    return build_checkpoint("qwen_math_prm", folder)


def qwen2_reward(folder: str | Path) -> Path:
    """Write a look-alike of Qwen2.5-Math-RM, and return its folder."""
    return build_checkpoint("qwen_math_rm", folder)
