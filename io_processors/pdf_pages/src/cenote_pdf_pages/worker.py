"""The process that reads PDF files: started by `ReaderProcess`, obeys orders that come over a socket.

A file may crash it, or perhaps take it over. It has next to nothing of the host's environment, can write no files and
start no programs (where the system has these limits; root starts programs all the same), and the host takes no more
from it than it asked for. It is no sandbox: it runs as the same user, who may read files and use the network.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress
from typing import Any

from cenote_pdf_pages.channel import Channel
from cenote_pdf_pages.pdf import PdfFile

__all__ = ["allow_seconds", "main"]

#: Files that pdfium has open at once, fonts of the system among them.
_MOST_FILES = 64


class _Desk:
    """Holds the file that is open."""

    def __init__(self) -> None:
        self._file: PdfFile | None = None

    def obey(self, order: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Carry out `open`, `text`, `picture` or `close`."""
        match order.pop("do"):
            case "open":
                self._close()
                allow_seconds(order["seconds"])
                self._file = PdfFile(data, order["password"])
                return {"count": self._file.count}, b""
            case "text" if self._file is not None:
                return {}, self._file.text(order["number"])[: order["most"]].encode("utf-8", "replace")
            case "picture" if self._file is not None:
                picture = self._file.picture(**order)
                return {"width": picture.width, "height": picture.height, "stride": picture.stride}, picture.data
            case _:
                self._close()
                return {}, b""

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def main() -> None:
    """Obey until the other end is closed. Arguments: number of the socket, bytes of memory."""
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    _limit(int(sys.argv[2]))
    desk = _Desk()
    channel.send({})
    while True:
        try:
            order, data = channel.receive()
        except EOFError:
            return
        try:
            answer, result = desk.obey(order, data)
        except ValueError as exc:
            answer, result = {"error": str(exc)}, b""
        channel.send(answer, result)


def allow_seconds(seconds: float) -> None:
    """Let this process compute for so long from now on. The host ends it sooner; but the host may be gone."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    most = int(time.process_time() + seconds) + 1  # whole seconds only
    with suppress(ValueError, OSError):  # the system allows less
        resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _limit(memory: int) -> None:
    """Let this process end, rather than fill the machine, where a file unpacks to more; and take what it needs not."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    _lower(resource.RLIMIT_AS, memory)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_NOFILE, _MOST_FILES)
    _lower(resource.RLIMIT_NPROC, 0)


def _lower(which: int, most: int) -> None:
    """Set a limit for good, where it is higher."""
    import resource

    hard = resource.getrlimit(which)[1]
    kept = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with suppress(ValueError, OSError):  # macOS has the limit of memory in name only
        resource.setrlimit(which, (kept, kept))


if __name__ == "__main__":
    main()
