"""`bias_act:native`: bias, activation and gate in one pass, float32 arithmetic whatever the dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.kernels.activations import Activation
from cenote.kernels.bias_act import cpu
from cenote_cpu_kernels.calls import ACTIVATIONS, DTYPES, address, fits, flat_rows, float_vector, function, is_taken
from cenote_cpu_kernels.library import offered, require

__all__ = ["bias_act"]

_TYPES = "iinnpnipiip"


@offered("avx2")
def bias_act(rows: Tensor, bias: Tensor | None, *, activation: Activation, gated: bool = False) -> Tensor:
    """Compute as `bias_act:reference` states it.

    Other types than float32 and bfloat16 are left to the backend `cpu`, and so are names that it may know, and a bias
    that does not fit the rows, which torch may refuse.

    Raises:
        MissingDependency: the machine has not the instructions.
    """
    taken = is_taken(rows) and fits(bias, rows.shape[-1]) and not (gated and rows.shape[-1] % 2)
    if activation not in ACTIVATIONS or not taken:
        return cpu.bias_act(rows, bias, activation=activation, gated=gated)
    source, added = flat_rows(rows), float_vector(bias)
    width = rows.shape[-1] // 2 if gated else rows.shape[-1]
    result = torch.empty((*rows.shape[:-1], width), dtype=rows.dtype)
    function("cenote_bias_act", _TYPES)(
        require("avx2"),
        torch.get_num_threads(),
        len(source),
        width,
        source.data_ptr(),
        source.stride(0),
        DTYPES[source.dtype],
        address(added),
        ACTIVATIONS[activation],
        gated,
        result.data_ptr(),
    )
    return result
