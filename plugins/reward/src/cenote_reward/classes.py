"""transformers models with the heads of reward models, for filling them strictly from the files."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import LlamaModel, LlamaPreTrainedModel, Qwen2Model, Qwen2PreTrainedModel

__all__ = ["LlamaReward", "Qwen2ProcessReward", "Qwen2Reward"]


class LlamaReward(LlamaPreTrainedModel):  # type: ignore[misc]  # transformers is untyped
    """InternLM2's reward model: a Llama with one output, no bias."""

    _keep_in_fp32_modules_strict = frozenset({"v_head"})

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = LlamaModel(config)
        self.v_head = nn.Linear(config.hidden_size, 1, bias=False)
        self.post_init()


class Qwen2Reward(Qwen2PreTrainedModel):  # type: ignore[misc]  # transformers is untyped
    """Qwen2.5-Math's reward model: two layers with a ReLU between them, one output."""

    outputs = 1
    _keep_in_fp32_modules_strict = frozenset({"score"})

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.model = Qwen2Model(config)
        size = config.hidden_size
        self.score = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, self.outputs))
        self.post_init()


class Qwen2ProcessReward(Qwen2Reward):
    """The same with two outputs per token: the step is wrong, the step is right."""

    outputs = 2
