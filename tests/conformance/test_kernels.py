"""Every backend of every core operator equals the reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch

from cenote.kernels import OPERATORS
from cenote.kernels.l2_normalize.reference import l2_normalize
from cenote.kernels.segment_pool.reference import segment_pool
from cenote.kernels.varlen_attention.reference import varlen_attention
from cenote.registry import default_registry
from cenote.testing.kernel_cases import CASES
from cenote.testing.kernels import TOLERANCES, KernelConformance


class TestCpuVarlenAttention(KernelConformance):
    operator = "varlen_attention"
    backend = "cpu"


class TestCpuResidualNorm(KernelConformance):
    operator = "residual_norm"
    backend = "cpu"


class TestCpuBiasAct(KernelConformance):
    operator = "bias_act"
    backend = "cpu"


class TestCpuRotary(KernelConformance):
    operator = "rotary"
    backend = "cpu"


class TestCpuSegmentPool(KernelConformance):
    operator = "segment_pool"
    backend = "cpu"


class TestCpuL2Normalize(KernelConformance):
    operator = "l2_normalize"
    backend = "cpu"


class TestCpuTermMax(KernelConformance):
    operator = "term_max"
    backend = "cpu"


class TestCpuLinear(KernelConformance):
    operator = "linear"
    backend = "cpu"
    tolerances: ClassVar[Mapping[str, float]] = {"float32": 1e-5, "bfloat16": 3.2e-2}


class TestCpuMaxsim(KernelConformance):
    operator = "maxsim"
    backend = "cpu"
    tolerances: ClassVar[Mapping[str, float]] = {**TOLERANCES, "int8": 1e-6}


def test_every_operator_has_a_reference_and_cases() -> None:
    registry = default_registry()
    assert {name.partition(":")[0] for name in registry.names("cenote.kernels")} == set(OPERATORS)
    for operator in OPERATORS:
        assert callable(registry.get("cenote.kernels", f"{operator}:reference"))
        assert CASES[operator]


def test_every_cpu_backend_is_tested_here() -> None:
    names = default_registry().names("cenote.kernels")
    assert {name for name in names if name.endswith(":cpu")} == {
        "bias_act:cpu",
        "l2_normalize:cpu",
        "linear:cpu",
        "residual_norm:cpu",
        "rotary:cpu",
        "maxsim:cpu",
        "segment_pool:cpu",
        "term_max:cpu",
        "varlen_attention:cpu",
    }


def test_reference_attention_equals_torch_on_one_sequence() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(9, 4, 8, generator=generator) for _ in range(3))
    found = varlen_attention(query, key, value, lengths=(9,), key_lengths=(9,), scale=0.3, causal=True)
    expected = torch.nn.functional.scaled_dot_product_attention(
        query.transpose(0, 1), key.transpose(0, 1), value.transpose(0, 1), is_causal=True, scale=0.3
    ).transpose(0, 1)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_reference_attention_keeps_sequences_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(9, 2, 8, generator=generator) for _ in range(3))
    together = varlen_attention(query, key, value, lengths=(4, 5), key_lengths=(4, 5), scale=1.0)
    second = varlen_attention(query[4:], key[4:], value[4:], lengths=(5,), key_lengths=(5,), scale=1.0)
    torch.testing.assert_close(together[4:], second)


@pytest.mark.parametrize(("reduce", "expected"), [("sum", [4.0, -2.0]), ("mean", [2.0, -1.0]), ("max", [3.0, 0.0])])
def test_reference_pooling_reduces_each_segment(reduce: str, expected: list[float]) -> None:
    rows = torch.tensor([[1.0, -2.0], [3.0, 0.0], [5.0, 6.0]])
    found = segment_pool(rows, lengths=(2, 0, 1), reduce=reduce)
    assert found.tolist() == [expected, [0.0, 0.0], [5.0, 6.0]]


def test_reference_norm_keeps_zero_rows() -> None:
    assert l2_normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0]])).tolist() == [
        [0.6000000238418579, 0.800000011920929],
        [0.0, 0.0],
    ]
