"""Conformance tests of a kernel: subclass, name operator and backend, and pytest compares it with the reference.

class TestMyAttention(KernelConformance):
    operator = "varlen_attention"
    backend = "triton"
    device = "cuda"

class TestMyLinear(KernelConformance):
    operator = "linear"                          # prepared and multiplied in one step
    backend = "acme"
    tolerances = {"float32": 1e-5}               # other dtypes are not run

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
from cenote.testing.kernel_cases.attention import UNSEEN_KEYS
from cenote.testing.kernel_cases.case import Inputs

__all__ = ["TOLERANCES", "KernelConformance", "compare_results", "one_step"]

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
        return one_step(cls.operator, loaded)

    def test_has_the_form_of_a_kernel(self, kernel: Callable[..., Any]) -> None:
        check_kernel(kernel)

    def test_there_is_something_to_compare(self) -> None:
        if not self.own_cases():
            name = type(self).__name__
            raise NotImplementedError(f"{name} must set 'cases': the kit has none for operator {self.operator!r}.")

    def test_equals_the_reference(
        self, kernel: Callable[..., Any], expected: Callable[..., Any], case: KernelCase, dtype: str
    ) -> None:
        self._compare(kernel, expected, case, dtype, as_views=False)

    def test_takes_parts_of_wider_tensors(
        self, kernel: Callable[..., Any], expected: Callable[..., Any], case: KernelCase
    ) -> None:
        self._compare(kernel, expected, case, next(iter(self.tolerances)), as_views=True)

    def test_leaves_its_inputs_alone(self, kernel: Callable[..., Any], case: KernelCase) -> None:
        tensors, options = case.inputs(getattr(torch, next(iter(self.tolerances))), self.device)
        before = [value.clone() for value in _flat(tensors)]
        kernel(**tensors, **options)
        for value, kept in zip(_flat(tensors), before, strict=True):
            torch.testing.assert_close(value, kept, rtol=0, atol=0, equal_nan=True)

    def test_keys_that_are_not_seen_change_nothing(self, kernel: Callable[..., Any]) -> None:
        """Of attention: not by rounding either, so that a text's beginning is the same whatever follows it."""
        for case, rows in UNSEEN_KEYS if self.operator == "varlen_attention" else ():
            for dtype in self.tolerances:
                tensors, options = case.inputs(getattr(torch, dtype), self.device)
                seen = kernel(**tensors, **options)[:rows]
                changed = {
                    name: torch.cat((each[:60], 9 * each[60:])) if name in ("key", "value") else each
                    for name, each in tensors.items()
                    if isinstance(each, torch.Tensor)
                }
                assert torch.equal(kernel(**changed, **options)[:rows], seen), case.name

    def _compare(
        self, kernel: Callable[..., Any], expected: Callable[..., Any], case: KernelCase, dtype: str, *, as_views: bool
    ) -> None:
        inputs = case.inputs(getattr(torch, dtype), self.device, as_views=as_views)
        compare_results(kernel, expected, inputs, tolerance=max(self.tolerances[dtype], case.tolerance))


def compare_results(
    kernel: Callable[..., Any],
    expected: Callable[..., Any],
    inputs: tuple[Inputs, dict[str, Any]],
    *,
    tolerance: float,
) -> None:
    """Fail unless a kernel gives what the reference gives: as many tensors, of the same dtypes, and near enough.

    NaN must be where the reference has it, and nowhere else: so a prompt whose numbers overflow gets an error, not a
    vector, and the others of its batch get theirs.

    Args:
        kernel: takes the inputs by name.
        expected: the reference, likewise.
        inputs: as `KernelCase.inputs` gives them.
        tolerance: largest difference; of results whose dtype an option says, at least that of this dtype.
    """
    tensors, options = inputs
    found, wanted = _named(kernel(**tensors, **options)), _named(expected(**tensors, **options))
    assert {name: value.dtype for name, value in found.items()} == {n: v.dtype for n, v in wanted.items()}
    rounding = [TOLERANCES.get(str(value.dtype).removeprefix("torch."), 0.0) for value in wanted.values()]
    for name, value in wanted.items():
        if value.isnan().any() and value.shape == found[name].shape:
            lost = value.isnan() & ~found[name].isnan()
            assert not lost.any(), f"{name}: {int(lost.sum())} of {lost.numel()} values are not NaN as they should be"
            found[name], wanted[name] = (each.masked_fill(value.isnan(), 0.0) for each in (found[name], value))
    assert_all_close(found, wanted, tolerance=max(tolerance, *rounding))


def one_step(operator: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return what gives the result of an operator in one call, which only `linear` does in two.

    Its tensors and options may then be passed together: those of the preparation are told by their names.
    """
    if operator != "linear":
        return kernel

    def call(rows: torch.Tensor, *, activation: Any = None, **preparation: Any) -> Any:
        return kernel(**preparation)(rows, activation=activation)

    return call


def _flat(tensors: Inputs) -> list[torch.Tensor]:
    parts = [[value] if isinstance(value, torch.Tensor) else value for value in tensors.values()]
    return [tensor for part in parts for tensor in part]


def _named(result: Any) -> dict[str, torch.Tensor]:
    """Give the outputs names: a mapping has them, a tuple is numbered, one tensor is `out`."""
    if isinstance(result, Mapping):
        return dict(result)
    if isinstance(result, tuple):
        return {f"out{index}": value for index, value in enumerate(result)}
    return {"out": result}
