"""The part of a pooler after the method: project, cut, normalise. Always computed in float32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from cenote.kernels import kernel_for
from cenote.types import PoolingParams

__all__ = ["Dense", "EmbeddingHead", "LayerNorm", "Step"]

#: One step of a head: [n, a] float32 to [n, b] float32.
Step = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Dense:
    """A linear layer and its activation, as the `Dense` module of sentence-transformers.

    Attributes:
        weight: [out, in] float32.
        bias: [out] float32, or None.
        activation: elementwise function.
    """

    weight: Tensor
    bias: Tensor | None
    activation: Callable[[Tensor], Tensor]

    def __call__(self, rows: Tensor) -> Tensor:
        """Return activation(rows · weightᵀ + bias)."""
        return self.activation(F.linear(rows, self.weight, self.bias))


@dataclass(frozen=True, slots=True)
class LayerNorm:
    """Layer normalisation, as the module of sentence-transformers.

    Attributes:
        weight: [h] float32.
        bias: [h] float32.
        eps: added to the variance.
    """

    weight: Tensor
    bias: Tensor
    eps: float = 1e-5

    def __call__(self, rows: Tensor) -> Tensor:
        """Normalise each row to mean 0 and variance 1, then scale and shift."""
        return F.layer_norm(rows, self.weight.shape, self.weight, self.bias, self.eps)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingHead:
    """Project, cut to the size asked for, normalise.

    Attributes:
        steps: applied in order to every row.
        normalize: L2-normalise where a request does not say.
        dimensions: cut before normalisation where a request does not say.
        final_cut: cut after normalisation, without normalising again, where nobody asked for `dimensions`;
            what sentence-transformers does with a stored `truncate_dim`.
        before_cut: applied where a size was asked for, before the cut (nomic's layer normalisation).
    """

    steps: tuple[Step, ...] = ()
    normalize: bool = True
    dimensions: int | None = None
    final_cut: int | None = None
    before_cut: Step | None = None

    def __call__(self, rows: Tensor, params: Sequence[PoolingParams]) -> list[Tensor]:
        """Return one float32 vector per row of [n, h], each owning its memory."""
        rows = rows.float()
        for step in self.steps:
            rows = step(rows)
        results: list[Tensor | None] = [None] * len(params)
        for wanted, indices in _alike(params).items():
            part = rows if len(indices) == len(params) else rows[indices]
            for index, vector in zip(indices, self.finish(part, *wanted).cpu(), strict=True):
                results[index] = vector.clone()
        return [vector for vector in results if vector is not None]

    def finish(self, rows: Tensor, dimensions: int | None, use_activation: bool | None) -> Tensor:
        """Cut and normalise projected rows [n, d] for requests that ask for the same."""
        size = dimensions or self.dimensions
        if size is not None:
            rows = (rows if self.before_cut is None else self.before_cut(rows))[:, :size]
        if self.normalize if use_activation is None else use_activation:
            rows = kernel_for("l2_normalize", rows)(rows)
        if size is None and self.final_cut is not None:
            rows = rows[:, : self.final_cut]
        return rows


def _alike(params: Sequence[PoolingParams]) -> dict[tuple[int | None, bool | None], list[int]]:
    """Group rows by what they ask, so that a mixed batch costs one call a group."""
    groups: dict[tuple[int | None, bool | None], list[int]] = {}
    for index, item in enumerate(params):
        groups.setdefault((item.dimensions, item.use_activation), []).append(index)
    return groups
