"""Where the lines of `cenote embed-pdf` go: the terminal, or a file that is there once all of them are."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from cenote.errors import InvalidRequest

__all__ = ["writing"]


@contextmanager
def writing(output: Path | None) -> Iterator[TextIO]:
    """Give what is written to; checks at once that it can be.

    A file is written beside its place and moved there at the end, so that what is there already stays until then, and
    where the block raises. What is no regular file, such as a pipe, is written to as it is.

    Args:
        output: the file, or None for standard output.

    Raises:
        InvalidRequest: the file cannot be written.
    """
    if output is None:
        yield sys.stdout
        return
    place = output.resolve()
    is_moved = place.is_file() or not place.exists()
    written = place.with_name(f".{place.name}.{os.getpid()}.part") if is_moved else place
    try:
        lines = written.open("x" if is_moved else "w", encoding="utf-8")
    except OSError as exc:
        raise InvalidRequest(f"--output {output}: it cannot be written ({exc.strerror}).") from exc
    try:
        with lines:
            yield lines
        if is_moved:
            written.replace(place)
    finally:
        if is_moved:
            written.unlink(missing_ok=True)
