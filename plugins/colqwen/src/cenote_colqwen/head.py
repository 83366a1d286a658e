"""From hidden states to vectors: the projection with its bias, and how many components are kept."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cenote.checkpoints import Checkpoint
from cenote.config import Fact
from cenote.errors import CheckpointError
from cenote.poolers import Dense
from cenote_colqwen.config import declared_size
from cenote_colqwen.variants import Variant
from cenote_colqwen.weights import StoredNames

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Projection", "build_projection"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Projection:
    """What makes vectors of hidden states.

    Attributes:
        steps: in order, in float32; none where a vector is a hidden state.
        size: components of a vector.
        source: where the weights are.
    """

    steps: tuple[Dense, ...]
    size: int
    source: str

    def facts(self) -> dict[str, str]:
        """Return what a model's report says of it."""
        return {"projection": Fact(self.size, self.source), "embedding size": str(self.size)}


def build_projection(
    checkpoint: Checkpoint, variant: Variant, names: StoredNames, *, hidden_size: int, device: str
) -> Projection:
    """Read the weights of the projection.

    The trained models have a bias. Where a file lacks one it is zero, as in the first files of ColQwen3.5; that is
    shown in the report.

    Raises:
        CheckpointError: weights are missing, broken or of another size than config.json says, or are there in a model
            that has none.
    """
    if not variant.projects:
        if names.head:
            found = ", ".join(sorted(names.head.values()))
            raise CheckpointError(f"{checkpoint.name!r} stores {found}; {variant.name} models project nothing.")
        return Projection((), hidden_size, "none")
    if "weight" not in names.head:
        raise CheckpointError(f"{checkpoint.name!r} has no projection of its tokens; {variant.name} models have one.")
    weight = _read(checkpoint, names.head["weight"])
    if weight.ndim != 2 or weight.shape[1] != hidden_size:
        raise CheckpointError(
            f"{names.head['weight']} has shape {list(weight.shape)}; needed is [size, {hidden_size}]."
        )
    rows = weight.shape[0]
    size = _size(checkpoint, variant, rows, names.head["weight"])
    bias = None
    source = f"{names.head['weight']} without a bias"
    if "bias" in names.head:
        bias = _read(checkpoint, names.head["bias"])
        source = f"{names.head['weight'].removesuffix('.weight')} with its bias"
        if bias.shape != (rows,):
            raise CheckpointError(f"{names.head['bias']} has shape {list(bias.shape)}; needed is [{rows}].")
        bias = bias.to(device)
    else:
        _log.info("%s stores no bias of its projection; it is taken as zero", checkpoint.name)
    return Projection((Dense(weight.to(device), bias, lambda values: values),), size, source)


def _size(checkpoint: Checkpoint, variant: Variant, rows: int, name: str) -> int:
    declared = declared_size(checkpoint.config, variant)
    if declared is None:
        return rows
    size, key = declared
    if size > rows or (size < rows and not variant.cuts):
        raise CheckpointError(f"config.json: {key} is {size}, but {name} gives vectors of size {rows}.")
    return size


def _read(checkpoint: Checkpoint, name: str) -> Tensor:
    tensor = checkpoint.read_tensor(name)
    if not tensor.is_floating_point():
        raise CheckpointError(f"{name} holds {tensor.dtype}; quantised projections cannot be read.")
    tensor = tensor.float()
    if not bool(tensor.isfinite().all()):
        raise CheckpointError(f"{name} holds NaN or infinity; the weights are broken.")
    return tensor
