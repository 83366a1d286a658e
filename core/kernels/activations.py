"""The activations that operators know by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Activation", "function_of"]

#: `gelu` is exact, x · Φ(x); `gelu_tanh` its approximation (Hendrycks & Gimpel 2016, arXiv:1606.08415); `quick_gelu`
#: is x · sigmoid(1.702 x) (the same, section 2); `silu` is x · sigmoid(x).
Activation: TypeAlias = Literal["gelu", "gelu_tanh", "silu", "relu", "quick_gelu"]


def function_of(name: Activation) -> Callable[[Tensor], Tensor]:
    """Return torch's function of a name.

    Raises:
        ValueError: there is none of the name.
    """
    import torch
    import torch.nn.functional as F

    known: Mapping[str, Callable[[Tensor], Tensor]] = {
        "gelu": F.gelu,
        "gelu_tanh": lambda rows: F.gelu(rows, approximate="tanh"),
        "silu": F.silu,
        "relu": F.relu,
        "quick_gelu": lambda rows: rows * torch.sigmoid(1.702 * rows),
    }
    if name not in known:
        raise ValueError(f"activation must be one of {', '.join(known)}, not {name!r}.")
    return known[name]
