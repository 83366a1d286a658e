"""Numbers of results, kept outside of the heap until a call of many prompts has ended.

The C library splits free memory for whatever is asked of it. Between two batches the memory of activations is free, and
results that stay are cut from it, so that the next batch does not find it whole and takes new memory. 32,000 vectors of
MiniLM took 50 MB, and the holes between them 250 MB. Results of their own memory are made when nothing runs any more:
rows of one tensor would keep each other alive, and be pickled together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from cenote.kernels.memory import mapped
from cenote.outputs.results import OneResult, PoolingOutput

if TYPE_CHECKING:
    import mmap

    from torch import Tensor

__all__ = ["Shelf"]

#: Results that are put aside together. Larger ones than so many numbers stay, as they take memory like activations do.
_TOGETHER, _LARGE = 256, 1 << 16
_NOTHING = torch.empty(0)


class Shelf:
    """Takes the numbers of raw results, and gives them back all at once.

    Until then no tensor, and no list of a block, lies in the heap for longer than it takes to fill the block.
    """

    def __init__(self) -> None:
        self._outputs: list[PoolingOutput] = []
        self._shapes: list[torch.Size] = []
        self._known: dict[torch.Size, torch.Size] = {}
        self._numbers: list[Tensor] = []
        self._blocks: list[mmap.mmap] = []

    def take(self, output: PoolingOutput) -> None:
        """Take the numbers of a result, which has none until `give_back`. Results of other kinds stay as they are."""
        data, found = output.data, output.by_task
        if not isinstance(found, OneResult) or not _is_plain(data):
            return
        shape = data.shape
        self._outputs.append(output)
        self._shapes.append(self._known.setdefault(shape, shape))
        self._numbers.append(data.detach())
        output.data = found.data = _NOTHING
        if len(self._numbers) == _TOGETHER:
            self._put_aside()

    def give_back(self) -> None:
        """Give all results their numbers, each in a tensor with memory of its own, and let go what held them."""
        self._put_aside()
        self._blocks.reverse()
        for start in range(0, len(self._outputs), _TOGETHER):
            end = start + _TOGETHER
            outputs, shapes = self._outputs[start:end], self._shapes[start:end]
            block = torch.frombuffer(self._blocks.pop(), dtype=torch.float32)
            parts = block.split_with_sizes([shape.numel() for shape in shapes])
            for output, shape, part in zip(outputs, shapes, parts, strict=True):
                output.data = part.clone() if len(shape) == 1 else part.view(shape).clone()
                if isinstance(output.by_task, OneResult):
                    output.by_task.data = output.data
        self._outputs.clear()
        self._shapes.clear()

    def _put_aside(self) -> None:
        """Copy what was taken to memory that is mapped for it, and goes back to the system with the block."""
        if not self._numbers:
            return
        flat = [each if each.ndim == 1 else each.reshape(-1) for each in self._numbers]
        block = mapped(4 * sum(map(len, flat)))
        torch.cat(flat, out=torch.frombuffer(block, dtype=torch.float32))
        self._blocks.append(block)
        self._numbers.clear()


def _is_plain(data: Tensor) -> bool:
    """Tell whether data are a few float32 numbers on the host."""
    return data.dtype is torch.float32 and data.is_cpu and data.layout is torch.strided and 0 < data.numel() <= _LARGE
