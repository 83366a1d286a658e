"""Memory for large results on the host, outside of the heap and kept between batches.

The C library splits free memory for whatever is asked of it. Between two batches the memory of activations is free, and
small things that stay longer are cut from it, so that the next batch takes new memory: over 32,000 texts that was 40 MB
of MiniLM. Memory that the system maps anew for each batch would be no better, as every page of it costs a fault.
"""

from __future__ import annotations

import mmap
import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["KeptMemory", "empty", "mapped"]

#: Bytes from which on a result is worth it, and bytes that are kept while nobody has them.
_LEAST, _MOST = 1 << 18, 64 << 20
#: Results after which memory that none of them wanted goes back to the system.
_IDLE = 1024
#: How many times as large as a result the memory may be that is lent to it.
_LARGER = 4


@dataclass(slots=True, eq=False)
class _Block:
    """Mapped memory.

    Attributes:
        pages: the memory. Pages that were never written take none.
        last: number of the result that had it last.
    """

    pages: mmap.mmap
    last: int = 0


class KeptMemory:
    """Lends memory to tensors, and has it back when the last tensor over it is gone, however it went on.

    So two results never share memory, whoever keeps one, in whatever thread.
    """

    def __init__(self, least: int = _LEAST, most: int = _MOST, idle: int = _IDLE) -> None:
        """Keep nothing yet.

        Args:
            least: bytes of a tensor below which it is an ordinary one.
            most: bytes that may be kept for nobody.
            idle: tensors after which memory that none of them took is let go.
        """
        self._least, self._most, self._idle = least, most, idle
        self._count = 0
        self._free: list[_Block] = []
        self._lock = threading.Lock()
        #: Blocks whose tensors are gone. A tensor may go anywhere, so also while this thread holds the lock.
        self._returned: deque[_Block] = deque()

    def empty(self, shape: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
        """Return a contiguous tensor on the host, whose numbers are anything."""
        count = 1
        for size in shape:
            count *= size
        if count * dtype.itemsize < self._least:
            return torch.empty(shape, dtype=dtype)
        block = self._taken(count * dtype.itemsize)
        # The tensor's storage holds the view, and so the view ends with it.
        view = memoryview(block.pages)
        weakref.finalize(view, self._returned.append, block).atexit = False
        return torch.frombuffer(view, dtype=dtype, count=count).view(shape)

    def forget(self) -> None:
        """Begin anew in a process that was forked while any thread may have held the lock."""
        self._lock = threading.Lock()
        self._free, self._returned = [], deque()

    def kept(self) -> int:
        """Return the bytes that are kept for nobody."""
        with self._lock:
            self._take_back()
            return sum(len(block.pages) for block in self._free)

    def _taken(self, size: int) -> _Block:
        """Return the smallest free block that fits so many bytes, or a new one."""
        with self._lock:
            self._take_back()
            self._count += 1
            # Much larger ones are left to large results, which a small one that lives on would keep from them.
            fitting = [block for block in self._free if size <= len(block.pages) <= _LARGER * size]
            if fitting:
                block = min(fitting, key=lambda each: len(each.pages))
                self._free.remove(block)
            else:
                block = _Block(mapped(1 << (size - 1).bit_length()))
            block.last = self._count
            return block

    def _take_back(self) -> None:
        """Keep what came back, the latest first, except what nobody wanted for long and what is too much."""
        while self._returned:
            self._free.append(self._returned.popleft())
        self._free.sort(key=lambda block: -block.last)
        left, kept = self._most, []
        for block in self._free:
            if self._count - block.last <= self._idle and len(block.pages) <= left:
                left -= len(block.pages)
                kept.append(block)
        self._free = kept


def mapped(size: int) -> mmap.mmap:
    """Return memory of this process alone: Python's default is memory that a fork shares."""
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


_OWN = KeptMemory()
os.register_at_fork(after_in_child=_OWN.forget)
#: Of the memory that all models of the process share: `KeptMemory.empty`.
empty = _OWN.empty
