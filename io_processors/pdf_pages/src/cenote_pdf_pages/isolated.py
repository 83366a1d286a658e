"""PDF files, read in processes of their own: a file that crashes one, hangs or fills memory costs one document."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from PIL import Image

from cenote.errors import InvalidRequest
from cenote_pdf_pages.process import ProcessEnded, ReaderProcess

__all__ = ["OpenPdf", "PdfProcesses", "is_pdf"]

#: Seconds between two looks at whether somebody still waits.
_LOOK = 0.25
#: UTF-8 has at most so many bytes for a character.
_WIDEST = 4
#: Seconds in which a process must let go of a file.
_TO_CLOSE = 5.0
#: Characters of a reason that a process gives; it gives short ones.
_LONGEST_REASON = 200


def is_pdf(data: bytes) -> bool:
    """Tell whether a file looks like PDF; readers accept bytes in front of its header, up to this many."""
    return b"%PDF-" in data[:1024]


class OpenPdf:
    """A file that is open in a process.

    Attributes:
        count: pages that it has.
    """

    def __init__(self, process: ReaderProcess, seconds: float, data: bytes, password: str | None) -> None:
        self._process = process
        self._seconds = seconds
        with self._explained("the file"):
            answer, self._deadline = process.open({"do": "open", "password": password}, data, seconds)
        self.count = self._numbers("the file", answer, "count")[0]

    def text(self, number: int, most: int = 1_000_000) -> str:
        """Return the text of a page, counted from 1, or its first `most` characters.

        Raises:
            ValueError: the page cannot be read, or the document's time is over.
        """
        order = {"do": "text", "number": number, "most": most}
        return self._ask(f"page {number}", order, _WIDEST * most)[1].decode("utf-8", "replace")

    def picture(self, number: int, dpi: int, max_side: int) -> Image.Image:
        """Return a picture of a page on white, RGB, with no side longer than `max_side` pixels.

        Raises:
            ValueError: the page cannot be read, or the document's time is over.
        """
        what, order = f"page {number}", {"do": "picture", "number": number, "dpi": dpi, "max_side": max_side}
        answer, data = self._ask(what, order, max_side * (3 * max_side + 4))  # rows end at a multiple of 4 bytes
        width, height, stride = self._numbers(what, answer, "width", "height", "stride")
        if max(width, height) > max_side or stride < 3 * width or len(data) != stride * height:
            raise self._ended(what)
        return Image.frombytes("RGB", (width, height), data, "raw", "RGB", stride)

    def close(self) -> None:
        """Let go of the file; a process that has none, or ended, does not mind."""
        with suppress(TimeoutError, ProcessEnded):
            self._process.ask({"do": "close"}, b"", 0, time.monotonic() + _TO_CLOSE)

    def _ask(self, what: str, order: dict[str, Any], most: int) -> tuple[dict[str, Any], bytes]:
        with self._explained(what):
            answer, data = self._process.ask(order, b"", most, self._deadline)
        return self._checked(answer), data

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except TimeoutError as exc:
            text = f"{what} is not read within the {self._seconds:g} seconds that a document may take"
            raise ValueError(text) from exc
        except ProcessEnded as exc:
            raise self._ended(what) from exc

    def _numbers(self, what: str, answer: dict[str, Any], *names: str) -> list[int]:
        found = [self._checked(answer).get(name) for name in names]
        if not all(type(number) is int and number > 0 for number in found):
            raise self._ended(what)
        return [int(number) for number in found if number is not None]

    def _checked(self, answer: dict[str, Any]) -> dict[str, Any]:
        if "error" in answer:
            raise ValueError(str(answer["error"])[:_LONGEST_REASON])
        return answer

    def _ended(self, what: str) -> ValueError:
        """Return the error where the process ended, or is not to be trusted any more; it is ended then."""
        self._process.close()
        return ValueError(f"{what} cannot be read: it ends the process that reads it")


class PdfProcesses:
    """Processes that read one file each at a time; begun when they are needed. Thread safe.

    pdfium is not thread safe, not even for different files, and nothing ends a call of it but the end of its process.
    Whoever finds none free waits in a line, so that a document's limit of seconds bounds how long a place in it lasts.

    Args:
        seconds: how long reading one document may take, all its pages together.
        memory: bytes that each process may take.
        number: processes.
    """

    def __init__(self, *, seconds: float, memory: int, number: int = 1) -> None:
        self._seconds = seconds
        self._all = [ReaderProcess(memory) for _ in range(number)]
        self._free = list(self._all)
        self._line: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def open(
        self, data: bytes, password: str | None = None, is_cancelled: Callable[[], bool] = lambda: False
    ) -> Iterator[OpenPdf]:
        """Open a file, once a process is free.

        Args:
            data: the file.
            password: opens it, if it is encrypted.
            is_cancelled: tells whether nobody waits any more; asked now and then while none is free.

        Raises:
            InvalidRequest: nobody waits any more.
            ValueError: it is no PDF file, damaged, without pages, or encrypted.
        """
        if not is_pdf(data):  # a cheap refusal waits for nobody
            raise ValueError("it is no PDF file")
        with self._turn(is_cancelled) as process:
            pdf = OpenPdf(process, self._seconds, data, password)
            try:
                yield pdf
            finally:
                pdf.close()

    def close(self) -> None:
        """End the processes, whatever they do."""
        for process in self._all:
            process.close()

    @contextmanager
    def _turn(self, is_cancelled: Callable[[], bool]) -> Iterator[ReaderProcess]:
        """Wait for a process: first come, first served."""
        place = object()
        with self._changed:
            self._line.append(place)
            try:
                while not (self._free and self._line[0] is place):
                    self._changed.wait(_LOOK)
                    if is_cancelled():
                        raise InvalidRequest("Nobody waits for the answer any more.")
                process = self._free.pop()  # the last one that was given back: it runs
            finally:
                self._line.remove(place)
                self._changed.notify_all()
        try:
            yield process
        finally:
            with self._changed:
                self._free.append(process)
                self._changed.notify_all()
