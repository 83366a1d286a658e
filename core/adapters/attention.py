"""The attention function that transformers calls when a model runs packed.

It fails closed: without cumulative lengths, or with an argument it does not know, it raises, and the self-check
at load then chooses padded execution.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from cenote.errors import ShapeError
from cenote.kernels import kernel_for

__all__ = ["INERT", "PACKED_ATTENTION", "is_causal_call", "packed_attention", "register_packed_attention"]

#: Name under which transformers knows the function. Names with `flash`, `sdpa` or `flex` in them get special treatment.
PACKED_ATTENTION = "cenote_packed"

#: Arguments that change nothing here: dropout is off, and the rest speaks of caches, masks or outputs not in use.
INERT = frozenset(
    {
        "cache_position",
        "cu_seq_lens_k",
        "deterministic",
        "max_length_k",
        "max_length_q",
        "output_attentions",
        "output_hidden_states",
        "position_ids",
        "return_dict",
        "use_cache",
    }
)


def is_causal_call(module: nn.Module, given: bool | None, otherwise: bool) -> bool:
    """Tell whether a layer that calls attention looks only back: as it is given, as the layer says, or else so."""
    return bool(getattr(module, "is_causal", otherwise) if given is None else given)


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    cu_seq_lens_q: Tensor | None = None,
    packed_lengths: Sequence[int] | None = None,
    packed_key_lengths: Sequence[int] | None = None,
    packed_causal: bool = True,
    is_causal: bool | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend within each sequence of a packed batch.

    Args:
        module: the attention layer; its `is_causal` counts where the argument is None.
        query: [1, heads, T, d].
        key: [1, kv_heads, T, d].
        value: [1, kv_heads, T, e].
        attention_mask: must be None; borders come from the lengths.
        scaling: factor on the scores; None is d ** -0.5.
        dropout: ignored, models run in evaluation mode.
        cu_seq_lens_q: [n + 1] cumulative lengths on the device; required.
        packed_lengths: the lengths on the host; required.
        packed_key_lengths: per sequence, leading tokens that are attended to; required.
        packed_causal: as `is_causal`, where neither the argument nor the layer says anything.
        is_causal: tokens see only earlier ones.
        sliding_window: tokens see only |i - j| < window.
        softcap: soft cap on the scores.
        s_aux: [heads], attention sinks.
        **others: only arguments known to change nothing.

    Returns:
        [1, T, heads, e], and None for the weights.

    Raises:
        ShapeError: the call is not one of a packed batch, or asks for something unknown.
    """
    if cu_seq_lens_q is None or packed_lengths is None or packed_key_lengths is None:
        raise ShapeError("Packed attention was called without sequence lengths: the model does not pass them on.")
    unknown = sorted(name for name, given in others.items() if given is not None and name not in INERT)
    if attention_mask is not None or unknown:
        raise ShapeError(f"Packed attention does not know {', '.join(unknown) or 'attention masks'}.")
    if query.shape[0] != 1:
        raise ShapeError(f"Packed attention takes one packed row, not {query.shape[0]}.")
    causal = is_causal_call(module, is_causal, packed_causal)
    kernel = kernel_for("varlen_attention", query)
    mixed = kernel(
        query[0].transpose(0, 1),
        key[0].transpose(0, 1),
        value[0].transpose(0, 1),
        lengths=packed_lengths,
        key_lengths=packed_key_lengths,
        scale=query.shape[-1] ** -0.5 if scaling is None else scaling,
        causal=causal,
        window=sliding_window,
        softcap=softcap,
        sinks=s_aux,
    )
    return mixed.unsqueeze(0), None


def register_packed_attention() -> None:
    """Make the function known to transformers; calling it again changes nothing.

    No mask function goes with it, so transformers builds no mask.
    """
    from transformers import AttentionInterface

    AttentionInterface.register(PACKED_ATTENTION, packed_attention)
