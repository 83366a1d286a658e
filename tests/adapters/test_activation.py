"""Which activation a classifier gets: what the files say, in the order of the reference or of vLLM."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from cenote.adapters.activation import build_activation, resolve_activation
from cenote.errors import CheckpointError

IDENTITY = "torch.nn.modules.linear.Identity"
SIGMOID = "torch.nn.modules.activation.Sigmoid"
SOFTMAX = "torch.nn.modules.activation.Softmax"
SBERT = "sbert_ce_default_activation_function"


@pytest.mark.parametrize(
    ("config", "labels", "reference", "vllm"),
    [
        ({}, 1, "sigmoid (default)", "sigmoid (default)"),
        ({}, 3, "softmax (default)", "softmax (default)"),
        ({"problem_type": "regression"}, 1, "identity (problem_type)", "identity (problem_type)"),
        ({"problem_type": "single_label_classification"}, 1, "sigmoid (problem_type)", "sigmoid (problem_type)"),
        ({"problem_type": "single_label_classification"}, 2, "softmax (problem_type)", "softmax (problem_type)"),
        ({"problem_type": "multi_label_classification"}, 4, "sigmoid (problem_type)", "sigmoid (problem_type)"),
        ({SBERT: IDENTITY}, 1, f"identity ({SBERT})", f"identity ({SBERT})"),
        ({SBERT: SIGMOID}, 3, f"sigmoid ({SBERT})", f"softmax ({SBERT})"),
        ({SBERT: SOFTMAX}, 1, f"softmax ({SBERT})", f"sigmoid ({SBERT})"),
        (
            {SBERT: SIGMOID, "sentence_transformers": {"activation_fn": IDENTITY}},
            1,
            "identity (sentence_transformers.activation_fn)",
            "identity (sentence_transformers.activation_fn)",
        ),
        (
            {SBERT: IDENTITY, "problem_type": "multi_label_classification"},
            2,
            f"identity ({SBERT})",
            "sigmoid (problem_type)",
        ),
        ({"function_to_apply": "none"}, 2, "identity (function_to_apply)", "softmax (default)"),
        ({"function_to_apply": "sigmoid"}, 2, "sigmoid (function_to_apply)", "softmax (default)"),
        (
            {"function_to_apply": "none", "problem_type": "regression"},
            2,
            "identity (problem_type)",
            "identity (problem_type)",
        ),
    ],
)
def test_the_first_setting_that_says_something_wins(
    config: dict[str, Any], labels: int, reference: str, vllm: str
) -> None:
    assert str(resolve_activation(config, labels, compat="reference")) == reference
    assert str(resolve_activation(config, labels, compat="vllm")) == vllm


def test_the_file_of_sentence_transformers_wins_over_config_json() -> None:
    found = resolve_activation({SBERT: SIGMOID}, 1, compat="reference", own=IDENTITY)
    assert str(found) == "identity (config_sentence_transformers.activation_fn)"


def test_a_model_may_have_a_default_of_its_own() -> None:
    assert str(resolve_activation({}, 1, compat="reference", default="identity")) == "identity (model default)"


@pytest.mark.parametrize(
    ("config", "compat"),
    [
        ({SBERT: "os.system"}, "reference"),
        ({SBERT: "torch.nn.functional.sigmoid"}, "reference"),
        ({SBERT: "torch.nn.Bilinear"}, "reference"),
        ({SBERT: 3}, "reference"),
        ({SBERT: "torch.nn.Sigmoid"}, "vllm"),
        ({"problem_type": "ranking"}, "reference"),
        ({"function_to_apply": "relu"}, "reference"),
    ],
)
def test_what_is_not_a_known_function_is_an_error(config: dict[str, Any], compat: str) -> None:
    with pytest.raises(CheckpointError):
        resolve_activation(config, 1, compat=compat)


@pytest.mark.parametrize(
    ("dotted", "expected"),
    [
        ("torch.nn.modules.activation.Tanh", torch.tanh),
        ("torch.nn.Sigmoid", torch.sigmoid),
        ("torch.nn.Softmax", lambda rows: torch.softmax(rows, dim=-1)),
        ("torch.nn.modules.activation.LogSoftmax", lambda rows: torch.log_softmax(rows, dim=-1)),
        ("torch.nn.Identity", lambda rows: rows),
    ],
)
def test_activations_work_on_the_last_axis(dotted: str, expected: Any) -> None:
    for shape in ((3,), (2, 3), (2, 4, 3)):
        rows = torch.randn(shape, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(build_activation(dotted)(rows), expected(rows))
