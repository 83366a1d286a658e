"""One transformer layer as a few calls of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from cenote.adapters.fused.kinds import Norm
from cenote.adapters.fused.products import PlainProduct
from cenote.kernels import get_kernel
from cenote.kernels.activations import Activation
from cenote.kernels.layers import Angles, AttentionCall, Layer, NormStep
from cenote.kernels.linear.reference import Product
from cenote.kernels.residual_norm.reference import Stream

__all__ = ["Angles", "Batch", "FusedLayer", "HeadNorms", "Normalise", "normalise"]

#: From what a part of a layer gave [T, h] and the residual stream [T, h] to the next normed values and stream.
Normalise: TypeAlias = Callable[[Tensor, Tensor | None], tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True)
class Batch:
    """What all layers of a forward need to know of its tokens.

    Attributes:
        lengths: of the sequences.
        key_lengths: leading tokens of each that are attended to.
        angles: of rotary positions, by type of layer.
    """

    lengths: tuple[int, ...]
    key_lengths: tuple[int, ...]
    angles: dict[str, Angles]


@dataclass(frozen=True, slots=True)
class HeadNorms:
    """Norms of every head by the mean square, before it is rotated.

    Attributes:
        query: weights [d] of queries, in float32.
        key: weights [d] of keys.
        eps: as `residual_norm` has it.
    """

    query: Tensor
    key: Tensor
    eps: float


def normalise(norm: Norm, stream: Stream, dtype: torch.dtype, device: str) -> NormStep:
    """Return `residual_norm` with everything set that a batch does not change."""
    kernel = get_kernel("residual_norm", device)
    return NormStep(kernel, norm.weight, norm.bias, norm.eps, norm.kind, stream, dtype)


class FusedLayer:
    """Attention and feed-forward part on the tokens of a batch.

    Attributes:
        qkv: gives queries, keys and values, [T, (heads + 2 kv_heads) · d].
        out: the product after attention.
        up: the product into the feed-forward part; the gate comes first where there is one.
        down: the product out of it.
        after_attention: adds to the stream and normalises for the feed-forward part.
        after_ffn: adds to the stream and normalises for the next layer.
    """

    qkv: Product | PlainProduct
    out: Product | PlainProduct
    up: Product | PlainProduct
    down: Product | PlainProduct

    def __init__(
        self,
        products: tuple[PlainProduct, PlainProduct, PlainProduct, PlainProduct],
        call: AttentionCall,
        norms: tuple[NormStep, NormStep],
        *,
        activation: Activation,
        gated: bool,
        outputs: tuple[Normalise, ...],
        heads: HeadNorms | None,
        rotary: str | None,
        device: str,
    ) -> None:
        """Put a layer together.

        Args:
            products: into and out of attention, into and out of the feed-forward part.
            call: what is asked of attention.
            norms: after attention, and after the feed-forward part.
            activation: of the feed-forward part.
            gated: the first half of what `up` gives is activated and multiplies the second.
            outputs: norms of what the two parts give; or none.
            heads: norms of heads, or None.
            rotary: which of a batch's angles it rotates by; None rotates nothing.
            device: whose kernels are taken.
        """
        self.qkv, self.out, self.up, self.down = products
        self.after_attention, self.after_ffn = norms
        self._call = call
        self._sizes = (call.heads, call.kv_heads, call.kv_heads)
        self._activation, self._gated = activation, gated
        self._outputs, self._heads, self._rotary = outputs, heads, rotary
        self._attention = get_kernel("varlen_attention", device)
        self._rotate = get_kernel("rotary", device)
        self._gate = get_kernel("bias_act", device)
        self._norm = get_kernel("residual_norm", device)

    def __call__(self, normed: Tensor, stream: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the next normed values [T, h] and residual stream [T, h] float32."""
        mixed = self.out(self._attend(normed, batch))
        if self._outputs:
            mixed = self._outputs[0](mixed, None)[0]
        normed, stream = self.after_attention(mixed, stream)
        result = self.down(self._widen(normed))
        if self._outputs:
            result = self._outputs[1](result, None)[0]
        return self.after_ffn(result, stream)

    def described(self) -> Layer | None:
        """Return what the layer does, for backends that run layers as one; None where they know no such layer."""
        if self._outputs or self._heads is not None:
            return None
        return Layer(
            (self.qkv, self.out, self.up, self.down),
            (self.after_attention, self.after_ffn),
            self._attention,
            self._rotate,
            self._gate,
            self._call,
            activation=self._activation,
            gated=self._gated,
            rotary=self._rotary,
        )

    def _widen(self, normed: Tensor) -> Tensor:
        if self._gated:
            return self._gate(self.up(normed), None, activation=self._activation, gated=True)  # type: ignore[no-any-return]
        return self.up(normed, activation=self._activation)

    def _attend(self, normed: Tensor, batch: Batch) -> Tensor:
        """Return [T, heads · d]."""
        call = self._call
        heads = self.qkv(normed).view(len(normed), -1, call.size)
        if self._rotary is None:
            query, key, value = heads.split_with_sizes(self._sizes, 1)
        else:
            turned, value = heads.split_with_sizes((self._sizes[0] + call.kv_heads, call.kv_heads), 1)
            if self._heads is None:
                turned = self._rotate(turned, *batch.angles[self._rotary])
                query, key = turned.split_with_sizes(self._sizes[:2], 1)
            else:
                query, key = self._normed_heads(turned, self._heads, batch.angles[self._rotary])
        mixed: Tensor = self._attention(
            query,
            key,
            value,
            lengths=batch.lengths,
            key_lengths=batch.key_lengths,
            scale=call.scale,
            causal=call.causal,
            window=call.window,
            softcap=call.softcap,
            sinks=call.sinks,
        )
        return mixed.reshape(len(normed), -1)

    def _normed_heads(self, turned: Tensor, norms: HeadNorms, angles: Angles) -> tuple[Tensor, Tensor]:
        """Return queries and keys, each head normalised and rotated."""
        rows = turned.reshape(-1, turned.shape[-1])
        normed, _ = self._norm(
            rows, None, weight=None, bias=None, eps=norms.eps, kind="rms", stream="norm", dtype=torch.float32
        )
        parts = normed.view(turned.shape).split_with_sizes(self._sizes[:2], 1)
        weights = (norms.query, norms.key)
        query, key = (
            self._rotate(part, *_weighted(angles, weight)).to(turned.dtype)
            for part, weight in zip(parts, weights, strict=True)
        )
        return query, key


def _weighted(angles: Angles, weight: Tensor) -> Angles:
    """Return angles that rotate x as plain ones rotate weight · x; they are fewer than the heads."""
    cosines, sines = angles
    half = cosines.shape[-1] // 2
    return cosines * weight, sines * weight.roll(half)
