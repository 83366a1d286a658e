"""`rotary:native`: queries or keys turned in one pass, from wherever in a joint result they lie."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.kernels.rotary import cpu
from cenote_cpu_kernels.calls import DTYPES, fits, function, is_taken
from cenote_cpu_kernels.library import offered, require

__all__ = ["rotary"]

_TYPES = "iinnnnpninppip"


@offered("avx2")
def rotary(heads: Tensor, cos: Tensor, sin: Tensor, *, interleaved: bool = False) -> Tensor:
    """Rotate as `rotary:reference` states it.

    Other types than float32 and bfloat16 are left to the backend `cpu`, and so are angles that do not fit the heads,
    which torch may refuse.

    Raises:
        MissingDependency: the machine has not the instructions.
    """
    rows, turned = len(heads), cos.shape[-1]
    alike = heads.ndim == 3 and fits(cos, rows, turned) and fits(sin, rows, turned)
    if not alike or turned % 2 or turned > heads.shape[2] or not is_taken(heads):
        return cpu.rotary(heads, cos, sin, interleaved=interleaved)
    source = heads if heads.stride(2) == 1 else heads.contiguous()
    cosines, sines = cos.float().contiguous(), sin.float().contiguous()
    result = torch.empty(heads.shape, dtype=heads.dtype)
    function("cenote_rotary", _TYPES)(
        require("avx2"),
        torch.get_num_threads(),
        *source.shape,
        turned,
        source.data_ptr(),
        source.stride(0),
        DTYPES[source.dtype],
        source.stride(1),
        cosines.data_ptr(),
        sines.data_ptr(),
        interleaved,
        result.data_ptr(),
    )
    return result
