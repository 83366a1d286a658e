"""What is read of a model: norms and activations by what they compute, attention by what it is asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers.activations import ACT2FN

from cenote.adapters.fused import products
from cenote.adapters.fused.kinds import activation_of, norm_of
from cenote.adapters.fused.products import PlainProduct, prepare_product
from cenote.adapters.fused.recording import record_attention

#: From something to a model, or to a call that runs one.
Make: TypeAlias = Callable[..., Any]

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "quick_gelu": "quick_gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
    "gelu_10": None,
    "tanh": None,
    "relu2": None,
}


@pytest.mark.parametrize(("name", "expected"), ACTIVATIONS.items())
def test_activations_are_known_by_what_they_compute(name: str, expected: str | None) -> None:
    assert activation_of(ACT2FN[name]) == expected


def test_a_module_of_another_kind_is_no_activation() -> None:
    assert activation_of(nn.Embedding(3, 3)) is None
    assert activation_of(nn.Bilinear(3, 3, 3)) is None


@pytest.mark.parametrize("family", ["gemma", "qwen3"])
def test_a_norm_by_the_mean_square_is_known_with_or_without_an_offset(family: str, tiny_model: Make) -> None:
    module = tiny_model(family, torch.bfloat16).norm
    rows = torch.randn(5, 64, generator=torch.Generator().manual_seed(0))

    norm = norm_of(module)

    assert norm is not None
    assert norm.kind == "rms"
    assert norm.weight is not None
    expected = module.float()(rows)
    torch.testing.assert_close(F.rms_norm(rows, (64,), norm.weight, norm.eps), expected, rtol=1e-5, atol=1e-6)


def test_other_norms_are_unknown() -> None:
    assert norm_of(nn.GroupNorm(2, 8)) is None
    assert norm_of(nn.LayerNorm((2, 8))) is None
    assert norm_of(nn.Linear(8, 8)) is None


def test_a_window_that_only_the_config_knows_is_recorded(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("mistral", sliding_window=5))

    _, calls = record_attention(run.model, run)

    assert {call.window for each in calls.values() for call in each} == {5}
    assert len(calls) == 3


def test_heads_scales_and_caps_are_recorded(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("gemma2", query_pre_attn_scalar=36))

    _, calls = record_attention(run.model, run)

    (call,) = calls[run.model.layers[1].self_attn]
    assert (call.heads, call.kv_heads, call.size) == (4, 2, 16)
    assert call.scale == pytest.approx(1 / 6)
    assert call.softcap == 50.0
    assert call.causal


def test_products_side_by_side_are_one_also_where_one_has_no_bias() -> None:
    layers = [nn.Linear(6, 4), nn.Linear(6, 3, bias=False)]
    rows = torch.randn(5, 6)
    expected = torch.cat([layer(rows) for layer in layers], dim=-1)
    plain = PlainProduct(layers)

    with torch.inference_mode():
        torch.testing.assert_close(plain(rows), expected)
        prepared = prepare_product(plain, quantization=None, precision="highest")
        torch.testing.assert_close(prepared(rows), expected)
        torch.testing.assert_close(prepared(rows, activation="relu"), expected.relu())


def test_a_product_that_is_wrong_for_many_rows_only_stays_plain(monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(weight: torch.Tensor, bias: torch.Tensor | None, **_: Any) -> Any:
        return lambda rows: nn.functional.linear(rows, weight, bias) * (1 if len(rows) <= 16 else 2)

    monkeypatch.setattr(products, "kernel_for", lambda *_: prepare)
    plain = PlainProduct([nn.Linear(6, 4)])
    assert prepare_product(plain, quantization=None, precision="highest") is plain
