"""What is installed or registered, and which of it takes part. Imports no plugin, except for names of specs."""

from __future__ import annotations

import itertools
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cenote.registry.choice import Choice, Flags, read_choice
from cenote.registry.entry import ARCHITECTURES, Entry
from cenote.registry.index import Index, build_index
from cenote.registry.selection import WordList
from cenote.registry.spec_words import block_specs
from cenote.registry.trace import trace

__all__ = ["Catalog"]

_log = logging.getLogger(__name__)

#: Numbers of the states of all catalogs of the process.
_GENERATIONS = itertools.count(1)


class Catalog:
    """The entries behind a registry. Safe to use from several threads.

    Args:
        entries: what is installed; None scans the installed distributions on first use.
        environment: where the CENOTE_* variables are read from; None is the process environment, read at each scan.
        running: version of cenote with which plugins' demands are compared; None is the installed one.
    """

    def __init__(
        self, entries: Iterable[Entry] | None, environment: Mapping[str, str] | None, running: str | None
    ) -> None:
        self._given = None if entries is None else tuple(entries)
        self._environment = os.environ if environment is None else environment
        self._running = running
        self._flags = Flags()
        self._lock = threading.RLock()
        self._index: Index | None = None
        self._choice: Choice | None = None
        self._local: list[Entry] = []
        self._warned: set[tuple[str, str]] = set()
        self._generation = next(_GENERATIONS)

    @property
    def generation(self) -> int:
        """A number that no other catalog has and that every change of what takes part replaces."""
        return self._generation

    def index(self) -> Index:
        """Return what takes part and what does not; made on first use and after each change."""
        with self._lock:
            if self._index is None:
                self._index = self._build()
            return self._index

    def offers(self, group: str, load: Callable[[Entry], Any]) -> Mapping[str, tuple[Entry, ...]]:
        """Return each name of a group and who offers it.

        Args:
            group: an entry-point group.
            load: imports an entry; called for specs only, where a deny list has a word that may be a spec's name.
        """
        while group == ARCHITECTURES and self.index().unknown_denied:
            self._block_specs(load)
        return self.index().offers.get(group, {})

    def choice(self) -> Choice:
        """Return what the operator chose, by flags, variables and file.

        Raises:
            InvalidRequest: the file is missing or wrong.
        """
        with self._lock:
            if self._choice is None:
                self._choice = read_choice(self._flags, self._environment)
            return self._choice

    def restrict(self, flags: Flags) -> None:
        """Apply the flags of the command line in place of those given before."""
        choice = read_choice(flags, self._environment)
        with self._lock:
            self._flags, self._choice = flags, choice
            self._changed()

    def add(self, entry: Entry) -> None:
        """Add what the running program offers; no list filters it."""
        with self._lock:
            self._local.append(entry)
            self._changed()

    def remove(self, entry: Entry) -> bool:
        """Take it back, and tell whether it was there."""
        with self._lock:
            if entry not in self._local:
                return False
            self._local.remove(entry)
            self._changed()
            return True

    def is_local(self, entry: Entry) -> bool:
        """Tell whether the running program offers it."""
        return entry in self._local

    def refresh(self) -> None:
        """Look again at what is installed and what the operator chose."""
        with self._lock:
            self._choice = None
            self._changed()
            self._warned.clear()

    def trace(self, message: str) -> None:
        """Print a decision to standard error when CENOTE_TRACE_PLUGINS is 1."""
        trace(self._environment, message)

    def _changed(self) -> None:
        self._index, self._generation = None, next(_GENERATIONS)

    def _build(self) -> Index:
        # The package is imported already, being the parent of this module, and stands above it: not imported here.
        running = self._running or sys.modules["cenote"].__version__
        index = build_index(self._installed(), self._local, self.choice().selection, running, self.trace)
        self._warn_of(index.unknown_allowed, "Names of entry points and of distributions count")
        return index

    def _installed(self) -> tuple[Entry, ...]:
        if self._given is not None:
            return self._given
        from cenote.registry.scan import installed_entries

        return installed_entries()

    def _block_specs(self, load: Callable[[Entry], Any]) -> None:
        index = self.index()
        blocked, unused = block_specs(index, load, self._local)
        with self._lock:
            if self._index is not index:  # refreshed meanwhile, or another thread was here
                return
            self._index = blocked
        self._warn_of(unused, "Names of entry points, of distributions and of specs count")

    def _warn_of(self, lists: Iterable[WordList], advice: str) -> None:
        for one in lists:
            for word in sorted(one.words):
                if (one.source, word) not in self._warned:
                    self._warned.add((one.source, word))
                    text = "%s: nothing installed is called %r. %s; see 'cenote plugins'."
                    _log.warning(text, one.source, word, advice)
