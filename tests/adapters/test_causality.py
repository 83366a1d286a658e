"""Causality is measured on the loaded model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cenote import LLM
from cenote.adapters.backbone import PaddedBackbone
from cenote.adapters.causality import measure_causality
from cenote.testing.checkpoints import build_backbone, build_checkpoint


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


@pytest.mark.parametrize(("name", "options"), [("mistral", {}), ("gemma", {"quantization": "int8"})])
def test_rounding_of_low_precision_is_not_taken_for_looking_ahead(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    with LLM(str(build_checkpoint(name, tmp_path)), dtype="bfloat16", **options) as model:
        assert model.report()["attention"] == "causal"
