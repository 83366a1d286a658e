"""Prepared linear layers: equal results, or none at all."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cenote.adapters.linears import PreparedLinear, prepare_linears
from cenote.errors import InvalidRequest


class Model(nn.Module):
    """Two layers, one of which may be read directly."""

    dtype = torch.float32

    def __init__(self, *, reads_weight: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = nn.Sequential(nn.Linear(256, 256), nn.ReLU())
        self.outer = nn.Linear(256, 4)
        self.reads_weight = reads_weight

    def forward(self, rows: Tensor) -> Tensor:
        if self.reads_weight:
            rows = rows.to(self.outer.weight.dtype)
        return self.outer(self.inner(rows))  # type: ignore[no-any-return]


ROWS = torch.randn(7, 256, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_layers_are_replaced_and_results_stay_equal() -> None:
    model = Model()
    expected = model(ROWS)
    assert prepare_linears(model, lambda: model(ROWS)) == "2 linear layers in the kernel's layout"
    assert isinstance(model.inner[0], PreparedLinear)
    torch.testing.assert_close(model(ROWS), expected, atol=1e-5, rtol=1e-5)


class Intermediate(nn.Module):
    """A layer and its activation, under the names that BERT gives them."""

    dtype = torch.float32

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.dense = nn.Linear(256, 512)
        self.intermediate_act_fn = activation

    def forward(self, rows: Tensor) -> Tensor:
        return self.intermediate_act_fn(self.dense(rows))  # type: ignore[no-any-return]


@torch.no_grad()
@pytest.mark.parametrize(
    ("activation", "fused"), [(nn.GELU(), True), (nn.GELU(approximate="tanh"), False), (nn.ReLU(), False)]
)
def test_an_exact_gelu_is_computed_with_its_layer(activation: nn.Module, fused: bool) -> None:
    model = Intermediate(activation)
    expected = model(ROWS)
    prepare_linears(model, lambda: model(ROWS))
    assert isinstance(model.intermediate_act_fn, nn.Identity) is fused
    torch.testing.assert_close(model(ROWS), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_model_that_reads_its_weights_keeps_them() -> None:
    model = Model(reads_weight=True)
    assert prepare_linears(model, lambda: model(ROWS)) == "plain linear layers"
    assert type(model.inner[0]) is nn.Linear
    assert torch.isfinite(model(ROWS)).all()


@torch.no_grad()
def test_the_weights_of_replaced_layers_are_freed() -> None:
    model = Model()
    prepare_linears(model, lambda: model(ROWS))
    assert not list(model.parameters())


@torch.no_grad()
def test_int8_is_near_the_model_and_says_how_near() -> None:
    model = Model()
    expected = model(ROWS)
    said = prepare_linears(model, lambda: model(ROWS), quantization="int8")
    assert said == "2 linear layers as int8 (least cosine of hidden states 0.9999)"
    found = model(ROWS)
    assert not torch.equal(found, expected)
    assert torch.nn.functional.cosine_similarity(found, expected).min() > 0.999


@torch.no_grad()
def test_int8_is_refused_where_nothing_can_be_quantised() -> None:
    model = Model(reads_weight=True)
    with pytest.raises(InvalidRequest, match="no linear layers that take it"):
        prepare_linears(model, lambda: model(ROWS), quantization="int8")


@torch.no_grad()
def test_int8_is_refused_where_it_would_ruin_the_model() -> None:
    model = Model()
    model.inner[0].weight[:, 0].zero_()
    model.inner[0].bias.zero_()
    rows = ROWS.clone()
    rows[:, 0] = 1e6  # what means nothing drowns the rest of each row
    with pytest.raises(InvalidRequest, match=r"cosine of only -?0\.\d+ to its own.*dtype='bfloat16'"):
        prepare_linears(model, lambda: model(rows), quantization="int8")
