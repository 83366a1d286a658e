"""Arrays on the wire: JSON numbers, base64 text, or raw bytes. No loop of Python's runs over single numbers."""

from __future__ import annotations

import base64
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import orjson

from cenote.errors import NonFiniteResult
from cenote.outputs import OutputDtype
from cenote.outputs.codecs import PLAIN, is_foreign
from cenote.outputs.quantize import encode_rows

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = ["ElementType", "Endianness", "VectorFormat", "WireEncoding", "is_large", "join_objects", "sparse_json"]

WireEncoding: TypeAlias = Literal["float", "base64", "bytes", "bytes_only"]
ElementType: TypeAlias = Literal["float32", "float16", "bfloat16", "fp8_e4m3", "fp8_e5m2"]
Endianness: TypeAlias = Literal["native", "big", "little"]

_TORCH_NAMES = {"fp8_e4m3": "float8_e4m3fn", "fp8_e5m2": "float8_e5m2"}
#: Numbers in one answer from which on it is encoded in a thread: about a millisecond of work.
_LARGE = 32_768
#: Numbers that torch converts without further threads.
_SERIAL = 16_384
_NUMPY = orjson.OPT_SERIALIZE_NUMPY


@dataclass(frozen=True, slots=True)
class VectorFormat:
    """How arrays are written.

    Attributes:
        encoding: the kind of text or bytes.
        dtype: what each number is cast to without scaling; JSON numbers are always float32.
        endianness: byte order; `native` is the server's.
        precision: what embeddings are quantised to, in JSON numbers too; excludes a `dtype` of its own.
        precision_param: the request's field that asks for it, for messages.
    """

    encoding: WireEncoding = "float"
    dtype: ElementType = "float32"
    endianness: Endianness = "native"
    precision: OutputDtype = PLAIN
    precision_param: str = "output_dtype"

    @property
    def is_binary(self) -> bool:
        """Return whether the answer's body is raw bytes, not JSON."""
        return self.encoding in ("bytes", "bytes_only")

    @property
    def element(self) -> str:
        """Return the name of the type of the numbers in raw bytes."""
        return self.dtype if self.precision == PLAIN else self.precision

    def to_json(self, data: Tensor) -> bytes:
        """Return one array as JSON."""
        return self.all_to_json([data])[0]

    def all_to_json(self, arrays: Sequence[Tensor]) -> list[bytes]:
        """Return arrays as JSON: numbers in shortest float32 form, or a base64 string of the raw numbers.

        Raises:
            NonFiniteResult: a number is NaN or infinite.
            InvalidRequest: the arrays cannot be quantised as asked.
            CodecError: the codec that should do so fails.
        """
        if self.encoding != "float":
            return [text for text, _ in self.all_to_base64(arrays)]
        numbers, shapes = self._flatten(arrays)
        if numbers.dtype == "f2":
            numbers = numbers.astype("f4")
        return [orjson.dumps(part.reshape(shape), option=_NUMPY) for part, shape in _cut(numbers, shapes)]

    def all_to_base64(self, arrays: Sequence[Tensor]) -> list[tuple[bytes, tuple[int, ...]]]:
        """Return the raw numbers of each array as a JSON string, and its shape; errors as of `all_to_json`."""
        return [(b'"' + base64.b64encode(raw) + b'"', shape) for raw, shape in self.all_to_bytes(arrays)]

    def all_to_bytes(self, arrays: Sequence[Tensor]) -> list[tuple[memoryview, tuple[int, ...]]]:
        """Return the raw numbers of each array, row by row, and its shape; errors as of `all_to_json`."""
        bits, shapes = self._flatten(arrays)
        if self.dtype != "float32" and self.precision == PLAIN:
            bits = _cast(bits, _TORCH_NAMES.get(self.dtype, self.dtype))
        if self.endianness not in ("native", sys.byteorder):
            bits = bits.byteswap()
        return [(part.data, shape) for part, shape in _cut(bits.view("u1"), shapes, bits.itemsize)]

    def _flatten(self, arrays: Sequence[Tensor]) -> tuple[np.ndarray[Any, Any], list[tuple[int, ...]]]:
        """Lay all arrays end to end, quantised together, and return their shapes as the client gets them."""
        import numpy as np
        import torch

        if not arrays:
            return np.empty(0, np.float32), []
        shapes = [tuple(array.shape) for array in arrays]
        # By numpy, which needs no threads: where torch does this to a large answer, outside of the computing thread, it
        # starts a second team of OpenMP threads, which slows down every short text from then on.
        floats = [array if array.dtype == torch.float32 else array.float() for array in arrays]
        parts = [array.numpy().reshape(-1) for array in floats]
        flat = np.ascontiguousarray(parts[0]) if len(parts) == 1 else np.concatenate(parts)
        if not bool(np.isfinite(flat).all()):
            raise NonFiniteResult("The model computed NaN or infinity; the result is withheld. Try --dtype float32.")
        if self.precision == PLAIN:
            return flat, shapes
        rows = encode_rows(flat.reshape(-1, shapes[0][-1]), self.precision, self.precision_param)
        return rows.reshape(-1), [(*shape[:-1], rows.shape[-1]) for shape in shapes]


def _cast(flat: np.ndarray[Any, Any], kind: str) -> np.ndarray[Any, Any]:
    """Return float32 numbers as another type of torch's, without scaling.

    numpy knows neither bfloat16 nor the 8-bit floats; their bits travel as integers of the same width.
    """
    import numpy as np
    import torch

    wanted: torch.dtype = getattr(torch, kind)
    integer = {1: torch.uint8, 2: torch.int16}[wanted.itemsize]
    pieces = torch.split(torch.from_numpy(flat), _SERIAL)
    return np.concatenate([piece.to(wanted).view(integer).numpy() for piece in pieces])


def sparse_json(data: Tensor, words: Sequence[str] | None = None) -> bytes:
    """Return a sparse row as JSON: the indices of its terms, their values, and their texts where given."""
    terms: dict[str, Any] = {"indices": data.indices()[0].numpy(), "values": data.values().float().numpy()}
    if words is not None:
        terms["tokens"] = words
    return orjson.dumps(terms, option=_NUMPY)


def _cut(
    flat: np.ndarray[Any, Any], shapes: Sequence[tuple[int, ...]], width: int = 1
) -> Iterator[tuple[np.ndarray[Any, Any], tuple[int, ...]]]:
    """Cut what was laid end to end; each number takes `width` places."""
    borders = accumulate((width * prod(shape) for shape in shapes), initial=0)
    return ((flat[start:end], shape) for (start, end), shape in zip(pairwise(borders), shapes, strict=True))


def is_large(vectors: Sequence[Tensor], precisions: Iterable[str] = ()) -> bool:
    """Return whether encoding may take long enough to leave the event loop to others meanwhile.

    Args:
        vectors: what is encoded.
        precisions: what embeddings are quantised to; the codecs of plugins may take any time.
    """
    numbers = (vector.values() if vector.is_sparse else vector for vector in vectors)
    return any(map(is_foreign, precisions)) or sum(part.numel() for part in numbers) > _LARGE


def join_objects(head: dict[str, object], key: str, items: Sequence[bytes], tail: dict[str, object]) -> bytes:
    """Return a JSON object with `key` holding the encoded items, between the members of head and tail.

    The items are encoded one by one, so that a thread that does so gives the interpreter lock away in between.
    """
    before, after = orjson.dumps(head)[:-1], orjson.dumps(tail)[1:]
    return b"".join((before, b',"', key.encode(), b'":[', b",".join(items), b"],", after))
