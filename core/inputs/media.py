"""`multi_modal_data` of a prompt: what is in it, and whether a model reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.media_values import embeds_item, image_item, is_tensors, is_video, video_item
from cenote.inputs.values import describe
from cenote.types import MediaAddress, MediaItem, Prompt

__all__ = ["check_modalities", "media_kind", "parse_media"]

_PARAM = "multi_modal_data"


def parse_media(data: Any) -> tuple[MediaItem, ...]:
    """Parse `{"image": image, "video": video}`, each one or a list of them, images first.

    An image is one of Pillow or numpy, encoded bytes, or an address; tensors of torch, or a mapping of them, are what
    a vision tower made of an image. A video is an address, encoded bytes, or frames: an array, or a list of images,
    perhaps in a tuple with their metadata.

    Raises:
        WrongType: it is no mapping, or something in it is no image or video.
        InvalidRequest: another kind of media, or none.
    """
    if not isinstance(data, Mapping):
        raise WrongType(f"'multi_modal_data' must be {{'image': image}}, got {describe(data)}.", param=_PARAM)
    others = sorted(str(key) for key in data if key not in ("image", "video") and data[key] is not None)
    if others:
        text = f"'multi_modal_data' has {', '.join(map(repr, others))}; what is known is 'image' and 'video'."
        raise InvalidRequest(text, param=_PARAM)
    videos = data.get("video")
    videos = [videos] if videos is not None and is_video(videos) else videos
    items = (*_each(data.get("image"), _image), *_each(videos, video_item))
    if not items:
        raise InvalidRequest("'multi_modal_data' holds no image; give one, or a list of them.", param=_PARAM)
    return items


def _each(given: Any, parse: Callable[[Any, str], MediaItem]) -> tuple[MediaItem, ...]:
    values = given if isinstance(given, list | tuple) else [] if given is None else [given]
    try:
        return tuple(parse(value, _PARAM) for value in values)
    except WrongType as exc:
        raise WrongType(f"'multi_modal_data': {exc}", param=_PARAM) from exc


def _image(value: Any, param: str) -> MediaItem:
    return embeds_item(value, param) if is_tensors(value) else image_item(value, param)


def media_kind(item: MediaItem) -> str:
    """Return the kind of media that a medium stands for: what a vision tower made of an image is an image."""
    return item.kind.removesuffix("_embeds")


def check_modalities(prompt: Prompt, modalities: Sequence[str], param: str = _PARAM) -> None:
    """Check that a model reads every kind of media of a prompt.

    Args:
        prompt: any prompt.
        modalities: what the model reads, as in `ModelLimits`.
        param: field of the request to blame where a medium does not say.

    Raises:
        InvalidRequest: it does not.
    """
    for item in prompt.media:
        kind = media_kind(item)
        if kind not in modalities:
            reads, found = " and ".join(modalities), "an image" if kind == "image" else f"a {kind}"
            text = f"This model reads {reads} only; the prompt has {found}."
            given = item.value.param if isinstance(item.value, MediaAddress) else param
            raise InvalidRequest(text, param="messages" if prompt.messages is not None else given)
