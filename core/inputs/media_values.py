"""One image, video or precomputed embedding as callers give it: an address, encoded bytes, or what Python holds."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import Any

from cenote.errors import InvalidRequest, WrongType
from cenote.inputs.embeds import RawEmbeds
from cenote.inputs.values import describe
from cenote.media import Clip, Picture
from cenote.types import MediaAddress, MediaItem

__all__ = ["embeds_item", "image_item", "is_image", "is_medium", "is_tensors", "is_video", "video_item"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:")
_IMAGES = "an address such as 'data:image/png;base64,...', encoded bytes, or an image of Pillow or numpy (uint8)"


def image_item(value: Any, param: str, *, bare: bool = False) -> MediaItem:
    """Take an image.

    Args:
        value: an address, encoded bytes, an image of Pillow, an array [height, width] or [height, width, 3 or 4] of
            uint8, or a `Picture`.
        param: field of the request that errors name.
        bare: text that begins with no scheme is base64, as Jina's clients send it.

    Raises:
        WrongType: it is none of these.
        InvalidRequest: the array has another shape or type.
    """
    if isinstance(value, str):
        return MediaItem("image", _address(value, param, "data:image/png;base64," if bare else ""))
    if isinstance(value, bytes | Picture):
        return MediaItem("image", value)
    pillow = sys.modules.get("PIL.Image")  # whoever has such an image has imported it
    if pillow is not None and isinstance(value, pillow.Image):
        return MediaItem("image", Picture.of_image(value))
    if _is_array(value):
        return MediaItem("image", _of_array(value, param))
    raise WrongType(f"An image is {_IMAGES}; got {describe(value)}.", param=param)


def video_item(value: Any, param: str, *, bare: bool = False) -> MediaItem:
    """Take a video.

    Args:
        value: an address, encoded bytes, a `Clip`, or frames as `Clip.of_frames` takes them: an array
            [frames, height, width, 3] of uint8, a list of images, or one of these with its metadata, as a tuple.
        param: field of the request that errors name.
        bare: as for images.

    Raises:
        WrongType: it is none of these.
        InvalidRequest: the frames have another shape or type.
    """
    if isinstance(value, str):
        return MediaItem("video", _address(value, param, "data:video/mp4;base64," if bare else ""))
    if isinstance(value, bytes | Clip):
        return MediaItem("video", value)
    if _is_described(value):
        return MediaItem("video", Clip.of_frames(*value))
    if _is_array(value) or (isinstance(value, list | tuple) and value and all(map(_is_frame, value))):
        return MediaItem("video", Clip.of_frames(value))
    raise WrongType(f"A video is an address, encoded bytes, or frames; got {describe(value)}.", param=param)


def is_video(value: Any) -> bool:
    """Tell whether a value is one video, and not a list of several."""
    return not isinstance(value, list | tuple) or _is_described(value) or bool(value and all(map(_is_frame, value)))


def embeds_item(value: Any, param: str) -> MediaItem:
    """Take what a vision tower made of an image, unread: base64 of a saved tensor, arrays, or a mapping of them.

    Raises:
        WrongType: it is none of these.
    """
    if not isinstance(value, str | list | tuple | Mapping) and not is_tensors(value):
        text = f"'{param}' is base64 of a saved tensor, an array, or an object of these; got {describe(value)}."
        raise WrongType(text, param=param)
    return MediaItem("image_embeds", RawEmbeds(value, param))


def is_image(value: Any) -> bool:
    """Tell whether a value is an image of Pillow or a `Picture`, which nothing else can be meant by."""
    pillow = sys.modules.get("PIL.Image")
    return isinstance(value, Picture) or (pillow is not None and isinstance(value, pillow.Image))


def is_medium(value: Any) -> bool:
    """Tell whether a value that stands alone is an image: one of Pillow, a `Picture`, bytes, or numbers of numpy."""
    return is_image(value) or isinstance(value, bytes) or (_is_array(value) and value.dtype.kind in "biuf")


def is_tensors(value: Any) -> bool:
    """Tell whether a value is a tensor of torch, or a mapping, as precomputed embeddings are given in Python."""
    torch = sys.modules.get("torch")
    return isinstance(value, Mapping) or (torch is not None and isinstance(value, torch.Tensor))


def _address(value: str, param: str, head: str) -> MediaAddress:
    if not value:
        raise InvalidRequest(f"'{param}' is empty; give an address.", param=param)
    return MediaAddress(value if not head or _SCHEME.match(value) else head + value, param)


def _is_described(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], Mapping)


def _is_frame(value: Any) -> bool:
    return (is_image(value) and not isinstance(value, Picture)) or (_is_array(value) and value.ndim == 3)


def _is_array(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _of_array(value: Any, param: str) -> Picture:
    try:
        return Picture.of_array(value)
    except InvalidRequest as exc:
        exc.param = param
        raise
