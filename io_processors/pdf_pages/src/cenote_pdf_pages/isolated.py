"""PDF files, read in a process of their own: a file that crashes it, hangs or fills memory costs one document."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from PIL import Image

__all__ = ["OpenPdf", "PdfProcess"]


class OpenPdf:
    """A file that is open in the process.

    Attributes:
        count: pages that it has.
    """

    def __init__(self, process: PdfProcess, count: int) -> None:
        self.count = count
        self._process = process

    def text(self, number: int) -> str:
        """Return the text of a page, counted from 1.

        Raises:
            ValueError: the page cannot be read.
        """
        return self._process.ask(f"page {number}", {"do": "text", "number": number})[1].decode("utf-8")

    def picture(self, number: int, dpi: int, max_side: int) -> Image.Image:
        """Return a picture of a page on white, RGB, with no side longer than `max_side` pixels.

        Raises:
            ValueError: the page cannot be read.
        """
        order = {"do": "picture", "number": number, "dpi": dpi, "max_side": max_side}
        answer, data = self._process.ask(f"page {number}", order)
        return Image.frombytes("RGB", tuple(answer["size"]), data, "raw", "RGB", answer["stride"])


class PdfProcess:
    """A process that reads one file at a time; begun when it is needed, and again after it ended. Thread safe.

    pdfium is not thread safe, not even for different files, and nothing ends a call of it but the end of its process.

    Args:
        seconds: how long opening a file, or reading a page, may take.
        memory: bytes that the process may take.
    """

    def __init__(self, *, seconds: float, memory: int) -> None:
        self._seconds = seconds
        self._memory = memory
        self._lock = threading.Lock()
        self._link: Connection | None = None
        self._end: weakref.finalize[..., PdfProcess] | None = None

    @contextmanager
    def open(self, data: bytes, password: str | None = None) -> Iterator[OpenPdf]:
        """Open a file; others wait until it is closed.

        Raises:
            ValueError: it is no PDF file, damaged, without pages, or encrypted.
        """
        with self._lock:
            answer, _ = self.ask("the file", {"do": "open", "password": password}, data)
            try:
                yield OpenPdf(self, answer["count"])
            finally:
                if self._link is not None:
                    self.ask("the file", {"do": "close"})

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._end is not None:
            self._end()
        self._link = self._end = None

    def ask(self, what: str, order: dict[str, Any], data: bytes = b"") -> tuple[dict[str, Any], bytes]:
        """Send an order, and return the answer; for `OpenPdf`, whose file holds the lock.

        Raises:
            ValueError: the process says so, takes too long or ends; the text begins with what was to be read.
        """
        try:
            link = self._link or self._begin()
            link.send_bytes(json.dumps(order).encode())
            link.send_bytes(data)
            if not link.poll(self._seconds):
                self.close()
                raise ValueError(f"{what} takes longer than {self._seconds:g} seconds to read")
            answer, result = json.loads(link.recv_bytes()), link.recv_bytes()
        except (EOFError, OSError) as exc:
            self.close()
            raise ValueError(f"{what} cannot be read: it ends the process that reads it") from exc
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer, result

    def _begin(self) -> Connection:
        ours, theirs = socket.socketpair()
        with theirs:
            arguments = [str(theirs.fileno()), str(self._memory)]
            process = subprocess.Popen(
                # -P: the working directory is no place to import from.
                [sys.executable, "-P", "-m", "cenote_pdf_pages.worker", *arguments],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,  # an interrupt of the terminal is for the host alone
            )
        self._link = Connection(ours.detach())
        self._end = weakref.finalize(self, _stop, process, self._link)
        self._link.recv_bytes()  # it is ready: only reading counts against the limit
        return self._link


def _stop(process: subprocess.Popen[bytes], link: Connection) -> None:
    link.close()
    process.kill()
    process.wait()
