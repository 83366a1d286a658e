"""What importing a module does beside defining things; watched in the process that `process.py` starts."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from cenote.authoring.streams import Streams

__all__ = ["watched"]

_STARTS, _CHANGES = "starts a process", "changes files"
#: Audit events and what they mean, with their first argument. Source: Python's "Audit events table".
_EVENTS: Mapping[str, str] = {
    "os.chdir": "changes the working directory",
    "os.putenv": "sets the environment variable {}",
    "os.unsetenv": "removes the environment variable {}",
    "socket.connect": "opens a connection",
    "socket.bind": "binds a socket",
    "socket.getaddrinfo": "looks up the address of {}",
    "open": "writes the file {}",
    **dict.fromkeys(("os.fork", "os.forkpty", "os.posix_spawn", "os.system", "subprocess.Popen"), _STARTS),
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "shutil.rmtree"), _CHANGES),
}
#: Modules that watch, which a built-in must not be blamed for.
_OURS = (__name__, Streams.__module__)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class _Watch:
    """Collects what the code of one package does."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.found: dict[str, None] = {}

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Note an audit event, if the package is to blame."""
        if name not in _EVENTS or (name == "open" and not _writes(*arguments)) or not self.is_to_blame():
            return
        first = arguments[0] if arguments else ""
        self.add(_EVENTS[name].format(os.fsdecode(first) if isinstance(first, bytes) else first))

    def add(self, what: str) -> None:
        """Note something once."""
        self.found[what] = None

    def is_to_blame(self) -> bool:
        """Tell whether code of the package calls what happens, and not the import of some library."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            name = str(frame.f_globals.get("__name__"))
            if name.partition(".")[0] == self.package and name not in _OURS:
                return True
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return False
            frame = frame.f_back
        return False


_watch: _Watch | None = None
_is_listening = False


@contextmanager
def watched(module: str) -> Iterator[list[str]]:
    """Watch the block, which imports a module, and collect what it does beside that, as parts of a sentence.

    Standard streams, working directory, recursion limit and filters of warnings are as before at the end.
    """
    global _watch
    _listen()
    watch = _Watch(module.partition(".")[0])
    effects: list[str] = []
    threads, limit, folder = set(threading.enumerate()), sys.getrecursionlimit(), os.getcwd()
    with Streams(lambda: watch.add("prints to standard output") if watch.is_to_blame() else None) as streams:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            _watch = watch
            try:
                yield effects
            finally:
                _watch = None
                changed = sys.getrecursionlimit() != limit
                sys.setrecursionlimit(limit)
                os.chdir(folder)
        if any(thread not in threads and not thread.daemon for thread in threading.enumerate()):
            watch.add("starts a thread that is no daemon, which keeps the process from ending")
        if changed:
            watch.add("changes the recursion limit")
        if streams.are_spoilt():
            watch.add("closes or replaces a standard stream")
        for warning in told:
            if _is_in(warning.filename, watch.package):
                watch.add(f"warns ({warning.category.__name__}: {warning.message})")
    effects += watch.found


def _listen() -> None:
    """Hear of audit events from now on; there is no way back."""
    global _is_listening
    if not _is_listening:
        sys.addaudithook(_hear)
        _is_listening = True


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if _watch is not None:
        with suppress(Exception):  # the plugin gets what is raised here
            _watch.event(event, arguments)


def _writes(path: Any = None, mode: Any = None, flags: Any = 0, *more: Any) -> bool:
    if isinstance(path, int) or path == os.devnull:
        return False
    return bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(flags & _WRITING)


def _is_in(filename: str, package: str) -> bool:
    """Tell whether a file belongs to a package that was imported."""
    home = getattr(sys.modules.get(package), "__file__", None)
    if home is None:
        return False
    return filename == home or (Path(home).stem == "__init__" and Path(home).parent in Path(filename).parents)
