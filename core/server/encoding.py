"""Vectors on the wire: JSON numbers, base64 text, or raw bytes."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import orjson

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ElementType", "Endianness", "VectorFormat", "WireEncoding", "is_large", "join_objects"]

WireEncoding: TypeAlias = Literal["float", "base64", "bytes", "bytes_only"]
ElementType: TypeAlias = Literal["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"]
Endianness: TypeAlias = Literal["native", "big", "little"]

_TORCH_NAMES = {"fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}
#: Numbers in one answer from which on it is encoded in a thread: about a millisecond of work.
_LARGE = 32_768


@dataclass(frozen=True, slots=True)
class VectorFormat:
    """How one vector is written.

    Attributes:
        encoding: the kind of text or bytes.
        dtype: type of each number; `float` always writes float32.
        endianness: byte order; `native` is the server's.
    """

    encoding: WireEncoding = "float"
    dtype: ElementType = "float32"
    endianness: Endianness = "native"

    @property
    def is_binary(self) -> bool:
        """Return whether the answer's body is raw bytes, not JSON."""
        return self.encoding in ("bytes", "bytes_only")

    def to_json(self, data: Tensor) -> bytes:
        """Return a vector as JSON: an array in shortest float32 form, or a base64 string of the raw numbers."""
        if self.encoding == "float":
            return orjson.dumps(data.float().contiguous().numpy(), option=orjson.OPT_SERIALIZE_NUMPY)
        return b'"' + base64.b64encode(self.to_bytes(data)) + b'"'

    def to_bytes(self, data: Tensor) -> bytes:
        """Return the raw numbers, row by row, cast without scaling."""
        import torch

        cast = data.to(getattr(torch, _TORCH_NAMES.get(self.dtype, self.dtype))).contiguous()
        # numpy knows neither bfloat16 nor the 8-bit floats; the bits travel as integers of the same width.
        integer = {1: torch.uint8, 2: torch.int16, 4: torch.int32}[cast.element_size()]
        bits = cast.view(integer).numpy()
        swap = self.endianness != "native" and self.endianness != sys.byteorder
        return (bits.byteswap() if swap else bits).tobytes()


def is_large(vectors: Sequence[Tensor]) -> bool:
    """Return whether encoding takes long enough to leave the event loop to others meanwhile."""
    return sum(vector.numel() for vector in vectors) > _LARGE


def join_objects(head: dict[str, object], key: str, items: Sequence[bytes], tail: dict[str, object]) -> bytes:
    """Return a JSON object with `key` holding the encoded items, between the members of head and tail.

    The items are encoded one by one, so that a thread that does so gives the interpreter lock away in between.
    """
    before, after = orjson.dumps(head)[:-1], orjson.dumps(tail)[1:]
    return b"".join((before, b',"', key.encode(), b'":[', b",".join(items), b"],", after))
