"""`multi_modal_data` of a prompt: what is in it, and whether a model reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.values import describe
from cenote.media import Picture
from cenote.types import MediaItem, Prompt

__all__ = ["check_modalities", "parse_media"]

_PARAM = "multi_modal_data"


def parse_media(data: Any) -> tuple[MediaItem, ...]:
    """Parse `{"image": image}` or `{"image": [image, ...]}`, with images of Pillow.

    Raises:
        WrongType: it is no mapping, or something in it is no image.
        InvalidRequest: another kind of media, or none.
    """
    if not isinstance(data, Mapping):
        raise WrongType(f"'multi_modal_data' must be {{'image': image}}, got {describe(data)}.", param=_PARAM)
    others = sorted(str(key) for key in data if key != "image" and data[key] is not None)
    if others:
        text = f"'multi_modal_data' has {', '.join(map(repr, others))}; what is known is 'image'."
        raise InvalidRequest(text, param=_PARAM)
    given = data.get("image")
    images = given if isinstance(given, list | tuple) else [given]
    if given is None or not images:
        raise InvalidRequest("'multi_modal_data' holds no image; give one, or a list of them.", param=_PARAM)
    return tuple(_image(item) for item in images)


def _image(value: Any) -> MediaItem:
    from PIL import Image  # 30 ms, which prompts without images need not pay

    if not isinstance(value, Image.Image):
        text = f"'multi_modal_data' takes images of Pillow (PIL.Image.Image), got {describe(value)}."
        raise WrongType(text, param=_PARAM)
    return MediaItem("image", Picture.of_image(value))


def check_modalities(prompt: Prompt, modalities: Sequence[str]) -> None:
    """Check that a model reads every kind of media of a prompt.

    Args:
        prompt: any prompt.
        modalities: what the model reads, as in `ModelLimits`.

    Raises:
        InvalidRequest: it does not.
    """
    for item in prompt.media:
        if item.kind not in modalities:
            reads = " and ".join(modalities)
            text = f"This model reads {reads} only; 'multi_modal_data' with {item.kind!r} is for models that read it."
            raise InvalidRequest(text, param=_PARAM)
