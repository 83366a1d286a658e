"""The process that reads PDF files: started by `PdfProcess`, obeys orders that come over a socket.

Each order and each answer is two messages: JSON, and bytes. Nothing is unpickled, so that a file that takes over this
process gains nothing over the other one.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from cenote_pdf_pages.pdf import PdfFile

__all__ = ["main"]


class _Desk:
    """Holds the file that is open."""

    def __init__(self) -> None:
        self._file: PdfFile | None = None

    def obey(self, order: dict[str, Any], data: bytes) -> tuple[dict[str, Any], bytes]:
        """Carry out `open`, `text`, `picture` or `close`."""
        match order.pop("do"):
            case "open":
                self._file = PdfFile(data, order["password"])
                return {"count": self._file.count}, b""
            case "text" if self._file is not None:
                return {}, self._file.text(order["number"]).encode("utf-8", "replace")
            case "picture" if self._file is not None:
                picture = self._file.picture(**order)
                return {"size": (picture.width, picture.height), "stride": picture.stride}, picture.data
            case _:
                if self._file is not None:
                    self._file.close()
                    self._file = None
                return {}, b""


def main() -> None:
    """Obey until the other end is closed. Arguments: number of the socket, bytes of memory."""
    link = Connection(int(sys.argv[1]))
    _limit_memory(int(sys.argv[2]))
    desk = _Desk()
    link.send_bytes(b"ready")
    while True:
        try:
            order, data = json.loads(link.recv_bytes()), link.recv_bytes()
        except EOFError:
            return
        try:
            answer, result = desk.obey(order, data)
        except ValueError as exc:
            answer, result = {"error": str(exc)}, b""
        link.send_bytes(json.dumps(answer).encode())
        link.send_bytes(result)


def _limit_memory(most: int) -> None:
    """Let this process end, rather than fill the machine, where a file unpacks to more."""
    try:
        import resource
    except ImportError:  # no such limits on this system
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    with suppress(ValueError, OSError):  # macOS has the limit in name only
        resource.setrlimit(resource.RLIMIT_AS, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
