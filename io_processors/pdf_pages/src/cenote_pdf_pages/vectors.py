"""Vectors as answers hold them: lists of numbers, or base64 text."""

from __future__ import annotations

import base64
import sys
from typing import TYPE_CHECKING, Any

from cenote.io_processors import Encoding
from cenote.outputs import quantize

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_encoding", "written"]

_TORCH_NAMES = {"fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}


def check_encoding(encoding: Encoding) -> None:
    """Check that an answer in JSON can hold what is asked for.

    Raises:
        ValueError: it cannot.
    """
    if encoding.encoding_format not in ("float", "base64"):
        text = f"encoding_format={encoding.encoding_format!r} is no JSON; this processor gives 'float' and 'base64'"
        raise ValueError(text)


def written(rows: Tensor, encoding: Encoding) -> tuple[Any, list[int]]:
    """Return numbers or base64 text, and the shape of what is given.

    Args:
        rows: [dim] or [n, dim] float32.
        encoding: `output_dtype` quantises, in numbers too; `embed_dtype` is the type of the numbers in base64 where
            nothing is quantised.

    Raises:
        InvalidRequest: the vectors cannot be quantised so.
    """
    import torch  # an operator's list of processors is made without it

    values = rows if encoding.output_dtype is None else quantize(rows, encoding.output_dtype)
    shape = list(values.shape)
    if encoding.encoding_format == "float":
        return values.tolist(), shape
    if encoding.output_dtype in (None, "float32"):
        values = values.to(getattr(torch, _TORCH_NAMES.get(encoding.embed_dtype, encoding.embed_dtype)))
    raw = values.contiguous().view(torch.uint8).numpy()
    if encoding.endianness not in ("native", sys.byteorder):
        raw = raw.view(f"u{values.itemsize}").byteswap()
    return base64.b64encode(raw.tobytes()).decode("ascii"), shape
