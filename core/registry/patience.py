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

    A module that hangs goes on hanging in a thread of its own, which does not keep the process from ending. The
    registry remembers it, so that only the first listing waits.
    """

    def __init__(self, registry: Registry, seconds: float) -> None:
        self._registry = registry
        self._seconds = seconds

    def load(self, entry: Entry, check: Callable[[Any], None]) -> Any:
        """Load an entry as `Registry.load` does.

        Raises:
            PluginError: it is broken, or its module is still being imported.
        """
        module = entry.value.partition(":")[0]
        threads = self._registry.record.importing
        if not entry.is_object and module not in sys.modules and module not in threads:
            threads[module] = Thread(target=self._try, args=(entry, check), daemon=True)
            threads[module].start()
            threads[module].join(self._seconds)
        if module in threads:
            if threads[module].is_alive():
                text = f"importing {module} did not end within {self._seconds:g} s; see where it waits, or disable it"
                raise PluginError(text, plugin=entry.name, distribution=entry.distribution)
            threads.pop(module, None)
        return self._registry.load(entry, check)  # what the thread got or raised is remembered

    def _try(self, entry: Entry, check: Callable[[Any], None]) -> None:
        try:
            self._registry.load(entry, check)
        except PluginError:
            pass  # raised again where the caller can hear it
