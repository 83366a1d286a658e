"""A kernel that somebody asked for is taken, or no model is loaded: nothing else is tried in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote import LLM
from cenote.errors import PluginError, PluginFailure
from cenote.kernels import OPERATORS, backend_of
from cenote.kernels.trial import try_forced_kernels
from cenote.registry import default_registry
from cenote.testing.checkpoints import build_checkpoint

Kernel = Callable[..., Any]


def reference(operator: str) -> Kernel:
    found: Kernel = default_registry().get("cenote.kernels", f"{operator}:reference")
    return found


def changed(operator: str, change: Callable[[Tensor], Tensor]) -> Kernel:
    """Return the reference with its first result changed."""

    def of_result(result: Any) -> Any:
        return (change(result[0]), *result[1:]) if isinstance(result, tuple) else change(result)

    def kernel(*args: Any, **kwargs: Any) -> Any:
        if operator != "linear":
            return of_result(reference(operator)(*args, **kwargs))
        product = reference(operator)(*args, **kwargs)
        return lambda rows, *, activation=None: of_result(product(rows, activation=activation))

    return kernel


def _raising(result: Tensor) -> Tensor:
    raise RuntimeError("no such luck")


def _raising_beyond_the_trial(result: Tensor) -> Tensor:
    """Fail with what a model gives and the trial does not: other numbers of tokens."""
    if len(result) != 8:
        raise RuntimeError("no such luck")
    return result


@pytest.fixture
def force(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, Kernel], None]]:
    """Ask for a kernel of the test."""
    undo: list[Callable[[], None]] = []

    def ask(operator: str, kernel: Kernel) -> None:
        undo.append(default_registry().register("cenote.kernels", f"{operator}:acme", kernel, distribution="acme"))
        monkeypatch.setenv("CENOTE_KERNELS", f"{operator}:acme")

    yield ask
    for each in undo:
        each()


@pytest.mark.parametrize("operator", OPERATORS)
def test_each_operator_is_tried_and_the_reference_passes(operator: str, force: Callable[[str, Kernel], None]) -> None:
    called: list[torch.dtype] = []

    def noted(result: Tensor) -> Tensor:
        called.append(result.dtype)
        return result

    force(operator, changed(operator, noted))
    try_forced_kernels("cpu")
    assert called
    assert backend_of(operator) == "acme"


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize(
    ("change", "text"),
    [
        (_raising, r"cannot run on cpu \(RuntimeError: no such luck\)"),
        (lambda result: result * 1.02, r"differs from the reference by \d"),
        (lambda result: result * torch.nan, "differs from the reference by nan"),
        (lambda result: result[:-1], "gives results of other shapes"),
    ],
    ids=["raises", "2 % off", "nan", "a row short"],
)
def test_one_that_raises_or_is_wrong_is_refused_before_a_model_is_loaded(
    operator: str, change: Callable[[Tensor], Tensor], text: str, force: Callable[[str, Kernel], None]
) -> None:
    force(operator, changed(operator, change))
    with pytest.raises(PluginError, match=f"CENOTE_KERNELS asks for '{operator}:acme', which {text}"):
        try_forced_kernels("cpu")


def test_a_model_is_refused_so_too(force: Callable[[str, Kernel], None], tmp_path: Path) -> None:
    force("residual_norm", changed("residual_norm", _raising))
    with pytest.raises(PluginError, match="CENOTE_KERNELS asks for 'residual_norm:acme'"):
        LLM(str(build_checkpoint("bert", tmp_path)))


@pytest.mark.parametrize("operator", ["varlen_attention", "linear", "residual_norm"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_one_that_fails_with_a_model_alone_is_not_replaced(
    operator: str, dtype: str, force: Callable[[str, Kernel], None], tmp_path: Path
) -> None:
    force(operator, changed(operator, _raising_beyond_the_trial))
    try_forced_kernels("cpu")
    with pytest.raises(PluginFailure, match=f"The kernel '{operator}:acme' of acme"):
        LLM(str(build_checkpoint("bert", tmp_path)), dtype=dtype)


def test_a_kernel_of_the_core_that_cannot_run_here_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setenv("CENOTE_KERNELS", "residual_norm:triton")
    if torch.cuda.is_available():
        try_forced_kernels("cuda")
    with pytest.raises(PluginError, match="'residual_norm:triton', which cannot run on cpu"):
        try_forced_kernels("cpu")
