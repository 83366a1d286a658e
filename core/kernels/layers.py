"""Whole transformer layers, for backends that run them in one call.

Layers are sequences of operators. A backend of `linear` may have an attribute `join`, a `Join`: from layers whose
operators are its own it makes one function, which saves what a call of each operator costs, and memory between them.
It is asked after the products are prepared; what it refuses runs operator by operator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from cenote.kernels.activations import Activation
from cenote.kernels.base import Kernel
from cenote.kernels.interrupt import Interrupt
from cenote.kernels.linear.reference import Product
from cenote.kernels.residual_norm.reference import Kind, Stream

__all__ = ["Angles", "AttentionCall", "Join", "Joined", "Layer", "NormStep"]

#: Cosines and sines [T, r] of a batch's tokens.
Angles: TypeAlias = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class NormStep:
    """`residual_norm` with everything set that a batch does not change.

    Attributes:
        kernel: the implementation of `residual_norm`.
        weight: as the operator has it; so are the others.
        bias: likewise.
        eps: likewise.
        kind: likewise.
        stream: likewise.
        dtype: likewise.
    """

    kernel: Kernel
    weight: Tensor | None
    bias: Tensor | None
    eps: float
    kind: Kind
    stream: Stream
    dtype: torch.dtype

    def __call__(self, rows: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the next normed values [T, h] and stream [T, h]."""
        return self.kernel(  # type: ignore[no-any-return]
            rows,
            residual,
            weight=self.weight,
            bias=self.bias,
            eps=self.eps,
            kind=self.kind,
            stream=self.stream,
            dtype=self.dtype,
        )


@dataclass(frozen=True, slots=True)
class AttentionCall:
    """What one layer asks of attention, whatever the batch.

    Attributes:
        heads: of queries.
        kv_heads: of keys and values.
        size: of each head of queries, keys and values.
        scale: factor on the scores.
        causal: tokens see only earlier ones.
        window: tokens see only |i - j| < window; None is all.
        softcap: soft cap on the scores, or None.
        sinks: [heads], or None.
    """

    heads: int
    kv_heads: int
    size: int
    scale: float
    causal: bool
    window: int | None
    softcap: float | None
    sinks: Tensor | None = field(compare=False)


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: attention between two products and a norm, then a feed-forward part between two and a norm.

    normed, stream = norms[0](out(attend(rotate(qkv(normed)))), stream); then
    normed, stream = norms[1](down(widen(normed)), stream).

    Attributes:
        products: `qkv`, whose columns are the queries, keys and values of all heads; `out`, after attention; `up`,
            into the feed-forward part, with the gate first where there is one; and `down`.
        norms: after each part.
        attention: the implementation of `varlen_attention`.
        rotate: of `rotary`.
        gate: of `bias_act`.
        call: what is asked of attention.
        activation: of the feed-forward part.
        gated: the first half of what `up` gives is activated and multiplies the second.
        rotary: which of a batch's angles queries and keys are rotated by; None rotates nothing.
    """

    products: tuple[Product, Product, Product, Product]
    norms: tuple[NormStep, NormStep]
    attention: Kernel
    rotate: Kernel
    gate: Kernel
    call: AttentionCall
    activation: Activation
    gated: bool
    rotary: str | None


class Joined(Protocol):
    """Layers as one function."""

    def __call__(
        self,
        normed: Tensor,
        stream: Tensor,
        *,
        lengths: Sequence[int],
        key_lengths: Sequence[int],
        angles: Mapping[str, Angles],
        first: int = 0,
        interrupt: Interrupt | None = None,
    ) -> tuple[Tensor, Tensor, int]:
        """Return what leaves layers: normed values [T, h] in the dtype of products, and the stream [T, h] float32.

        Also return which layer is next; their number where all have run. Then nothing takes the normed values, and they
        may be anything of that shape.

        Args:
            normed: [T, h] what enters the first of these layers, in the dtype of products.
            stream: [T, h] float32, the residual stream there.
            lengths: tokens per sequence, T in all.
            key_lengths: per sequence, leading tokens that are attended to.
            angles: of rotary positions, by the names in `Layer.rotary`.
            first: the layer to begin with.
            interrupt: asks to return before the last layer; None never does.
        """
        ...


#: From layers to one function, or None where a backend does not run them as one.
Join: TypeAlias = Callable[[Sequence[Layer]], Joined | None]
