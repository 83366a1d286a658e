"""`residual_norm:native`: one pass over memory, float32 arithmetic whatever the dtype."""

from __future__ import annotations

import torch
from torch import Tensor

from cenote.kernels.memory import empty
from cenote.kernels.residual_norm import cpu
from cenote.kernels.residual_norm.reference import Kind, Stream
from cenote_cpu_kernels.calls import DTYPES, address, fits, flat_rows, float_vector, function, is_taken
from cenote_cpu_kernels.library import offered, require

__all__ = ["residual_norm"]

_TYPES = "iinnpnipnippfiipip"


@offered("avx2")
def residual_norm(
    rows: Tensor,
    residual: Tensor | None,
    *,
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
    kind: Kind,
    stream: Stream,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Normalise as `residual_norm:reference` states it.

    Other types than float32 and bfloat16 are left to the backend `cpu`, and so are shapes that are not those of the
    rows, which torch may refuse.

    Raises:
        MissingDependency: the machine has not the instructions.
    """
    shape, width = rows.shape, rows.shape[-1]
    alike = fits(residual, *shape) and fits(weight, width) and fits(bias, width)
    if dtype not in DTYPES or not alike or not is_taken(rows, residual):
        return cpu.residual_norm(
            rows, residual, weight=weight, bias=bias, eps=eps, kind=kind, stream=stream, dtype=dtype
        )
    source = flat_rows(rows)
    added = None if residual is None else flat_rows(residual)
    factor, shift = float_vector(weight), float_vector(bias)
    normed = empty(rows.shape, dtype)
    if stream == "norm":
        carried = normed if dtype == torch.float32 else empty(rows.shape)
    else:
        # Without a residual the sum is what came, which then is not copied.
        unchanged = added is None and rows.dtype == torch.float32 and rows.is_contiguous()
        carried = rows if unchanged else empty(rows.shape)
    function("cenote_residual_norm", _TYPES)(
        require("avx2"),
        torch.get_num_threads(),
        *source.shape,
        source.data_ptr(),
        source.stride(0),
        DTYPES[source.dtype],
        address(added),
        0 if added is None else added.stride(0),
        0 if added is None else DTYPES[added.dtype],
        address(factor),
        address(shift),
        eps,
        kind == "layer",
        stream == "norm",
        normed.data_ptr(),
        DTYPES[dtype],
        carried.data_ptr(),
    )
    return normed, carried
