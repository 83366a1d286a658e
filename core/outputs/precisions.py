"""The built-in output codecs: half floats, 8-bit integers on a fixed scale, and sign bits.

8-bit integers have a fixed scale, so that scores of vectors from different requests compare.

Source: the layout of bits and the offset of `binary` are those of sentence-transformers 6.2, util/quantization.py,
which differs in that 0 is no set bit there, and in scaling 8-bit integers by the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np

    Numbers: TypeAlias = np.ndarray[Any, Any]

__all__ = ["BINARY", "FLOAT16", "INT8", "UBINARY", "UINT8", "Bits", "Bytes", "HalfFloats"]

#: How far beyond 1 rounding may have taken a component of a vector of length 1.
_TOLERANCE = 1e-3
#: The largest finite float16.
_LARGEST_HALF = 65504.0


class HalfFloats:
    """`float16`: the nearest half floats, of components up to 65504."""

    def encode(self, rows: Numbers, param: str) -> Numbers:
        """Encode [n, d] as [n, d] float16."""
        import numpy as np

        _check_range(rows, "float16", _LARGEST_HALF, "Ask for float32.", param)
        return rows.astype(np.float16)


class Bytes:
    """`int8` is `round(127 x)` in [-127, 127], `uint8` is `round(127.5 (x + 1))` in [0, 255], of components up to 1."""

    def __init__(self, name: str) -> None:
        """Be the one or the other."""
        self._name = name

    def encode(self, rows: Numbers, param: str) -> Numbers:
        """Encode [n, d] as [n, d] int8 or uint8."""
        import numpy as np

        remedy = "These vectors are not normalised: ask for binary or for floats, or for normalised vectors."
        _check_range(rows, self._name, 1 + _TOLERANCE, remedy, param)
        values = rows.clip(-1, 1)
        scaled = values * 127 if self._name == "int8" else (values + 1) * 127.5
        return np.rint(scaled).astype(self._name)


class Bits:
    """`ubinary`: a bit is 1 where `x >= 0`, the first component being the highest bit of the first byte.

    `binary` is `ubinary - 128` as int8.
    """

    def __init__(self, name: str) -> None:
        """Be the one or the other."""
        self._name = name

    def encode(self, rows: Numbers, param: str) -> Numbers:
        """Encode [n, d] as [n, d / 8] uint8 (`ubinary`) or int8 (`binary`)."""
        import numpy as np

        width = rows.shape[-1]
        if width % 8:
            fault = f"this embedding has {width}, which is no multiple of 8."
            raise InvalidRequest(f"{self._name} packs eight components into a byte; {fault}", param=param)
        packed = np.packbits(rows >= 0, axis=-1)
        return packed if self._name == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)


FLOAT16 = HalfFloats()
INT8 = Bytes("int8")
UINT8 = Bytes("uint8")
BINARY = Bits("binary")
UBINARY = Bits("ubinary")


def _check_range(values: Numbers, name: str, limit: float, remedy: str, param: str) -> None:
    largest = float(abs(values).max()) if values.size else 0.0
    if not largest <= limit:
        text = f"{name} holds components up to {limit:.0f}; one of this embedding is {largest:g}. {remedy}"
        raise InvalidRequest(text, param=param)
