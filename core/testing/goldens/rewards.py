"""Rows of reward models."""

from __future__ import annotations

from typing import Any

from cenote.testing.goldens.row import Call, GoldenRow

__all__ = ["REWARDS"]

_REWARD = (Call(method="reward", inputs="conversations"),)


def _reward(name: str, title: str, stands_for: str, **settings: Any) -> GoldenRow:
    given = {"reference": "published arithmetic", "family": name, "calls": _REWARD} | settings
    return GoldenRow(name=name, title=title, stands_for=stands_for, **given)


REWARDS: tuple[GoldenRow, ...] = (
    _reward("internlm2_reward", "InternLM2 reward model", "internlm/internlm2-1_8b-reward"),
    _reward("qwen_math_rm", "Qwen2.5-Math reward model", "Qwen/Qwen2.5-Math-RM-72B"),
    _reward(
        "qwen_math_prm",
        "Qwen2.5-Math reward model of single steps",
        "Qwen/Qwen2.5-Math-PRM-7B",
        calls=(Call(method="reward", inputs="steps"),),
    ),
    _reward(
        "skywork_reward",
        "Llama 3 reward model",
        "Skywork/Skywork-Reward-Llama-3.1-8B",
        reference="transformers",
    ),
    _reward(
        "skywork_reward_v2", "Qwen3 reward model", "Skywork/Skywork-Reward-V2-Qwen3-0.6B", reference="transformers"
    ),
)
