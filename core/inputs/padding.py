"""Padding on request: ids that the model reads like any other, up to a fixed length."""

from __future__ import annotations

from dataclasses import replace

from cenote.types import PreparedInput

__all__ = ["pad_to"]


def pad_to(prompt: PreparedInput, length: int, pad_token_id: int) -> PreparedInput:
    """Append padding ids up to a length; the segment of the last token goes on.

    The ids take part in attention and pooling, as text towers that were trained without a mask need it. Batches need
    no padding, and get none otherwise. Source: http-api.md section 6, step 5.
    """
    missing = max(0, length - len(prompt))
    types = prompt.token_type_ids
    return replace(
        prompt,
        token_ids=prompt.token_ids + (pad_token_id,) * missing,
        token_type_ids=None if types is None else types + types[-1:] * missing,
    )
