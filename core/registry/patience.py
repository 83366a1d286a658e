"""Importing plugins for a listing, which a module that never finishes must not keep from appearing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import Thread
from typing import Any

from cenote.errors import PluginError
from cenote.registry.entry import Entry
from cenote.registry.store import Registry

__all__ = ["PatientLoader"]


class PatientLoader:
    """Loads entries of a registry, and gives up on a module after some seconds.

    A module that hangs goes on hanging in a thread of its own, which does not keep the process from ending.
    """

    def __init__(self, registry: Registry, seconds: float) -> None:
        self._registry = registry
        self._seconds = seconds
        self._hanging: set[str] = set()

    def load(self, entry: Entry, check: Callable[[Any], None]) -> Any:
        """Load an entry as `Registry.load` does.

        Raises:
            PluginError: it is broken, or its module is still being imported.
        """
        module = entry.value.partition(":")[0]
        if entry.is_object or (module in sys.modules and module not in self._hanging):
            return self._registry.load(entry, check)
        if module not in self._hanging:
            outcome: list[Any] = []
            thread = Thread(target=self._try, args=(entry, check, outcome), daemon=True)
            thread.start()
            thread.join(self._seconds)
            if outcome:
                return self._registry.load(entry, check)  # what it gave or raised is remembered
            self._hanging.add(module)
        text = f"importing {module} did not end within {self._seconds:g} s; see where it waits, or disable it"
        raise PluginError(text, plugin=entry.name, distribution=entry.distribution)

    def _try(self, entry: Entry, check: Callable[[Any], None], outcome: list[Any]) -> None:
        try:
            self._registry.load(entry, check)
        except PluginError:
            pass  # raised again where the caller can hear it
        outcome.append(None)
