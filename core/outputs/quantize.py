"""Embeddings in fewer bytes: half floats, 8-bit integers on a fixed scale, and sign bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from torch import Tensor

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
    dtype = check_output_dtype(dtype, param)
    if dtype == "float32":
        return rows
    if dtype == "float16":
        _check_range(rows, dtype, _LARGEST_HALF, "Ask for float32.", param)
        return rows.half()
    if dtype in ("binary", "ubinary"):
        return _bits(rows, dtype, param)
    remedy = "These vectors are not normalised: ask for binary or for floats, or for normalised vectors."
    _check_range(rows, dtype, 1 + _TOLERANCE, remedy, param)
    rows = rows.clamp(-1, 1)
    return (rows * 127).round().char() if dtype == "int8" else ((rows + 1) * 127.5).round().byte()


def _check_range(rows: Tensor, dtype: str, limit: float, remedy: str, param: str) -> None:
    largest = rows.abs().max().item() if rows.numel() else 0.0
    if not largest <= limit:
        text = f"{dtype} holds components up to {limit:.0f}; one of this embedding is {largest:g}. {remedy}"
        raise InvalidRequest(text, param=param)


def _bits(rows: Tensor, dtype: str, param: str) -> Tensor:
    """Pack the signs of [..., d] into [..., d / 8] bytes."""
    width = rows.shape[-1]
    if width % 8:
        text = f"{dtype} packs eight components into a byte; this embedding has {width}, which is no multiple of 8."
        raise InvalidRequest(text, param=param)
    places = rows.new_tensor([128, 64, 32, 16, 8, 4, 2, 1])
    packed = ((rows >= 0).reshape(*rows.shape[:-1], width // 8, 8) * places).sum(-1)
    return packed.byte() if dtype == "ubinary" else (packed - 128).char()
