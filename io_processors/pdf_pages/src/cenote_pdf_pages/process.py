"""A process that reads PDF files, seen from the host: begun when it is needed, and again after it ended."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import weakref
from contextlib import suppress
from typing import Any

from cenote_pdf_pages.channel import Channel

__all__ = ["ProcessEnded", "ReaderProcess"]

#: Variables that Python and its libraries need to start; none of the others is a reader's business.
_KEPT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL")
#: Seconds in which the process must have begun.
_TO_BEGIN = 60.0


class ProcessEnded(Exception):
    """The process ended before it answered, or answered what is no answer, and was ended therefore."""


class ReaderProcess:
    """Sends orders to the process, one at a time. For one thread at a time, but for `close`.

    Args:
        memory: bytes that it may take.
    """

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._end: weakref.finalize[..., ReaderProcess] | None = None

    def ask(self, order: dict[str, Any], data: bytes, most: int, deadline: float) -> tuple[dict[str, Any], bytes]:
        """Send an order, and return the answer.

        Args:
            order: what to do.
            data: the file, where one is to be opened; else nothing.
            most: bytes that the answer may have.
            deadline: time of `time.monotonic` at which it must be here.

        Raises:
            TimeoutError: it is not; the process is ended.
            ProcessEnded: there will be none.
        """
        channel = self._channel
        if channel is None:
            raise ProcessEnded
        try:
            channel.send(order, data, deadline)
            return channel.receive(most, deadline)
        except TimeoutError:
            self.close()
            raise
        except (EOFError, OSError) as exc:
            self.close()
            raise ProcessEnded from exc

    def open(self, order: dict[str, Any], data: bytes, seconds: float) -> tuple[dict[str, Any], float]:
        """Send the first order about a file, and return the answer and when the file's time is over.

        A process that is there may have ended for reasons of its own (another file, or a machine short of memory): then
        a fresh one is asked, and if that one ends, the file has ended it.

        Raises:
            TimeoutError: it takes longer than so many seconds.
            ProcessEnded: the file ended a fresh process.
        """
        order = {**order, "seconds": seconds}
        if self._process is not None and self._process.poll() is None:
            deadline = time.monotonic() + seconds
            with suppress(ProcessEnded):
                return self.ask(order, data, 0, deadline)[0], deadline
        self._begin()
        deadline = time.monotonic() + seconds  # beginning the process is not the file's fault
        return self.ask(order, data, 0, deadline)[0], deadline

    def _begin(self) -> None:
        """Begin a process, in place of the one before.

        Raises:
            RuntimeError: it does not begin.
        """
        self.close()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                # -P: the working directory is no place to import from.
                [sys.executable, "-P", "-m", "cenote_pdf_pages.worker", str(theirs.fileno()), str(self._memory)],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,  # an interrupt of the terminal is for the host alone
            )
        self._channel = Channel(ours)
        self._end = weakref.finalize(self, _stop, self._process, self._channel)
        try:
            self._channel.receive(0, time.monotonic() + _TO_BEGIN)
        except (EOFError, OSError) as exc:
            self.close()
            raise RuntimeError("the process that reads PDF files does not begin") from exc

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._end is not None:
            self._end()
        self._process = self._channel = self._end = None


def _stop(process: subprocess.Popen[bytes], channel: Channel) -> None:
    process.kill()
    process.wait()
    channel.close()
