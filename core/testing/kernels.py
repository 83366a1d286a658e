"""Conformance tests of a kernel: subclass, name operator and backend, and pytest compares it with the reference.

class TestMyAttention(KernelConformance):
    operator = "varlen_attention"
    backend = "triton"
    device = "cuda"

class TestMyOwnOperator(KernelConformance):
    operator = "acme"                            # `acme:reference` is an entry point too
    backend = "triton"
    cases = (KernelCase("rows", build, {}),)     # inputs, of which the kit has none for it
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import pytest
import torch

from cenote.kernels.base import check_kernel
from cenote.registry import default_registry
from cenote.testing.compare import assert_all_close
from cenote.testing.kernel_cases import CASES, KernelCase

__all__ = ["TOLERANCES", "KernelConformance"]

#: Largest difference from the reference, which computes in float32; inputs are of size 1.
TOLERANCES: Mapping[str, float] = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 1.6e-2}


class KernelConformance:
    """Compares an implementation with `reference`, output by output, over shapes and dtypes.

    Attributes:
        operator: such as `segment_pool`. Must be overridden, unless `kernel` and `expected` are.
        backend: such as `cpu`. Must be overridden likewise.
        device: where the inputs are.
        tolerances: bound per dtype; dtypes that are left out are not run.
        cases: inputs; None takes those that `cenote.testing.kernel_cases` has for the operator.
    """

    operator: ClassVar[str] = ""
    backend: ClassVar[str] = ""
    device: ClassVar[str] = "cpu"
    tolerances: ClassVar[Mapping[str, float]] = TOLERANCES
    cases: ClassVar[Sequence[KernelCase] | None] = None

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Parametrise the tests with the class's cases and dtypes."""
        if "case" in metafunc.fixturenames:
            cases = cls.own_cases()
            metafunc.parametrize("case", cases, ids=[case.name for case in cases])
        if "dtype" in metafunc.fixturenames:
            metafunc.parametrize("dtype", cls.tolerances)

    @classmethod
    def own_cases(cls) -> Sequence[KernelCase]:
        """Return the inputs of the tests."""
        return CASES.get(cls.operator, ()) if cls.cases is None else cls.cases

    @pytest.fixture(scope="class")
    @classmethod
    def kernel(cls) -> Callable[..., Any]:
        """The implementation under test."""
        return cls._load(cls.backend)

    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls) -> Callable[..., Any]:
        """The reference implementation."""
        return cls._load("reference")

    @classmethod
    def _load(cls, backend: str) -> Callable[..., Any]:
        if not (cls.operator and backend):
            raise NotImplementedError(f"{cls.__name__} must set 'operator' and 'backend'.")
        loaded: Callable[..., Any] = default_registry().get("cenote.kernels", f"{cls.operator}:{backend}")
        return loaded

    def test_has_the_form_of_a_kernel(self, kernel: Callable[..., Any]) -> None:
        check_kernel(kernel)

    def test_there_is_something_to_compare(self) -> None:
        if not self.own_cases():
            name = type(self).__name__
            raise NotImplementedError(f"{name} must set 'cases': the kit has none for operator {self.operator!r}.")

    def test_equals_the_reference(
        self, kernel: Callable[..., Any], expected: Callable[..., Any], case: KernelCase, dtype: str
    ) -> None:
        tensors, options = case.inputs(getattr(torch, dtype), self.device)
        found = _named(kernel(**tensors, **options))
        wanted = _named(expected(**tensors, **options))
        assert {name: value.dtype for name, value in found.items()} == {n: v.dtype for n, v in wanted.items()}
        assert_all_close(found, wanted, tolerance=self.tolerances[dtype], name=self.operator)

    def test_leaves_its_inputs_alone(self, kernel: Callable[..., Any], case: KernelCase) -> None:
        tensors, options = case.inputs(torch.float32, self.device)
        before = {name: value.clone() for name, value in tensors.items()}
        kernel(**tensors, **options)
        assert all(torch.equal(value, before[name]) for name, value in tensors.items())


def _named(result: Any) -> dict[str, torch.Tensor]:
    """Give the outputs names: a mapping has them, a tuple is numbered, one tensor is `out`."""
    if isinstance(result, Mapping):
        return dict(result)
    if isinstance(result, tuple):
        return {f"out{index}": value for index, value in enumerate(result)}
    return {"out": result}
