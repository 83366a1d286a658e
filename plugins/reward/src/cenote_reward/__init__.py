"""Reward models: specs only, so that listing them loads no torch."""

from __future__ import annotations

from cenote.registry import ArchitectureSpec

__all__ = ["INTERNLM2", "QWEN2_PROCESS_REWARD", "QWEN2_REWARD"]

INTERNLM2 = ArchitectureSpec(
    name="internlm2-reward",
    architectures=("InternLM2ForRewardModel",),
    adapter="cenote_reward.internlm2:InternLM2Adapter",
    tasks=("classify", "token_classify"),
    config_repair="cenote_reward.internlm2_config:to_llama",
    summary="InternLM2 reward models: one raw number per conversation",
    lookalike="cenote_reward.lookalikes:internlm2",
    examples=("internlm/internlm2-1_8b-reward", "internlm/internlm2-7b-reward", "internlm/internlm2-20b-reward"),
)

QWEN2_REWARD = ArchitectureSpec(
    name="qwen2-reward",
    architectures=("Qwen2ForRewardModel",),
    adapter="cenote_reward.qwen2:RewardAdapter",
    tasks=("classify", "token_classify"),
    summary="Qwen2.5-Math reward models: one raw number per conversation",
    lookalike="cenote_reward.lookalikes:qwen2_reward",
    examples=("Qwen/Qwen2.5-Math-RM-72B",),
)

QWEN2_PROCESS_REWARD = ArchitectureSpec(
    name="qwen2-process-reward",
    architectures=("Qwen2ForProcessRewardModel",),
    adapter="cenote_reward.qwen2:ProcessRewardAdapter",
    tasks=("token_classify",),
    summary="Qwen2.5-Math process reward models: one probability per step of a solution",
    lookalike="cenote_reward.lookalikes:qwen2_process_reward",
    examples=("Qwen/Qwen2.5-Math-PRM-7B", "Qwen/Qwen2.5-Math-PRM-72B"),
)
