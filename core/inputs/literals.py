"""Texts that are meant literally, but contain what stands for media."""

from __future__ import annotations

from collections.abc import Iterable

from cenote.errors import InvalidRequest

__all__ = ["check_no_placeholders"]


def check_no_placeholders(texts: Iterable[str], tokens: Iterable[str], *, param: str = "input") -> None:
    """Refuse texts that contain a token which stands for a medium: it would be read as one.

    Args:
        texts: of a prompt.
        tokens: such as `<|image_pad|>`.
        param: field of the request that errors name.

    Raises:
        InvalidRequest: as said; names the token.
    """
    known = tuple(tokens)
    for text in texts:
        found = next((token for token in known if token in text), None)
        if found is not None:
            said = f"The text contains {found!r}, which stands for an image or video where the model reads it."
            raise InvalidRequest(f"{said} Take it out, or spell it otherwise.", param=param)
