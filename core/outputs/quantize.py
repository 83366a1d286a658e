"""Embeddings in fewer bytes: half floats, 8-bit integers on a fixed scale, and sign bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Numbers: TypeAlias = np.ndarray[Any, Any]

__all__ = ["OutputDtype", "check_output_dtype", "quantize"]

#: How the components of an embedding are given.
OutputDtype: TypeAlias = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]

#: How far beyond 1 rounding may have taken a component of a vector of length 1.
_TOLERANCE = 1e-3
#: The largest finite float16.
_LARGEST_HALF = 65504.0


def check_output_dtype(name: str, param: str = "output_dtype") -> OutputDtype:
    """Return the name of a precision that `quantize` knows.

    Raises:
        InvalidRequest: it is another one.
    """
    if not isinstance(name, str) or name not in get_args(OutputDtype):
        raise InvalidRequest(
            f"{param} is {name!r:.80}; it must be one of {', '.join(get_args(OutputDtype))}.", param=param
        )
    return cast("OutputDtype", name)


def quantize(rows: Tensor, dtype: OutputDtype, param: str = "output_dtype") -> Tensor:
    """Give embeddings another precision; cutting and normalising come before.

    8-bit integers have a fixed scale, so that scores of vectors from different requests compare: `int8` is
    `round(127 x)` in [-127, 127], `uint8` is `round(127.5 (x + 1))` in [0, 255]. Bits are 1 where `x >= 0`, the first
    component being the highest bit of the first byte; `binary` is `ubinary - 128` as int8.

    Args:
        rows: [..., d] float32.
        dtype: the precision.
        param: the request's field to blame.

    Returns:
        [..., d] float32, float16, int8 or uint8; [..., d / 8] uint8 (`ubinary`) or int8 (`binary`).

    Raises:
        InvalidRequest: the precision is unknown, the components are beyond its range, or d is no multiple of 8.

    Source: the layout of bits and the offset of `binary` are those of sentence-transformers 6.2,
    util/quantization.py, which differs in that 0 is no set bit there, and in scaling 8-bit integers by the data.
    """
    import numpy as np
    import torch

    dtype = check_output_dtype(dtype, param)
    if dtype == "float32":
        return rows
    # By numpy, whose loops run in this thread alone: torch would start a team of OpenMP threads in whatever thread
    # encodes a large answer, and each further team slows down the one that runs the models.
    values = rows.numpy()
    if dtype == "float16":
        _check_range(values, dtype, _LARGEST_HALF, "Ask for float32.", param)
        return torch.from_numpy(values.astype(np.float16))
    if dtype in ("binary", "ubinary"):
        return torch.from_numpy(_bits(values, dtype, param))
    remedy = "These vectors are not normalised: ask for binary or for floats, or for normalised vectors."
    _check_range(values, dtype, 1 + _TOLERANCE, remedy, param)
    values = values.clip(-1, 1)
    scaled = values * 127 if dtype == "int8" else (values + 1) * 127.5
    return torch.from_numpy(np.rint(scaled).astype(dtype))


def _check_range(values: Numbers, dtype: str, limit: float, remedy: str, param: str) -> None:
    largest = float(abs(values).max()) if values.size else 0.0
    if not largest <= limit:
        text = f"{dtype} holds components up to {limit:.0f}; one of this embedding is {largest:g}. {remedy}"
        raise InvalidRequest(text, param=param)


def _bits(values: Numbers, dtype: str, param: str) -> Numbers:
    """Pack the signs of [..., d] into [..., d / 8] bytes."""
    import numpy as np

    width = values.shape[-1]
    if width % 8:
        text = f"{dtype} packs eight components into a byte; this embedding has {width}, which is no multiple of 8."
        raise InvalidRequest(text, param=param)
    packed = np.packbits(values >= 0, axis=-1)
    return packed if dtype == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)
