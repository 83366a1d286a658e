"""Weights as views of their memory-mapped files: read when they are first used, and never held twice."""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from cenote.checkpoints.weights import tensor_header, weight_files

__all__ = ["MappedTensor", "map_weights", "release"]

_DTYPES = {
    "BF16": torch.bfloat16,
    "BOOL": torch.bool,
    "F16": torch.float16,
    "F32": torch.float32,
    "F64": torch.float64,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "I8": torch.int8,
    "U8": torch.uint8,
}
#: Smaller tensors are copied: a page that holds one holds others too, and arithmetic wants them aligned.
_SMALLEST = 1 << 16


#: Files in memory, by the address of their first byte, while a tensor shows them.
_MAPPINGS: WeakValueDictionary[int, mmap.mmap] = WeakValueDictionary()


def _map(file: Path) -> mmap.mmap:
    """Map a file. Its pages are the file's own, and leave memory when they are released or memory is short."""
    with file.open("rb") as handle:
        # Private: what a program writes there stays its own and never reaches the file.
        data = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_COPY)
    _MAPPINGS[torch.frombuffer(data, dtype=torch.uint8, count=1).data_ptr()] = data
    return data


def _release(data: mmap.mmap, begin: int, length: int) -> None:
    """Let go of the whole pages of a range; they are read again when they are used again."""
    first = -(-begin // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (begin + length) // mmap.PAGESIZE * mmap.PAGESIZE
    if last > first and hasattr(mmap, "MADV_DONTNEED"):
        data.madvise(mmap.MADV_DONTNEED, first, last - first)


@dataclass(frozen=True, slots=True)
class MappedTensor:
    """A stored tensor. It has as much of a tensor's interface as transformers' loading uses.

    Attributes:
        data: the file in memory.
        dtype: as stored.
        shape: as stored.
        begin: first byte in the file.
        length: in bytes.
    """

    data: mmap.mmap
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    length: int

    def __getitem__(self, index: Any) -> Any:
        """Return itself for `[...]`, by which transformers asks for a whole tensor, else a part of the tensor."""
        return self if index is Ellipsis else self.view()[index]

    def to(self, device: Any = None, dtype: torch.dtype | None = None) -> Tensor:
        """Return the tensor on a device and in a dtype: a view of the file where it has that dtype already."""
        stored = self.view()
        result = stored.to(device=device, dtype=dtype)
        if result.data_ptr() != stored.data_ptr():
            _release(self.data, self.begin, self.length)
        return result.clone() if result.data_ptr() == stored.data_ptr() and self.length < _SMALLEST else result

    def view(self) -> Tensor:
        """Return a tensor of the file's pages; one that does not lie on its dtype's boundaries is copied."""
        if self.length == 0:
            return torch.empty(self.shape, dtype=self.dtype)
        if self.begin % self.dtype.itemsize:
            raw = bytearray(self.data[self.begin : self.begin + self.length])
            return torch.frombuffer(raw, dtype=self.dtype).view(self.shape)
        flat = torch.frombuffer(self.data, dtype=self.dtype, count=prod(self.shape), offset=self.begin)
        return flat.view(self.shape)


def map_weights(folder: Path) -> dict[str, MappedTensor] | None:
    """Map the safetensors files of a folder and return their tensors by name.

    None where there are none, where a tensor has a dtype that torch cannot view, or with `CENOTE_MAP_WEIGHTS=0`: a
    program that overwrites the files of a running model, in place, changes or crashes it.

    Raises:
        CheckpointError: no weights, a missing shard, or a broken header.
    """
    files = weight_files(folder)
    if os.environ.get("CENOTE_MAP_WEIGHTS") == "0" or any(file.suffix != ".safetensors" for file in files):
        return None
    tensors: dict[str, MappedTensor] = {}
    for file in files:
        header = tensor_header(file)
        if any(entry.get("dtype") not in _DTYPES for entry in header.values()):
            return None
        data = _map(file)
        start = 8 + int.from_bytes(data[:8], "little")
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            shape, dtype = tuple(entry["shape"]), _DTYPES[entry["dtype"]]
            if prod(shape) * dtype.itemsize != end - begin:
                return None  # transformers words what is wrong with such a file
            tensors[name] = MappedTensor(data, dtype, shape, start + begin, end - begin)
    return tensors


def release(tensor: Tensor) -> None:
    """Let go of the memory of a tensor that is a view of a mapped file; it is read again if it is used again.

    For weights of which a prepared copy is used instead. Nothing happens to tensors that have memory of their own.
    """
    if tensor.device.type != "cpu" or not tensor.is_contiguous():
        return
    address = tensor.data_ptr()
    for start, data in list(_MAPPINGS.items()):
        if start <= address < start + len(data):
            _release(data, address - start, tensor.numel() * tensor.element_size())
