"""Importing what entries name, once per failure, and remembering how it went."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from cenote.errors import PluginError
from cenote.registry.entry import Entry, entry_problem
from cenote.registry.loading import load_object, load_target
from cenote.registry.points import point_of
from cenote.registry.problems import broken, is_ctrl_c
from cenote.registry.record import Failure, LoadRecord

__all__ = ["Loader", "check_usable"]

_log = logging.getLogger(__name__)


class Loader:
    """Imports entries for a registry. Safe to use from several threads.

    Args:
        note: called with one line per import.
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self._note = note
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._objects: dict[str, Any] = {}
        self._warned: set[tuple[str, str]] = set()
        self.record = LoadRecord()

    def load(self, entry: Entry, check: Callable[[Any], None] | None = None) -> Any:
        """Import what an entry names; see `Registry.load`."""
        failure = self.record.failure(entry)
        if failure is not None:
            raise broken(entry, failure.cause) from failure.cause
        imported = False
        try:
            loaded = self._import(entry)
            imported = True
            if check is not None:
                check(loaded)
        except BaseException as exc:  # a module that calls sys.exit(), say, must not end the host
            if is_ctrl_c(exc):
                raise
            self._fail(entry, Failure(exc, imported))
            raise broken(entry, exc) from exc
        self.record.succeeded(entry)
        return loaded

    def load_checked(self, entry: Entry) -> Any:
        """Import what an entry names and check it as its extension point says; the second time costs nothing."""
        kept = self.record.usable(entry)
        if kept is None:
            kept = self.load(entry, partial(check_usable, entry.group))
            self.record.keep(entry, kept)
        return kept

    def warn(self, entry: Entry, error: PluginError) -> None:
        """Log an error, once per distribution and module."""
        key = (entry.distribution, entry.value.partition(":")[0])
        with self._lock:
            is_news = key not in self._warned
            self._warned.add(key)
        if is_news:
            _log.warning("%s", error)

    def add_object(self, value: object) -> str:
        """Keep an object of the running program, and return the target under which it is loaded."""
        with self._lock:
            target = f"<{type(value).__name__} {next(self._numbers)}>"
            self._objects[target] = value
        return target

    def drop(self, entry: Entry) -> None:
        """Forget an entry, and the object behind it."""
        with self._lock:
            self._objects.pop(entry.value, None)
        self.record.forget(entry)

    def forget(self) -> None:
        """Forget what was imported and what failed; objects stay."""
        with self._lock:
            self._warned.clear()
        self.record.forget()

    def _import(self, entry: Entry) -> Any:
        if entry.is_object:
            return self._objects[entry.value]
        problem = entry_problem(entry.group, entry.name, entry.value)
        if problem is not None:
            raise ValueError(problem)
        self._note(f"{entry.group} {entry.name!r} of {entry.source}: importing {entry.value}")
        # The lock is not held: importing may come back here from another thread that holds the import lock.
        return load_target(entry.value)

    def _fail(self, entry: Entry, failure: Failure) -> None:
        self.record.failed(entry, failure)
        self.warn(entry, broken(entry, failure.cause))


def check_usable(group: str, value: object) -> None:
    """Check a loaded object as the extension point of its group says; what checks it is imported only now.

    Raises:
        TypeError: it is not what the group wants.
        ValueError: it is, but contradicts itself.
    """
    point = point_of(group)
    if point is not None:
        load_object(point.check)(value)
