"""Messages between the host and a process that reads PDF files: JSON and bytes, over a socket.

Nothing is unpickled, and the receiver says how much it takes and until when, so that the other end, which a file may
have taken over, can neither run code here nor hold up or fill the host by what it sends.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

__all__ = ["Channel"]

_LENGTHS = struct.Struct(">QQ")
#: Bytes of the JSON.
_MOST_HEAD = 64 * 1024


class Channel:
    """One end.

    Args:
        link: the connected socket, which the channel owns from now on.
    """

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def send(self, head: dict[str, Any], body: bytes = b"", deadline: float | None = None) -> None:
        """Send a message.

        Args:
            head: what JSON can hold.
            body: any bytes.
            deadline: time of `time.monotonic` at which it is given up, or None.

        Raises:
            TimeoutError: the other end does not take it in time.
            OSError: the other end is gone.
        """
        written = json.dumps(head).encode()
        for part in (_LENGTHS.pack(len(written), len(body)), written, body):
            self._link.settimeout(_left(deadline))
            self._link.sendall(part)

    def receive(self, most: int | None = None, deadline: float | None = None) -> tuple[dict[str, Any], bytes]:
        """Wait for a message, and return its JSON and its bytes.

        Args:
            most: bytes that it may have beside its JSON; None is any number.
            deadline: time of `time.monotonic` at which all of it must be here, or None.

        Raises:
            TimeoutError: it is not here in time.
            EOFError: the other end is gone.
            OSError: the same, or what came is no message or a larger one.
        """
        head, body = _LENGTHS.unpack(self._exactly(_LENGTHS.size, deadline))
        if head > _MOST_HEAD or (most is not None and body > most):
            raise OSError("the message is larger than any that is expected")
        try:
            written = json.loads(self._exactly(head, deadline))
        except (ValueError, RecursionError) as exc:
            raise OSError("the message is not JSON") from exc
        if not isinstance(written, dict):
            raise OSError("the message is no object of JSON")
        return written, self._exactly(body, deadline)

    def close(self) -> None:
        """Close this end."""
        self._link.close()

    def _exactly(self, size: int, deadline: float | None) -> bytes:
        data = bytearray(size)
        rest = memoryview(data)
        while rest:
            self._link.settimeout(_left(deadline))
            got = self._link.recv_into(rest)
            if not got:
                raise EOFError("the other end is gone")
            rest = rest[got:]
        return bytes(data)


def _left(deadline: float | None) -> float | None:
    """Return the seconds until then; none left is an error, since a timeout of 0 means not to wait at all."""
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("the time is over")
    return left
