"""Try the kernels that `CENOTE_KERNELS` asks for, before a model depends on them.

What a model's loading tries out falls back where something raises or gives other numbers: that is right for a choice
that cenote made, and hides a choice that somebody else made. So that one is tried by itself, against the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import torch
from torch import Tensor

from cenote.errors import PluginError
from cenote.kernels.base import Kernel
from cenote.kernels.dispatch import GROUP, forced_kernels
from cenote.registry import default_registry
from cenote.registry.problems import is_ctrl_c

__all__ = ["try_forced_kernels"]

#: From a shape to numbers.
_Draw: TypeAlias = Callable[..., Tensor]

#: Largest difference from the reference, as a share of the largest value. A kernel needs to know one of these dtypes.
_TOLERANCES = {torch.float32: 1e-3, torch.bfloat16: 3e-2}
_LENGTHS = (5, 3)
_ROWS = sum(_LENGTHS)
#: One call of each operator. Products are as wide as those that backends do not leave to others.
_CALLS: Mapping[str, Callable[[Kernel, _Draw], Any]] = {
    "varlen_attention": lambda kernel, draw: kernel(
        draw(_ROWS, 4, 32), draw(_ROWS, 2, 32), draw(_ROWS, 2, 32), lengths=_LENGTHS, key_lengths=_LENGTHS, scale=0.2
    ),
    "linear": lambda kernel, draw: kernel(draw(256, 128), draw(256))(draw(_ROWS, 128)),
    "residual_norm": lambda kernel, draw: kernel(
        (rows := draw(_ROWS, 64)),
        draw(_ROWS, 64).float(),
        weight=draw(64).float(),
        bias=None,
        eps=1e-5,
        kind="layer",
        stream="sum",
        dtype=rows.dtype,
    ),
    "bias_act": lambda kernel, draw: kernel(draw(_ROWS, 64), None, activation="silu", gated=True),
    "rotary": lambda kernel, draw: kernel(draw(_ROWS, 4, 32), draw(_ROWS, 32).float(), draw(_ROWS, 32).float()),
    "segment_pool": lambda kernel, draw: kernel(draw(_ROWS, 64), lengths=_LENGTHS, reduce="mean"),
    "l2_normalize": lambda kernel, draw: kernel(draw(_ROWS, 64)),
    "maxsim": lambda kernel, draw: kernel(draw(4, 64), draw(_ROWS, 64), lengths=_LENGTHS),
    "term_max": lambda kernel, draw: kernel(
        (weights := draw(_ROWS)), torch.tensor([7, 1, 7, 3, 1, 2, 9, 2], device=weights.device), lengths=_LENGTHS
    ),
}


def try_forced_kernels(device: str) -> None:
    """Run each kernel that `CENOTE_KERNELS` names once, on a device.

    Args:
        device: torch device string.

    Raises:
        PluginError: one raises in every dtype, or gives something else than the reference; says which.
    """
    for operator, backend in forced_kernels().items():
        if backend != "reference":
            _try(operator, f"{operator}:{backend}", device)


def _try(operator: str, name: str, device: str) -> None:
    registry = default_registry()
    kernel, reference = registry.get(GROUP, name), registry.get(GROUP, f"{operator}:reference")
    failures: dict[torch.dtype, BaseException] = {}
    with torch.inference_mode():
        for dtype, tolerance in _TOLERANCES.items():
            expected = _CALLS[operator](reference, _drawing(dtype, device))
            try:
                fault = _fault(_CALLS[operator](kernel, _drawing(dtype, device)), expected, tolerance)
            except BaseException as exc:  # sys.exit() of a plugin, say
                if is_ctrl_c(exc):
                    raise
                failures[dtype] = exc
                continue
            if fault:
                raise PluginError(f"CENOTE_KERNELS asks for {name!r}, which {fault} in {dtype}. {_ADVICE}", plugin=name)
    if len(failures) == len(_TOLERANCES):
        cause = next(iter(failures.values()))
        what = f"cannot run on {device} ({type(cause).__name__}: {cause})"
        raise PluginError(f"CENOTE_KERNELS asks for {name!r}, which {what}. {_ADVICE}", plugin=name) from cause


_ADVICE = "Name another backend there, or leave the choice to cenote."


def _drawing(dtype: torch.dtype, device: str) -> _Draw:
    """Return what draws the same numbers whenever it is made anew."""
    generator = torch.Generator().manual_seed(29)
    return lambda *shape: torch.randn(*shape, generator=generator).to(device, dtype)


def _fault(found: Any, expected: Any, tolerance: float) -> str:
    """Say what is wrong with a result, or nothing."""
    results, wanted = (value if isinstance(value, tuple) else (value,) for value in (found, expected))
    if [getattr(each, "shape", None) for each in results] != [each.shape for each in wanted]:
        return "gives results of other shapes than the reference"
    pairs = zip(results, wanted, strict=True)
    for one, other in pairs:
        difference = float((one.float() - other.float()).abs().max() / other.abs().max())
        if not difference <= tolerance:  # nor is NaN
            return f"differs from the reference by {difference:.1e} of the largest value"
    return ""
