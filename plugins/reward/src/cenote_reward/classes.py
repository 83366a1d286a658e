"""transformers models with the heads of reward models, for filling them strictly from the files."""

from __future__ import annotations

from typing import Any

from torch import nn
from transformers import LlamaModel, LlamaPreTrainedModel, Qwen2Model, Qwen2PreTrainedModel

__all__ = ["LlamaReward", "Qwen2ProcessReward", "Qwen2Reward"]


class LlamaReward(LlamaPreTrainedModel):  # type: ignore[no-untyped-call]  # transformers does not type it
    """InternLM2's reward model: a Llama with one output, no bias."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._keep_in_fp32_modules_strict = {"v_head"}
        self.model = LlamaModel(config)
        self.v_head = nn.Linear(config.hidden_size, 1, bias=False)
        self.post_init()  # type: ignore[no-untyped-call]  # transformers does not type it


class Qwen2Reward(Qwen2PreTrainedModel):  # type: ignore[no-untyped-call]  # transformers does not type it
    """Qwen2.5-Math's reward model: two layers with a ReLU between them, one output."""

    outputs = 1

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._keep_in_fp32_modules_strict = {"score"}
        self.model = Qwen2Model(config)
        size = config.hidden_size
        self.score = nn.Sequential(nn.Linear(size, size), nn.ReLU(), nn.Linear(size, self.outputs))
        self.post_init()  # type: ignore[no-untyped-call]  # transformers does not type it


class Qwen2ProcessReward(Qwen2Reward):  # type: ignore[no-untyped-call]  # transformers does not type it
    """The same with two outputs per token: the step is wrong, the step is right."""

    outputs = 2
