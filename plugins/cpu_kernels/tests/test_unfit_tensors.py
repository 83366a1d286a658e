"""Tensors that do not fit together, or do not lie on the CPU, are refused or computed as the reference does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from cenote.errors import InvalidRequest, MissingDependency, ShapeError
from cenote.kernels.bias_act import reference as bias_act_reference
from cenote.kernels.residual_norm import reference as norm_reference
from cenote.kernels.rotary import reference as rotary_reference
from cenote.kernels.varlen_attention import reference as attention_reference
from cenote_cpu_kernels.activation import bias_act
from cenote_cpu_kernels.attention import varlen_attention
from cenote_cpu_kernels.library import level
from cenote_cpu_kernels.linear import prepare_linear
from cenote_cpu_kernels.maxsim import maxsim
from cenote_cpu_kernels.norm import residual_norm
from cenote_cpu_kernels.pool import l2_normalize, segment_pool
from cenote_cpu_kernels.rotary import rotary

NORM: dict[str, Any] = {"eps": 1e-5, "kind": "layer", "stream": "sum", "dtype": torch.float32}


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


def away(*shape: int) -> Tensor:
    """Return a tensor whose address means nothing to the CPU."""
    return torch.empty(*shape, device="meta")


def norm_of(residual: Tensor | None = None, weight: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    return residual_norm(drawn(64, 16), residual, weight=weight, bias=bias, **NORM)[0]


def attend(query: Tensor, key: Tensor, value: Tensor, **more: Any) -> Tensor:
    given: dict[str, Any] = {"lengths": (5,), "key_lengths": (5,), "scale": 0.5} | more
    return varlen_attention(query, key, value, **given)


TURNED: dict[str, tuple[Tensor, Tensor, Tensor]] = {
    "wider than the head": (drawn(64, 4, 16), drawn(64, 64), drawn(64, 64)),
    "sines of fewer": (drawn(64, 1, 16), drawn(64, 16), drawn(64, 2)),
    "fewer rows": (drawn(64, 2, 16), drawn(9, 16), drawn(9, 16)),
    "four dimensions": (drawn(2, 4, 2, 16), drawn(2, 4, 16), drawn(2, 4, 16)),
    "odd": (drawn(4, 2, 16), drawn(4, 7), drawn(4, 7)),
    "cosines elsewhere": (drawn(4, 2, 16), away(4, 16), drawn(4, 16)),
    "sines elsewhere": (drawn(4, 2, 16), drawn(4, 16), away(4, 16)),
}


@pytest.mark.parametrize("given", TURNED.values(), ids=TURNED)
def test_angles_that_do_not_fit_are_refused(given: tuple[Tensor, Tensor, Tensor]) -> None:
    with pytest.raises(RuntimeError):
        rotary(*given)


ROWS: dict[str, Callable[[], Any]] = {
    "bias_act, short bias": lambda: bias_act(drawn(2, 8), drawn(3), activation="gelu"),
    "bias_act, bias elsewhere": lambda: bias_act(drawn(2, 8), away(8), activation="gelu"),
    "norm, short weight": lambda: norm_of(weight=drawn(3)),
    "norm, short bias": lambda: norm_of(bias=drawn(3)),
    "norm, fewer residual rows": lambda: norm_of(drawn(2, 16)),
    "norm, narrower residual": lambda: norm_of(drawn(64, 8)),
    "norm, residual elsewhere": lambda: norm_of(away(64, 16)),
    "norm, weight elsewhere": lambda: norm_of(weight=away(16)),
}


@pytest.mark.parametrize("call", ROWS.values(), ids=ROWS)
def test_what_does_not_fit_the_rows_is_refused(call: Callable[[], Any]) -> None:
    with pytest.raises((RuntimeError, ValueError)):
        call()


def test_what_torch_broadcasts_is_as_in_the_reference() -> None:
    rows, heads, angles = drawn(64, 16), drawn(64, 2, 16), drawn(1, 16)
    options: dict[str, Any] = {"weight": None, "bias": None} | NORM
    torch.testing.assert_close(
        residual_norm(rows, drawn(1, 16), **options), norm_reference.residual_norm(rows, drawn(1, 16), **options)
    )
    torch.testing.assert_close(rotary(heads, angles, angles), rotary_reference.rotary(heads, angles, angles))
    torch.testing.assert_close(
        bias_act(rows, drawn(1), activation="relu"), bias_act_reference.bias_act(rows, drawn(1), activation="relu")
    )


ATTENDED: dict[str, tuple[tuple[Tensor, Tensor, Tensor], dict[str, Any]]] = {
    "no head": ((drawn(5, 0, 8), drawn(5, 2, 8), drawn(5, 2, 8)), {}),
    "no head of keys": ((drawn(5, 2, 8), drawn(5, 0, 8), drawn(5, 0, 8)), {}),
    "two dimensions": ((drawn(5, 8), drawn(5, 8), drawn(5, 8)), {}),
    "four dimensions": ((drawn(5, 2, 8, 1), drawn(5, 2, 8), drawn(5, 2, 8)), {}),
    "few sinks": ((drawn(5, 4, 8),) * 3, {"sinks": drawn(1)}),
    "query elsewhere": ((away(5, 2, 8), drawn(5, 2, 8), drawn(5, 2, 8)), {}),
    "key elsewhere": ((drawn(5, 2, 8), away(5, 2, 8), drawn(5, 2, 8)), {}),
    "value elsewhere": ((drawn(5, 2, 8), drawn(5, 2, 8), away(5, 2, 8)), {}),
    "sinks elsewhere": ((drawn(5, 2, 8),) * 3, {"sinks": away(2)}),
}


@pytest.mark.parametrize(("given", "more"), ATTENDED.values(), ids=ATTENDED)
def test_attention_refuses_what_does_not_fit(given: tuple[Tensor, Tensor, Tensor], more: dict[str, Any]) -> None:
    with pytest.raises(ShapeError, match="does not go with"):
        attend(*given, **more)


@pytest.mark.parametrize(
    "more", [{"window": 0}, {"window": -1}, {"window": 2**62}, {"window": 5}, {"softcap": -2.0}], ids=str
)
def test_windows_and_caps_of_any_size_are_as_in_the_reference(more: dict[str, Any]) -> None:
    given = drawn(5, 2, 8), drawn(5, 2, 8), drawn(5, 2, 8)
    options: dict[str, Any] = {"lengths": (5,), "key_lengths": (5,), "scale": 0.5} | more
    expected = attention_reference.varlen_attention(*given, **options)
    torch.testing.assert_close(attend(*given, **more), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [drawn(3), drawn(1, 256), away(256)], ids=["short", "two dimensions", "elsewhere"])
@pytest.mark.parametrize("quantization", [None, "int8"])
def test_a_bias_that_does_not_fit_the_weight_is_refused(bias: Tensor, quantization: Any) -> None:
    with pytest.raises(ShapeError, match="The bias of a weight"):
        prepare_linear(drawn(256, 128), bias, quantization=quantization)


@pytest.mark.parametrize(
    "documents",
    [[drawn(4, 8), drawn(4, 8).bfloat16()], [drawn(4, 8), away(4, 8)], away(8, 8)],
    ids=["type", "one", "all"],
)
def test_documents_of_unlike_types_or_places_are_refused(documents: Any) -> None:
    with pytest.raises(InvalidRequest, match="Documents of one dtype on the device of the query"):
        maxsim(drawn(2, 8), documents, lengths=[4, 4])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int8], ids=str)
def test_vectors_without_components_are_refused(dtype: torch.dtype) -> None:
    with pytest.raises(InvalidRequest, match=r"query is \[3, 0\]: vectors have no components"):
        maxsim(torch.zeros(3, 0, dtype=dtype), torch.zeros(4, 0, dtype=dtype), lengths=[4])


@pytest.mark.parametrize("lengths", [(9, 9), (1, 2), (6, -2), ()], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_lengths_that_do_not_fit_the_rows_are_refused(lengths: tuple[int, ...], dtype: torch.dtype) -> None:
    for reduce in ("sum", "mean", "max"):
        with pytest.raises(ShapeError, match="rows"):
            segment_pool(drawn(4, 8).to(dtype), lengths=lengths, reduce=reduce)


@pytest.fixture
def no_level(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("CENOTE_CPU_KERNELS_LEVEL", "none")
    level.cache_clear()
    yield
    level.cache_clear()


CALLS: dict[str, Callable[[], Any]] = {
    "bias_act": lambda: bias_act(drawn(2, 8), None, activation="gelu"),
    "residual_norm": norm_of,
    "rotary": lambda: rotary(drawn(4, 2, 8), drawn(4, 8), drawn(4, 8)),
    "segment_pool": lambda: segment_pool(drawn(4, 8), lengths=[4], reduce="sum"),
    "l2_normalize": lambda: l2_normalize(drawn(4, 8)),
    "maxsim": lambda: maxsim(drawn(2, 8), drawn(4, 8), lengths=[4]),
    "varlen_attention": lambda: attend(drawn(5, 2, 8), drawn(5, 2, 8), drawn(5, 2, 8)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_instruction_of_a_higher_level_is_used_where_the_level_is_none(
    no_level: None, call: Callable[[], Any]
) -> None:
    with pytest.raises(MissingDependency, match="none"):
        call()
