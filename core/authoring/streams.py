"""Standard streams that tell who prints to them, and that are whole again afterwards."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

__all__ = ["Streams"]


class Streams:
    """Stands in for standard output in a block, and restores all three streams at its end.

    Args:
        printed: called before each text that is written to standard output.
    """

    def __init__(self, printed: Callable[[], object]) -> None:
        self._printed = printed

    def __enter__(self) -> Streams:
        """Put the stand-in in place."""
        self._before = sys.stdin, sys.stdout, sys.stderr
        self._copies = {number: os.dup(number) for number in (0, 1, 2)}
        self._output = _Output(os.fdopen(os.dup(1), "wb"), self._printed)
        sys.stdout = self._output
        return self

    def are_spoilt(self) -> bool:
        """Tell whether a stream was closed or replaced."""
        now = sys.stdin, sys.stdout, sys.stderr
        if now != (self._before[0], self._output, self._before[2]):
            return True
        return any(stream is not None and stream.closed for stream in now) or not all(map(_is_open, self._copies))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Take it away."""
        with suppress(OSError, ValueError):
            self._output.close()
        for number, copy in self._copies.items():
            os.dup2(copy, number)
            os.close(copy)
        sys.stdin, sys.stdout, sys.stderr = self._before


class _Output(io.TextIOWrapper):
    def __init__(self, raw: io.BufferedWriter, printed: Callable[[], object]) -> None:
        super().__init__(raw, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._printed = printed

    def write(self, text: str) -> int:
        self._printed()
        return super().write(text)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
