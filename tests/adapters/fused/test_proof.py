"""A fused layer that is wrong in one detail is refused, also where the model's dtype would hide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cenote.adapters.fused import assembling, direct, fuse_layers
from cenote.adapters.fused.products import PlainProduct
from cenote.kernels.activations import function_of

#: From something to a model, or to a call that runs one.
Make: TypeAlias = Callable[..., Any]

DTYPES = [torch.float32, torch.bfloat16]
#: What is changed of what is asked of attention.
ATTENTION: list[tuple[str, str, Callable[[Any], Any]]] = [
    ("bert", "scale", lambda scale: 1.05 * scale),
    ("qwen3", "scale", lambda scale: 1.05 * scale),
    ("bert", "causal", lambda causal: not causal),
    ("llama", "causal", lambda causal: not causal),
    ("mistral", "window", lambda window: window - 1),
    ("modernbert", "window", lambda window: window and window + 1),
    ("gemma2", "softcap", lambda softcap: None),
]
#: What is changed of what was read of a layer.
PARTS: list[tuple[str, str, Any]] = [
    ("bert", "activation", "gelu_tanh"),
    ("bert", "activation", "quick_gelu"),
    ("gemma2", "activation", "gelu"),
]


def _ids(change: Any) -> str:
    return "" if callable(change) else str(change).removeprefix("torch.")


@pytest.fixture
def wrong(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, Callable[..., Any]], None]:
    """Put a function around one of those that put layers together; it gets that one and its arguments."""

    def change(name: str, around: Callable[..., Any]) -> None:
        own = getattr(assembling, name)
        monkeypatch.setattr(assembling, name, lambda *args: around(own, *args))

    return change


def _is_refused(model: Any, packed: Make) -> bool:
    run = packed(model)
    expected = run()
    words = fuse_layers(run.model, run)
    assert torch.equal(run(), expected) or "fused layers" in words
    return words.startswith("layers as in transformers (fused")


@pytest.mark.parametrize("dtype", DTYPES, ids=_ids)
@pytest.mark.parametrize(("family", "field", "change"), ATTENTION, ids=_ids)
def test_attention_that_is_asked_for_in_another_way_is_refused(
    family: str,
    field: str,
    change: Callable[[Any], Any],
    dtype: torch.dtype,
    wrong: Any,
    tiny_model: Make,
    packed: Make,
) -> None:
    wrong("_call", lambda own, calls: replace(call := own(calls), **{field: change(getattr(call, field))}))

    assert _is_refused(tiny_model(family, dtype), packed)


@pytest.mark.parametrize("dtype", DTYPES, ids=_ids)
@pytest.mark.parametrize(("family", "field", "value"), PARTS, ids=_ids)
def test_a_part_that_was_read_wrongly_is_refused(
    family: str, field: str, value: Any, dtype: torch.dtype, wrong: Any, tiny_model: Make, packed: Make
) -> None:
    wrong("_layer", lambda own, layer, *others: own(replace(layer, **{field: value}), *others))

    assert _is_refused(tiny_model(family, dtype), packed)


@pytest.mark.parametrize("dtype", DTYPES, ids=_ids)
@pytest.mark.parametrize("family", ["llama", "modernbert", "qwen3"])
def test_norms_with_another_epsilon_are_refused(
    family: str, dtype: torch.dtype, wrong: Any, tiny_model: Make, packed: Make
) -> None:
    wrong("normalise", lambda own, norm, *others: own(replace(norm, eps=100 * norm.eps), *others))

    assert _is_refused(tiny_model(family, dtype), packed)


@pytest.mark.parametrize("dtype", DTYPES, ids=_ids)
@pytest.mark.parametrize("lost", [0, 2])
def test_a_lost_bias_is_refused(
    lost: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    def call(self: Any, rows: Tensor, *, activation: Any = None) -> Tensor:
        layers = enumerate(self._layers)
        parts = [F.linear(rows, layer.weight, None if place == lost else layer.bias) for place, layer in layers]
        result = torch.cat(parts, dim=-1)
        return result if activation is None else function_of(activation)(result)

    monkeypatch.setattr(PlainProduct, "__call__", call)

    assert _is_refused(tiny_model("bert", dtype), packed)


def test_each_kind_of_layer_is_proven(wrong: Any, tiny_model: Make, packed: Make) -> None:
    def change(own: Any, calls: Any) -> Any:
        call = own(calls)
        return call if call.window is None else replace(call, scale=1.05 * call.scale)

    wrong("_call", change)
    run = packed(tiny_model("modernbert", torch.bfloat16))  # looks at everything in the first and the third layer

    assert "in float32, layer 1 differs" in fuse_layers(run.model, run)


@pytest.mark.parametrize("dtype", DTYPES, ids=_ids)
@pytest.mark.parametrize("family", ["bert", "gemma", "llama", "modernbert"])
def test_a_direct_way_that_embeds_a_little_differently_is_not_taken(
    family: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    own = direct.embedder_of

    def embedder_of(*given: Any) -> Any:
        embed = own(*given)
        return lambda *args: tuple(1.001 * values for values in embed(*args))

    right, wrong = packed(tiny_model(family, dtype)), packed(tiny_model(family, dtype))
    fuse_layers(right.model, right, backbone=right.backbone)
    monkeypatch.setattr(direct, "embedder_of", embedder_of)
    fuse_layers(wrong.model, wrong, backbone=wrong.backbone)

    assert right.backbone.direct is not None
    assert wrong.backbone.direct is None


def test_after_the_proof_the_weights_are_those_of_before(tiny_model: Make, packed: Make) -> None:
    run = packed(tiny_model("granite", torch.bfloat16))
    before = [(value.data_ptr(), value.dtype) for value in run.model.parameters()]

    fuse_layers(run.model, run)

    assert [(value.data_ptr(), value.dtype) for value in run.model.parameters()] == before
