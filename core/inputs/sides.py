"""The two sides of a scored pair with media, as texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cenote.inputs.media import media_kind
from cenote.types import MediaItem, Prompt

__all__ = ["side_texts"]


def side_texts(prompt: Prompt, placeholders: Mapping[str, str]) -> tuple[str, str]:
    """Return both texts of a pair, with what stands for the media of each right in front of it.

    Args:
        prompt: a pair; its first `first_media` media belong to the first text.
        placeholders: what stands for a medium, by its kind.

    Source: score items of vLLM 0.32, whose placeholders stand in front with nothing between (http-api.md section 5).
    """
    split = prompt.first_media
    first, second = (_marks(media, placeholders) for media in (prompt.media[:split], prompt.media[split:]))
    return first + (prompt.text or ""), second + (prompt.text_pair or "")


def _marks(media: Sequence[MediaItem], placeholders: Mapping[str, str]) -> str:
    return "".join(placeholders[media_kind(item)] for item in media)
