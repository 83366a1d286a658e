"""The two sides of scoring, as callers give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from cenote.errors import WrongType
from cenote.inputs import parse_content
from cenote.inputs.media_values import is_medium
from cenote.types import Prompt

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["ScoreItem", "ScoreSide", "score_items", "score_prompts"]

#: A text, an image (of Pillow or numpy, or encoded bytes), or an object: `{"text": ...}`, `{"image": ...}`,
#: `{"content": [parts]}` and the other forms of `parse_content`.
ScoreItem: TypeAlias = "str | Mapping[str, Any] | Prompt | Image | bytes | np.ndarray[Any, Any]"
#: One item or several.
ScoreSide: TypeAlias = "ScoreItem | Sequence[ScoreItem]"


def score_prompts(side: ScoreSide, name: str) -> list[Prompt]:
    """Return the items of one side as prompts, each with a text, media or both.

    Args:
        side: as the caller gave it.
        name: of the argument, for messages.

    Raises:
        WrongType: something in it is neither text nor media.
        InvalidRequest: a part is of a type that is not supported.
    """
    items = score_items(side, name)
    if _is_item(side):
        return [parse_content(items[0], name)]
    return [parse_content(item, f"{name}[{place}]") for place, item in enumerate(items)]


def score_items(side: ScoreSide, name: str) -> list[Any]:
    """Return the items of one side as they were given.

    Raises:
        WrongType: it is neither an item nor a list.
    """
    if _is_item(side):
        return [side]
    if not isinstance(side, Sequence) or isinstance(side, bytearray):
        raise WrongType(f"{name} must be a text or a list of texts, not {type(side).__name__}.", param=name)
    return list(side)


def _is_item(side: Any) -> bool:
    return isinstance(side, str | Mapping | Prompt) or is_medium(side)
