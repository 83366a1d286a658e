"""What a case of a kernel is: how its inputs are drawn, and how they lie in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

__all__ = ["LENGTHS", "Inputs", "KernelCase"]

#: Arguments by name; `maxsim` also takes a list of documents.
Inputs: TypeAlias = dict[str, "Tensor | list[Tensor]"]

#: Sequence lengths: single tokens, an empty one, runs of equal neighbours, sizes around powers of two.
LENGTHS: Mapping[str, tuple[int, ...]] = {
    "one_token": (1,),
    "63_60_1": (63, 60, 1),
    "with_an_empty_one": (5, 0, 7),
    "equal_neighbours": (16, 16, 16, 9, 9),
    "around_64": (65, 64, 63, 2, 1),
}

#: Components in front of and behind those of a view.
_BEFORE, _BEHIND = 3, 2


@dataclass(frozen=True)
class KernelCase:
    """One call of an operator.

    Attributes:
        name: readable id.
        build: from a dtype and a generator to the tensor arguments by name.
        options: the other arguments.
        tolerance: largest difference from the reference where it may be more than that of the dtype, as for int8
            products, in which a value that lies between two steps may be rounded to either.
    """

    name: str
    build: Callable[[torch.dtype, torch.Generator], Inputs]
    options: Mapping[str, Any]
    tolerance: float = 0.0

    def inputs(self, dtype: torch.dtype, device: str, *, as_views: bool = False) -> tuple[Inputs, dict[str, Any]]:
        """Return fresh tensors, the same on every call, and the options.

        Args:
            dtype: of the tensors that the operator takes in several.
            device: where they are.
            as_views: each tensor of two or more dimensions is a part of a wider one, as queries are of a fused product.
                Its last dimension is contiguous, and what lies beside it is NaN.
        """
        generator = torch.Generator().manual_seed(len(self.name))
        place = _view if as_views else Tensor.clone
        found: Inputs = {}
        for name, value in self.build(dtype, generator).items():
            if isinstance(value, Tensor):
                found[name] = place(value.to(device))
            else:
                found[name] = [place(each.to(device)) for each in value]
        return found, dict(self.options)


def _view(tensor: Tensor) -> Tensor:
    if tensor.ndim < 2:
        return tensor
    width = tensor.shape[-1]
    spoilt = float("nan") if tensor.is_floating_point() else 99
    wider = tensor.new_full((*tensor.shape[:-1], _BEFORE + width + _BEHIND), spoilt)
    view = wider[..., _BEFORE : _BEFORE + width]
    return view.copy_(tensor)
