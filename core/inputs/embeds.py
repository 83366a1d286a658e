"""What a vision tower made of an image, given in place of the image: read and checked before a model sees it."""

from __future__ import annotations

import base64
import binascii
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    import numpy as np

__all__ = ["RawEmbeds"]

#: Name of the array where the caller gives one alone.
_ALONE = "image_embeds"
#: Most arrays in one mapping, and most entries of a file of torch, which holds one per tensor and a few of its own.
_MOST = 16


@dataclass(frozen=True, slots=True, eq=False)
class RawEmbeds:
    """Arrays as a caller gave them.

    Attributes:
        value: base64 of what `torch.save` wrote (a tensor, or a mapping of tensors), nested lists of numbers, arrays
            or tensors, or a mapping from names to these.
        param: field of the request that errors name.
    """

    value: Any
    param: str

    def read(self, most: int) -> dict[str, np.ndarray[Any, Any]]:
        """Return arrays by name, float32 or int64.

        Args:
            most: bytes that they may have together.

        Raises:
            InvalidRequest: it cannot be read, is too large, or holds NaN or infinity.
        """
        try:
            named = self.value if isinstance(self.value, Mapping) else {_ALONE: self.value}
            found: dict[str, np.ndarray[Any, Any]] = {}
            for name, value in named.items():
                given = _saved(value, most) if isinstance(value, str) else value
                inner = given if isinstance(given, Mapping) else {name: given}
                found |= {str(key): _array(item, most) for key, item in inner.items()}
            if not found or len(found) > _MOST or sum(array.nbytes for array in found.values()) > most:
                raise InvalidRequest(f"Give one to {_MOST} arrays of at most {most} bytes together.")
        except InvalidRequest as exc:
            exc.args = (f"'{self.param}': {exc}",)
            exc.param = self.param
            raise
        return found


def _array(value: Any, most: int) -> np.ndarray[Any, Any]:
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        if value.layout is not torch.strided or value.is_quantized or value.device.type == "meta":
            raise InvalidRequest("A tensor must be dense and have values.")
        if value.numel() * 8 > 2 * most:  # one that repeats a number holds less than it says
            raise InvalidRequest(f"A tensor has {value.numel()} numbers, more than fit in {most} bytes.")
        value = value.detach().cpu()
        value = value.float().numpy() if value.is_floating_point() else value.numpy()
    array = value if isinstance(value, np.ndarray) else _of_lists(value)
    if array.dtype.kind not in "fiu" or not array.size:
        raise InvalidRequest("An array holds numbers, and at least one.")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.int64)
    if not np.isfinite(array).all():
        raise InvalidRequest("An array holds NaN or infinity.")
    return array


def _of_lists(value: Any) -> np.ndarray[Any, Any]:
    """Return nested lists as an array; numpy alone would make room in every place for the longest text among them."""
    import numpy as np

    try:
        array = np.array(value, dtype=object)
        kinds = set(map(type, array.flat))
        if not kinds <= {int, float}:
            raise InvalidRequest("Lists must hold numbers, and be of one length at each level.")
        return array.astype(np.float64 if float in kinds else np.int64)
    except (ValueError, OverflowError) as exc:
        if isinstance(exc, InvalidRequest):
            raise
        raise InvalidRequest("Lists must be of one length at each level, and integers have 64 bits.") from exc


def _saved(text: str, most: int) -> Any:
    """Return what `torch.save` wrote, read without running any code of it."""
    import torch

    if len(text) // 4 * 3 - 2 > most:
        raise InvalidRequest(f"It has more than the {most} bytes that are allowed.")
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as exc:
        raise InvalidRequest("It is not valid base64.") from exc
    try:
        return torch.load(_repacked(data, most), map_location="cpu", weights_only=True)
    except InvalidRequest:
        raise
    except Exception as exc:  # readers of broken files raise many kinds
        raise InvalidRequest("It is no tensor, or mapping of tensors, that torch.save wrote.") from exc


def _repacked(data: bytes, most: int) -> io.BytesIO:
    """Return the archive written anew, so that torch reads no entry that was not measured here.

    Torch unpacks compressed entries of any size, and archives can be made that two readers read differently.
    """
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as given, zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as fresh:
        entries = given.infolist()
        is_plain = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not is_plain or len(entries) > 4 * _MOST or sum(entry.file_size for entry in entries) > most:
            raise InvalidRequest(f"The file is compressed, or has more than the {most} bytes that are allowed.")
        for entry in entries:
            fresh.writestr(entry.filename, given.read(entry))
    made.seek(0)
    return made
