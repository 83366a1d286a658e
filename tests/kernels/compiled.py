"""Run by test_triton.py: compile what the Triton backends would launch, for GPUs that this machine does not have.

    python tests/kernels/compiled.py 80 90

Arguments are compute capabilities. Triton is given a driver that names the chip, and its kernels are compiled with the
arguments that the backends pass, down to machine code, and not launched.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.driver import DriverBase
from triton.runtime import driver

from cenote.testing.kernel_cases import CASES

#: Cases by operator: what a model needs most, and what is odd.
NAMES = {
    "varlen_attention": ("around_64", "heads_of_20-causal-window_9", "sinks-softcap"),
    "residual_norm": ("layer_norm-to_bfloat16", "rms_sum"),
    "bias_act": ("gelu", "swiglu", "geglu_tanh_wide"),
    "rotary": ("halves-by_float32", "neighbours_in_a_part"),
    "segment_pool": ("mean-normalised", "max-normalised"),
    "l2_normalize": ("33x384", "2x5000"),
    "maxsim": ("32_by_63_60_1",),
    "term_max": ("large_ids",),
}
#: Operators that multiply tiles, whose sizes depend on the dtype; their first case is compiled in these as well.
PRODUCTS = ("varlen_attention", "maxsim")
OTHER_DTYPES = (torch.float16, torch.float32)


class NamedChip(DriverBase):  # type: ignore[misc]
    """Says which chip kernels are for, and has none."""

    def __init__(self, capability: int) -> None:
        self._target = GPUTarget("cuda", capability, 32)

    @classmethod
    def is_active(cls) -> bool:
        return True

    def map_python_to_cpp_type(self, ty: str) -> str:
        return ty

    def get_current_target(self) -> GPUTarget:
        return self._target

    def get_active_torch_device(self) -> torch.device:
        return torch.device("cpu")

    def get_benchmarker(self) -> Any:
        raise NotImplementedError

    def get_current_device(self) -> int:
        return int(self._target.arch)  # what was compiled for one chip is not taken for another

    def get_current_stream(self, device: int) -> int:
        return 0


class Compiled:
    """Stands for a kernel: what is launched is compiled instead."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel
        self.sizes: list[int] = []

    def __getitem__(self, grid: Any) -> Callable[..., None]:
        def launch(*args: Any, **kwargs: Any) -> None:
            self.sizes.append(len(self._kernel.warmup(*args, grid=grid, **kwargs).asm["cubin"]))

        return launch


def compile_for(capability: int) -> dict[str, list[int]]:
    """Compile all operators; return the bytes of machine code of each launch."""
    driver.set_active(NamedChip(capability))
    modules = {operator: importlib.import_module(f"cenote.kernels.{operator}.triton") for operator in NAMES}
    for module in modules.values():  # all of them first: one calls another's kernel
        module._kernel = Compiled(getattr(module._kernel, "_kernel", module._kernel))
    for operator, module in modules.items():
        wanted = [(torch.bfloat16, name) for name in NAMES[operator]]
        wanted += [(dtype, name) for dtype in OTHER_DTYPES for name in NAMES[operator][:1] if operator in PRODUCTS]
        cases = {case.name: case for case in CASES[operator]}
        for dtype, name in wanted:
            tensors, options = cases[name].inputs(dtype, "cpu")
            getattr(module, operator)(**tensors, **options)
    sizes = {operator: module._kernel.sizes for operator, module in modules.items()}
    assert all(len(sizes[operator]) >= len(names) for operator, names in NAMES.items()), sizes
    assert all(size for each in sizes.values() for size in each), sizes
    return sizes


if __name__ == "__main__":
    for capability in sys.argv[1:]:
        print(f"sm_{capability}", compile_for(int(capability)))
