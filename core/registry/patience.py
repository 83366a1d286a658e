"""Importing plugins one beside the other, where a module that never finishes must not hold up the rest."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, Any

from cenote.errors import PluginError
from cenote.registry.entry import Entry

if TYPE_CHECKING:
    from cenote.registry.loader import Loader
    from cenote.registry.store import Registry

__all__ = ["HANGS", "PATIENCE", "ImportHangs", "PatientLoader"]

#: Seconds to wait for the module of a spec or of convert rules, which needs a few milliseconds.
PATIENCE = 10.0
#: What strangers are told of a module that takes longer.
HANGS = "its import did not end in time"


#: Seconds after which the log says what is waited for.
_NOTICE = 3.0

_log = logging.getLogger(__name__)


class ImportHangs(PluginError):
    """A module that is still being imported after a long time.

    Attributes:
        why: the message without the name of the plugin.
    """

    def __init__(self, entry: Entry, module: str, seconds: float) -> None:
        self.why = f"importing {module} did not end within {seconds:g} s; see where it waits, or disable it"
        text = f"Plugin {entry.name!r} ({entry.group}) of {entry.source} is passed over: {self.why}."
        super().__init__(text, plugin=entry.name, distribution=entry.distribution)


class PatientLoader:
    """Loads entries of a registry, and gives up on a module after some seconds.

    A module that hangs goes on hanging in a thread of its own, which does not keep the process from ending. The
    registry remembers it, so that nobody waits for it again.

    Args:
        registry: whose entries.
        seconds: to wait for each module.
    """

    def __init__(self, registry: Registry | Loader, seconds: float = PATIENCE) -> None:
        self._registry = registry
        self._seconds = seconds

    def load(self, entry: Entry, check: Callable[[Any], None] | None = None) -> Any:
        """Load an entry as `Registry.load` does.

        Raises:
            ImportHangs: its module is still being imported.
            PluginError: it is broken.
        """
        module = entry.value.partition(":")[0]
        record = self._registry.record
        is_there = entry.is_object or entry.is_built_in or (module in sys.modules and not record.is_importing(module))
        if not is_there and record.failure(entry) is None:
            thread, deadline = record.importing(module, lambda: self._try(entry, check), self._seconds)
            self._wait(entry, module, thread, deadline)
            if thread.is_alive():
                error = ImportHangs(entry, module, self._seconds)
                self._registry.warn(entry, error)
                raise error
            record.imported(module)
        return self._registry.load(entry, check)  # what the thread got or raised is remembered

    def _wait(self, entry: Entry, module: str, thread: Thread, deadline: float) -> None:
        left = deadline - time.monotonic()
        thread.join(max(0.0, min(left, _NOTICE)))
        if thread.is_alive() and left > _NOTICE:
            text = "Plugin %r (%s) of %s is still importing %s; it is given up in %.0f s."
            _log.warning(text, entry.name, entry.group, entry.source, module, left - _NOTICE)
            thread.join(max(0.0, deadline - time.monotonic()))

    def _try(self, entry: Entry, check: Callable[[Any], None] | None) -> None:
        try:
            self._registry.load(entry, check)
        except PluginError:
            pass  # raised again where the caller can hear it
