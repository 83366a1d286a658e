"""What the registry imported in this process, and what that raised."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock, Thread
from typing import Any

from cenote.registry.entry import Entry

__all__ = ["Failure", "LoadRecord"]


@dataclass(frozen=True, slots=True)
class Failure:
    """An import that raised, or an object that is not what its group wants.

    Attributes:
        cause: what was raised.
        imported: whether the import itself went well.
    """

    cause: BaseException
    imported: bool

    @property
    def reason(self) -> str:
        """The kind of the cause, without its text, which may hold paths."""
        what = "its check" if self.imported else "its import"
        return f"{what} raised {type(self.cause).__name__}"


class LoadRecord:
    """Outcomes by group, distribution and target. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._failures: dict[tuple[str, str, str], Failure] = {}
        self._loaded: set[tuple[str, str, str]] = set()
        self._usable: dict[Entry, Any] = {}
        self._importing: dict[str, tuple[Thread, float]] = {}

    def failure(self, entry: Entry) -> Failure | None:
        """Return what loading this entry raised, if it was tried and failed."""
        return self._failures.get(_key(entry))

    def failure_at(self, group: str, distribution: str, target: str) -> Failure | None:
        """Return what loading a target raised, such as the adapter that a spec names."""
        return self._failures.get((group, distribution, target))

    def is_loaded(self, group: str, distribution: str, target: str) -> bool:
        """Tell whether a target was imported without fault."""
        return (group, distribution, target) in self._loaded

    def usable(self, entry: Entry) -> Any | None:
        """Return the object that `keep` stored, or None."""
        return self._usable.get(entry)

    def keep(self, entry: Entry, value: Any) -> None:
        """Store an object that passed the check of its group, so that asking again costs nothing."""
        with self._lock:
            self._usable[entry] = value

    def succeeded(self, entry: Entry) -> None:
        """Remember that an entry was imported and passed its check."""
        key = _key(entry)
        if key not in self._loaded:
            with self._lock:
                self._loaded.add(key)

    def failed(self, entry: Entry, failure: Failure) -> None:
        """Remember what an entry raised."""
        with self._lock:
            self._failures[_key(entry)] = failure
            self._loaded.discard(_key(entry))

    def importing(self, module: str, run: Callable[[], None], seconds: float) -> tuple[Thread, float]:
        """Return the thread that imports a module, and when to stop waiting for it.

        Args:
            module: its name.
            run: imports it; called in a new thread, unless one is at it already.
            seconds: how long the first caller wants to wait; others wait until the same moment of `time.monotonic`.
        """
        with self._lock:
            if module not in self._importing:
                thread = Thread(target=run, daemon=True)
                self._importing[module] = thread, time.monotonic() + seconds
                thread.start()
            return self._importing[module]

    def is_importing(self, module: str) -> bool:
        """Tell whether a thread was given up that imports a module, or is waited for."""
        return module in self._importing

    def imported(self, module: str) -> None:
        """Remember that the thread has ended."""
        with self._lock:
            self._importing.pop(module, None)

    def forget(self, entry: Entry | None = None) -> None:
        """Forget one entry, or everything."""
        with self._lock:
            if entry is not None:
                self._usable.pop(entry, None)
                self._failures.pop(_key(entry), None)
                self._loaded.discard(_key(entry))
                return
            self._failures.clear()
            self._loaded.clear()
            self._usable.clear()


def _key(entry: Entry) -> tuple[str, str, str]:
    return entry.group, entry.distribution, entry.value
