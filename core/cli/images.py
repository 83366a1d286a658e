"""Image files that a command line names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenote.config.engine import EngineConfig
from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from cenote.media import Picture

__all__ = ["named_with_images", "read_pictures"]

#: Flags of the engine that bound an image.
_BOUNDS = ("max_media_bytes", "max_image_pixels")


def read_pictures(paths: Sequence[Path], options: Mapping[str, Any]) -> list[Picture]:
    """Read the heads of image files; pixels are decoded when a model wants them.

    Files that somebody names on the command line are read wherever they are; what bounds an image holds.

    Args:
        paths: of the files.
        options: flags of the engine, for the bounds.

    Raises:
        InvalidRequest: a file cannot be read, is no image of a known format, or exceeds a bound.
    """
    bounds = EngineConfig.from_options(
        **{name: options[name] for name in _BOUNDS if options.get(name) is not None},
    )
    return [_picture(path, bounds) for path in paths]


def named_with_images(name: Callable[[int], str], texts: int, images: Sequence[Path]) -> Callable[[int], str]:
    """Return what to call the input at a place, where image files stand after so many texts.

    Args:
        name: of the texts.
        texts: how many there are.
        images: the files.
    """
    return lambda place: name(place) if place < texts else f"Image {str(images[place - texts])!r}"


def _picture(path: Path, bounds: EngineConfig) -> Picture:
    from cenote.media import Picture

    try:
        with path.open("rb") as file:
            data = file.read(bounds.max_media_bytes + 1)
    except OSError as exc:
        raise InvalidRequest(f"Cannot read {str(path)!r}: {exc.strerror}.", param="image") from exc
    if len(data) > bounds.max_media_bytes:
        text = f"{str(path)!r} has more than {bounds.max_media_bytes} bytes; --max-media-bytes allows more."
        raise InvalidRequest(text, param="image")
    try:
        return Picture.of_bytes(data, max_pixels=bounds.max_image_pixels)
    except InvalidRequest as exc:
        raise InvalidRequest(f"{str(path)!r}: {exc}", param="image") from exc
