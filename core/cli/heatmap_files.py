"""The pictures that `cenote heatmap` writes."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from cenote.errors import InvalidRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from cenote.cli.query_tokens import QueryToken

__all__ = ["check_folder", "check_target", "token_files", "write_picture"]

#: Ends of names, and the formats that they stand for.
_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}


def check_target(path: Path, page: Path) -> None:
    """Check that a picture can be written, before anything is computed.

    Raises:
        InvalidRequest: the name tells no format, the file has no folder or may not be written, or it is the page.
    """
    if path.suffix.lower() not in _FORMATS:
        text = f"The name {path.name!r} does not say the format. Use {', '.join(_FORMATS)}."
        raise InvalidRequest(text, param="save")
    if path.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
        reason = "it is a folder" if path.is_dir() else "its folder does not exist or may not be written to"
        raise InvalidRequest(f"Cannot write {str(path)!r}: {reason}.", param="save")
    if path.exists() and page.exists() and path.samefile(page):
        raise InvalidRequest(f"{str(path)!r} is the page itself; write to another file.", param="save")


def check_folder(path: Path) -> None:
    """Check that a folder exists, or can be made, and may be written to.

    Raises:
        InvalidRequest: it cannot.
    """
    place = path if path.exists() else path.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        text = f"Cannot write to the folder {str(path)!r}: {str(place)!r} is no folder, or may not be written to."
        raise InvalidRequest(text, param="all_tokens")


def token_files(folder: Path, tokens: Iterable[QueryToken]) -> list[tuple[Path, QueryToken]]:
    """Return a file for each token, named by its number and its letters."""
    found = []
    for token in tokens:
        letters = re.sub(r"\W", "", token.text)[:40]
        found.append((folder / f"{token.vector:03}{'-' if letters else ''}{letters}.png", token))
    return found


def write_picture(picture: Image, path: Path) -> None:
    """Write a picture, whole or not at all.

    Raises:
        InvalidRequest: the file cannot be written.
    """
    content = io.BytesIO()
    try:
        picture.save(content, format=_FORMATS[path.suffix.lower()])  # JPEG and WebP have a largest size
        _write(content.getvalue(), path)
    except (OSError, ValueError) as exc:
        reason = getattr(exc, "strerror", None) or exc
        raise InvalidRequest(f"Cannot write {str(path)!r}: {reason}.", param="save") from exc


def _write(content: bytes, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp's own is for one user
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
