"""A transport that sends head and body of an answer in one system call."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["Corked"]

#: Bytes that are not worth to be copied together with what is in front of them.
_LARGE = 1 << 16


class Corked:
    """Gathers what is written within one turn of the event loop; everything else is the transport's own.

    A short answer is otherwise two packets, two system calls, and in both of them the computing thread takes the
    interpreter lock away.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._waiting: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send soon; what is large at once, so that the transport can say that it is full."""
        if not data:
            return
        if len(data) >= _LARGE:
            self._flush()
            self._transport.write(data)
            return
        self._waiting.append(bytes(data))  # a caller may fill its buffer anew
        self._size += len(data)
        if self._size >= _LARGE:
            self._flush()
        elif len(self._waiting) == 1:
            self._loop.call_soon(self._flush)

    def write_eof(self) -> None:
        """Send everything, and then the end."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Send everything, and then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._waiting:
            data, self._waiting, self._size = b"".join(self._waiting), [], 0
            self._transport.write(data)
