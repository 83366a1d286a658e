"""The conformance kit on reward models; their numbers are compared in the other files."""

from __future__ import annotations

from pathlib import Path

import pytest

from cenote.testing.adapter import AdapterConformance
from cenote.testing.checkpoints import build_checkpoint


class _Reward(AdapterConformance):
    tasks = ("classify", "token_classify")
    family = ""

    @pytest.fixture(scope="class")
    @classmethod
    def checkpoint(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return build_checkpoint(cls.family, tmp_path_factory.mktemp(cls.family))


class TestInternLM2(_Reward):
    family = "internlm2_reward"


class TestQwenMathReward(_Reward):
    family = "qwen_math_rm"


class TestQwenMathProcessReward(_Reward):
    tasks = ("token_classify",)
    family = "qwen_math_prm"
