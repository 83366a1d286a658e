"""Run by test_triton.py, where Triton interprets kernels on the CPU: every one of them equals the reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from itertools import cycle
from typing import Any, ClassVar

import pytest
import torch

from cenote.testing import kernels
from cenote.testing.kernel_cases import CASES, KernelCase
from cenote.testing.kernel_cases.attention import attention_case
from cenote.testing.kernels import TOLERANCES, KernelConformance

_HALVES = ("float16", "bfloat16")
#: As the kit's own, with as few rows behind the number as make a block of keys that is not seen, and half the heads.
_UNSEEN_KEYS = (
    (attention_case("causal", (70,), heads=(2, 1, 32), causal=True), 60),
    (attention_case("causal-window_9", (70,), heads=(2, 1, 32), causal=True, window=9), 60),
    (attention_case("causal-softcap-sinks", (70,), heads=(2, 2, 16), softcap=1.5, sinks=True, causal=True), 60),
    (attention_case("window_9", (70,), heads=(2, 1, 32), window=9), 52),
)


def _cases(operator: str, most: int, *more: str) -> Sequence[KernelCase]:
    """Return cases of at most so many tokens, and others by name: the interpreter takes a millisecond for a tile."""
    return [case for case in CASES[operator] if sum(case.options["lengths"]) <= most or case.name in more]


# Where a row is NaN, the interpreter's maximum, numpy's, says so.
@pytest.mark.filterwarnings("ignore:All-NaN slice encountered:RuntimeWarning")
class _Interpreted(KernelConformance):
    """Every case is computed twice: of parts of wider tensors in float32, and of whole tensors in a half type."""

    backend = "triton"

    @classmethod
    def pytest_generate_tests(cls, metafunc: pytest.Metafunc) -> None:
        """Give the half types to the cases by turns, and any further type to all of them."""
        if "dtype" not in metafunc.fixturenames:
            return super().pytest_generate_tests(metafunc)
        rows = list(zip(cls.own_cases(), cycle(_HALVES)))
        rows += [(case, dtype) for dtype in cls.tolerances if dtype not in TOLERANCES for case in cls.own_cases()]
        metafunc.parametrize(("case", "dtype"), rows, ids=[f"{case.name}-{dtype}" for case, dtype in rows])

    @pytest.fixture(scope="class")
    @classmethod
    def kernel(cls) -> Callable[..., Any]:
        """The implementation, which fails where it changes its inputs."""
        kernel = cls._load(cls.backend)

        @wraps(kernel)
        def call(**arguments: Any) -> Any:
            parts = [each if isinstance(each, list) else [each] for each in arguments.values()]
            given = [value for part in parts for value in part if isinstance(value, torch.Tensor)]
            before = [value.clone() for value in given]
            result = kernel(**arguments)
            for value, kept in zip(given, before, strict=True):
                torch.testing.assert_close(value, kept, rtol=0, atol=0, equal_nan=True)
            return result

        return call

    test_leaves_its_inputs_alone = None  # each call of another test does


class TestVarlenAttention(_Interpreted):
    operator = "varlen_attention"
    cases = _cases("varlen_attention", 40, "heads_of_128", "longer_than_a_tile", "longer_than_a_tile-causal-window_70")

    @pytest.fixture(autouse=True)
    def few_keys(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(kernels, "UNSEEN_KEYS", _UNSEEN_KEYS)


class TestResidualNorm(_Interpreted):
    operator = "residual_norm"


class TestBiasAct(_Interpreted):
    operator = "bias_act"


class TestRotary(_Interpreted):
    operator = "rotary"


class TestSegmentPool(_Interpreted):
    operator = "segment_pool"


class TestL2Normalize(_Interpreted):
    operator = "l2_normalize"


class TestTermMax(_Interpreted):
    operator = "term_max"


class TestMaxsim(_Interpreted):
    operator = "maxsim"
    cases = _cases("maxsim", 70)
    tolerances: ClassVar[Mapping[str, float]] = {**TOLERANCES, "int8": 1e-6}
