"""What the registry imported in this process, and what that raised."""

from __future__ import annotations

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
        #: Modules that a listing gave up waiting for, each with the thread that goes on importing it.
        self.importing: dict[str, Thread] = {}

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
