"""Causality is measured on the loaded model."""

from __future__ import annotations

from typing import Any

import pytest

from cenote.adapters.backbone import PaddedBackbone
from cenote.adapters.causality import measure_causality
from cenote.testing.checkpoints import build_backbone


@pytest.mark.parametrize(
    ("name", "expected"),
    [("bert", "bidirectional"), ("embeddinggemma", "bidirectional"), ("qwen3", "causal"), ("gemma2", "causal")],
)
def test_what_a_model_sees_decides_and_not_its_name(name: str, expected: str) -> None:
    model: Any = build_backbone(name)
    assert measure_causality(PaddedBackbone(model, 0), model, 64) == expected


def test_a_causal_class_that_its_config_lets_look_ahead_is_bidirectional() -> None:
    model: Any = build_backbone("qwen3")
    model.config.is_causal = False
    assert measure_causality(PaddedBackbone(model, 0), model, 64) == "bidirectional"
