"""Layers that a backend runs in one call: taken where they give the same, and else left to the operators."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor

from cenote.adapters.fused import FusedLayers, fuse_layers, joining
from cenote.adapters.fused.layer import Batch
from cenote.errors import MissingDependency
from cenote.kernels.interrupt import Interrupt
from cenote.kernels.layers import Joined, Layer
from cenote.kernels.linear import cpu

#: From something to a model, or to a call that runs one.
Make: TypeAlias = Callable[..., Any]


def _fused(model: Any) -> FusedLayers:
    (found,) = (module for module in model.modules() if isinstance(module, FusedLayers))
    return found


def _offer(monkeypatch: pytest.MonkeyPatch, join: Callable[[Sequence[Layer]], Joined | None]) -> None:
    """Let the backend of products join layers."""

    def prepare(*args: Any, **kwargs: Any) -> Any:
        return cpu.prepare_linear(*args, **kwargs)

    prepare.join = join  # type: ignore[attr-defined]
    monkeypatch.setattr(joining, "get_kernel", lambda *_: prepare)


def _joiner(
    run: Any, factor: float, seen: list[Any], wrong: Callable[[int], bool] = lambda tokens: True
) -> Callable[[Sequence[Layer]], Joined]:
    """Return what joins the layers of a model by calling them, and multiplies what they give for some batches."""

    def join(layers: Sequence[Layer]) -> Joined:
        own = _fused(run.model)

        def joined(
            normed: Tensor,
            stream: Tensor,
            *,
            lengths: Any,
            key_lengths: Any,
            angles: Any,
            first: int = 0,
            interrupt: Interrupt | None = None,
        ) -> tuple[Tensor, Tensor, int]:
            seen.append(layers)
            end = len(layers) if interrupt is None else first + interrupt.least
            for layer in own.layers[first:end]:
                normed, stream = layer(normed, stream, Batch(lengths, key_lengths, angles))
            return normed, stream * factor if wrong(len(stream)) else stream, end

        return joined

    return join


@pytest.mark.parametrize("family", ["bert", "modernbert", "llama"])
def test_layers_run_in_one_call_where_that_gives_the_same(
    family: str, monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    seen: list[Any] = []
    run = packed(tiny_model(family))
    expected = run()
    _offer(monkeypatch, _joiner(run, 1.0, seen))

    fuse_layers(run.model, run, backbone=run.backbone)

    assert _fused(run.model).joined is not None
    # All of them on the usual sequences; on few tokens and on many the first one, all, and one after the other.
    assert [len(layers) for layers in seen] == [3, *(1, 3, 3, 3, 3) * 2]
    assert {layer.rotary for layer in seen[0]} != {None} or family == "bert"
    assert float((run() - expected).abs().max() / expected.abs().max()) <= 5e-6
    assert len(seen) == 12


@pytest.mark.parametrize("wrong", [lambda tokens: tokens < 42, lambda tokens: tokens >= 128], ids=["few", "many"])
def test_few_tokens_and_many_are_compared_too(
    wrong: Callable[[int], bool], monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    run = packed(tiny_model("llama"))
    _offer(monkeypatch, _joiner(run, 1.01, [], wrong))

    fuse_layers(run.model, run)

    assert _fused(run.model).joined is None


@pytest.mark.parametrize("factor", [1.01, torch.nan])
def test_layers_that_give_something_else_in_one_call_run_operator_by_operator(
    factor: float,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tiny_model: Make,
    packed: Make,
) -> None:
    run = packed(tiny_model("bert"))
    _offer(monkeypatch, _joiner(run, factor, []))

    fuse_layers(run.model, run)

    assert _fused(run.model).joined is None
    assert "operator by operator: joined, they differ by" in caplog.text


def test_layers_run_operator_by_operator_where_a_backend_fails_or_knows_no_such_ones(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    def fail(layers: Sequence[Layer]) -> Joined:
        raise MissingDependency("There is no memory.")

    joins: list[Callable[[Sequence[Layer]], Joined | None]] = [fail, lambda _: None]
    for join in joins:
        run = packed(tiny_model("bert"))
        _offer(monkeypatch, join)
        assert "3 fused layers" in fuse_layers(run.model, run)
        assert _fused(run.model).joined is None


@pytest.mark.parametrize("family", ["qwen3", "gemma2"])
def test_layers_with_norms_of_heads_or_of_results_are_not_described(
    family: str, monkeypatch: pytest.MonkeyPatch, tiny_model: Make, packed: Make
) -> None:
    seen: list[Any] = []
    run = packed(tiny_model(family))
    _offer(monkeypatch, _joiner(run, 1.0, seen))

    fuse_layers(run.model, run)

    assert _fused(run.model).joined is None
    assert seen == []
