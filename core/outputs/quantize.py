"""Embeddings in other numbers than float32, by the installed output codecs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cenote.outputs.codecs import PLAIN, find_codec

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    Numbers: TypeAlias = np.ndarray[Any, Any]

__all__ = ["OutputDtype", "check_output_dtype", "encode_rows", "quantize"]

#: How the components of an embedding are given: `float32`, or the name of an installed output codec. Built in are
#: `float16`, `int8`, `uint8`, `binary` and `ubinary`.
OutputDtype: TypeAlias = str


def check_output_dtype(name: str, param: str = "output_dtype") -> OutputDtype:
    """Return the name of a precision that `quantize` knows.

    Raises:
        InvalidRequest: nothing installed has this name.
        CodecError: what has the name does not load.
    """
    if name != PLAIN:
        find_codec(name, param)
    return name


def quantize(rows: Tensor, dtype: OutputDtype, param: str = "output_dtype") -> Tensor:
    """Give embeddings another precision; cutting and normalising come before.

    `int8` is `round(127 x)`, `uint8` is `round(127.5 (x + 1))`; `binary` and `ubinary` pack eight signs into a byte.
    `cenote.outputs.precisions` says more; other codecs may be installed.

    Args:
        rows: [..., d] float32.
        dtype: the precision.
        param: the request's field to blame.

    Returns:
        [..., d] float32 as it is, or [..., k] numbers of the codec's type: [..., d] float16, int8 or uint8, and
        [..., d / 8] uint8 (`ubinary`) or int8 (`binary`).

    Raises:
        InvalidRequest: the precision is unknown, or the embeddings do not fit it.
        CodecError: a codec does not load, fails, or returns what cannot be sent.
    """
    if dtype == PLAIN:
        return rows
    import torch

    return torch.from_numpy(encode_rows(rows.numpy(), dtype, param))


def encode_rows(rows: Numbers, dtype: OutputDtype, param: str = "output_dtype") -> Numbers:
    """Do the same to an array of numpy's.

    By numpy, whose loops run in this thread alone: torch would start a team of OpenMP threads in whatever thread
    encodes a large answer, and each further team slows down the one that runs the models.
    """
    return rows if dtype == PLAIN else find_codec(dtype, param).encode(rows, param)
